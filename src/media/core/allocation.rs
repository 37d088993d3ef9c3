//! A subscriber's line, shared out among its pictures; and what nobody needs, told to the lesson.

use std::time::{Duration, Instant};

use crate::media::allocate::{Budget, Demand, Ladder, allocate};
use crate::media::bandwidth::{self, Condition};
use crate::media::clock::Micros;
use crate::media::command::{ALL_TEMPORAL, Event, Grant, LayerIndex, Rank, Why};
use crate::media::core::Core;
use crate::media::negotiate::MediaKind;
use crate::media::siblings::{Seen, site};
use crate::media::source::MAX_LAYERS;

const EVERY: Micros = 100_000;
/// So much later where the line carries all there is.
const RELAXED: Micros = 400_000;
/// What is reserved for the content's base, bits per second. It is encoded with up to 150 000 while a page
/// moves, but what is above may wait in the pacer.
const SLIDES: f64 = 100_000.0;
/// What a line is measured for at first, whatever is sent yet, bits per second.
const BEGINNING: f64 = 2_500_000.0;
/// A picture that was paused does not come and go.
const PAUSE: Micros = 3_000_000;
/// Deeper than this the present picture is stopped at once, not at the next key frame.
const DEEP: Micros = 250_000;
/// A layer that nobody has had for so long need not be sent.
const UNUSED: Duration = Duration::from_secs(10);

impl Core {
    /// The client told what came: the estimate has moved.
    pub(super) fn line_moved(&mut self, key: usize, woken: bool, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let line = &mut peer.deliveries.line;
        if let Some(path) = peer.path {
            let overfull = line.condition() == Condition::Congested;
            let seen = Seen { now: at, target: line.capacity(), standing: line.standing(), overfull };
            if let Some(mean) = self.siblings.note(key, site(path.remote.ip()), seen) {
                line.lean(mean);
            }
        }
        let (capacity, calm) = (line.capacity(), line.condition() == Condition::Clear);
        if woken {
            peer.share.forgive(at);
        }
        peer.share.note(at, capacity);
        if at >= peer.share.next && !(calm && peer.share.all_given && at < peer.share.next + RELAXED) {
            self.share_out(key, now, None);
        }
        self.probe(key, now);
    }

    /// The client's own estimate: taken from those that tell nothing better.
    pub(super) fn line_estimated(&mut self, key: usize, bits: u64, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let told = (bits as f64).clamp(bandwidth::LEAST, bandwidth::MOST);
        peer.told_most = Some(told);
        if peer.deliveries.line.condition() == Condition::Unknown {
            peer.share.note(at, told);
            if at >= peer.share.next {
                self.share_out(key, now, None);
            }
        }
    }

    /// Decides what each picture of a subscriber gets. `why` names a cause that the line does not know.
    pub(super) fn share_out(&mut self, key: usize, now: Instant, why: Option<Why>) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        peer.share.next = at + EVERY;
        let Some(target) = peer.line_target(at).filter(|_| self.adapt) else {
            peer.share.line = f64::INFINITY;
            peer.pacer.follow(f64::INFINITY);
            return self.grant_all(key, now);
        };
        let capacity = peer.line_capacity(at).unwrap_or(target);
        peer.share.line = target;
        peer.pacer.follow(target);
        let line = &peer.deliveries.line;
        let whole = if line.condition() == Condition::Unknown && peer.told_most.is_none() {
            // Nothing is known of the line yet: something small at once, more in a moment.
            0
        } else {
            peer.share.whole.follow(at, line.inherent_loss())
        };
        let mut sound = 0.0;
        let mut pictures = 0.0;
        let mut demands: Vec<Demand> = Vec::new();
        for slot in &peer.slots {
            let Some(source) = slot.feed.and_then(|s| self.sources.get(s)).filter(|s| s.open && s.flowing)
            else {
                continue;
            };
            if slot.kind == MediaKind::Audio {
                let copies = f64::from(1 + slot.redundancy.level());
                sound += source.cost(0, ALL_TEMPORAL).unwrap_or(0.0) * copies;
                continue;
            }
            let all = |layer: u8| source.cost(layer, ALL_TEMPORAL);
            pictures += (0..=slot.max_layer.0).filter_map(all).fold(0.0, f64::max);
            let held = at < slot.held_until;
            let top = if held { 0 } else { slot.max_layer.0.min(whole) };
            let slides = slot.rank == Rank::Content;
            let ladder = Ladder::new(top, |layer, temporal| {
                let cost = source.cost(layer, temporal)?;
                // A turned page may wait in the pacer; it is not a rate.
                Some(if slides && layer == 0 { cost.min(SLIDES) } else { cost })
            });
            let has = match slot.granted {
                // What waits in the pacer is there, and a base that was granted will be in a moment; a larger
                // layer that has not begun is not.
                Grant::Layer(layer, temporal) => slot
                    .queued
                    .or(slot.layer())
                    .or((layer.0 == 0 && slot.rank != Rank::Small).then_some(0))
                    .map(|flows| (flows.min(layer.0), if flows > layer.0 { ALL_TEMPORAL } else { temporal })),
                Grant::Paused => None,
            };
            let barred = slot.granted == Grant::Paused && at < slot.paused_until;
            demands.push(Demand {
                slot: slot.index.0,
                rank: slot.rank,
                ladder,
                has,
                barred,
                // While a queue drains everything is late.
                held: held && target >= capacity,
                given: None,
            });
        }
        demands.sort_by_key(|d| d.rank);
        peer.share.useful = (sound + pictures) * 1.1;
        if peer.share.is_fresh(at) {
            // A teacher's browser that has just begun sends little yet.
            peer.share.useful = peer.share.useful.max(BEGINNING);
        }
        let line = &peer.deliveries.line;
        let condition = line.condition();
        let budget = Budget {
            now: capacity - sound,
            proven: peer.share.proven() - sound,
            held: !peer.share.may_rise(at),
            overused: matches!(condition, Condition::Congested | Condition::Lossy | Condition::Silent),
        };
        allocate(budget, &mut demands);
        let best = |d: &Demand| d.given.is_some_and(|at| at + 1 == d.ladder.steps().len());
        peer.share.all_given = whole == LayerIndex::TOP.0 && demands.iter().all(best);
        let why = why.unwrap_or(match condition {
            Condition::Congested => Why::Congestion,
            Condition::Lossy => Why::Loss,
            Condition::Silent => Why::Silence,
            Condition::Clear | Condition::Unknown => Why::Demand,
        });
        let hurry = line.standing() > DEEP;
        for demand in demands {
            let grant = match demand.step() {
                Some(step) => Grant::Layer(LayerIndex(step.layer), step.temporal),
                // No layer has come yet: whatever comes first.
                None if demand.ladder.steps().is_empty() => continue,
                None => Grant::Paused,
            };
            self.grant(key, usize::from(demand.slot), grant, why, hurry, now);
        }
    }

    /// Nothing is known of the line: nothing is kept from it.
    fn grant_all(&mut self, key: usize, now: Instant) {
        let count = self.peers.get(key).map_or(0, |p| p.slots.len());
        for place in 0..count {
            let slot = &self.peers[key].slots[place];
            let all = Grant::Layer(LayerIndex::TOP, ALL_TEMPORAL);
            if slot.kind == MediaKind::Video && slot.feed.is_some() && slot.granted != all {
                self.grant(key, place, all, Why::Room, false, now);
            }
        }
    }

    fn grant(&mut self, key: usize, place: usize, grant: Grant, why: Why, hurry: bool, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let slot = &mut peer.slots[place];
        let before = std::mem::replace(&mut slot.granted, grant);
        // Also when nothing changed: a slot with another source begins with all granted.
        if let Grant::Layer(_, temporal) = grant {
            slot.max_temporal = temporal;
        }
        if before == grant {
            return;
        }
        let (rises, stop) = match (before, grant) {
            (Grant::Paused, _) => (true, false),
            (_, Grant::Paused) => (false, true),
            (Grant::Layer(a, s), Grant::Layer(b, t)) => {
                let above = slot.layer().is_some_and(|flows| flows > b.0);
                ((b, t) > (a, s), above && hurry)
            }
        };
        if grant == Grant::Paused {
            // What a guess of the line had no room for may come as soon as the line is measured.
            slot.paused_until = if peer.share.is_fresh(at) { at } else { at + PAUSE };
        }
        let source = slot.feed;
        if stop {
            self.empty_lane(key, place as u8, at);
        }
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if stop {
            peer.slots[place].begin_anew();
        }
        let why = if rises && why != Why::Backlog { Why::Room } else { why };
        match why {
            Why::Room => peer.share.rose(at),
            Why::Congestion | Why::Loss | Why::Backlog => peer.share.fell(at),
            Why::Silence | Why::Demand => {}
        }
        tracing::debug!(
            peer = peer.id.0,
            slot = place,
            ?before,
            ?grant,
            ?why,
            line = peer.share.line,
            proven = peer.share.proven(),
            useful = peer.share.useful,
            standing = peer.deliveries.line.standing(),
            "grant"
        );
        let event = Event::SlotGranted { peer: peer.id, slot: peer.slots[place].index, granted: grant, why };
        let hub = peer.hub;
        self.emit(hub, event);
        if let Some(source) = source {
            self.ask_for_key_frame(source, now);
        }
    }

    /// What nobody has and nobody could have soon need not be sent (told after ten seconds); what
    /// somebody could have is asked for at once.
    pub(super) fn look_at_wishes(&mut self, key: usize, now: Instant) {
        let Some(source) = self.sources.get(key).filter(|s| s.kind.is_video() && s.flowing) else {
            return;
        };
        // The base is always there for who comes next.
        let mut wanted = 1u8;
        for subscriber in &source.subscribers {
            let slot =
                self.peers.get(subscriber.peer).and_then(|p| p.slots.get(usize::from(subscriber.slot)));
            let Some(slot) = slot else {
                continue;
            };
            let Grant::Layer(granted, _) = slot.granted else {
                continue;
            };
            let granted = granted.min(slot.max_layer).0;
            // One above, so that there is something to rise to.
            let next = (granted + 1).min(slot.max_layer.0);
            wanted |= 1 << granted | 1 << next;
        }
        wanted &= (1 << MAX_LAYERS) - 1;
        let Some(source) = self.sources.get_mut(key) else {
            return;
        };
        if wanted & !source.wanted == 0 && wanted != source.wanted {
            let since = *source.fewer_since.get_or_insert(now);
            if now - since < UNUSED {
                return;
            }
        }
        source.fewer_since = None;
        // What is missing is added at once; what is too much goes when nobody has wanted it for long.
        if wanted != source.wanted {
            source.wanted = wanted;
            let (hub, id) = (source.hub, source.id);
            self.emit(hub, Event::LayersWanted { source: id, layers: wanted });
        }
    }
}
