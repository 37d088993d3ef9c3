use std::time::Duration;

use super::*;
use crate::lesson::lesson_test::{Page, Scene, VP8};
use crate::lesson::{Ask, Gone};
use crate::media::command::{CloseReason, Event};
use crate::media::stats::HubStats;

const TOP: Grant = Grant::Layer(LayerIndex(2), ALL_TEMPORAL);
const SLOW: Option<LinkCause> = Some(LinkCause::Slow);

/// A classroom's content and camera, of which layers 0–2 flow.
fn said(grants: [Grant; 2], condition: Condition, loss: f32) -> (LinkState, Option<LinkCause>) {
    let picture = |granted| Picture { granted, best: Some(LayerIndex(2)), max: LayerIndex::TOP };
    judge(&grants.map(picture), false, condition, loss, None)
}

#[test]
fn the_worst_that_holds_is_said_with_its_cause() {
    let smaller = Grant::Layer(LayerIndex(1), ALL_TEMPORAL);
    let fewer = Grant::Layer(LayerIndex(2), 1);
    let clear = Condition::Clear;
    assert_eq!(said([TOP, TOP], clear, 0.0), (LinkState::Good, None));
    assert_eq!(said([TOP, TOP], clear, 0.08), (LinkState::Lossy, Some(LinkCause::Loss)));
    assert_eq!(said([TOP, smaller], clear, 0.08), (LinkState::Reduced, SLOW));
    assert_eq!(said([TOP, fewer], clear, 0.0), (LinkState::Reduced, SLOW));
    assert_eq!(said([TOP, Grant::Paused], clear, 0.0), (LinkState::Reduced, SLOW));
    assert_eq!(said([Grant::Paused; 2], clear, 0.0), (LinkState::SoundOnly, SLOW));
    let silent = said([Grant::Paused; 2], Condition::Silent, 0.0);
    assert_eq!(silent, (LinkState::Silent, Some(LinkCause::Silent)));
    let joins = [Picture { granted: smaller, best: Some(LayerIndex(2)), max: LayerIndex::TOP }];
    assert_eq!(judge(&joins, true, clear, 0.0, None).0, LinkState::Good, "more comes in a moment");
    assert_eq!(judge(&[], false, clear, 0.0, None).0, LinkState::Good, "sound was all there is");
}

#[test]
fn what_nobody_sends_or_plans_is_not_missed() {
    let granted = Grant::Layer(LayerIndex(1), ALL_TEMPORAL);
    let state = |best, max| judge(&[Picture { granted, best, max }], false, Condition::Clear, 0.0, None).0;
    assert_eq!(state(Some(LayerIndex(2)), LayerIndex::TOP), LinkState::Reduced);
    assert_eq!(state(Some(LayerIndex(1)), LayerIndex::TOP), LinkState::Good);
    assert_eq!(state(Some(LayerIndex(2)), LayerIndex(1)), LinkState::Good);
    assert_eq!(state(None, LayerIndex::TOP), LinkState::Good);
}

#[test]
fn the_history_is_bounded_and_keeps_the_reason() {
    let mut history = LinkHistory::default();
    let now = Instant::now();
    for n in 0..200u64 {
        let granted = if n % 2 == 0 { Grant::Paused } else { TOP };
        let why = if n % 2 == 0 { Why::Loss } else { Why::Room };
        let at = now + Duration::from_secs(n);
        history.note(Changed { at, kind: SourceKind::Camera, granted, why });
    }
    assert_eq!(history.changes.len(), KEPT);
    let shown = history.shown(now + Duration::from_secs(200));
    assert_eq!((shown.len(), shown[0].seconds_ago, shown[0].layer), (SHOWN, 1, Some(2)));
    assert_eq!((shown[0].cause, shown[1].cause), (LinkCause::Room, LinkCause::Loss));
    assert_eq!(history.cause, Some(LinkCause::Loss), "room is no cause of anything missing");
}

/// A lead with camera and content, and a board, both connected.
fn scene() -> (Scene, Page, Page, PeerId, PeerId) {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    scene.ask(&lead, Ask::Start).unwrap();
    let taker = scene.connect(&board, &[]);
    let sender = scene.connect(&lead, &[SourceKind::Camera]);
    (scene, lead, board, sender, taker)
}

fn stats(peer: PeerId, condition: Condition) -> HubStats {
    let stats = PeerStats {
        peer,
        connected: true,
        heard: true,
        down_kbps: 300,
        up_kbps: 80,
        rtt_ms: Some(40),
        loss_down: 0.0,
        loss_up: 0.0,
        bad_packets: 0,
        line_kbps: Some(280),
        standing_ms: 0,
        condition,
        fresh: false,
        own_loss: 0.0,
        slots: Vec::new(),
    };
    HubStats { peers: vec![stats], ..HubStats::default() }
}

/// The states told by `links` messages, newest last.
fn links(messages: &[ServerMessage]) -> Vec<Vec<LinkState>> {
    let told = messages.iter().filter_map(|m| match m {
        ServerMessage::Links { links } => Some(links.iter().map(|l| l.state).collect()),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn leads_hear_of_bad_lines_when_they_change_and_when_they_join() {
    let (mut scene, lead, board, _, taker) = scene();
    connects_for_long(&mut scene, &board);
    lead.read().await;
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert!(links(&lead.read().await).is_empty(), "all is well");
    scene.lesson.handle_stats(stats(taker, Condition::Silent));
    scene.lesson.handle_stats(stats(taker, Condition::Silent));
    assert_eq!(links(&lead.read().await), [[LinkState::Silent]], "once");
    assert!(links(&board.read().await).is_empty(), "not a classroom's business");
    let second = scene.join(Role::Lead, "t2");
    assert_eq!(links(&second.read().await), [[LinkState::Silent]]);
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert_eq!(links(&lead.read().await), [vec![]], "good again");
    scene.media.stop();
}

fn connects_for_long(scene: &mut Scene, page: &Page) {
    let seat = scene.lesson.roster.get_mut(&page.actor.member.id).unwrap();
    seat.connects_since = Instant::now().checked_sub(CONNECTING).unwrap();
}

#[tokio::test]
async fn a_classroom_without_media_connects_then_is_silent_and_one_that_is_away_is_only_away() {
    let (mut scene, lead, _board, _, taker) = scene();
    let late = scene.join(Role::Receiver, "late");
    scene.join(Role::Observer, "o");
    lead.read().await;
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert_eq!(links(&lead.read().await), [[LinkState::Connecting]], "the classroom's, not the observer's");
    connects_for_long(&mut scene, &late);
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert_eq!(links(&lead.read().await), [[LinkState::Silent]]);
    scene.lesson.handle_gone(late.actor.connection, crate::lesson::Gone::Broken, scene.now);
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert_eq!(links(&lead.read().await), [vec![]]);
    let back = scene.join(Role::Receiver, "late");
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert_eq!(links(&lead.read().await), [[LinkState::Connecting]], "it has just come back");
    let again = scene.connect(&back, &[]);
    scene.lesson.handle_stats(stats(again, Condition::Clear));
    assert_eq!(links(&lead.read().await), [vec![]]);
    connects_for_long(&mut scene, &back);
    scene.lesson.peer_closed(again, CloseReason::Handshake);
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert_eq!(links(&lead.read().await), [[LinkState::Connecting]], "and makes another one");
    let dead = scene.connect(&back, &[]);
    connects_for_long(&mut scene, &back);
    scene.lesson.handle_stats(stats(dead, Condition::Silent));
    assert_eq!(links(&lead.read().await), [[LinkState::Silent]], "which no longer answers");
    scene.lesson.peer_closed(dead, CloseReason::ConsentLost);
    scene.lesson.handle_stats(stats(taker, Condition::Clear));
    assert!(links(&lead.read().await).is_empty(), "no word of hope for a line that was dead for so long");
    scene.media.stop();
}

#[tokio::test]
async fn a_page_that_came_back_is_not_blamed_for_the_connection_it_left() {
    let (mut scene, lead, board, _, taker) = scene();
    connects_for_long(&mut scene, &board);
    lead.read().await;
    scene.lesson.handle_stats(stats(taker, Condition::Silent));
    assert_eq!(links(&lead.read().await), [[LinkState::Silent]]);
    scene.join(Role::Receiver, "c");
    scene.lesson.handle_stats(stats(taker, Condition::Silent));
    assert_eq!(links(&lead.read().await), [[LinkState::Connecting]]);
    scene.media.stop();
}

#[tokio::test]
async fn a_paused_slot_says_so_until_it_flows_again() {
    let (mut scene, _lead, board, _, taker) = scene();
    board.read().await;
    let slot = SlotIndex(2);
    let grant = |granted| Event::SlotGranted { peer: taker, slot, granted, why: Why::Congestion };
    let paused = |messages: Vec<ServerMessage>| -> Vec<bool> {
        let slots = messages.into_iter().filter_map(|m| match m {
            ServerMessage::Slots { slots, .. } => Some(slots),
            _ => None,
        });
        slots.flatten().filter_map(|s| Some(s.feed?.paused)).collect()
    };
    scene.event(grant(Grant::Layer(LayerIndex(1), ALL_TEMPORAL)));
    assert!(paused(board.read().await).is_empty(), "smaller is not paused");
    scene.event(grant(Grant::Paused));
    assert_eq!(paused(board.read().await), [true]);
    scene.event(grant(TOP));
    assert_eq!(paused(board.read().await), [false]);
    scene.media.stop();
}

#[tokio::test]
async fn a_page_that_comes_back_hears_again_which_layers_are_of_use() {
    let (mut scene, lead, _board, sender, _) = scene();
    let seat = scene.lesson.roster.get(&lead.actor.member.id).unwrap();
    let source = seat.peers().next().unwrap().sources[0].info.source;
    let told = |messages: Vec<ServerMessage>| -> Vec<(PeerId, Vec<u8>)> {
        let layers = messages.into_iter().filter_map(|m| match m {
            ServerMessage::Layers { peer, layers, .. } => Some((peer, layers)),
            _ => None,
        });
        layers.collect()
    };
    scene.event(Event::LayersWanted { source, layers: 0b101 });
    assert_eq!(told(lead.read().await), [(sender, vec![0, 2])]);
    scene.lesson.handle_gone(lead.actor.connection, Gone::Broken, scene.now);
    scene.event(Event::LayersWanted { source, layers: 0b111 });
    let again = scene.join(Role::Lead, "t");
    assert_eq!(told(again.read().await), [(sender, vec![0, 1, 2])]);
    scene.media.stop();
}
