//! Where a coded video sequence begins in AV1's RTP payload (the AOM payload format, §4.4).
//!
//! Read from the OBUs themselves, so no header extension is needed: a packet that begins a temporal
//! unit with a sequence header and a shown key frame. The dependency descriptor is not negotiated:
//! its frame numbers would have to be rewritten at each switch. Without it there is nothing to
//! rewrite in an AV1 packet, but browsers cannot put several spatial layers of one SSRC together.

/// AV1 bitstream §6.2.2.
const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// Whether a decoder can begin with this packet. `false` for what is no AV1.
pub fn key_start(p: &[u8]) -> bool {
    find(p).unwrap_or(false)
}

fn find(p: &[u8]) -> Option<bool> {
    let (head, mut rest) = p.split_first()?;
    let continues = head & 0x80 != 0;
    let new_sequence = head & 0x08 != 0;
    let without_length = usize::from(head >> 4 & 0x03); // which element has none; 0: all have one
    if continues {
        return Some(false);
    }
    // Of the sequence header: a stream of still pictures, whose frames have no type.
    let mut stills = None;
    let mut nth = 0usize;
    while !rest.is_empty() {
        nth += 1;
        let element = if nth == without_length { rest } else { take_sized(&mut rest)? };
        let (kind, body) = open(element)?;
        match kind {
            SEQUENCE_HEADER => stills = Some(body.first()? & 0x08 != 0),
            FRAME_HEADER | FRAME => {
                let Some(stills) = stills else { return Some(false) };
                // show_existing_frame = 0, frame_type = KEY_FRAME, show_frame = 1
                return Some(stills || body.first()? & 0xf0 == 0x10);
            }
            _ => {}
        }
        if nth == without_length {
            break;
        }
    }
    // The picture itself is in the next packet.
    Some(stills.is_some() && new_sequence)
}

/// Type and content of an OBU (AV1 bitstream §5.3). In RTP its own size field is usually left out.
fn open(element: &[u8]) -> Option<(u8, &[u8])> {
    let head = *element.first()?;
    let mut body = element.get(if head & 0x04 != 0 { 2 } else { 1 }..)?;
    if head & 0x02 != 0 {
        leb128(&mut body)?;
    }
    Some((head >> 3 & 0x0f, body))
}

/// An element with its length before it.
fn take_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = leb128(rest)?;
    let (element, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(element)
}

/// AV1 bitstream §4.10.5; nothing in a packet is longer than three such bytes can say.
fn leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for n in 0..3 {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    // OBU headers without and with a size field.
    const SEQUENCE: u8 = SEQUENCE_HEADER << 3;
    const PICTURE: u8 = FRAME << 3;
    const METADATA: u8 = 5 << 3;
    const SIZED: u8 = 0x02;
    const EXTENDED: u8 = 0x04;
    /// Aggregation headers: W elements; a continuation; a new sequence.
    const Z: u8 = 0x80;
    const N: u8 = 0x08;
    const W1: u8 = 0x10;
    const W2: u8 = 0x20;
    const W3: u8 = 0x30;
    /// First bytes of frame headers.
    const KEY: u8 = 0x10;
    const INTER: u8 = 0x30;
    const HIDDEN_KEY: u8 = 0x00;
    const SHOWN_AGAIN: u8 = 0x80;

    #[test]
    fn a_sequence_header_and_a_shown_key_frame_begin_a_sequence() {
        for (what, packet, expected) in [
            ("as browsers send it", &[N | W2, 2, SEQUENCE, 0x00, PICTURE, KEY, 9, 9][..], true),
            ("without the N bit", &[W2, 2, SEQUENCE, 0x00, PICTURE, KEY], true),
            ("all elements with lengths", &[N, 2, SEQUENCE, 0x00, 2, PICTURE, KEY], true),
            ("OBUs with size fields", &[W2, 3, SEQUENCE | SIZED, 1, 0, PICTURE | SIZED, 1, KEY], true),
            ("with a layer", &[W2, 2, SEQUENCE, 0x00, PICTURE | EXTENDED, 0x08, KEY], true),
            ("metadata between", &[W3, 2, SEQUENCE, 0, 2, METADATA, 1, PICTURE, KEY], true),
            ("the picture in the next packet", &[N | W1, SEQUENCE, 0x00], true),
            ("a sequence header alone", &[W1, SEQUENCE, 0x00], false),
            ("a stream of stills", &[W2, 2, SEQUENCE, 0x18, PICTURE, INTER], true),
            ("a repeated sequence header", &[W2, 2, SEQUENCE, 0x00, PICTURE, INTER], false),
            ("whatever N says", &[N | W2, 2, SEQUENCE, 0x00, PICTURE, INTER], false),
            ("a key frame that is not shown yet", &[W2, 2, SEQUENCE, 0x00, PICTURE, HIDDEN_KEY], false),
            ("an older frame shown again", &[W2, 2, SEQUENCE, 0x00, 24, SHOWN_AGAIN], false),
            ("a key frame without a sequence header", &[W1, PICTURE, KEY], false),
            ("a delta frame", &[W1, PICTURE, INTER], false),
            ("a continuation", &[Z | N | W2, 2, SEQUENCE, 0x00, PICTURE, KEY], false),
            ("a length beyond the end", &[0, 9, SEQUENCE, 0x00], false),
            ("a length without end", &[0, 0xff, 0xff, 0xff, 0xff, 1], false),
            ("nothing", &[N], false),
        ] {
            assert_eq!(key_start(packet), expected, "{what}");
        }
    }
}
