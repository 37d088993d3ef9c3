//! What the forwarder must know of payloads: where pictures begin, which are key frames, and the
//! numbers in them (VP8, VP9) that a switch has to keep continuous. Nothing is decoded.

mod av1;
mod vp9;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Codecs that are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    Opus,
    Vp8,
    /// Constrained baseline, packetization-mode 1.
    H264,
    /// Profile 0.
    Vp9,
    /// Main profile.
    Av1,
}

impl Codec {
    pub const ALL: [Self; 5] = [Self::Opus, Self::Vp8, Self::H264, Self::Vp9, Self::Av1];
    /// Pictures; what every browser has first, which is what is fallen back to.
    pub const VIDEO: [Self; 4] = [Self::Vp8, Self::H264, Self::Vp9, Self::Av1];

    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// RTP clock, Hz.
    #[must_use]
    pub fn clock(self) -> u32 {
        if self == Self::Opus { 48_000 } else { 90_000 }
    }

    /// Looks at a payload.
    #[must_use]
    pub fn inspect(self, payload: &[u8]) -> Payload {
        match self {
            Self::Opus => Payload::default(),
            Self::Vp8 => parse_vp8(payload).unwrap_or_default(),
            Self::H264 => Payload { key_start: h264_key_start(payload), ..Payload::default() },
            Self::Vp9 => vp9::parse(payload).unwrap_or_default(),
            Self::Av1 => Payload { key_start: av1::key_start(payload), ..Payload::default() },
        }
    }
}

/// What a payload is, as far as forwarding goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The first packet of a key frame.
    pub key_start: bool,
    pub numbers: Option<Numbers>,
    pub temporal: Temporal,
}

/// The place of a picture among the temporal layers of its stream (VP8: RFC 7741 §4.2). In one byte,
/// because the ring keeps it with every packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Temporal(u8);

impl Temporal {
    /// The highest layer that there can be (TID has two bits).
    pub const HIGHEST: u8 = 3;
    const SYNC: u8 = 0x04;
    const BEGINS: u8 = 0x08;

    #[must_use]
    pub fn new(layer: u8, sync: bool, begins: bool) -> Self {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        Self(layer & Self::HIGHEST | flag(sync, Self::SYNC) | flag(begins, Self::BEGINS))
    }

    /// TID: 0 is the base, which needs no other; streams without temporal layers are all base.
    #[must_use]
    pub fn layer(self) -> u8 {
        self.0 & Self::HIGHEST
    }

    /// Y: the picture needs pictures of the base layer alone, so a taker may go up to its layer here.
    #[must_use]
    pub fn sync(self) -> bool {
        self.0 & Self::SYNC != 0
    }

    /// The packet is the first of its picture.
    #[must_use]
    pub fn begins(self) -> bool {
        self.0 & Self::BEGINS != 0
    }
}

/// Where a payload descriptor has its numbers (VP8: RFC 7741 §4.2, VP9: RFC 9628 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Where PictureID stands and whether it has 15 bits.
    pub picture_id: Option<(u8, bool)>,
    /// Where TL0PICIDX stands.
    pub tl0: Option<u8>,
}

fn parse_vp8(p: &[u8]) -> Option<Payload> {
    let first = *p.first()?;
    let start = first & 0x10 != 0 && first & 0x07 == 0;
    let mut at = 1usize;
    let mut numbers = Numbers::default();
    let mut temporal = Temporal::new(0, false, start);
    if first & 0x80 != 0 {
        let flags = *p.get(at)?;
        at += 1;
        if flags & 0x80 != 0 {
            let wide = *p.get(at)? & 0x80 != 0;
            numbers.picture_id = Some((at as u8, wide));
            at += if wide { 2 } else { 1 };
        }
        if flags & 0x40 != 0 {
            numbers.tl0 = Some(at as u8);
            at += 1;
        }
        if flags & 0x30 != 0 {
            // TID and Y count only with T; the other half of the byte is KEYIDX.
            let layers = *p.get(at)?;
            if flags & 0x20 != 0 {
                temporal = Temporal::new(layers >> 6, layers & 0x20 != 0, start);
            }
            at += 1;
        }
    }
    let header = *p.get(at)?;
    // RFC 7741 §4.3: P = 0 in the first byte of the frame is a key frame.
    Some(Payload { key_start: start && header & 1 == 0, numbers: Some(numbers), temporal })
}

impl Numbers {
    /// PictureID, 7 or 15 bits as the sender has it.
    #[must_use]
    pub fn read_picture_id(&self, p: &[u8]) -> Option<u16> {
        let (at, wide) = self.picture_id?;
        let at = usize::from(at);
        Some(if wide { u16::from_be_bytes([p[at], p[at + 1]]) & 0x7fff } else { u16::from(p[at] & 0x7f) })
    }

    #[must_use]
    pub fn read_tl0(&self, p: &[u8]) -> Option<u8> {
        self.tl0.map(|at| p[usize::from(at)])
    }

    /// Adds offsets in place, each in its own width.
    pub fn patch(&self, p: &mut [u8], picture_id: u16, tl0: u8) {
        if let (Some((at, wide)), Some(id)) = (self.picture_id, self.read_picture_id(p)) {
            let at = usize::from(at);
            let id = id.wrapping_add(picture_id);
            if wide {
                p[at..at + 2].copy_from_slice(&(id & 0x7fff | 0x8000).to_be_bytes());
            } else {
                p[at] = (id & 0x7f) as u8;
            }
        }
        if let Some(at) = self.tl0 {
            let at = usize::from(at);
            p[at] = p[at].wrapping_add(tl0);
        }
    }
}

/// An IDR picture begins with its parameter sets or with the IDR slice (RFC 6184 §5.2). A packet
/// that starts with SPS, alone or in a STAP-A, begins the access unit; encoders that send no SPS
/// in-band begin with the IDR slice or its first FU-A fragment.
fn h264_key_start(p: &[u8]) -> bool {
    const IDR: u8 = 5;
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let Some(&head) = p.first() else {
        return false;
    };
    match head & 0x1f {
        SPS => true,
        IDR => p.get(1).is_some_and(|slice| slice & 0x80 != 0), // first_mb_in_slice = 0
        STAP_A => {
            let mut rest = &p[1..];
            while let [a, b, nal, ..] = rest {
                match nal & 0x1f {
                    SPS => return true,
                    IDR => return true,
                    _ => {}
                }
                let size = usize::from(u16::from_be_bytes([*a, *b]));
                let Some(next) = rest.get(2 + size..) else {
                    return false;
                };
                rest = next;
            }
            false
        }
        FU_A => p
            .get(1)
            .is_some_and(|fu| fu & 0x80 != 0 && fu & 0x1f == IDR && p.get(2).is_some_and(|s| s & 0x80 != 0)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn vp8_key_frames_and_numbers() {
        // X, I (15 bits), L, T set; start of partition 0; key frame.
        let mut p = [0x90, 0xe0, 0x92, 0x34, 0x07, 0x00, 0x10, 0x02];
        let seen = Codec::Vp8.inspect(&p);
        assert!(seen.key_start);
        let numbers = seen.numbers.unwrap();
        assert_eq!(numbers.read_picture_id(&p), Some(0x1234));
        assert_eq!(numbers.read_tl0(&p), Some(7));
        numbers.patch(&mut p, 0x7fff, 255);
        assert_eq!(numbers.read_picture_id(&p), Some(0x1233));
        assert_eq!(p[2] & 0x80, 0x80, "stays 15 bits wide");
        assert_eq!(numbers.read_tl0(&p), Some(6));
        // A later partition, and a delta frame.
        assert!(!Codec::Vp8.inspect(&[0x81, 0x80, 0x05, 0x10]).key_start);
        assert!(!Codec::Vp8.inspect(&[0x10, 0x11]).key_start);
        assert!(Codec::Vp8.inspect(&[0x10, 0x10]).key_start);
    }

    #[test]
    fn seven_bit_picture_ids_stay_so() {
        let mut p = [0x90, 0x80, 0x7f, 0x00];
        let numbers = Codec::Vp8.inspect(&p).numbers.unwrap();
        numbers.patch(&mut p, 2, 0);
        assert_eq!(p[2], 0x01);
    }

    #[test]
    fn h264_key_frames() {
        let key = |p: &[u8]| Codec::H264.inspect(p).key_start;
        assert!(key(&[0x67, 0x42]));
        assert!(key(&[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce]));
        assert!(key(&[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42]));
        assert!(key(&[0x7c, 0x85, 0x88]));
        assert!(!key(&[0x7c, 0x05, 0x88]), "middle of a fragmented IDR");
        assert!(!key(&[0x41, 0x9a]));
        assert!(!key(&[0x78, 0, 2, 0x41, 0x9a]));
    }

    #[test]
    fn no_payload_panics() {
        let look = |codec: Codec, p: &mut [u8]| {
            if let Some(numbers) = codec.inspect(p).numbers {
                numbers.patch(p, 1, 1);
            }
        };
        for codec in Codec::ALL {
            for a in 0..=255u8 {
                (0..6).for_each(|n| look(codec, &mut vec![a; n]));
            }
            // Random bytes, and random changes of packets that are something.
            let mut rng = StdRng::seed_from_u64(9);
            let seeds: [&[u8]; 4] = [
                &[0x90, 0xe0, 0x92, 0x34, 0x07, 0x00, 0x10, 0x02],
                &[0xaa, 0x81, 0x02, 0x00, 0x07, 0x18, 1, 0x40, 0, 0xf0, 2, 0x14, 1, 0x08, 1, 2, 0x82],
                &[0x28, 2, 0x08, 0x00, 0x30, 0x10, 9, 9],
                &[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42],
            ];
            for n in 0..40_000 {
                let mut p = seeds[n % 4].to_vec();
                if n % 8 < 4 {
                    p = (0..rng.random_range(0..24)).map(|_| rng.random()).collect();
                }
                p.truncate(rng.random_range(0..=p.len()));
                for _ in 0..rng.random_range(0..3) {
                    if let Some(at) = p.len().checked_sub(1) {
                        p[rng.random_range(0..=at)] = rng.random();
                    }
                }
                look(codec, &mut p);
            }
        }
    }

    #[test]
    fn vp8_descriptors_of_every_kind() {
        let seen = |p: &[u8]| Codec::Vp8.inspect(p);
        // The picture begins with partition 0 alone: S set and PID 0.
        assert!(!seen(&[0x11, 0x10]).key_start && !seen(&[0x00, 0x10]).key_start);
        // T or K alone takes a byte before the frame; 7-bit picture ids take one, too.
        for flags in [0x10u8, 0x20, 0x30] {
            assert!(seen(&[0x90, flags, 0x01, 0x10]).key_start, "{flags:x}");
            assert!(!seen(&[0x90, flags, 0x00, 0x11]).key_start, "{flags:x}");
        }
        let both = seen(&[0x90, 0xc0, 0x05, 0x09, 0x10]);
        assert!(both.key_start);
        assert_eq!(both.numbers, Some(Numbers { picture_id: Some((2, false)), tl0: Some(3) }));
        assert_eq!(both.numbers.unwrap().read_picture_id(&[0x90, 0xc0, 0x05]), Some(5));
        let mut p = [0x90, 0xc0, 0x7e, 0x09, 0x10];
        both.numbers.unwrap().patch(&mut p, 0x101, 3);
        assert_eq!(p, [0x90, 0xc0, 0x7f, 0x0c, 0x10], "stays 7 bits wide");
    }

    #[test]
    fn vp8_temporal_layers() {
        let seen = |p: &[u8]| Codec::Vp8.inspect(p).temporal;
        // T and K: layer 2 with Y, then layer 1 without; the low five bits are KEYIDX.
        assert_eq!(seen(&[0x90, 0x30, 0xbf, 0x11]), Temporal::new(2, true, true));
        assert_eq!(seen(&[0x80, 0x30, 0x5f, 0x11]), Temporal::new(1, false, false));
        assert_eq!(seen(&[0x90, 0x10, 0xff, 0x11]), Temporal::new(0, false, true), "KEYIDX alone");
        assert_eq!(seen(&[0x10, 0x11]), Temporal::new(0, false, true), "no descriptor");
        assert_eq!(seen(&[0x91, 0x20, 0x40, 0x11]), Temporal::new(1, false, false), "a later partition");
        let t = Temporal::new(3, true, false);
        assert_eq!((t.layer(), t.sync(), t.begins()), (3, true, false));
    }

    #[test]
    fn h264_pictures_begin_with_their_first_slice() {
        let key = |p: &[u8]| Codec::H264.inspect(p).key_start;
        assert!(key(&[0x65, 0x88]) && !key(&[0x65, 0x20]), "first macroblock 0");
        assert!(key(&[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x65, 0x88]));
        assert!(!key(&[0x7c, 0x81, 0x88]), "a fragmented slice that is no IDR");
        assert!(!key(&[0x7c, 0x85, 0x20]), "an IDR slice further down");
        assert!(!key(&[0x78, 0, 9, 0x41, 0x67]) && !key(&[]));
    }
}
