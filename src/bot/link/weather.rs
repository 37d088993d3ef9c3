//! What is random about a link: which packets it loses and how its delay wanders.
//!
//! Losses are independent, or in bursts by a Gilbert–Elliott chain of two states (Gilbert 1960,
//! Elliott 1963) whose bad state loses everything. Jitter is a stationary Gaussian process with an
//! exponential memory, mapped to a uniform spread as `tc netem` has it: packets close together are
//! delayed alike, as those of one picture are, and pictures differ. One seed, one weather.

use std::time::Duration;

/// Which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    None,
    /// Each packet with this probability, 0–1.
    Random(f64),
    /// Bursts of `burst` packets in the mean, so that `mean` (0–1) of all packets are lost.
    Bursty {
        mean: f64,
        burst: f64,
    },
}

/// How the delay varies: uniformly by at most `spread` in either direction (never below zero).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    pub spread: Duration,
    /// After this time little is remembered of an earlier delay (correlation 1/e).
    pub memory: Duration,
    /// Whether a packet may overtake another.
    pub reorders: bool,
}

impl Jitter {
    /// In order, and with the memory of a few packets: how shared access lines behave.
    #[must_use]
    pub const fn of(spread: Duration) -> Self {
        Self { spread, memory: Duration::from_millis(50), reorders: false }
    }
}

/// The random part of one direction.
#[derive(Clone, Debug)]
pub struct Weather {
    random: Random,
    bad: bool,
    level: f64,
    level_at: Option<Duration>,
}

impl Weather {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), bad: false, level: 0.0, level_at: None }
    }

    /// Whether the next packet is lost.
    pub fn loses(&mut self, loss: Loss) -> bool {
        match loss {
            Loss::None => false,
            Loss::Random(share) => self.random.share() < share,
            Loss::Bursty { mean, burst } => {
                // In the long run `mean` of the time is bad when enter ÷ (enter + leave) = mean.
                let leave = 1.0 / burst.max(1.0);
                let enter = leave * mean / (1.0 - mean).max(1e-9);
                let turns = if self.bad { leave } else { enter };
                if self.random.share() < turns {
                    self.bad = !self.bad;
                }
                self.bad
            }
        }
    }

    /// How much earlier or later than the mean a packet comes that leaves at `now`, in seconds.
    pub fn wander(&mut self, jitter: Jitter, now: Duration) -> f64 {
        if jitter.spread.is_zero() {
            return 0.0;
        }
        let since = self.level_at.map(|at| now.saturating_sub(at).as_secs_f64());
        let memory = jitter.memory.as_secs_f64();
        let kept = match since {
            Some(since) if memory > 0.0 => (-since / memory).exp(),
            _ => 0.0,
        };
        self.level = kept * self.level + (1.0 - kept * kept).sqrt() * self.random.normal();
        self.level_at = Some(now);
        // The logistic curve is within 1 % of the normal distribution function.
        let uniform = 1.0 / (1.0 + (-1.702 * self.level).exp());
        jitter.spread.as_secs_f64() * (2.0 * uniform - 1.0)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every machine and with every version of
/// any library.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 ≤ share < 1.
    fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, variance 1 (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (share lost, mean length of a burst)
    fn losses(loss: Loss, seed: u64) -> (f64, f64) {
        const PACKETS: usize = 200_000;
        let mut weather = Weather::new(seed);
        let lost: Vec<bool> = (0..PACKETS).map(|_| weather.loses(loss)).collect();
        let count = lost.iter().filter(|l| **l).count();
        let bursts = lost.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
        (count as f64 / PACKETS as f64, count as f64 / bursts.max(1) as f64)
    }

    #[test]
    fn as_much_is_lost_as_was_asked_for() {
        for share in [0.05, 0.1, 0.3] {
            let (lost, burst) = losses(Loss::Random(share), 1);
            assert!((lost - share).abs() < 0.005, "{lost} of {share}");
            assert!((burst - 1.0 / (1.0 - share)).abs() < 0.05, "bursts of {burst}");
        }
        assert!(losses(Loss::None, 1).0 < 1e-12);
    }

    #[test]
    fn bursts_are_as_long_as_was_asked_for() {
        for (mean, burst) in [(0.05, 4.0), (0.1, 8.0), (0.3, 5.0)] {
            let (lost, measured) = losses(Loss::Bursty { mean, burst }, 3);
            assert!((lost - mean).abs() < 0.1 * mean, "{lost} of {mean}");
            assert!((measured - burst).abs() < 0.1 * burst, "{measured} of {burst}");
        }
    }

    #[test]
    fn delay_wanders_uniformly_and_remembers_for_as_long_as_it_should() {
        let jitter = Jitter::of(Duration::from_millis(100));
        let mut weather = Weather::new(5);
        let step = Duration::from_millis(10);
        let all: Vec<f64> = (0..200_000).map(|n| weather.wander(jitter, step * n)).collect();
        let mean = |list: &mut dyn Iterator<Item = f64>| {
            let (n, sum) = list.fold((0.0, 0.0), |(n, s), x| (n + 1.0, s + x));
            sum / n
        };
        assert!(all.iter().all(|x| x.abs() <= 0.1));
        assert!(mean(&mut all.iter().copied()).abs() < 0.003);
        let variance = mean(&mut all.iter().map(|x| x * x));
        assert!((variance / (0.01 / 3.0) - 1.0).abs() < 0.05, "{variance}");
        // Five steps are one memory.
        let together = mean(&mut all.iter().zip(&all[5..]).map(|(a, b)| a * b));
        assert!((together / variance - (-1.0f64).exp()).abs() < 0.05, "{}", together / variance);
    }

    #[test]
    fn one_seed_is_one_weather_and_another_another() {
        let run = |seed| {
            let mut w = Weather::new(seed);
            (0..100).map(|_| w.loses(Loss::Random(0.5))).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
