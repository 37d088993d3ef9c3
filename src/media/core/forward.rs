//! Packets to slots, subscriber by subscriber.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::ids::SourceId;
use crate::media::core::Core;
use crate::media::delivery::Carried;
use crate::media::output::Output;
use crate::media::slot::{Sending, Slot};
use crate::media::source::{Source, Subscriber};
use crate::media::stats::ShardStats;

/// Bytes of output that are sent before more is written.
const FULL: usize = 128 * 1024;

/// Sources by their ids.
type Find<'s> = &'s dyn Fn(SourceId) -> Option<&'s Source>;

/// So many repairs wait for room, as many as can be kept (`history`).
const MOST_OWED: usize = 256;

impl Core {
    /// Forwards what arrived since the last call. A small batch at a time goes to one subscriber
    /// before the next is touched: its state is loaded once, and packets of one size to one
    /// address can leave in one call.
    pub fn flush(&mut self, now: Instant) {
        self.flush_to(now, |_, _| {});
    }

    /// The same. `drain` is given the output whenever it is `FULL`, to send it and to empty it: so it
    /// stays in the processor's cache and does not grow with the number of subscribers.
    pub fn flush_to(&mut self, now: Instant, mut drain: impl FnMut(&mut Output, &mut ShardStats)) {
        if self.fresh.is_empty() {
            return;
        }
        let mut fresh = std::mem::take(&mut self.fresh);
        // Stable: within a source the order of arrival stays.
        fresh.sort_by_key(|f| f.source);
        let at = self.micros(now);
        let mut announced: Vec<(Subscriber, usize, u32)> = Vec::new();
        let mut panicked: Vec<usize> = Vec::new();
        let mut waiting: Vec<usize> = Vec::new();
        self.turn = self.turn.wrapping_add(1);
        for batch in fresh.chunk_by(|a, b| a.source == b.source) {
            let key = batch[0].source;
            let Some(source) = self.sources.get(key) else {
                continue;
            };
            // Each time another one is first: where several are behind one line and its queue is short, the
            // last of a round meets it full.
            let begin = self.turn.checked_rem(source.subscribers.len()).unwrap_or(0);
            let (last, first) = source.subscribers.split_at(begin);
            for subscriber in first.iter().chain(last) {
                // The clock of the source's owner; the subscriber is another peer.
                let Some((owner, peer)) = self.peers.get2_mut(source.owner, subscriber.peer) else {
                    continue;
                };
                let clock = &owner.clock;
                let Some((slot, mut to)) = peer.sending(usize::from(subscriber.slot), &mut self.out, at)
                else {
                    continue;
                };
                let drive = catch_unwind(AssertUnwindSafe(|| {
                    for f in batch {
                        let first = slot.offer(source, (key, f.layer, f.ext), None, clock, &mut to);
                        if let Some(timestamp) = first {
                            announced.push((*subscriber, key, timestamp));
                        }
                    }
                }));
                if drive.is_err() {
                    panicked.push(subscriber.peer);
                } else if !to.pacer.is_empty() {
                    waiting.push(subscriber.peer);
                }
                if self.out.bytes() >= FULL {
                    drain(&mut self.out, &mut self.stats);
                }
            }
            let begins = batch.iter().any(|f| source.begins_wanted_key_frame(f.layer, f.ext));
            if begins {
                self.sources[key].key_wanted = None;
                // Somebody may wait for another layer's.
                self.ask_for_key_frame(key, now);
            }
        }
        for (subscriber, source, timestamp) in announced {
            self.announce(subscriber, source, timestamp, now);
        }
        for peer in waiting {
            self.look_at_pacer(peer, now);
        }
        for peer in panicked {
            self.end_panicked(peer, now);
        }
        fresh.clear();
        self.fresh = fresh;
    }

    /// Sends the present group of pictures to a slot that was just fed.
    pub(super) fn replay(&mut self, key: usize, subscriber: Subscriber, now: Instant) {
        let at = self.micros(now);
        // A second of the line: what takes longer is not sooner there than a key frame.
        let line = self.peers.get(subscriber.peer).and_then(|p| p.line_target(at));
        let most = line.map_or(usize::MAX, |bits| (bits / 8.0) as usize);
        let Some(source) = self.sources.get(key).filter(|s| s.open && s.kind.is_video()) else {
            return;
        };
        let Some((owner, peer)) = self.peers.get2_mut(source.owner, subscriber.peer) else {
            return;
        };
        let Some((slot, mut to)) = peer.sending(usize::from(subscriber.slot), &mut self.out, at) else {
            return;
        };
        let replayed = slot.replay(source, (key, &owner.clock), most, now, &mut to);
        let waits = !to.pacer.is_empty();
        if waits {
            self.look_at_pacer(subscriber.peer, now);
        }
        if let Some(Some(timestamp)) = replayed {
            self.announce(subscriber, key, timestamp, now);
        }
    }

    /// A peer that has just connected gets the pictures that already flow.
    pub(super) fn replay_all(&mut self, key: usize, now: Instant) {
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let fed: Vec<(usize, u8)> = peer.slots.iter().filter_map(|s| Some((s.feed?, s.index.0))).collect();
        for (source, slot) in fed {
            self.replay(source, Subscriber { peer: key, slot }, now);
            self.ask_for_key_frame(source, now);
        }
    }

    /// Derives from the slots' state whether a key frame is needed, and asks if it is time.
    pub(super) fn ask_for_key_frame(&mut self, key: usize, now: Instant) {
        let Some(source) = self.sources.get(key) else {
            return;
        };
        let wants = |s: &Subscriber| {
            let peer = self.peers.get(s.peer).filter(|p| p.connected())?;
            peer.slots.get(usize::from(s.slot))?.wants_key_frame(source)
        };
        let wanted = source.subscribers.iter().find_map(wants);
        if wanted.is_some() {
            self.sources[key].key_wanted = wanted;
            self.send_key_request(key, now);
        }
    }

    /// Answers a NACK from the shared ring.
    pub(super) fn retransmit(&mut self, key: usize, ssrc: u32, numbers: &[u16], now: Instant) {
        let Some(place) = self.peers.get(key).and_then(|p| p.slots.iter().position(|s| s.ssrc == ssrc))
        else {
            return;
        };
        self.stats.nacks_in += numbers.len() as u64;
        self.send_again(key, place, numbers, now, |slot, number, find, to| {
            slot.retransmit(*number, find, to);
        });
    }

    /// The client's feedback says that these did not come. What there is no room for is tried with the next.
    pub(super) fn send_lost_again(&mut self, key: usize, lost: &[Carried], now: Instant) {
        let mut owed = Vec::new();
        for of_slot in lost.chunk_by(|a, b| a.slot == b.slot) {
            let place = usize::from(of_slot[0].slot);
            self.send_again(key, place, of_slot, now, |slot, lost, find, to| {
                if !slot.send_lost_again(*lost, find, to) && owed.len() < MOST_OWED {
                    owed.push(*lost);
                }
            });
        }
        if let Some(peer) = self.peers.get_mut(key) {
            peer.owed = owed;
        }
    }

    /// Does something for each item with one slot of a peer and with the sources by their ids.
    fn send_again<T>(
        &mut self,
        key: usize,
        place: usize,
        items: &[T],
        now: Instant,
        mut each: impl for<'s> FnMut(&mut Slot, &T, Find<'s>, &mut Sending<'_>),
    ) {
        let at = self.micros(now);
        let (sources, keys) = (&self.sources, &self.source_keys);
        let Some((slot, mut to)) = self.peers.get_mut(key).and_then(|p| p.sending(place, &mut self.out, at))
        else {
            return;
        };
        let before = slot.retransmitted;
        let find = |id| sources.get(*keys.get(&id)?);
        for item in items {
            each(slot, item, &find, &mut to);
        }
        self.stats.retransmitted += slot.retransmitted - before;
    }
}
