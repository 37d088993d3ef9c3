//! What the forwarder must know of payloads: where pictures begin, which are key frames, and the
//! VP8 numbers that a switch has to keep continuous. Nothing is decoded.

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
}

impl Codec {
    pub const ALL: [Self; 3] = [Self::Opus, Self::Vp8, Self::H264];

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
            Self::Vp8 => inspect_vp8(payload),
            Self::H264 => Payload { key_start: h264_key_start(payload), ..Payload::default() },
        }
    }
}

/// What a payload is, as far as forwarding goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The first packet of a key frame.
    pub key_start: bool,
    pub vp8: Option<Vp8>,
}

/// Offsets of the VP8 payload descriptor's numbers (RFC 7741 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8 {
    /// Where PictureID stands and whether it has 15 bits.
    pub picture_id: Option<(u8, bool)>,
    /// Where TL0PICIDX stands.
    pub tl0: Option<u8>,
}

fn inspect_vp8(p: &[u8]) -> Payload {
    parse_vp8(p).unwrap_or_default()
}

fn parse_vp8(p: &[u8]) -> Option<Payload> {
    let first = *p.first()?;
    let start = first & 0x10 != 0 && first & 0x07 == 0;
    let mut at = 1usize;
    let mut vp8 = Vp8 { picture_id: None, tl0: None };
    if first & 0x80 != 0 {
        let flags = *p.get(at)?;
        at += 1;
        if flags & 0x80 != 0 {
            let wide = *p.get(at)? & 0x80 != 0;
            vp8.picture_id = Some((at as u8, wide));
            at += if wide { 2 } else { 1 };
        }
        if flags & 0x40 != 0 {
            vp8.tl0 = Some(at as u8);
            at += 1;
        }
        if flags & 0x30 != 0 {
            at += 1;
        }
    }
    let header = *p.get(at)?;
    // RFC 7741 §4.3: P = 0 in the first byte of the frame is a key frame.
    Some(Payload { key_start: start && header & 1 == 0, vp8: Some(vp8) })
}

impl Vp8 {
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
    use super::*;

    #[test]
    fn vp8_key_frames_and_numbers() {
        // X, I (15 bits), L, T set; start of partition 0; key frame.
        let mut p = [0x90, 0xe0, 0x92, 0x34, 0x07, 0x00, 0x10, 0x02];
        let seen = Codec::Vp8.inspect(&p);
        assert!(seen.key_start);
        let vp8 = seen.vp8.unwrap();
        assert_eq!(vp8.read_picture_id(&p), Some(0x1234));
        assert_eq!(vp8.read_tl0(&p), Some(7));
        vp8.patch(&mut p, 0x7fff, 255);
        assert_eq!(vp8.read_picture_id(&p), Some(0x1233));
        assert_eq!(p[2] & 0x80, 0x80, "stays 15 bits wide");
        assert_eq!(vp8.read_tl0(&p), Some(6));
        // A later partition, and a delta frame.
        assert!(!Codec::Vp8.inspect(&[0x81, 0x80, 0x05, 0x10]).key_start);
        assert!(!Codec::Vp8.inspect(&[0x10, 0x11]).key_start);
        assert!(Codec::Vp8.inspect(&[0x10, 0x10]).key_start);
    }

    #[test]
    fn seven_bit_picture_ids_stay_so() {
        let mut p = [0x90, 0x80, 0x7f, 0x00];
        let vp8 = Codec::Vp8.inspect(&p).vp8.unwrap();
        vp8.patch(&mut p, 2, 0);
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
        for codec in Codec::ALL {
            for a in 0..=255u8 {
                for n in 0..6 {
                    let p = vec![a; n];
                    let seen = codec.inspect(&p);
                    if let Some(vp8) = seen.vp8 {
                        vp8.patch(&mut p.clone(), 1, 1);
                    }
                }
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
        assert_eq!(both.vp8, Some(Vp8 { picture_id: Some((2, false)), tl0: Some(3) }));
        assert_eq!(both.vp8.unwrap().read_picture_id(&[0x90, 0xc0, 0x05]), Some(5));
        let mut p = [0x90, 0xc0, 0x7e, 0x09, 0x10];
        both.vp8.unwrap().patch(&mut p, 0x101, 3);
        assert_eq!(p, [0x90, 0xc0, 0x7f, 0x0c, 0x10], "stays 7 bits wide");
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
