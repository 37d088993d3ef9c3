//! Who looks on: counted, in nobody's roster, brought in and back.

use super::*;
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, FloorAsk, Gone};
use crate::media::command::Command;
use crate::media::negotiate::{Codec, SourceKind};
use crate::session::message::LessonType;

fn id(sub: &str) -> ParticipantId {
    ParticipantId::new(sub).unwrap()
}

fn promote(sub: &str, promoted: bool) -> Ask {
    Ask::Promote { participant: id(sub), promoted }
}

fn call(sub: &str) -> Ask {
    Ask::Floor(FloorAsk::CallOn(id(sub)))
}

/// What a page is told: `12/37` for units and people, `+name`, `-name`, `I am …` for a welcome.
async fn told(page: &Page) -> Vec<String> {
    let word = |message| {
        Some(match message {
            ServerMessage::Audience { audience } => format!("{}/{}", audience.units, audience.people),
            ServerMessage::Participant { participant } => {
                format!("+{}{}", participant.id, if participant.promoted { "!" } else { "" })
            }
            ServerMessage::ParticipantLeft { id } => format!("-{id}"),
            ServerMessage::Welcome { role, roster, .. } => {
                let all: Vec<_> = roster.iter().map(|p| p.id.as_str()).collect();
                format!("I am {role:?} of {}", all.join(" "))
            }
            _ => return None,
        })
    };
    page.read().await.into_iter().filter_map(word).collect()
}

#[test]
fn the_unit_is_the_tokens_or_stands_before_the_first_sign() {
    for (name, unit) in [
        ("示例县001 教研室", "示例县001"),
        ("示例县001·张老师", "示例县001"),
        ("示例县001（教研室）", "示例县001"),
        ("示例县001-02", "示例县001"),
        ("示例县001", "示例县001"),
        (" ·", "·"),
    ] {
        assert_eq!(unit_of(&Member::new(id("o"), name.into(), Role::Observer)), unit, "{name}");
    }
    let said = Member {
        unit: Some(" 牡丹江市 ".into()),
        ..Member::new(id("o"), "张 三".into(), Role::Observer)
    };
    assert_eq!(unit_of(&said), "牡丹江市");
}

#[tokio::test]
async fn leads_are_told_how_many_and_of_nobody() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let board = scene.join(Role::Receiver, "a");
    scene.ask(&lead, Ask::Start).unwrap();
    told(&lead).await;
    told(&board).await;
    let mut viewers = Vec::new();
    for n in 0..300 {
        let unit = format!("示例县{:03}", n % 125);
        viewers.push(scene.join_with(Role::Observer, &format!("o{n}"), |m| m.unit = Some(unit)));
    }
    scene.lesson.settle(scene.now);
    scene.lesson.handle_tick(scene.now);
    assert_eq!(told(&lead).await, ["125/300"], "one word for all");
    assert_eq!(told(&board).await, [""; 0]);
    scene.lesson.handle_tick(scene.now);
    assert_eq!(told(&lead).await, [""; 0], "and only when it is another number");
    let own = told(&viewers[299]).await;
    assert_eq!(own, ["I am Observer of t a o299", "+o299"], "nor do they hear of each other");
    scene.lesson.handle_gone(viewers[0].actor.connection, Gone::Left, scene.now);
    scene.lesson.handle_gone(viewers[1].actor.connection, Gone::Broken, scene.now);
    scene.lesson.settle(scene.now);
    scene.lesson.handle_tick(scene.now);
    assert_eq!(told(&lead).await, ["125/298"]);
    let second = scene.join(Role::Lead, "u");
    assert!(told(&second).await.contains(&"125/298".to_owned()), "also to a lead who comes later");
    let list = scene.lesson.audience_list();
    assert_eq!((list.len(), list[0].unit.as_str(), list[0].viewers.len()), (125, "示例县000", 2));
    scene.media.stop();
}

#[tokio::test]
async fn brought_in_it_is_a_classroom_and_sent_back_it_is_one_of_many() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let board = scene.join(Role::Receiver, "a");
    let viewer = scene.join(Role::Observer, "o");
    scene.ask(&lead, Ask::Start).unwrap();
    scene.connect(&viewer, &[]);
    for page in [&lead, &board, &viewer] {
        told(page).await;
    }
    let refused = scene.ask(&lead, call("o"));
    assert!(matches!(refused, Err(LessonError::UnknownParticipant)), "{refused:?}");

    scene.ask(&lead, promote("o", true)).unwrap();
    assert_eq!(told(&lead).await, ["+o!"]);
    assert_eq!(told(&viewer).await, ["I am Receiver of t o", "+o!"], "what a classroom knows");
    assert_eq!(told(&board).await, [""; 0]);
    let peer = scene.connect(&viewer, &[SourceKind::Mic, SourceKind::Camera]);
    scene.ask(&lead, call("o")).unwrap();
    assert!(told(&board).await.contains(&"+o!".to_owned()), "it is on stage");
    // A page that is loaded anew is what it was.
    let viewer = scene.join(Role::Observer, "o");
    assert_eq!(told(&viewer).await[0], "I am Receiver of t o");
    for page in [&lead, &board] {
        told(page).await;
    }
    scene.commands();

    scene.ask(&lead, promote("o", false)).unwrap();
    assert!(told(&lead).await.contains(&"-o".to_owned()));
    assert!(told(&board).await.contains(&"-o".to_owned()));
    let removed = |c: &Command| matches!(c, Command::RemovePeer { peer: p } if *p == peer);
    assert!(scene.commands().iter().any(removed), "it is not seen any more");
    assert!(told(&viewer).await[0].starts_with("I am Observer"));
    let sends = scene.try_offer(&viewer, &[SourceKind::Mic], &[Codec::Vp8]);
    assert!(matches!(sends, Err(LessonError::NotInThisLesson)), "{sends:?}");
    scene.media.stop();
}

#[tokio::test]
async fn where_a_school_shows_its_lessons_nobody_is_brought_in() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join_with(Role::Lead, "t", |m| m.lesson_type = Some(LessonType::SchoolOnline));
    scene.join(Role::Receiver, "a");
    scene.ask(&lead, Ask::Start).unwrap();
    let refused = scene.ask(&lead, promote("a", true));
    assert!(matches!(refused, Err(LessonError::NotInThisLesson)), "{refused:?}");
    scene.media.stop();
}

#[tokio::test]
async fn a_board_of_a_broadcast_is_brought_on_stage() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join_with(Role::Lead, "t", |m| m.lesson_type = Some(LessonType::Broadcast));
    let board = scene.join(Role::Receiver, "a");
    scene.ask(&lead, Ask::Start).unwrap();
    scene.lesson.handle_tick(scene.now);
    assert!(told(&lead).await.contains(&"1/1".to_owned()), "it looks on");
    scene.ask(&lead, promote("a", true)).unwrap();
    assert!(told(&board).await.contains(&"I am Receiver of t a".to_owned()));
    scene.ask(&lead, call("a")).unwrap();
    scene.media.stop();
}
