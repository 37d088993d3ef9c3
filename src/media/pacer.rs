//! What a subscriber's line cannot take at once: pictures wait here, sound and control never do.
//!
//! A key frame at line rate overflows a rural modem. A bucket fills at somewhat more than the
//! estimate; while it holds anything and nobody waits, a packet leaves at once, so on a good line
//! nothing ever waits and nothing is kept. What waits is a place in the source's ring, not a copy.
//! The core asks when the next may go and drains then.

use std::collections::VecDeque;

use crate::media::clock::Micros;

/// What may leave in one go, µs of the rate: more than a picture between key frames.
const DEPTH: Micros = 40_000;
/// The bucket holds at least one packet and a bit.
const LEAST_DEPTH: f64 = 1_500.0;
/// What a joiner gets at once, before anything is known of its line: a small key frame.
const OPENING: f64 = 10_000.0;

/// One packet that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Extended number in its layer's ring.
    pub ext: u64,
    /// Key of its source.
    pub source: u32,
    /// Input time stamp that it is sent with.
    pub timestamp: u32,
    pub size: u16,
    pub slot: u8,
    pub layer: u8,
    /// A key frame with which its layer begins to flow.
    pub begins: bool,
}

/// What waits of one slot, in its order.
struct Lane {
    slot: u8,
    queue: VecDeque<Waiting>,
    bytes: usize,
}

pub struct Pacer {
    /// Served in turn, so that a page of a slide does not hold the teacher's picture up.
    lanes: Vec<Lane>,
    turn: usize,
    /// Bytes that may leave now; below zero after what does not wait.
    credit: f64,
    /// Bytes per second; infinite without an estimate.
    rate: f64,
    at: Micros,
}

impl Default for Pacer {
    fn default() -> Self {
        Self { lanes: Vec::new(), turn: 0, credit: OPENING, rate: f64::INFINITY, at: 0 }
    }
}

impl Pacer {
    /// Follows an estimate (bits per second). A small line gets little more than it carries, because
    /// what stands in its queue delays the sound; a large one is given what a picture needs.
    pub fn follow(&mut self, target: f64) {
        let factor = (1.0 + (target - 400_000.0) / 3_000_000.0).clamp(1.0, 2.0);
        self.rate = target * factor / 8.0;
    }

    /// Bits per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate * 8.0
    }

    fn fill(&mut self, now: Micros) {
        let time = (now - self.at).max(0);
        self.at = self.at.max(now);
        if self.rate.is_infinite() {
            return; // what is saved up without an estimate is not spent under one
        }
        let depth = (self.rate * DEPTH as f64 / 1e6).max(LEAST_DEPTH);
        let full = self.credit.max(depth);
        self.credit = (self.credit + self.rate * time as f64 / 1e6).min(full);
    }

    /// Whether a picture's packet may leave at once.
    pub fn is_open(&mut self, now: Micros) -> bool {
        if self.rate.is_infinite() {
            return self.lanes.is_empty();
        }
        self.fill(now);
        self.lanes.is_empty() && self.credit > 0.0
    }

    /// Something left, whether it waited or not. Sound and repair may overdraw by a tenth of a second.
    pub fn spent(&mut self, bytes: usize) {
        if self.rate.is_finite() {
            self.credit = (self.credit - bytes as f64).max(-self.rate / 10.0);
        }
    }

    pub fn push(&mut self, packet: Waiting) {
        let at = self.lanes.iter().position(|l| l.slot == packet.slot).unwrap_or_else(|| {
            self.lanes.push(Lane { slot: packet.slot, queue: VecDeque::new(), bytes: 0 });
            self.lanes.len() - 1
        });
        let lane = &mut self.lanes[at];
        lane.bytes += usize::from(packet.size);
        lane.queue.push_back(packet);
    }

    /// The next that may leave now.
    pub fn pop(&mut self, now: Micros) -> Option<Waiting> {
        self.fill(now);
        if (self.credit <= 0.0 && self.rate.is_finite()) || self.lanes.is_empty() {
            return None;
        }
        self.turn = (self.turn + 1) % self.lanes.len();
        let lane = &mut self.lanes[self.turn];
        let packet = lane.queue.pop_front()?;
        lane.bytes -= usize::from(packet.size);
        if lane.queue.is_empty() {
            self.lanes.swap_remove(self.turn);
        }
        Some(packet)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// When the first that waits may leave.
    #[must_use]
    pub fn next(&self) -> Option<Micros> {
        self.lanes.first()?;
        if self.credit > 0.0 || self.rate.is_infinite() {
            return Some(self.at);
        }
        Some(self.at + (-self.credit * 1e6 / self.rate) as Micros + 1)
    }

    /// How long the last that waits has to wait, µs.
    #[must_use]
    pub fn delay(&self) -> Micros {
        let bytes: usize = self.lanes.iter().map(|l| l.bytes).sum();
        if bytes == 0 { 0 } else { (bytes as f64 * 1e6 / self.rate) as Micros }
    }

    /// The same of one slot: the others take their turns meanwhile.
    #[must_use]
    pub fn delay_of(&self, slot: u8) -> Micros {
        let Some(own) = self.lanes.iter().find(|l| l.slot == slot) else {
            return 0;
        };
        let bytes: usize = self.lanes.iter().map(|l| l.bytes.min(own.bytes)).sum();
        (bytes as f64 * 1e6 / self.rate) as Micros
    }

    /// Whether packets with this time stamp wait on the slot's lane.
    #[must_use]
    pub fn holds(&self, slot: u8, timestamp: u32) -> bool {
        let lane = self.lanes.iter().find(|l| l.slot == slot);
        lane.is_some_and(|l| l.queue.iter().any(|w| w.timestamp == timestamp))
    }

    /// The next of the slot's packets, out of its turn, if it has this time stamp.
    pub fn pop_rest(&mut self, slot: u8, timestamp: u32) -> Option<Waiting> {
        let at = self.lanes.iter().position(|l| l.slot == slot)?;
        let lane = &mut self.lanes[at];
        let packet = *lane.queue.front().filter(|w| w.timestamp == timestamp)?;
        lane.queue.pop_front();
        lane.bytes -= usize::from(packet.size);
        if lane.queue.is_empty() {
            self.lanes.swap_remove(at);
        }
        Some(packet)
    }

    /// Whether any of the slot's packets waits.
    #[must_use]
    pub fn has(&self, slot: u8) -> bool {
        self.lanes.iter().any(|l| l.slot == slot)
    }

    /// The slot's packets shall not leave any more.
    pub fn forget(&mut self, slot: u8) {
        self.lanes.retain(|l| l.slot != slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(slot: u8, ext: u64) -> Waiting {
        Waiting { ext, source: 0, timestamp: 0, size: 1_000, slot, layer: 0, begins: false }
    }

    #[test]
    fn without_an_estimate_nothing_waits() {
        let mut p = Pacer::default();
        for _ in 0..100 {
            assert!(p.is_open(5));
            p.spent(1_000);
        }
    }

    #[test]
    fn a_burst_leaves_at_the_rate_and_sound_overdraws() {
        let mut p = Pacer::default();
        p.follow(800_000.0);
        let rate = p.rate;
        assert!((105_000.0..140_000.0).contains(&rate), "{rate}");
        let mut at_once = 0;
        while p.is_open(0) {
            p.spent(1_000);
            at_once += 1;
        }
        assert!((8..14).contains(&at_once), "{at_once}");
        for n in 0..50 {
            p.push(packet(1, n));
        }
        assert!((300_000..500_000).contains(&p.delay()), "{}", p.delay());
        let mut now = 0;
        let mut order = Vec::new();
        while let Some(at) = p.next() {
            now = now.max(at);
            while let Some(w) = p.pop(now) {
                p.spent(1_000);
                order.push(w.ext);
            }
        }
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        let expected = 50_000.0 / rate * 1e6;
        assert!((now as f64 - expected).abs() < 60_000.0, "{now} {expected}");
        for _ in 0..1_000 {
            p.spent(200);
        }
        p.push(packet(1, 50));
        assert!(p.next().is_some_and(|at| at - now < 120_000), "and is not in debt for ever");
    }

    #[test]
    fn what_waits_leaves_when_there_is_no_estimate_any_more() {
        let mut p = Pacer::default();
        p.follow(64_000.0);
        p.spent(20_000);
        p.push(packet(1, 0));
        assert!(p.pop(0).is_none());
        p.follow(f64::INFINITY);
        assert_eq!(p.next(), Some(0), "at once");
        assert!(p.pop(0).is_some() && p.is_open(0));
    }

    #[test]
    fn a_slot_is_forgotten_alone() {
        let mut p = Pacer::default();
        p.follow(300_000.0);
        (0..10).for_each(|n| p.push(packet((n % 2) as u8, n)));
        let both = p.delay();
        assert_eq!(p.delay_of(0), both, "each second packet is the other's");
        let order: Vec<u8> = (0..4).filter_map(|_| p.pop(0)).map(|w| w.slot).collect();
        assert!([[0, 1, 0, 1], [1, 0, 1, 0]].contains(&order[..].try_into().unwrap()), "{order:?}");
        p.forget(0);
        assert!(p.delay_of(0) == 0 && p.delay_of(1) > 0);
        assert!(p.delay() < both / 2);
        p.forget(1);
        assert!(p.is_empty() && p.delay() == 0);
    }
}
