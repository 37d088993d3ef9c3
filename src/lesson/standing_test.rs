//! Types of lessons at work: what a role comes to, and what a lead's token changes before 上课.

use super::*;
use crate::lesson::FloorAsk;
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, LessonError};
use crate::media::negotiate::{Codec, SourceKind};
use crate::session::message::Mode;

fn id(sub: &str) -> ParticipantId {
    ParticipantId::new(sub).unwrap()
}

/// A lesson of this type, opened by its lead `t`.
fn scene_of(kind: LessonType) -> (Scene, Page) {
    let mut scene = Scene::new(VP8);
    let lead = scene.join_with(Role::Lead, "t", |m| m.lesson_type = Some(kind));
    (scene, lead)
}

/// The newest role and mode that a page was welcomed and told with.
async fn told(page: &Page) -> (Option<Role>, Option<Mode>) {
    let mut out = (None, None);
    for message in page.read().await {
        match message {
            ServerMessage::Welcome { role, .. } => out.0 = Some(role),
            ServerMessage::Floor { floor } => out.1 = Some(floor.mode),
            _ => {}
        }
    }
    out
}

#[tokio::test]
async fn where_classrooms_only_watch_they_send_nothing_and_lead_nothing() {
    let (mut scene, lead) = scene_of(LessonType::Broadcast);
    let board = scene.join(Role::Receiver, "a");
    assert_eq!(told(&board).await.0, Some(Role::Observer));
    let sends = scene.try_offer(&board, &[SourceKind::Camera], &[Codec::Vp8]);
    assert!(matches!(sends, Err(LessonError::NotInThisLesson)), "{sends:?}");
    scene.try_offer(&board, &[], &[Codec::Vp8]).unwrap();
    scene.ask(&lead, Ask::Start).unwrap();
    let refused = scene.ask(&lead, Ask::Floor(FloorAsk::CallOn(id("a"))));
    assert!(matches!(refused, Err(LessonError::UnknownParticipant)), "{refused:?}");
    let refused = scene.ask(&lead, Ask::Floor(FloorAsk::SetMode(Mode::Discuss)));
    assert!(matches!(refused, Err(LessonError::NotInThisLesson)), "{refused:?}");
    scene.media.stop();
}

#[tokio::test]
async fn a_master_keeps_the_lead_and_a_classroom_of_a_delivery_may_have_it() {
    for (kind, may) in [(LessonType::MasterTeacher, false), (LessonType::Delivery, true)] {
        let (mut scene, lead) = scene_of(kind);
        scene.join(Role::Receiver, "a");
        scene.join_with(Role::Lead, "u", |_| {});
        let to = |sub: &str| Ask::Floor(FloorAsk::HandOver(id(sub)));
        assert_eq!(scene.ask(&lead, to("a")).is_ok(), may, "{kind:?}");
        assert!(scene.ask(&lead, to("u")).is_ok(), "{kind:?}: a colleague always");
        scene.media.stop();
    }
}

#[tokio::test]
async fn a_meeting_is_discussed_from_the_start_and_who_joins_hears_so() {
    let (mut scene, lead) = scene_of(LessonType::Meeting);
    let board = scene.join(Role::Receiver, "a");
    assert_eq!(told(&board).await, (Some(Role::Receiver), Some(Mode::Discuss)));
    scene.ask(&lead, Ask::Start).unwrap();
    assert_eq!(told(&board).await.1, Some(Mode::Discuss));
    scene.media.stop();
}

#[tokio::test]
async fn the_leads_token_says_the_type_until_the_lesson_begins() {
    let mut scene = Scene::new(VP8);
    let board = scene.join(Role::Receiver, "a");
    let peer = scene.connect(&board, &[SourceKind::Camera]);
    assert_eq!(told(&board).await.0, Some(Role::Receiver));
    let wishes = |kind| move |m: &mut Member| m.lesson_type = Some(kind);
    // A classroom's wish counts for nothing.
    scene.join_with(Role::Receiver, "b", wishes(LessonType::Meeting));
    assert_eq!(scene.lesson.info(scene.now).lesson_type, LessonType::Delivery);
    let lead = scene.join_with(Role::Lead, "t", wishes(LessonType::Broadcast));
    scene.lesson.settle(scene.now);
    assert_eq!(scene.lesson.info(scene.now).lesson_type, LessonType::Broadcast);
    assert_eq!(told(&board).await.0, Some(Role::Observer), "welcomed anew");
    let removed = |c: &crate::media::command::Command| matches!(c, crate::media::command::Command::RemovePeer { peer: p } if *p == peer);
    assert!(scene.commands().iter().any(removed), "what it sent has ended");
    scene.ask(&lead, Ask::Start).unwrap();
    scene.join_with(Role::Lead, "u", wishes(LessonType::Meeting));
    assert_eq!(scene.lesson.info(scene.now).lesson_type, LessonType::Broadcast, "it runs");
    scene.media.stop();
}
