//! Calls, hands and the lead in a lesson with a media plane that only listens.

use std::time::Duration;

use super::*;
use crate::lesson::SignalAsk;
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, Gone};
use crate::media::command::{Command, Event};
use crate::session::message::{OwnState, Trouble};

fn id(sub: &str) -> ParticipantId {
    ParticipantId::new(sub).unwrap()
}

fn call(sub: &str) -> Ask {
    Ask::Floor(FloorAsk::CallOn(id(sub)))
}

fn release(sub: Option<&str>) -> Ask {
    Ask::Floor(FloorAsk::Release(sub.map(id)))
}

fn hand_over(sub: &str) -> Ask {
    Ask::Floor(FloorAsk::HandOver(id(sub)))
}

/// What a page is told, in order: `floor` as mode, speakers (`*` on stage), hands, `#place`; `+name`,
/// `-name`; `leads name`; `open`, `closed` for its own microphone; `=name` for a feed.
async fn told(page: &Page) -> Vec<String> {
    page.read().await.into_iter().filter_map(word).collect()
}

fn word(message: ServerMessage) -> Option<String> {
    Some(match message {
        ServerMessage::Floor { floor } => {
            let stars =
                |s: &Speaker| format!("{}{}", s.participant.as_str(), if s.on_stage { "*" } else { "" });
            let speakers: Vec<_> = floor.speakers.iter().map(stars).collect();
            let hands: Vec<_> = floor.hands.iter().map(ParticipantId::as_str).collect();
            let place = floor.place.map_or_else(String::new, |p| format!(" #{p}"));
            let mode = if floor.mode == Mode::Discuss { "discuss" } else { "listen" };
            format!("{mode} [{}] [{}]{place}", speakers.join(" "), hands.join(" "))
        }
        ServerMessage::Participant { participant } => format!("+{}", participant.id.as_str()),
        ServerMessage::ParticipantLeft { id } => format!("-{}", id.as_str()),
        ServerMessage::Lesson { lesson } => format!("leads {}", lesson.leads?.as_str()),
        ServerMessage::Muted { muted, .. } => if muted { "closed" } else { "open" }.to_owned(),
        ServerMessage::Trouble { participant, kind } => format!("{} {kind:?}", participant.as_str()),
        ServerMessage::Heard { participants } => {
            format!(
                "heard [{}]",
                participants.iter().map(ParticipantId::as_str).collect::<Vec<_>>().join(" ")
            )
        }
        ServerMessage::Slots { slots, .. } => {
            let owner = |s: &crate::session::message::SlotFeed| {
                s.feed.as_ref().map_or_else(String::new, |f| f.participant.as_str().to_owned())
            };
            format!("={}", slots.iter().map(owner).collect::<Vec<_>>().join(","))
        }
        _ => return None,
    })
}

fn gates(scene: &Scene) -> Vec<bool> {
    let gate = |c: Command| if let Command::Gate { open, .. } = c { Some(open) } else { None };
    scene.commands().into_iter().filter_map(gate).collect()
}

/// A running lesson: lead `t`, classrooms `a` and `b` that send microphone and camera.
async fn class() -> (Scene, Page, Page, Page) {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let (a, b) = (scene.join(Role::Receiver, "a"), scene.join(Role::Receiver, "b"));
    scene.ask(&lead, Ask::Start).unwrap();
    scene.connect(&lead, &[]);
    for page in [&a, &b] {
        scene.connect(page, &[SourceKind::Mic, SourceKind::Camera]);
        let state = OwnState { camera: true, sound: true, ..OwnState::default() };
        scene.ask(page, Ask::State { state }).unwrap();
    }
    for page in [&lead, &a, &b] {
        page.read().await;
    }
    scene.commands();
    (scene, lead, a, b)
}

#[tokio::test]
async fn one_call_opens_and_the_next_one_closes_the_first() {
    let (mut scene, lead, a, b) = class().await;
    scene.ask(&lead, call("a")).unwrap();
    assert_eq!(gates(&scene), [true]);
    assert_eq!(told(&a).await, ["open", "+a", "listen [a*] []"]);
    assert_eq!(told(&b).await, ["+a", "listen [a*] []"], "its name comes before it is shown");
    assert!(told(&lead).await.contains(&"=a".to_owned()), "its voice, before its page has said anything");

    scene.ask(&lead, call("b")).unwrap();
    assert_eq!(gates(&scene), [false, true]);
    let news = told(&a).await;
    assert_eq!(&news[..3], ["closed", "+a", "+b"], "{news:?}");
    assert_eq!(told(&b).await, ["open", "+b", "listen [b*] []", "-a"]);

    scene.ask(&lead, release(None)).unwrap();
    assert_eq!(gates(&scene), [false]);
    assert_eq!(told(&b).await, ["closed", "+b", "listen [] []"]);
    assert!(told(&a).await.ends_with(&["listen [] []".to_owned(), "-b".to_owned()]));
    scene.media.stop();
}

#[tokio::test]
async fn what_a_classroom_keeps_closed_is_shown_and_not_heard() {
    let (mut scene, lead, a, b) = class().await;
    let kept = |mic_kept| Ask::State {
        state: OwnState { camera: true, sound: true, mic_kept, ..OwnState::default() },
    };
    scene.ask(&a, kept(true)).unwrap();
    told(&lead).await;
    scene.ask(&lead, call("a")).unwrap();
    assert!(told(&b).await.contains(&"+a".to_owned()), "it is on stage");
    let fed = |news: Vec<String>| news.into_iter().filter(|w| w.starts_with('=')).collect::<Vec<_>>();
    assert!(fed(told(&lead).await).is_empty(), "its picture was there before, and its voice is not");
    scene.ask(&a, kept(false)).unwrap();
    assert_eq!(fed(told(&lead).await), ["=a"]);
    scene.media.stop();
}

#[tokio::test]
async fn a_hand_is_the_leads_matter_and_its_place_the_classrooms() {
    let (mut scene, lead, a, b) = class().await;
    for page in [&b, &a] {
        scene.ask(page, Ask::Floor(FloorAsk::Raise)).unwrap();
    }
    assert_eq!(told(&lead).await, ["listen [] [b a]"], "only the newest waits");
    assert_eq!(told(&b).await, ["listen [] [] #1"]);
    assert_eq!(told(&a).await, ["listen [] [] #2"]);
    scene.ask(&b, Ask::Floor(FloorAsk::Lower(id("b")))).unwrap();
    assert_eq!(told(&b).await, ["listen [] []"]);
    assert_eq!(told(&a).await, ["listen [] [] #1"], "it moves up");
    scene.ask(&lead, call("a")).unwrap();
    assert!(told(&lead).await.contains(&"listen [a*] []".to_owned()), "called on, its hand is down");
    // Who comes back knows how it stands.
    scene.ask(&b, Ask::Floor(FloorAsk::Raise)).unwrap();
    scene.lesson.handle_gone(b.actor.connection, Gone::Broken, scene.now);
    let b = scene.join(Role::Receiver, "b");
    assert!(told(&b).await.contains(&"listen [a*] [] #1".to_owned()));
    scene.lesson.handle_gone(b.actor.connection, Gone::Left, scene.now);
    scene.lesson.settle(scene.now);
    assert!(told(&lead).await.contains(&"listen [a*] []".to_owned()), "who has left raises no hand");
    scene.media.stop();
}

#[tokio::test]
async fn in_a_discussion_several_speak_and_mute_all_ends_it() {
    let (mut scene, lead, a, b) = class().await;
    scene.ask(&lead, Ask::Floor(FloorAsk::SetMode(Mode::Discuss))).unwrap();
    scene.ask(&lead, call("a")).unwrap();
    let open = Ask::Mute { participant: id("b"), kind: SourceKind::Mic, muted: false };
    scene.ask(&lead, open).unwrap();
    assert_eq!(gates(&scene), [true, true]);
    assert!(told(&b).await.contains(&"discuss [b a*] []".to_owned()));
    scene.ask(&lead, Ask::Floor(FloorAsk::SetMode(Mode::Listen))).unwrap();
    assert_eq!(gates(&scene), [false], "the newest goes on");
    assert!(told(&a).await.contains(&"listen [b] []".to_owned()));
    scene.ask(&lead, Ask::MuteAll).unwrap();
    assert_eq!(gates(&scene), [false]);
    assert!(told(&b).await.contains(&"listen [] []".to_owned()));
    scene.media.stop();
}

#[tokio::test]
async fn the_lead_goes_to_a_classroom_and_back() {
    let (mut scene, lead, a, b) = class().await;
    scene.ask(&lead, call("a")).unwrap();
    scene.ask(&a, Ask::Floor(FloorAsk::Raise)).unwrap();
    for page in [&lead, &a, &b] {
        told(page).await;
    }
    gates(&scene);
    scene.ask(&lead, hand_over("a")).unwrap();
    assert!(gates(&scene).is_empty(), "its microphone was open");
    let news = told(&a).await;
    let at = |what: &str| news.iter().position(|w| w == what).unwrap_or_else(|| panic!("{what} in {news:?}"));
    assert!(at("+b") < at("leads a"), "it knows everybody: {news:?}");
    assert!(told(&b).await.contains(&"leads a".to_owned()));
    assert!(told(&lead).await.contains(&"listen [] []".to_owned()), "who leads needs no floor");

    // It calls on another one, and nobody can call on it or mute it with all others.
    scene.ask(&a, call("b")).unwrap();
    assert!(matches!(scene.ask(&lead, call("a")), Err(LessonError::UnknownParticipant)));
    scene.ask(&lead, Ask::MuteAll).unwrap();
    assert_eq!(gates(&scene), [true, false], "of b alone");
    for page in [&lead, &a, &b] {
        told(page).await;
    }
    scene.ask(&lead, hand_over("b")).unwrap();
    assert_eq!(gates(&scene), [false, true], "the one closes, the other opens");
    let news = told(&a).await;
    assert!(news.contains(&"leads b".to_owned()) && !news.contains(&"-b".to_owned()), "{news:?}");
    scene.ask(&b, hand_over("t")).unwrap();
    assert_eq!(gates(&scene), [false]);
    assert_eq!(told(&a).await.last().unwrap(), "-b");
    let news = told(&b).await;
    assert!(news.contains(&"leads t".to_owned()) && news.last().unwrap() == "-a", "{news:?}");
    assert!(matches!(scene.ask(&lead, hand_over("nobody")), Err(LessonError::UnknownParticipant)));
    scene.media.stop();
}

#[tokio::test]
async fn a_chosen_lead_that_is_cut_off_is_stood_in_for_until_it_returns() {
    let (mut scene, lead, a, b) = class().await;
    let peer = scene.lesson.roster.get(&id("a")).and_then(|s| s.current.as_ref()).map(|p| p.id).unwrap();
    scene.ask(&lead, hand_over("a")).unwrap();
    told(&b).await;
    scene.lesson.handle_gone(a.actor.connection, Gone::Broken, scene.now);
    scene.lesson.settle(scene.now);
    assert!(!told(&b).await.contains(&"leads t".to_owned()), "its media still comes");
    for ask in [call("a"), hand_over("a")] {
        assert!(matches!(scene.ask(&lead, ask), Err(LessonError::UnknownParticipant)), "it is cut off");
    }
    let reason = crate::media::command::CloseReason::ConsentLost;
    scene.event(Event::PeerClosed { peer, reason });
    assert!(told(&b).await.contains(&"leads t".to_owned()));
    scene.join(Role::Receiver, "a");
    scene.lesson.settle(scene.now);
    assert!(told(&b).await.contains(&"leads a".to_owned()));
    scene.media.stop();
}

#[tokio::test]
async fn who_is_cut_off_leads_no_more_also_when_its_media_is_missed_first() {
    let (mut scene, lead, a, b) = class().await;
    let peer = scene.lesson.roster.get(&id("a")).and_then(|s| s.current.as_ref()).map(|p| p.id).unwrap();
    scene.ask(&lead, hand_over("a")).unwrap();
    scene.event(Event::PeerClosed { peer, reason: crate::media::command::CloseReason::ConsentLost });
    told(&b).await;
    scene.lesson.handle_gone(a.actor.connection, Gone::Broken, scene.now);
    scene.lesson.settle(scene.now);
    assert!(told(&b).await.contains(&"leads t".to_owned()));
    // Half a minute later it comes back as a classroom like the others.
    scene.now += Duration::from_secs(31);
    scene.lesson.handle_tick(scene.now);
    scene.join(Role::Receiver, "a");
    scene.lesson.settle(scene.now);
    assert!(!told(&b).await.contains(&"leads a".to_owned()));
    scene.media.stop();
}

#[tokio::test]
async fn who_is_cut_off_for_long_has_the_floor_no_more() {
    let (mut scene, lead, a, b) = class().await;
    scene.ask(&lead, call("a")).unwrap();
    told(&b).await;
    scene.lesson.handle_gone(a.actor.connection, Gone::Broken, scene.now);
    for (seconds, over) in [(20, false), (31, true)] {
        let at = scene.now + Duration::from_secs(seconds);
        scene.lesson.handle_tick(at);
        scene.lesson.settle(at);
        assert_eq!(told(&b).await.contains(&"listen [] []".to_owned()), over, "after {seconds} s");
    }
    assert!(
        scene.ask(&lead, Ask::Mute { participant: id("a"), kind: SourceKind::Mic, muted: false }).is_err()
    );
    scene.media.stop();
}

#[tokio::test]
async fn a_lead_is_sent_the_page_of_her_wall_alone() {
    let (mut scene, lead, _a, _b) = class().await;
    scene.ask(&lead, Ask::Floor(FloorAsk::ShowWall(vec![id("b"), id("nobody")]))).unwrap();
    assert_eq!(told(&lead).await, ["="], "a's slot is empty, b keeps its own");
    scene.ask(&lead, call("a")).unwrap();
    assert_eq!(told(&lead).await.last().unwrap(), "=a,a", "who is called on is always there");
    scene.media.stop();
}

#[tokio::test]
async fn complaints_reach_the_leads_once_in_a_while() {
    let (mut scene, lead, a, b) = class().await;
    let complain = || Ask::Signal(SignalAsk::Trouble(Trouble::CannotHear));
    for _ in 0..3 {
        scene.ask(&a, complain()).unwrap();
    }
    scene.ask(&b, complain()).unwrap();
    assert_eq!(told(&lead).await, ["a CannotHear", "b CannotHear"]);
    assert!(told(&b).await.is_empty(), "no other classroom's matter");
    scene.now += Duration::from_secs(6);
    scene.ask(&a, complain()).unwrap();
    assert_eq!(told(&lead).await, ["a CannotHear"]);
    let colleague = scene.join(Role::Lead, "u");
    assert!(told(&colleague).await.contains(&"a CannotHear".to_owned()), "she is told of the latest");
    scene.ask(&a, Ask::Signal(SignalAsk::Headcount(27))).unwrap();
    scene.ask(&a, Ask::Signal(SignalAsk::Headcount(27))).unwrap();
    assert_eq!(told(&lead).await.iter().filter(|w| *w == "+a").count(), 1);
    scene.media.stop();
}

#[tokio::test]
async fn before_the_bell_nobody_speaks() {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    assert!(matches!(scene.ask(&lead, call("c")), Err(LessonError::NotLive)));
    assert!(matches!(scene.ask(&board, Ask::Floor(FloorAsk::Raise)), Err(LessonError::NotLive)));
    scene.media.stop();
}

#[tokio::test]
async fn whose_voice_is_heard_is_told_to_classrooms_only_in_a_discussion() {
    let (mut scene, lead, a, b) = class().await;
    scene.ask(&lead, call("a")).unwrap();
    let seat = scene.lesson.roster.get(&id("a")).unwrap();
    let source = seat.current.as_ref().unwrap().sources[0].info.source;
    for page in [&lead, &a, &b] {
        told(page).await;
    }
    scene.event(Event::SourceHeard { source, heard: true });
    assert_eq!(told(&lead).await, ["heard [a]"]);
    assert!(told(&b).await.is_empty());
    scene.ask(&lead, Ask::Floor(FloorAsk::SetMode(Mode::Discuss))).unwrap();
    told(&b).await;
    scene.event(Event::SourceHeard { source, heard: false });
    assert_eq!(told(&b).await, ["heard []"]);
    scene.event(Event::SourceHeard { source, heard: true });
    scene.ask(&lead, release(Some("a"))).unwrap();
    assert!(told(&lead).await.contains(&"heard []".to_owned()), "a closed microphone is heard by nobody");
    scene.ask(&lead, call("a")).unwrap();
    assert!(told(&lead).await.contains(&"heard [a]".to_owned()));
    scene.ask(&lead, hand_over("a")).unwrap();
    assert!(told(&lead).await.contains(&"heard []".to_owned()), "whoever leads is left out");
    scene.media.stop();
}
