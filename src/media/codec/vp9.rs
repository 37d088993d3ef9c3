//! The VP9 payload descriptor (RFC 9628 §4.2): where a picture begins that needs no other, and where
//! its numbers stand.
//!
//! One SSRC may carry several spatial layers (SVC). They are forwarded whole, as one stream: all
//! layers of a picture share one PictureID and one time stamp, and its key frame is the one of the
//! lowest layer. PictureID and TL0PICIDX are moved like VP8's; differences between pictures (P_DIFF)
//! are relative and stay right.

use crate::media::codec::{Numbers, Payload};

const I: u8 = 0x80;
const P: u8 = 0x40;
const L: u8 = 0x20;
const F: u8 = 0x10;
const B: u8 = 0x08;
const V: u8 = 0x02;
/// RFC 9628 §4.2: a picture refers to at most three.
const MOST_REFERENCES: usize = 3;

/// `None`: the descriptor is cut short or breaks its rules.
pub fn parse(p: &[u8]) -> Option<Payload> {
    let flags = *p.first()?;
    let mut at = 1usize;
    let mut numbers = Numbers::default();
    if flags & I != 0 {
        let wide = *p.get(at)? & 0x80 != 0;
        numbers.picture_id = Some((at as u8, wide));
        at += if wide { 2 } else { 1 };
    }
    let mut spatial = 0;
    if flags & L != 0 {
        spatial = *p.get(at)? >> 1 & 0x07;
        at += 1;
        if flags & F == 0 {
            numbers.tl0 = Some(at as u8);
            at += 1;
        }
    }
    if flags & (F | P) == F | P {
        let references = p.get(at..)?.iter().take(MOST_REFERENCES);
        let before_last = references.take_while(|byte| **byte & 1 != 0).count();
        if before_last == MOST_REFERENCES {
            return None;
        }
        at += before_last + 1;
    }
    if flags & V != 0 {
        at += structure(p.get(at..)?)?;
    }
    // The numbers above are inside the packet when there is a payload behind them.
    let head = *p.get(at)?;
    let begins = flags & (B | P) == B && spatial == 0;
    let key_start = begins && is_key_frame(head);
    Some(Payload { key_start, numbers: Some(numbers), ..Payload::default() })
}

/// Length of a scalability structure.
fn structure(p: &[u8]) -> Option<usize> {
    let flags = *p.first()?;
    let layers = usize::from(flags >> 5) + 1;
    let mut at = 1;
    if flags & 0x10 != 0 {
        at += 4 * layers; // width and height of each
    }
    if flags & 0x08 != 0 {
        let pictures = *p.get(at)?;
        at += 1;
        for _ in 0..pictures {
            let references = *p.get(at)? >> 2 & 0x03;
            at += 1 + usize::from(references);
        }
    }
    Some(at)
}

/// The first byte of VP9's uncompressed header: frame_marker, profile, show_existing_frame,
/// frame_type. A picture without references may also be an intra-only one, with which no decoder
/// can begin.
fn is_key_frame(head: u8) -> bool {
    const MARKER: u8 = 0b10;
    // Profile 3 has one reserved bit more.
    let shift = if head & 0x30 == 0x30 { 1 } else { 2 };
    head >> 6 == MARKER && head >> shift & 0b11 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Codec;

    fn key(p: &[u8]) -> bool {
        Codec::Vp9.inspect(p).key_start
    }

    /// Uncompressed headers of profile 0: key frame, inter frame, show_existing_frame.
    const KEY: u8 = 0x82;
    const INTER: u8 = 0x86;
    const SHOWN_AGAIN: u8 = 0x88;

    #[test]
    fn key_frames_begin_with_the_lowest_layer() {
        for (what, packet, expected) in [
            ("no flags but the beginning", &[B, KEY][..], true),
            ("inter-predicted", &[B | P, INTER], false),
            ("not the beginning", &[0, KEY], false),
            ("intra-only: no references, but no key frame", &[B, INTER], false),
            ("an older picture shown again", &[B, SHOWN_AGAIN], false),
            ("no VP9", &[B, 0x02], false),
            ("profile 3", &[B, 0xb1], true),
            ("15-bit id, layer 0, structure with sizes and a group of two", KEY_WITH_STRUCTURE, true),
            ("spatial layer 1 of a key picture", &[I | L | B, 0x81, 0x01, 0x03, 5, KEY], false),
            ("flexible, layer 0", &[I | L | F | B, 0x01, 0x00, KEY], true),
            ("flexible, with references", &[I | P | L | F | B, 0x01, 0x00, 0x03, 0x04, INTER], false),
            ("four references", &[I | P | L | F | B, 0x01, 0x00, 3, 5, 7, 9, KEY], false),
            ("nothing behind the descriptor", &[I | B, 0x01], false),
            ("a structure that is cut short", &[B | V, 0x18, 1, 2, 3, 4], false),
        ] {
            assert_eq!(key(packet), expected, "{what}");
        }
    }

    const KEY_WITH_STRUCTURE: &[u8] = &[
        I | L | B | V,
        0x81,
        0x02,
        0x00, // TID 0, SID 0
        0x07, // TL0PICIDX
        0x18, // one layer, sizes, group
        0x01,
        0x40,
        0x00,
        0xf0,
        2,    // two pictures
        0x14, // one reference
        1,
        0x08, // two references
        1,
        2,
        KEY,
    ];

    #[test]
    fn numbers_are_found_and_moved() {
        let mut p = [I | P | L | B, 0x92, 0x34, 0x00, 0x07, INTER];
        let numbers = Codec::Vp9.inspect(&p).numbers.unwrap();
        assert_eq!((numbers.read_picture_id(&p), numbers.read_tl0(&p)), (Some(0x1234), Some(7)));
        numbers.patch(&mut p, 0x7fff, 255);
        assert_eq!((numbers.read_picture_id(&p), numbers.read_tl0(&p)), (Some(0x1233), Some(6)));
        assert_eq!(p[1] & 0x80, 0x80, "stays 15 bits wide");
        // Seven bits; the flexible mode has no TL0PICIDX.
        let mut p = [I | L | F | B, 0x7f, 0x00, KEY];
        let numbers = Codec::Vp9.inspect(&p).numbers.unwrap();
        assert_eq!(numbers.tl0, None);
        numbers.patch(&mut p, 2, 9);
        assert_eq!(p, [I | L | F | B, 0x01, 0x00, KEY]);
        assert_eq!(Codec::Vp9.inspect(&[I | L, 0x92, 0x34, 0x00]).numbers, None, "cut short");
    }
}
