//! A rate over a sliding window of up to half a second.

use crate::media::clock::Micros;

const STEP: Micros = 25_000;
const STEPS: usize = 20;

/// Bits by the step they fell into. Late ones are added to their own step.
#[derive(Default)]
pub struct Meter {
    bits: [f32; STEPS],
    newest: i64,
    oldest: Option<i64>,
}

impl Meter {
    pub fn add(&mut self, at: Micros, bits: f64) {
        let step = at.div_euclid(STEP);
        // The first; or the clock jumped, or there was a long pause.
        if self.oldest.is_none() || (step - self.newest).abs() > 400 {
            *self = Self { oldest: Some(step), newest: step, ..Self::default() };
        }
        self.oldest = self.oldest.map(|o| o.min(step));
        while self.newest < step {
            self.newest += 1;
            self.bits[self.newest.rem_euclid(STEPS as i64) as usize] = 0.0;
        }
        if self.newest - step < STEPS as i64 {
            self.bits[step.rem_euclid(STEPS as i64) as usize] += bits as f32;
        }
    }

    /// Bits per second of the last `window` µs (a multiple of 25 000, at most 500 000) up to the
    /// newest; of the time since the first, if that is shorter.
    #[must_use]
    pub fn rate(&self, window: Micros) -> f64 {
        let Some(oldest) = self.oldest else {
            return 0.0;
        };
        let steps = (window / STEP).clamp(1, STEPS as i64).min(self.newest - oldest + 1);
        let sum: f32 =
            (0..steps).map(|n| self.bits[(self.newest - n).rem_euclid(STEPS as i64) as usize]).sum();
        f64::from(sum) * 1e6 / (steps * STEP) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate_and_an_old_one_is_forgotten() {
        let mut m = Meter::default();
        assert!(m.rate(500_000) < 1.0);
        for n in 0..200i64 {
            m.add(77_000_000 + n * 10_000, 1_000.0);
        }
        assert!((m.rate(500_000) - 100_000.0).abs() < 4_000.0, "{}", m.rate(500_000));
        for n in 0..25i64 {
            m.add(79_000_000 + n * 10_000, 3_000.0);
        }
        assert!((m.rate(250_000) - 300_000.0).abs() < 12_000.0);
        m.add(95_000_000, 800.0);
        assert!(m.rate(500_000) <= 32_001.0, "{}", m.rate(500_000));
    }

    #[test]
    fn late_ones_count_where_they_belong() {
        let mut m = Meter::default();
        for n in (0..40i64).rev() {
            m.add(1_000_000 + n * 10_000, 500.0);
        }
        assert!(m.rate(100_000) > 40_000.0);
    }
}
