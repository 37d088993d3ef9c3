//! How loud a source is, step by step: what its packets say (RFC 6464), put on the server's clock.
//!
//! Steps are 20 ms, what a packet of sound lasts in browsers. A packet's place comes from its RTP time
//! stamp, so neither jitter nor a burst moves it; where the first one stands follows the packets that had the
//! least delay, like `clock`, and creeps back when the way becomes longer. Gaps of up to 120 ms (a
//! longer packet, a lost one) keep the level before them, longer ones are silence (DTX).
//!
//! Nothing is allocated for a packet: what has come since the last `take` lies in the source.

use crate::media::clock::Micros;

/// Length of a step.
pub const STEP: Micros = 20_000;
/// What silence is in RFC 6464, −dBov.
pub const SILENCE: u8 = 127;
/// Steps that can wait for `take`, which comes four times a second.
const ROOM: usize = 32;
/// The longest gap that is no pause: an Opus packet lasts 120 ms at most.
const HELD: u64 = 6;
/// RTP ticks of Opus in a millisecond (RFC 7587 §4.1).
const TICKS: i64 = 48;

/// Levels of neighbouring steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Number of the first step, counted from the shard's beginning: the same for all its sources.
    pub first: u64,
    /// −dBov, 0 the loudest.
    pub levels: Box<[u8]>,
}

#[derive(Clone, Copy, Default)]
pub struct Loudness {
    /// The newest packet's time stamp and place.
    newest: Option<(u32, Micros)>,
    /// The newest step and its level; stays after `take`.
    last: Option<(u64, u8)>,
    first: u64,
    waiting: [u8; ROOM],
    count: usize,
}

impl Loudness {
    /// A packet with this time stamp and level came.
    pub fn note(&mut self, timestamp: u32, level: u8, arrived: Micros) {
        let at = self.place(timestamp, arrived);
        let step = (at / STEP).max(0) as u64;
        match self.last {
            None => self.push(step, level),
            // The grid moved under it: the louder one counts.
            Some((last, before)) if step == last => {
                if level < before {
                    self.last = Some((last, level));
                    if let Some(newest) = self.count.checked_sub(1) {
                        self.waiting[newest] = level;
                    }
                }
            }
            // Overtaken: its step has been filled already.
            Some((last, _)) if step < last => {}
            Some((last, before)) => {
                let gap = step - last;
                let filled = if gap <= HELD { before } else { SILENCE };
                for missing in step.saturating_sub(ROOM as u64).max(last + 1)..step {
                    self.push(missing, filled);
                }
                self.push(step, level);
            }
        }
    }

    /// What has come since the last time.
    pub fn take(&mut self) -> Option<Levels> {
        let count = std::mem::take(&mut self.count);
        (count > 0).then(|| Levels { first: self.first, levels: self.waiting[..count].into() })
    }

    /// The source was closed or opened: what comes now follows nothing.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Where a packet stands on the server's clock.
    fn place(&mut self, timestamp: u32, arrived: Micros) -> Micros {
        /// More than this apart the sender's clock has jumped.
        const JUMP: Micros = 1_000_000;
        /// 0.5 ms in a second: more than clocks drift.
        const CREEP: Micros = 10;
        let Some((newest, at)) = self.newest else {
            self.newest = Some((timestamp, arrived));
            return arrived;
        };
        let since = i64::from(timestamp.wrapping_sub(newest) as i32);
        let expected = at + since * 1000 / TICKS;
        let late = arrived - expected;
        let place = if late.abs() > JUMP { arrived } else { expected + late.min(CREEP) };
        if since > 0 || late.abs() > JUMP {
            self.newest = Some((timestamp, place));
        }
        place
    }

    fn push(&mut self, step: u64, level: u8) {
        if self.count == ROOM {
            self.waiting.copy_within(1.., 0);
            self.count -= 1;
            self.first += 1;
        }
        if step != self.first + self.count as u64 {
            self.count = 0;
        }
        if self.count == 0 {
            self.first = step;
        }
        self.waiting[self.count] = level;
        self.count += 1;
        self.last = Some((step, level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet every 20 ms of this level, `late` after it was due.
    fn say(loudness: &mut Loudness, numbers: std::ops::Range<u32>, level: u8, late: impl Fn(u32) -> Micros) {
        for n in numbers {
            loudness.note(n.wrapping_mul(960), level, 1_000_000 + Micros::from(n) * STEP + late(n));
        }
    }

    #[test]
    fn jitter_moves_nothing() {
        let mut steady = Loudness::default();
        let mut shaken = Loudness::default();
        for (loudness, jitter) in [(&mut steady, 0), (&mut shaken, 90_000)] {
            for n in 0..10 {
                let level = 30 + n as u8;
                say(loudness, n..n + 1, level, |n| 5_000 + if n % 3 == 0 { 0 } else { jitter });
            }
        }
        let taken = steady.take().unwrap();
        assert_eq!(taken.first, 50);
        assert_eq!(*taken.levels, [30, 31, 32, 33, 34, 35, 36, 37, 38, 39]);
        assert_eq!(shaken.take().unwrap(), taken);
        assert_eq!(steady.take(), None);
    }

    #[test]
    fn steps_follow_one_another_over_what_is_taken() {
        let mut loudness = Loudness::default();
        say(&mut loudness, 0..7, 40, |_| 0);
        let first = loudness.take().unwrap();
        say(&mut loudness, 7..9, 50, |_| 0);
        let second = loudness.take().unwrap();
        assert_eq!(first.first + first.levels.len() as u64, second.first);
        assert_eq!(*second.levels, [50, 50]);
    }

    #[test]
    fn a_short_gap_is_held_and_a_long_one_is_silence() {
        let mut loudness = Loudness::default();
        say(&mut loudness, 0..1, 40, |_| 0);
        say(&mut loudness, 3..4, 50, |_| 0);
        say(&mut loudness, 14..15, 30, |_| 0);
        let mut expected = vec![40, 40, 40, 50];
        expected.extend([SILENCE; 10]);
        expected.push(30);
        assert_eq!(*loudness.take().unwrap().levels, *expected);
    }

    #[test]
    fn a_long_pause_and_a_burst_keep_what_is_newest() {
        let mut loudness = Loudness::default();
        say(&mut loudness, 0..1, 40, |_| 0);
        say(&mut loudness, 500..501, 30, |_| 0);
        let taken = loudness.take().unwrap();
        assert_eq!((taken.levels.len(), taken.levels.last()), (ROOM, Some(&30)));
        assert_eq!(taken.first + ROOM as u64, 551);
        say(&mut loudness, 501..600, 20, |n| Micros::from(600 - n) * STEP);
        let taken = loudness.take().unwrap();
        assert_eq!((taken.first + ROOM as u64, taken.levels.len()), (651, ROOM));
    }

    #[test]
    fn a_way_that_becomes_shorter_or_longer_and_a_clock_that_jumps() {
        let mut loudness = Loudness::default();
        say(&mut loudness, 0..50, 40, |_| 100_000);
        say(&mut loudness, 50..100, 40, |_| 0);
        loudness.take();
        say(&mut loudness, 100..101, 30, |_| 0);
        assert_eq!(loudness.take().unwrap().first, 150, "the least delay counts");
        say(&mut loudness, 101..4_101, 40, |_| 30_000);
        loudness.take();
        say(&mut loudness, 4_101..4_102, 30, |_| 30_000);
        assert_eq!(loudness.take().unwrap().first, 4_152, "30 ms later, little by little");
        loudness.note(77, 50, 500_000_000);
        let taken = loudness.take().unwrap();
        assert_eq!(taken.first + taken.levels.len() as u64, 25_001);
    }

    #[test]
    fn the_order_of_time_stamps_wraps_and_the_overtaken_are_left_out() {
        let mut loudness = Loudness::default();
        for (n, level) in [(0u32, 40), (1, 41), (3, 43), (2, 10), (4, 44)] {
            let timestamp = u32::MAX.wrapping_sub(1_000).wrapping_add(n * 960);
            loudness.note(timestamp, level, Micros::from(n) * STEP);
        }
        assert_eq!(*loudness.take().unwrap().levels, [40, 41, 41, 43, 44]);
    }
}
