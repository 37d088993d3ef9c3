//! Trains: short bursts of padding that find out what the line carries beyond what is sent.
//!
//! A train is sent back to back and its spread at the client is measured; it is believed up to the rate
//! that it was made for. One is sent at the start and after a silence; later one comes when something
//! waits for bandwidth and the line has been calm for some seconds. A train that found its full rate is
//! followed at once by one of twice the rate; after overuse the next waits longer.

use crate::media::clock::Micros;

/// Enough packets to have a spread.
const LEAST_BYTES: f64 = 1_500.0;
/// Worth of the rate that is tried, s.
const LENGTH: f64 = 0.015;
const LONGEST_UNREST: f64 = 0.025;
/// Share of a train that has to come. What came of one that lost some arrived at the line's rate, too.
const ENOUGH: f64 = 0.5;
const EVERY: Micros = 3_000_000;
const LONGEST: Micros = 9_000_000;
/// A train that is not told about by then is lost.
const PATIENCE: Micros = 1_500_000;
/// Below this share of what could be used a train is worth its cost.
const WORTH: f64 = 0.95;

/// A burst to send now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Train {
    /// 1–255, for `Told::train`.
    pub number: u8,
    /// Bytes to send, headers included.
    pub bytes: usize,
}

#[derive(Clone, Copy)]
struct Running {
    number: u8,
    rate: f64,
    bits: f64,
    since: Micros,
    packets: u32,
    first: Micros,
    last: Micros,
    came: f64,
    first_bits: f64,
}

#[derive(Default)]
pub struct Prober {
    number: u8,
    /// The rate that is tried next; 0: none.
    planned: f64,
    running: Option<Running>,
    next: Micros,
    wait: Option<Micros>,
    started: bool,
    /// When a train last raised the estimate.
    raised: Option<Micros>,
}

impl Prober {
    /// The line is calm at `target`; `useful` is what could be used.
    pub fn calm(&mut self, now: Micros, target: f64, useful: f64) {
        if !self.started {
            self.started = true;
            self.planned = (target * 3.0).min(useful * 1.2);
            self.next = now;
            return;
        }
        let waiting = target < useful * WORTH;
        if waiting && self.planned == 0.0 && self.running.is_none() && now >= self.next {
            self.planned = (target * 2.0).min(useful * 1.2);
        }
    }

    /// After a silence.
    pub fn restart(&mut self, now: Micros, before: f64) {
        self.running = None;
        self.planned = before;
        self.started = true;
        self.next = now;
        self.wait = None;
    }

    /// What was sent was too much.
    pub fn failed(&mut self, now: Micros) {
        self.planned = 0.0;
        // The last train promised what the line did not keep.
        let broken = self.raised.take().is_some_and(|at| now - at < 5_000_000);
        let wait = self.wait.unwrap_or(EVERY);
        let wait = if broken { (wait * 3 / 2).min(LONGEST) } else { wait };
        self.wait = Some(wait);
        self.next = now + wait;
    }

    ///
    /// `unrest`: how much the line's delay wanders, µs; a train has to be longer than that.
    pub fn due(&mut self, now: Micros, unrest: Micros) -> Option<Train> {
        if let Some(r) = self.running {
            if now - r.since < PATIENCE {
                return None;
            }
            self.running = None;
            self.next = now + EVERY;
        }
        let rate = std::mem::take(&mut self.planned);
        if rate <= 0.0 {
            return None;
        }
        self.number = self.number.checked_add(1).unwrap_or(1);
        let length = LENGTH + (unrest as f64 / 2e6).min(LONGEST_UNREST);
        let bytes = (rate * length / 8.0).max(LEAST_BYTES);
        self.running = Some(Running {
            number: self.number,
            rate,
            bits: bytes * 8.0,
            since: now,
            packets: 0,
            first: 0,
            last: 0,
            came: 0.0,
            first_bits: 0.0,
        });
        Some(Train { number: self.number, bytes: bytes as usize })
    }

    pub fn arrived(&mut self, number: u8, at: Micros, bits: f64) {
        let Some(r) = self.running.as_mut().filter(|r| r.number == number) else {
            return;
        };
        if r.packets == 0 {
            (r.first, r.last, r.first_bits) = (at, at, bits);
        } else if at < r.first {
            (r.first, r.first_bits) = (at, bits);
        }
        r.last = r.last.max(at);
        r.packets += 1;
        r.came += bits;
    }

    /// The rate that the running train found, once enough of it has come. Bits per second.
    pub fn result(&mut self, unrest: Micros) -> Option<f64> {
        let r = self.running.filter(|r| r.packets >= 4 && r.came >= r.bits * ENOUGH)?;
        self.running = None;
        // A delay that fell meanwhile would have pressed it together.
        let spread = (r.last - r.first + unrest) as f64 / 1e6;
        // The first packet opens the time in which the others come.
        let measured = (r.came - r.first_bits) / spread.max(1e-6);
        Some(measured.min(r.rate))
    }

    /// A train was judged: `before` it and now, the estimate.
    pub fn judged(&mut self, now: Micros, before: f64, target: f64, useful: f64) {
        let raised = target >= before * 1.15;
        if raised {
            self.raised = Some(now);
        }
        if raised && target < useful * WORTH && self.planned == 0.0 {
            self.planned = (target * 2.0).min(useful * 1.2);
            return;
        }
        self.next = self.next.max(now + self.wait.unwrap_or(EVERY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends what is due over a line of `line` bits per second; the rate found.
    fn ride(p: &mut Prober, now: Micros, line: f64) -> Option<f64> {
        let train = p.due(now, 0)?;
        let packets = train.bytes.div_ceil(250);
        for n in 0..packets {
            p.arrived(train.number, now + 30_000 + (n as f64 * 2_000.0 * 1e6 / line) as Micros, 2_000.0);
        }
        p.result(0)
    }

    #[test]
    fn trains_at_the_start_find_a_line_and_no_more_than_was_asked() {
        let mut p = Prober::default();
        p.calm(0, 500_000.0, 10_000_000.0);
        let first = ride(&mut p, 0, 1e9).unwrap();
        assert!((1_400_000.0..=1_500_000.0).contains(&first), "{first}");
        p.judged(10_000, 500_000.0, first, 10_000_000.0);
        let second = ride(&mut p, 10_000, 2_000_000.0).unwrap();
        assert!((1_900_000.0..=2_300_000.0).contains(&second), "{second}");
        p.judged(20_000, first, second, 10_000_000.0);
        assert!(p.due(20_001, 0).is_some(), "at once: it found more than there was");
        p.running = None;
        p.judged(30_000, second, second, 10_000_000.0);
        assert!(p.due(30_001, 0).is_none(), "nothing new was found");
    }

    #[test]
    fn nobody_asks_for_what_nobody_needs_and_overuse_waits() {
        let mut p = Prober::default();
        p.calm(0, 500_000.0, 600_000.0);
        assert_eq!(p.due(0, 0).map(|t| t.bytes), Some(1_500), "720 kbit/s are too few for a spread");
        p.running = None;
        p.due(1, 0);
        p.running = None;
        p.calm(10_000_000, 590_000.0, 600_000.0);
        assert_eq!(p.due(10_000_000, 0), None);
        p.failed(10_000_000);
        p.calm(11_000_000, 300_000.0, 600_000.0);
        assert_eq!(p.due(11_000_000, 0), None);
        p.calm(13_100_000, 300_000.0, 600_000.0);
        assert!(p.due(13_100_000, 0).is_some());
    }

    #[test]
    fn a_lost_train_is_forgotten() {
        let mut p = Prober::default();
        p.calm(0, 500_000.0, 5_000_000.0);
        assert!(p.due(0, 0).is_some());
        p.calm(100_000, 500_000.0, 5_000_000.0);
        assert!(p.due(100_000, 0).is_none(), "one at a time");
        assert!(p.due(1_600_000, 0).is_none());
        p.calm(4_700_000, 500_000.0, 5_000_000.0);
        assert!(p.due(4_700_000, 0).is_some());
    }
}
