//! Opus with redundancy (RED, RFC 2198): each packet repeats the frames of the packets before it.
//!
//! Publishers that offer it may send it; what is forwarded is plain Opus. The primary block is the
//! packet itself. A redundant block is of use only when its own packet was lost, and RED says its
//! time but not its number: `place` finds the number from the neighbours that did arrive and from
//! the length of the frames (RFC 6716 §3.1), and gives none where a pause (DTX) leaves it open. A
//! guess would put a frame under a number that another packet has.

use std::ops::Range;

/// Redundant blocks that are looked at; browsers send one or two. Further ones would be older.
pub const MAX_BLOCKS: usize = 8;

/// A packet's blocks, as ranges of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Red {
    pub primary: Range<usize>,
    redundant: [Block; MAX_BLOCKS],
    count: usize,
}

/// A redundant block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// How much earlier than the packet, in ticks of 48 kHz.
    pub offset: u32,
    pub data: Range<usize>,
}

impl Red {
    /// Reads a payload whose blocks are all of payload type `main`. `None`: it is malformed, or of
    /// another codec.
    #[must_use]
    pub fn read(p: &[u8], main: u8) -> Option<Self> {
        let blocks = || headers(p).map_while(|h| h);
        let headers_end: usize = 4 * blocks().count() + 1;
        if p.get(headers_end - 1)? & 0x7f != main || p[headers_end - 1] & 0x80 != 0 {
            return None;
        }
        let mut red = Self { primary: 0..0, redundant: Default::default(), count: 0 };
        let mut at = headers_end;
        for (payload_type, offset, length) in blocks() {
            let data = at..at + length;
            at = data.end;
            if at > p.len() || payload_type != main {
                return None;
            }
            // Oldest first. Empty ones say that there was nothing to repeat.
            if length > 0 && offset > 0 {
                if red.count == MAX_BLOCKS {
                    red.redundant.rotate_left(1);
                    red.count -= 1;
                }
                red.redundant[red.count] = Block { offset, data };
                red.count += 1;
            }
        }
        red.primary = at..p.len();
        Some(red)
    }

    /// Newest first.
    pub fn redundant(&self) -> impl Iterator<Item = &Block> {
        self.redundant[..self.count].iter().rev()
    }
}

/// The headers before the last, as (payload type, time stamp offset, length); `None` ends them.
fn headers(p: &[u8]) -> impl Iterator<Item = Option<(u8, u32, usize)>> {
    p.chunks(4).map(|h| match h {
        [first, a, b, c] if first & 0x80 != 0 => {
            let rest = u32::from_be_bytes([0, *a, *b, *c]);
            Some((first & 0x7f, rest >> 10, (rest & 0x3ff) as usize))
        }
        _ => None,
    })
}

/// Length of an Opus packet in ticks of 48 kHz (RFC 6716 §3.1, §3.2). `None`: it is none.
#[must_use]
pub fn opus_duration(p: &[u8]) -> Option<u32> {
    const MS: u32 = 48;
    let toc = *p.first()?;
    let size = usize::from(toc >> 3 & 0x03);
    let frame = match toc >> 3 {
        0..12 => [10 * MS, 20 * MS, 40 * MS, 60 * MS][size],
        12..16 => [10 * MS, 20 * MS][size & 1],
        _ => [MS * 5 / 2, 5 * MS, 10 * MS, 20 * MS][size],
    };
    let frames = match toc & 0x03 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(p.get(1)? & 0x3f),
    };
    let all = frame * frames;
    (1..=120 * MS).contains(&all).then_some(all)
}

/// A packet that is there: its extended number, time stamp and length in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    pub ext: u64,
    pub timestamp: u32,
    pub duration: u32,
}

/// The number of a frame at `timestamp` that lies between two packets that are there. `None`: it
/// cannot be told.
#[must_use]
pub fn place(before: Neighbour, after: Neighbour, timestamp: u32, duration: u32) -> Option<u64> {
    let missing = after.ext.checked_sub(before.ext)?.checked_sub(1)?;
    let since = timestamp.wrapping_sub(before.timestamp);
    let until = after.timestamp.wrapping_sub(timestamp);
    let whole = after.timestamp.wrapping_sub(before.timestamp);
    let inside = (since as i32) > 0 && (until as i32) > 0 && (whole as i32) > 0;
    if missing == 0 || !inside {
        return None;
    }
    // Frames that touch are neighbours. If all between would just fill the time, none was left out.
    if until == duration {
        Some(after.ext - 1)
    } else if since == before.duration || missing == 1 {
        Some(before.ext + 1)
    } else if (missing + 1).checked_mul(duration.into()) == Some(whole.into())
        && since.is_multiple_of(duration)
    {
        Some(before.ext + u64::from(since / duration))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const OPUS: u8 = 111;
    /// CELT, 20 ms, one frame.
    const TOC: u8 = 0xf8;

    /// A payload with redundant blocks of (offset, data) and a primary one.
    fn payload(blocks: &[(u32, &[u8])], primary: &[u8]) -> Vec<u8> {
        let mut p = Vec::new();
        for (offset, data) in blocks {
            p.push(0x80 | OPUS);
            p.extend(&(offset << 10 | data.len() as u32).to_be_bytes()[1..]);
        }
        p.push(OPUS);
        p.extend(blocks.iter().flat_map(|(_, data)| *data));
        p.extend(primary);
        p
    }

    #[test]
    fn blocks_are_read_newest_first() {
        let p = payload(&[(1920, b"old"), (960, b"newer")], b"now");
        let red = Red::read(&p, OPUS).unwrap();
        assert_eq!(&p[red.primary.clone()], b"now");
        let blocks: Vec<_> = red.redundant().map(|b| (b.offset, &p[b.data.clone()])).collect();
        assert_eq!(blocks, [(960, &b"newer"[..]), (1920, b"old")]);
        let plain = payload(&[], b"now");
        assert_eq!(Red::read(&plain, OPUS).unwrap().redundant().count(), 0);
        // The largest offset and length; blocks that say nothing; more blocks than are looked at.
        let long = [7; 1023];
        let p = payload(&[(0x3fff, &long), (960, b"")], b"x");
        let red = Red::read(&p, OPUS).unwrap();
        assert_eq!(red.redundant().map(|b| (b.offset, b.data.len())).collect::<Vec<_>>(), [(0x3fff, 1023)]);
        let many: Vec<(u32, &[u8])> = (1..=12).rev().map(|n| (n * 960, &b"a"[..])).collect();
        let p = payload(&many, b"x");
        let red = Red::read(&p, OPUS).unwrap();
        let offsets: Vec<u32> = red.redundant().map(|b| b.offset / 960).collect();
        assert_eq!(offsets, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(&p[red.primary], b"x");
    }

    #[test]
    fn what_is_malformed_or_foreign_is_refused() {
        let good = payload(&[(1920, b"abc"), (960, b"def")], b"now");
        for (what, p) in [
            ("nothing", vec![]),
            ("a header that is cut short", vec![0x80 | OPUS, 0, 4]),
            ("headers without a last one", vec![0x80 | OPUS, 0, 4, 1]),
            ("a block beyond the end", payload(&[(960, &[1; 9])], b"")[..10].to_vec()),
            ("another codec's primary", vec![13, 1, 2]),
            ("another codec's redundancy", vec![0x8d, 15, 0, 1, OPUS, 1, 2]),
        ] {
            assert_eq!(Red::read(&p, OPUS), None, "{what}");
        }
        for n in 0..good.len() - 3 {
            assert_eq!(Red::read(&good[..n], OPUS), None, "{n} bytes");
        }
        let mut rng = StdRng::seed_from_u64(3);
        for n in 0..100_000 {
            let mut p = good.clone();
            if n % 2 == 0 {
                p = (0..rng.random_range(0..40)).map(|_| rng.random()).collect();
            }
            p.iter_mut().filter(|_| rng.random_ratio(1, 9)).for_each(|b| *b ^= 1 << (n % 8));
            if let Some(red) = Red::read(&p, OPUS) {
                let inside = |r: &Range<usize>| r.start <= r.end && r.end <= p.len();
                assert!(inside(&red.primary) && red.redundant().all(|b| inside(&b.data)), "{p:?}");
                let longest = red.redundant().filter_map(|b| opus_duration(&p[b.data.clone()])).max();
                assert!(longest.is_none_or(|ticks| ticks <= 5760));
            }
        }
    }

    #[test]
    fn no_number_is_taken_from_a_packet_that_is_there() {
        let mut rng = StdRng::seed_from_u64(4);
        let mut placed = 0;
        for _ in 0..200_000 {
            let mut any = || Neighbour {
                ext: rng.random_range(0..9),
                timestamp: rng.random_range(0..20u32).wrapping_sub(9).wrapping_mul(480),
                duration: rng.random_range(0..4) * 480,
            };
            let (before, after, frame) = (any(), any(), any());
            if let Some(n) = place(before, after, frame.timestamp, frame.duration.max(1)) {
                assert!(before.ext < n && n < after.ext, "{before:?} {n} {after:?}");
                placed += 1;
            }
        }
        assert!(placed > 1_000);
        let end = |ext| Neighbour { ext, timestamp: 9, duration: 960 };
        assert_eq!(place(end(u64::MAX), end(0), 10, 960), None);
    }

    #[test]
    fn opus_says_how_long_it_is() {
        for (packet, ms_times_two) in [
            (&[TOC][..], Some(40)),
            (&[0x00], Some(20)),        // SILK 10 ms
            (&[0x18], Some(120)),       // SILK 60 ms
            (&[0x68], Some(40)),        // hybrid 20 ms
            (&[0x80], Some(5)),         // CELT 2.5 ms
            (&[TOC | 1], Some(80)),     // two frames
            (&[TOC | 3, 3], Some(120)), // three
            (&[TOC | 3, 0], None),
            (&[TOC | 3, 7], None), // longer than a packet may be
            (&[TOC | 3], None),
            (&[], None),
        ] {
            assert_eq!(opus_duration(packet), ms_times_two.map(|n| n * 24), "{packet:?}");
        }
    }

    #[test]
    fn a_frame_finds_its_number_or_none() {
        let at = |ext, timestamp| Neighbour { ext, timestamp, duration: 960 };
        let wrapped = 0u32.wrapping_sub(960);
        for (what, before, after, timestamp, expected) in [
            ("the one that is missing", at(10, 960), at(12, 2880), 1920, Some(11)),
            ("across the end of the clock", at(10, wrapped), at(12, 960), 0, Some(11)),
            ("the last of three", at(10, 0), at(14, 3840), 2880, Some(13)),
            ("the first of three", at(10, 0), at(14, 3840), 960, Some(11)),
            ("the middle of three", at(10, 0), at(14, 3840), 1920, Some(12)),
            ("the last before a packet, a pause before", at(10, 0), at(13, 48_000), 47_040, Some(12)),
            ("the first after a packet, a pause behind", at(10, 0), at(13, 48_000), 960, Some(11)),
            ("the only one, a pause on both sides", at(10, 0), at(12, 48_000), 20_000, Some(11)),
            ("somewhere in a pause", at(10, 0), at(14, 48_000), 20_160, None),
            ("nothing is missing", at(10, 0), at(11, 1920), 960, None),
            ("older than what is before", at(10, 1920), at(12, 3840), 960, None),
            ("what is before itself", at(10, 960), at(12, 2880), 960, None),
            ("off the grid", at(10, 0), at(14, 3840), 1000, None),
        ] {
            assert_eq!(place(before, after, timestamp, 960), expected, "{what}");
        }
    }
}
