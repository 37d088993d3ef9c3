//! What travels on a slot's repair stream (RFC 4588): packets again, and padding that probes the line.

use super::{OVERHEAD, Sending, Slot};
use crate::media::bandwidth::Condition;
use crate::media::clock::Micros;
use crate::media::codec::Codec;
use crate::media::delivery::Carried;
use crate::media::history::{History, Sent};
use crate::media::output::Class;
use crate::media::rtp::Outgoing;
use crate::media::source::Source;

/// What one byte can count (RFC 3550 §5.1).
const LONGEST_PADDING: u8 = 255;

impl Slot {
    /// Answers a NACK on the RTX stream (RFC 4588 §4); the numbers of the slot itself are never
    /// sealed twice. `sources` finds the source that the packet came from. `false`: there is no room for it now.
    pub fn retransmit<'s>(
        &mut self,
        sequence: u16,
        find: impl Fn(crate::ids::SourceId) -> Option<&'s Source>,
        to: &mut Sending<'_>,
    ) -> bool {
        // What came before the last key frame with which the slot began is of no use any more.
        if !self.history.as_deref().is_some_and(|h| h.is_present(sequence)) {
            return true;
        }
        // What was overtaken comes by itself, and is asked for again if it does not.
        let newest = self.rewriter.newest_timestamp().unwrap_or(self.base);
        let patience = to.deliveries.line.may_come_late() * 90 / 1_000;
        let waits = |sent: &Sent| Micros::from(newest.wrapping_sub(sent.timestamp) as i32) < patience;
        let Some((sent, stretch, times)) =
            self.history.as_mut().and_then(|h| h.again(sequence, to.at, waits))
        else {
            return true;
        };
        let Some(source) = find(stretch.source) else {
            return true;
        };
        let names = self.codecs[source.codec.index()];
        let Some(payload_type) = names.and_then(|c| c.rtx_payload_type) else {
            return true;
        };
        let layer = source.layers[usize::from(stretch.layer)].as_ref().filter(|l| l.ssrc == stretch.ssrc);
        let Some((entry, payload)) = layer.and_then(|l| l.ring.get_near(sent.ext)) else {
            return true;
        };
        if !to.share.may_repair(to.at, payload.len() + usize::from(OVERHEAD)) {
            if let Some(history) = &mut self.history {
                history.refused(sequence);
            }
            return false;
        }
        self.rtx_sequence += 1;
        let header = Outgoing {
            payload_type,
            marker: entry.marker,
            sequence: self.rtx_sequence as u16,
            timestamp: sent.timestamp,
            ssrc: self.rtx_ssrc,
            extension: None,
            transport_cc: self.transport_number(to),
        };
        let (arena, start) = to.out.begin();
        let length = header.write(arena);
        arena.extend_from_slice(&sequence.to_be_bytes());
        let body = arena.len();
        arena.extend_from_slice(payload);
        if let Some(numbers) = entry.payload.numbers {
            numbers.patch(&mut arena[body..], sent.picture_id, stretch.tl0);
        }
        to.sealer.seal_rtp(arena, start, length, self.rtx_sequence);
        let size = to.out.commit(start, to.path, Class::Video);
        self.retransmitted += 1;
        self.count_sent(size, Carried { sequence, slot: self.index.0, times }, to);
        true
    }

    /// The client told that this did not come. If it was the last copy of its packet another one leaves at
    /// once: in a run of losses its requests are lost as well, and a browser asks ten times and then waits
    /// for seconds. Where packets overtake one another it may still come by itself; an overfull line, or a
    /// slot that was stopped, gets nothing unasked. `false`: there is no room for it now.
    pub fn send_lost_again<'s>(
        &mut self,
        lost: Carried,
        find: impl Fn(crate::ids::SourceId) -> Option<&'s Source>,
        to: &mut Sending<'_>,
    ) -> bool {
        let is_last = |h: &History| h.is_last_of(lost.sequence, lost.times);
        let line = &to.deliveries.line;
        let fit = self.layer().is_some() && !line.reorders() && line.condition() != Condition::Congested;
        !fit || !self.history.as_deref().is_some_and(is_last) || self.retransmit(lost.sequence, find, to)
    }

    /// Whether its packets can be sent again: whether padding can, too.
    #[must_use]
    pub fn repairs(&self, codec: Codec) -> bool {
        self.transport_cc && self.codecs[codec.index()].is_some_and(|c| c.rtx_payload_type.is_some())
    }

    /// Sends padding alone, as a repair of nothing (RFC 4588 §4 leaves room for it); its size.
    pub fn pad(&mut self, codec: Codec, to: &mut Sending<'_>) -> usize {
        let Some(payload_type) = self.codecs[codec.index()].and_then(|c| c.rtx_payload_type) else {
            return usize::MAX;
        };
        self.rtx_sequence += 1;
        let header = Outgoing {
            payload_type,
            marker: false,
            sequence: self.rtx_sequence as u16,
            timestamp: self.base,
            ssrc: self.rtx_ssrc,
            extension: None,
            transport_cc: self.transport_number(to),
        };
        let (arena, start) = to.out.begin();
        let length = header.write(arena);
        arena[start] |= 0x20;
        arena.resize(arena.len() + usize::from(LONGEST_PADDING) - 1, 0);
        arena.push(LONGEST_PADDING);
        to.sealer.seal_rtp(arena, start, length, self.rtx_sequence);
        let size = to.out.commit(start, to.path, Class::Video);
        self.count_sent(size, Carried::NOTHING, to);
        size
    }
}
