//! What a light publisher sends: packets that look like a microphone's and a camera's to the
//! forwarder, or payloads that somebody else made.

use std::time::{Duration, Instant};

use super::Light;
use super::offer::{MID, RID, RIDS, Track, ssrc_of};
use crate::media::negotiate::MediaKind;
use crate::media::rtp::Outgoing;
use crate::media::transport::rtcp::Compound;

/// Wall clocks of publishers, seconds since 1900 (RFC 3550 §4); any would do.
const WALL: u64 = 3_900_000_000;

/// Counts of each layer of a track.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    index: u64,
    packets: u32,
    octets: u32,
}

impl Sent {
    /// Well above zero, and below the first wrap.
    pub(super) const BEGIN: [Self; 3] = [Self { index: 1_000, packets: 0, octets: 0 }; 3];
}

/// A packet to send.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub track: usize,
    pub layer: usize,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: &'a [u8],
}

/// The time stamp of what was captured at `at` on the publisher's clock.
#[must_use]
pub fn timestamp(kind: MediaKind, at: Duration) -> u32 {
    let rate = match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    };
    (at.as_micros() * rate / 1_000_000) as u32
}

impl Light {
    /// Sends one picture of `packets` packets of `size` bytes; the first may begin a key frame.
    pub fn publish_picture(&mut self, at: Duration, packets: usize, size: usize, key: bool) {
        let timestamp = timestamp(MediaKind::Video, at);
        for n in 0..packets {
            let start = if n == 0 { 0x10 } else { 0 };
            let mut payload = vec![0xaa; size];
            payload[0] = start;
            payload[1] = if key { 0x10 } else { 0x11 };
            self.shared.delays.stamp(&mut payload, Instant::now());
            self.publish(&Part {
                track: 1,
                layer: 0,
                timestamp,
                marker: n + 1 == packets,
                payload: &payload,
            });
        }
    }

    /// Sends 20 ms of sound of `size` bytes.
    pub fn publish_sound(&mut self, at: Duration, size: usize) {
        let timestamp = timestamp(MediaKind::Audio, at);
        let mut payload = vec![0x78; size];
        self.shared.delays.stamp(&mut payload, Instant::now());
        self.publish(&Part { track: 0, layer: 0, timestamp, marker: false, payload: &payload });
    }

    /// Sends a packet; nothing before the handshake is done.
    pub fn publish(&mut self, part: &Part<'_>) {
        let (Some((sealer, _)), Some(track)) = (&mut self.keys, self.tracks.get(part.track)) else {
            return;
        };
        let sent = &mut self.sent[part.track][part.layer];
        sent.index += 1;
        sent.packets += 1;
        sent.octets += part.payload.len() as u32;
        let header = Outgoing {
            payload_type: payload_type(*track),
            marker: part.marker,
            sequence: sent.index as u16,
            timestamp: part.timestamp,
            ssrc: ssrc_of(part.track) + part.layer as u32,
            extension: None,
            transport_cc: None,
        };
        let mut packet = Vec::with_capacity(part.payload.len() + 40);
        let mut length = header.write(&mut packet);
        if track.layers > 1 {
            // Who it belongs to, in two elements of one byte each (RFC 8285 §4.2, RFC 8852).
            let (mid, rid) = (b'0' + part.track as u8, RIDS[part.layer].as_bytes()[0]);
            packet[0] |= 0x10;
            packet.extend_from_slice(&[0xbe, 0xde, 0, 1, MID << 4, mid, RID << 4, rid]);
            length += 8;
        }
        packet.extend_from_slice(part.payload);
        sealer.seal_rtp(&mut packet, 0, length, sent.index);
        self.out.push(packet);
    }

    /// Sends a sender report of each stream: what was captured at `at` is being sent now. What the
    /// server answers tells the round trip.
    pub fn report_sent(&mut self, at: Duration, now: Instant) {
        let mut compound = Compound::default();
        let seconds = WALL + at.as_secs();
        let ntp = (seconds << 32) | ((u64::from(at.subsec_nanos()) << 32) / 1_000_000_000);
        for (n, (track, layers)) in self.tracks.iter().zip(&self.sent).enumerate() {
            for (layer, sent) in layers.iter().enumerate().filter(|(_, s)| s.packets > 0) {
                let rtp = timestamp(track.kind.media(), at);
                compound.sender_report(ssrc_of(n) + layer as u32, ntp, rtp, sent.packets, sent.octets);
            }
        }
        self.said = Some((now, (ntp >> 16) as u32));
        self.send_rtcp(compound);
    }

    /// What a reception report says of the round trip (RFC 3550 §6.4.1).
    pub(super) fn learn_round_trip(&mut self, last_report: u32, delay: u32, now: Instant) {
        let Some((at, ntp)) = self.said.filter(|_| last_report != 0) else {
            return;
        };
        let since = ((now - at).as_micros() * 65_536 / 1_000_000) as u32;
        let trip = ntp.wrapping_add(since).wrapping_sub(last_report).wrapping_sub(delay);
        // A negative one is an error of rounding.
        if trip < 0x8000_0000 {
            self.round_trip = Duration::from_micros(u64::from(trip) * 1_000_000 / 65_536);
        }
    }
}

fn payload_type(track: Track) -> u8 {
    match track.kind.media() {
        MediaKind::Audio => 111,
        MediaKind::Video => 96,
    }
}
