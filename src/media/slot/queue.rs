//! What a slot leaves in its peer's pacer, and what a key frame there stands for.

use super::{OVERHEAD, Sending, Slot};
use crate::media::clock::{Micros, SenderClock};
use crate::media::negotiate::MediaKind;
use crate::media::pacer::{Pacer, Waiting};
use crate::media::source::Source;

impl Slot {
    /// Forwards a packet now, or leaves it to wait for its turn in the pacer. Returns what `forward`
    /// does.
    pub fn offer(
        &mut self,
        source: &Source,
        (key_of_source, layer, ext): (usize, u8, u64),
        stamp: Option<u32>,
        sender: &SenderClock,
        to: &mut Sending<'_>,
    ) -> Option<u32> {
        if self.kind == MediaKind::Audio || to.pacer.is_open(to.at) {
            return self.forward(source, layer, ext, (stamp, None), sender, to);
        }
        let (entry, payload) = source.layers[usize::from(layer)].as_ref()?.ring.get(ext)?;
        let entry = &stamp.map_or(*entry, |s| entry.at(s));
        let timestamp = entry.timestamp;
        let current = self.queued.or(self.layer());
        let key = entry.payload.key_start;
        let begins = key && (current == Some(layer) || self.may_begin(source, layer, current));
        if current == Some(layer) || begins {
            // Another picture than the one that is leaving or waits already, of which a packet may be late.
            if key && self.left != Some(timestamp) && !to.pacer.holds(self.index.0, timestamp) {
                self.supersede(layer, to.pacer);
            }
            self.note_key(entry, to.at);
            self.queued = Some(layer);
            to.pacer.push(Waiting {
                ext,
                source: key_of_source as u32,
                timestamp,
                size: payload.len() as u16 + OVERHEAD,
                slot: self.index.0,
                layer,
                begins,
            });
        }
        None
    }

    /// A key frame comes: what waits before it would only keep it from leaving. But a key frame that has begun to
    /// leave is sent to its end, and the smaller one of two waits for nothing of the larger.
    fn supersede(&mut self, layer: u8, pacer: &mut Pacer) {
        let leaving = self.left.is_some() && self.left == self.key.map(|k| k.0);
        let flows = self.layer();
        let smaller = flows.is_some_and(|f| layer < f);
        let rest = leaving && self.has_key_frame_in(pacer);
        if !pacer.has(self.index.0) || flows.is_some_and(|f| layer > f) || (rest && !smaller) {
            return;
        }
        pacer.forget(self.index.0);
        if flows == Some(layer) {
            // Its numbers go on behind what has left: what was forgotten is no hole.
            self.rewriter.stop();
        }
    }

    /// Whether a key frame waits in the pacer, or left so short a time ago that the subscriber asked
    /// before it had come. `under_way`: how long an answer to a packet takes, µs.
    #[must_use]
    pub fn key_frame_is_coming(&self, pacer: &Pacer, under_way: Micros, at: Micros) -> bool {
        let left = self.key.is_some_and(|(_, touched)| at - touched < under_way);
        (left && self.kind == MediaKind::Video) || self.has_key_frame_in(pacer)
    }

    /// Whether its last key frame waits, in part at least.
    #[must_use]
    pub fn has_key_frame_in(&self, pacer: &Pacer) -> bool {
        self.key.is_some_and(|(timestamp, _)| pacer.holds(self.index.0, timestamp))
    }
}
