//! How long packets take from a light publisher to the light classrooms of the same process.
//!
//! The publisher writes the time into the payload, the classrooms read it: one clock, so nothing has
//! to be agreed on. Other people's payloads do not carry this process's mark and are not measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Where the mark stands: behind the longest descriptor that is looked at.
const AT: usize = 16;
const BUCKET: Duration = Duration::from_micros(250);
const BUCKETS: usize = 8_000;

/// A histogram in steps of 250 µs up to 2 s.
pub struct Delays {
    /// Of this process's publishers alone: another's clock begins elsewhere.
    mark: [u8; 8],
    epoch: Instant,
    buckets: Vec<AtomicU64>,
}

/// Delays in ms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DelaySpread {
    pub p50: f64,
    pub p95: f64,
    pub max: f64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            mark: rand::random(),
            epoch: Instant::now(),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Delays {
    /// Writes the time into a payload that is long enough.
    pub fn stamp(&self, payload: &mut [u8], now: Instant) {
        if let Some(place) = payload.get_mut(AT..AT + 16) {
            place[..8].copy_from_slice(&self.mark);
            place[8..].copy_from_slice(&((now - self.epoch).as_micros() as u64).to_be_bytes());
        }
    }

    /// Counts a payload that arrived, if it is stamped.
    pub fn arrived(&self, payload: &[u8], now: Instant) {
        let stamped = payload.get(AT..AT + 16).and_then(|p| p.split_first_chunk::<8>());
        let Some((_, time)) = stamped.filter(|(mark, _)| **mark == self.mark) else {
            return;
        };
        let sent = u64::from_be_bytes(time.try_into().expect("eight bytes are left"));
        let took = ((now - self.epoch).as_micros() as u64).saturating_sub(sent);
        let bucket = (took / BUCKET.as_micros() as u64).min(BUCKETS as u64 - 1);
        self.buckets[bucket as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.buckets.iter().for_each(|b| b.store(0, Ordering::Relaxed));
    }

    /// `None`: nothing was measured.
    #[must_use]
    pub fn spread(&self) -> Option<DelaySpread> {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let last = counts.iter().rposition(|c| *c > 0)?;
        let ms = |bucket: usize| (bucket as f64 + 0.5) * BUCKET.as_secs_f64() * 1000.0;
        let share = |share: u64| {
            let mut seen = 0;
            let reached = |c: &u64| {
                seen += c;
                seen * 100 >= total * share
            };
            ms(counts.iter().position(reached).unwrap_or(last))
        };
        Some(DelaySpread { p50: share(50), p95: share(95), max: ms(last) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamped_payloads_tell_their_delay_and_others_nothing() {
        let delays = Delays::default();
        let sent = delays.epoch + Duration::from_millis(500);
        let mut payload = [0xaa; 80];
        delays.arrived(&payload, sent);
        assert!(delays.spread().is_none());
        delays.stamp(&mut payload, sent);
        for n in 1..=100u64 {
            delays.arrived(&payload, sent + Duration::from_millis(n));
        }
        let spread = delays.spread().unwrap();
        assert!((spread.p50 - 50.0).abs() < 1.0 && (spread.p95 - 95.0).abs() < 1.0, "{spread:?}");
        assert!((spread.max - 100.0).abs() < 1.0);
        let mut short = [0; 20];
        delays.stamp(&mut short, sent);
        delays.arrived(&short, sent);
    }
}
