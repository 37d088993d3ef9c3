//! One subscriber's line between its estimate and its pictures: what was granted, and how steady it is.
//!
//! An estimate wobbles; layers must not. What is new has to fit the least estimate of the last
//! seconds, and a picture that had to be taken back soon after it was given is not given again for
//! a while, twice as long each time.

use crate::media::clock::Micros;
use crate::media::whole::Whole;

const STEP: Micros = 500_000;
const STEPS: usize = 5;
/// At the start and after a silence trains have just measured the line: nothing needs to be waited for.
const FRESH: Micros = 3_000_000;
/// A step up that is taken back within this was a mistake.
const MISTAKE: Micros = 12_000_000;
const FIRST_HOLD: Micros = 4_000_000;
const LONGEST_HOLD: Micros = 60_000_000;
/// An estimate that lies so far above the one that was too much is of another line.
const ANOTHER_LINE: f64 = 1.6;
/// Steps up that lasted so long were right.
const LASTED: Micros = 60_000_000;
/// Repair may take this share of the estimate, and always so much (bits per second).
const REPAIR_SHARE: f64 = 0.3;
const REPAIR_LEAST: f64 = 100_000.0;

pub struct Share {
    least: [f64; STEPS],
    until: Micros,
    /// Nothing waits to be proven before then.
    fresh_until: Micros,
    /// The next time that the line is shared out.
    pub next: Micros,
    /// The estimate, bits per second; infinite when there is none.
    pub line: f64,
    /// Every picture has the best that its source sends.
    pub all_given: bool,
    /// Bits per second that could be sent if the line carried all.
    pub useful: f64,
    raised: Option<Micros>,
    rose_to: f64,
    hold: Micros,
    held_until: Micros,
    /// The estimate with which a picture had been given that was too much.
    fell_from: f64,
    /// Bytes of retransmission that may leave.
    repair: f64,
    repair_at: Micros,
    /// How large pictures may be for what the line loses.
    pub whole: Whole,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            least: [f64::INFINITY; STEPS],
            until: 0,
            fresh_until: 0,
            next: 0,
            line: f64::INFINITY,
            all_given: false,
            useful: 0.0,
            raised: None,
            rose_to: 0.0,
            hold: FIRST_HOLD,
            held_until: 0,
            fell_from: f64::INFINITY,
            repair: 16_000.0,
            repair_at: 0,
            whole: Whole::default(),
        }
    }
}

impl Share {
    /// The estimate is `target` now.
    pub fn note(&mut self, now: Micros, target: f64) {
        if self.until == 0 {
            self.begin_anew(now);
        }
        if now < self.fresh_until {
            self.least = [target; STEPS];
        }
        if now >= self.until {
            let passed = ((now - self.until) / STEP + 1).min(STEPS as i64);
            for _ in 0..passed {
                self.least.rotate_right(1);
                self.least[0] = f64::INFINITY;
            }
            self.until = now + STEP;
        }
        self.least[0] = self.least[0].min(target);
        if self.proven() > self.fell_from * ANOTHER_LINE {
            self.held_until = self.held_until.min(now);
        }
    }

    /// Whether the first measurement goes on: what is not given yet is not missing.
    #[must_use]
    pub fn is_fresh(&self, now: Micros) -> bool {
        self.until == 0 || now < self.fresh_until
    }

    /// The line is measured from the beginning.
    pub fn begin_anew(&mut self, now: Micros) {
        self.fresh_until = now + FRESH;
        self.until = now + STEP;
    }

    /// The least estimate of the last 2–2.5 s.
    #[must_use]
    pub fn proven(&self) -> f64 {
        self.least.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Whether a picture may get more than it has.
    #[must_use]
    pub fn may_rise(&self, now: Micros) -> bool {
        now >= self.held_until
    }

    /// A picture got more.
    pub fn rose(&mut self, now: Micros) {
        self.rose_to = self.line;
        if self.raised.is_some_and(|at| now - at > LASTED) {
            self.hold = FIRST_HOLD;
        }
        self.raised = Some(now);
    }

    /// A picture had to go down for want of bandwidth.
    pub fn fell(&mut self, now: Micros) {
        if self.raised.take().is_some_and(|at| now - at < MISTAKE) {
            self.hold = (self.hold * 2).min(LONGEST_HOLD);
        }
        self.held_until = now + self.hold;
        self.fell_from = self.rose_to.max(self.line);
    }

    /// The line was interrupted, not too small.
    pub fn forgive(&mut self, now: Micros) {
        self.hold = FIRST_HOLD;
        self.held_until = now;
        self.begin_anew(now);
    }

    /// Whether `bytes` of retransmission may leave; if so they are taken off.
    pub fn may_repair(&mut self, now: Micros, bytes: usize) -> bool {
        if self.line.is_infinite() {
            return true;
        }
        let rate = (self.line * REPAIR_SHARE).max(REPAIR_LEAST) / 8.0;
        let time = (now - self.repair_at).clamp(0, 10_000_000) as f64 / 1e6;
        self.repair_at = now;
        // Half a second of it at once: a burst is lost at once, too.
        self.repair = (self.repair + rate * time).min((rate * 0.5).max(16_000.0));
        let may = self.repair >= bytes as f64;
        if may {
            self.repair -= bytes as f64;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Micros = 1_000_000;

    #[test]
    fn what_is_new_waits_for_proof_but_not_at_the_start() {
        let mut s = Share::default();
        s.note(S, 500_000.0);
        s.note(2 * S, 3_000_000.0);
        assert!(s.proven() > 2_999_999.0, "trains have measured it");
        for n in 0..20 {
            s.note(5 * S + n * 100_000, 400_000.0);
        }
        for n in 0..20 {
            s.note(7 * S + n * 100_000, 3_000_000.0);
        }
        assert!(s.proven() < 400_001.0);
        (0..10).for_each(|n| s.note(9 * S + n * 100_000, 2_500_000.0));
        assert!(s.proven() > 2_499_999.0);
    }

    #[test]
    fn mistakes_wait_longer_each_time() {
        let mut s = Share::default();
        let mut now = 10 * S;
        let mut waits = Vec::new();
        for _ in 0..6 {
            s.rose(now);
            now += 3 * S;
            s.fell(now);
            let from = now;
            while !s.may_rise(now) {
                now += 100_000;
            }
            waits.push((now - from) / S);
        }
        assert_eq!(waits, [8, 16, 32, 60, 60, 60]);
        s.rose(now);
        s.rose(now + 61 * S);
        s.fell(now + 90 * S);
        assert!(!s.may_rise(now + 93 * S) && s.may_rise(now + 94 * S));
        s.line = 300_000.0;
        s.rose(now + 90 * S);
        s.fell(now + 90 * S);
        (0..40).for_each(|n| s.note(now + 91 * S + n * 100_000, 450_000.0));
        assert!(!s.may_rise(now + 95 * S), "that may be the same line");
        (0..40).for_each(|n| s.note(now + 95 * S + n * 100_000, 2_000_000.0));
        assert!(s.may_rise(now + 99 * S));
        s.forgive(now + 91 * S);
        assert!(s.may_rise(now + 91 * S));
    }

    #[test]
    fn repair_is_a_share_of_the_line() {
        let mut s = Share::default();
        assert!((0..100).all(|_| s.may_repair(0, 1_000_000)), "of a line that nothing is known of, all");
        s.line = 1_000_000.0;
        let mut sent = 0;
        for n in 0..10_000 {
            sent += usize::from(s.may_repair(n * 1_000, 1_000));
        }
        let expected = 0.3 * 1_000_000.0 / 8.0 * 10.0 / 1_000.0;
        assert!((sent as f64 - expected).abs() < 40.0, "{sent} of {expected}");
    }
}
