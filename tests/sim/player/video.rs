//! Pictures: packets to frames, frames in their order to the screen, and what stands in the way.
//!
//! A frame is whole when all packets from its start to its marker are there. It can be decoded when
//! what it refers to was decoded: without temporal layers the frame before it, by sequence numbers;
//! with them the base frame of its group, and the last frame of each layer below it unless it says
//! that it needs the base alone. Later frames that can be decoded do not wait for earlier ones that
//! cannot, and those are then too late.
//!
//! A frame is shown when it should be by its time stamp (the mean way of all frames, found anew when
//! it has changed for good) plus a delay: what the jitter needs, 5 ms to decode and 10 ms to draw.
//! The delay moves by 100 ms a second, and at once, up to what is needed, when a frame comes too late.
//! A frame that was repaired does not count for jitter. Where the page asked for a longer delay (`hint`), it
//! is at least that.
//!
//! A key frame is asked for when nothing could be decoded for 3 s, or 200 ms while the first one is
//! awaited, and packets come.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::lead::Descriptor;
use crate::player::hint::Hint;
use crate::player::jitter::Jitter;
use crate::player::log::Shown;
use zhuandi::bot::load::light::Taken;

const DECODE: f64 = 0.005;
const DRAW: f64 = 0.010;
const LONGEST_DELAY: f64 = 10.0;
/// A picture that takes so much longer than usual stands, s.
const STANDS: f64 = 0.15;
const LONGEST_WAIT: Duration = Duration::from_secs(3);
const KEY_WAIT: Duration = Duration::from_millis(200);
/// Packets that are kept at most, and frames.
const PACKETS: usize = 2_048;
const FRAMES: usize = 800;

struct Packet {
    came: Duration,
    timestamp: u32,
    marker: bool,
    repair: bool,
    size: usize,
    head: Descriptor,
}

struct Frame {
    first: u64,
    last: u64,
    timestamp: i64,
    repaired: bool,
    /// When its first packet came, and its last.
    begun: Duration,
    came: Duration,
    size: usize,
    head: Descriptor,
}

/// What was decoded last, as far as later frames refer to it.
#[derive(Default)]
struct References {
    /// Sequence number at which a frame without temporal layers must begin.
    next: Option<u64>,
    /// By base frame: picture id of the last frame of each temporal layer.
    groups: HashMap<u8, [Option<u16>; 3]>,
    last_picture: Option<u16>,
}

pub struct VideoPlayer {
    packets: BTreeMap<u64, Packet>,
    frames: BTreeMap<u64, Frame>,
    references: References,
    decoded: Option<u64>,
    key_needed: bool,
    timing: Timing,
    /// Since when the decoder waits.
    waits: Duration,
    last_packet: Option<Duration>,
    shown: Option<Duration>,
    pub log: Vec<Shown>,
    pub key_requests: u32,
    began: bool,
}

/// What the player wants of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub key_frame: bool,
    /// Packets up to this are of no more use.
    pub passed: Option<u64>,
}

impl VideoPlayer {
    pub fn new() -> Self {
        Self {
            packets: BTreeMap::new(),
            frames: BTreeMap::new(),
            references: References::default(),
            decoded: None,
            key_needed: true,
            timing: Timing::default(),
            waits: Duration::ZERO,
            last_packet: None,
            shown: None,
            log: Vec::new(),
            key_requests: 0,
            began: false,
        }
    }

    /// A new connection: nothing is remembered but the log.
    pub fn begin_anew(&mut self) {
        let log = std::mem::take(&mut self.log);
        *self = Self { log, ..Self::new() };
    }

    /// A packet of the slot came. Decodes what can be, and says what is wanted.
    pub fn take(&mut self, taken: &Taken, now: Duration) -> Wish {
        self.last_packet = Some(now);
        if !self.began {
            self.began = true;
            self.waits = now;
        }
        let Some(head) = Descriptor::read(&taken.payload) else {
            return Wish::default();
        };
        if self.decoded.is_some_and(|d| taken.ext <= d) {
            return Wish::default();
        }
        let Taken { ext, timestamp, marker, repair, size, .. } = *taken;
        if repair {
            self.timing.hint.repaired();
        }
        self.packets.insert(ext, Packet { came: now, timestamp, marker, repair, size, head });
        while self.packets.len() > PACKETS {
            self.packets.pop_first();
        }
        self.assemble(ext, now);
        self.decode(now)
    }

    /// Decodes what is due, and asks for a key frame if it is time. Call every 5 ms.
    pub fn handle_timeout(&mut self, now: Duration) -> Wish {
        const ACTIVE: Duration = Duration::from_secs(5);
        self.timing.hint.follow(now);
        let wish = self.decode(now);
        let wait = if self.key_needed { KEY_WAIT } else { LONGEST_WAIT };
        let active = self.last_packet.is_some_and(|at| now - at < ACTIVE);
        if !self.began || now.saturating_sub(self.waits) < wait {
            return wish;
        }
        self.waits = now;
        self.key_requests += u32::from(active);
        Wish { key_frame: active, ..wish }
    }

    /// Makes a frame of the packets around `ext`, if they are all there.
    fn assemble(&mut self, ext: u64, now: Duration) {
        let timestamp = self.packets[&ext].timestamp;
        let at = |n: u64| self.packets.get(&n).filter(|p| p.timestamp == timestamp);
        let mut first = ext;
        while !self.packets[&first].head.start {
            let Some(before) = first.checked_sub(1).filter(|n| at(*n).is_some()) else {
                return;
            };
            first = before;
        }
        let mut last = ext;
        while !self.packets[&last].marker {
            if at(last + 1).is_none() {
                return;
            }
            last += 1;
        }
        let parts: Vec<Packet> = (first..=last).filter_map(|n| self.packets.remove(&n)).collect();
        let frame = Frame {
            first,
            last,
            timestamp: self.timing.extend(timestamp),
            repaired: parts.iter().any(|p| p.repair),
            begun: parts.iter().map(|p| p.came).min().unwrap_or(now),
            came: now,
            size: parts.iter().map(|p| p.size).sum(),
            head: parts[0].head,
        };
        if !frame.repaired || self.timing.frames == 0.0 {
            self.timing.learn(frame.timestamp as f64 / 90_000.0, now.as_secs_f64());
        }
        self.frames.insert(first, frame);
        while self.frames.len() > FRAMES {
            self.frames.pop_first();
        }
    }

    /// Decodes all frames that can be and are due, in their order.
    fn decode(&mut self, now: Duration) -> Wish {
        let mut passed = None;
        while let Some(frame) = self.frames.values().find(|f| self.decodable(f)) {
            if self.timing.begins(frame) > now.as_secs_f64() && self.began_showing() {
                break;
            }
            let first = frame.first;
            let Some(frame) = self.frames.remove(&first) else {
                break;
            };
            self.refer(&frame);
            self.decoded = Some(frame.last);
            passed = self.decoded;
            // What is older is too late now.
            self.frames = self.frames.split_off(&frame.last);
            self.packets = self.packets.split_off(&frame.last);
            if frame.head.key {
                self.key_needed = false;
            }
            let at = self.timing.show(&frame, now);
            // Frames are shown in their order.
            let at = self.shown.map_or(at, |before| at.max(before));
            let gap = self.shown.map_or(0.0, |before| (at - before).as_secs_f64());
            if gap > 1.0 / self.timing.fps + STANDS {
                self.timing.hint.stood(gap, self.timing.delay);
            }
            self.shown = Some(at);
            self.waits = now;
            let delay = at.saturating_sub(frame.head.tag.captured);
            let waited = now.saturating_sub(frame.begun);
            self.log.push(Shown { at, layer: frame.head.tag.layer, delay, waited });
        }
        Wish { key_frame: false, passed }
    }

    /// What its frames wait beyond the mean way.
    pub fn playout_delay(&self) -> Duration {
        Duration::from_secs_f64((self.timing.delay - DECODE - DRAW).max(0.0))
    }

    fn began_showing(&self) -> bool {
        self.decoded.is_some()
    }

    fn decodable(&self, frame: &Frame) -> bool {
        if frame.head.key {
            return true;
        }
        if self.key_needed {
            return false;
        }
        let Some((tl0, tid, sync)) = frame.head.temporal else {
            return self.references.next == Some(frame.first);
        };
        if tid == 0 {
            return self.references.groups.contains_key(&tl0.wrapping_sub(1));
        }
        let Some(group) = self.references.groups.get(&tl0) else {
            return false;
        };
        if sync {
            return true;
        }
        // Nothing between what it may refer to and itself is missing: those frames might be of a
        // lower layer.
        let before = frame.head.picture_id.wrapping_sub(1) & 0x7fff;
        let below = group[..=usize::from(tid)].iter();
        below.clone().all(Option::is_some)
            && (self.references.last_picture == Some(before) || below.flatten().any(|id| *id == before))
    }

    fn refer(&mut self, frame: &Frame) {
        let r = &mut self.references;
        r.next = Some(frame.last + 1);
        r.last_picture = Some(frame.head.picture_id);
        let Some((tl0, tid, _)) = frame.head.temporal else {
            return;
        };
        let id = Some(frame.head.picture_id);
        if frame.head.key {
            r.groups.clear();
            r.groups.insert(tl0, [id; 3]);
        } else if tid == 0 {
            let mut group = r.groups.get(&tl0.wrapping_sub(1)).copied().unwrap_or_default();
            group[0] = id;
            // Base frames that far back are never referred to.
            r.groups.retain(|n, _| tl0.wrapping_sub(*n) < 64);
            r.groups.insert(tl0, group);
        } else if let Some(group) = r.groups.get_mut(&tl0) {
            group[usize::from(tid)] = id;
        }
    }
}

/// When frames are shown.
#[derive(Default)]
struct Timing {
    newest: Option<i64>,
    /// Mean of arrival less time stamp, s, and over how many frames.
    way: f64,
    frames: f64,
    /// How long frames have come later, or earlier, than the mean way says.
    later: f64,
    earlier: f64,
    delay: f64,
    last: Option<(i64, Duration)>,
    fps: f64,
    jitter: Jitter,
    hint: Hint,
}

impl Timing {
    /// A time stamp without the turns of 32 bits.
    fn extend(&mut self, timestamp: u32) -> i64 {
        let near = *self.newest.get_or_insert(i64::from(timestamp));
        let extended = near + i64::from(timestamp.wrapping_sub(near as u32) as i32);
        self.newest = Some(near.max(extended));
        extended
    }

    /// When the decoder should begin with a frame.
    fn begins(&self, frame: &Frame) -> f64 {
        frame.timestamp as f64 / 90_000.0 + self.way + self.delay - DECODE - DRAW
    }

    /// When a frame is shown that is decoded now.
    fn show(&mut self, frame: &Frame, now: Duration) -> Duration {
        let at = now.as_secs_f64();
        // Time stamps that jump make nonsense of what was learnt.
        if (self.begins(frame) - at).abs() > LONGEST_DELAY {
            let hint = std::mem::take(&mut self.hint);
            *self = Self { newest: self.newest, hint, ..Self::default() };
            self.learn(frame.timestamp as f64 / 90_000.0, at);
        }
        let due = self.begins(frame) + DECODE + DRAW;
        let mut step = 0.0;
        if let Some((before, came)) = self.last {
            step = (frame.timestamp - before) as f64 / 90_000.0;
            if step > 0.0 {
                self.fps += 0.05 * (1.0 / step - self.fps);
            }
            if !frame.repaired {
                let passed = frame.came.as_secs_f64() - came.as_secs_f64();
                self.jitter.frame((passed - step) * 1e3, frame.size, self.fps);
            }
        } else {
            self.fps = 15.0;
        }
        // A repaired frame says nothing of the next one's way either.
        if !frame.repaired || self.last.is_none() {
            self.last = Some((frame.timestamp, frame.came));
        }
        let target = (self.jitter.estimate() / 1e3 + DECODE + DRAW).max(self.hint.least);
        if self.delay == 0.0 {
            self.delay = target;
        }
        let most = 0.1 * step.max(0.0);
        self.delay = (self.delay + (target - self.delay).clamp(-most, most)).max(self.hint.least);
        let late = at + DECODE + DRAW - due;
        if late > 0.0 {
            self.delay = if self.delay + late <= target { self.delay + late } else { self.delay.max(target) };
        }
        Duration::from_secs_f64(due.max(at + DECODE))
    }

    /// The mean way, and whether it has become another (a cumulative sum test).
    fn learn(&mut self, media: f64, at: f64) {
        const CLAMP: f64 = 7_000.0 / 90_000.0;
        const DRIFT: f64 = 6_600.0 / 90_000.0;
        const ALARM: f64 = 60_000.0 / 90_000.0;
        let off = at - media - self.way;
        if self.frames > 0.0 {
            let clamped = off.clamp(-CLAMP, CLAMP);
            self.later = (self.later + clamped - DRIFT).max(0.0);
            self.earlier = (self.earlier - clamped - DRIFT).max(0.0);
            if self.later > ALARM || self.earlier > ALARM {
                (self.frames, self.later, self.earlier) = (0.0, 0.0, 0.0);
            }
        }
        self.frames += 1.0;
        self.way += off / self.frames;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::Tag;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// One frame of one packet each 40 ms with temporal layers 0 2 1 2; `came` says when the n-th
    /// comes, `None`: never. Returns which were shown.
    fn play(frames: u64, came: impl Fn(u64) -> Option<u64>) -> (Vec<u32>, VideoPlayer) {
        let mut player = VideoPlayer::new();
        let mut packets: Vec<(u64, u64)> = (0..frames).filter_map(|n| Some((came(n)?, n))).collect();
        packets.sort_unstable();
        let mut packets = packets.into_iter().peekable();
        let mut shown = Vec::new();
        for ms in 0..40 * frames + 5_000 {
            while let Some((_, n)) = packets.next_if(|(at, _)| *at <= ms) {
                player.take(&packet(n, came(n) > Some(40 * n + 30)), MS(ms));
            }
            if ms % 5 == 0 {
                player.handle_timeout(MS(ms));
            }
            shown.resize(player.log.len(), player.decoded.unwrap_or(0) as u32);
        }
        (shown, player)
    }

    fn packet(n: u64, repair: bool) -> Taken {
        let tid = [0u8, 2, 1, 2][(n % 4) as usize];
        let mut payload = vec![0x90, 0xe0, 0x80 | (n >> 8) as u8, n as u8, (n / 4) as u8];
        // The first of each layer needs the base alone.
        payload.push(tid << 6 | if n % 4 < 3 { 0x20 } else { 0 });
        payload.push(u8::from(n > 0));
        payload.extend([2]);
        payload.extend((n as u32).to_be_bytes());
        payload.extend((40_000 * n).to_be_bytes());
        assert!(Tag::read(&payload[7..]).is_some());
        let timestamp = (3_600 * n) as u32;
        Taken { slot: 0, ext: n, timestamp, marker: true, payload_type: 96, payload, repair, size: 300 }
    }

    #[test]
    fn everything_that_comes_is_shown_at_its_pace() {
        let (shown, player) = play(250, |n| Some(40 * n + 20));
        assert_eq!(shown.len(), 250);
        let gaps = player.log.windows(2).skip(20).map(|w| w[1].at - w[0].at);
        assert!(gaps.clone().all(|g| g > MS(30) && g < MS(50)), "{:?}", gaps.max());
        // It asks once when the pictures end.
        assert_eq!(player.key_requests, 1);
    }

    #[test]
    fn a_lost_frame_of_the_top_layer_costs_itself_and_one_of_the_base_everything() {
        // 101 is of temporal layer 2: its neighbours do without. 103 goes with it only if it could not
        // know; here it refers to 102.
        let (shown, _) = play(250, |n| (n != 101).then_some(40 * n + 20));
        assert_eq!(shown.len(), 249);
        // 100 is a base frame: all after it waits for a key frame that nobody sends here.
        let (shown, player) = play(250, |n| (n != 100).then_some(40 * n + 20));
        assert_eq!(shown.len(), 100);
        assert!(player.key_requests >= 1);
    }

    #[test]
    fn a_repaired_frame_is_shown_late_and_nothing_is_lost() {
        let (shown, player) = play(250, |n| Some(40 * n + if n == 100 { 200 } else { 20 }));
        assert!(shown.len() >= 247, "{}", shown.len());
        let longest = player.log.windows(2).map(|w| w[1].at - w[0].at).max().unwrap();
        assert!(longest > MS(120) && longest < MS(250), "{longest:?}");
    }

    #[test]
    fn a_first_frame_that_was_repaired_does_not_spoil_the_clock() {
        let (shown, player) = play(100, |n| Some(40 * n + if n == 0 { 100 } else { 20 }));
        assert!(shown.len() >= 95);
        assert!(player.log.last().unwrap().at < MS(4_200));
    }
}
