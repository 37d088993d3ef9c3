//! What became of the packets that were sent to a peer, by its transport-wide feedback.
//!
//! Every packet of every stream of a peer gets the next number; the client tells which came. This is
//! the honest figure of a classroom's line: exact, of all streams together, ten times a second.
//! Made when a peer is first sent to, 1 KiB.

use crate::media::transport::srtp::extend;
use crate::media::transport::twcc::TransportFeedback;

/// Over 3 s at a top layer's 300 packets/s; a power of two.
const KEPT: u64 = 1024;

/// A turn above zero, so that every number near it can be extended.
const FIRST: u64 = 1 << 16;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Unknown,
    Lost,
    Arrived,
}

/// One peer's packets.
pub struct Deliveries {
    /// Extended number of the next packet.
    next: u64,
    sent: Vec<Fate>,
    pub sums: Sums,
}

/// Since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub arrived: u64,
    pub lost: u64,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { next: FIRST, sent: Vec::new(), sums: Sums::default() }
    }
}

impl Deliveries {
    /// The number of the packet that is being written.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.next as u16
    }

    /// It left.
    pub fn sent(&mut self) {
        if self.sent.is_empty() {
            self.sent = vec![Fate::Unknown; KEPT as usize];
        }
        self.sent[(self.next % KEPT) as usize] = Fate::Unknown;
        self.next += 1;
    }

    /// Believes a client about packets that were really sent to it, once each. What was lost may
    /// still come late.
    pub fn feedback(&mut self, told: &TransportFeedback) {
        told.each(|number, at| {
            let sent = |e: &u64| (FIRST..self.next).contains(e) && *e + KEPT >= self.next;
            let Some(ext) = extend(self.next, number).filter(sent) else {
                return;
            };
            let Some(fate) = self.sent.get_mut((ext % KEPT) as usize) else {
                return;
            };
            let now = if at.is_some() { Fate::Arrived } else { Fate::Lost };
            match (*fate, now) {
                (Fate::Unknown, Fate::Lost) => self.sums.lost += 1,
                (Fate::Unknown | Fate::Lost, Fate::Arrived) => {
                    self.sums.lost -= u64::from(*fate == Fate::Lost);
                    self.sums.arrived += 1;
                }
                _ => return,
            }
            *fate = now;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::rtcp::Compound;

    fn told(base: u16, arrivals: &[Option<u64>]) -> TransportFeedback {
        let mut c = Compound::default();
        c.transport_feedback(1, 2, 0, base, arrivals);
        TransportFeedback::parse(c.finish().freeze()).unwrap()
    }

    #[test]
    fn packets_are_counted_once_and_late_ones_are_not_lost() {
        let mut d = Deliveries::default();
        for n in 0..5 {
            assert_eq!(d.number(), n);
            d.sent();
        }
        d.feedback(&told(0, &[Some(1), None, Some(3)]));
        assert_eq!(d.sums, Sums { arrived: 2, lost: 1 });
        d.feedback(&told(0, &[Some(1), Some(9), Some(3)]));
        assert_eq!(d.sums, Sums { arrived: 3, lost: 0 });
        d.feedback(&told(0, &[Some(1), None]));
        assert_eq!(d.sums.lost, 0, "what came does not go");
    }

    #[test]
    fn nobody_acknowledges_what_was_not_sent() {
        let mut d = Deliveries::default();
        d.feedback(&told(7, &[Some(1); 3]));
        d.sent();
        d.feedback(&told(65_530, &[Some(1); 6]));
        assert_eq!(d.sums, Sums::default(), "before the first");
        for _ in 1..2_000 {
            d.sent();
        }
        d.feedback(&told(2_000, &[Some(1); 3]));
        d.feedback(&told(0, &[Some(1); 3]));
        assert_eq!(d.sums, Sums::default());
        d.feedback(&told(1_999, &[Some(1)]));
        assert_eq!(d.sums.arrived, 1);
    }
}
