//! Sound that repeats itself towards a subscriber: RED payloads (RFC 2198) out of the shared ring.
//!
//! What is repeated is what the ring still has of the same layer, never from before the slot's own
//! segment began: neither of another talker, nor of a time when the microphone was closed. The other
//! direction, sound of senders, is `red`.

use crate::media::redundancy::{MOST, Redundancy};
use crate::media::ring::{Entry, Ring};

/// A datagram is at most so long, whatever it repeats.
const LONGEST: usize = 1200;
/// Header with both extensions, and what sealing adds.
const AROUND: usize = 24 + crate::media::transport::srtp::MAX_OVERHEAD;
/// Field sizes of a block header (§3).
const MOST_OFFSET: u32 = (1 << 14) - 1;
const MOST_LENGTH: usize = (1 << 10) - 1;

/// Earlier frames that a packet takes along: (ticks earlier, frame), nearest first.
pub struct Repeats<'a> {
    blocks: [(u32, &'a [u8]); MOST],
    count: usize,
}

impl<'a> Repeats<'a> {
    /// Those of `wanted` that are there, are not older than the packet `first`, and fit.
    #[must_use]
    pub fn find(ring: &'a Ring, packet: &Entry, length: usize, first: u64, wanted: Redundancy) -> Self {
        let mut this = Self { blocks: [(0, &[]); MOST], count: 0 };
        let mut size = AROUND + length + 1;
        for distance in wanted.distances() {
            let earlier = packet.ext.checked_sub(distance.into()).filter(|ext| *ext >= first);
            let Some((entry, frame)) = earlier.and_then(|ext| ring.get(ext)) else {
                continue;
            };
            let offset = packet.timestamp.wrapping_sub(entry.timestamp);
            let fits = (1..=MOST_OFFSET).contains(&offset) && frame.len() <= MOST_LENGTH;
            if fits && !frame.is_empty() && size + 4 + frame.len() <= LONGEST {
                size += 4 + frame.len();
                this.blocks[this.count] = (offset, frame);
                this.count += 1;
            }
        }
        this
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Appends the payload: oldest block first, the packet's own last. `main` is the payload type of
    /// every block. Returns how many bytes more it is than the packet's own.
    pub fn write(&self, main: u8, own: &[u8], out: &mut Vec<u8>) -> usize {
        let before = out.len();
        let oldest_first = || self.blocks[..self.count].iter().rev();
        for (offset, frame) in oldest_first() {
            let rest = offset << 10 | frame.len() as u32;
            out.push(0x80 | main);
            out.extend_from_slice(&rest.to_be_bytes()[1..]);
        }
        out.push(main);
        oldest_first().for_each(|(_, frame)| out.extend_from_slice(frame));
        out.extend_from_slice(own);
        out.len() - before - own.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::media::codec::Payload;
    use crate::media::red::Red;
    use crate::media::ring::NewPacket;

    const OPUS: u8 = 111;

    /// A ring with packets of (number, time stamp, length).
    fn ring(packets: &[(u64, u32, usize)]) -> Ring {
        let mut ring = Ring::new(64, 1280);
        for (ext, timestamp, length) in packets {
            let payload = vec![*ext as u8; *length];
            let kind = Payload::default();
            let new = NewPacket {
                ext: *ext,
                timestamp: *timestamp,
                marker: false,
                extension: None,
                kind,
                payload: &payload,
            };
            assert!(ring.insert(new, Instant::now()));
        }
        ring
    }

    /// (offset, first byte, length) of what packet `ext` repeats, newest first, and the payload's length.
    fn repeats(ring: &Ring, ext: u64, first: u64, wanted: Redundancy) -> (Vec<(u32, u8, usize)>, usize) {
        let (entry, own) = ring.get(ext).unwrap();
        let found = Repeats::find(ring, entry, own.len(), first, wanted);
        let mut out = vec![9];
        let more = found.write(OPUS, own, &mut out);
        let payload = &out[1..];
        assert_eq!(more, payload.len() - own.len());
        let red = Red::read(payload, OPUS).unwrap();
        assert_eq!(&payload[red.primary.clone()], own);
        let block = |b: &crate::media::red::Block| (b.offset, payload[b.data.start], b.data.len());
        (red.redundant().map(block).collect(), payload.len())
    }

    #[test]
    fn earlier_frames_of_the_own_segment() {
        let packets: Vec<(u64, u32, usize)> = (100..110u64)
            .map(|n| (n, (n as u32).wrapping_mul(960).wrapping_add(u32::MAX - 100_000), 80))
            .collect();
        let ring = ring(&packets);
        let wanted = Redundancy::new(3, 2);
        assert_eq!(repeats(&ring, 109, 0, wanted).0, [(1920, 107, 80), (3840, 105, 80), (5760, 103, 80)]);
        assert_eq!(repeats(&ring, 109, 104, wanted).0, [(1920, 107, 80), (3840, 105, 80)]);
        assert_eq!(repeats(&ring, 102, 0, wanted).0, [(1920, 100, 80)]);
        assert!(repeats(&ring, 109, 108, wanted).0.is_empty());
        assert!(repeats(&ring, 109, 0, Redundancy::NONE).0.is_empty());
    }

    #[test]
    fn what_no_block_can_say_and_what_does_not_fit_is_left_out() {
        // Lost, silent, too far back, of the same time, too long.
        let ring = ring(&[(1, 0, 9), (3, 16_384, 0), (4, 16_384, 9), (5, 16_384, 1_100), (6, 16_383, 9)]);
        let all = Redundancy::new(3, 1);
        assert_eq!(repeats(&ring, 4, 0, all).0, []);
        assert_eq!(repeats(&ring, 6, 0, Redundancy::new(1, 5)).0, [(16_383, 1, 9)]);
        assert_eq!(repeats(&ring, 6, 0, all).0, []);
        // 1200 bytes are the end.
        let long =
            |last| (1..=4).map(|n| (n, n as u32 * 960, if n == 4 { last } else { 366 })).collect::<Vec<_>>();
        for (last, count) in [(49, 3), (50, 2), (419, 2), (420, 1)] {
            let ring = self::ring(&long(last));
            let (blocks, payload) = repeats(&ring, 4, 0, all);
            assert_eq!(blocks.len(), count, "{last}");
            assert!(payload + AROUND <= LONGEST);
        }
    }
}
