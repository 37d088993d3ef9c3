//! A receiving classroom: a station whose packets are played.

use std::time::{Duration, Instant};

use zhuandi::bot::load::light::{Taken, Track};
use zhuandi::media::negotiate::{MediaKind, SourceKind};

use crate::lead::Tag;
use crate::player::audio::AudioPlayer;
use crate::player::video::{VideoPlayer, Wish};
use crate::station::Station;

/// Sound slots come first; each has one microphone, camera and content at most.
pub const AUDIO_SLOTS: u8 = 2;
pub const VIDEO_SLOTS: u8 = 3;
pub const CAMERA_SLOT: u8 = AUDIO_SLOTS;
pub const CONTENT_SLOT: u8 = AUDIO_SLOTS + 1;

/// It sends its own sound, 24 kbit/s: by the reports on it a browser knows the round trip.
pub const OWN_MIC: &[Track] = &[Track { kind: SourceKind::Mic, layers: 1 }];
const OWN_SOUND_BYTES: usize = 60;

pub struct Classroom {
    pub station: Station,
    pub sound: AudioPlayer,
    pub camera: VideoPlayer,
    pub content: VideoPlayer,
    pub joined: Duration,
    /// When its connection was closed by the server, until it joins again.
    pub lost: Option<Duration>,
    pub rejoins: u32,
    sounds: u32,
}

impl Classroom {
    pub fn new(mut station: Station, now: Duration) -> Self {
        station.light.taken = Some(Vec::new());
        station.light.feedback_every = Duration::from_millis(50);
        Self {
            station,
            sound: AudioPlayer::new(),
            camera: VideoPlayer::new(),
            content: VideoPlayer::new(),
            joined: now,
            lost: None,
            rejoins: 0,
            sounds: 0,
        }
    }

    /// After `Station::rejoin`: what was shown stays on record, the decoders begin anew.
    pub fn begin_anew(&mut self) {
        self.station.light.taken = Some(Vec::new());
        self.station.light.feedback_every = Duration::from_millis(50);
        self.lost = None;
        self.rejoins += 1;
        self.sound.begin_anew();
        self.camera.begin_anew();
        self.content.begin_anew();
    }

    /// Takes what has come and plays what is due.
    pub fn run(&mut self, now: Duration, start: Instant) {
        let ticks = self.station.run(now, start);
        let taken = self.station.light.taken.as_mut().map(std::mem::take).unwrap_or_default();
        for packet in &taken {
            self.take(packet, now);
        }
        if ticks {
            self.sound.handle_timeout(now, self.camera.playout_delay());
            let wish = self.camera.handle_timeout(now);
            self.grant(CAMERA_SLOT, wish);
            let wish = self.content.handle_timeout(now);
            self.grant(CONTENT_SLOT, wish);
        }
        self.speak(now, start);
        self.station.send(now);
    }

    fn speak(&mut self, now: Duration, start: Instant) {
        let at = now.saturating_sub(self.joined);
        let due = (at.as_millis() / 20) as u32;
        while self.sounds < due {
            self.sounds += 1;
            self.station.light.publish_sound(Duration::from_millis(20) * self.sounds, OWN_SOUND_BYTES);
            if self.sounds.is_multiple_of(50) {
                self.station.light.report_sent(at, start + now);
            }
        }
    }

    fn take(&mut self, packet: &Taken, now: Duration) {
        let slot = packet.slot as u8;
        if self.station.answer.slots[packet.slot].kind == MediaKind::Audio {
            self.take_sound(packet, now);
        } else if slot == CAMERA_SLOT {
            let wish = self.camera.take(packet, now);
            self.grant(slot, wish);
        } else if slot == CONTENT_SLOT {
            let wish = self.content.take(packet, now);
            self.grant(slot, wish);
        }
    }

    /// Plain Opus, or with copies of earlier frames before it (RFC 2198 §3).
    fn take_sound(&mut self, packet: &Taken, now: Duration) {
        let mut rest = &packet.payload[..];
        let mut copies = Vec::new();
        if self.station.answer.red == Some(packet.payload_type) {
            while let [head, a, b, c, tail @ ..] = rest
                && head & 0x80 != 0
            {
                let word = u32::from_be_bytes([0, *a, *b, *c]);
                copies.push((word >> 10, (word & 0x3ff) as usize));
                rest = tail;
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        for (offset, length) in copies {
            let Some((block, tail)) = rest.split_at_checked(length) else {
                return;
            };
            rest = tail;
            self.station.meter.redundant += length as u64 + 4;
            if let Some(tag) = Tag::read(block) {
                self.sound.take(packet.timestamp.wrapping_sub(offset), tag, true, now);
            }
        }
        if let Some(tag) = Tag::read(rest) {
            self.sound.take(packet.timestamp, tag, false, now);
        }
    }

    fn grant(&mut self, slot: u8, wish: Wish) {
        if let Some(ext) = wish.passed {
            self.station.light.passed(usize::from(slot), ext);
        }
        if wish.key_frame {
            self.station.light.ask_for_key_frame(usize::from(slot));
        }
    }
}
