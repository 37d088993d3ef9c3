//! What a test client sends: sound, pictures in layers, reports, and any packet that a test wants.

use std::time::Duration;

use super::{AUDIO_LEVEL, Client, MID, RID, RIDS};
use crate::media::clock::{micros_to_ntp, ticks};
use crate::media::core::tests::picture::{OPUS, RED, Tag, names};
use crate::media::negotiate::SourceKind;
use crate::media::transport::rtcp::Compound;

/// One RTP packet, not yet sealed.
#[derive(Clone, Copy)]
pub struct Rtp<'a> {
    pub ssrc: u32,
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    /// One-byte header extensions: (id, data).
    pub extensions: &'a [(u8, &'a [u8])],
    pub payload: &'a [u8],
    /// Bytes behind the payload, the last of which counts them.
    pub padding: u8,
}

impl<'a> Rtp<'a> {
    pub fn new(ssrc: u32, payload_type: u8, sequence: u16, payload: &'a [u8]) -> Self {
        let (marker, timestamp, extensions, padding) = (false, 0, &[][..], 0);
        Self { ssrc, payload_type, marker, sequence, timestamp, extensions, payload, padding }
    }

    fn bytes(&self) -> Vec<u8> {
        let flags = if self.padding > 0 { 0xb0 } else { 0x90 };
        let mut p = vec![flags, self.payload_type | u8::from(self.marker) << 7];
        p.extend(self.sequence.to_be_bytes());
        p.extend(self.timestamp.to_be_bytes());
        p.extend(self.ssrc.to_be_bytes());
        let mut extensions = Vec::new();
        for (id, data) in self.extensions {
            extensions.push(id << 4 | (data.len() as u8 - 1));
            extensions.extend(*data);
        }
        while extensions.len() % 4 != 0 {
            extensions.push(0);
        }
        p.extend([0xbe, 0xde, 0, (extensions.len() / 4) as u8]);
        p.extend(extensions);
        p.extend(self.payload);
        p.extend((0..self.padding).map(|_| self.padding));
        p
    }
}

impl Client {
    fn own_time(&self, at: Duration) -> i64 {
        let at = at.as_micros() as i64;
        at + at * self.ppm / 1_000_000
    }

    /// The RTP time stamp of `at` on one of its streams' clocks.
    pub fn timestamp(&self, stream: usize, rate: i64, at: Duration) -> u32 {
        (stream as u32 * 1_000_000_000).wrapping_add(ticks(self.own_time(at), rate) as u32)
    }

    /// Sender reports of microphone and camera.
    pub fn report(&mut self, at: Duration) {
        let ntp = micros_to_ntp(self.own_time(at) + self.wall);
        let mut compound = Compound::default();
        let camera = self.offer.sources.iter().position(|s| s.0 == SourceKind::Camera);
        compound.sender_report(self.ssrc(0), ntp, self.timestamp(0, 48_000, at), 1, 1);
        if let Some(camera) = camera {
            for layer in 0..self.offer.sources[camera].1 {
                let rtp = self.timestamp(1 + layer, 90_000, at);
                compound.sender_report(self.ssrc(1 + layer), ntp, rtp, 1, 1);
            }
        }
        self.send_rtcp(compound);
    }

    pub fn ssrc(&self, stream: usize) -> u32 {
        u32::from(self.tag) * 100 + 1000 + stream as u32
    }

    pub fn send_audio(&mut self, at: Duration) {
        let timestamp = self.timestamp(0, 48_000, at);
        let sequence = self.next(0);
        self.send(&Rtp {
            timestamp,
            extensions: &[(MID, b"0"), (AUDIO_LEVEL, &[self.level])],
            ..Rtp::new(self.ssrc(0), OPUS, sequence, b"sound")
        });
    }

    /// A frame of sound with the two before it; `lost` on the way.
    pub fn send_red(&mut self, at: Duration, frame: &[u8], lost: bool) {
        let timestamp = self.timestamp(0, 48_000, at);
        let offset = |before: &u32| timestamp.wrapping_sub(*before);
        self.repeated.retain(|(before, _)| offset(before) < 1 << 14);
        let mut p = Vec::new();
        for (before, data) in &self.repeated {
            p.push(0x80 | OPUS);
            p.extend(&(offset(before) << 10 | data.len() as u32).to_be_bytes()[1..]);
        }
        p.push(OPUS);
        self.repeated.iter().for_each(|(_, data)| p.extend(data));
        p.extend(frame);
        self.repeated.push((timestamp, frame.to_vec()));
        if self.repeated.len() > 2 {
            self.repeated.remove(0);
        }
        if lost {
            self.lose_one(0);
        } else {
            let sequence = self.next(0);
            let red = Rtp::new(self.ssrc(0), RED, sequence, &p);
            self.send(&Rtp { timestamp, extensions: &[(MID, b"0")], ..red });
        }
    }

    pub fn ask_for_key(&mut self) {
        self.key_next = true;
    }

    /// Pictures sent so far.
    pub fn frames(&self) -> u32 {
        self.frame
    }

    /// One picture in every layer of the camera, smallest first; 1 to 3 packets.
    pub fn send_pictures(&mut self, at: Duration) {
        let layers = self.offer.sources.iter().find(|s| s.0 == SourceKind::Camera).unwrap().1;
        self.frame += 1;
        let key = std::mem::take(&mut self.key_next);
        let since_key = self.made.iter().rev().take_while(|m| !m.2).count() + 1;
        let place = if key { 0 } else { since_key % self.pattern.len().max(1) };
        let (tid, sync) = self.pattern.get(place).copied().unwrap_or_default();
        self.made.push((tid, sync, key));
        for (layer, name) in
            RIDS.into_iter().enumerate().take(layers.min(self.layers_on)).skip(self.layers_from)
        {
            let of = match self.most_packets {
                0 => layer as u8 + 1,
                most => 1 + (self.frame % u32::from(most)) as u8,
            };
            let timestamp = self.timestamp(1 + layer, 90_000, at);
            let frame = self.frame;
            for packet in 0..of {
                let payload = self.picture(frame, layer as u8, packet, of, key);
                let ids: [(u8, &[u8]); 2] = [(MID, b"1"), (RID, name.as_bytes())];
                let sequence = self.next(1 + layer);
                self.send(&Rtp {
                    timestamp,
                    marker: packet + 1 == of,
                    extensions: if layers > 1 { &ids } else { &ids[..1] },
                    ..Rtp::new(self.ssrc(1 + layer), names(self.offer.codec).0, sequence, &payload)
                });
            }
        }
    }

    /// The one packet of a picture of the smallest layer that was no key frame.
    pub fn picture_of(&self, frame: u32) -> Vec<u8> {
        self.picture(frame, 0, 0, 1, false)
    }

    fn picture(&self, frame: u32, layer: u8, packet: u8, of: u8, key: bool) -> Vec<u8> {
        let tag = Tag { client: self.tag, layer, frame, packet, of, key, numbers: None };
        let mut p = tag.write(self.offer.codec, self.picture_bytes);
        if let (false, Some((tid, sync, _))) = (self.pattern.is_empty(), self.made.last()) {
            p[4] = self.made.iter().filter(|m| m.0 == 0).count() as u8;
            p[5] = tid << 6 | u8::from(*sync) << 5;
        }
        p
    }

    /// The next sequence number of a stream.
    pub fn next(&mut self, stream: usize) -> u16 {
        self.sequence[stream] = self.sequence[stream].wrapping_add(1);
        self.sequence[stream]
    }

    /// The sequence number that a stream had last.
    pub fn last(&self, stream: usize) -> u16 {
        self.sequence[stream]
    }

    /// Leaves a gap: the next packet of the stream is lost on the way.
    pub fn lose_one(&mut self, stream: usize) {
        self.next(stream);
    }

    pub fn send(&mut self, packet: &Rtp<'_>) {
        let sealed = self.sealed(packet);
        self.out.push(sealed);
    }

    /// Sends a packet whose last byte of payload claims to count padding.
    pub fn send_flagged(&mut self, packet: &Rtp<'_>) {
        let mut bytes = packet.bytes();
        bytes[0] |= 0x20;
        let (ours, _) = self.keys.as_mut().unwrap();
        self.out.push(ours.encrypt_rtp(&bytes).unwrap().to_vec());
    }

    /// The packet as it goes on the wire.
    pub fn sealed(&mut self, packet: &Rtp<'_>) -> Vec<u8> {
        let (ours, _) = self.keys.as_mut().unwrap();
        ours.encrypt_rtp(&packet.bytes()).unwrap().to_vec()
    }
}
