//! Echo in a lesson with a media plane that only listens: levels are made-up classrooms' (`echo_cases`).

use super::*;
use crate::lesson::echo_cases::{Case, Kind, case};
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, FloorAsk};
use crate::media::command::{Command, Event};
use crate::session::message::OwnState;
use crate::store::record::{Happened, Record};

/// A lead and a classroom that both send sound, and what the shard says of them.
struct Room {
    scene: Scene,
    lead: Page,
    board: Page,
    /// Of the lead's microphone and the classroom's.
    sources: [SourceId; 2],
    /// Steps since the shard began.
    step: u64,
}

fn id(sub: &str) -> ParticipantId {
    ParticipantId::new(sub).unwrap()
}

impl Room {
    async fn new() -> Self {
        let mut scene = Scene::new(VP8);
        let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "a"));
        scene.ask(&lead, Ask::Start).unwrap();
        for page in [&lead, &board] {
            scene.connect(page, &[SourceKind::Mic]);
            let state = OwnState { mic: true, sound: true, ..OwnState::default() };
            scene.ask(page, Ask::State { state }).unwrap();
        }
        let mic =
            |sub| scene.lesson.roster.get(&id(sub)).unwrap().current.as_ref().unwrap().sources[0].info.source;
        let sources = [mic("t"), mic("a")];
        let room = Self { scene, lead, board, sources, step: 1_000 };
        room.told().await;
        room
    }

    fn call(&mut self) {
        self.scene.ask(&self.lead, Ask::Floor(FloorAsk::CallOn(id("a")))).unwrap();
    }

    fn speaks(&self) -> bool {
        !self.scene.lesson.roster.get(&id("a")).unwrap().closed.contains(&SourceKind::Mic)
    }

    /// What the shard tells of a classroom that does this, until it is closed at the latest.
    fn sounds(&mut self, case: &Case) {
        let seat = self.scene.lesson.roster.by_number_mut(SeatNumber(2)).unwrap();
        seat.current.as_mut().unwrap().stats = None;
        // The round trip is not measured yet: what is assumed is near this case's.
        self.step += 100;
        for (sent, own) in case.sent.chunks(12).zip(case.own.chunks(12)) {
            for (source, levels) in [(self.sources[0], sent), (self.sources[1], own)] {
                let levels = Levels { first: self.step, levels: levels.into() };
                self.scene.event(Event::SourceLevels { source, levels });
            }
            self.step += sent.len() as u64;
            if !self.speaks() {
                break;
            }
        }
    }

    /// Everybody's news of echo, as (whose page, muted).
    async fn told(&self) -> Vec<(&'static str, bool)> {
        let mut out = Vec::new();
        for (name, page) in [("lead", &self.lead), ("board", &self.board)] {
            let news = page.read().await.into_iter().filter_map(|m| match m {
                ServerMessage::Echo { participant, muted } if participant == id("a") => Some((name, muted)),
                _ => None,
            });
            out.extend(news);
        }
        out
    }

    fn noted(&self) -> Vec<String> {
        let echo = |record: Record| match record {
            Record::Event { what: Happened::Echo, detail, .. } => detail,
            _ => None,
        };
        self.scene.chronicle.taken().into_iter().filter_map(echo).collect()
    }
}

/// A lesson's echo of this seed.
fn echo(seed: u64) -> Case {
    case(Kind::PlainEcho, seed, 12)
}

#[tokio::test]
async fn an_echo_is_closed_twice_and_then_the_lead_decides() {
    let mut room = Room::new().await;
    room.scene.commands();
    for seed in 1..=2 {
        room.call();
        room.sounds(&echo(seed));
        assert!(!room.speaks());
        assert_eq!(room.told().await, [("lead", true), ("board", true)]);
        assert!(room.scene.lesson.floor.speakers().is_empty(), "it has not the floor any more");
    }
    let gates: Vec<bool> = room
        .scene
        .commands()
        .iter()
        .filter_map(|c| if let Command::Gate { open, .. } = c { Some(*open) } else { None })
        .collect();
    assert_eq!(gates, [true, false, true, false]);
    room.call();
    room.sounds(&echo(7));
    assert!(room.speaks(), "she has heard why, and opened it");
    assert_eq!(room.told().await, [("lead", false), ("board", false)], "once in a while");
    room.scene.now += TOLD_AGAIN;
    room.sounds(&echo(4));
    assert_eq!(room.told().await, [("lead", false), ("board", false)]);
    assert_eq!(room.noted(), ["muted", "muted", "told", "told"]);
    room.scene.now += FORGOTTEN;
    room.sounds(&echo(5));
    assert!(!room.speaks(), "another hour, another echo");
    room.scene.media.stop();
}

#[tokio::test]
async fn who_only_talks_at_the_same_time_keeps_the_floor() {
    let mut room = Room::new().await;
    room.call();
    for seed in 1..=5 {
        room.sounds(&case(Kind::DoubleTalk, seed, 20));
        assert!(room.speaks());
    }
    assert!(room.told().await.is_empty() && room.noted().is_empty());
    room.scene.media.stop();
}

#[tokio::test]
async fn whoever_leads_and_whoever_switched_the_guard_off_is_never_closed() {
    let mut room = Room::new().await;
    room.call();
    room.scene.lesson.config.echo_guard = false;
    room.sounds(&echo(1));
    assert!(room.speaks());
    room.scene.lesson.config.echo_guard = true;
    room.scene.ask(&room.lead, Ask::Floor(FloorAsk::HandOver(id("a")))).unwrap();
    room.sounds(&echo(2));
    assert!(room.speaks(), "a lesson is nothing without the voice of who leads");
    assert!(room.told().await.is_empty());
    room.scene.media.stop();
}

#[tokio::test]
async fn a_page_that_listens_by_itself_is_believed_and_nobody_guesses_beside_it() {
    let mut room = Room::new().await;
    let state = OwnState { mic: true, sound: true, ear: true, ..OwnState::default() };
    room.scene.ask(&room.board, Ask::State { state }).unwrap();
    room.scene.ask(&room.board, Ask::EchoHeard).unwrap();
    assert!(room.told().await.is_empty(), "its microphone is closed: what is there to hear");
    room.call();
    room.sounds(&echo(1));
    assert!(room.speaks(), "the curves are not looked at");
    room.scene.ask(&room.board, Ask::EchoHeard).unwrap();
    assert!(!room.speaks());
    assert_eq!(room.told().await, [("lead", true), ("board", true)]);
    room.scene.lesson.config.echo_guard = false;
    room.call();
    room.scene.ask(&room.board, Ask::EchoHeard).unwrap();
    assert!(room.speaks(), "switched off");
    room.scene.lesson.config.echo_guard = true;
    room.scene.ask(&room.lead, Ask::Floor(FloorAsk::HandOver(id("a")))).unwrap();
    room.scene.ask(&room.board, Ask::EchoHeard).unwrap();
    assert!(room.speaks(), "whoever leads is never closed");
    room.scene.media.stop();
}

#[test]
fn several_sounds_are_as_loud_as_they_are_together() {
    for (levels, expected) in [
        (&[][..], 127),
        (&[40], 40),
        (&[127, 40], 40),
        (&[40, 40], 37),
        (&[40, 43], 38),
        (&[30, 60], 30),
        (&[0, 0], 0),
    ] {
        assert_eq!(together(levels.iter().copied()), expected, "{levels:?}");
    }
}
