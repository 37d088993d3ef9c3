//! Arrival times of a peer's packets, for its own bandwidth estimate: transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::collections::VecDeque;

use crate::media::clock::Micros;
use crate::media::transport::rtcp::Compound;
use crate::media::transport::srtp::extend;

/// Most packets in one feedback: about 0.5 s of a 3-layer camera.
const MAX_STATUS: usize = 400;

#[derive(Default)]
pub struct Arrivals {
    /// Extended number of `times[0]`.
    base: u64,
    times: VecDeque<Option<u64>>,
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
        if self.times.is_empty() {
            // What was reported stays reported; a late one before it is of no more use.
            if self.base > ext {
                return;
            }
            if self.base == 0 || ext - self.base > MAX_STATUS as u64 {
                self.base = ext;
            }
        }
        if ext < self.base {
            return;
        }
        let at = (ext - self.base) as usize;
        if at >= 2 * MAX_STATUS {
            self.times.clear();
            self.base = ext;
            self.times.push_back(Some(now as u64));
            return;
        }
        if self.times.len() <= at {
            self.times.resize(at + 1, None);
        }
        self.times[at] = Some(now as u64);
    }

    /// Appends what is not yet reported.
    pub fn report(&mut self, ours: u32, media: u32, out: &mut Compound) {
        while !self.times.is_empty() {
            let take = self.times.len().min(MAX_STATUS);
            let arrivals: Vec<Option<u64>> = self.times.drain(..take).collect();
            out.transport_feedback(ours, media, self.number, self.base as u16, &arrivals);
            self.number = self.number.wrapping_add(1);
            self.base += take as u64;
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
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
        a.arrived(3, 50);
        assert!(a.is_empty(), "reported as lost already");
        a.arrived(6, 60);
        assert_eq!(a.times.len(), 2, "5 is missing, 6 is there");
    }

    #[test]
    fn a_jump_does_not_grow_without_bound() {
        let mut a = Arrivals::default();
        a.arrived(0, 1);
        a.arrived(20_000, 2);
        a.arrived(30_000, 2);
        assert!(a.times.len() <= 2 * MAX_STATUS);
    }
}
