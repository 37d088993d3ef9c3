//! The first ClientHello, read before the library sees it.
//!
//! It is put together from its fragments, whatever their order, and looked at for the SRTP profiles
//! that the client has. Nothing is known yet of who sends it but the ICE password, so what is kept
//! is small: one message of at most 8 KiB, and the few datagrams that brought something new of it.

use bytes::BytesMut;

/// Datagrams kept while the hello is incomplete; clients send it in one or two.
const MAX_DATAGRAMS: usize = 8;

/// What is known of the hello.
pub enum Hello {
    Incomplete,
    Gcm,
    NoGcm,
}

/// Puts the first ClientHello together from its fragments (RFC 6347 §4.2.3) and looks for the GCM
/// profiles in `use_srtp` (RFC 5764 §4.1.1, RFC 7714 §14.2).
#[derive(Default)]
pub struct HelloReader {
    body: Vec<u8>,
    have: Vec<bool>,
    datagrams: Vec<BytesMut>,
}

impl HelloReader {
    /// `None`: not a ClientHello record, or nothing new of it; ignore the datagram.
    pub fn feed(&mut self, datagram: &[u8]) -> Option<Hello> {
        const HANDSHAKE: u8 = 22;
        const CLIENT_HELLO: u8 = 1;
        const MAX_HELLO: usize = 8192;
        let mut rest = datagram;
        let mut new = false;
        while rest.len() >= 13 && rest[0] == HANDSHAKE {
            let length = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
            let mut record = rest.get(13..13 + length)?;
            rest = &rest[13 + length..];
            while record.len() >= 12 {
                let u24 = |i: usize| {
                    usize::from(record[i]) << 16
                        | usize::from(record[i + 1]) << 8
                        | usize::from(record[i + 2])
                };
                let (total, offset, size) = (u24(1), u24(6), u24(9));
                let fragment = record.get(12..12 + size)?;
                if record[0] != CLIENT_HELLO || total > MAX_HELLO || offset + size > total {
                    return None;
                }
                if self.body.len() != total {
                    self.datagrams.clear();
                    self.body = vec![0; total];
                    self.have = vec![false; total];
                }
                new |= self.have[offset..offset + size].contains(&false);
                self.body[offset..offset + size].copy_from_slice(fragment);
                self.have[offset..offset + size].fill(true);
                record = &record[12 + size..];
            }
        }
        if !new {
            return None;
        }
        if self.datagrams.len() >= MAX_DATAGRAMS {
            // No client cuts its hello so fine: begin anew with whatever comes next.
            *self = Self::default();
            return None;
        }
        self.datagrams.push(BytesMut::from(datagram));
        if self.have.contains(&false) {
            return Some(Hello::Incomplete);
        }
        Some(if offers_gcm(&self.body).unwrap_or(false) { Hello::Gcm } else { Hello::NoGcm })
    }

    /// What the hello came in, for the library to read it again.
    pub fn take_datagrams(&mut self) -> Vec<BytesMut> {
        std::mem::take(&mut self.datagrams)
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        2 * self.body.len() + self.datagrams.iter().map(BytesMut::len).sum::<usize>()
    }
}

/// Walks a ClientHello body to `use_srtp`. `None`: malformed.
fn offers_gcm(hello: &[u8]) -> Option<bool> {
    const USE_SRTP: u16 = 14;
    const GCM: [u16; 2] = [7, 8];
    let skip8 = |b: &[u8], at: usize| Some(at + 1 + usize::from(*b.get(at)?));
    let u16_at = |b: &[u8], at: usize| Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]));
    let mut at = 2 + 32; // version, random
    at = skip8(hello, at)?; // session id
    at = skip8(hello, at)?; // cookie
    at += 2 + usize::from(u16_at(hello, at)?); // cipher suites
    at = skip8(hello, at)?; // compression
    let end = at + 2 + usize::from(u16_at(hello, at)?);
    at += 2;
    while at + 4 <= end {
        let (kind, length) = (u16_at(hello, at)?, usize::from(u16_at(hello, at + 2)?));
        let data = hello.get(at + 4..at + 4 + length)?;
        if kind == USE_SRTP {
            let list = data.get(2..2 + usize::from(u16_at(data, 0)?))?;
            return Some(list.chunks_exact(2).any(|p| GCM.contains(&u16::from_be_bytes([p[0], p[1]]))));
        }
        at += 4 + length;
    }
    Some(false)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn hello_body(profiles: &[u16]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 0]); // session id, cookie
        body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
        let mut srtp = Vec::new();
        srtp.extend((2 * profiles.len() as u16).to_be_bytes());
        for p in profiles {
            srtp.extend(p.to_be_bytes());
        }
        srtp.push(0);
        let mut ext = vec![0, 23, 0, 0, 0, 14];
        ext.extend((srtp.len() as u16).to_be_bytes());
        ext.extend(srtp);
        body.extend((ext.len() as u16).to_be_bytes());
        body.extend(ext);
        body
    }

    pub fn fragment(body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let u24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
        let mut message = vec![1];
        message.extend(u24(body.len()));
        message.extend([0, 0]);
        message.extend(u24(from));
        message.extend(u24(to - from));
        message.extend(&body[from..to]);
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend((message.len() as u16).to_be_bytes());
        record.extend(message);
        record
    }

    #[test]
    fn the_profile_is_found_in_whole_and_fragmented_hellos() {
        for (profiles, gcm) in [(&[1u16, 7, 8][..], true), (&[1, 2], false), (&[8], true)] {
            let body = hello_body(profiles);
            for cut in [body.len(), 1, 20, body.len() - 1] {
                let mut reader = HelloReader::default();
                // The second part first: datagrams overtake one another.
                if cut < body.len() {
                    let second = reader.feed(&fragment(&body, cut, body.len()));
                    assert!(matches!(second, Some(Hello::Incomplete)));
                }
                let done = reader.feed(&fragment(&body, 0, cut));
                assert_eq!(matches!(done, Some(Hello::Gcm)), gcm, "{profiles:?} cut {cut}");
                assert!(!matches!(done, Some(Hello::Incomplete) | None));
            }
        }
    }

    #[test]
    fn garbage_is_not_a_hello() {
        for bytes in [&b""[..], &[22; 5], &[22; 40], &[23; 60], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert!(HelloReader::default().feed(bytes).is_none(), "{bytes:?}");
        }
        let mut huge = fragment(&hello_body(&[7]), 0, 10);
        huge[14..17].copy_from_slice(&[0xff, 0xff, 0xff]);
        assert!(HelloReader::default().feed(&huge).is_none());
    }

    #[test]
    fn cookies_and_other_lengths_are_walked_over_and_limits_hold() {
        let plain = hello_body(&[1, 7]);
        // A session id of 3 bytes and a cookie of 20.
        let mut body = plain[..34].to_vec();
        body.push(3);
        body.extend([9; 3]);
        body.push(20);
        body.extend([14; 20]);
        body.extend(&plain[36..]);
        let whole = |body: &[u8]| HelloReader::default().feed(&fragment(body, 0, body.len()));
        assert!(matches!(whole(&body), Some(Hello::Gcm)));
        body.truncate(body.len() - 4);
        assert!(matches!(whole(&body), Some(Hello::NoGcm)), "malformed: as one that has none");
        // A fragment that reaches beyond the message it is of.
        let mut beyond = fragment(&plain, 4, 20);
        beyond[19..22].copy_from_slice(&[0, 0, plain.len() as u8 - 3]);
        assert!(HelloReader::default().feed(&beyond).is_none());
    }
}
