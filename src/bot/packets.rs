//! Frames to RTP packets, as a browser would send them.
//!
//! VP8 payloads get the descriptor that Chromium writes (RFC 7741: 15-bit picture id, TL0PICIDX,
//! temporal layer 0), so that a server which rewrites those fields is really exercised; H.264 goes
//! through the `rtc-rtp` packetiser (STAP-A for parameter sets, FU-A), packetization-mode 1.

use bytes::{BufMut, Bytes, BytesMut};
use rtc::rtp::Packet;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::header::Header;
use rtc::rtp::packetizer::Payloader;

use crate::media::negotiate::Codec;

/// Payload bytes per packet; leaves room for extensions, SRTP and tunnels below 1280.
const PAYLOAD: usize = 1_150;

/// Header extensions of one stream: (negotiated id, value).
pub type Extensions = Vec<(u8, Bytes)>;

/// Packetises one stream (one SSRC).
#[derive(Debug)]
pub struct Packetiser {
    codec: Codec,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp_base: u32,
    extensions: Extensions,
    h264: H264Payloader,
    picture: u16,
    tl0: u8,
}

impl Packetiser {
    /// Starts at a random place of the sequence, timestamp and picture numbers. Streams of one
    /// participant that share a clock may start anywhere: sender reports relate them.
    #[must_use]
    pub fn new(codec: Codec, ssrc: u32, payload_type: u8, extensions: Extensions) -> Self {
        Self {
            codec,
            ssrc,
            payload_type,
            sequence: rand::random(),
            timestamp_base: rand::random(),
            extensions,
            h264: H264Payloader::default(),
            picture: rand::random::<u16>() & 0x7fff,
            tl0: rand::random(),
        }
    }

    /// Packets of a frame; the marker is set on the last one of a picture.
    ///
    /// `ticks` on the codec's clock; `extra` are extensions of these packets alone.
    pub fn packetise(&mut self, frame: &Bytes, ticks: u32, extra: &[(u8, Bytes)]) -> Vec<Packet> {
        let payloads = match self.codec {
            Codec::Vp8 => self.vp8(frame),
            // The packetiser fails only on an MTU of zero.
            Codec::H264 => self.h264.payload(PAYLOAD, frame).unwrap_or_default(),
            // Bots offer neither, as their clips have neither: there is nothing of it to send.
            Codec::Vp9 | Codec::Av1 => Vec::new(),
            Codec::Opus => vec![frame.clone()],
        };
        let last = payloads.len().saturating_sub(1);
        let marks = self.codec != Codec::Opus;
        payloads
            .into_iter()
            .enumerate()
            .map(|(i, payload)| {
                let mut header = Header {
                    version: 2,
                    marker: marks && i == last,
                    payload_type: self.payload_type,
                    sequence_number: self.sequence,
                    timestamp: self.timestamp_base.wrapping_add(ticks),
                    ssrc: self.ssrc,
                    ..Header::default()
                };
                self.sequence = self.sequence.wrapping_add(1);
                for (id, value) in self.extensions.iter().chain(extra) {
                    // Fails only for ids and lengths that no negotiation yields.
                    let _ = header.set_extension(*id, value.clone());
                }
                Packet { header, payload }
            })
            .collect()
    }

    fn vp8(&mut self, frame: &Bytes) -> Vec<Bytes> {
        const X_S: u8 = 0x90;
        const X: u8 = 0x80;
        const I_L_T: u8 = 0xe0;
        let picture = 0x8000 | self.picture;
        let payloads = frame
            .chunks(PAYLOAD)
            .enumerate()
            .map(|(i, chunk)| {
                let mut out = BytesMut::with_capacity(6 + chunk.len());
                out.put_u8(if i == 0 { X_S } else { X });
                out.put_u8(I_L_T);
                out.put_u16(picture);
                out.put_u8(self.tl0);
                out.put_u8(0);
                out.put_slice(chunk);
                out.freeze()
            })
            .collect();
        self.picture = (self.picture + 1) & 0x7fff;
        self.tl0 = self.tl0.wrapping_add(1);
        payloads
    }
}
