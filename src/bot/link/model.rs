//! One direction of a link, as a machine that is given packets and the time.
//!
//! A packet waits in a first-in-first-out queue, is sent at the link's rate, may be lost, and comes
//! out after the delay of the moment. What does not fit into the queue is dropped on entry; what
//! would leave during an outage is lost, and the queue runs on. Losses happen behind the queue: a
//! lost packet took its time on the link, as it does on a radio path. Nothing is duplicated.
//!
//! Rate, delay, loss and outage change by a schedule, or at once by `set`; a packet whose sending
//! has begun feels a new rate for the rest of its bits. Time is counted from the link's own begin.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::weather::Weather;
pub use super::weather::{Jitter, Loss};

/// What IPv4 and UDP add to a datagram, bytes: links carry packets.
pub const HEADERS: usize = 28;

/// Figures of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// One-way, without queue and jitter.
    pub delay: Duration,
    pub jitter: Jitter,
    pub loss: Loss,
    /// `None`: without limit, and so without a queue.
    pub rate: Option<Rate>,
    /// What changes by itself, in order of time.
    pub schedule: Vec<(Duration, Change)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Packets with all headers, bit/s; at least 1000.
    pub bits: u64,
    pub queue: Queue,
}

/// What waits at most; a packet that comes later is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Queue {
    Bytes(usize),
    /// As many bytes as the present rate sends in this time.
    Time(Duration),
}

/// One figure takes another value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// bit/s; the queue stays what it is.
    Rate(u64),
    Delay(Duration),
    Jitter(Jitter),
    Loss(Loss),
    /// `true`: nothing comes out until `false`.
    Outage(bool),
}

impl LinkConfig {
    /// Changes a figure for good. An outage is no figure; only a running link can be out.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Rate(bits) => {
                let queue = self.rate.map_or(Queue::Time(Duration::from_millis(300)), |r| r.queue);
                self.rate = Some(Rate { bits: bits.max(1_000), queue });
            }
            Change::Delay(delay) => self.delay = delay,
            Change::Jitter(jitter) => self.jitter = jitter,
            Change::Loss(loss) => self.loss = loss,
            Change::Outage(_) => {}
        }
    }
}

/// What became of a packet that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is under way; whether it comes out is not known yet.
    Taken,
    /// The queue is full.
    Overflowed,
}

/// Counts since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub offered: u64,
    pub delivered: u64,
    /// By loss and by outages.
    pub lost: u64,
    pub overflowed: u64,
    /// Of what was delivered, headers included.
    pub bytes: u64,
}

/// One direction of a link that carries `T`.
pub struct Link<T> {
    config: LinkConfig,
    out: bool,
    now: Duration,
    weather: Weather,
    queue: VecDeque<Waiting<T>>,
    /// In the queue, the one that is being sent included.
    queued: usize,
    flying: BinaryHeap<Reverse<Flying<T>>>,
    last_arrival: Duration,
    next: u64,
    next_change: usize,
    tally: Tally,
}

struct Waiting<T> {
    what: T,
    size: usize,
    /// Bits still to be sent, times a thousand million: exact in nanoseconds.
    work: u128,
}

struct Flying<T> {
    at: Duration,
    order: u64,
    size: usize,
    what: T,
}

const WORK: u128 = 1_000_000_000;

impl<T> Link<T> {
    #[must_use]
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            out: false,
            now: Duration::ZERO,
            weather: Weather::new(seed),
            queue: VecDeque::new(),
            queued: 0,
            flying: BinaryHeap::new(),
            last_arrival: Duration::ZERO,
            next: 0,
            next_change: 0,
            tally: Tally::default(),
        }
    }

    /// A datagram of `size` bytes (without headers of IP and UDP) is offered.
    pub fn send(&mut self, now: Duration, size: usize, what: T) -> Fate {
        self.advance(now);
        self.tally.offered += 1;
        let size = size + HEADERS;
        let Some(rate) = self.config.rate else {
            self.fly(now, size, what);
            return Fate::Taken;
        };
        let limit = match rate.queue {
            Queue::Bytes(bytes) => bytes,
            Queue::Time(time) => (rate.bits as f64 / 8.0 * time.as_secs_f64()) as usize,
        };
        // One packet always fits: a link that is idle sends.
        if !self.queue.is_empty() && self.queued + size > limit {
            self.tally.overflowed += 1;
            return Fate::Overflowed;
        }
        self.queued += size;
        self.queue.push_back(Waiting { what, size, work: size as u128 * 8 * WORK });
        Fate::Taken
    }

    /// When something comes out, or leaves the queue, or changes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let flying = self.flying.peek().map(|Reverse(f)| f.at);
        let times = [flying, self.head_leaves(), self.scheduled()];
        times.into_iter().flatten().min()
    }

    /// The next packet that has come out by `now`; call until `None`.
    pub fn receive(&mut self, now: Duration) -> Option<T> {
        self.advance(now);
        if self.flying.peek()?.0.at > now {
            return None;
        }
        let Reverse(flying) = self.flying.pop()?;
        self.tally.delivered += 1;
        self.tally.bytes += flying.size as u64;
        Some(flying.what)
    }

    /// Changes a figure from `now` on.
    pub fn set(&mut self, now: Duration, change: Change) {
        self.advance(now);
        self.apply(change);
    }

    /// Has these figures from `now` on; its schedule is counted from now. What is under way stays so.
    pub fn become_another(&mut self, now: Duration, config: LinkConfig, seed: u64) {
        self.advance(now);
        self.config = config;
        self.config.schedule.iter_mut().for_each(|(at, _)| *at += now);
        self.next_change = 0;
        self.out = false;
        self.weather = Weather::new(seed);
    }

    /// How long a packet that came now would wait before it is sent.
    #[must_use]
    pub fn queueing(&self) -> Duration {
        let Some(rate) = self.config.rate else {
            return Duration::ZERO;
        };
        let work: u128 = self.queue.iter().map(|w| w.work).sum();
        Duration::from_nanos((work / u128::from(rate.bits.max(1))) as u64)
    }

    /// Nothing comes out at present.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.out
    }

    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The present figures; the schedule is the whole one.
    #[must_use]
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    fn scheduled(&self) -> Option<Duration> {
        self.config.schedule.get(self.next_change).map(|(at, _)| *at)
    }

    /// When the packet that is being sent has left.
    fn head_leaves(&self) -> Option<Duration> {
        let (rate, head) = (self.config.rate?, self.queue.front()?);
        let nanos = head.work.div_ceil(u128::from(rate.bits.max(1)));
        Some(self.now + Duration::from_nanos(nanos as u64))
    }

    /// Brings queue and schedule up to `now`, in the order in which things happen.
    fn advance(&mut self, now: Duration) {
        loop {
            let (leaves, changes) = (self.head_leaves(), self.scheduled());
            let next = leaves.into_iter().chain(changes).min().filter(|at| *at <= now);
            let Some(at) = next else {
                break;
            };
            let at = at.max(self.now);
            self.work_until(at);
            if changes.is_some_and(|c| c <= at) {
                let (_, change) = self.config.schedule[self.next_change];
                self.next_change += 1;
                self.apply(change);
            } else if let Some(head) = self.queue.pop_front() {
                self.queued -= head.size;
                self.fly(at, head.size, head.what);
            }
        }
        self.work_until(now.max(self.now));
    }

    fn work_until(&mut self, at: Duration) {
        let done = at.saturating_sub(self.now).as_nanos();
        if let (Some(rate), Some(head)) = (self.config.rate, self.queue.front_mut()) {
            head.work = head.work.saturating_sub(done * u128::from(rate.bits));
        }
        self.now = at;
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Outage(out) => self.out = out,
            other => self.config.change(other),
        }
    }

    /// A packet has left the queue: it is lost, or comes out after the delay.
    fn fly(&mut self, at: Duration, size: usize, what: T) {
        let lost = self.weather.loses(self.config.loss);
        let wander = self.weather.wander(self.config.jitter, at);
        if lost || self.out {
            self.tally.lost += 1;
            return;
        }
        let delay = (self.config.delay.as_secs_f64() + wander).max(0.0);
        let mut arrival = at + Duration::from_secs_f64(delay);
        if !self.config.jitter.reorders {
            arrival = arrival.max(self.last_arrival);
        }
        self.last_arrival = self.last_arrival.max(arrival);
        self.next += 1;
        self.flying.push(Reverse(Flying { at: arrival, order: self.next, size, what }));
    }
}

impl<T> PartialEq for Flying<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for Flying<T> {}

impl<T> PartialOrd for Flying<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Flying<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
#[path = "model_test.rs"]
mod tests;
