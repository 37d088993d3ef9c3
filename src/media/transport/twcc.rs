//! Transport-wide feedback as clients send it, read in place: which packets came, and when
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! It comes 10–20 times a second from every subscriber, so nothing is copied or allocated.

use bytes::Bytes;

/// More statuses than this in one message are no honest client's: at 100 ms it would be 20 000
/// packets/s.
const MAX_STATUS: u16 = 2048;
const HEAD: usize = 20;
const TICK_US: i64 = 250;
const REFERENCE_US: i64 = 64_000;

/// One well-formed feedback message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportFeedback {
    bytes: Bytes,
    /// Where the arrival times begin.
    deltas: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Missing,
    Small,
    Large,
}

impl TransportFeedback {
    /// Whether an RTCP packet is one: RTPFB (205), format 15.
    #[must_use]
    pub fn is(packet: &[u8]) -> bool {
        packet.len() >= HEAD && packet[0] & 0x1f == 15 && packet[1] == 205
    }

    /// Checks one RTCP packet, header included. `None`: malformed.
    #[must_use]
    pub fn parse(bytes: Bytes) -> Option<Self> {
        if !Self::is(&bytes) {
            return None;
        }
        let mut this = Self { bytes, deltas: HEAD };
        if this.count() > MAX_STATUS {
            return None;
        }
        let mut left = this.count();
        let mut length = 0;
        while left > 0 {
            let chunk = this.chunk(this.deltas)?;
            let covered = chunk.covers().min(left);
            length += (0..covered).map(|n| chunk.status(n).length()).sum::<usize>();
            left -= covered;
            this.deltas += 2;
        }
        (this.deltas + length <= this.bytes.len()).then_some(this)
    }

    /// Packets spoken of.
    #[must_use]
    pub fn count(&self) -> u16 {
        u16::from_be_bytes([self.bytes[14], self.bytes[15]])
    }

    /// Number of the first packet that is told of.
    #[must_use]
    pub fn first(&self) -> u16 {
        u16::from_be_bytes([self.bytes[12], self.bytes[13]])
    }

    /// Calls `told` for every packet in order: its number, and when it arrived in µs on the client's
    /// clock; `None`: not yet.
    pub fn each(&self, mut told: impl FnMut(u16, Option<i64>)) {
        let b = &self.bytes;
        let mut number = self.first();
        // 24 bits, signed.
        let reference = i32::from_be_bytes([b[16], b[17], b[18], 0]) >> 8;
        let mut at = i64::from(reference) * REFERENCE_US;
        let (mut left, mut chunk_at, mut delta_at) = (self.count(), HEAD, self.deltas);
        while let Some(chunk) = self.chunk(chunk_at).filter(|_| left > 0) {
            let covered = chunk.covers().min(left);
            for n in 0..covered {
                let delta = match chunk.status(n) {
                    Status::Missing => None,
                    Status::Small => Some(i64::from(b[delta_at])),
                    Status::Large => Some(i64::from(i16::from_be_bytes([b[delta_at], b[delta_at + 1]]))),
                };
                delta_at += chunk.status(n).length();
                at += delta.unwrap_or(0) * TICK_US;
                told(number, delta.map(|_| at));
                number = number.wrapping_add(1);
            }
            left -= covered;
            chunk_at += 2;
        }
    }

    fn chunk(&self, at: usize) -> Option<Chunk> {
        let bytes = self.bytes.get(at..at + 2)?;
        Some(Chunk(u16::from_be_bytes([bytes[0], bytes[1]])))
    }
}

/// A packet status chunk (§3.1.3, §3.1.4).
#[derive(Clone, Copy)]
struct Chunk(u16);

impl Chunk {
    fn covers(self) -> u16 {
        match self.0 >> 14 {
            0 | 1 => self.0 & 0x1fff, // a run
            2 => 14,                  // one bit each
            _ => 7,                   // two bits each
        }
    }

    /// Of the `n`-th packet that it covers.
    fn status(self, n: u16) -> Status {
        let symbol = match self.0 >> 14 {
            0 | 1 => self.0 >> 13 & 3,
            2 => self.0 >> (13 - n) & 1,
            _ => self.0 >> (12 - 2 * n) & 3,
        };
        match symbol {
            1 => Status::Small,
            2 => Status::Large,
            // 3 is reserved: it has no arrival time that we could read.
            _ => Status::Missing,
        }
    }
}

impl Status {
    /// Bytes of its arrival time.
    fn length(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::rtcp::Compound;

    fn told(feedback: &TransportFeedback) -> Vec<(u16, Option<i64>)> {
        let mut all = Vec::new();
        feedback.each(|number, at| all.push((number, at)));
        all
    }

    #[test]
    fn what_is_written_is_read_back() {
        let arrivals = [Some(1_000_000u64), None, Some(1_000_500), Some(1_900_000), Some(1_899_000)];
        let mut c = Compound::default();
        c.transport_feedback(1, 2, 3, 65_534, &arrivals);
        let read = TransportFeedback::parse(c.finish().freeze()).unwrap();
        let expected: Vec<_> =
            [65_534, 65_535, 0, 1, 2].into_iter().zip(arrivals.iter().map(|a| a.map(|a| a as i64))).collect();
        assert_eq!(told(&read), expected);
    }

    /// The header of a message about `count` packets from 10 on, reference time −1.
    fn message(count: u16, rest: &[u8]) -> Bytes {
        let mut p = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10];
        p.extend(count.to_be_bytes());
        p.extend([0xff, 0xff, 0xff, 7]);
        p.extend(rest);
        Bytes::from(p)
    }

    #[test]
    fn runs_and_bit_vectors() {
        // A run of 3 small, then one bit each (1, 0, 1, …), then two bits each (large, missing).
        let rest = [0x20, 3, 0b1010_1000, 0, 0b1110_0000, 0, 4, 0, 8, 1, 2, 0xff, 0xfc];
        let read = TransportFeedback::parse(message(19, &rest)).unwrap();
        let all = told(&read);
        assert!(all.iter().map(|(number, _)| *number).eq(10..29));
        let arrived: Vec<_> = all.iter().filter_map(|(n, at)| Some((*n, (*at)? + 64_000))).collect();
        assert_eq!(arrived, [(10, 1_000), (11, 1_000), (12, 3_000), (13, 3_250), (15, 3_750), (27, 2_750)]);
    }

    #[test]
    fn malformed_messages_are_refused() {
        let rest = [0x20, 3, 4, 0, 8];
        assert!(TransportFeedback::parse(message(3, &rest)).is_some());
        assert!(TransportFeedback::parse(message(4, &rest)).is_none(), "times of a chunk that is none");
        for cut in 0..rest.len() {
            assert!(TransportFeedback::parse(message(3, &rest[..cut])).is_none(), "{cut} bytes");
        }
        assert!(TransportFeedback::parse(message(u16::MAX, &[0x1f; 64])).is_none(), "too many");
        let whole = message(3, &rest);
        for cut in 0..20 {
            assert!(TransportFeedback::parse(whole.slice(..cut)).is_none());
        }
    }
}
