//! Which frame is due when: plain state, told the time.
//!
//! Place in a clip = time since the lesson clock's start, modulo the clip. All players of a
//! participant share that clock, so its picture and its voice stay together, also after a
//! reconnect, and all of them wrap at the same instant.
//!
//! A key-frame request is answered at once by sending the running group of pictures again with
//! timestamps squeezed in between two frames: the receiver gets a picture now, sees no jump, and
//! nobody else's picture freezes while waiting. The clips' groups are short enough for that.

use std::sync::Arc;
use std::time::Duration;

use crate::bot::clip::{AudioClip, VideoClip, VideoFrame};

/// Ticks of the RTP video clock per second.
pub const VIDEO_CLOCK: u32 = 90_000;
/// Ticks of the RTP audio clock per 20 ms packet.
pub const AUDIO_STEP: u32 = 960;

/// A frame to send now.
#[derive(Clone, Debug)]
pub struct DueFrame {
    pub frame: VideoFrame,
    /// Ticks of the 90 kHz clock since the lesson clock's start, modulo 2^32.
    pub ticks: u32,
}

/// Plays one layer.
#[derive(Debug)]
pub struct VideoPlayer {
    clip: Arc<VideoClip>,
    /// Number of the next frame since the clock's start; `None` before the first.
    next: Option<u64>,
    refresh: bool,
    /// The next regular frame can be decoded: its group was sent from its beginning.
    entered: bool,
}

impl VideoPlayer {
    #[must_use]
    pub fn new(clip: Arc<VideoClip>) -> Self {
        Self { clip, next: None, refresh: false, entered: false }
    }

    /// A receiver needs a key frame.
    pub fn handle_key_frame_request(&mut self) {
        self.refresh = true;
    }

    /// Frames due at `now` (time since the clock's start), in sending order. A player that was not
    /// asked for a while skips what it missed rather than sending it late.
    pub fn poll_frames(&mut self, now: Duration) -> Vec<DueFrame> {
        let current = (now.as_nanos() * u128::from(self.clip.rate) / 1_000_000_000) as u64;
        let next = *self.next.get_or_insert(current);
        let mut due = Vec::new();
        // Behind by more than a group: what lies between is of no use to anyone.
        let late = current.saturating_sub(next) > u64::from(self.clip.rate);
        if !self.entered || late {
            self.refresh = true;
        }
        if self.refresh && current >= next {
            // The group up to the frame that is due, squeezed behind the last one sent.
            self.refresh = false;
            self.entered = true;
            due.extend(self.group_until(current));
            self.next = Some(current + 1);
        } else if self.refresh {
            // Nothing new is due yet: repeat the group up to the frame sent last.
            self.refresh = false;
            due.extend(self.repeated_group(next - 1));
        } else {
            for number in next..=current {
                due.push(DueFrame { frame: self.frame(number), ticks: self.ticks(number) });
            }
            self.next = Some(next.max(current + 1));
        }
        due
    }

    /// When the next frame is due, since the clock's start.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        self.next.map_or(Duration::ZERO, |n| {
            Duration::from_nanos(n * 1_000_000_000 / u64::from(self.clip.rate) + 1)
        })
    }

    /// The group of `last`, all its frames just before the time of `last`.
    fn group_until(&self, last: u64) -> Vec<DueFrame> {
        let first = self.group_start(last);
        let step = self.squeeze(last - first);
        (first..=last)
            .map(|n| DueFrame {
                frame: self.frame(n),
                ticks: self.ticks(last).wrapping_sub((last - n) as u32 * step),
            })
            .collect()
    }

    /// The group of `last`, all its frames between the times of `last` and of its successor.
    fn repeated_group(&self, last: u64) -> Vec<DueFrame> {
        let first = self.group_start(last);
        let step = self.squeeze(last - first + 1);
        (first..=last)
            .map(|n| DueFrame {
                frame: self.frame(n),
                ticks: self.ticks(last).wrapping_add((n - first + 1) as u32 * step),
            })
            .collect()
    }

    fn group_start(&self, number: u64) -> u64 {
        let length = self.clip.frames.len() as u64;
        let within = (number % length) as usize;
        let back = self.clip.frames[..=within].iter().rev().position(|f| f.key).unwrap_or(within);
        number.saturating_sub(back as u64)
    }

    /// Ticks between squeezed frames so that `count` of them fit into one frame interval.
    fn squeeze(&self, count: u64) -> u32 {
        (VIDEO_CLOCK / self.clip.rate) / (count as u32 + 1)
    }

    fn frame(&self, number: u64) -> VideoFrame {
        self.clip.frames[(number % self.clip.frames.len() as u64) as usize].clone()
    }

    fn ticks(&self, number: u64) -> u32 {
        (number * u64::from(VIDEO_CLOCK / self.clip.rate)) as u32
    }
}

/// A voice packet to send now.
#[derive(Clone, Debug)]
pub struct DuePacket {
    pub data: bytes::Bytes,
    /// Ticks of the 48 kHz clock since the lesson clock's start, modulo 2^32.
    pub ticks: u32,
    /// −dBov, RFC 6464.
    pub level: u8,
}

/// Plays a voice.
#[derive(Debug)]
pub struct AudioPlayer {
    clip: Arc<AudioClip>,
    next: Option<u64>,
}

/// Voice packets a late player still sends; older ones are skipped.
const AUDIO_BACKLOG: u64 = 10;

impl AudioPlayer {
    #[must_use]
    pub fn new(clip: Arc<AudioClip>) -> Self {
        Self { clip, next: None }
    }

    /// Packets due at `now` (time since the clock's start).
    pub fn poll_packets(&mut self, now: Duration) -> Vec<DuePacket> {
        let current = now.as_millis() as u64 / 20;
        let next = (*self.next.get_or_insert(current)).max(current.saturating_sub(AUDIO_BACKLOG));
        self.next = Some(next.max(current + 1));
        (next..=current)
            .map(|number| {
                let at = (number % self.clip.packets.len() as u64) as usize;
                DuePacket {
                    data: self.clip.packets[at].clone(),
                    ticks: (number as u32).wrapping_mul(AUDIO_STEP),
                    level: self.clip.levels[at],
                }
            })
            .collect()
    }

    /// When the next packet is due, since the clock's start.
    #[must_use]
    pub fn poll_timeout(&self) -> Duration {
        self.next.map_or(Duration::ZERO, |n| Duration::from_millis(n * 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::clip::{ClipName, Place, VoiceName, identify, video, voice};
    use crate::media::negotiate::Codec;

    fn player() -> VideoPlayer {
        VideoPlayer::new(video(ClipName::Teacher, Codec::Vp8).remove(0))
    }

    /// Plays `[from, to)` in steps of 7 ms.
    fn play(player: &mut VideoPlayer, from: u64, to: u64) -> Vec<DueFrame> {
        (from..to).step_by(7).flat_map(|ms| player.poll_frames(Duration::from_millis(ms))).collect()
    }

    fn assert_decodable(frames: &[DueFrame]) {
        let mut last: &[Place] = &[];
        for due in frames {
            let places = identify(Codec::Vp8, &due.frame.data);
            let good = due.frame.key || places.iter().any(|p| last.iter().any(|l| p.follows(*l)));
            assert!(good, "{places:?} after {last:?}");
            last = places;
        }
    }

    fn assert_ordered(frames: &[DueFrame]) {
        for pair in frames.windows(2) {
            let step = pair[1].ticks.wrapping_sub(pair[0].ticks);
            assert!(step > 0 && step < VIDEO_CLOCK, "{} → {}", pair[0].ticks, pair[1].ticks);
        }
    }

    #[test]
    fn a_player_that_begins_within_a_group_sends_the_group_first() {
        let frames = play(&mut player(), 1_500, 2_500);
        assert!(frames[0].frame.key);
        assert_decodable(&frames);
        assert_ordered(&frames);
        // 38 frames of the group so far, then 24 or 25 regular ones.
        assert!((62..=63).contains(&frames.len()), "{}", frames.len());
    }

    #[test]
    fn the_loop_has_no_seam() {
        let frames = play(&mut player(), 18_000, 24_000);
        assert_decodable(&frames);
        assert_ordered(&frames);
        assert_eq!(frames.len(), 150);
    }

    #[test]
    fn a_request_is_answered_at_once_and_time_goes_on() {
        let mut p = player();
        let mut frames = play(&mut p, 0, 1_700);
        let before = frames.len();
        p.handle_key_frame_request();
        frames.extend(play(&mut p, 1_704, 1_711));
        assert!(frames[before].frame.key, "no wait");
        frames.extend(play(&mut p, 1_711, 5_000));
        assert_decodable(&frames);
        assert_ordered(&frames);
        let last = frames.last().expect("frames");
        assert_eq!(last.ticks / 3_600, 124, "the clock did not jump");
    }

    #[test]
    fn a_stalled_player_goes_on_with_a_key_frame_at_the_right_place() {
        let mut p = player();
        let mut frames = play(&mut p, 0, 1_000);
        frames.extend(play(&mut p, 9_100, 9_900));
        assert_decodable(&frames);
        for pair in frames.windows(2) {
            assert!(pair[1].ticks.wrapping_sub(pair[0].ticks) < 10 * VIDEO_CLOCK);
        }
    }

    #[test]
    fn a_voice_is_continuous_and_skips_what_is_too_late() {
        let mut p = AudioPlayer::new(voice(VoiceName::Teacher));
        let mut all: Vec<DuePacket> = Vec::new();
        for ms in (19_000..21_000).step_by(13) {
            all.extend(p.poll_packets(Duration::from_millis(ms)));
        }
        assert!(all.windows(2).all(|w| w[1].ticks.wrapping_sub(w[0].ticks) == AUDIO_STEP));
        assert_eq!(p.poll_packets(Duration::from_secs(30)).len(), 11);
    }
}
