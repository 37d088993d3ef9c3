//! What a lead's browser sends, as sizes and headers: nothing here is a picture.
//!
//! Sound: Opus frames of 20 ms. Camera: VP8 in three sizes, each with three temporal layers in the
//! pattern 0 2 1 2 of libvpx. Content: VP8 in two encodings of the same size, one slow and thin, one
//! quick; still for most of the time, with a page turned every ten seconds. Key frames are made for
//! all layers of a track at once, at the start and when the server asks, and are eight times as
//! large as a mean frame.
//!
//! Each packet carries a `Tag` behind its descriptor, so that a player knows what it shows.

use std::time::{Duration, Instant};

use zhuandi::bot::load::light::{Light, Part, Track, timestamp};
use zhuandi::media::negotiate::{MediaKind, SourceKind};

pub const MIC: usize = 0;
pub const CAMERA: usize = 1;
pub const CONTENT: usize = 2;
pub const TRACKS: &[Track] = &[
    Track { kind: SourceKind::Mic, layers: 1 },
    Track { kind: SourceKind::Camera, layers: 3 },
    Track { kind: SourceKind::Content, layers: 2 },
];
/// 40 kbit/s.
const SOUND_BYTES: usize = 100;
const SOUND_EVERY: Duration = Duration::from_millis(20);
/// Payload of a full packet of video, as Chromium cuts it.
const PACKET: usize = 1_150;
/// A key frame in mean frames.
const KEY: f64 = 8.0;

/// How a layer is encoded.
#[derive(Clone, Copy, Debug)]
pub struct Coding {
    pub kbps: f64,
    pub fps: u64,
}

/// What a lead shows.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    pub camera: [Coding; 3],
    pub content: bool,
}

impl Default for Show {
    fn default() -> Self {
        let camera = [150.0, 500.0, 1_500.0].map(|kbps| Coding { kbps, fps: 25 });
        Self { camera, content: true }
    }
}

const CONTENT_CODING: &[Coding] = &[Coding { kbps: 150.0, fps: 5 }, Coding { kbps: 1_200.0, fps: 15 }];
/// A page is turned so often, and it moves for so long.
const PAGE: Duration = Duration::from_secs(10);
const MOVES: Duration = Duration::from_secs(3);

/// What a packet is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub layer: u8,
    pub frame: u32,
    /// When it was captured, counted from the lead's begin.
    pub captured: Duration,
}

impl Tag {
    const BYTES: usize = 13;

    fn write(self, out: &mut Vec<u8>) {
        out.push(self.layer);
        out.extend(self.frame.to_be_bytes());
        out.extend((self.captured.as_micros() as u64).to_be_bytes());
    }

    /// Reads the tag that stands at the front of `p`.
    pub fn read(p: &[u8]) -> Option<Self> {
        let layer = *p.first()?;
        let frame = u32::from_be_bytes(p.get(1..5)?.try_into().ok()?);
        let micros = u64::from_be_bytes(p.get(5..13)?.try_into().ok()?);
        Some(Self { layer, frame, captured: Duration::from_micros(micros) })
    }
}

/// One layer's encoder.
struct Layer {
    track: usize,
    number: usize,
    coding: Coding,
    temporal: bool,
    next: Duration,
    frame: u32,
    /// Place in the pattern, 0–7.
    place: u8,
    picture_id: u16,
    tl0: u8,
    key_wanted: bool,
    noise: u64,
}

pub struct Lead {
    began: Duration,
    next_sound: Duration,
    sounds: u32,
    next_report: Duration,
    layers: Vec<Layer>,
    /// Key frames made, by track.
    pub key_frames: [u32; 3],
}

impl Lead {
    /// Begins to teach at `now`.
    pub fn new(now: Duration, show: &Show) -> Self {
        let track = |track, codings: &[Coding], temporal| {
            let layer = |(layer, coding): (usize, &Coding)| Layer {
                track,
                number: layer,
                coding: *coding,
                temporal,
                next: now,
                frame: 0,
                place: 0,
                picture_id: 1_000 * (layer as u16 + 1),
                tl0: 7,
                key_wanted: true,
                noise: 0x9e37 + layer as u64 + 10 * track as u64,
            };
            codings.iter().enumerate().map(layer).collect::<Vec<_>>()
        };
        let mut layers = track(CAMERA, &show.camera, true);
        if show.content {
            layers.extend(track(CONTENT, CONTENT_CODING, false));
        }
        Self { began: now, next_sound: now, sounds: 0, next_report: now, layers, key_frames: [0; 3] }
    }

    pub fn poll_timeout(&self) -> Duration {
        let frames = self.layers.iter().map(|l| l.next).min().unwrap_or(Duration::MAX);
        frames.min(self.next_sound).min(self.next_report)
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Duration, start: Instant, light: &mut Light) {
        for ssrc in std::mem::take(&mut light.wanted) {
            // SSRCs are 0x1111 × (track + 1) + layer.
            let track = (ssrc / 0x1111) as usize - 1;
            self.layers.iter_mut().filter(|l| l.track == track).for_each(|l| l.key_wanted = true);
            self.key_frames[track] += 1;
        }
        let at = now.saturating_sub(self.began);
        while self.next_sound <= now {
            self.next_sound += SOUND_EVERY;
            self.sounds += 1;
            let tag = Tag { layer: 0, frame: self.sounds, captured: now };
            let mut payload = Vec::with_capacity(SOUND_BYTES);
            tag.write(&mut payload);
            payload.resize(SOUND_BYTES, 0x55);
            let timestamp = timestamp(MediaKind::Audio, SOUND_EVERY * self.sounds);
            light.publish(&Part { track: MIC, layer: 0, timestamp, marker: false, payload: &payload });
        }
        for layer in self.layers.iter_mut().filter(|l| l.next <= now) {
            layer.next += Duration::from_nanos(1_000_000_000 / layer.coding.fps);
            layer.send(now, at, light);
        }
        if self.next_report <= now {
            self.next_report += Duration::from_secs(1);
            light.report_sent(at, start + now);
        }
    }
}

impl Layer {
    fn send(&mut self, now: Duration, at: Duration, light: &mut Light) {
        let key = std::mem::take(&mut self.key_wanted);
        if key {
            self.place = 0;
        }
        let (tid, sync) = TEMPORAL[usize::from(self.place)];
        self.frame += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        if tid == 0 || !self.temporal {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let size = self.size(key, tid, at);
        let mut head = vec![0x80, 0x80];
        head.extend((self.picture_id | 0x8000).to_be_bytes());
        if self.temporal {
            head[0] |= if tid == 2 { 0x20 } else { 0 };
            head[1] |= 0x60;
            head.push(self.tl0);
            head.push(tid << 6 | u8::from(sync) << 5);
        }
        let tag = Tag { layer: self.number as u8, frame: self.frame, captured: now };
        let packets = size.div_ceil(PACKET);
        let timestamp = timestamp(MediaKind::Video, at);
        for n in 0..packets {
            let mut payload = head.clone();
            payload[0] |= if n == 0 { 0x10 } else { 0 };
            payload.push(u8::from(!key));
            tag.write(&mut payload);
            let bytes = (size / packets).max(payload.len());
            payload.resize(bytes, 0xaa);
            let marker = n + 1 == packets;
            light.publish(&Part {
                track: self.track,
                layer: self.number,
                timestamp,
                marker,
                payload: &payload,
            });
        }
        self.place = (self.place + 1) % 8;
    }

    /// Bytes of a frame.
    fn size(&mut self, key: bool, tid: u8, at: Duration) -> usize {
        let mean = self.coding.kbps * 125.0 / self.coding.fps as f64;
        // 40 % of the bits are in layer 0, 20 % in 1, 40 % in the two frames of 2.
        let share = if self.temporal { [1.6, 0.8, 0.8][usize::from(tid)] } else { 1.0 };
        let moves = self.track != CONTENT || at.as_secs() % PAGE.as_secs() < MOVES.as_secs();
        let frame = match (key, moves) {
            (true, _) => KEY * mean,
            (false, true) => share * mean,
            // A still page: the pointer, and what the encoder still improves.
            (false, false) => 0.05 * mean,
        };
        // No two frames are alike: ± 20 %, the same in every run.
        self.noise =
            self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wobble = 0.8 + 0.4 * ((self.noise >> 33) as f64 / f64::from(1u32 << 31));
        ((frame * wobble) as usize).max(30)
    }
}

/// (temporal layer, depends on layer 0 alone) of the eight frames after which the pattern begins
/// again.
const TEMPORAL: [(u8, bool); 8] =
    [(0, false), (2, true), (1, true), (2, false), (0, false), (2, true), (1, false), (2, false)];

/// The parts of a VP8 descriptor that a receiver goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub start: bool,
    pub key: bool,
    pub picture_id: u16,
    /// (TL0PICIDX, temporal layer, depends on layer 0 alone)
    pub temporal: Option<(u8, u8, bool)>,
    pub tag: Tag,
}

impl Descriptor {
    pub fn read(p: &[u8]) -> Option<Self> {
        let (first, flags) = (*p.first()?, *p.get(1)?);
        let picture_id = u16::from_be_bytes([*p.get(2)?, *p.get(3)?]) & 0x7fff;
        let mut at = 4;
        let mut temporal = None;
        if flags & 0x60 == 0x60 {
            temporal = Some((p[at], p.get(at + 1)? >> 6, p[at + 1] & 0x20 != 0));
            at += 2;
        }
        let key = p.get(at)? & 1 == 0;
        Some(Self { start: first & 0x10 != 0, key, picture_id, temporal, tag: Tag::read(&p[at + 1..])? })
    }
}

const _: () = assert!(SOUND_BYTES > Tag::BYTES);
