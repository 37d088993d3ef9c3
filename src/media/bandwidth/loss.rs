//! Which losses are congestion.
//!
//! A line has some losses of its own (`inherent`), and loses besides what is sent above what it
//! carries. Of the last seconds it is known how much was sent in each quarter and how much of it was
//! lost; for some capacities the likeliest inherent loss is sought, and a capacity below the present
//! rate is believed only when it explains the losses clearly better than none. Random loss at any rate
//! is thus no reason to send less. (The idea of an inherent loss beside a capacity is that of libwebrtc's
//! second loss-based estimator; the search is ours.)

use crate::media::clock::Micros;

const QUARTER: Micros = 250_000;
const KEPT: usize = 20;
/// Fewer packets than this say nothing about a share.
const ENOUGH: f64 = 8.0;
/// Below this share of loss nobody is asked.
const FREE: f64 = 0.02;
/// How much likelier (natural logarithm) a capacity has to make the losses.
const CLEAR: f64 = 5.0;
/// So many quarters have to be known.
const LEAST_KNOWN: usize = 8;
/// An older quarter counts less.
const AGEING: f64 = 0.93;
const CAPACITIES: [f64; 6] = [0.98, 0.9, 0.8, 0.7, 0.55, 0.4];
const INHERENT: [f64; 11] = [0.000_5, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.15, 0.22, 0.3, 0.4];

#[derive(Clone, Copy, Default)]
struct Quarter {
    bits: f64,
    packets: f64,
    lost: f64,
    /// Losses that followed a packet which came.
    runs: f64,
    /// A queue stood meanwhile: what was lost overflowed it.
    overfull: bool,
}

#[derive(Default)]
pub struct LossModel {
    quarters: [Quarter; KEPT],
    count: usize,
    open: Quarter,
    open_since: Option<Micros>,
    in_run: bool,
    lately: f64,
    inherent: f64,
    /// Quarters that were judged.
    judged: usize,
}

impl LossModel {
    pub fn note(&mut self, sent: Micros, bits: f64, lost: bool) {
        let since = *self.open_since.get_or_insert(sent);
        if sent - since >= QUARTER || sent < since - QUARTER {
            if self.open.overfull {
                self.open = Quarter::default();
                self.open_since = Some(sent);
            } else if self.open.packets >= ENOUGH {
                self.quarters[self.count % KEPT] = self.open;
                self.count += 1;
                self.open = Quarter::default();
                self.open_since = Some(sent);
            } else if sent - since >= 4 * QUARTER || sent < since {
                // Too few: nothing was sent.
                self.open = Quarter::default();
                self.open_since = Some(sent);
            }
        }
        self.open.bits += bits;
        self.open.packets += 1.0;
        self.open.lost += f64::from(u8::from(lost));
        self.open.runs += f64::from(u8::from(lost && !self.in_run));
        self.in_run = lost;
        self.lately += (f64::from(u8::from(lost)) - self.lately) / 64.0;
    }

    /// The delay says already that too much was sent: losses of this moment are not the line's own.
    pub fn overfull(&mut self) {
        self.open.overfull = true;
    }

    /// Share of the packets of the last moments that was lost: of about the last 64.
    #[must_use]
    pub fn lately(&self) -> f64 {
        self.lately
    }

    /// One that was told lost was only overtaken.
    pub fn came_late(&mut self, sent: Micros) {
        let quarter = match self.open_since {
            Some(since) if sent < since && self.count > 0 => &mut self.quarters[(self.count - 1) % KEPT],
            _ => &mut self.open,
        };
        quarter.lost = (quarter.lost - 1.0).max(0.0);
        quarter.runs = quarter.runs.min(quarter.lost);
    }

    /// The line's own share of loss, 0–1.
    #[must_use]
    pub fn inherent(&self) -> f64 {
        self.inherent
    }

    pub fn forget(&mut self) {
        *self = Self { inherent: self.inherent, ..Self::default() };
    }

    /// What the losses say the line carries, bits per second; `None`: no limit is seen. `rate`: what
    /// is sent now.
    pub fn limit(&mut self, _now: Micros, rate: f64) -> Option<f64> {
        if self.judged == self.count || self.count < LEAST_KNOWN {
            return None;
        }
        self.judged = self.count;
        let (lost, packets) =
            self.weighted().fold((0.0, 0.0), |(l, p), (q, w)| (l + w * q.lost, p + w * q.packets));
        let share = lost / packets;
        if share < FREE {
            self.inherent = self.inherent * 0.8 + share * 0.2;
            return None;
        }
        // Packets that are lost together are one witness.
        let (lost, runs) =
            self.weighted().fold((0.0, 0.0), |(l, r), (q, w)| (l + w * q.lost, r + w * q.runs));
        let together = (lost / f64::max(runs, 1e-9)).max(1.0);
        let (free, inherent) = self.best(f64::INFINITY);
        let mut found: Option<(f64, f64, f64)> = None;
        for part in CAPACITIES {
            let capacity = rate * part;
            let (likelihood, p) = self.best(capacity);
            if likelihood > free + CLEAR * together && found.is_none_or(|f| likelihood > f.0) {
                found = Some((likelihood, capacity, p));
            }
        }
        let (_, capacity, inherent) = found.unwrap_or((free, f64::INFINITY, inherent));
        self.inherent = self.inherent * 0.5 + inherent * 0.5;
        capacity.is_finite().then_some(capacity)
    }

    /// The likeliest inherent loss at this capacity, with its log likelihood: (likelihood, loss).
    fn best(&self, capacity: f64) -> (f64, f64) {
        let of = |inherent: f64| {
            let each = |(q, weight): (Quarter, f64)| {
                let rate = q.bits * 1e6 / QUARTER as f64;
                let above = (1.0 - capacity / rate).max(0.0);
                let p = (inherent + (1.0 - inherent) * above).clamp(1e-4, 0.999);
                weight * (q.lost * p.ln() + (q.packets - q.lost) * (1.0 - p).ln())
            };
            (self.weighted().map(each).sum::<f64>(), inherent)
        };
        INHERENT.into_iter().map(of).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0.0))
    }

    /// Newest first, but for the one of which packets may still come late.
    fn weighted(&self) -> impl Iterator<Item = (Quarter, f64)> {
        let known = self.count.min(KEPT) - 1;
        (0..known).map(|n| (self.quarters[(self.count - 2 - n) % KEPT], AGEING.powi(n as i32)))
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Sends 20 s of packets, `rate(t)` bits per second, and loses by `lose(rate, rng)`; the limits.
    fn run(
        rate: impl Fn(f64) -> f64,
        lose: impl Fn(f64, &mut StdRng) -> bool,
        seed: u64,
    ) -> (LossModel, Vec<Option<f64>>) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut m = LossModel::default();
        let mut limits = Vec::new();
        let mut at = 0.0f64;
        while at < 20.0 {
            let now = rate(at);
            m.note((at * 1e6) as Micros, 8_000.0, lose(now, &mut rng));
            let judged = m.judged;
            let limit = m.limit(0, now);
            if m.judged != judged {
                limits.push(limit);
            }
            at += 8_000.0 / now;
        }
        (m, limits)
    }

    fn varied(t: f64) -> f64 {
        1_000_000.0 * (1.0 + 0.4 * (t * 1.7).sin())
    }

    #[test]
    fn random_loss_is_no_congestion() {
        for (percent, seed) in [(5, 1), (10, 2), (20, 3), (30, 4)] {
            let share = f64::from(percent) / 100.0;
            let (m, limits) = run(varied, |_, rng| rng.random_bool(share), seed);
            let limited = limits.iter().flatten().count();
            assert!(limited * 20 <= limits.len(), "{percent} %: {limited} of {}", limits.len());
            assert!((m.inherent() - share).abs() < 0.05, "{percent} %: {}", m.inherent());
        }
    }

    #[test]
    fn loss_above_a_rate_is() {
        // A policer at 0.9 Mbit/s: what is above it is lost, nothing else.
        let lose = |rate: f64, rng: &mut StdRng| rng.random_bool((1.0 - 900_000.0 / rate).max(0.0));
        let (m, limits) = run(varied, lose, 5);
        assert!(limits.iter().flatten().count() >= 4, "{limits:?}");
        for limit in limits.iter().flatten() {
            assert!((600_000.0..1_150_000.0).contains(limit), "{limit}");
        }
        assert!(m.inherent() < 0.05);
    }
}
