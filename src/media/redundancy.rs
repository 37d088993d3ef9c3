//! How much the sound repeats itself on its way to a subscriber: from what its line loses.
//!
//! Each packet of sound can carry earlier frames again (RED, RFC 2198); how many, and which, follows
//! from a model of the line: losses come in runs of a mean length (Gilbert 1960), so a frame and its
//! copies may be lost together. The least level is taken after which at most a hundredth is lost for
//! good. Where runs are long the copies stand further apart, which made Chromium conceal 3.0 % instead
//! of 5.3 % of a line that loses 8 % in runs of 2.5 packets; at random it made no difference but 30 ms
//! more of buffer, for a copy that comes late must be waited for. It begins at 0.8 % at once (from 3 % on, lines
//! of 0.5 and 1 % had all of their losses concealed) and ends after ten seconds below 0.3 %, so that it does
//! not come and go.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Whether sound is ever repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedundancyMode {
    /// As much as each line needs.
    #[default]
    Auto,
    Off,
}

/// Most frames that a packet repeats.
pub const MOST: usize = 3;
/// Share of lost packets from which on sound is repeated.
const ON: f32 = 0.008;
/// Below this share for so long it is not any more.
const OFF: f32 = 0.003;
const OFF_AFTER: Duration = Duration::from_secs(10);
/// Share that may be lost for good.
const RESIDUE: f32 = 0.01;
/// Runs of more frames than this are not chance: independent losses of 30 % have 1.4.
const LONG_RUN: f32 = 1.5;
/// Browsers pack 20 ms of sound into a packet.
const FRAMES_PER_SECOND: f32 = 50.0;

/// Which earlier frames each packet of sound repeats, as distances in packets; none: off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redundancy([u8; MOST]);

impl Redundancy {
    pub const NONE: Self = Self([0; MOST]);

    /// `level` frames, each `apart` packets from the next.
    #[must_use]
    pub fn new(level: u8, apart: u8) -> Self {
        Self([1, 2, 3].map(|n| if n <= level { n * apart } else { 0 }))
    }

    /// How many frames, 0–3: they cost at most so many times the sound's rate.
    #[must_use]
    pub fn level(self) -> u8 {
        self.distances().count() as u8
    }

    /// Nearest first.
    pub fn distances(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().filter(|d| *d > 0)
    }
}

/// A subscriber's line as it was in the last seconds.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Share of packets that it lost, 0–1.
    pub loss: f32,
    /// Frames of sound that are lost in a row, mean; 1: each alone.
    pub run: f32,
    /// What it can carry besides all that it gets now, bits/s: for one copy, and for more.
    pub spare: u64,
    pub spare_for_more: u64,
    /// What the sound takes without redundancy, bits/s.
    pub audio: u64,
}

/// What a line needs. Nothing below 0.8 % of loss.
#[must_use]
pub fn choose(line: &Line) -> Redundancy {
    if line.loss < ON {
        return Redundancy::NONE;
    }
    let apart = if line.run > LONG_RUN { 2 } else { 1 };
    let levels = 1..=MOST as u8;
    let enough = |level: &u8| residue(line.loss, line.run, *level, apart) <= RESIDUE;
    let wanted = levels.clone().find(enough).unwrap_or(MOST as u8);
    // A copy costs the frame and four bytes, less than the packet that the frame came in.
    let affordable = |level: &u8| {
        u64::from(*level) * line.audio <= if *level == 1 { line.spare } else { line.spare_for_more }
    };
    Redundancy::new(levels.filter(|l| *l <= wanted).rfind(affordable).unwrap_or(0), apart)
}

/// Share of frames that are lost with all their copies, by Gilbert's model.
fn residue(loss: f32, run: f32, level: u8, apart: u8) -> f32 {
    let loss = loss.clamp(0.0, 0.99);
    // Lost after lost, and lost after one that came.
    let stays = (1.0 - 1.0 / run.max(1.0)).max(loss);
    let begins = loss * (1.0 - stays) / (1.0 - loss);
    // What is left of knowing that a packet was lost, `apart` packets on.
    let memory = (stays - begins).max(0.0).powi(apart.into());
    let together = loss + (1.0 - loss) * memory;
    loss * together.powi(level.into())
}

/// One subscriber's redundancy over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control {
    pub now: Redundancy,
    /// Since when the line loses next to nothing.
    good_since: Option<Instant>,
}

impl Control {
    /// To be asked once a second.
    pub fn update(&mut self, line: &Line, now: Instant) -> Redundancy {
        let good = line.loss < OFF;
        self.good_since = if good { self.good_since.or(Some(now)) } else { None };
        let over = self.good_since.is_some_and(|at| now.saturating_duration_since(at) >= OFF_AFTER);
        let on = self.now != Redundancy::NONE || line.loss >= ON;
        self.now = match on && !over {
            true => choose(&Line { loss: line.loss.max(ON), ..*line }),
            false => Redundancy::NONE,
        };
        self.now
    }
}

/// Losses of a line and how they cluster, over about four seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    arrived: f32,
    lost: f32,
    /// How often a packet was lost behind one that came.
    runs: f32,
    seconds: f32,
    in_run: bool,
}

impl Losses {
    /// Fewer packets than this tell nothing of a share.
    const LEAST: f32 = 20.0;
    const KEPT: f32 = 0.75;

    /// Takes a subscriber's word for one packet.
    pub fn note(&mut self, arrived: bool) {
        if arrived {
            self.arrived += 1.0;
        } else {
            self.lost += 1.0;
            self.runs += if self.in_run { 0.0 } else { 1.0 };
        }
        self.in_run = !arrived;
    }

    /// (share lost, frames of sound lost in a row). To be asked once a second. `None`: nothing was told.
    pub fn second(&mut self) -> Option<(f32, f32)> {
        self.seconds += 1.0;
        let all = self.arrived + self.lost;
        let per_second = all / self.seconds;
        let told = (all >= Self::LEAST).then(|| {
            // A run lasts as long as it lasts, whatever else is sent in it.
            let frames = FRAMES_PER_SECOND / per_second.max(FRAMES_PER_SECOND);
            (self.lost / all, (self.lost / self.runs.max(1.0) * frames).max(1.0))
        });
        for sum in [&mut self.arrived, &mut self.lost, &mut self.runs, &mut self.seconds] {
            *sum *= Self::KEPT;
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const RICH: u64 = u64::MAX;

    fn line(loss: f32, run: f32, spare: u64) -> Line {
        Line { loss, run, spare, spare_for_more: spare, audio: 48_000 }
    }

    #[test]
    fn what_each_line_gets() {
        for (loss, run, spare, expected) in [
            (0.0, 1.0, RICH, Redundancy::NONE),
            (0.007, 1.0, RICH, Redundancy::NONE),
            (0.03, 1.0, RICH, Redundancy::new(1, 1)),
            (0.09, 1.1, RICH, Redundancy::new(1, 1)),
            (0.20, 1.25, RICH, Redundancy::new(2, 1)),
            (0.30, 1.4, RICH, Redundancy::new(3, 1)),
            (0.60, 2.5, RICH, Redundancy::new(3, 2)),
            (0.03, 2.0, RICH, Redundancy::new(1, 2)),
            (0.08, 2.2, RICH, Redundancy::new(2, 2)),
            (0.08, 4.0, RICH, Redundancy::new(3, 2)),
            // What the line cannot carry is not sent.
            (0.30, 1.4, 100_000, Redundancy::new(2, 1)),
            (0.30, 1.4, 48_000, Redundancy::new(1, 1)),
            (0.30, 1.4, 47_000, Redundancy::NONE),
        ] {
            assert_eq!(
                choose(&line(loss, run, spare)),
                expected,
                "{loss} in runs of {run}, {spare} to spare"
            );
        }
        assert_eq!(Redundancy::new(3, 2).distances().collect::<Vec<_>>(), [2, 4, 6]);
        assert_eq!(Redundancy::new(2, 1).level(), 2);
    }

    /// Packets of a Gilbert line: whether each came.
    fn gilbert(rng: &mut StdRng, count: usize, loss: f32, run: f32) -> Vec<bool> {
        let stays = 1.0 - 1.0 / run;
        let begins = loss * (1.0 - stays) / (1.0 - loss);
        let mut lost = false;
        let next = |_| {
            lost = rng.random::<f32>() < if lost { stays } else { begins };
            !lost
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn the_model_says_what_is_lost_for_good() {
        let mut rng = StdRng::seed_from_u64(7);
        for (loss, run) in [(0.1, 1.12), (0.3, 1.43), (0.08, 2.5), (0.2, 4.0)] {
            let came = gilbert(&mut rng, 400_000, loss, run);
            for (level, apart) in [(0, 1), (1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)] {
                let red = Redundancy::new(level, apart);
                let heard = |n: usize| came[n] || red.distances().any(|d| came[n + usize::from(d)]);
                let gone = (0..came.len() - 10).filter(|n| !heard(*n)).count() as f32 / came.len() as f32;
                let said = residue(loss, run, level, apart);
                assert!((said - gone).abs() < 0.003 + gone / 10.0, "{loss} {run} {red:?}: {said} for {gone}");
            }
        }
    }

    #[test]
    fn it_begins_at_once_and_ends_after_ten_quiet_seconds() {
        let start = Instant::now();
        let mut control = Control::default();
        let mut after =
            |seconds, loss| control.update(&line(loss, 1.0, RICH), start + Duration::from_secs(seconds));
        assert_eq!(after(0, 0.005), Redundancy::NONE);
        assert_eq!(after(1, 0.04).level(), 1);
        assert_eq!(after(2, 0.25).level(), 3);
        assert_eq!(after(3, 0.005).level(), 1, "between the two it stays");
        assert_eq!(after(4, 0.0).level(), 1);
        assert_eq!(after(10, 0.004).level(), 1, "not quiet any more");
        assert_eq!(after(11, 0.0).level(), 1);
        assert_eq!(after(20, 0.0).level(), 1);
        assert_eq!(after(21, 0.0), Redundancy::NONE);
        assert_eq!(after(22, 0.005), Redundancy::NONE);
        assert_eq!(after(23, 0.01).level(), 1);
    }

    #[test]
    fn shares_and_runs_are_measured() {
        let mut rng = StdRng::seed_from_u64(8);
        // Packets a second, and the run of packets: what it is in frames of sound.
        for (rate, loss, run, frames) in
            [(50, 0.1, 1.12, 1.1), (50, 0.1, 3.0, 3.0), (300, 0.1, 1.12, 1.0), (300, 0.1, 18.0, 3.0)]
        {
            let came = gilbert(&mut rng, rate * 60, loss, run);
            let mut losses = Losses::default();
            let mut told = Vec::new();
            for second in came.chunks(rate) {
                for came in second {
                    losses.note(*came);
                }
                told.extend(losses.second());
            }
            let mean = |of: fn(&(f32, f32)) -> f32| told.iter().map(of).sum::<f32>() / told.len() as f32;
            assert_eq!(told.len(), 60);
            assert!((mean(|t| t.0) - loss).abs() < 0.03, "{rate} {run}: {}", mean(|t| t.0));
            assert!((mean(|t| t.1) / frames - 1.0).abs() < 0.3, "{rate} {run}: {}", mean(|t| t.1));
        }
        let mut losses = Losses::default();
        (0..19).for_each(|_| losses.note(false));
        assert_eq!(losses.second(), None, "too few");
    }
}
