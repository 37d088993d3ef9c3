//! What a lesson does when a classroom's page hears its own loudspeaker.

use super::*;
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, FloorAsk};
use crate::media::command::Command;
use crate::session::message::OwnState;
use crate::store::record::{Happened, Record};

/// A lead and a classroom that both send sound.
struct Room {
    scene: Scene,
    lead: Page,
    board: Page,
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
        let room = Self { scene, lead, board };
        room.told().await;
        room
    }

    fn call(&mut self) {
        self.scene.ask(&self.lead, Ask::Floor(FloorAsk::CallOn(id("a")))).unwrap();
    }

    fn hears_echo(&mut self) {
        self.scene.ask(&self.board, Ask::EchoHeard).unwrap();
    }

    fn speaks(&self) -> bool {
        !self.scene.lesson.roster.get(&id("a")).unwrap().closed.contains(&SourceKind::Mic)
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

#[tokio::test]
async fn an_echo_is_closed_twice_and_then_the_lead_decides() {
    let mut room = Room::new().await;
    room.scene.commands();
    for _ in 0..2 {
        room.call();
        room.hears_echo();
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
    room.hears_echo();
    room.hears_echo();
    assert!(room.speaks(), "she has heard why, and opened it");
    assert_eq!(room.told().await, [("lead", false), ("board", false)], "once in a while");
    room.scene.now += TOLD_AGAIN;
    room.hears_echo();
    assert_eq!(room.told().await, [("lead", false), ("board", false)]);
    assert_eq!(room.noted(), ["muted", "muted", "told", "told"]);
    room.scene.now += FORGOTTEN;
    room.hears_echo();
    assert!(!room.speaks(), "another hour, another echo");
    room.scene.media.stop();
}

#[tokio::test]
async fn a_closed_microphone_whoever_leads_and_whoever_switched_it_off_are_let_be() {
    let mut room = Room::new().await;
    room.hears_echo();
    assert!(room.told().await.is_empty(), "it is closed: what is there to hear");
    room.call();
    room.scene.lesson.config.echo_guard = false;
    room.hears_echo();
    assert!(room.speaks(), "switched off");
    room.scene.lesson.config.echo_guard = true;
    room.scene.ask(&room.lead, Ask::Floor(FloorAsk::HandOver(id("a")))).unwrap();
    room.hears_echo();
    assert!(room.speaks(), "a lesson is nothing without the voice of who leads");
    assert!(room.told().await.is_empty() && room.noted().is_empty());
    room.scene.media.stop();
}
