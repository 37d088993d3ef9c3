use std::time::Duration;

use super::*;

const TOP: Grant = Grant::Layer(LayerIndex(2), ALL_TEMPORAL);
const SLOW: Option<LinkCause> = Some(LinkCause::Slow);

/// A classroom's content and camera, of which layers 0–2 flow.
fn said(grants: [Grant; 2], condition: Condition, loss: f32) -> (LinkState, Option<LinkCause>) {
    let picture = |granted| Picture { granted, best: Some(LayerIndex(2)), max: LayerIndex::TOP };
    judge(&grants.map(picture), condition, loss, None)
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
    assert_eq!(judge(&[], clear, 0.0, None).0, LinkState::Good, "sound was all there is");
}

#[test]
fn what_nobody_sends_or_plans_is_not_missed() {
    let granted = Grant::Layer(LayerIndex(1), ALL_TEMPORAL);
    let state = |best, max| judge(&[Picture { granted, best, max }], Condition::Clear, 0.0, None).0;
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
