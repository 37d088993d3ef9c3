//! How much delay a stream of pictures needs.
//!
//! Large frames take longer on a slow link, so the delay that a frame adds is seen as a line in its
//! size, found by a Kalman filter (state: ms per byte, ms), and noise around it. The estimate is what
//! the largest frame adds over a mean one, and 2.33 standard deviations of the noise, less 30 ms, plus
//! 10 ms for the operating system. After Holmer, Shemer, Paniconi (ICIP 2013), with the constants of
//! libwebrtc's `JitterEstimator`.

const DEVIATIONS: f64 = 2.33;
const NOISE_OFFSET: f64 = 30.0;
const SYSTEM_MS: f64 = 10.0;
const OUTLIER: f64 = 15.0;
const SIZE_OUTLIER: f64 = 3.0;
const CLAMP: f64 = 3.5;
/// A frame that is so much smaller than the last (in largest frames) tells of an emptying queue.
const EMPTYING: f64 = -0.25;
const STARTUP: u32 = 5;
const MOST_SAMPLES: f64 = 400.0;

pub struct Jitter {
    slope: f64,
    offset: f64,
    covariance: [[f64; 2]; 2],
    mean_size: f64,
    size_variance: f64,
    max_size: f64,
    startup: (f64, u32),
    last_size: Option<f64>,
    noise_mean: f64,
    noise_variance: f64,
    samples: f64,
}

impl Default for Jitter {
    fn default() -> Self {
        Self {
            slope: 1.0 / 64_000.0,
            offset: 0.0,
            covariance: [[1e-4, 0.0], [0.0, 1e2]],
            mean_size: 500.0,
            size_variance: 100.0,
            max_size: 500.0,
            startup: (0.0, 0),
            last_size: None,
            noise_mean: 0.0,
            noise_variance: 4.0,
            samples: 1.0,
        }
    }
}

impl Jitter {
    /// A frame of `size` bytes came `variation` ms later (after the one before) than it was taken;
    /// frames come at `fps`.
    pub fn frame(&mut self, variation: f64, size: usize, fps: f64) {
        let size = size as f64;
        self.note_size(size);
        let Some(before) = self.last_size.replace(size) else {
            return;
        };
        let step = size - before;
        let limit = CLAMP * self.noise_variance.sqrt() + 0.5;
        let variation = variation.clamp(-limit, limit);
        let deviation = variation - (self.slope * step + self.offset);
        let outlying = OUTLIER * self.noise_variance.sqrt();
        let large = size > self.mean_size + SIZE_OUTLIER * self.size_variance.sqrt();
        if deviation.abs() < outlying || large {
            self.noise(deviation, fps);
            if step > EMPTYING * self.max_size {
                self.update(variation, step);
            }
        } else {
            self.noise(outlying.copysign(deviation), fps);
        }
    }

    /// The delay that is needed, ms.
    pub fn estimate(&self) -> f64 {
        let sizes = self.slope * (self.max_size - self.mean_size);
        let noise = (DEVIATIONS * self.noise_variance.sqrt() - NOISE_OFFSET).max(1.0);
        (sizes + noise).clamp(1.0, 10_000.0) + SYSTEM_MS
    }

    fn note_size(&mut self, size: f64) {
        if self.startup.1 < STARTUP {
            self.startup = (self.startup.0 + size, self.startup.1 + 1);
        } else if self.startup.1 == STARTUP {
            self.mean_size = self.startup.0 / f64::from(STARTUP);
            self.startup.1 += 1;
        }
        let mean = 0.97 * self.mean_size + 0.03 * size;
        // Key frames are not what frames usually are.
        if size < self.mean_size + 2.0 * self.size_variance.sqrt() {
            self.mean_size = mean;
        }
        let off = size - mean;
        self.size_variance = (0.97 * self.size_variance + 0.03 * off * off).max(1.0);
        self.max_size = (0.9999 * self.max_size).max(size);
    }

    fn noise(&mut self, deviation: f64, fps: f64) {
        let keep = ((self.samples - 1.0) / self.samples).powf(30.0 / fps.clamp(1.0, 200.0));
        self.samples = (self.samples + 1.0).min(MOST_SAMPLES);
        let before = self.noise_mean;
        self.noise_mean = keep * before + (1.0 - keep) * deviation;
        let off = deviation - before;
        self.noise_variance = (keep * self.noise_variance + (1.0 - keep) * off * off).max(1.0);
    }

    fn update(&mut self, variation: f64, step: f64) {
        let p = &mut self.covariance;
        p[0][0] += 2.5e-10;
        p[1][1] += 1e-10;
        let gain = [p[0][0] * step + p[0][1], p[1][0] * step + p[1][1]];
        let doubt = (300.0 * (-step.abs() / self.max_size.max(1.0)).exp() + 1.0) * self.noise_variance.sqrt();
        let scale = doubt.max(1.0) + step * gain[0] + gain[1];
        let k = [gain[0] / scale, gain[1] / scale];
        let innovation = variation - (self.slope * step + self.offset);
        self.slope = (self.slope + k[0] * innovation).max(1e-6);
        self.offset += k[1] * innovation;
        let [first, second] = *p;
        for n in 0..2 {
            p[0][n] = (1.0 - k[0] * step) * first[n] - k[0] * second[n];
            p[1][n] = (1.0 - k[1]) * second[n] - k[1] * step * first[n];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_link_needs_little_and_a_slow_one_more_for_its_largest_frames() {
        let mut steady = Jitter::default();
        (0..500).for_each(|n| steady.frame(0.0, 3_000 + 100 * (n % 3), 25.0));
        assert!(steady.estimate() < 15.0, "{}", steady.estimate());
        // 1 Mbit/s is 8 µs a byte: a frame of 20 kB takes 160 ms, one of 4 kB 32 ms. The filter is slow to
        // believe it.
        let mut slow = Jitter::default();
        let mut before = 4_000.0;
        for n in 0..1_000 {
            let size = if n % 50 == 0 { 20_000 } else { 3_500 + 500 * (n % 3) };
            slow.frame((f64::from(size) - before) * 0.008, size as usize, 25.0);
            before = f64::from(size);
        }
        assert!((30.0..=190.0).contains(&slow.estimate()), "{}", slow.estimate());
    }

    #[test]
    fn noise_is_covered() {
        let mut noisy = Jitter::default();
        for n in 0..2_000u32 {
            // ± 40 ms, never twice the same way.
            noisy.frame(if n % 2 == 0 { 40.0 } else { -40.0 }, 3_000, 25.0);
        }
        let expected = DEVIATIONS * 40.0 - NOISE_OFFSET + SYSTEM_MS;
        assert!((noisy.estimate() - expected).abs() < 10.0, "{}", noisy.estimate());
    }
}
