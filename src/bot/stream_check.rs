//! Checks one received stream packet by packet: plain state, told the time.
//!
//! Packets are put in order, joined to frames, and every frame is looked up in our clips. A stream
//! is sound when its sequence has no holes, timestamps rise, VP8 picture ids and TL0PICIDX go on by
//! one, and each frame either is a key frame or follows the one before it in the same clip and
//! layer. A decoder would show every frame of such a stream unharmed, whatever switches the server
//! made; whatever breaks that is kept as a fault in words.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::bot::clip::{ClipName, Place, VoiceName, identify_voice};
use crate::bot::depacketise::{Frame, FrameBuilder};
use crate::media::negotiate::Codec;

/// How long a missing packet is waited for.
const REPAIR: Duration = Duration::from_millis(500);
/// Faults kept in words; all are counted.
const KEPT_FAULTS: usize = 20;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub packets: u64,
    pub bytes: u64,
    /// Came again (also retransmissions that were not needed).
    pub duplicates: u64,
    /// Came late but in time to be put in order.
    pub reordered: u64,
    /// Never came.
    pub lost: u64,
    pub frames: u64,
    pub key_frames: u64,
    /// Frames that are in none of our clips.
    pub foreign_frames: u64,
    /// Times that the clip or the layer changed.
    pub switches: u64,
    /// What is shown now.
    pub showing: Option<(ClipName, u8)>,
    /// The last frame's place in its clip (the first of several when frames are coded alike).
    pub place: Option<Place>,
    /// Packets that had left before the receiver was ready for them: the crate drops what comes
    /// between the server's last DTLS message and its own timer (up to 200 ms).
    pub missed_start: u64,
    pub first_packet: Option<Instant>,
    pub first_frame: Option<Instant>,
    pub last_frame: Option<Instant>,
    /// The longest time between two frames.
    pub longest_gap: Duration,
    pub last_timestamp: Option<u32>,
    /// Voice packets by the voice they are of; packets that both voices have are left out.
    pub voices: BTreeMap<VoiceName, u64>,
    pub fault_count: u64,
    /// The first faults in words.
    pub faults: Vec<String>,
}

/// The checker of one SSRC.
#[derive(Debug)]
pub struct StreamCheck {
    codec: Codec,
    start: Option<u16>,
    seen: Seen,
    /// Extended number of the next packet in order.
    next: Option<u64>,
    waiting: BTreeMap<u64, Waiting>,
    builder: FrameBuilder,
    building: Option<u32>,
    /// A hole lies within the frame being built or before it: nothing is decodable until a key frame.
    torn: bool,
    /// The last frame ended before its marker, at a key frame.
    cut: bool,
    last: Option<Frame>,
}

#[derive(Debug)]
struct Waiting {
    payload: Bytes,
    timestamp: u32,
    marker: bool,
    came: Instant,
}

impl StreamCheck {
    /// `start`: the sequence number that the sender is known to begin with. When the first packet
    /// has another one, the beginning was missed, which is no fault of the stream.
    #[must_use]
    pub fn new(codec: Codec, start: Option<u16>) -> Self {
        Self {
            codec,
            start,
            seen: Seen::default(),
            next: None,
            waiting: BTreeMap::new(),
            builder: FrameBuilder::default(),
            building: None,
            torn: false,
            cut: false,
            last: None,
        }
    }

    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Nothing can be decoded until a key frame comes.
    #[must_use]
    pub fn needs_key_frame(&self) -> bool {
        self.torn && self.codec != Codec::Opus
    }

    /// Takes a packet; gives the frames that are complete now (voice packets count as frames).
    pub fn handle_packet(
        &mut self,
        sequence: u16,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
        now: Instant,
    ) -> Vec<Frame> {
        self.seen.packets += 1;
        self.seen.bytes += payload.len() as u64;
        self.seen.first_packet.get_or_insert(now);
        // Count from the second cycle, so that packets before the first one have a number as well.
        let next = *self.next.get_or_insert_with(|| {
            let missed = sequence.wrapping_sub(self.start.unwrap_or(sequence));
            self.seen.missed_start = missed.into();
            self.torn = missed > 0;
            u64::from(sequence) + 0x1_0000
        });
        let number = extend(sequence, next);
        if number < next || self.waiting.contains_key(&number) {
            self.seen.duplicates += 1;
            return Vec::new();
        }
        if self.waiting.last_key_value().is_some_and(|(last, _)| *last > number) {
            self.seen.reordered += 1;
        }
        self.waiting.insert(number, Waiting { payload, timestamp, marker, came: now });
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            let next = self.next.unwrap_or(*entry.key());
            let number = *entry.key();
            if number != next {
                if now.duration_since(entry.get().came) < REPAIR {
                    break;
                }
                self.seen.lost += number - next;
                self.fault(format!("{} packets missing before {}", number - next, number as u16));
                self.torn = true;
                self.builder = FrameBuilder::default();
                self.building = None;
                self.next = Some(number);
                continue;
            }
            let packet = entry.remove();
            self.next = Some(number + 1);
            frames.extend(self.handle_ordered(packet, now));
        }
        frames
    }

    fn handle_ordered(&mut self, packet: Waiting, now: Instant) -> Option<Frame> {
        if packet.payload.is_empty() {
            // Padding only.
            return None;
        }
        if self.codec == Codec::Opus {
            return Some(self.handle_voice(packet, now));
        }
        if self.building.is_some_and(|t| t != packet.timestamp) && !self.builder.is_empty() {
            // A source that goes in the middle of a frame leaves it cut. The key frame that follows
            // needs nothing of it, and a decoder passes it over; before any other frame it is a fault.
            if !self.codec.inspect(&packet.payload).key_start {
                self.fault(format!("frame {} ends without a marker", self.building.unwrap_or_default()));
            }
            self.builder = FrameBuilder::default();
            self.cut = true;
        }
        self.building = Some(packet.timestamp);
        if let Err(error) = self.builder.push(self.codec, &packet.payload) {
            // After a hole the rest of a frame is no fault of its own.
            if !self.torn {
                self.fault(error);
            }
            self.builder = FrameBuilder::default();
            self.torn = true;
            return None;
        }
        if !packet.marker {
            return None;
        }
        self.building = None;
        let frame = self.builder.take(self.codec, packet.timestamp);
        Some(self.handle_frame(frame, now))
    }

    fn handle_voice(&mut self, packet: Waiting, now: Instant) -> Frame {
        self.check_timestamp(packet.timestamp);
        self.seen.frames += 1;
        self.mark_time(now);
        if let Some(voice) = identify_voice(&packet.payload) {
            *self.seen.voices.entry(voice).or_default() += 1;
        }
        self.seen.last_timestamp = Some(packet.timestamp);
        let frame = Frame {
            data: packet.payload,
            timestamp: packet.timestamp,
            key: true,
            picture_id: None,
            tl0: None,
            places: &[],
        };
        self.last = Some(frame.clone());
        frame
    }

    fn handle_frame(&mut self, mut frame: Frame, now: Instant) -> Frame {
        self.check_timestamp(frame.timestamp);
        self.check_picture(&frame);
        if let Some(before) = self.last.as_ref().filter(|_| !frame.key) {
            let follows = |place: &Place| before.places.iter().any(|b| place.follows(*b));
            // Keep only the places that the way here allows, so that doubt does not add up.
            let good: Vec<&Place> = frame.places.iter().filter(|p| follows(p)).collect();
            if let ([place], true) = (good.as_slice(), frame.places.len() > 1) {
                frame.places = std::slice::from_ref(*place);
            }
            if good.is_empty() && !self.torn && !(frame.places.is_empty() && before.places.is_empty()) {
                self.fault(format!(
                    "a frame without its predecessor: {} after {}",
                    words(frame.places),
                    words(before.places)
                ));
            }
        } else if !frame.key && !self.torn {
            self.fault("the stream does not begin with a key frame".to_owned());
        }
        // A missed start may be the parameter sets alone: what then looks like a key frame is none.
        let headless = self.torn && self.last.is_none() && frame.places.is_empty();
        if frame.key && !headless {
            self.torn = false;
            self.seen.key_frames += 1;
        }
        if frame.places.is_empty() {
            self.seen.foreign_frames += 1;
        }
        let showing = frame.places.first().map(|p| (p.name, p.layer));
        if showing.is_some() && showing != self.seen.showing && frame.key {
            if self.seen.showing.is_some() {
                self.seen.switches += 1;
            }
            self.seen.showing = showing;
        }
        self.seen.frames += 1;
        self.mark_time(now);
        self.seen.place = frame.places.first().copied();
        self.seen.last_timestamp = Some(frame.timestamp);
        self.last = Some(frame.clone());
        frame
    }

    fn mark_time(&mut self, now: Instant) {
        self.seen.first_frame.get_or_insert(now);
        if let Some(last) = self.seen.last_frame.replace(now) {
            self.seen.longest_gap = self.seen.longest_gap.max(now.duration_since(last));
        }
    }

    fn check_timestamp(&mut self, timestamp: u32) {
        if let Some(last) = self.seen.last_timestamp {
            let step = timestamp.wrapping_sub(last);
            if step == 0 || step > u32::MAX / 2 {
                self.fault(format!("timestamp goes from {last} to {timestamp}"));
            }
        }
    }

    fn check_picture(&mut self, frame: &Frame) {
        // A frame that was cut had its numbers, too.
        let step = if std::mem::take(&mut self.cut) { 2 } else { 1 };
        let Some(last) = &self.last else { return };
        let (before, before_tl0) = (last.picture_id, last.tl0);
        if self.torn {
            return;
        }
        if let (Some(before), Some(id)) = (before, frame.picture_id)
            && id != (before + step) & 0x7fff
        {
            self.fault(format!("picture id goes from {before} to {id}"));
        }
        if let (Some(before), Some(tl0)) = (before_tl0, frame.tl0)
            && tl0 != before.wrapping_add(step as u8)
        {
            self.fault(format!("TL0PICIDX goes from {before} to {tl0}"));
        }
    }

    /// Counts a fault and keeps its words while there is room.
    pub fn fault(&mut self, what: String) {
        self.seen.fault_count += 1;
        if self.seen.faults.len() < KEPT_FAULTS {
            self.seen.faults.push(what);
        }
    }
}

/// The number nearest to `near` whose low 16 bits are `sequence`.
fn extend(sequence: u16, near: u64) -> u64 {
    let step = sequence.wrapping_sub(near as u16) as i16;
    near.saturating_add_signed(step.into())
}

fn words(places: &[Place]) -> String {
    match places.first() {
        Some(p) => {
            format!("{:?} layer {} frame {}{}", p.name, p.layer, p.frame, if p.key { " (key)" } else { "" })
        }
        None => "a foreign frame".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::clip::{VideoFrame, video};
    use crate::bot::packets::Packetiser;
    use rtc::rtp::Packet;

    struct Sender {
        packetiser: Packetiser,
        ticks: u32,
    }

    impl Sender {
        fn new() -> Self {
            Self { packetiser: Packetiser::new(Codec::Vp8, 1, 96, vec![]), ticks: 0 }
        }

        fn send(&mut self, frames: &[VideoFrame]) -> Vec<Packet> {
            frames
                .iter()
                .flat_map(|f| {
                    self.ticks += 3600;
                    self.packetiser.packetise(&f.data, self.ticks, &[])
                })
                .collect()
        }
    }

    fn check(packets: &[Packet]) -> Seen {
        check_from(None, packets)
    }

    fn check_from(start: Option<u16>, packets: &[Packet]) -> Seen {
        let mut check = StreamCheck::new(Codec::Vp8, start);
        let begin = Instant::now();
        for (i, p) in packets.iter().enumerate() {
            let now = begin + Duration::from_millis(4 * i as u64);
            check.handle_packet(
                p.header.sequence_number,
                p.header.timestamp,
                p.header.marker,
                p.payload.clone(),
                now,
            );
        }
        check.seen().clone()
    }

    fn layer(layer: usize) -> std::sync::Arc<crate::bot::clip::VideoClip> {
        video(ClipName::Teacher, Codec::Vp8).remove(layer)
    }

    #[test]
    fn a_sound_stream_with_a_switch_at_a_key_frame_has_no_fault() {
        let mut sender = Sender::new();
        let mut packets = sender.send(&layer(0).frames[0..30]);
        packets.extend(sender.send(&layer(2).frames[50..130]));
        let seen = check(&packets);
        assert_eq!(seen.faults, Vec::<String>::new());
        assert_eq!((seen.frames, seen.switches, seen.lost), (110, 1, 0));
        assert_eq!(seen.showing, Some((ClipName::Teacher, 2)));
    }

    #[test]
    fn a_switch_in_mid_group_is_a_fault() {
        let mut sender = Sender::new();
        let mut packets = sender.send(&layer(0).frames[0..30]);
        packets.extend(sender.send(&layer(2).frames[60..70]));
        let seen = check(&packets);
        assert!(seen.faults[0].contains("without its predecessor"), "{:?}", seen.faults);
    }

    #[test]
    fn a_missed_start_is_forgiven_and_a_wrong_one_is_not() {
        let mut sender = Sender::new();
        let packets = sender.send(&layer(1).frames[3..120]);
        let first = packets[0].header.sequence_number;
        let seen = check_from(Some(first.wrapping_sub(7)), &packets);
        assert_eq!((seen.missed_start, seen.fault_count), (7, 0), "{:?}", seen.faults);
        let seen = check_from(Some(first), &packets);
        assert!(seen.faults[0].contains("does not begin with a key frame"), "{:?}", seen.faults);
    }

    #[test]
    fn a_left_out_frame_is_a_fault_even_when_the_numbers_are_mended() {
        let mut sender = Sender::new();
        let frames = &layer(1).frames;
        let mut packets = sender.send(&frames[0..10]);
        packets.extend(sender.send(&frames[11..20]));
        let seen = check(&packets);
        assert_eq!(seen.fault_count, 1, "{:?}", seen.faults);
    }

    #[test]
    fn order_is_restored_and_doubles_are_dropped() {
        let mut sender = Sender::new();
        let mut packets = sender.send(&layer(2).frames[0..60]);
        let n = packets.len();
        for i in (5..n - 5).step_by(7) {
            packets.swap(i, i + 3);
        }
        packets.insert(20, packets[10].clone());
        let seen = check(&packets);
        assert_eq!(seen.faults, Vec::<String>::new());
        assert_eq!((seen.frames, seen.duplicates), (60, 1));
        assert!(seen.reordered > 0);
    }

    #[test]
    fn a_hole_is_counted_and_forgiven_at_the_next_key_frame() {
        let mut sender = Sender::new();
        let mut packets = sender.send(&layer(2).frames[0..400]);
        packets.drain(70..72);
        let seen = check(&packets);
        assert_eq!(seen.lost, 2);
        assert_eq!(seen.fault_count, 1, "{:?}", seen.faults);
    }

    #[test]
    fn numbers_that_jump_are_faults() {
        let mut sender = Sender::new();
        let mut packets = sender.send(&layer(0).frames[0..5]);
        sender.ticks = 0;
        packets.extend(sender.send(&layer(0).frames[5..6]));
        let seen = check(&packets);
        assert!(seen.faults[0].contains("timestamp"), "{:?}", seen.faults);

        let mut other = Sender::new();
        let mut packets = sender.send(&layer(0).frames[0..5]);
        let last = packets.last().expect("packets").header.clone();
        other.ticks = sender.ticks;
        for (i, mut p) in other.send(&layer(0).frames[50..51]).into_iter().enumerate() {
            p.header.sequence_number = last.sequence_number.wrapping_add(1 + i as u16);
            p.header.timestamp = last.timestamp.wrapping_add(3600);
            packets.push(p);
        }
        let seen = check(&packets);
        assert!(seen.faults.iter().any(|f| f.contains("picture id")), "{:?}", seen.faults);
    }
}
