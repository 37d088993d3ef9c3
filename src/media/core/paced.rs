//! What waited for its turn: pictures in a subscriber's pacer, and trains that probe its line.

use std::time::{Duration, Instant};

use crate::media::clock::Micros;
use crate::media::command::{Rank, SlotIndex, Why};
use crate::media::core::Core;
use crate::media::pacer::Waiting;
use crate::media::source::Subscriber;

/// More than this need not wait: it would be late.
const LATE: Micros = 500_000;
/// A page of a slide is worth waiting for.
const LATE_CONTENT: Micros = 4_000_000;
/// So many packets are sent so that a picture ends.
const NEAR: usize = 3;
/// So many times longer where its key frame waits.
const WITH_KEY_FRAME: Micros = 3;
/// So long a picture that was given up keeps to its base.
const HOLD: Micros = 5_000_000;

impl Core {
    /// Sends what may leave now, and comes back for the rest.
    pub(super) fn drain(&mut self, key: usize, now: Instant) {
        let at = self.micros(now);
        let mut announced: Vec<(Subscriber, usize, u32)> = Vec::new();
        while let Some(waiting) = self.peers.get_mut(key).and_then(|p| p.pacer.pop(at)) {
            if let Some(timestamp) = self.send_waiting(key, waiting, at) {
                let subscriber = Subscriber { peer: key, slot: waiting.slot };
                announced.push((subscriber, waiting.source as usize, timestamp));
            }
        }
        for (subscriber, source, timestamp) in announced {
            self.announce(subscriber, source, timestamp, now);
        }
        if let Some(peer) = self.peers.get_mut(key) {
            for slot in peer.slots.iter_mut().filter(|s| s.queued.is_some()) {
                slot.queued = slot.queued.filter(|_| peer.pacer.has(slot.index.0));
            }
            self.wake_for_pacer(key, now);
        }
    }

    /// What `Slot::forward` returns.
    fn send_waiting(&mut self, key: usize, waiting: Waiting, at: Micros) -> Option<u32> {
        let from = waiting.source as usize;
        let source = self.sources.get(from)?;
        let (owner, peer) = self.peers.get2_mut(source.owner, key)?;
        let (slot, mut to) = peer.sending(usize::from(waiting.slot), &mut self.out, at)?;
        if slot.feed != Some(from) {
            return None;
        }
        let decided = (Some(waiting.timestamp), Some(waiting.begins));
        slot.forward(source, waiting.layer, waiting.ext, decided, &owner.clock, &mut to)
    }

    /// Nothing of a slot shall wait any more. A picture that was begun is sent to its end, if that is
    /// near.
    pub(super) fn empty_lane(&mut self, key: usize, place: u8, at: Micros) {
        for _ in 0..NEAR {
            let rest = self.peers.get_mut(key).and_then(|p| {
                let begun = p.slots.get(usize::from(place))?.left?;
                p.pacer.pop_rest(place, begun)
            });
            let Some(waiting) = rest else {
                break;
            };
            self.send_waiting(key, waiting, at);
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.pacer.forget(place);
            peer.slots[usize::from(place)].queued = None;
        }
    }

    /// A batch left something waiting: the timer, and what would be too late.
    pub(super) fn look_at_pacer(&mut self, key: usize, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        // While the line is measured the rate is a guess, mostly too low.
        let patience = if peer.share.is_fresh(at) { 4 } else { 1 };
        // And what is sent while a queue drains lasts for a moment.
        let capacity = peer.line_capacity(at).unwrap_or(f64::INFINITY);
        let share = if capacity.is_finite() { (peer.pacer.rate() / capacity).min(1.0) } else { 1.0 };
        let soon = |delay: Micros| (delay as f64 * share) as Micros;
        if soon(peer.pacer.delay()) > patience * LATE {
            let mut late = None;
            for slot in &peer.slots {
                // A key frame that waits is as good as the next one.
                let begins = if slot.has_key_frame_in(&peer.pacer) { WITH_KEY_FRAME } else { 1 };
                let limit = if slot.rank == Rank::Content { LATE_CONTENT } else { patience * begins * LATE };
                let waits = soon(peer.pacer.delay_of(slot.index.0));
                if waits > limit && late.is_none_or(|(rank, _)| slot.rank > rank) {
                    late = Some((slot.rank, slot.index));
                }
            }
            if let Some((_, slot)) = late {
                self.give_up(key, slot, at, now);
            }
        }
        self.wake_for_pacer(key, now);
    }

    /// What waits on a slot is dropped; it goes on with a key frame of its base.
    fn give_up(&mut self, key: usize, index: SlotIndex, at: Micros, now: Instant) {
        self.empty_lane(key, index.0, at);
        let Some(slot) = self.peers.get_mut(key).map(|p| &mut p.slots[usize::from(index.0)]) else {
            return;
        };
        slot.begin_anew();
        slot.held_until = at + HOLD;
        self.stats.backlogs += 1;
        self.share_out(key, now, Some(Why::Backlog));
    }

    fn wake_for_pacer(&mut self, key: usize, now: Instant) {
        if let Some(next) = self.peers.get(key).and_then(|p| p.pacer.next()) {
            let wait = (next - self.micros(now)).max(0) as u64;
            self.timers.arm(key, now + Duration::from_micros(wait));
        }
    }

    /// Sends the next train of padding, when one is due.
    pub(super) fn probe(&mut self, key: usize, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key).filter(|p| p.connected() && p.path.is_some()) else {
            return;
        };
        // Padding travels as repair of a picture, which may be paused.
        let carries = |s: &crate::media::slot::Slot| {
            let codec = self.sources.get(s.feed?)?.codec;
            s.repairs(codec).then_some((usize::from(s.index.0), codec))
        };
        let Some((place, codec)) = peer.slots.iter().find_map(carries) else {
            return;
        };
        let Some(train) = peer.deliveries.line.train(at) else {
            return;
        };
        if let Some((slot, mut to)) = peer.sending(place, &mut self.out, at) {
            to.train = train.number;
            let mut left = train.bytes;
            while left > 0 {
                left = left.saturating_sub(slot.pad(codec, &mut to));
            }
        }
        self.stats.probes += 1;
    }
}
