//! How much a subscriber's line carries, by its transport-wide feedback.
//!
//! Four witnesses, one judge. `trend`: the delay grows (overuse, seen within some 100 ms). `queue`:
//! the delay stands above the least that was ever seen, so a deep queue that no longer grows is still
//! seen. `rate`: what really arrives; at overuse that *is* the line. `loss`: losses that come with the
//! rate are congestion, losses that do not are the line's nature and cost no bit. `probe`: where less is
//! sent than the line may carry, a short train of padding finds out; nothing else raises the estimate
//! far beyond what was really sent.
//!
//! Sources: draft-ietf-rmcat-gcc-02 (groups, trend against an adaptive threshold, what to do at
//! overuse); RFC 8298 §4.1.2 (queue delay above a windowed minimum); the rest was found with
//! tests/sim. All times are µs, all rates bit/s.

mod loss;
mod overuse;
mod probe;
mod queue;
mod rate;
mod trend;

pub use self::probe::Train;

use crate::media::bandwidth::loss::LossModel;
use crate::media::bandwidth::probe::Prober;
use crate::media::bandwidth::queue::QueueDelay;
use crate::media::bandwidth::rate::Meter;
use crate::media::bandwidth::trend::{Trend, Usage};
use crate::media::clock::Micros;

/// Before anything is known: speech, a slide and a small picture.
pub const START: f64 = 400_000.0;
/// Sound alone; no line that carries a lesson has less.
pub const LEAST: f64 = 64_000.0;
pub const MOST: f64 = 30_000_000.0;

/// The line is overfull above this much standing delay, whatever the trend says …
const STANDING: Micros = 90_000;
/// … and so many times its unrest, but at most so much.
const UNREST: Micros = 4;
const MOST_STANDING: Micros = 350_000;
/// Above this much (and the unrest) losses are those of a full queue, if they are more than this share.
const OVERFLOWING: Micros = 35_000;
const OVERFLOW: f64 = 0.04;
const OVERFLOWING_FOR: Micros = 400_000;
/// With less than this (and the unrest) even the luckiest packets find a queue: what grows is jitter.
const JITTER: Micros = 20_000;
/// Feedback comes every 50–250 ms; without any for this long beyond a round trip the line is silent.
const SILENCE: Micros = 900_000;
/// A client that tells does so within a second.
const MUTE: Micros = 3_000_000;
/// With more unrest than this a train is believed a step at a time …
const JITTERY: Micros = 6_000;
/// … of this size.
const BELIEVED_IN_JITTER: f64 = 1.25;
/// Above this share packets do not come in order.
const OUT_OF_ORDER: f64 = 0.02;
/// Growth far from the line's end, in a second; where trains say little it is all there is.
const GROWTH: f64 = 0.08;
const BLIND_GROWTH: f64 = 0.25;
/// Growth near the line's end, bits per second in a second; the same for all, so that many who share a line
/// come to have as much as each other (Chiu and Jain 1989).
const NEAR_THE_END: f64 = 24_000.0;
/// So much less where it was found.
const BEYOND: f64 = 0.4;
/// Where the estimate goes on after a queue has drained, as a share of what the line carried.
const AFTER_DRAINING: f64 = 0.85;
/// What a train may say of a line whose end is known, as a share of that.
const A_LITTLE_MORE: f64 = 1.5;
/// Packets that are overtaken come at most so much later than they do in the mean.
const USUAL_TO_LATEST: f64 = 1.5;
/// Feedback comes at least so often from a page that gets much.
const FEEDBACK: Micros = 150_000;
/// Share of the way to its neighbours' mean at each feedback: there in about a second.
const LEAN: f64 = 0.1;
/// An estimate may lie so far above what really arrives without proof.
const UNPROVEN: f64 = 1.4;
const UNPROVEN_IN_JITTER: f64 = 1.6;

/// What became of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// When it left, on our clock.
    pub sent: Micros,
    /// Bytes above UDP.
    pub size: u16,
    /// The train it belonged to; 0: none.
    pub train: u8,
    /// When it came, on the client's clock; `None`: lost.
    pub arrived: Option<Micros>,
    /// It was told lost before.
    pub late: bool,
}

/// Why the estimate is what it is; goes into the subscriber's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing has been told yet.
    Unknown,
    Clear,
    /// The delay grows or stands: more was sent than the line carries.
    Congested,
    /// Losses that grow with the rate.
    Lossy,
    /// No feedback at all.
    Silent,
}

/// In the order of use, as `Peer` is: each packet that leaves touches the first three.
#[repr(C)]
pub struct Estimator {
    last_sent: Micros,
    first_sent: Option<Micros>,
    last_told: Option<Micros>,
    /// When feedback last came late.
    late_feedback: Option<Micros>,
    target: f64,
    condition: Condition,
    trend: Trend,
    queue: QueueDelay,
    /// What arrived, by the client's clock.
    received: Meter,
    /// What was sent, by ours.
    sent: Meter,
    loss: LossModel,
    prober: Prober,
    last_raise: Micros,
    last_cut: Option<Micros>,
    /// Standing delay when it was cut.
    standing_at_cut: Micros,
    /// What arrived at the last overuse: where the line's end was.
    line: Option<f64>,
    /// Draining: the estimate stands lower than the line until the queue is empty.
    draining: bool,
    drained_below: Micros,
    /// Since when a short queue stands.
    stands_since: Option<Micros>,
    /// Before a silence.
    before_silence: f64,
    /// Share of packets that come after later ones …
    overtaken: f64,
    /// … and how much longer than the quickest they take, µs.
    lateness: f64,
}

impl Default for Estimator {
    fn default() -> Self {
        Self {
            target: START,
            condition: Condition::Unknown,
            trend: Trend::default(),
            queue: QueueDelay::default(),
            received: Meter::default(),
            sent: Meter::default(),
            loss: LossModel::default(),
            prober: Prober::default(),
            last_told: None,
            late_feedback: None,
            first_sent: None,
            last_sent: 0,
            last_raise: 0,
            last_cut: None,
            standing_at_cut: 0,
            line: None,
            draining: false,
            drained_below: 0,
            stands_since: None,
            before_silence: START,
            overtaken: 0.0,
            lateness: 0.0,
        }
    }
}

impl Estimator {
    /// Bits per second that may be sent, all headers above UDP included.
    #[must_use]
    pub fn target(&self) -> f64 {
        self.target
    }

    /// What the line is believed to carry. While a queue drains less than that may be sent (`target`), but
    /// that is over in a moment, and no reason to take anything away.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        let line = self.line.filter(|_| self.draining).unwrap_or(0.0);
        self.target.max(line * AFTER_DRAINING)
    }

    #[must_use]
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// Delay that stands in queues, µs.
    #[must_use]
    pub fn standing(&self) -> Micros {
        self.queue.standing()
    }

    /// Share of packets that the line loses whatever is sent, 0–1.
    #[must_use]
    pub fn inherent_loss(&self) -> f64 {
        self.loss.inherent()
    }

    /// A client that negotiated to tell and never does: nothing is known of its line.
    #[must_use]
    pub fn is_mute(&self, now: Micros) -> bool {
        self.last_told.is_none() && self.first_sent.is_some_and(|at| now - at > MUTE)
    }

    /// Whether packets overtake one another on this line.
    #[must_use]
    pub fn reorders(&self) -> bool {
        self.overtaken > OUT_OF_ORDER
    }

    /// What is missing may still come by itself within this time of its leaving, µs; 0: it is lost.
    #[must_use]
    pub fn may_come_late(&self) -> Micros {
        if self.reorders() { (self.lateness * USUAL_TO_LATEST) as Micros } else { 0 }
    }

    /// Something leaves now.
    pub fn note_sent(&mut self, at: Micros) {
        self.first_sent.get_or_insert(at);
        // After a pause nothing is missing yet.
        if at - self.last_sent > SILENCE {
            self.last_told = self.last_told.map(|_| at);
        }
        self.last_sent = at;
    }

    /// One packet of a feedback message, in the order of sending; `finish` follows.
    pub fn told(&mut self, packet: Told) {
        let bits = f64::from(packet.size) * 8.0;
        self.overtaken += (f64::from(u8::from(packet.late)) - self.overtaken) / 128.0;
        if packet.late {
            self.loss.came_late(packet.sent);
        } else {
            self.loss.note(packet.sent, bits, packet.arrived.is_none());
            self.sent.add(packet.sent, bits);
        }
        let Some(arrived) = packet.arrived else {
            return;
        };
        if packet.late {
            let late = self.queue.above_least(arrived - packet.sent) as f64;
            self.lateness += (late - self.lateness) / 32.0;
        }
        if packet.train != 0 {
            self.prober.arrived(packet.train, arrived, bits);
        }
        self.received.add(arrived, bits);
        self.queue.note(arrived, arrived - packet.sent);
        // A train is meant to make a queue; it is judged by itself.
        if packet.train == 0 {
            self.trend.note(packet.sent, arrived);
        }
    }

    /// A feedback message is through. `rtt`: round-trip time; `useful`: what could be sent at most if
    /// the line carried it; `in_flight`: bits that left after the newest packet that was told of.
    pub fn finish(&mut self, now: Micros, rtt: Micros, useful: f64, in_flight: f64) {
        let first = self.last_told.is_none();
        if self.last_told.is_some_and(|told| now - told > FEEDBACK) {
            self.late_feedback = Some(now);
        }
        self.last_told = Some(now);
        if first {
            self.last_raise = now;
        }
        if self.condition == Condition::Silent {
            return self.wake(now);
        }
        let reorders = self.reorders();
        self.queue.look_wide(reorders);
        let standing = self.queue.standing();
        let unrest = self.queue.unrest();
        let limit = (STANDING + UNREST * unrest).min(MOST_STANDING);
        // Where packets overtake one another each has a delay of its own, and a trend means nothing.
        let grows = self.trend.usage() == Usage::Over && !reorders && standing > JITTER + 5 * unrest / 2;
        // A short queue that is full and overflows; whose packets fill it does not matter.
        let stands = standing > OVERFLOWING + 6 * unrest && !reorders;
        self.stands_since = if stands { self.stands_since.or(Some(now)) } else { None };
        let lasts = self.stands_since.is_some_and(|at| now - at > OVERFLOWING_FOR);
        let overflows = lasts && self.loss.lately() > OVERFLOW;
        let over = grows || standing > limit || overflows;
        let limit = if overflows { limit.min(OVERFLOWING + 6 * unrest) } else { limit };
        if over || self.draining {
            self.loss.overfull();
        }
        let found = self.prober.result(unrest);
        // In a queue everything arrives at the line's rate, or at that of somebody else's packets.
        if let Some(found) = found.filter(|_| !over && !self.draining) {
            self.believe_train(found, now, useful);
        }
        let loss_limit = self.loss.limit(now, self.sent.rate(500_000));
        match (over, loss_limit) {
            (true, _) => self.overused(now, rtt, (standing, in_flight), limit),
            (false, Some(limit)) if limit < self.target => {
                self.condition = Condition::Lossy;
                self.cut(now, limit.max(LEAST), standing);
            }
            (false, _) => self.calm(now, rtt, standing, useful),
        }
    }

    /// Others share the line, and would have `mean` each.
    pub fn lean(&mut self, mean: f64) {
        if self.draining || self.condition == Condition::Silent {
            return;
        }
        let to = (self.target + (mean - self.target) * LEAN).clamp(LEAST, MOST);
        // Where this one's part of the line ends moves along.
        self.line = self.line.map(|line| (line + to - self.target).max(LEAST));
        self.target = to;
    }

    /// Neither delay nor loss complains: more is tried, slowly where the line's end is near.
    fn calm(&mut self, now: Micros, rtt: Micros, standing: Micros, useful: f64) {
        if self.draining {
            if standing > self.drained_below {
                return;
            }
            self.draining = false;
            if let Some(line) = self.line {
                self.target = self.target.max(line * AFTER_DRAINING);
            }
        }
        self.condition = Condition::Clear;
        let seconds = (now - self.last_raise).clamp(0, 1_000_000) as f64 / 1e6;
        self.last_raise = now;
        // What comes out of order is counted late; in calm, what was sent is what arrives.
        // And what the line loses by its nature it carried, too.
        let carried = self.received.rate(500_000) / (1.0 - self.loss.inherent().min(0.4));
        let received = carried.max(self.sent.rate(500_000) * 0.85);
        let near = self.line.is_some_and(|l| self.target > l * 0.8 && self.target < l * 1.2);
        let jitters = self.line.is_none() && self.queue.unrest() > JITTERY;
        let more = if near {
            // A packet per response time (GCC §5.5).
            let response = (rtt.min(800_000) + 100_000) as f64 / 1e6;
            let careful = if self.line.is_some_and(|l| self.target > l) { BEYOND } else { 1.0 };
            (9_600.0 / response).min(NEAR_THE_END) * careful * seconds
        } else {
            self.target * if jitters { BLIND_GROWTH } else { GROWTH } * seconds
        };
        // What was not sent proves nothing.
        let unproven = if jitters { UNPROVEN_IN_JITTER } else { UNPROVEN };
        let ceiling = (received * unproven + 20_000.0).max(self.target);
        self.target = (self.target + more).min(ceiling).clamp(LEAST, MOST);
        if self.line.is_some_and(|l| self.target > l * 1.3) {
            self.line = None;
        }
        self.prober.calm(now, self.target, useful);
    }

    fn believe_train(&mut self, found: f64, now: Micros, useful: f64) {
        let before = self.target;
        let found = if self.queue.unrest() > JITTERY {
            // Packets that were held up and let go together look like a fast line.
            found.min(self.target * BELIEVED_IN_JITTER).min(self.line.unwrap_or(found))
        } else {
            // Where the line's end was found a moment ago it is not suddenly far away.
            found.min(self.line.map_or(found, |l| l * A_LITTLE_MORE))
        };
        if found > self.target {
            // A train says what a moment carried; a little less lasts.
            self.target = (found * 0.95).max(self.target).min(MOST);
            self.last_raise = now;
            if self.line.is_some_and(|l| self.target > l * 1.2) {
                self.line = None;
            }
        }
        self.prober.judged(now, before, self.target, useful);
    }

    /// The next train, when one is due. The caller sends it at once and numbers its packets by it.
    pub fn train(&mut self, now: Micros) -> Option<Train> {
        if self.last_told.is_none()
            || self.draining
            || matches!(self.condition, Condition::Silent | Condition::Congested)
        {
            return None;
        }
        self.prober.due(now, self.queue.unrest())
    }

    /// To be called some times a second. Whether silence was noticed just now.
    pub fn tick(&mut self, now: Micros, rtt: Micros) -> bool {
        let Some(told) = self.last_told else {
            return false;
        };
        let asked = now - self.last_sent < SILENCE;
        let falls = asked && now - told > SILENCE + rtt.min(1_000_000) && self.condition != Condition::Silent;
        if falls {
            self.before_silence = self.target;
            self.condition = Condition::Silent;
            self.target = LEAST.max(self.target * 0.25).min(self.target);
        }
        falls
    }

    /// The line is back: what it carried is tried again, with a train before anything is added.
    fn wake(&mut self, now: Micros) {
        self.trend = Trend::default();
        self.queue.forget_recent();
        self.loss.forget();
        self.draining = false;
        self.condition = Condition::Clear;
        self.target = (self.before_silence * 0.5).max(self.target).max(LEAST);
        self.last_raise = now;
        self.prober.restart(now, self.before_silence);
    }
}

#[cfg(test)]
mod tests;
