//! Who hears of whom, read from the pages' outboxes.

use crate::ids::ParticipantId;
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, Gone};
use crate::media::command::{CloseReason, Event};
use crate::media::negotiate::SourceKind;
use crate::session::message::{OwnState, Role, ServerMessage};

fn id(sub: &str) -> ParticipantId {
    ParticipantId::new(sub).unwrap()
}

fn open(sub: &str, muted: bool) -> Ask {
    Ask::Mute { participant: id(sub), kind: SourceKind::Mic, muted }
}

/// What a page is told of people since it was last read: a welcome's roster, `+name` for an entry,
/// `-name` for one who left, `=name` for a feed of theirs, `=` for an empty slot.
async fn news(page: &Page) -> Vec<String> {
    let mut out = Vec::new();
    for message in page.read().await {
        match message {
            ServerMessage::Welcome { roster, .. } => {
                out.push(roster.iter().map(|p| p.id.as_str()).collect::<Vec<_>>().join(" "));
            }
            ServerMessage::Participant { participant } => out.push(format!("+{}", participant.id.as_str())),
            ServerMessage::ParticipantLeft { id } => out.push(format!("-{}", id.as_str())),
            ServerMessage::Slots { slots, .. } => {
                let owner = |f: &crate::session::message::Feed| f.participant.as_str().to_owned();
                out.extend(
                    slots.iter().map(|s| format!("={}", s.feed.as_ref().map_or_else(String::new, owner))),
                );
            }
            _ => {}
        }
    }
    out
}

fn said(camera: bool) -> Ask {
    Ask::State { state: OwnState { mic: true, camera, sound: true, ..OwnState::default() } }
}

#[tokio::test]
async fn classrooms_hear_of_leads_and_of_open_microphones_alone() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let (a, b) = (scene.join(Role::Receiver, "a"), scene.join(Role::Receiver, "b"));
    let observer = scene.join(Role::Observer, "o");
    scene.ask(&lead, Ask::Start).unwrap();
    assert_eq!(news(&a).await, ["t a", "+a", "+t"], "itself and the lead");
    assert_eq!(news(&observer).await[0], "t a b o", "everybody, and itself of the audience");
    for page in [&lead, &b] {
        page.read().await;
    }

    scene.connect(&a, &[SourceKind::Mic, SourceKind::Camera]);
    scene.ask(&a, said(true)).unwrap();
    assert_eq!(news(&b).await, [""; 0], "another classroom's matter");
    assert!(news(&lead).await.contains(&"+a".to_owned()));
    assert!(news(&observer).await.contains(&"+a".to_owned()));
    news(&a).await;

    scene.ask(&lead, open("a", false)).unwrap();
    assert_eq!(news(&b).await, ["+a"], "now she is heard");
    let late = scene.join(Role::Receiver, "c");
    scene.lesson.settle(scene.now);
    assert_eq!(news(&late).await, ["t a c", "+c"]);
    scene.ask(&a, said(false)).unwrap();
    assert_eq!(news(&b).await, ["+a"], "and what she does is told");

    scene.ask(&lead, open("a", true)).unwrap();
    assert_eq!(news(&b).await, ["-a"]);
    assert!(!news(&a).await.contains(&"-a".to_owned()), "nobody is told that she has left herself");
    scene.ask(&lead, open("a", false)).unwrap();
    assert_eq!(news(&b).await, ["+a"]);
    scene.lesson.handle_gone(a.actor.connection, Gone::Left, scene.now);
    scene.lesson.settle(scene.now);
    assert_eq!(news(&b).await, ["-a"], "once");
    assert_eq!(news(&late).await.last().unwrap(), "-a");
    scene.media.stop();
}

#[tokio::test]
async fn a_name_comes_before_its_feed_and_goes_after_it() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let (a, b) = (scene.join(Role::Receiver, "a"), scene.join(Role::Receiver, "b"));
    scene.ask(&lead, Ask::Start).unwrap();
    scene.connect(&b, &[]);
    let peer = scene.connect(&a, &[SourceKind::Mic]);
    scene.ask(&lead, open("a", false)).unwrap();
    news(&b).await;
    // Two audio slots in these offers: both belong to the lead, so hers is what is shown.
    scene.connect(&lead, &[SourceKind::Mic, SourceKind::Camera]);
    assert_eq!(news(&b).await, ["+t", "=t", "=t"]);
    let second = scene.join(Role::Lead, "u");
    scene.connect(&second, &[SourceKind::Camera]);
    let told = news(&b).await;
    let at = |what: &str| told.iter().position(|t| t == what).unwrap_or_else(|| panic!("{what} in {told:?}"));
    assert!(at("+u") < at("=u"), "{told:?}");
    // What closes by itself is as gone as what is muted.
    scene.event(Event::PeerClosed { peer, reason: CloseReason::Closed });
    assert_eq!(news(&b).await, ["-a"]);
    // She sits down among the classrooms.
    scene.join(Role::Receiver, "u");
    scene.lesson.settle(scene.now);
    let told = news(&b).await;
    let at =
        |what: &str| told.iter().rposition(|t| t == what).unwrap_or_else(|| panic!("{what} in {told:?}"));
    assert!(at("=t") < at("-u"), "{told:?}");
    scene.media.stop();
}

#[tokio::test]
async fn one_seats_news_plans_one_seat_and_common_news_all() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let boards: Vec<_> = (0..3).map(|n| scene.join(Role::Receiver, &format!("c{n}"))).collect();
    scene.ask(&lead, Ask::Start).unwrap();
    scene.connect(&lead, &[SourceKind::Mic, SourceKind::Camera]);
    for board in &boards {
        scene.connect(board, &[SourceKind::Mic]);
    }
    for board in &boards {
        assert!(news(board).await.contains(&"=t".to_owned()), "whenever it came");
    }
    let content = Ask::State { state: OwnState { mic: true, camera: false, ..OwnState::default() } };
    scene.ask(&lead, content).unwrap();
    for board in &boards {
        assert_eq!(news(board).await, ["+t", "="], "her camera is off for all");
    }
    scene.media.stop();
}
