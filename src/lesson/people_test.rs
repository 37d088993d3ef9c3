//! What people do to each other, with a media plane that only listens.

use super::*;
use crate::ids::ConnectionId;
use crate::lesson::lesson_test::{Scene, VP8, routes};
use crate::lesson::outbox::Outbox;
use crate::lesson::{Actor, Ask, Gone};
use crate::media::command::SlotIndex;

/// What a page says of itself that sends its camera, or nothing yet.
fn says(camera: bool) -> Ask {
    Ask::State { state: OwnState { camera, ..OwnState::default() } }
}

/// Who leads by the last word of these messages.
fn leads(messages: &[ServerMessage]) -> Option<&str> {
    let lessons = messages.iter().rev().find_map(|m| match m {
        ServerMessage::Welcome { lesson, .. } | ServerMessage::Lesson { lesson } => Some(lesson),
        _ => None,
    });
    lessons?.leads.as_ref().map(ParticipantId::as_str)
}

#[tokio::test]
async fn a_colleague_who_gets_ready_takes_nothing_from_who_teaches() {
    let mut scene = Scene::new(VP8);
    let board = scene.join(Role::Receiver, "c");
    let lead = scene.join(Role::Lead, "t");
    scene.ask(&lead, Ask::Start).unwrap();
    scene.ask(&lead, says(true)).unwrap();
    let taker = scene.connect(&board, &[]);
    scene.connect(&lead, &[SourceKind::Camera]);
    assert_eq!(leads(&board.read().await), Some("t"));
    scene.commands();

    let colleague = scene.join(Role::Lead, "u");
    scene.ask(&colleague, says(false)).unwrap();
    scene.connect(&colleague, &[SourceKind::Camera]);
    assert!(routes(&scene.commands(), taker).is_empty(), "her page has connected, and that is all");
    assert_eq!(leads(&colleague.read().await), Some("t"));
    assert_eq!(leads(&board.read().await), None, "nothing to tell");

    scene.ask(&colleague, says(true)).unwrap();
    assert_eq!(routes(&scene.commands(), taker), [(SlotIndex(2), true)]);
    assert_eq!(leads(&board.read().await), Some("u"));

    scene.ask(&lead, says(false)).unwrap();
    scene.ask(&colleague, says(false)).unwrap();
    assert_eq!(leads(&board.read().await), None, "she still leads, with everything off");
    scene.lesson.handle_gone(colleague.actor.connection, Gone::Left, scene.now);
    let told = board.read().await;
    assert_eq!(leads(&told), Some("t"));
    let place = |wanted: fn(&ServerMessage) -> bool| told.iter().position(wanted);
    assert!(
        place(|m| matches!(m, ServerMessage::Lesson { .. }))
            < place(|m| matches!(m, ServerMessage::ParticipantLeft { .. })),
        "no page is without a teacher for a moment"
    );
    scene.media.stop();
}

fn id(sub: &str) -> ParticipantId {
    ParticipantId::new(sub).unwrap()
}

#[tokio::test]
async fn a_tap_on_a_microphone_is_told_although_it_changes_nothing_here() {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    board.read().await;
    scene.ask(&lead, Ask::Start).unwrap();
    let told = |messages: Vec<ServerMessage>| -> Vec<bool> {
        let words = messages.into_iter().filter_map(|m| match m {
            ServerMessage::Muted { muted, .. } => Some(muted),
            _ => None,
        });
        words.collect()
    };
    assert!(told(board.read().await).is_empty(), "it was closed when the lesson began");
    for muted in [false, false, true, true] {
        scene.ask(&lead, Ask::Mute { participant: id("c"), kind: SourceKind::Mic, muted }).unwrap();
        assert_eq!(told(board.read().await), [muted]);
    }
    scene.ask(&lead, Ask::MuteAll).unwrap();
    assert_eq!(told(board.read().await), [true]);
    scene.media.stop();
}

#[tokio::test]
async fn a_kick_holds_for_the_lesson_s_life() {
    let mut scene = Scene::new(VP8);
    let (lead, _board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    let _observer = scene.join(Role::Observer, "o");
    let again = |scene: &mut Scene, role, sub| {
        let member = Member::new(id(sub), sub.into(), role);
        let actor = Actor { connection: ConnectionId::next(), member, outbox: Outbox::new() };
        scene.lesson.handle_join(actor, scene.now)
    };
    for sub in ["c", "o"] {
        scene.ask(&lead, Ask::Kick { participant: id(sub) }).unwrap();
    }
    for (role, sub) in [(Role::Receiver, "c"), (Role::Observer, "o"), (Role::Receiver, "o")] {
        assert!(matches!(again(&mut scene, role, sub), Err(LessonError::Kicked)), "{role:?} {sub}");
        assert!(scene.lesson.roster.get(&id(sub)).is_none());
    }
    assert!(again(&mut scene, Role::Receiver, "d").is_ok(), "nobody else is kept out");
    scene.ask(&lead, Ask::Kick { participant: id("t") }).unwrap();
    assert!(again(&mut scene, Role::Lead, "t").is_ok(), "a lesson is not left without its lead");
    scene.media.stop();
}

#[tokio::test]
async fn four_hundred_come_and_go_in_one_moment_and_nobody_is_cut() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let crowd: Vec<_> = (0..400).map(|n| scene.join(Role::Receiver, &format!("c{n}"))).collect();
    scene.lesson.settle(scene.now);
    let names = |messages: &[ServerMessage]| {
        let came = messages.iter().filter_map(|m| match m {
            ServerMessage::Participant { participant } => Some(participant.id.clone()),
            _ => None,
        });
        came.collect::<std::collections::BTreeSet<_>>().len()
    };
    let heard = lead.read().await;
    assert_eq!(names(&heard), 401, "herself and all others");
    for page in &crowd {
        scene.lesson.handle_gone(page.actor.connection, Gone::Broken, scene.now);
    }
    scene.lesson.settle(scene.now);
    for page in &crowd {
        let member = page.actor.member.clone();
        let actor = Actor { connection: ConnectionId::next(), member, outbox: Outbox::new() };
        scene.lesson.handle_join(actor.clone(), scene.now).unwrap();
        scene.lesson.handle_gone(actor.connection, Gone::Left, scene.now);
    }
    scene.lesson.settle(scene.now);
    let heard = lead.read().await;
    assert_eq!(names(&heard), 0, "only how it ended");
    let left = |m: &&ServerMessage| matches!(m, ServerMessage::ParticipantLeft { .. });
    assert_eq!(heard.iter().filter(left).count(), 400);
    scene.media.stop();
}
