//! One outgoing stream of a peer: which source feeds it, and what its packets look like.
//!
//! A slot keeps its SSRC for the peer's life; the source behind it changes by `attach`, the layer
//! by itself when the wanted one begins a key frame. `forward` is the innermost step of the packet
//! path: it reads the shared ring, writes one datagram into the output and seals it there.

mod queue;
mod repair;

use std::time::Instant;

use crate::media::clock::{Micros, SenderClock, ticks};
use crate::media::codec::{Codec, Temporal};
use crate::media::command::{ALL_TEMPORAL, Grant, LayerIndex, Rank, SlotIndex};
use crate::media::delivery::{Carried, Deliveries};
use crate::media::history::{History, Sent, Stretch};
use crate::media::negotiate::{MediaKind, SlotCodec, SlotSetup};
use crate::media::output::{Class, Output, Path};
use crate::media::pacer::Pacer;
use crate::media::redundancy::Redundancy;
use crate::media::repeat::Repeats;
use crate::media::rewrite::{Order, Placed, Rewriter};
use crate::media::ring::Entry;
use crate::media::rtp::Outgoing;
use crate::media::share::Share;
use crate::media::source::Source;
use crate::media::thinning::Thinning;
use crate::media::transport::srtp::Sealer;

/// A group of pictures that a joiner gets at once: at most this old, …
const REPLAY_AGE: std::time::Duration = std::time::Duration::from_secs(2);
/// … and at most this many payload bytes (the picture at once, not a burst of a second).
const REPLAY_BYTES: usize = 250_000;
/// Header, extensions and authentication around a payload, bytes.
const OVERHEAD: u16 = 48;
/// Spacing of replayed pictures: shown as fast as they decode (1 ms at 90 kHz).
const REPLAY_STEP: u32 = 90;

/// In the order of use, as `Peer` is.
#[repr(C)]
pub struct Slot {
    // What every packet needs.
    #[cfg(test)]
    pub panic_next: bool,
    pub kind: MediaKind,
    /// Its packets carry the peer's transport-wide numbers.
    transport_cc: bool,
    /// The next packet is the first of a newly attached source.
    pub announce: bool,
    /// The next packet is the first of a segment.
    begins: bool,
    /// Which frames its sound repeats, if the subscriber can take that.
    pub redundancy: Redundancy,
    /// The highest temporal layer that it gets: fewer pictures, each as good.
    pub max_temporal: u8,
    pub max_layer: LayerIndex,
    /// What the line carries of it.
    pub granted: Grant,
    pub index: SlotIndex,
    pub ssrc: u32,
    /// Input time stamp of the last packet that left.
    pub left: Option<u32>,
    /// The last key frame: its input time stamp, and when a packet of it was last queued or sent.
    key: Option<(u32, Micros)>,
    codecs: [Option<SlotCodec>; Codec::ALL.len()],
    history: Option<Box<History>>,
    pub packets: u64,
    pub bytes: u64,
    thinning: Thinning,
    rewriter: Rewriter,
    // The rest.
    rtx_ssrc: u32,
    /// Key of the source that feeds it.
    pub feed: Option<usize>,
    pub rank: Rank,
    /// Granted no more than its base until then: too much waited.
    pub held_until: Micros,
    /// Paused until then at least.
    pub paused_until: Micros,
    /// The layer of its last packet that waits in the pacer.
    pub queued: Option<u8>,
    /// Of the route that feeds it.
    pub turn: u32,
    /// First time stamp of the slot's time line.
    base: u32,
    rtx_sequence: u64,
    pub retransmitted: u64,
    /// Bytes that were sent to repeat sound.
    pub repeated_bytes: u64,
    /// A report is due at once: the source changed.
    pub report_now: bool,
    /// From the subscriber's last reception report, 0–255.
    pub fraction_lost: u8,
    /// At the last statistics.
    pub figures: SlotFigures,
}

/// Sums since the beginning.
#[derive(Clone, Copy, Default)]
pub struct SlotFigures {
    pub packets: u64,
    pub bytes: u64,
}

/// What forwarding needs of the peer that the slot belongs to.
pub struct Sending<'a> {
    pub sealer: &'a mut Sealer,
    pub path: Path,
    /// Ids of the extensions that are forwarded.
    pub audio_level: Option<u8>,
    pub orientation: Option<u8>,
    pub transport_cc: Option<u8>,
    pub deliveries: &'a mut Deliveries,
    pub pacer: &'a mut Pacer,
    pub share: &'a mut Share,
    /// Now, on the server's clock.
    pub at: Micros,
    /// Number of the probing train that is being sent; 0: none.
    pub train: u8,
    pub out: &'a mut Output,
    pub bytes_sent: &'a mut u64,
}

impl Slot {
    #[must_use]
    pub fn new(index: SlotIndex, setup: &SlotSetup, base: u32) -> Self {
        Self {
            index,
            kind: setup.kind,
            ssrc: setup.ssrc,
            rtx_ssrc: setup.rtx_ssrc,
            transport_cc: setup.transport_cc,
            codecs: setup.codecs,
            feed: None,
            max_layer: LayerIndex::TOP,
            rank: Rank::default(),
            granted: Grant::Layer(LayerIndex::TOP, ALL_TEMPORAL),
            held_until: 0,
            paused_until: 0,
            left: None,
            queued: None,
            key: None,
            max_temporal: Temporal::HIGHEST,
            redundancy: Redundancy::NONE,
            turn: 0,
            rewriter: Rewriter::default(),
            thinning: Thinning::default(),
            base,
            history: None,
            rtx_sequence: 1000,
            announce: false,
            begins: false,
            packets: 0,
            bytes: 0,
            retransmitted: 0,
            repeated_bytes: 0,
            report_now: false,
            fraction_lost: 0,
            figures: SlotFigures::default(),
            #[cfg(test)]
            panic_next: false,
        }
    }

    /// Whether this subscriber can take what the source sends.
    #[must_use]
    pub fn takes(&self, codec: Codec) -> bool {
        self.codecs[codec.index()].is_some()
    }

    /// Feeds the slot from another source (or none); numbers stay continuous.
    pub fn attach(&mut self, source: Option<usize>) {
        self.feed = source;
        self.begin_anew();
        self.announce = source.is_some();
    }

    /// The source begins anew (other numbers, or after a pause): wait for a key frame of it.
    pub fn begin_anew(&mut self) {
        self.rewriter.stop();
        self.queued = None;
    }

    /// The layer that flows into this slot.
    #[must_use]
    pub fn layer(&self) -> Option<u8> {
        self.rewriter.layer()
    }

    /// The layer it should have and does not have yet: a key frame of it is needed.
    #[must_use]
    pub fn wants_key_frame(&self, source: &Source) -> Option<u8> {
        if self.kind == MediaKind::Audio {
            return None;
        }
        let Grant::Layer(granted, _) = self.granted else {
            return None;
        };
        let wanted = source.best_layer(granted.min(self.max_layer).0)?;
        // One that waits in the pacer is as good as there.
        (self.queued.or(self.layer()) != Some(wanted)).then_some(wanted)
    }

    /// Sends a joiner the present group of pictures, when it is short enough for `most` bytes; `None`:
    /// wait for a key frame. Returns what `forward` returns for the first packet.
    pub fn replay(
        &mut self,
        source: &Source,
        (key_of_source, sender): (usize, &SenderClock),
        most: usize,
        now: Instant,
        to: &mut Sending<'_>,
    ) -> Option<Option<u32>> {
        let wanted = self.wants_key_frame(source).filter(|_| self.layer().is_none())?;
        let ring = &source.layers[usize::from(wanted)].as_ref()?.ring;
        let (key, highest) = (ring.key_start()?, ring.highest()?);
        let fresh = ring.get(key.ext).is_some_and(|(e, _)| now - e.arrived <= REPLAY_AGE);
        let short = ring.span(key.ext).is_some_and(|bytes| bytes <= most.min(REPLAY_BYTES));
        if !fresh || !short {
            return None;
        }
        let mut announced = None;
        let mut pictures: Vec<u32> = Vec::new();
        for ext in key.ext..=highest {
            let timestamp = ring.get(ext).map(|(e, _)| e.timestamp);
            pictures.extend(timestamp.filter(|t| pictures.last() != Some(t)));
        }
        let live = pictures.last().copied().unwrap_or(key.timestamp);
        for ext in key.ext..=highest {
            let Some((entry, _)) = ring.get(ext) else {
                continue;
            };
            let nth = pictures.iter().position(|t| *t == entry.timestamp).unwrap_or(0);
            let behind = (pictures.len() - 1 - nth) as u32 * REPLAY_STEP;
            // As if the group had been taken just now, in quick motion.
            let squeezed = live.wrapping_sub(behind);
            let first = self.offer(source, (key_of_source, wanted, ext), Some(squeezed), sender, to);
            announced = announced.or(first);
        }
        Some(announced)
    }

    /// Whether a key frame of this layer begins a segment: it is the one that is wanted, or there is
    /// nothing yet, and a smaller picture now is better than the right one later.
    fn may_begin(&self, source: &Source, layer: u8, current: Option<u8>) -> bool {
        match (self.wants_key_frame(source), current) {
            (Some(wanted), None) => layer <= wanted,
            (wanted, _) => wanted == Some(layer),
        }
    }

    /// Forwards one packet of `source`, with another input time stamp and a decision about beginning
    /// that was made before, if they are given; the innermost step of the packet path. Returns the output time
    /// stamp when this is the first packet of a newly attached source.
    pub fn forward(
        &mut self,
        source: &Source,
        layer: u8,
        ext: u64,
        (stamp, begins): (Option<u32>, Option<bool>),
        sender: &SenderClock,
        to: &mut Sending<'_>,
    ) -> Option<u32> {
        #[cfg(test)]
        assert!(!self.panic_next, "a test asked for it");
        let (entry, payload) = source.layers[usize::from(layer)].as_ref()?.ring.get(ext)?;
        let entry = &stamp.map_or(*entry, |s| entry.at(s));
        if self.layer() != Some(layer) {
            let begins = begins.unwrap_or_else(|| match self.kind {
                MediaKind::Audio => true,
                MediaKind::Video => entry.payload.key_start && self.may_begin(source, layer, self.layer()),
            });
            if begins && !entry.is_padding() {
                self.begin(source, layer, entry, payload, sender, to.at);
            }
        }
        if entry.is_padding() {
            self.rewriter.leave_out(layer, ext, false);
            return None;
        }
        self.send(source, layer, entry, payload, to)
    }

    /// Follows the last key frame on its way.
    fn note_key(&mut self, entry: &Entry, at: Micros) {
        if entry.payload.key_start || self.key.is_some_and(|(timestamp, _)| timestamp == entry.timestamp) {
            self.key = Some((entry.timestamp, at));
        }
    }

    /// Starts a segment at this packet: time stamps follow the server's clock.
    fn begin(
        &mut self,
        source: &Source,
        layer: u8,
        entry: &Entry,
        payload: &[u8],
        sender: &SenderClock,
        at: Micros,
    ) {
        let Some(l) = &source.layers[usize::from(layer)] else {
            return;
        };
        let captured = l.captured(entry.timestamp, at, sender);
        let line = ticks(captured, l.clock.rate()) as u32;
        let timestamp = self.base.wrapping_add(line);
        let numbers = entry.payload.numbers.map(|n| (n, payload));
        let same = !self.announce;
        self.rewriter.switch(layer, entry.ext, entry.timestamp, timestamp, numbers, same);
        self.thinning = Thinning::default();
        self.begins = true;
        self.report_now = true;
    }

    fn send(
        &mut self,
        source: &Source,
        layer: u8,
        entry: &Entry,
        payload: &[u8],
        to: &mut Sending<'_>,
    ) -> Option<u32> {
        let codec = self.codecs[source.codec.index()]?;
        if source.codec == Codec::Vp8 && !self.is_wanted(source, layer, entry, payload) {
            return None;
        }
        let placed = self.rewriter.place(layer, entry.ext, entry.timestamp)?;
        let extension = match self.kind {
            MediaKind::Audio => to.audio_level,
            MediaKind::Video => to.orientation,
        };
        let repeats = codec.red.and_then(|red| Some((red, self.repeats(source, layer, entry, payload)?)));
        let header = Outgoing {
            payload_type: repeats.as_ref().map_or(codec.payload_type, |(red, _)| *red),
            // The first packet of a new talker begins a talk spurt.
            marker: entry.marker || (self.announce && self.kind == MediaKind::Audio),
            sequence: placed.sequence as u16,
            timestamp: placed.timestamp,
            ssrc: self.ssrc,
            extension: extension.zip(entry.extension),
            transport_cc: self.transport_number(to),
        };
        let (arena, start) = to.out.begin();
        let length = header.write(arena);
        let body = arena.len();
        if let Some((_, repeats)) = &repeats {
            self.repeated_bytes += repeats.write(codec.payload_type, payload, arena) as u64;
        } else {
            arena.extend_from_slice(payload);
        }
        self.bytes += (arena.len() - body) as u64;
        if let Some(numbers) = entry.payload.numbers {
            numbers.patch(&mut arena[body..], placed.picture_id, placed.tl0);
            self.rewriter.sent_numbers(numbers, &arena[body..], placed.sequence);
        }
        to.sealer.seal_rtp(arena, start, length, placed.sequence);
        let class = if self.kind == MediaKind::Audio { Class::Audio } else { Class::Video };
        let size = to.out.commit(start, to.path, class);
        self.packets += 1;
        self.note_key(entry, to.at);
        self.left = Some(entry.timestamp);
        let mut carried = Carried::NOTHING;
        if codec.rtx_payload_type.is_some() {
            let Placed { sequence, timestamp, picture_id, tl0 } = placed;
            let sent = Sent { ext: entry.ext as u32, timestamp, sequence: sequence as u16, picture_id };
            let ssrc = source.layers[usize::from(layer)].as_ref().map_or(0, |l| l.ssrc);
            let stretch = Stretch { source: source.id, layer, ssrc, tl0 };
            let history = self.history.get_or_insert_default();
            if std::mem::take(&mut self.begins) {
                history.begin(placed.sequence);
            }
            history.note(sent, stretch);
            carried = Carried { sequence: placed.sequence as u16, slot: self.index.0, times: 0 };
        }
        self.count_sent(size, carried, to);
        std::mem::take(&mut self.announce).then_some(placed.timestamp)
    }

    /// The earlier frames that a packet of sound takes along; `None`: it goes alone.
    fn repeats<'s>(
        &self,
        source: &'s Source,
        layer: u8,
        entry: &Entry,
        payload: &[u8],
    ) -> Option<Repeats<'s>> {
        if self.redundancy == Redundancy::NONE {
            return None;
        }
        let ring = &source.layers[usize::from(layer)].as_ref()?.ring;
        let first = self.rewriter.first(layer)?;
        let found = Repeats::find(ring, entry, payload.len(), first, self.redundancy);
        (!found.is_empty()).then_some(found)
    }

    /// Whether the subscriber can take sound that repeats itself.
    #[must_use]
    pub fn takes_redundancy(&self) -> bool {
        self.codecs[Codec::Opus.index()].is_some_and(|c| c.red.is_some())
    }

    /// Whether the packet's picture is to be sent; if not, its number and that of its picture are
    /// taken out.
    fn is_wanted(&mut self, source: &Source, layer: u8, entry: &Entry, payload: &[u8]) -> bool {
        match self.rewriter.order(layer, entry.ext) {
            Order::Newest => {}
            // Where it left a hole it goes, above the limit or not, unless its picture did not.
            Order::Late => {
                return !self.rewriter.leaves_out() || !self.picture_was_left_out(source, layer, entry);
            }
            Order::Foreign => return false,
        }
        let (timestamp, marker) = (entry.timestamp, entry.marker);
        let verdict = self.thinning.judge(entry.payload, payload, timestamp, marker, self.max_temporal);
        if verdict.gap {
            self.rewriter.leave_out_gap(layer, entry.ext);
        }
        if !verdict.send {
            self.rewriter.leave_out(layer, entry.ext, verdict.picture);
        }
        verdict.send
    }

    /// Whether another packet of the same picture was left out.
    fn picture_was_left_out(&self, source: &Source, layer: u8, entry: &Entry) -> bool {
        let Some(l) = &source.layers[usize::from(layer)] else {
            return false;
        };
        let fellow = |ext: &u64| l.ring.get(*ext).is_some_and(|(e, _)| e.timestamp == entry.timestamp);
        let left_out = |ext: u64| {
            let media = l.ring.get(ext).is_some_and(|(e, _)| !e.is_padding());
            media && self.rewriter.was_left_out(layer, ext)
        };
        let highest = l.ring.highest().unwrap_or(entry.ext);
        (entry.ext + 1..=highest).take_while(fellow).any(left_out)
            || (0..entry.ext).rev().take_while(fellow).any(left_out)
    }

    /// The transport-wide number of the packet that is being written, with its extension's id.
    fn transport_number(&self, to: &Sending<'_>) -> Option<(u8, u16)> {
        let id = to.transport_cc.filter(|_| self.transport_cc)?;
        Some((id, to.deliveries.number()))
    }

    fn count_sent(&self, size: usize, carried: Carried, to: &mut Sending<'_>) {
        *to.bytes_sent += size as u64;
        if self.transport_cc && to.transport_cc.is_some() {
            to.deliveries.sent(to.at, size, to.train, carried);
        }
        to.pacer.spent(size);
    }

    /// Whether the client tells which of its packets come.
    #[must_use]
    pub fn is_told_of(&self) -> bool {
        self.transport_cc
    }

    /// Time stamp of this slot at `at` on the server's clock, for its sender report. `None` before
    /// the source's own report, or when nothing flows.
    #[must_use]
    pub fn report(&self, source: &Source, sender: &SenderClock, at: Micros) -> Option<u32> {
        let layer = source.layers[usize::from(self.layer()?)].as_ref()?;
        let rtp = layer.clock.rtp_at(at, sender)?;
        Some(rtp.wrapping_add(self.rewriter.timestamp_offset()?))
    }
}
