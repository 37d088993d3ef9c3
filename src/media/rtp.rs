//! RTP packets as views on bytes: reading and writing headers without allocation (RFC 3550 §5.1,
//! RFC 8285 one-byte header extensions).

/// Longest header that is accepted: 12 + 15 CSRCs + extensions, far above real use.
const MAX_HEADER: usize = 255;

/// A parsed RTP header; offsets point into the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    pub payload_type: u8,
    pub marker: bool,
    pub padding: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Length of the whole header, extensions included.
    pub length: usize,
    /// Where the one-byte header extensions stand.
    extensions: (u8, u8),
}

impl RtpHeader {
    /// `None`: not RTP version 2, or truncated.
    #[must_use]
    pub fn read(p: &[u8]) -> Option<Self> {
        if p.len() < 12 || p[0] >> 6 != 2 {
            return None;
        }
        let mut length = 12 + 4 * usize::from(p[0] & 0x0f);
        let mut extensions = (0, 0);
        if p[0] & 0x10 != 0 {
            let head = p.get(length..length + 4)?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let from = length + 4;
            length = from + 4 * words;
            if length > MAX_HEADER {
                return None;
            }
            if head[..2] == [0xbe, 0xde] {
                extensions = (from as u8, length as u8);
            }
        }
        if p.len() < length || length > MAX_HEADER {
            return None;
        }
        let word = |at: usize| u32::from_be_bytes([p[at], p[at + 1], p[at + 2], p[at + 3]]);
        Some(Self {
            payload_type: p[1] & 0x7f,
            marker: p[1] & 0x80 != 0,
            padding: p[0] & 0x20 != 0,
            sequence: u16::from_be_bytes([p[2], p[3]]),
            timestamp: word(4),
            ssrc: word(8),
            length,
            extensions,
        })
    }

    /// The data of extension `id` (1–14) in the datagram that this header was read from.
    #[must_use]
    pub fn extension<'a>(&self, p: &'a [u8], id: u8) -> Option<&'a [u8]> {
        let mut rest = p.get(usize::from(self.extensions.0)..usize::from(self.extensions.1))?;
        while let Some((&head, tail)) = rest.split_first() {
            let (found, length) = (head >> 4, usize::from(head & 0x0f) + 1);
            match found {
                0 => rest = tail, // padding byte
                15 => return None,
                _ => {
                    let data = tail.get(..length)?;
                    if found == id {
                        return Some(data);
                    }
                    rest = &tail[length..];
                }
            }
        }
        None
    }
}

/// RTCP shares the port: payload types 192–223 (RFC 5761 §4).
#[must_use]
pub fn is_rtcp(p: &[u8]) -> bool {
    p.len() >= 8 && (192..=223).contains(&p[1])
}

/// Fields of a packet that we send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// One forwarded header extension of one byte: (id, value).
    pub extension: Option<(u8, u8)>,
    /// Transport-wide number: (id, number).
    pub transport_cc: Option<(u8, u16)>,
}

impl Outgoing {
    /// Appends the header; returns its length.
    pub fn write(&self, out: &mut Vec<u8>) -> usize {
        let x = if self.extension.is_some() || self.transport_cc.is_some() { 0x10 } else { 0 };
        out.extend_from_slice(&[0x80 | x, self.payload_type | u8::from(self.marker) << 7]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        // One-byte elements, filled up with zeros to whole words (RFC 8285 §4.2).
        match (self.extension, self.transport_cc.map(|(id, n)| (id, n.to_be_bytes()))) {
            (None, None) => 12,
            (Some((id, value)), None) => {
                out.extend_from_slice(&[0xbe, 0xde, 0, 1, id << 4, value, 0, 0]);
                20
            }
            (None, Some((id, n))) => {
                out.extend_from_slice(&[0xbe, 0xde, 0, 1, id << 4 | 1, n[0], n[1], 0]);
                20
            }
            (Some((id, value)), Some((tid, n))) => {
                let elements = [id << 4, value, tid << 4 | 1, n[0], n[1], 0, 0, 0];
                out.extend_from_slice(&[0xbe, 0xde, 0, 2]);
                out.extend_from_slice(&elements);
                24
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let ones = [None, Some((5, 0x83))];
        for (extension, transport_cc) in ones.into_iter().flat_map(|e| [(e, None), (e, Some((3, 0xfe01)))]) {
            let out = Outgoing {
                payload_type: 96,
                marker: true,
                sequence: 65_535,
                timestamp: 0xdead_beef,
                ssrc: 0x0102_0304,
                extension,
                transport_cc,
            };
            let mut p = Vec::new();
            let length = out.write(&mut p);
            p.extend(b"payload");
            let h = RtpHeader::read(&p).unwrap();
            assert_eq!((h.payload_type, h.marker, h.padding), (96, true, false));
            assert_eq!((h.sequence, h.timestamp, h.ssrc), (65_535, 0xdead_beef, 0x0102_0304));
            assert_eq!(h.length, length);
            assert_eq!(h.extension(&p, 5), extension.is_some().then_some(&[0x83][..]));
            let number = transport_cc.map(|_| &[0xfe, 0x01][..]);
            assert_eq!(h.extension(&p, 3), number);
            assert_eq!(h.extension(&p, 6), None);
        }
    }

    #[test]
    fn several_extensions_and_padding_bytes() {
        let mut p = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 2];
        p.extend([0x10, b'm', 0, 0x22, b'a', b'b', b'c', 0]);
        let h = RtpHeader::read(&p).unwrap();
        assert_eq!(h.extension(&p, 1), Some(&b"m"[..]));
        assert_eq!(h.extension(&p, 2), Some(&b"abc"[..]));
        assert_eq!(h.length, 24);
    }

    #[test]
    fn truncated_headers_are_refused() {
        let good = [0x91, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x10, 1, 0, 0];
        assert!(RtpHeader::read(&good).is_some());
        for n in 0..good.len() {
            assert!(RtpHeader::read(&good[..n]).is_none(), "{n} bytes");
        }
        assert!(RtpHeader::read(&[0x40; 20]).is_none());
    }
}
