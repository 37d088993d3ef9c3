//! Handing over from one media connection of a seat to the next.

use super::*;
use crate::lesson::Ask;
use crate::lesson::lesson_test::{Page, Scene, VP8, renewals, routes};
use crate::media::command::Event;
use crate::media::negotiate::SourceKind;
use crate::session::message::Role;

/// A lead's running peer, a board's peer, and the lead's newer peer, connected.
struct Handed {
    scene: Scene,
    lead: Page,
    taker: PeerId,
    old: PeerId,
    new: PeerId,
}

const SENDS: [SourceKind; 3] = [SourceKind::Mic, SourceKind::Camera, SourceKind::Content];

impl Handed {
    /// Microphone and camera of the older peer flow, its content does not.
    async fn new() -> Self {
        let mut scene = Scene::new(VP8);
        let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
        scene.ask(&lead, Ask::Start).unwrap();
        let taker = scene.connect(&board, &[]);
        let old = scene.connect(&lead, &SENDS);
        for kind in &SENDS[..2] {
            let source = source(&scene, &lead, old, *kind);
            scene.event(Event::SourceFlowing { source });
        }
        let new = scene.try_offer(&lead, &SENDS, &[Codec::Vp8]).unwrap();
        scene.commands();
        scene.event(Event::PeerConnected { peer: new });
        lead.read().await;
        Self { scene, lead, taker, old, new }
    }

    fn flows(&mut self, kind: SourceKind) -> Vec<Command> {
        let source = source(&self.scene, &self.lead, self.new, kind);
        self.scene.event(Event::SourceFlowing { source });
        self.scene.commands()
    }

    fn removes_old(&self, commands: &[Command]) -> bool {
        commands.iter().any(|c| matches!(c, Command::RemovePeer { peer } if *peer == self.old))
    }
}

fn source(scene: &Scene, page: &Page, peer: PeerId, kind: SourceKind) -> SourceId {
    let seat = scene.lesson.roster.get(&page.actor.member.id).unwrap();
    let peer = seat.peers().find(|p| p.id == peer).unwrap();
    peer.sources.iter().find(|s| s.info.kind == kind).unwrap().info.source
}

#[tokio::test]
async fn each_kind_changes_over_when_the_newer_one_flows() {
    let mut handed = Handed::new().await;
    let before = handed.scene.commands();
    // The content of neither flows: nothing is lost by taking the newer one at once.
    assert_eq!(routes(&before, handed.taker), [(SlotIndex(3), true)]);
    assert!(!handed.removes_old(&before));
    let mic = handed.flows(SourceKind::Mic);
    assert_eq!(routes(&mic, handed.taker), [(SlotIndex(0), true)]);
    assert!(!handed.removes_old(&mic), "its camera is still needed");
    let camera = handed.flows(SourceKind::Camera);
    assert_eq!(routes(&camera, handed.taker), [(SlotIndex(2), true)]);
    assert!(handed.removes_old(&camera));
    // Its end is nobody's trouble, and its time has no meaning any more.
    handed.scene.event(Event::PeerClosed { peer: handed.old, reason: CloseReason::Removed });
    handed.scene.lesson.settle(handed.scene.now + HANDOVER);
    assert!(handed.scene.commands().is_empty());
    assert!(renewals(&handed.lead.read().await).is_empty());
    handed.scene.media.stop();
}

#[tokio::test]
async fn what_never_flows_is_waited_for_no_longer_than_two_seconds() {
    let mut handed = Handed::new().await;
    handed.scene.commands();
    let due = handed.scene.lesson.next_deadline().unwrap();
    assert_eq!(due, handed.scene.now + HANDOVER);
    handed.scene.lesson.settle(due - Duration::from_millis(1));
    assert!(handed.scene.commands().is_empty());
    handed.scene.lesson.settle(due);
    let commands = handed.scene.commands();
    assert_eq!(routes(&commands, handed.taker), [(SlotIndex(0), true), (SlotIndex(2), true)]);
    assert!(handed.removes_old(&commands));
    assert_eq!(handed.scene.lesson.next_deadline(), None);
    handed.scene.media.stop();
}

#[tokio::test]
async fn a_page_that_closes_its_older_peer_ends_the_handover() {
    let mut handed = Handed::new().await;
    handed.scene.commands();
    handed.scene.event(Event::PeerClosed { peer: handed.old, reason: CloseReason::ConsentLost });
    let commands = handed.scene.commands();
    assert_eq!(routes(&commands, handed.taker), [(SlotIndex(0), true), (SlotIndex(2), true)]);
    assert!(renewals(&handed.lead.read().await).is_empty(), "the newer one is there");
    handed.scene.media.stop();
}

#[tokio::test]
async fn a_newer_peer_that_breaks_leaves_the_older_one_at_work() {
    let mut handed = Handed::new().await;
    handed.scene.commands();
    handed.scene.event(Event::PeerClosed { peer: handed.new, reason: CloseReason::Handshake });
    let commands = handed.scene.commands();
    assert_eq!(routes(&commands, handed.taker), [(SlotIndex(3), true)], "only the content goes back");
    assert_eq!(renewals(&handed.lead.read().await), ["media_lost"]);
    handed.scene.lesson.settle(handed.scene.now + HANDOVER);
    assert!(!handed.removes_old(&handed.scene.commands()), "it is the current one again");
    handed.scene.media.stop();
}
