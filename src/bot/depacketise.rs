//! RTP payloads back to frames, for [`super::probe`]: strict, because its job is to notice.

use bytes::Bytes;

use crate::bot::clip::Place;
use crate::media::negotiate::Codec;

/// A whole coded picture as it was received.
#[derive(Clone, Debug)]
pub struct Frame {
    pub data: Bytes,
    pub timestamp: u32,
    pub key: bool,
    /// VP8 only: 15-bit (or 7-bit) picture id.
    pub picture_id: Option<u16>,
    /// VP8 only.
    pub tl0: Option<u8>,
    /// Where it may come from; empty when it is not from one of our clips.
    pub places: &'static [Place],
}

/// VP8 payload descriptor, RFC 7741 §4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Descriptor {
    pub start: bool,
    pub picture_id: Option<u16>,
    pub tl0: Option<u8>,
    /// Bytes it takes.
    pub length: usize,
}

impl Vp8Descriptor {
    /// `None` for a payload that ends within its descriptor.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut this = Self { start: first & 0x17 == 0x10, picture_id: None, tl0: None, length: 1 };
        if first & 0x80 != 0 {
            let fields = *payload.get(1)?;
            this.length = 2;
            if fields & 0x80 != 0 {
                let high = *payload.get(this.length)?;
                if high & 0x80 != 0 {
                    let low = *payload.get(this.length + 1)?;
                    this.picture_id = Some(u16::from(high & 0x7f) << 8 | u16::from(low));
                    this.length += 2;
                } else {
                    this.picture_id = Some(u16::from(high));
                    this.length += 1;
                }
            }
            if fields & 0x40 != 0 {
                this.tl0 = Some(*payload.get(this.length)?);
                this.length += 1;
            }
            if fields & 0x30 != 0 {
                this.length += 1;
            }
        }
        (payload.len() > this.length).then_some(this)
    }
}

/// Collects the packets of one frame, in order.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    data: Vec<u8>,
    key: bool,
    picture_id: Option<u16>,
    tl0: Option<u8>,
}

impl FrameBuilder {
    /// Adds the next packet's payload; the first of a frame when `self` is empty.
    ///
    /// # Errors
    /// Says what is wrong with the payload.
    pub fn push(&mut self, codec: Codec, payload: &[u8]) -> Result<(), String> {
        match codec {
            Codec::Vp8 => self.push_vp8(payload),
            Codec::H264 => self.push_h264(payload),
            Codec::Vp9 | Codec::Av1 => Err(format!("{codec:?}, which bots never offer")),
            Codec::Opus => {
                self.data.extend_from_slice(payload);
                Ok(())
            }
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The frame, and an empty builder again.
    pub fn take(&mut self, codec: Codec, timestamp: u32) -> Frame {
        let this = std::mem::take(self);
        let places = crate::bot::clip::identify(codec, &this.data);
        Frame {
            places,
            data: this.data.into(),
            timestamp,
            key: this.key,
            picture_id: this.picture_id,
            tl0: this.tl0,
        }
    }

    fn push_vp8(&mut self, payload: &[u8]) -> Result<(), String> {
        let descriptor = Vp8Descriptor::parse(payload).ok_or("VP8 descriptor cut short")?;
        if descriptor.start != self.is_empty() {
            return Err("VP8 frame does not begin where its descriptor says".into());
        }
        if self.is_empty() {
            self.picture_id = descriptor.picture_id;
            self.tl0 = descriptor.tl0;
            self.key = payload[descriptor.length] & 1 == 0;
        } else if (self.picture_id, self.tl0) != (descriptor.picture_id, descriptor.tl0) {
            return Err("picture id changes within a VP8 frame".into());
        }
        self.data.extend_from_slice(&payload[descriptor.length..]);
        Ok(())
    }

    /// RFC 6184: single NAL units, STAP-A (24) and FU-A (28).
    fn push_h264(&mut self, payload: &[u8]) -> Result<(), String> {
        let kind = payload.first().ok_or("empty H.264 payload")? & 0x1f;
        match kind {
            1..=23 => self.push_nal(payload),
            24 => {
                let mut rest = &payload[1..];
                while let Some((size, after)) = rest.split_at_checked(2) {
                    let size = usize::from(u16::from_be_bytes([size[0], size[1]]));
                    let (nal, after) = after.split_at_checked(size).ok_or("STAP-A cut short")?;
                    self.push_nal(nal);
                    rest = after;
                }
            }
            28 => {
                let header = *payload.get(1).ok_or("FU-A cut short")?;
                if header & 0x80 != 0 {
                    self.push_nal(&[payload[0] & 0xe0 | header & 0x1f]);
                }
                self.data.extend_from_slice(&payload[2..]);
            }
            other => return Err(format!("H.264 packet of type {other}")),
        }
        Ok(())
    }

    fn push_nal(&mut self, nal: &[u8]) {
        self.key |= nal.first().is_some_and(|b| b & 0x1f == 5);
        self.data.extend_from_slice(&[0, 0, 0, 1]);
        self.data.extend_from_slice(nal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::clip::{ClipName, video};
    use crate::bot::packets::Packetiser;

    #[test]
    fn frames_survive_the_way_through_packets() {
        for codec in [Codec::Vp8, Codec::H264] {
            for clip in video(ClipName::Teacher, codec) {
                let mut packetiser = Packetiser::new(codec, 1, 96, vec![]);
                let mut builder = FrameBuilder::default();
                let mut last_id = None;
                for (i, frame) in clip.frames.iter().enumerate().take(60) {
                    let packets = packetiser.packetise(&frame.data, i as u32 * 3600, &[]);
                    assert!(packets.iter().rev().skip(1).all(|p| !p.header.marker));
                    assert!(packets.last().expect("at least one").header.marker);
                    for packet in &packets {
                        assert!(packet.payload.len() <= 1160);
                        builder.push(codec, &packet.payload).expect("sound payload");
                    }
                    let got = builder.take(codec, 0);
                    assert_eq!(got.key, frame.key);
                    assert!(
                        got.places.iter().any(|p| (p.name, p.layer, p.frame) == (clip.name, clip.layer, i))
                    );
                    if codec == Codec::Vp8 {
                        let id = got.picture_id.expect("has one");
                        assert!(last_id.is_none_or(|l| (l + 1) & 0x7fff == id));
                        last_id = Some(id);
                    }
                }
            }
        }
    }

    #[test]
    fn descriptors_of_every_shape_are_read() {
        let d = |b: &[u8]| Vp8Descriptor::parse(b);
        assert_eq!(d(&[0x10, 0]).map(|d| (d.start, d.length)), Some((true, 1)));
        assert_eq!(d(&[0x90, 0x80, 0x05, 0]).and_then(|d| d.picture_id), Some(5));
        assert_eq!(d(&[0x90, 0x80, 0x81, 0x02, 0]).and_then(|d| d.picture_id), Some(0x102));
        assert_eq!(
            d(&[0x80, 0xe0, 0x81, 0x02, 9, 0, 0]).map(|d| (d.tl0, d.length, d.start)),
            Some((Some(9), 6, false))
        );
        assert_eq!(d(&[0x90, 0x80, 0x81]), None);
        assert_eq!(d(&[]), None);
    }
}
