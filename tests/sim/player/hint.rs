//! What the board's page asks of the browser where a line loses packets: pictures that wait long enough for
//! a second repetition (`web/src/client/playout.ts`, whose figures these are; left out are its rule for lines
//! that jitter, which Chromium's own estimate covers, and what the server says of the line).

use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);
const LEAST: f64 = 0.5;
const MOST: f64 = 0.7;
/// A longer wait begins with a picture that stands, unless it grows slowly: so much a second.
const RISE: f64 = 0.1;
const STEP: f64 = 0.05;
const GOOD_FOR: Duration = Duration::from_secs(30);
const LOSSES: f64 = 2.0;
const LOSSES_FADE: f64 = 0.9;

#[derive(Default)]
pub struct Hint {
    losses: f64,
    repaired: bool,
    /// Since the last judgement: the longest that a picture stood, and how long it had waited, s.
    stood: f64,
    next: Duration,
    good_since: Duration,
    /// The least delay, s; 0: as the browser likes.
    pub least: f64,
}

impl Hint {
    /// Something was repaired.
    pub fn repaired(&mut self) {
        self.repaired = true;
    }

    /// A picture stood for `gap` s; the one after it had a delay of `waited`.
    pub fn stood(&mut self, gap: f64, waited: f64) {
        self.stood = self.stood.max(gap + waited);
    }

    /// Judges the last second.
    pub fn follow(&mut self, now: Duration) {
        if now < self.next {
            return;
        }
        self.next = now + EVERY;
        let repaired = std::mem::take(&mut self.repaired);
        let stood = std::mem::take(&mut self.stood);
        self.losses = self.losses * LOSSES_FADE + f64::from(u8::from(repaired));
        if self.losses >= LOSSES || (repaired && stood > 0.0) {
            self.good_since = now;
            let wanted = self.least.max(LEAST).max((stood / STEP).ceil() * STEP).min(MOST);
            self.least = wanted.min(self.least.max(RISE) + RISE);
        } else if now - self.good_since >= GOOD_FOR {
            self.least = 0.0;
        }
    }
}
