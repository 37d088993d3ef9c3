//! Delay above the least: what stands in the line's queues.
//!
//! The least is that of the last 30–60 s, so that another route or two drifting clocks are forgotten.
//! What stands is the least of the last sixth of a second, or of more where the delay wanders: jitter
//! delays some packets, a queue all.

use crate::media::clock::Micros;

const BASE: Micros = 30_000_000;
const RECENT: Micros = 60_000;
const RECENT_WINDOWS: usize = 16;
/// Looked at where the delay is quiet; one more for each of these of unrest.
const LEAST_WINDOWS: usize = 3;
const WINDOW_PER: Micros = 3_000;
/// Before anything is known.
const FIRST_UNREST: Micros = 6_000;
/// A queue that fills or drains is no unrest.
const MOST_CHANGE: Micros = 150_000;
/// One-way times are differences of two clocks; a jump of this much is a clock's.
const JUMP: Micros = 20_000_000;

pub struct QueueDelay {
    /// Least of this window and of the one before.
    base: [Micros; 2],
    base_until: Micros,
    recent: [Micros; RECENT_WINDOWS],
    recent_until: Micros,
    last: Option<Micros>,
    /// Mean change of what stands, from one look to the next.
    unrest: Micros,
    /// What stood then, and how many windows ago.
    looked: Option<(Micros, usize)>,
    wide: bool,
}

impl Default for QueueDelay {
    fn default() -> Self {
        let none = Micros::MAX;
        Self {
            base: [none; 2],
            base_until: 0,
            recent: [none; RECENT_WINDOWS],
            recent_until: 0,
            last: None,
            unrest: FIRST_UNREST,
            looked: None,
            wide: false,
        }
    }
}

impl QueueDelay {
    /// A packet came at `arrived` (the client's clock), `way` after it left (ours).
    pub fn note(&mut self, arrived: Micros, way: Micros) {
        if self.last.is_some_and(|l| (l - way).abs() > JUMP) {
            *self = Self::default();
        }
        if self.last.is_none() {
            self.base_until = arrived + BASE;
            self.recent_until = arrived + RECENT;
        }
        self.last = Some(way);
        if arrived >= self.base_until {
            self.base = [Micros::MAX, self.base[0]];
            self.base_until = arrived + BASE;
        }
        if arrived >= self.recent_until {
            self.look();
        }
        while arrived >= self.recent_until {
            self.recent.rotate_right(1);
            self.recent[0] = Micros::MAX;
            self.recent_until += RECENT;
            if arrived - self.recent_until > RECENT * RECENT_WINDOWS as Micros {
                self.recent = [Micros::MAX; RECENT_WINDOWS];
                self.recent_until = arrived + RECENT;
            }
        }
        self.base[0] = self.base[0].min(way);
        self.recent[0] = self.recent[0].min(way);
    }

    /// Whether packets overtake one another: only what all of a second have in common is a queue.
    pub fn look_wide(&mut self, wide: bool) {
        self.wide = wide;
    }

    fn windows(&self) -> usize {
        if self.wide {
            return RECENT_WINDOWS;
        }
        (LEAST_WINDOWS + (self.unrest / WINDOW_PER) as usize).min(RECENT_WINDOWS)
    }

    /// How much longer than the least `way` took, µs.
    #[must_use]
    pub fn above_least(&self, way: Micros) -> Micros {
        let least = self.base[0].min(self.base[1]);
        if least == Micros::MAX { 0 } else { (way - least).max(0) }
    }

    /// µs; 0 before anything came.
    #[must_use]
    pub fn standing(&self) -> Micros {
        let least = self.base[0].min(self.base[1]);
        let now = self.recent[..self.windows()].iter().min().copied().unwrap_or(Micros::MAX);
        if now == Micros::MAX || least == Micros::MAX { 0 } else { now - least }
    }

    /// How much that changes by itself, µs: a line whose delay wanders lets packets stand now and then
    /// without any queue.
    #[must_use]
    pub fn unrest(&self) -> Micros {
        self.unrest
    }

    /// Compares what stands with what stood when the windows were others.
    fn look(&mut self) {
        let standing = self.standing();
        match &mut self.looked {
            Some((_, age)) if *age < LEAST_WINDOWS - 1 => *age += 1,
            Some((before, _)) => {
                let change = (standing - *before).abs().min(MOST_CHANGE);
                self.unrest += (change - self.unrest) / 16;
                self.looked = Some((standing, 0));
            }
            None => self.looked = Some((standing, 0)),
        }
    }

    pub fn forget_recent(&mut self) {
        self.recent = [Micros::MAX; RECENT_WINDOWS];
        self.looked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_no_queue_and_a_standing_delay_is() {
        let mut q = QueueDelay::default();
        assert_eq!(q.standing(), 0);
        let random = |n: i64| (n * 2_654_435_761 % 4_294_967_296) / 16_384 % 60;
        for n in 0..400 {
            q.note(n * 10_000, -5_000_000 + random(n) * 1_000);
            assert!(n < 20 || q.standing() < 40_000, "{n}: {}", q.standing());
        }
        for n in 400..440 {
            q.note(n * 10_000, -5_000_000 + 150_000 + n % 3);
        }
        assert!((149_000..152_000).contains(&q.standing()), "{}", q.standing());
        // It drains.
        q.note(4_410_000, -4_999_000);
        assert!(q.standing() <= 1_000);
    }

    #[test]
    fn another_route_becomes_the_usual_one() {
        let mut q = QueueDelay::default();
        for n in 0..7_000 {
            q.note(n * 10_000, if n < 100 { 20_000 } else { 80_000 });
        }
        assert_eq!(q.standing(), 0);
    }
}
