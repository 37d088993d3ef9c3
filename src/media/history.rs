//! What a slot sent lately, so that a NACK can be answered from the shared ring.
//!
//! Only numbers are kept (the payload is in the ring): 256 packets of video cover about a second
//! at the top layer. A packet takes 16 bytes; what it shares with its neighbours (source, layer,
//! offset of TL0PICIDX) stands once, as a *stretch*. The offset of its PictureID is its own, for it
//! changes with each picture that is left out. Made when a slot first sends, so an idle slot costs nothing.

use crate::ids::SourceId;
use crate::media::clock::Micros;

const KEPT: usize = 256;
/// More switches than this within the kept packets leave the oldest unrepairable.
const STRETCHES: usize = 8;
/// A second request within this time crossed with our answer.
const AGAIN_AFTER_MS: u16 = 15;

/// As often as a page asks for a packet that keeps getting lost (`nack`). A subscriber that asks on
/// gets nothing more, so what it can make the server send is a small multiple of its stream.
const TIMES: u8 = 10;

/// What the packets of one segment of one source have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub source: SourceId,
    pub layer: u8,
    /// Of the layer when it was sent: one with another SSRC has other packets.
    pub ssrc: u32,
    pub tl0: u8,
}

/// One packet as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Low 32 bits of the extended input sequence number.
    pub ext: u32,
    pub timestamp: u32,
    /// Output sequence number.
    pub sequence: u16,
    /// What was added to its PictureID.
    pub picture_id: u16,
}

#[derive(Clone, Copy)]
struct Cell {
    sent: Sent,
    /// Number of its stretch, modulo 256.
    stretch: u8,
    /// How often it was sent again, and when it was last (ms, wraps).
    times: u8,
    again: u16,
}

/// A place that holds none yet has been asked for often enough.
const EMPTY: Cell = Cell {
    sent: Sent { ext: 0, timestamp: 0, sequence: 0, picture_id: 0 },
    stretch: 0,
    times: TIMES,
    again: 0,
};

#[repr(C)] // in the order of use, as `Peer` is
pub struct History {
    cells: Vec<Cell>,
    /// Extended numbers: the newest, and the one with which the slot last began anew.
    last: u64,
    first: u64,
    newest: u8,
    stretches: [Option<(u8, Stretch)>; STRETCHES],
}

impl Default for History {
    fn default() -> Self {
        Self { cells: vec![EMPTY; KEPT], last: 0, first: 0, stretches: [None; STRETCHES], newest: 0 }
    }
}

impl History {
    pub fn note(&mut self, sent: Sent, stretch: Stretch) {
        let at = |n: u8| usize::from(n) % STRETCHES;
        if self.stretches[at(self.newest)].is_none_or(|(_, s)| s != stretch) {
            self.newest = self.newest.wrapping_add(1);
            self.stretches[at(self.newest)] = Some((self.newest, stretch));
        }
        let ahead = sent.sequence.wrapping_sub(self.last as u16) as i16;
        self.last += u64::try_from(ahead).unwrap_or(0);
        let cell = Cell { sent, stretch: self.newest, times: 0, again: 0 };
        self.cells[usize::from(sent.sequence) % KEPT] = cell;
    }

    /// The slot begins anew, with a key frame or another source, at this extended number: what was before is of no
    /// use any more.
    pub fn begin(&mut self, first: u64) {
        self.first = first;
        self.last = self.last.max(first);
    }

    /// The packet with this 16-bit number, and how often it has been sent again now; `None` when that was a
    /// moment ago, or it `waits`.
    pub fn again(
        &mut self,
        sequence: u16,
        at: Micros,
        waits: impl Fn(&Sent) -> bool,
    ) -> Option<(Sent, Stretch, u8)> {
        let now = (at / 1000) as u16;
        let cell = &mut self.cells[usize::from(sequence) % KEPT];
        let crossed = cell.times > 0 && now.wrapping_sub(cell.again) < AGAIN_AFTER_MS;
        if cell.sent.sequence != sequence || crossed || cell.times >= TIMES || waits(&cell.sent) {
            return None;
        }
        let (number, stretch) = self.stretches[usize::from(cell.stretch) % STRETCHES]?;
        if number != cell.stretch {
            return None;
        }
        (cell.times, cell.again) = (cell.times + 1, now);
        Some((cell.sent, stretch, cell.times))
    }

    /// What `again` gave was not sent after all: the next request counts.
    pub fn refused(&mut self, sequence: u16) {
        let cell = &mut self.cells[usize::from(sequence) % KEPT];
        cell.times = cell.times.saturating_sub(1);
    }

    /// Whether this number was sent again so often and no more, and the slot has not begun anew since, which would
    /// have made it useless.
    #[must_use]
    pub fn is_last_of(&self, sequence: u16, times: u8) -> bool {
        self.is_present(sequence) && self.cells[usize::from(sequence) % KEPT].times == times
    }

    /// Whether this number belongs to what the slot sends since it last began anew.
    #[must_use]
    pub fn is_present(&self, sequence: u16) -> bool {
        // What is kept reaches less than a turn of 16 bits back.
        let back = u64::from((self.last as u16).wrapping_sub(sequence));
        self.cells[usize::from(sequence) % KEPT].sent.sequence == sequence
            && self.last.checked_sub(back).is_some_and(|extended| extended >= self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(layer: u8) -> Stretch {
        Stretch { source: SourceId(1), layer, ssrc: 9, tl0: 0 }
    }

    fn sent(sequence: u32, ext: u32) -> Sent {
        Sent { sequence: sequence as u16, ext, timestamp: ext, picture_id: (ext / 3) as u16 }
    }

    #[test]
    fn recent_packets_are_found_and_crossed_requests_are_not_answered_twice() {
        let mut h = History::default();
        for sequence in 65_500u32..65_600 {
            h.note(sent(sequence, sequence + 7), stretch(0));
        }
        assert_eq!(h.again(3, 1_000_000, |_| false).unwrap().0.ext, 65_539 + 7);
        assert!(h.again(3, 1_000_000, |_| false).is_none());
        assert!(h.again(3, 1_014_000, |_| false).is_none());
        assert!(h.again(3, 1_015_000, |_| false).is_some());
        assert!(h.again(100, 0, |_| false).is_none(), "never sent");
        assert!(h.again(4 + 256, 0, |_| false).is_none(), "another packet stands in its place");
        assert!(h.again(4, 0, |_| false).is_some(), "and has not been asked for");
        assert!(h.again(65_400, 0, |_| false).is_none());
        assert!(h.again(5, 0, |sent| sent.sequence == 5).is_none(), "it may come by itself");
        assert!(h.again(5, 0, |_| false).is_some(), "and that was not counted as once more");
    }

    #[test]
    fn only_the_last_copy_of_what_flows_tells_that_a_packet_is_lost() {
        let mut h = History::default();
        h.begin(10);
        h.note(sent(10, 10), stretch(0));
        assert!(h.is_last_of(10, 0) && !h.is_last_of(11, 0));
        assert_eq!(h.again(10, 1_000_000, |_| false).map(|a| a.2), Some(1));
        assert!(h.is_last_of(10, 1) && !h.is_last_of(10, 0), "another copy is under way");
        h.begin(11);
        h.note(sent(11, 11), stretch(1));
        assert!(!h.is_last_of(10, 1) && h.is_last_of(11, 0));
    }

    #[test]
    fn what_was_before_a_new_beginning_is_not_present() {
        let mut h = History::default();
        h.begin(65_530);
        h.note(sent(65_530, 10), stretch(0));
        assert!(h.is_present(65_530) && !h.is_present(65_531));
        h.begin(65_532);
        assert!(!h.is_present(65_530), "also where nothing has followed yet");
        (65_532u32..65_560).for_each(|n| h.note(sent(n, n), stretch(0)));
        // One that was missing comes late, from before: it changes nothing for the others.
        h.note(sent(65_531, 11), stretch(1));
        h.note(sent(65_560, 40), stretch(0));
        assert!(!h.is_present(65_530) && !h.is_present(65_531));
        assert!((65_532u32..=65_560).all(|n| h.is_present(n as u16)), "over the turn of 16 bits");
        // Hours without another beginning.
        (65_561u32..300_000).for_each(|n| h.note(sent(n, n), stretch(0)));
        assert!((299_800u32..300_000).all(|n| h.is_present(n as u16)));
    }

    #[test]
    fn a_copy_that_was_refused_does_not_count() {
        let mut h = History::default();
        h.begin(10);
        h.note(sent(10, 10), stretch(0));
        for n in 1..50 {
            assert!(h.again(10, n * 20_000, |_| false).is_some(), "{n}");
            h.refused(10);
        }
        assert!(h.is_last_of(10, 0), "nothing has left since");
    }

    #[test]
    fn a_packet_keeps_the_stretch_it_was_sent_in() {
        let mut h = History::default();
        for n in 0u32..600 {
            h.note(sent(1000 + n, n), stretch((n / 40 % 3) as u8));
        }
        for n in 400u32..600 {
            let (found, stretch, _) = h.again((1000 + n) as u16, i64::from(n) * 100_000, |_| false).unwrap();
            assert_eq!((found, u32::from(stretch.layer)), (sent(1000 + n, n), n / 40 % 3));
        }
        // Nine stretches back: what it belonged to is forgotten, so it is not sent as another's.
        for n in 600u32..610 {
            h.note(sent(1000 + n, n), stretch((n % 2) as u8));
        }
        assert!(h.again(1560, 0, |_| false).is_none());
    }

    #[test]
    fn one_packet_is_sent_again_ten_times_and_no_more() {
        let mut h = History::default();
        h.note(sent(1000, 1), stretch(0));
        let more = (1..100).filter(|n| h.again(1000, n * 20_000, |_| false).is_some()).count();
        assert_eq!(more, usize::from(TIMES));
    }

    #[test]
    fn a_packet_is_small() {
        assert!(size_of::<Cell>() <= 16, "{}", size_of::<Cell>());
    }
}
