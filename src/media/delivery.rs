//! What became of the packets that were sent to a peer, by its transport-wide feedback.
//!
//! Every packet of every stream of a peer gets the next number; the client tells which came, and when.
//! This is the honest figure of a classroom's line: exact, of all streams together, ten times a
//! second; and what the estimate of its bandwidth (`bandwidth`) lives on. 12 bytes a packet; made when a
//! peer is first sent to, and longer only where more is under way.

use crate::media::bandwidth::{Estimator, Told};
use crate::media::clock::Micros;
use crate::media::transport::srtp::extend;
use crate::media::transport::twcc::TransportFeedback;

/// A second of a classroom's lesson. Both are powers of two.
const KEPT: usize = 256;
/// 3 s of 1300 packets/s.
const MOST_KEPT: usize = 4096;
/// A packet that was not told of by then need not be kept.
const OLD: Micros = 3_000_000;

/// A turn above zero, so that every number near it can be extended.
const FIRST: u64 = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Lost,
    Arrived,
}

/// Which packet of which slot it was, and how often that had been sent again before, so that one which
/// did not come is sent once more (`Slot::send_lost_again`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Of the slot's stream, not of its repairs.
    pub sequence: u16,
    pub slot: u8,
    pub times: u8,
}

impl Carried {
    /// Sound, and padding: nothing that could be sent again.
    pub const NOTHING: Self = Self { sequence: 0, slot: u8::MAX, times: 0 };
}

#[derive(Clone, Copy)]
struct Packet {
    /// Low 32 bits of the time, µs.
    sent: u32,
    size: u16,
    /// The probing train it belonged to; 0: none.
    train: u8,
    fate: Fate,
    carried: Carried,
}

/// A place that holds none yet.
const EMPTY: Packet = Packet { sent: 0, size: 0, train: 0, fate: Fate::Unknown, carried: Carried::NOTHING };

/// One peer's packets. In the order of use, as `Peer` is.
#[repr(C)]
pub struct Deliveries {
    /// Extended number of the next packet.
    next: u64,
    /// Of the newest that was told of.
    newest: Option<u64>,
    sent: Vec<Packet>,
    pub sums: Sums,
    pub line: Estimator,
}

/// Since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub arrived: u64,
    pub lost: u64,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self {
            next: FIRST,
            newest: None,
            sent: Vec::new(),
            sums: Sums::default(),
            line: Estimator::default(),
        }
    }
}

impl Deliveries {
    /// The number of the packet that is being written.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.next as u16
    }

    /// It left: `size` bytes above UDP.
    pub fn sent(&mut self, at: Micros, size: usize, train: u8, carried: Carried) {
        if self.sent.is_empty() {
            self.sent = vec![EMPTY; KEPT];
        }
        let oldest = self.sent[self.place(self.next)];
        let under_way = oldest.size > 0 && oldest.fate == Fate::Unknown && since(oldest.sent, at) < OLD;
        if under_way && self.sent.len() < MOST_KEPT {
            self.grow();
        }
        let at_place = self.place(self.next);
        self.sent[at_place] = Packet {
            sent: at as u32,
            size: size.min(usize::from(u16::MAX)) as u16,
            train,
            fate: Fate::Unknown,
            carried,
        };
        self.next += 1;
        self.line.note_sent(at);
    }

    /// Bits that left after the newest packet that was told of.
    fn in_flight(&self) -> f64 {
        let kept = self.next.saturating_sub(self.sent.len() as u64).max(FIRST);
        let since = self.newest.map_or(kept, |n| (n + 1).max(kept));
        (since..self.next).map(|ext| f64::from(self.sent[self.place(ext)].size) * 8.0).sum()
    }

    fn place(&self, ext: u64) -> usize {
        ext as usize & (self.sent.len() - 1)
    }

    fn grow(&mut self) {
        let kept = self.sent.len() as u64;
        let mut longer = vec![EMPTY; 2 * self.sent.len()];
        let mask = longer.len() - 1;
        for ext in self.next.saturating_sub(kept).max(FIRST)..self.next {
            longer[ext as usize & mask] = self.sent[self.place(ext)];
        }
        self.sent = longer;
    }

    /// Believes a client about packets that were really sent to it, once each. What was lost may
    /// still come late. `rtt`: round-trip time; `useful`: bits per second that could be sent at most;
    /// `each` is told of every packet whether it came, and what it carried when it is missing for the first
    /// time.
    pub fn feedback(
        &mut self,
        told: &TransportFeedback,
        (now, rtt): (Micros, Micros),
        useful: f64,
        mut each: impl FnMut(bool, Option<Carried>),
    ) {
        let mut any = false;
        told.each(|number, at| {
            let packet = self.settle(number, at, now);
            any |= packet.is_some();
            let lost = packet.filter(|p| p.fate == Fate::Lost && p.carried != Carried::NOTHING);
            each(at.is_some(), lost.map(|p| p.carried));
        });
        if any {
            self.line.finish(now, rtt, useful, self.in_flight());
        }
    }

    /// What was sent between the newest packet that was told of and the first that is told of now: a message
    /// was lost, and nobody will ever say what became of these.
    pub fn skipped(&self, told: &TransportFeedback) -> impl Iterator<Item = Carried> {
        let kept = self.next.saturating_sub(self.sent.len() as u64).max(FIRST);
        let from = self.newest.map_or(self.next, |n| (n + 1).max(kept));
        // A message that tells of nothing that was sent is no reason.
        let first = extend(self.next, told.first()).filter(|to| told.count() > 0 && *to < self.next);
        let to = first.unwrap_or(from);
        (from..to).map(|ext| self.sent[self.place(ext)].carried).filter(|c| *c != Carried::NOTHING)
    }

    /// One packet came at `at`, or did not; `None`: that is not news.
    fn settle(&mut self, number: u16, at: Option<Micros>, now: Micros) -> Option<Packet> {
        let kept = self.sent.len() as u64;
        let sent = |e: &u64| (FIRST..self.next).contains(e) && *e + kept >= self.next;
        let ext = extend(self.next, number).filter(sent)?;
        self.newest = self.newest.max(Some(ext));
        let place = self.place(ext);
        let packet = &mut self.sent[place];
        let fate = if at.is_some() { Fate::Arrived } else { Fate::Lost };
        match (packet.fate, fate) {
            (Fate::Unknown, Fate::Lost) => self.sums.lost += 1,
            (Fate::Unknown | Fate::Lost, Fate::Arrived) => {
                self.sums.lost -= u64::from(packet.fate == Fate::Lost);
                self.sums.arrived += 1;
            }
            _ => return None,
        }
        let late = packet.fate == Fate::Lost;
        packet.fate = fate;
        let packet = *packet;
        let Packet { sent, size, train, .. } = packet;
        self.line.told(Told { sent: now - since(sent, now), size, train, arrived: at, late });
        Some(packet)
    }
}

/// How long ago the time with these low bits was: up to an hour.
fn since(sent: u32, now: Micros) -> Micros {
    Micros::from((now as u32).wrapping_sub(sent))
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
    fn what_a_lost_message_would_have_told_is_skipped() {
        let mut d = Deliveries::default();
        for n in 0..10 {
            d.sent(0, 100, 0, Carried { sequence: n, slot: 1, times: 0 });
        }
        let skipped =
            |d: &Deliveries, t: &TransportFeedback| d.skipped(t).map(|c| c.sequence).collect::<Vec<_>>();
        let first = told(0, &[Some(1), None]);
        assert!(skipped(&d, &first).is_empty());
        d.feedback(&first, (0, 0), 0.0, |_, _| ());
        assert!((d.in_flight() - 8.0 * 800.0).abs() < 1.0);
        let third = told(5, &[Some(9)]);
        assert_eq!(skipped(&d, &third), [2, 3, 4]);
        d.feedback(&third, (0, 0), 0.0, |_, _| ());
        assert!(skipped(&d, &told(6, &[Some(9)])).is_empty() && skipped(&d, &first).is_empty());
        assert!(skipped(&d, &told(9_000, &[Some(9)])).is_empty(), "that was never sent");
        assert_eq!(skipped(&d, &told(9, &[Some(9)])), [6, 7, 8]);
        assert!((d.in_flight() - 4.0 * 800.0).abs() < 1.0);
    }

    #[test]
    fn packets_are_counted_once_and_late_ones_are_not_lost() {
        let mut d = Deliveries::default();
        for n in 0..5 {
            assert_eq!(d.number(), n);
            d.sent(0, 100, 0, Carried::NOTHING);
        }
        let feedback = |d: &mut Deliveries, t: TransportFeedback| d.feedback(&t, (0, 0), 0.0, |_, _| ());
        feedback(&mut d, told(0, &[Some(1), None, Some(3)]));
        assert_eq!(d.sums, Sums { arrived: 2, lost: 1 });
        feedback(&mut d, told(0, &[Some(1), Some(9), Some(3)]));
        assert_eq!(d.sums, Sums { arrived: 3, lost: 0 });
        feedback(&mut d, told(0, &[Some(1), None]));
        assert_eq!(d.sums.lost, 0, "what came does not go");
    }

    #[test]
    fn what_is_missing_is_told_once_with_what_it_carried() {
        let mut d = Deliveries::default();
        let picture = Carried { sequence: 77, slot: 6, times: 1 };
        for carried in [picture, Carried::NOTHING, Carried { times: 2, ..picture }, Carried::NOTHING] {
            d.sent(0, 100, 0, carried);
        }
        let mut lost = Vec::new();
        for _ in 0..2 {
            d.feedback(&told(0, &[None, None, Some(3)]), (0, 0), 0.0, |_, carried| lost.extend(carried));
        }
        assert_eq!(lost, [picture]);
    }

    #[test]
    fn nobody_acknowledges_what_was_not_sent() {
        let mut d = Deliveries::default();
        let feedback = |d: &mut Deliveries, t: TransportFeedback| d.feedback(&t, (0, 0), 0.0, |_, _| ());
        feedback(&mut d, told(7, &[Some(1); 3]));
        d.sent(0, 100, 0, Carried::NOTHING);
        feedback(&mut d, told(65_530, &[Some(1); 6]));
        assert_eq!(d.sums, Sums::default(), "before the first");
        for _ in 1..5_000 {
            d.sent(0, 100, 0, Carried::NOTHING);
        }
        feedback(&mut d, told(5_000, &[Some(1); 3]));
        feedback(&mut d, told(0, &[Some(1); 3]));
        assert_eq!(d.sums, Sums::default());
        feedback(&mut d, told(4_999, &[Some(1)]));
        assert_eq!(d.sums.arrived, 1);
    }

    #[test]
    fn more_is_kept_where_more_is_under_way() {
        let mut d = Deliveries::default();
        for n in 0..1_000 {
            d.sent(n * 1_000, 100, 0, Carried::NOTHING);
        }
        assert_eq!(d.sent.len(), 1024);
        d.feedback(&told(0, &[Some(1); 1]), (1_000_000, 0), 0.0, |_, _| ());
        assert_eq!(d.sums.arrived, 1, "the first is still known");
        // A client that tells nothing makes nothing grow.
        let mut silent = Deliveries::default();
        for n in 0..10_000 {
            silent.sent(n * 20_000, 100, 0, Carried::NOTHING);
        }
        assert_eq!(silent.sent.len(), KEPT);
        for n in 0..100_000 {
            silent.sent(1_000_000_000 + n, 100, 0, Carried::NOTHING);
        }
        assert_eq!(silent.sent.len(), MOST_KEPT);
    }
}
