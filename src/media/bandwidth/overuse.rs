//! What is done when more was sent than the line carries: how deep the cut is, and how much may go in while the
//! queue drains.

use super::{Condition, Estimator, FEEDBACK, LEAST};
use crate::media::clock::Micros;

/// Who sends less than this share of the estimate hardly made a queue.
const LITTLE: f64 = 0.6;
/// Feedback has come in time for so long.
const REGULAR_FOR: Micros = 500_000;
/// Of one cut.
const DEEPEST_CUT: f64 = 0.4;
/// Of one cut where so much is under way that the queue must be this long, µs.
const DEEPER_CUT: f64 = 0.1;
const SURELY: Micros = 400_000;

impl Estimator {
    pub(super) fn overused(
        &mut self,
        now: Micros,
        rtt: Micros,
        (standing, in_flight): (Micros, f64),
        limit: Micros,
    ) {
        self.condition = Condition::Congested;
        // A cut shows after a round trip and a feedback interval; a queue that drains needs no other.
        let patience = rtt.min(800_000) + 150_000;
        let waits = self.last_cut.is_some_and(|at| now - at < patience);
        let drains = self.draining && standing < self.standing_at_cut * 4 / 5;
        if drains {
            self.standing_at_cut = self.standing_at_cut.min(standing * 5 / 4);
        }
        if waits || drains {
            let queue = self.line.and_then(|line| Some((line, self.in_line(in_flight, line, rtt)?)));
            if let Some((line, queue)) = queue.filter(|_| self.draining) {
                // As it gets shorter more may go in.
                self.target = self.target.max(line * while_draining(queue - limit).min(0.7));
            }
            return;
        }
        let sent = self.sent.rate(500_000);
        let lately = self.received.rate(500_000);
        if sent < self.target * LITTLE && lately > sent * 0.85 {
            // What was sent is far less than the line has carried, and it comes: how much the line carries
            // now is not known from that.
            return self.cut(now, (self.target * 0.9).max(LEAST), standing);
        }
        // By a short window: the line may have changed a moment ago.
        let newest = self.received.rate(250_000);
        let mut line = newest.max(lately * 0.7);
        let surely = self.in_line(in_flight, line, rtt).is_some_and(|queue| queue > SURELY);
        if surely {
            line = newest.max(lately * 0.5);
        }
        if self.reorders() {
            // What comes late is missing in the newest steps.
            line = line.max(sent * 0.85);
        }
        if line <= 0.0 {
            return;
        }
        if standing <= limit {
            // It may still be the line's own unrest: a step back, not what arrives, which may be little
            // because little was sent; and then it was not this that filled the line.
            if sent < self.target * 0.7 {
                self.last_raise = now;
                return;
            }
            let to = (self.target * 0.9).max(line * 0.95);
            return self.cut(now, to.max(LEAST), standing);
        }
        self.line =
            Some(self.line.map_or(line, |l| {
                if line < l * 0.7 || line > l * 1.3 { line } else { l * 0.7 + line * 0.3 }
            }));
        // What is above the limit has to drain: what stood when the newest arrival left, or what has left since.
        let queue = self.in_line(in_flight, line, rtt).unwrap_or(0);
        let share = while_draining(standing.max(queue) - limit);
        self.prober.failed(now);
        // What arrives may be little because little was sent, or because it comes out of order.
        let least = if surely { sent.min(self.target) * DEEPER_CUT } else { self.target * DEEPEST_CUT };
        self.cut(now, (line * share).max(least).max(LEAST), standing);
        self.draining = standing > limit / 2;
        self.drained_below = limit / 2;
    }

    /// How long what is under way will stand in the line, µs, beyond its way and the wait for feedback; `None`:
    /// feedback does not come in time, so that much is under way anyhow.
    fn in_line(&self, in_flight: f64, line: f64, rtt: Micros) -> Option<Micros> {
        if self.last_told.zip(self.late_feedback).is_some_and(|(told, late)| told - late < REGULAR_FOR) {
            return None;
        }
        Some((in_flight / line.max(LEAST) * 1e6) as Micros - rtt.min(800_000) - FEEDBACK)
    }

    pub(super) fn cut(&mut self, now: Micros, to: f64, standing: Micros) {
        self.target = self.target.min(to);
        self.last_cut = Some(now);
        self.last_raise = now;
        self.standing_at_cut = standing;
    }
}

/// Share of the line that is used while a queue of so much too much drains.
fn while_draining(above: Micros) -> f64 {
    match above / 1000 {
        ..=60 => 0.85,
        61..=160 => 0.75,
        161..=400 => 0.55,
        _ => 0.4,
    }
}
