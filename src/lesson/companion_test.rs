//! Phones beside a board, with a media plane that only listens.

use super::*;
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, FloorAsk, Gone, Member, SignalAsk};
use crate::session::message::{OwnState, Trouble};

/// A second page of this participant's classroom, as a phone; what became of it.
fn try_phone(scene: &mut Scene, sub: &str) -> Result<Page, LessonError> {
    let member = Member::new(ParticipantId::new(sub).unwrap(), sub.into(), Role::Companion);
    let actor = Actor { connection: ConnectionId::next(), member, outbox: Outbox::new() };
    scene.lesson.handle_join(actor.clone(), scene.now)?;
    Ok(Page { actor })
}

fn place(messages: &[ServerMessage]) -> Option<u32> {
    messages.iter().rev().find_map(|m| match m {
        ServerMessage::Floor { floor } => Some(floor.place),
        _ => None,
    })?
}

#[tokio::test]
async fn a_phone_raises_its_classrooms_hand_and_takes_nobodys_seat() {
    let mut scene = Scene::new(VP8);
    assert!(matches!(try_phone(&mut scene, "c"), Err(LessonError::UnknownParticipant)), "nobody there yet");
    let lead = scene.join(Role::Lead, "t");
    let board = scene.join(Role::Receiver, "c");
    let other = scene.join(Role::Receiver, "d");
    let phone = try_phone(&mut scene, "c").unwrap();
    let told = phone.read().await;
    let ServerMessage::Welcome { role, slots, roster, .. } = &told[0] else { panic!("{told:?}") };
    assert_eq!((*role, slots.video), (Role::Companion, 0));
    let mut known: Vec<_> = roster.iter().map(|p| p.id.as_str()).collect();
    known.sort_unstable();
    assert_eq!(known, ["c", "t"], "whom its classroom knows");
    assert_eq!(scene.lesson.roster.len(), 3);

    scene.ask(&lead, Ask::Start).unwrap();
    scene.ask(&phone, Ask::Floor(FloorAsk::Raise)).unwrap();
    for page in [&board, &phone] {
        assert_eq!(place(&page.read().await), Some(1), "both see the classroom's hand");
    }
    assert_eq!(place(&other.read().await), None);
    scene.ask(&phone, Ask::Signal(SignalAsk::Trouble(Trouble::CannotHear))).unwrap();
    let heard = lead.read().await;
    assert!(
        heard
            .iter()
            .any(|m| matches!(m, ServerMessage::Trouble { participant, .. } if participant.as_str() == "c"))
    );

    // Its going is nobody's news, and the hand stays up.
    scene.lesson.handle_gone(phone.actor.connection, Gone::Broken, scene.now);
    scene.lesson.settle(scene.now);
    assert!(lead.read().await.is_empty());
    assert!(matches!(scene.ask(&phone, Ask::Floor(FloorAsk::Raise)), Err(LessonError::Replaced)));
    scene.media.stop();
}

#[tokio::test]
async fn the_microphone_is_the_boards_own() {
    let mut scene = Scene::new(VP8);
    let board = scene.join(Role::Receiver, "c");
    let phone = try_phone(&mut scene, "c").unwrap();
    scene.ask(&phone, Ask::KeepMic { kept: true }).unwrap();
    let asked = board.read().await;
    assert!(asked.iter().any(|m| matches!(m, ServerMessage::KeepMic { kept: true })), "{asked:?}");
    phone.read().await;

    let state = OwnState { mic_kept: true, ..OwnState::default() };
    scene.ask(&board, Ask::State { state }).unwrap();
    let told = phone.read().await;
    let kept = |m: &ServerMessage| matches!(m, ServerMessage::Participant { participant } if participant.state.mic_kept);
    assert!(told.iter().any(kept), "the phone sees what became of it: {told:?}");

    // A board that is cut off cannot be asked.
    scene.lesson.handle_gone(board.actor.connection, Gone::Broken, scene.now);
    assert!(matches!(scene.ask(&phone, Ask::KeepMic { kept: false }), Err(LessonError::UnknownParticipant)));
    scene.media.stop();
}

#[tokio::test]
async fn phones_go_with_their_classroom_and_are_few() {
    let mut scene = Scene::new(VP8);
    let bye = |messages: &[ServerMessage]| {
        messages.iter().find_map(|m| match m {
            ServerMessage::Bye { reason } => Some(*reason),
            _ => None,
        })
    };
    let board = scene.join(Role::Receiver, "c");
    let phones: Vec<_> = (0..=MOST).map(|_| try_phone(&mut scene, "c").unwrap()).collect();
    assert_eq!(bye(&phones[0].read().await), Some(ByeReason::Replaced), "the oldest makes room");
    assert_eq!(bye(&phones[1].read().await), None);
    scene.lesson.handle_gone(board.actor.connection, Gone::Left, scene.now);
    assert_eq!(bye(&phones[1].read().await), Some(ByeReason::Left));

    let lead = scene.join(Role::Lead, "t");
    scene.join(Role::Receiver, "c");
    let phone = try_phone(&mut scene, "c").unwrap();
    scene.ask(&lead, Ask::Kick { participant: ParticipantId::new("c").unwrap() }).unwrap();
    assert_eq!(bye(&phone.read().await), Some(ByeReason::Kicked));
    assert!(matches!(try_phone(&mut scene, "c"), Err(LessonError::Kicked)));
    scene.media.stop();
}
