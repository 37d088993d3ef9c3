//! What the server puts on a link, second by second and kind by kind, and how long its queue is.

use std::time::Duration;

use crate::player::log::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sound,
    Camera,
    Content,
    /// Retransmissions, and probes, which look like them.
    Repair,
    /// Checks, handshakes, reports.
    Control,
}

pub const KINDS: usize = 5;

#[derive(Default)]
pub struct Meter {
    /// Bytes of datagrams with the headers of IP and UDP, by second and kind.
    seconds: Vec<[u64; KINDS]>,
    /// Longest queue of each tenth of a second.
    queues: Vec<Duration>,
    /// Bytes of repeated sound that came in later packets.
    pub redundant: u64,
}

impl Meter {
    pub fn count(&mut self, kind: Kind, bytes: usize, now: Duration) {
        let at = now.as_secs() as usize;
        if self.seconds.len() <= at {
            self.seconds.resize(at + 1, [0; KINDS]);
        }
        self.seconds[at][kind as usize] += (bytes + zhuandi::bot::link::model::HEADERS) as u64;
    }

    pub fn queue(&mut self, length: Duration, now: Duration) {
        let at = (now.as_millis() / 100) as usize;
        if self.queues.len() <= at {
            self.queues.resize(at + 1, Duration::ZERO);
        }
        self.queues[at] = self.queues[at].max(length);
    }

    /// kbit/s by kind over whole seconds.
    pub fn kbps(&self, span: &Span) -> [f64; KINDS] {
        let (from, to) = (span.start.as_secs() as usize, span.end.as_secs() as usize);
        let mut sums = [0.0; KINDS];
        for second in self.seconds.iter().take(to).skip(from) {
            for (sum, bytes) in sums.iter_mut().zip(second) {
                *sum += *bytes as f64 * 0.008 / (to - from).max(1) as f64;
            }
        }
        sums
    }

    /// kbit/s of everything in each second of the span.
    pub fn by_second(&self, span: &Span) -> Vec<f64> {
        let (from, to) = (span.start.as_secs() as usize, span.end.as_secs() as usize);
        let second = |n: usize| self.seconds.get(n).map_or(0.0, |s| s.iter().sum::<u64>() as f64 * 0.008);
        (from..to).map(second).collect()
    }

    /// The longest queue of the span.
    pub fn longest_queue(&self, span: &Span) -> Duration {
        let (from, to) = (span.start.as_millis() / 100, span.end.as_millis() / 100);
        let queues = self.queues.iter().take(to as usize).skip(from as usize);
        queues.max().copied().unwrap_or_default()
    }
}
