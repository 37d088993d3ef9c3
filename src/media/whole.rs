//! How large a picture may be on a line that loses packets by its nature: one of many packets is hardly
//! ever whole where many are lost.
//!
//! Losses come in runs, so the share of five seconds wanders; a layer that followed it would change every
//! few seconds, each time with a key frame from the sender. It is evened out, and what was taken is given
//! back only when the line has become clearly better.

use crate::media::clock::Micros;
use crate::media::command::LayerIndex;

/// A change of the line is followed with this time constant, s.
const EVENED: f64 = 8.0;
/// Above these shares of loss nobody gets more than the middle, the lowest layer …
const MIDDLE: f64 = 0.12;
const LOWEST: f64 = 0.18;
/// … until it has fallen so far below them.
const CLEARLY: f64 = 0.03;

/// One subscriber's line.
pub struct Whole {
    losses: f64,
    known: Option<Micros>,
    layer: u8,
}

impl Default for Whole {
    fn default() -> Self {
        Self { losses: 0.0, known: None, layer: LayerIndex::TOP.0 }
    }
}

impl Whole {
    /// The highest layer that makes sense; `inherent`: the share that the line is believed to lose, 0–1.
    pub fn follow(&mut self, now: Micros, inherent: f64) -> u8 {
        let passed = self.known.map(|at| (now - at).max(0) as f64 / 1e6);
        self.known = Some(now);
        // Nothing is lost before anything is known.
        let part = passed.filter(|_| self.losses > 0.0).map_or(1.0, |s| 1.0 - (-s / EVENED).exp());
        self.losses += (inherent - self.losses) * part;
        let highest = |share: f64| match share {
            ..MIDDLE => LayerIndex::TOP.0,
            ..LOWEST => 1,
            _ => 0,
        };
        self.layer = self.layer.clamp(highest(self.losses + CLEARLY), highest(self.losses));
        self.layer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Micros = 1_000;

    /// The layers, five judgements a second, of shares that stand for `seconds` each.
    fn layers(shares: &[(i64, f64)]) -> Vec<u8> {
        let mut whole = Whole::default();
        let mut now = 0;
        let mut out = Vec::new();
        for (seconds, share) in shares {
            for _ in 0..seconds * 5 {
                now += 200 * MS;
                out.push(whole.follow(now, *share));
            }
        }
        out.dedup();
        out
    }

    #[test]
    fn a_share_that_wanders_changes_nothing() {
        let wanders: Vec<_> = (0..60).map(|n| (3, [0.06, 0.15, 0.1][n % 3])).collect();
        assert_eq!(layers(&wanders), [2]);
        let around: Vec<_> = (0..60).map(|n| (3, [0.1, 0.1, 0.15][n % 3])).collect();
        assert!(layers(&around).len() <= 2, "{:?}", layers(&around));
    }

    #[test]
    fn a_line_that_loses_much_has_small_pictures_at_once_and_again_larger_ones_later() {
        assert_eq!(layers(&[(1, 0.15)]), [1]);
        assert_eq!(layers(&[(1, 0.3)]), [0]);
        assert_eq!(layers(&[(20, 0.05), (30, 0.3), (30, 0.05)]), [2, 1, 0, 1, 2]);
        assert_eq!(layers(&[(20, 0.17), (60, 0.1)]), [1], "not clearly better");
    }
}
