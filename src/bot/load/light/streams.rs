//! What a light client gets: one `Stream` for each slot and each repair stream.

use std::time::Instant;

use super::nacks::Nacks;
use crate::bot::load::answer::SlotLine;
use crate::media::negotiate::MediaKind;
use crate::media::transport::rtcp::ReceptionBlock;
use crate::media::transport::srtp::ReceiveIndex;

/// One slot's stream or its repair stream.
pub struct Stream {
    pub ssrc: u32,
    pub kind: MediaKind,
    /// Place of the slot in the answer.
    pub slot: usize,
    /// Repairs the stream at this place.
    pub repairs: Option<usize>,
    pub index: ReceiveIndex,
    first: Option<u64>,
    pub highest: u64,
    received: u64,
    reported: (u64, u64),
    pub nacks: Nacks,
    pub last_report: Option<(u32, Instant)>,
}

/// A media packet that was opened, for whoever plays it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Place of the slot in the answer: sound first, then pictures, as offered.
    pub slot: usize,
    /// Extended sequence number.
    pub ext: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    pub payload: Vec<u8>,
    /// It came on the repair stream.
    pub repair: bool,
    /// Of the datagram, bytes.
    pub size: usize,
}

impl Stream {
    /// The streams of all slots, each with its repair stream behind it.
    pub fn of(slots: &[SlotLine]) -> Vec<Self> {
        let mut streams = Vec::new();
        for (slot, line) in slots.iter().enumerate() {
            let stream = |ssrc, repairs| Self {
                ssrc,
                kind: line.kind,
                slot,
                repairs,
                index: ReceiveIndex::default(),
                first: None,
                highest: 0,
                received: 0,
                reported: (0, 0),
                nacks: Nacks::default(),
                last_report: None,
            };
            let at = streams.len();
            streams.push(stream(line.ssrc, None));
            streams.extend(line.rtx_ssrc.map(|rtx| stream(rtx, Some(at))));
        }
        streams
    }

    /// A packet came on this stream itself.
    pub fn count(&mut self, ext: u64) {
        self.first = Some(self.first.map_or(ext, |f| f.min(ext)));
        self.highest = self.highest.max(ext);
        self.received += 1;
    }

    /// Packets that should have come; `None` before the first.
    pub fn expected(&self) -> Option<u64> {
        Some(self.highest - self.first? + 1)
    }

    /// What is said of it once a second. Losses are those of the link: repairs do not count
    /// (RFC 4588 §6.3).
    pub fn report(&mut self, now: Instant) -> Option<ReceptionBlock> {
        let expected = self.expected()?;
        let interval = expected - self.reported.0;
        let lost = interval.saturating_sub(self.received - self.reported.1);
        self.reported = (expected, self.received);
        Some(ReceptionBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256 / interval.max(1)).min(255) as u8,
            total_lost: expected.saturating_sub(self.received) as u32,
            highest: self.highest as u32,
            jitter: 0,
            last_report: self.last_report.map_or(0, |(lsr, _)| lsr),
            delay: self.last_report.map_or(0, |(_, at)| ((now - at).as_micros() * 65_536 / 1_000_000) as u32),
        })
    }
}
