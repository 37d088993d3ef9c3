//! The looped clips that synthetic participants play, embedded in the binary.
//!
//! All are made by `tests/media/make.sh` (drawn scenes, a synthesised voice) and last exactly
//! [`LENGTH`]; a key frame begins every 2 s. Containers are the plainest that ffmpeg writes: IVF
//! for VP8, Annex B with access unit delimiters for H.264, Ogg for Opus. A clip is parsed once per
//! process. [`identify`] goes the other way: from a received frame to the clip and the place in it,
//! which is how tests know whose picture a slot really shows.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;

use crate::media::negotiate::Codec;

/// How long every clip lasts before it begins again.
pub const LENGTH: Duration = Duration::from_secs(20);

/// One picture at one size, as one encoding.
#[derive(Debug)]
pub struct VideoClip {
    pub name: ClipName,
    pub codec: Codec,
    /// Index of the simulcast layer, 0 = smallest.
    pub layer: u8,
    pub width: u16,
    pub height: u16,
    /// Frames per second.
    pub rate: u32,
    pub frames: Vec<VideoFrame>,
}

/// A whole coded picture: a VP8 frame, or an H.264 access unit in Annex B form.
#[derive(Clone, Debug)]
pub struct VideoFrame {
    pub data: Bytes,
    pub key: bool,
}

/// What a clip shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClipName {
    /// The teacher before her board; 1280×720, 640×360, 320×180 at 25 frames/s.
    Teacher,
    /// A page of courseware; 1280×720 at 5 frames/s.
    Content,
    /// A classroom with warm walls; 320×180 and 160×90 at 10 frames/s.
    ClassroomEast,
    /// A classroom with cool walls; same sizes.
    ClassroomWest,
}

/// A voice: Opus packets of 20 ms, and how loud each is.
#[derive(Debug)]
pub struct AudioClip {
    pub name: VoiceName,
    pub packets: Vec<Bytes>,
    /// −dBov of each packet, 0 (loudest) to 127 (silence), RFC 6464.
    pub levels: &'static [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VoiceName {
    Teacher,
    Pupil,
}

/// Where in which clip a received frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: ClipName,
    pub layer: u8,
    /// Index in the clip's frames.
    pub frame: usize,
    /// Frames of that clip, so that `frame + 1` can be taken around the loop.
    pub of: usize,
    pub key: bool,
}

impl Place {
    /// A decoder that has shown `before` can go on with this frame.
    #[must_use]
    pub fn follows(self, before: Self) -> bool {
        (self.name, self.layer) == (before.name, before.layer) && self.frame == (before.frame + 1) % self.of
    }
}

/// The layers of a picture in one codec, smallest first.
///
/// # Panics
/// Never: every name is embedded in both codecs, which a test checks. Opus has no pictures and
/// gives an empty list.
#[must_use]
pub fn video(name: ClipName, codec: Codec) -> Vec<Arc<VideoClip>> {
    CLIPS.iter().filter(|c| c.name == name && c.codec == codec).cloned().collect()
}

#[must_use]
pub fn voice(name: VoiceName) -> Arc<AudioClip> {
    match name {
        VoiceName::Teacher => VOICES[0].clone(),
        VoiceName::Pupil => VOICES[1].clone(),
    }
}

/// Finds a received frame among all clips of its codec. `frame` is what the depacketiser gives:
/// a VP8 frame, or H.264 NAL units each behind a 4-byte start code.
///
/// Several places when frames are coded alike (two moments in which nothing moves), none when the
/// frame is not ours.
#[must_use]
pub fn identify(codec: Codec, frame: &[u8]) -> &'static [Place] {
    INDEX.get(&(codec, digest(codec, frame))).map_or(&[], Vec::as_slice)
}

/// Whose voice an Opus packet is; `None` for what several voices have (silence) or none.
#[must_use]
pub fn identify_voice(packet: &[u8]) -> Option<VoiceName> {
    let mut owners = VOICES.iter().filter(|v| v.packets.iter().any(|p| p == packet));
    match (owners.next(), owners.next()) {
        (Some(only), None) => Some(only.name),
        _ => None,
    }
}

macro_rules! clips {
    ($($name:ident $layer:literal $width:literal x $height:literal @ $rate:literal $file:literal)*) => {
        /// What is embedded, smallest layer first.
        static CLIPS: LazyLock<Vec<Arc<VideoClip>>> = LazyLock::new(|| vec![$(
            Arc::new(VideoClip {
                name: ClipName::$name, codec: Codec::Vp8, layer: $layer,
                width: $width, height: $height, rate: $rate,
                frames: ivf(include_bytes!(concat!("../../tests/media/", $file, ".ivf"))),
            }),
            Arc::new(VideoClip {
                name: ClipName::$name, codec: Codec::H264, layer: $layer,
                width: $width, height: $height, rate: $rate,
                frames: annex_b(include_bytes!(concat!("../../tests/media/", $file, ".h264"))),
            }),
        )*]);
    };
}

clips! {
    Teacher 0 320 x 180 @ 25 "teacher_q"
    Teacher 1 640 x 360 @ 25 "teacher_h"
    Teacher 2 1280 x 720 @ 25 "teacher_f"
    Content 0 1280 x 720 @ 5 "content"
    ClassroomEast 0 160 x 90 @ 10 "classroom_east_q"
    ClassroomEast 1 320 x 180 @ 10 "classroom_east_h"
    ClassroomWest 0 160 x 90 @ 10 "classroom_west_q"
    ClassroomWest 1 320 x 180 @ 10 "classroom_west_h"
}

static VOICES: LazyLock<[Arc<AudioClip>; 2]> = LazyLock::new(|| {
    [
        Arc::new(AudioClip {
            name: VoiceName::Teacher,
            packets: ogg(include_bytes!("../../tests/media/voice_teacher.ogg")),
            levels: include_bytes!("../../tests/media/voice_teacher.levels"),
        }),
        Arc::new(AudioClip {
            name: VoiceName::Pupil,
            packets: ogg(include_bytes!("../../tests/media/voice_pupil.ogg")),
            levels: include_bytes!("../../tests/media/voice_pupil.levels"),
        }),
    ]
});

static INDEX: LazyLock<HashMap<(Codec, u64), Vec<Place>>> = LazyLock::new(|| {
    let mut index: HashMap<_, Vec<Place>> = HashMap::new();
    for clip in CLIPS.iter() {
        for (i, frame) in clip.frames.iter().enumerate() {
            let place =
                Place { name: clip.name, layer: clip.layer, frame: i, of: clip.frames.len(), key: frame.key };
            index.entry((clip.codec, digest(clip.codec, &frame.data))).or_default().push(place);
        }
    }
    index
});

/// Packetisers drop access unit delimiters and shorten start codes: only what survives counts.
fn digest(codec: Codec, frame: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    match codec {
        Codec::H264 => {
            for nal in nals(frame).filter(|n| n[0] & 0x1f != NAL_DELIMITER) {
                nal.hash(&mut hasher);
            }
        }
        Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::Opus => frame.hash(&mut hasher),
    }
    hasher.finish()
}

const NAL_SLICE: u8 = 1;
const NAL_IDR: u8 = 5;
const NAL_DELIMITER: u8 = 9;

/// Frames of an IVF file: 32 bytes of header, then per frame its length (4, little endian), its
/// time (8) and its bytes.
fn ivf(file: &'static [u8]) -> Vec<VideoFrame> {
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((header, body)) = rest.split_at_checked(12) {
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some((data, after)) = body.split_at_checked(length) else { break };
        // RFC 6386 §9.1: the lowest bit of the first byte is 0 in a key frame.
        let key = data.first().is_some_and(|b| b & 1 == 0);
        frames.push(VideoFrame { data: Bytes::from_static(data), key });
        rest = after;
    }
    frames
}

/// Access units of an Annex B stream, each begun by a delimiter (which is left out).
fn annex_b(file: &'static [u8]) -> Vec<VideoFrame> {
    let mut frames: Vec<VideoFrame> = Vec::new();
    let mut unit: Vec<u8> = Vec::new();
    let mut key = false;
    let mut picture = false;
    for nal in nals(file) {
        let kind = nal[0] & 0x1f;
        if kind == NAL_DELIMITER {
            if picture {
                frames.push(VideoFrame { data: std::mem::take(&mut unit).into(), key });
            }
            (key, picture) = (false, false);
            unit.clear();
            continue;
        }
        key |= kind == NAL_IDR;
        picture |= kind == NAL_IDR || kind == NAL_SLICE;
        unit.extend_from_slice(&[0, 0, 0, 1]);
        unit.extend_from_slice(nal);
    }
    if picture {
        frames.push(VideoFrame { data: unit.into(), key });
    }
    frames
}

/// NAL units of an Annex B stream without their start codes; never empty ones.
pub(super) fn nals(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts = Vec::new();
    let mut i = 0;
    while i + 3 <= stream.len() {
        if stream[i..i + 3] == [0, 0, 1] {
            starts.push(i + 3);
            i += 3;
        } else {
            i += 1;
        }
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|s| s - 3).chain([stream.len()]).collect();
    starts.into_iter().zip(ends).filter_map(move |(start, end)| {
        // Zero bytes before a start code belong to it (Annex B: zero_byte, trailing_zero_8bits).
        let nal = stream[start..end].without_end_zeros();
        (!nal.is_empty()).then_some(nal)
    })
}

trait TrimZero {
    fn without_end_zeros(&self) -> &Self;
}

impl TrimZero for [u8] {
    fn without_end_zeros(&self) -> &[u8] {
        let end = self.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
        &self[..end]
    }
}

/// Opus packets of an Ogg file (RFC 3533, RFC 7845): pages hold runs of lacing values, a packet
/// ends at the first value below 255. The first two packets are headers; the encoder's tail beyond
/// [`LENGTH`] is cut so that the loop closes.
fn ogg(file: &'static [u8]) -> Vec<Bytes> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    let mut rest = file;
    while rest.len() >= 27 && &rest[..4] == b"OggS" {
        let segments = rest[26] as usize;
        let lacing = &rest[27..27 + segments];
        let mut at = 27 + segments;
        for value in lacing {
            packet.extend_from_slice(&rest[at..at + *value as usize]);
            at += *value as usize;
            if *value < 255 {
                packets.push(Bytes::from(std::mem::take(&mut packet)));
            }
        }
        rest = &rest[at..];
    }
    let count = LENGTH.as_millis() as usize / 20;
    packets.into_iter().skip(2).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clip_lasts_as_long_as_it_says_and_begins_groups_every_two_seconds() {
        assert_eq!(CLIPS.len(), 16);
        for clip in CLIPS.iter() {
            let what = format!("{:?} {:?} {}", clip.name, clip.codec, clip.layer);
            assert_eq!(clip.frames.len(), 20 * clip.rate as usize, "{what}");
            for (i, frame) in clip.frames.iter().enumerate() {
                assert_eq!(frame.key, i % (2 * clip.rate as usize) == 0, "{what} frame {i}");
            }
        }
    }

    #[test]
    fn sizes_are_those_in_the_key_frames() {
        for clip in CLIPS.iter().filter(|c| c.codec == Codec::Vp8) {
            let d = &clip.frames[0].data;
            assert_eq!(d[3..6], [0x9d, 0x01, 0x2a]);
            let size = (u16::from_le_bytes([d[6], d[7]]) & 0x3fff, u16::from_le_bytes([d[8], d[9]]) & 0x3fff);
            assert_eq!(size, (clip.width, clip.height), "{:?}", clip.name);
        }
    }

    #[test]
    fn h264_is_constrained_baseline_with_parameters_in_every_key_frame() {
        for clip in CLIPS.iter().filter(|c| c.codec == Codec::H264) {
            for frame in clip.frames.iter().filter(|f| f.key) {
                let sps = nals(&frame.data).find(|n| n[0] & 0x1f == 7).expect("a parameter set");
                assert_eq!(sps[1], 66, "profile");
                assert_eq!(sps[2] & 0x40, 0x40, "constrained");
                assert!(nals(&frame.data).any(|n| n[0] & 0x1f == 8));
            }
        }
    }

    #[test]
    fn voices_last_twenty_seconds_and_are_loud_and_silent_in_turn() {
        for voice in VOICES.iter() {
            assert_eq!(voice.packets.len(), 1000);
            assert_eq!(voice.levels.len(), 1000);
            assert!(voice.packets.iter().all(|p| (10..=200).contains(&p.len())));
            assert!(voice.levels[..4].iter().all(|l| *l < 20), "the beep");
            assert!(voice.levels[6..14].iter().all(|l| *l == 127), "the breath");
        }
    }

    #[test]
    fn a_frame_is_found_again() {
        for codec in [Codec::Vp8, Codec::H264] {
            for clip in CLIPS.iter().filter(|c| c.codec == codec) {
                for (i, frame) in clip.frames.iter().enumerate() {
                    let here = Place {
                        name: clip.name,
                        layer: clip.layer,
                        frame: i,
                        of: clip.frames.len(),
                        key: frame.key,
                    };
                    assert!(identify(codec, &frame.data).contains(&here), "{here:?}");
                    // A key frame alone tells clip, layer and moment.
                    if frame.key {
                        assert_eq!(identify(codec, &frame.data).len(), 1, "{here:?}");
                    }
                }
            }
        }
        assert_eq!(identify(Codec::Vp8, b"something else"), []);
    }
}
