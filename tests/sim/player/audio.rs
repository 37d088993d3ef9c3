//! Sound: a buffer that is as long as packets are late, and what is made up where one is missing.
//!
//! Lateness is counted against the earliest packet of the last two seconds; the worst of each half
//! second goes into a histogram that forgets (0.983 each), whose 95th percentile is the target. What
//! comes out of order has a histogram of its own, in which a lost frame weighs as 20 ms of delay per
//! percent. Ten milliseconds are played at a time: sooner after their time stamp than the target they
//! are stretched; later than the target, the worst lateness of the last two seconds and 20 ms together
//! they are shortened (up to a tenth either way). A missing packet is concealed; playing goes on behind
//! it when as much was made up as is missing, or when the buffer is 50 ms above its target. What was
//! not played yet when it comes is played still, and the delay is longer by then. It waits for the picture
//! of the same person: the target is at least what that waits, less what a loudspeaker takes, and follows it
//! by 80 ms a second.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::lead::Tag;
use crate::player::log::Sound;

const FRAME_MS: f64 = 20.0;
const STEP: Duration = Duration::from_millis(10);
/// What one stretching adds or takes, and how seldom it may.
const STRETCH_MS: f64 = 5.0;
const STRETCH_EVERY: u32 = 5;
const MOST_PACKETS: usize = 200;
const START_MS: f64 = 80.0;
const LOUDSPEAKER_MS: f64 = 50.0;
const FOLLOWS_MS: f64 = 80.0;

pub struct AudioPlayer {
    /// By time stamp in frames of 20 ms, extended; and when they came.
    buffer: BTreeMap<i64, (Tag, Duration)>,
    next: Option<i64>,
    newest: i64,
    /// Decoded and not played, ms, and what it was captured as.
    left: f64,
    playing: Option<(Tag, Duration)>,
    concealing: u32,
    stretched: u32,
    target: Target,
    due: Duration,
    pub log: Vec<Sound>,
    /// Frames that came out of later packets' redundancy.
    pub redundant: u64,
}

impl AudioPlayer {
    pub fn new() -> Self {
        Self {
            buffer: BTreeMap::new(),
            next: None,
            newest: 0,
            left: 0.0,
            playing: None,
            concealing: 0,
            stretched: 0,
            target: Target::new(),
            due: Duration::ZERO,
            log: Vec::new(),
            redundant: 0,
        }
    }

    /// A new connection: nothing is remembered but the log.
    pub fn begin_anew(&mut self) {
        let log = std::mem::take(&mut self.log);
        *self = Self { log, ..Self::new() };
    }

    /// A frame with this RTP time stamp came; `copy`: inside a later packet.
    pub fn take(&mut self, timestamp: u32, tag: Tag, copy: bool, now: Duration) {
        let near = self.newest * 960;
        let extended = near + i64::from(timestamp.wrapping_sub(near as u32) as i32);
        let frame = if self.next.is_none() { i64::from(timestamp) / 960 } else { extended.div_euclid(960) };
        if self.next.is_none() {
            self.next = Some(frame);
            self.newest = frame;
            self.due = now;
        }
        if !copy {
            self.target.packet(frame, now);
        }
        self.newest = self.newest.max(frame);
        if self.next.is_some_and(|next| frame < next) {
            return;
        }
        if self.buffer.len() >= MOST_PACKETS {
            self.buffer.clear();
            self.next = Some(frame);
        }
        if self.buffer.insert(frame, (tag, now)).is_none() && copy {
            self.redundant += 1;
        }
    }

    /// Plays what is due by `now`. The picture waits for `picture`.
    pub fn handle_timeout(&mut self, now: Duration, picture: Duration) {
        self.target.wait_for(picture.as_secs_f64() * 1e3 - LOUDSPEAKER_MS, now);
        while self.next.is_some() && self.due <= now {
            let at = self.due;
            self.due += STEP;
            self.play(at);
        }
    }

    fn play(&mut self, at: Duration) {
        self.stretched += 1;
        if self.left < 10.0 {
            let next = self.next.unwrap_or(0);
            let first = self.buffer.first_key_value().map(|(frame, _)| *frame);
            match first {
                Some(frame) if frame == next || self.skips_to(frame, next) => self.decode(frame),
                _ => {
                    self.concealing += 1;
                    self.log.push(Sound { at, concealed: true, delay: None, waited: None });
                    return;
                }
            }
            self.stretch(at);
        }
        self.left -= 10.0;
        let delay = self.playing.map(|(tag, _)| at.saturating_sub(tag.captured));
        let waited = self.playing.map(|(_, came)| at.saturating_sub(came));
        self.log.push(Sound { at, concealed: false, delay, waited });
    }

    /// Whether playing goes on at `frame` though what is before it is missing.
    fn skips_to(&self, frame: i64, next: i64) -> bool {
        const ABOVE_MS: f64 = 50.0;
        let made_up = 10.0 * f64::from(self.concealing);
        let missing = FRAME_MS * (frame - next) as f64;
        let newest = self.buffer.last_key_value().map_or(frame, |(n, _)| *n);
        let held = FRAME_MS * (newest - frame + 1) as f64;
        self.concealing > 0 && (made_up >= missing || held > self.target.ms() + ABOVE_MS)
    }

    fn decode(&mut self, frame: i64) {
        self.playing = self.buffer.remove(&frame);
        self.next = Some(frame + 1);
        self.left += FRAME_MS;
        self.concealing = 0;
    }

    /// What is decoded now is played in more or less time than it took to say.
    fn stretch(&mut self, at: Duration) {
        if self.stretched < STRETCH_EVERY {
            return;
        }
        let playing = self.next.unwrap_or(0) as f64 - self.left / FRAME_MS;
        let delay = self.target.delay(playing, at);
        let high = self.target.ms() + self.target.worst_of_late() + FRAME_MS;
        let change = if delay >= 4.0 * high {
            -2.0 * STRETCH_MS
        } else if delay >= high {
            -STRETCH_MS
        } else if delay < self.target.ms() {
            STRETCH_MS
        } else {
            return;
        };
        self.stretched = 0;
        self.left += change;
    }
}

/// How long the buffer should be.
struct Target {
    /// (when it came, how late it was against its time stamp, s), of the last two seconds.
    recent: VecDeque<(Duration, f64)>,
    late: Histogram,
    overtaken: Histogram,
    worst: f64,
    counted: Duration,
    newest: i64,
    ms: f64,
    /// What the picture waits, as far as it has been followed, and until when.
    least: f64,
    followed: Duration,
}

impl Target {
    fn new() -> Self {
        Self {
            recent: VecDeque::new(),
            late: Histogram::new(0.983),
            overtaken: Histogram::new(0.9993),
            worst: 0.0,
            counted: Duration::ZERO,
            newest: i64::MIN,
            ms: START_MS,
            least: 0.0,
            followed: Duration::ZERO,
        }
    }

    fn ms(&self) -> f64 {
        self.ms.max(self.least)
    }

    fn wait_for(&mut self, picture: f64, now: Duration) {
        let most = FOLLOWS_MS * now.saturating_sub(self.followed).as_secs_f64().min(1.0);
        self.followed = now;
        self.least = (self.least + (picture - self.least).clamp(-most, most)).max(0.0);
    }

    fn earliest(&self) -> f64 {
        self.recent.iter().map(|(_, o)| *o).fold(f64::INFINITY, f64::min)
    }

    /// How much later than the earliest packets' a frame is played that is played at `at`, ms.
    fn delay(&self, frame: f64, at: Duration) -> f64 {
        (at.as_secs_f64() - frame * 0.02 - self.earliest()) * 1e3
    }

    /// The lateness of the latest packet of the last two seconds, ms.
    fn worst_of_late(&self) -> f64 {
        let latest = self.recent.iter().map(|(_, o)| *o).fold(f64::NEG_INFINITY, f64::max);
        ((latest - self.earliest()) * 1e3).max(0.0)
    }

    fn packet(&mut self, frame: i64, now: Duration) {
        const HISTORY: Duration = Duration::from_secs(2);
        const RESAMPLE: Duration = Duration::from_millis(500);
        let offset = now.as_secs_f64() - frame as f64 * 0.02;
        self.recent.push_back((now, offset));
        while self.recent.front().is_some_and(|(at, _)| now - *at > HISTORY) {
            self.recent.pop_front();
        }
        let late = (offset - self.earliest()) * 1e3;
        let overtaken = frame < self.newest;
        self.newest = self.newest.max(frame);
        self.worst = self.worst.max(late);
        if now - self.counted >= RESAMPLE {
            self.counted = now;
            self.late.add(self.worst);
            self.worst = 0.0;
        }
        self.overtaken.add(if overtaken { late } else { 0.0 });
        let mut ms = self.late.percentile(0.95);
        if overtaken || self.overtaken.share[0] < 0.999 {
            ms = ms.max(self.overtaken.cheapest());
        }
        if self.late.full() {
            self.ms = ms.max(FRAME_MS);
        }
    }
}

/// Shares by steps of 20 ms, up to 2 s.
struct Histogram {
    share: [f64; 100],
    forget: f64,
    added: f64,
}

impl Histogram {
    fn new(forget: f64) -> Self {
        Self { share: [0.0; 100], forget, added: 0.0 }
    }

    fn add(&mut self, ms: f64) {
        // Quick to learn at first.
        let keep = self.forget.min(1.0 - 2.0 / (self.added + 2.0)).max(0.0);
        self.added += 1.0;
        self.share.iter_mut().for_each(|s| *s *= keep);
        self.share[((ms / 20.0) as usize).min(99)] += 1.0 - keep;
    }

    fn full(&self) -> bool {
        self.added >= 1.0
    }

    fn percentile(&self, share: f64) -> f64 {
        let mut sum = 0.0;
        let reached = |s: &f64| {
            sum += s;
            sum >= share
        };
        20.0 * (1 + self.share.iter().position(reached).unwrap_or(99)) as f64
    }

    /// The delay at which delay and loss together cost least; a percent of loss costs 20 ms.
    fn cheapest(&self) -> f64 {
        let mut lost = 1.0;
        let cost = |(n, share): (usize, &f64)| {
            lost -= share;
            (20.0 * n as f64 + 20.0 * 100.0 * f64::max(lost, 0.0), 20.0 * (n + 1) as f64)
        };
        let costs = self.share.iter().enumerate().map(cost);
        costs.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(FRAME_MS, |(_, ms)| ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::player::log::{SoundFigures, sound};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Plays a minute of packets; `delay` says how late each comes, `None`: never.
    fn play(delay: impl Fn(u64) -> Option<u64>) -> (SoundFigures, f64) {
        let mut player = AudioPlayer::new();
        let mut packets: Vec<(u64, u64)> = (0..3_000).filter_map(|n| Some((20 * n + delay(n)?, n))).collect();
        packets.sort_unstable();
        let mut packets = packets.into_iter().peekable();
        for ms in 0..60_000 {
            while let Some((_, n)) = packets.next_if(|(at, _)| *at <= ms) {
                let tag = Tag { layer: 0, frame: n as u32, captured: MS(20 * n) };
                player.take(1_000_000 + 960 * n as u32, tag, false, MS(ms));
            }
            player.handle_timeout(MS(ms), Duration::ZERO);
        }
        (sound(&player.log, &(MS(5_000)..MS(60_000)), &[]), player.target.ms())
    }

    #[test]
    fn a_steady_link_is_played_without_a_gap_and_soon() {
        let (figures, target) = play(|_| Some(30));
        assert!(figures.concealed < 1e-12);
        assert!(figures.delay < MS(100), "{figures:?}");
        assert!(target <= 40.0, "{target}");
    }

    #[test]
    fn lost_packets_are_concealed_and_nothing_else() {
        let (figures, _) = play(|n| (n % 20 != 7).then_some(30));
        assert!((figures.concealed - 0.05).abs() < 0.015, "{figures:?}");
        assert!(figures.longest_gap <= MS(30));
    }

    #[test]
    fn the_buffer_grows_until_late_packets_are_in_time() {
        let late = |n: u64| Some(if n % 10 == 3 { 150 } else { 20 });
        let (figures, target) = play(late);
        assert!(figures.concealed < 0.02, "{figures:?}");
        assert!(target >= 100.0, "{target}");
    }

    #[test]
    fn after_an_outage_it_goes_on_at_once() {
        let (figures, _) = play(|n| (!(1_000..1_500).contains(&n)).then_some(20));
        assert!((figures.longest_gap.as_secs_f64() - 10.0).abs() < 0.2, "{figures:?}");
        assert!(figures.delay < MS(200));
    }
}
