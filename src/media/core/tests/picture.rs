//! Test pictures in every codec: as much of a payload as the forwarder looks at, and who they are.

use crate::media::negotiate::Codec;

pub const OPUS: u8 = 111;
pub const RED: u8 = 63;

/// How a test client names a codec: payload type, that of its repair stream, encoding, parameters.
pub fn names(codec: Codec) -> (u8, u8, &'static str, &'static str) {
    match codec {
        Codec::Vp8 => (96, 97, "VP8", "max-fs=12288"),
        Codec::H264 => (102, 103, "H264", "packetization-mode=1;profile-level-id=42e01f"),
        Codec::Vp9 => (98, 99, "VP9", "profile-id=0"),
        Codec::Av1 => (45, 46, "AV1", "level-idx=5;profile=0;tier=0"),
        Codec::Opus => panic!("no picture"),
    }
}

/// What a test picture says of itself, in the last bytes of each packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    pub client: u8,
    pub layer: u8,
    pub frame: u32,
    pub packet: u8,
    pub of: u8,
    pub key: bool,
    /// PictureID and TL0PICIDX as they came, where the codec has them.
    pub numbers: Option<(u16, u8)>,
}

impl Tag {
    const LENGTH: usize = 9;

    /// One packet of `bytes` bytes. Its PictureID grows by 1 in layer 0, by 2 in layer 1, …
    pub fn write(&self, codec: Codec, bytes: usize) -> Vec<u8> {
        let (first, last) = (self.packet == 0, self.packet + 1 == self.of);
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let wide = (self.frame as u16).wrapping_mul(1 + u16::from(self.layer)) & 0x7fff | 0x8000;
        let ([a, b], tl0) = (wide.to_be_bytes(), self.frame as u8);
        let mut p = match codec {
            Codec::Vp8 => {
                let head = if self.key { 0x10 } else { 0x11 };
                vec![0x80 | flag(first, 0x10), 0xe0, a, b, tl0, 0x00, head]
            }
            Codec::Vp9 => {
                let head = if self.key { 0x82 } else { 0x86 };
                let flags = 0xa0 | flag(!self.key, 0x40) | flag(first, 0x08) | flag(last, 0x04);
                vec![flags, a, b, 0x00, tl0, head]
            }
            Codec::Av1 => {
                let cut = flag(!first, 0x80) | flag(!last, 0x40);
                match (first, self.key) {
                    (true, true) => vec![cut | 0x28, 2, 0x08, 0x00, 0x30, 0x10],
                    (true, false) => vec![cut | 0x10, 0x30, 0x30],
                    (false, _) => vec![cut | 0x10],
                }
            }
            Codec::H264 => {
                let kind = if self.key { 5 } else { 1 };
                // As browsers do: the parameters in a packet of their own.
                let parameters = self.key && self.of > 2;
                let first = if parameters { self.packet == 1 } else { first };
                match self.of {
                    1 => vec![0x60 | kind, 0x88],
                    _ if parameters && self.packet == 0 => {
                        vec![0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 0]
                    }
                    _ => vec![0x7c, kind | flag(first, 0x80) | flag(last, 0x40), 0x88],
                }
            }
            Codec::Opus => panic!("no picture"),
        };
        p.resize(bytes - Self::LENGTH, 0xab);
        p.extend([self.client, self.layer]);
        p.extend(self.frame.to_be_bytes());
        p.extend([self.packet, self.of, self.key.into()]);
        p
    }

    pub fn read(payload_type: u8, p: &[u8]) -> Self {
        let codec = Codec::VIDEO.into_iter().find(|c| names(*c).0 == payload_type).expect("a picture");
        let numbers = |id: usize, tl0: usize| Some((u16::from_be_bytes([p[id], p[id + 1]]) & 0x7fff, p[tl0]));
        let tag = &p[p.len() - Self::LENGTH..];
        let (client, layer, frame) = (tag[0], tag[1], u32::from_be_bytes([tag[2], tag[3], tag[4], tag[5]]));
        let [packet, of, key] = [tag[6], tag[7], tag[8]];
        Self {
            client,
            layer,
            frame,
            packet,
            of,
            key: key != 0,
            numbers: match codec {
                Codec::Vp8 => numbers(2, 4),
                Codec::Vp9 => numbers(1, 4),
                _ => None,
            },
        }
    }
}
