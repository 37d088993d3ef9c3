//! The receiving side of one media stream: its layers, what is missing, and its reports.
//!
//! A source has 1–3 layers (simulcast), each with the ring that all subscribers read from. Which
//! slots take it is kept here too, so that forwarding is one walk over `subscribers`. Lost packets
//! come back by retransmission (video) or out of later packets' redundancy (audio, `recover`).

use std::time::{Duration, Instant};

use crate::ids::{HubId, SourceId};
use crate::media::Buffers;
use crate::media::clock::{Micros, SenderClock, StreamClock};
use crate::media::codec::{Codec, Payload};
use crate::media::command::ALL_TEMPORAL;
use crate::media::nack::MissingPackets;
use crate::media::negotiate::SourceKind;
use crate::media::rate::Rates;
use crate::media::red::{self, Neighbour, Red};
use crate::media::ring::{NewPacket, Ring};
use crate::media::transport::rtcp::ReceptionBlock;

/// Most layers of a source.
pub const MAX_LAYERS: usize = 3;
/// A layer that is this far behind the source's newest packet has been switched off by its sender.
const LAYER_QUIET: Duration = Duration::from_millis(800);
/// A source without packets for this long has stalled.
const SOURCE_QUIET: Duration = Duration::from_secs(3);
/// Browsers answer one request for all layers; asking more often only costs picture quality.
const KEY_FRAME_INTERVAL: Duration = Duration::from_secs(1);

/// A slot that takes a source: (peer's key, slot's index).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub peer: usize,
    pub slot: u8,
}

pub struct Source {
    pub id: SourceId,
    pub hub: HubId,
    pub owner: usize,
    pub kind: SourceKind,
    pub codec: Codec,
    pub layers: [Option<Layer>; MAX_LAYERS],
    pub subscribers: Vec<Subscriber>,
    /// Closed sources are dropped on arrival.
    pub open: bool,
    pub flowing: bool,
    /// Somebody waits for a key frame of this layer.
    pub key_wanted: Option<u8>,
    key_asked: Option<Instant>,
    /// Layers that somebody wants, as told to the lesson; and since when fewer would do.
    pub wanted: u8,
    pub fewer_since: Option<Instant>,
    pub key_requests: u64,
    /// Loudest level since the last statistics (0 loud – 127 silent).
    pub loudest: Option<u8>,
    pub voice: Voice,
    /// At the last statistics.
    pub figures: Figures,
}

/// Whether somebody speaks, by the loudness that senders write on their packets (RFC 6464).
#[derive(Clone, Copy, Default)]
pub struct Voice {
    /// Loudest level since the last look.
    loudest: Option<u8>,
    last_loud: Option<Instant>,
    heard: bool,
}

impl Voice {
    /// −dBov; speech at a classroom's microphone is well above, its fans and chairs are below.
    const LOUD: u8 = 45;
    /// A pause for breath is no end.
    const PAUSE: Duration = Duration::from_millis(700);

    pub fn note(&mut self, level: u8) {
        self.loudest = Some(self.loudest.map_or(level, |l| l.min(level)));
    }

    /// To be called a few times a second. Says when it turns.
    pub fn look(&mut self, open: bool, now: Instant) -> Option<bool> {
        let loudest = self.loudest.take();
        if open && loudest.is_some_and(|level| level <= Self::LOUD) {
            self.last_loud = Some(now);
        }
        let heard = open && self.last_loud.is_some_and(|at| now - at < Self::PAUSE);
        (std::mem::replace(&mut self.heard, heard) != heard).then_some(heard)
    }
}

/// Sums over all layers since the beginning.
#[derive(Clone, Copy, Default)]
pub struct Figures {
    pub bytes: u64,
    pub packets: u64,
    pub gaps: u64,
}

impl Source {
    #[must_use]
    pub fn new(id: SourceId, hub: HubId, owner: usize, kind: SourceKind, codec: Codec) -> Self {
        Self {
            id,
            hub,
            owner,
            kind,
            codec,
            layers: [None, None, None],
            subscribers: Vec::new(),
            open: true,
            flowing: false,
            key_wanted: None,
            key_asked: None,
            wanted: (1 << MAX_LAYERS) - 1,
            fewer_since: None,
            key_requests: 0,
            loudest: None,
            voice: Voice::default(),
            figures: Figures::default(),
        }
    }

    /// The layer that fits a subscriber best: the highest that flows and is not above `max`, else
    /// the lowest that flows. A slow source (a still slide) flows as long as no other layer of it
    /// is faster.
    #[must_use]
    pub fn best_layer(&self, max: u8) -> Option<u8> {
        let newest = self.last_packet()?;
        let flows = |l: &u8| self.layer_flows(*l, newest);
        let all = 0..MAX_LAYERS as u8;
        all.clone().filter(|l| *l <= max).rev().find(flows).or_else(|| all.clone().find(flows))
    }

    fn layer_flows(&self, layer: u8, newest: Instant) -> bool {
        let layer = self.layers[usize::from(layer)].as_ref();
        layer.is_some_and(|l| l.last_packet.is_some_and(|at| newest - at < LAYER_QUIET))
    }

    /// The highest layer that flows.
    #[must_use]
    pub fn top_layer(&self) -> Option<u8> {
        self.best_layer(MAX_LAYERS as u8)
    }

    /// What a layer costs a subscriber up to a temporal layer, bits per second. `None`: there is none.
    #[must_use]
    pub fn cost(&self, layer: u8, temporal: u8) -> Option<f64> {
        let l = self.layers[usize::from(layer)].as_ref()?;
        let all = l.rate(ALL_TEMPORAL) as f64;
        let share = if all > 0.0 { l.rate(temporal) as f64 / all } else { 1.0 };
        Some(if l.known_rate > 0.0 { l.known_rate } else { all } * share)
    }

    /// To be called four times a second.
    pub fn note_rates(&mut self) {
        /// Half of it in a minute: no lesson turns its pages faster for long, and few slower.
        const KEPT: f64 = 0.997;
        let slides = self.kind == SourceKind::Content;
        let Some(newest) = self.last_packet() else {
            return;
        };
        for at in 0..MAX_LAYERS {
            // What a layer that is switched off would cost is what it did cost.
            if self.layer_flows(at as u8, newest)
                && let Some(l) = &mut self.layers[at]
            {
                let rate = l.rate(ALL_TEMPORAL) as f64;
                l.known_rate = match l.known_rate {
                    0.0 => rate,
                    // A slide that stands still will turn.
                    known if slides => rate.max(known * KEPT),
                    // A key frame now and then is no rate.
                    known => known + (rate - known) / 16.0,
                };
            }
        }
    }

    /// Whether this packet begins the key frame that is waited for.
    #[must_use]
    pub fn begins_wanted_key_frame(&self, layer: u8, ext: u64) -> bool {
        let packet = || self.layers[usize::from(layer)].as_ref()?.ring.get(ext);
        self.key_wanted == Some(layer) && packet().is_some_and(|(e, _)| e.payload.key_start)
    }

    /// Whether to send a key-frame request now, and to which SSRC.
    pub fn key_request(&mut self, now: Instant) -> Option<u32> {
        let layer = self.key_wanted.filter(|_| self.open && !self.subscribers.is_empty())?;
        // A layer that was switched off in the meantime has none to give; who wanted it will want
        // another one's.
        if !self.layer_flows(layer, self.last_packet()?) {
            self.key_wanted = None;
            return None;
        }
        if self.key_asked.is_some_and(|at| now - at < KEY_FRAME_INTERVAL) {
            return None;
        }
        let ssrc = self.layers[usize::from(layer)].as_ref()?.ssrc;
        self.key_asked = Some(now);
        self.key_requests += 1;
        Some(ssrc)
    }

    /// Last packet of any layer.
    #[must_use]
    pub fn last_packet(&self) -> Option<Instant> {
        self.layers.iter().flatten().filter_map(|l| l.last_packet).max()
    }

    #[must_use]
    pub fn has_stalled(&self, now: Instant) -> bool {
        self.flowing && self.last_packet().is_none_or(|at| now - at >= SOURCE_QUIET)
    }
}

/// One received RTP stream.
pub struct Layer {
    pub ssrc: u32,
    pub ring: Ring,
    pub missing: MissingPackets,
    pub clock: StreamClock,
    pub packets: u64,
    pub bytes: u64,
    last_packet: Option<Instant>,
    /// What is missing is asked for again; audio's encoder has its own redundancy.
    repair: bool,
    /// The first packet since the source was opened.
    opened: Option<u64>,
    rates: Rates,
    /// Its rate of late (`note_rates`).
    known_rate: f64,
    reports: ReportState,
}

/// Packets that came out of another one's redundancy, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovered {
    numbers: [u64; red::MAX_BLOCKS],
    count: usize,
}

impl Recovered {
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.numbers[..self.count].iter().copied()
    }
}

/// For reception reports (RFC 3550 appendix A.3, A.8).
#[derive(Default)]
struct ReportState {
    base: Option<u64>,
    expected_before: u64,
    received_before: u64,
    jitter: f64,
    transit: Option<f64>,
    /// Middle 32 bits of the last sender report and when it came.
    sender_report: Option<(u32, Instant)>,
}

impl Layer {
    #[must_use]
    pub fn new(ssrc: u32, codec: Codec, buffers: &Buffers) -> Self {
        /// Longest payload that fits an Ethernet frame.
        const VIDEO_CELL: usize = 1460;
        const AUDIO_CELL: usize = 1280;
        let ring = match codec {
            Codec::Opus => Ring::new(buffers.audio_packets, AUDIO_CELL),
            Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => {
                Ring::new(buffers.video_packets, VIDEO_CELL)
            }
        };
        Self {
            ssrc,
            ring,
            missing: MissingPackets::default(),
            clock: StreamClock::new(codec.clock()),
            packets: 0,
            bytes: 0,
            last_packet: None,
            repair: codec != Codec::Opus,
            opened: None,
            rates: Rates::default(),
            known_rate: 0.0,
            reports: ReportState::default(),
        }
    }

    /// Takes a packet (first transmission or repair). `None`: not new. Otherwise whether the gap
    /// before it is beyond repair.
    pub fn take(&mut self, packet: NewPacket<'_>, now: Instant, at: Micros) -> Option<bool> {
        if !self.ring.insert(packet, now) {
            return None;
        }
        self.opened.get_or_insert(packet.ext);
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        self.last_packet = Some(now);
        self.rates.note(packet.kind.temporal.layer(), packet.payload.len(), now);
        self.reports.note(packet.ext, packet.timestamp, at, &self.clock);
        Some(self.missing.arrived(packet.ext, now, self.repair))
    }

    /// Puts what `red` repeats in the place of packets that are missing. `ext` and `timestamp` are
    /// those of the packet that it came in. What was sent before the source was opened stays lost:
    /// nobody shall hear it. Losses are reported as they were, so that the sender keeps repeating.
    pub fn recover(
        &mut self,
        (red, payload): (&Red, &[u8]),
        ext: u64,
        timestamp: u32,
        now: Instant,
    ) -> Recovered {
        let mut out = Recovered::default();
        let packet = Neighbour { ext, timestamp, duration: 0 };
        loop {
            let before = out.count;
            for block in red.redundant() {
                let data = &payload[block.data.clone()];
                let timestamp = timestamp.wrapping_sub(block.offset);
                let place = || {
                    let (before, after) = self.neighbours(packet, timestamp)?;
                    let found = red::place(before, after, timestamp, red::opus_duration(data)?)?;
                    (before.ext >= self.opened?).then_some(found)
                };
                let Some(ext) = place() else {
                    continue;
                };
                let kind = Payload::default();
                let new = NewPacket { ext, timestamp, marker: false, extension: None, kind, payload: data };
                if self.ring.insert(new, now) {
                    self.rates.note(kind.temporal.layer(), data.len(), now);
                    out.numbers[out.count] = ext;
                    out.count += 1;
                }
            }
            // One that found its place may show another one's.
            if out.count == before || out.count == out.numbers.len() {
                break;
            }
        }
        out.numbers[..out.count].sort_unstable();
        out
    }

    /// The packets that are there around `timestamp`, which is before `packet`'s.
    fn neighbours(&self, packet: Neighbour, timestamp: u32) -> Option<(Neighbour, Neighbour)> {
        /// Offsets reach back 341 ms: 34 packets of 10 ms.
        const REACH: u64 = 34;
        let mut after = packet;
        for ext in (packet.ext.saturating_sub(REACH)..packet.ext).rev() {
            let Some((entry, data)) = self.ring.get(ext) else {
                continue;
            };
            let duration = red::opus_duration(data).unwrap_or(0);
            let here = Neighbour { ext, timestamp: entry.timestamp, duration };
            if timestamp.wrapping_sub(here.timestamp) as i32 >= 0 {
                return Some((here, after));
            }
            after = here;
        }
        None
    }

    /// What taking this layer costs, bits/s as datagrams: of its pictures up to this temporal layer,
    /// about the last two seconds. 0: not known yet, or nothing came lately.
    #[must_use]
    pub fn rate(&self, up_to_temporal: u8) -> u64 {
        self.rates.up_to(up_to_temporal)
    }

    /// The source was opened or closed: nothing from before may be shown or heard.
    pub fn forget_past(&mut self) {
        self.ring.forget_key();
        self.opened = None;
    }

    pub fn sender_report(&mut self, ntp: u64, rtp: u32, now: Instant) {
        self.clock.report(ntp, rtp);
        self.reports.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// When the sample with this time stamp was taken, on the server's clock; before a sender
    /// report, when it came.
    #[must_use]
    pub fn captured(&self, timestamp: u32, arrived: Micros, sender: &SenderClock) -> Micros {
        self.clock.captured(timestamp, sender).unwrap_or(arrived)
    }

    /// The reception report of the time since the last one.
    pub fn report(&mut self, now: Instant) -> Option<ReceptionBlock> {
        // Once a second, also when nothing comes: so the rate of a quiet layer falls.
        self.rates.pass(now);
        let highest = self.ring.highest()?;
        let r = &mut self.reports;
        let expected = highest - r.base? + 1;
        let interval = expected - r.expected_before;
        let received = self.packets - r.received_before;
        r.expected_before = expected;
        r.received_before = self.packets;
        let lost = interval.saturating_sub(received);
        Some(ReceptionBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256 / interval.max(1)).min(255) as u8,
            total_lost: expected.saturating_sub(self.packets).min(0x7f_ffff) as u32,
            highest: highest as u32,
            jitter: r.jitter as u32,
            last_report: r.sender_report.map_or(0, |(lsr, _)| lsr),
            delay: r.sender_report.map_or(0, |(_, at)| ((now - at).as_micros() * 65_536 / 1_000_000) as u32),
        })
    }
}

impl ReportState {
    fn note(&mut self, ext: u64, timestamp: u32, at: Micros, clock: &StreamClock) {
        self.base = Some(self.base.map_or(ext, |b| b.min(ext)));
        let arrival = crate::media::clock::ticks(at, clock.rate());
        let transit = (arrival as u32).wrapping_sub(timestamp) as i32;
        let transit = f64::from(transit);
        if let Some(before) = self.transit {
            let d = (transit - before).abs();
            // A jump of the stream's clock is not jitter.
            if d < clock.rate() as f64 {
                self.jitter += (d - self.jitter) / 16.0;
            }
        }
        self.transit = Some(transit);
    }
}
