//! Whether the delay grows: a line through the last groups of packets, against a threshold that
//! follows the line's own jitter (draft-ietf-rmcat-gcc-02 §5.1–5.4, the trend line in the place of the
//! Kalman filter).

use crate::media::clock::Micros;

/// Packets that left within this time are one group: they were one picture.
const GROUP: Micros = 5_000;
const WINDOW: usize = 20;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
/// Overuse has to last so long before it is believed, ms.
const LASTING: f64 = 10.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    Normal,
    Over,
    Under,
}

#[derive(Clone, Copy)]
struct Group {
    first_sent: Micros,
    sent: Micros,
    arrived: Micros,
}

pub struct Trend {
    group: Option<Group>,
    before: Option<Group>,
    /// (arrival, smoothed sum of delay changes), ms; a ring.
    points: [(f64, f64); WINDOW],
    count: usize,
    origin: Micros,
    sum: f64,
    smoothed: f64,
    slope: f64,
    threshold: f64,
    judged: Option<f64>,
    over_for: f64,
    over_count: u32,
    usage: Usage,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            group: None,
            before: None,
            points: [(0.0, 0.0); WINDOW],
            count: 0,
            origin: 0,
            sum: 0.0,
            smoothed: 0.0,
            slope: 0.0,
            threshold: 12.5,
            judged: None,
            over_for: 0.0,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trend {
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    pub fn note(&mut self, sent: Micros, arrived: Micros) {
        let Some(group) = &mut self.group else {
            self.origin = arrived;
            self.group = Some(Group { first_sent: sent, sent, arrived });
            return;
        };
        if sent < group.first_sent {
            return; // told late
        }
        // Packets that a radio or a busy machine held back and gave at once are one group, too.
        let burst = arrived - group.arrived <= GROUP
            && (arrived - group.arrived) < (sent - group.sent)
            && arrived - self.before.map_or(group.arrived, |b| b.arrived) < 100_000;
        if sent - group.first_sent <= GROUP || burst {
            group.sent = group.sent.max(sent);
            group.arrived = group.arrived.max(arrived);
            return;
        }
        let done = *group;
        self.group = Some(Group { first_sent: sent, sent, arrived });
        let before = self.before.replace(done);
        if let Some(before) = before {
            let sent = (done.sent - before.sent) as f64 / 1e3;
            let came = (done.arrived - before.arrived) as f64 / 1e3;
            // A clock jumped.
            if came.abs() > 30_000.0 {
                *self = Self::default();
                return;
            }
            self.step(sent, came - sent, (done.arrived - self.origin) as f64 / 1e3);
        }
    }

    fn step(&mut self, sent: f64, change: f64, at: f64) {
        self.sum += change;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.sum;
        self.points[self.count % WINDOW] = (at, self.smoothed);
        self.count += 1;
        if self.count < WINDOW {
            return;
        }
        let before = std::mem::replace(&mut self.slope, slope(&self.points));
        let value = self.slope * (self.count.min(60) as f64) * GAIN;
        if value > self.threshold {
            self.over_for += if self.over_count == 0 { sent / 2.0 } else { sent };
            self.over_count += 1;
            if self.over_for > LASTING && self.over_count > 1 && self.slope >= before {
                self.usage = Usage::Over;
                (self.over_for, self.over_count) = (0.0, 0);
            }
        } else {
            (self.over_for, self.over_count) = (0.0, 0);
            self.usage = if value < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.follow(value.abs(), at);
    }

    /// Where jitter is usual, more is needed to call it overuse.
    fn follow(&mut self, value: f64, at: f64) {
        let time = (at - self.judged.replace(at).unwrap_or(at)).clamp(0.0, 100.0);
        // A sudden jump is no jitter.
        if value > self.threshold + 15.0 {
            return;
        }
        let rate = if value < self.threshold { 0.039 } else { 0.0087 };
        self.threshold = (self.threshold + rate * (value - self.threshold) * time).clamp(6.0, 600.0);
    }
}

/// Least squares, in one pass: it is asked for every few packets.
fn slope(points: &[(f64, f64); WINDOW]) -> f64 {
    let n = WINDOW as f64;
    // Small numbers, so that nothing cancels out.
    let (x0, y0) = points[0];
    let mut sums = [0.0; 4];
    for (x, y) in points {
        let (x, y) = (x - x0, y - y0);
        sums[0] += x;
        sums[1] += y;
        sums[2] += x * y;
        sums[3] += x * x;
    }
    let [x, y, xy, xx] = sums;
    let under = n * xx - x * x;
    if under == 0.0 { 0.0 } else { (n * xy - x * y) / under }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `delay(n)` of the n-th packet, one each 20 ms.
    fn run(t: &mut Trend, from: i64, to: i64, delay: impl Fn(i64) -> i64) -> Vec<Usage> {
        let one = |n: i64| {
            t.note(n * 20_000, 9_000_000 + n * 20_000 + delay(n));
            t.usage()
        };
        (from..to).map(one).collect()
    }

    #[test]
    fn growing_delay_is_overuse_and_falling_delay_is_not() {
        let mut t = Trend::default();
        assert!(run(&mut t, 0, 100, |_| 30_000).iter().all(|u| *u == Usage::Normal));
        let grown = run(&mut t, 100, 130, |n| 30_000 + (n - 100) * 4_000);
        let first = grown.iter().position(|u| *u == Usage::Over).expect("overuse");
        assert!(first <= 15, "after {first} packets");
        let falling = run(&mut t, 130, 175, |n| (150_000 - (n - 130) * 5_000).max(30_000));
        assert!(falling.contains(&Usage::Under));
        assert!(!run(&mut t, 175, 300, |_| 30_000).iter().skip(40).any(|u| *u != Usage::Normal));
    }

    #[test]
    fn jitter_alone_is_not() {
        let mut t = Trend::default();
        let random = |n: i64| (n * 2_654_435_761 % 4_294_967_296) / 16_384 % 40;
        let seen = run(&mut t, 0, 3_000, |n| 30_000 + random(n) * 1_000);
        let over = seen.iter().filter(|u| **u == Usage::Over).count();
        // The standing delay has to agree (`bandwidth`).
        assert!(over <= 100, "{over} of 3000");
    }
}
