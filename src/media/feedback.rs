//! Arrival times of a peer's packets, for its own bandwidth estimate: transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! What was reported is remembered for half a second: a packet that was overtaken, and so reported as
//! missing, makes the next report begin at its place, with all that came since. Else a line that
//! reorders would look like one that loses.

use std::collections::VecDeque;

use crate::media::clock::Micros;
use crate::media::transport::rtcp::Compound;
use crate::media::transport::srtp::extend;

/// Most packets in one feedback: about 0.5 s of a 3-layer camera.
const MAX_STATUS: usize = 400;
/// A packet that is overtaken by more than this is of no more use.
const REMEMBERED: Micros = 500_000;

#[derive(Default)]
pub struct Arrivals {
    /// Extended number of `times[0]`.
    base: u64,
    times: VecDeque<Option<u64>>,
    /// How many of `times` are reported, and came not later than that.
    reported: usize,
    number: u8,
    highest: Option<u64>,
}

impl Arrivals {
    /// Packet `sequence` (16 bits, all streams of the peer together) arrived.
    pub fn arrived(&mut self, sequence: u16, now: Micros) {
        // Start a turn above zero, so that packets before the first have a number too.
        let near = self.highest.unwrap_or(1 << 16 | u64::from(sequence));
        let Some(ext) = extend(near, sequence) else {
            return;
        };
        self.highest = Some(near.max(ext));
        self.forget(now);
        // Nobody wants a report of so many that are missing.
        let room = if self.is_empty() { MAX_STATUS } else { 2 * MAX_STATUS } + self.reported;
        if self.base == 0 || ext >= self.base + room as u64 {
            self.times.clear();
            (self.base, self.reported) = (ext, 0);
        }
        let Some(at) = ext.checked_sub(self.base) else {
            return; // not remembered any more
        };
        let at = at as usize;
        if self.times.len() <= at {
            self.times.resize(at + 1, None);
        }
        if self.times[at].is_none() {
            self.times[at] = Some(now as u64);
            self.reported = self.reported.min(at);
        }
    }

    /// What is reported and old. A missing packet is as old as the one before it.
    fn forget(&mut self, now: Micros) {
        let old = |at: u64| now - at as Micros > REMEMBERED;
        while self.reported > 0 && self.times.front().is_some_and(|t| t.is_none_or(old)) {
            self.times.pop_front();
            self.reported -= 1;
            self.base += 1;
        }
    }

    /// Appends what is not yet reported.
    pub fn report(&mut self, ours: u32, media: u32, out: &mut Compound) {
        while self.reported < self.times.len() {
            let end = self.times.len().min(self.reported + MAX_STATUS);
            let first = self.base + self.reported as u64;
            let arrivals = &self.times.make_contiguous()[self.reported..end];
            out.transport_feedback(ours, media, self.number, first as u16, arrivals);
            self.number = self.number.wrapping_add(1);
            self.reported = end;
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reported == self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packet_is_reported_once_and_gaps_show() {
        let mut a = Arrivals::default();
        for (n, t) in [(65_534u16, 10), (65_535, 20), (1, 30), (0, 31), (4, 40)] {
            a.arrived(n, t);
        }
        assert_eq!(
            a.times.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, true, true, true, false, false, true]
        );
        let mut c = Compound::default();
        a.report(1, 2, &mut c);
        assert!(!c.is_empty() && a.is_empty());
        a.arrived(4, 45);
        assert!(a.is_empty(), "twice");
        a.arrived(6, 60);
        let mut c = Compound::default();
        a.report(1, 2, &mut c);
        assert_eq!(reports(c), [(1, 5, 2)], "5 is missing, 6 is there");
    }

    #[test]
    fn what_was_overtaken_is_told_with_all_that_came_since() {
        let mut a = Arrivals::default();
        for (n, t) in [(10u16, 0), (11, 1_000), (13, 2_000)] {
            a.arrived(n, t);
        }
        a.report(1, 2, &mut Compound::default());
        a.arrived(12, 60_000);
        a.arrived(14, 61_000);
        let mut c = Compound::default();
        a.report(1, 2, &mut c);
        assert_eq!(reports(c), [(1, 12, 3)]);
        // Half a second later it is forgotten, with the packets before it.
        a.arrived(16, 62_000);
        a.report(1, 2, &mut Compound::default());
        a.arrived(20, 600_000);
        a.arrived(15, 601_000);
        let mut c = Compound::default();
        a.report(1, 2, &mut c);
        assert_eq!(reports(c), [(3, 17, 4)]);
        assert_eq!(a.times.len(), 4);
    }

    #[test]
    fn a_jump_does_not_grow_without_bound() {
        let mut a = Arrivals::default();
        a.arrived(0, 1);
        a.arrived(20_000, 2);
        a.arrived(30_000, 2);
        assert!(a.times.len() <= 2 * MAX_STATUS);
    }

    /// (number, base, statuses) of each report, as they are on the wire.
    fn reports(c: Compound) -> Vec<(u8, u16, u16)> {
        let bytes = c.finish();
        let mut rest = &bytes[..];
        let mut out = Vec::new();
        while rest.len() >= 20 {
            let words = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let base = u16::from_be_bytes([rest[12], rest[13]]);
            out.push((rest[19], base, u16::from_be_bytes([rest[14], rest[15]])));
            rest = &rest[4 * words + 4..];
        }
        out
    }

    #[test]
    fn reports_go_on_where_the_one_before_ended() {
        let mut a = Arrivals::default();
        let mut all = Vec::new();
        // What overtakes the very first has a place, too.
        for numbers in [&[5u16, 6][..], &[7], &[9, 8, 10]] {
            for n in numbers {
                a.arrived(*n, 10);
            }
            let mut c = Compound::default();
            a.report(1, 2, &mut c);
            all.extend(reports(c));
        }
        assert_eq!(all, [(0, 5, 2), (1, 7, 1), (2, 8, 3)]);
    }

    #[test]
    fn a_long_silence_begins_anew_and_a_long_list_is_split() {
        let mut a = Arrivals::default();
        let mut c = Compound::default();
        a.arrived(0, 1);
        a.report(1, 2, &mut c);
        // 600 lost while nothing waits: nobody wants a report of so many.
        a.arrived(600, 2);
        assert_eq!(a.times.len(), 1);
        a.arrived(1_100, 3);
        a.report(1, 2, &mut c);
        assert_eq!(reports(c), [(0, 0, 1), (1, 600, 400), (2, 1_000, 101)]);
        // Near the highest counts, not near the latest.
        let (mut a, mut c) = (Arrivals::default(), Compound::default());
        for n in [40_000u16, 39_990, 40_001] {
            a.arrived(n, 1);
        }
        a.report(1, 2, &mut c);
        assert_eq!(reports(c), [(0, 40_000, 2)]);
    }

    #[test]
    fn numbers_go_round_also_when_the_late_come_between() {
        let mut a = Arrivals::default();
        a.arrived(30_000, 1);
        a.arrived(60_000, 2);
        let mut c = Compound::default();
        a.report(1, 2, &mut c);
        // 31,000 is long reported; the next is still taken as the next.
        a.arrived(31_000, 3);
        a.arrived(60_001, 4);
        let mut c = Compound::default();
        a.report(1, 2, &mut c);
        assert_eq!(reports(c), [(1, 60_001, 1)]);
    }
}
