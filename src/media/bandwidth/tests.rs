//! The estimator over a modelled line: a queue that drains at a rate, with loss and jitter.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// One line and what is sent over it: packets of a fixed size at the estimate's rate or less.
struct Line {
    estimator: Estimator,
    now: Micros,
    rate: f64,
    /// Most that may wait, µs.
    deepest: Micros,
    loss: f64,
    jitter: Micros,
    /// What the sender has to send at most, bits per second.
    useful: f64,
    free_at: Micros,
    due: f64,
    waiting: Vec<Told>,
    next_feedback: Micros,
    rng: StdRng,
    sent_bits: f64,
    worst_queue: Micros,
}

const WAY: Micros = 25_000;

impl Line {
    fn new(rate: f64) -> Self {
        Self {
            estimator: Estimator::default(),
            now: 1_000_000,
            rate,
            deepest: 600_000,
            loss: 0.0,
            jitter: 0,
            useful: 3_000_000.0,
            free_at: 0,
            due: 0.0,
            waiting: Vec::new(),
            next_feedback: 0,
            rng: StdRng::seed_from_u64(7),
            sent_bits: 0.0,
            worst_queue: 0,
        }
    }

    fn packet(&mut self, size: u16, train: u8) {
        let bits = f64::from(size) * 8.0;
        self.sent_bits += bits;
        self.estimator.note_sent(self.now);
        let queue = (self.free_at - self.now).max(0);
        self.worst_queue = self.worst_queue.max(queue);
        let lost = queue > self.deepest || self.rng.random_bool(self.loss);
        let arrived = if lost {
            None
        } else {
            self.free_at = self.free_at.max(self.now) + (bits * 1e6 / self.rate) as Micros;
            Some(self.free_at + WAY + self.rng.random_range(0..=self.jitter) - 40_000_000)
        };
        self.waiting.push(Told { sent: self.now, size, train, arrived, late: false });
    }

    /// Runs; returns the mean rate sent.
    fn run(&mut self, seconds: f64) -> f64 {
        let until = self.now + (seconds * 1e6) as Micros;
        self.sent_bits = 0.0;
        self.worst_queue = 0;
        while self.now < until {
            self.now += 5_000;
            self.due += self.estimator.target().min(self.useful) * 0.005;
            while self.due >= 8_000.0 {
                self.due -= 8_000.0;
                self.packet(1_000, 0);
            }
            self.estimator.tick(self.now, 60_000);
            if let Some(train) = self.estimator.train(self.now) {
                for _ in 0..train.bytes.div_ceil(250) {
                    self.packet(250, train.number);
                }
            }
            if self.now >= self.next_feedback {
                self.next_feedback = self.now + 100_000;
                let until = self.now - 40_000_000 - WAY;
                let (told, later): (Vec<Told>, Vec<Told>) = std::mem::take(&mut self.waiting)
                    .into_iter()
                    .partition(|p| p.arrived.map_or(p.sent + 80_000 < self.now, |a| a <= until));
                self.waiting = later;
                let newest = told.iter().map(|t| t.sent).max().unwrap_or(0);
                let in_flight =
                    self.waiting.iter().filter(|w| w.sent > newest).map(|w| f64::from(w.size) * 8.0);
                let in_flight = in_flight.sum();
                if !told.is_empty() {
                    for packet in told {
                        self.estimator.told(packet);
                    }
                    self.estimator.finish(self.now, 60_000, self.useful, in_flight);
                }
            }
        }
        self.sent_bits / seconds
    }
}

#[test]
fn a_good_line_is_known_within_a_second() {
    let mut line = Line::new(50_000_000.0);
    line.run(1.0);
    assert!(line.estimator.target() >= 2_500_000.0, "{}", line.estimator.target());
}

#[test]
fn a_small_line_is_filled_and_its_queue_stays_short() {
    for rate in [300_000.0, 800_000.0, 2_000_000.0] {
        let mut line = Line::new(rate);
        line.run(5.0);
        let sent = line.run(60.0);
        assert!(sent <= rate * 1.05 && sent >= rate * 0.7, "{rate}: {sent}");
        assert!(line.worst_queue <= 450_000, "{rate}: {} ms", line.worst_queue / 1000);
    }
}

#[test]
fn a_deep_queue_that_has_just_filled_is_known_by_what_is_under_way() {
    let mut line = Line::new(4_000_000.0);
    line.deepest = 1_200_000;
    line.useful = 1_700_000.0;
    line.run(10.0);
    line.rate = 300_000.0;
    line.run(0.6);
    let sent = line.run(1.0);
    assert!(sent <= 200_000.0, "it has to drain: {sent}");
    line.run(2.0);
    let sent = line.run(2.0);
    assert!((200_000.0..330_000.0).contains(&sent), "{sent}");
}

#[test]
fn a_line_that_shrinks_and_comes_back_is_followed() {
    let mut line = Line::new(4_000_000.0);
    line.deepest = 1_500_000;
    line.run(10.0);
    assert!(line.estimator.target() > 2_500_000.0);
    line.rate = 300_000.0;
    line.run(3.0);
    let sent = line.run(2.0);
    assert!(sent <= 330_000.0, "{sent}");
    line.run(15.0);
    assert!(line.worst_queue <= 500_000, "{} ms", line.worst_queue / 1000);
    let sent = line.run(10.0);
    assert!(sent >= 200_000.0, "{sent}");
    line.rate = 4_000_000.0;
    line.run(12.0);
    assert!(line.estimator.target() > 2_500_000.0, "{}", line.estimator.target());
}

#[test]
fn random_loss_costs_no_rate() {
    for loss in [0.05, 0.1, 0.2] {
        let mut line = Line::new(20_000_000.0);
        line.loss = loss;
        line.run(5.0);
        let sent = line.run(30.0);
        assert!(sent >= 2_000_000.0, "{loss}: {sent}");
        assert!((line.estimator.inherent_loss() - loss).abs() < 0.06, "{}", line.estimator.inherent_loss());
    }
}

#[test]
fn jitter_costs_little() {
    let mut line = Line::new(20_000_000.0);
    line.jitter = 60_000;
    line.run(5.0);
    let sent = line.run(30.0);
    assert!(sent >= 1_500_000.0, "{sent}");
}

#[test]
fn what_is_not_sent_proves_nothing() {
    let mut line = Line::new(50_000_000.0);
    line.useful = 200_000.0;
    line.run(60.0);
    assert!(line.estimator.target() <= 1_000_000.0, "{}", line.estimator.target());
}

#[test]
fn a_silent_line_is_noticed_and_taken_up_again() {
    let mut line = Line::new(4_000_000.0);
    line.run(10.0);
    let before = line.estimator.target();
    line.loss = 1.0;
    // Nobody is there to tell.
    for _ in 0..30 {
        line.now += 100_000;
        line.estimator.note_sent(line.now);
        line.estimator.tick(line.now, 60_000);
    }
    assert_eq!(line.estimator.condition(), Condition::Silent);
    assert!(line.estimator.target() < before / 2.0);
    line.loss = 0.0;
    line.run(4.0);
    assert_eq!(line.estimator.condition(), Condition::Clear);
    assert!(line.estimator.target() > before * 0.8, "{} of {before}", line.estimator.target());
}

/// Somebody else's packets fill a short queue: neither the delay nor one's own rate says much.
#[test]
fn a_short_queue_that_overflows_is_congestion() {
    let mut line = Line::new(2_000_000.0);
    line.run(10.0);
    // Half of the line is another's from now on; its queue holds 70 ms.
    line.deepest = 70_000;
    line.rate = 1_000_000.0;
    line.useful = 2_000_000.0;
    line.run(5.0);
    let sent = line.run(20.0);
    assert!(sent <= 1_050_000.0, "{sent}");
}

#[test]
fn while_a_queue_drains_the_line_is_known_to_carry_more() {
    let mut line = Line::new(2_000_000.0);
    line.deepest = 1_500_000;
    line.run(10.0);
    line.rate = 400_000.0;
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..30 {
        line.run(0.1);
        let e = &line.estimator;
        if e.target() < least.0 {
            least = (e.target(), e.capacity());
        }
    }
    assert!(least.0 < 250_000.0, "it drains at {}", least.0);
    assert!((280_000.0..=420_000.0).contains(&least.1), "and carries {}", least.1);
}

#[test]
fn packets_that_overtake_one_another_are_waited_for() {
    let mut e = Estimator::default();
    assert_eq!(e.may_come_late(), 0);
    let told = |n: i64, way: i64, late| Told {
        sent: n * 10_000,
        size: 1_000,
        train: 0,
        arrived: Some(n * 10_000 + way - 40_000_000),
        late,
    };
    for n in 0..400 {
        // Every eighth takes 120 ms longer.
        let late = n % 8 == 0;
        e.told(told(n, if late { 145_000 } else { 25_000 }, late));
    }
    assert!(e.reorders());
    assert!((135_000..=200_000).contains(&e.may_come_late()), "{}", e.may_come_late());
}
