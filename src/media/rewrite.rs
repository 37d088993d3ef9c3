//! Keeping a slot's numbers continuous while its source or layer changes.
//!
//! Input numbers are extended (never wrap). A *segment* is one stretch of one layer: it maps
//! input to output numbers by an offset that shrinks by one for each packet left out on purpose,
//! so padding and unwanted pictures leave no hole while real losses stay visible and get NACKed.
//! PictureIDs shrink with each picture left out: receivers wait for one that is missing. The segment
//! before the present one is kept, so that a packet of it that was lost and came late still finds
//! its place, and every late packet has the offsets of its place.

use crate::media::codec::Numbers;
use crate::media::omitted::{Omitted, WINDOW, each_word};

/// First output sequence number: far from zero, because some receivers lose count when a packet
/// from before the first arrives.
const FIRST_SEQUENCE: u64 = 1000;
/// Numbers may skip so many, which are lost packets, and no more.
const MAX_JUMP: u64 = 0x4000;

/// How packets of one layer become packets of the slot. In the order of use, as `Peer` is: what every
/// packet needs stands together.
#[derive(Debug)]
#[repr(C)]
struct Segment {
    in_first: u64,
    /// The first input number of which nothing has come, nor of any behind it.
    in_next: u64,
    out_first: u64,
    /// Added to time stamps.
    timestamp: u32,
    /// Added to the PictureID as long as no picture is left out.
    picture_id: u16,
    tl0: u8,
    layer: u8,
    omitted: Omitted,
}

impl Segment {
    /// Output number and what is added to the PictureID.
    fn map(&self, ext: u64) -> Option<(u64, u16)> {
        let since = ext.checked_sub(self.in_first)?;
        let omitted = self.omitted.before(ext, self.in_next)?;
        Some((self.out_first + since - omitted.packets, self.picture_id.wrapping_sub(omitted.pictures)))
    }

    fn advance(&mut self, ext: u64) {
        if ext >= self.in_next {
            self.omitted.go_on(self.in_next, ext + 1 - self.in_next);
            self.in_next = ext + 1;
        }
    }
}

/// How a packet stands to those that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is of the layer that flows, behind all that came.
    Newest,
    /// It may be one that is missing.
    Late,
    /// It has no place in the slot's stream.
    Foreign,
}

/// One slot's numbers.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Rewriter {
    last_sequence: Option<u64>,
    /// Bit `number % WINDOW`: it was given to a packet; of the numbers up to `last_sequence`.
    given: [u64; WINDOW / 64],
    last_timestamp: Option<u32>,
    last_picture_id: u16,
    last_tl0: u8,
    current: Option<Segment>,
    /// Boxed: most slots never have one, and a packet in order does not look at it.
    previous: Option<Box<Segment>>,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Extended output sequence number: also the SRTP packet index.
    pub sequence: u64,
    pub timestamp: u32,
    /// Offsets for the VP8 payload descriptor.
    pub picture_id: u16,
    pub tl0: u8,
}

impl Rewriter {
    /// The layer that flows.
    #[must_use]
    pub fn layer(&self) -> Option<u8> {
        self.current.as_ref().map(|s| s.layer)
    }

    /// The newest output time stamp.
    #[must_use]
    pub fn newest_timestamp(&self) -> Option<u32> {
        self.last_timestamp
    }

    /// What is added to the current layer's time stamps.
    #[must_use]
    pub fn timestamp_offset(&self) -> Option<u32> {
        self.current.as_ref().map(|s| s.timestamp)
    }

    /// The packet with which the layer that flows began.
    #[must_use]
    pub fn first(&self, layer: u8) -> Option<u64> {
        self.current.as_ref().filter(|s| s.layer == layer).map(|s| s.in_first)
    }

    /// Nothing flows until the next `switch`; numbers go on from where they are.
    pub fn stop(&mut self) {
        self.current = None;
        self.previous = None;
    }

    /// How a packet stands to the others of the layer that flows, or that flowed before it.
    #[must_use]
    pub fn order(&self, layer: u8, ext: u64) -> Order {
        let newest = self.current.as_ref().is_some_and(|s| s.layer == layer && ext >= s.in_next);
        if newest {
            return Order::Newest;
        }
        if self.late_segment(layer, ext).is_some() { Order::Late } else { Order::Foreign }
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.current.iter().chain(self.previous.as_deref())
    }

    fn late_segment(&self, layer: u8, ext: u64) -> Option<&Segment> {
        let of = |s: &&Segment| s.layer == layer && ext >= s.in_first && ext < s.in_next;
        self.segments().find(of)
    }

    /// Whether the packet was left out on purpose; `false` also when it is too old to tell.
    #[must_use]
    pub fn was_left_out(&self, layer: u8, ext: u64) -> bool {
        self.late_segment(layer, ext).is_some_and(|s| s.omitted.contains(ext, s.in_next))
    }

    /// Whether anything was left out of what flows or flowed before it.
    #[must_use]
    pub fn leaves_out(&self) -> bool {
        self.segments().any(|s| !s.omitted.none())
    }

    /// The packet `ext` of `layer` begins a new segment. `timestamp` is the wanted output time
    /// stamp of a packet with input time stamp `input`; it is moved on if it would not be later
    /// than what was sent. `same_source`: late packets of the old segment may still come.
    pub fn switch(
        &mut self,
        layer: u8,
        ext: u64,
        input: u32,
        timestamp: u32,
        numbers: Option<(Numbers, &[u8])>,
        same_source: bool,
    ) {
        /// 1 ms of video, less than any frame.
        const STEP: u32 = 90;
        let timestamp = match self.last_timestamp {
            Some(last) if (timestamp.wrapping_sub(last) as i32) < STEP as i32 => last.wrapping_add(STEP),
            _ => timestamp,
        };
        let (picture_id, tl0) = numbers.map_or((0, 0), |(v, p)| {
            let id = v.read_picture_id(p).unwrap_or(0);
            let tl0 = v.read_tl0(p).unwrap_or(0);
            let next_id = self.last_picture_id.wrapping_add(1);
            let next_tl0 = self.last_tl0.wrapping_add(1);
            (next_id.wrapping_sub(id) & 0x7fff, next_tl0.wrapping_sub(tl0))
        });
        self.previous = self.current.take().filter(|_| same_source).map(Box::new);
        self.current = Some(Segment {
            layer,
            in_first: ext,
            in_next: ext,
            out_first: self.last_sequence.map_or(FIRST_SEQUENCE, |s| s + 1),
            omitted: Omitted::default(),
            timestamp: timestamp.wrapping_sub(input),
            picture_id,
            tl0,
        });
    }

    /// Places a packet of `layer`; `None`: it is not of this slot's stream any more.
    pub fn place(&mut self, layer: u8, ext: u64, input: u32) -> Option<Placed> {
        let current = self.current.as_mut()?;
        let (sequence, picture_id, segment) = if current.layer == layer && ext >= current.in_first {
            let (sequence, picture_id) = current.map(ext)?;
            current.advance(ext);
            (sequence, picture_id, &*current)
        } else {
            // In an old segment only what lies below its end: later packets were never due.
            let first = current.out_first;
            let old = self.previous.as_deref().filter(|s| s.layer == layer && ext < s.in_next)?;
            let (sequence, picture_id) = old.map(ext).filter(|(sequence, _)| *sequence < first)?;
            (sequence, picture_id, old)
        };
        let (offset, tl0) = (segment.timestamp, segment.tl0);
        // Receivers know 16 bits of a number. After a larger jump, which no network makes, they would
        // count turns wrongly, and with AES-CM so would our library: the slot begins anew instead.
        if self.last_sequence.is_some_and(|last| sequence > last + MAX_JUMP) {
            self.stop();
            return None;
        }
        self.give(sequence)?;
        let timestamp = input.wrapping_add(offset);
        if self.last_timestamp.is_none_or(|last| timestamp.wrapping_sub(last) as i32 > 0) {
            self.last_timestamp = Some(timestamp);
        }
        Some(Placed { sequence, timestamp, picture_id, tl0 })
    }

    /// Marks a number as given. `None`: it was given before, or is too old to tell.
    fn give(&mut self, sequence: u64) -> Option<()> {
        let at = sequence as usize % WINDOW;
        let (word, bit) = (at / 64, 1 << (at % 64));
        if let Some(last) = self.last_sequence.filter(|last| sequence <= *last) {
            let fresh = last - sequence < WINDOW as u64 && self.given[word] & bit == 0;
            self.given[word] |= if fresh { bit } else { 0 };
            return fresh.then_some(());
        }
        if let Some(last) = self.last_sequence {
            each_word(last + 1, sequence - last - 1, |word, mask| self.given[word] &= !mask);
        }
        self.given[word] |= bit;
        self.last_sequence = Some(sequence);
        Some(())
    }

    /// Remembers the numbers in the newest payload sent, so that the next segment goes on
    /// from them.
    pub fn sent_numbers(&mut self, numbers: Numbers, payload: &[u8], sequence: u64) {
        if self.last_sequence != Some(sequence) {
            return;
        }
        if let Some(id) = numbers.read_picture_id(payload) {
            self.last_picture_id = id;
        }
        if let Some(tl0) = numbers.read_tl0(payload) {
            self.last_tl0 = tl0;
        }
    }

    /// The packet `ext` of `layer` is left out and leaves no hole, unless later ones went already.
    /// `picture`: with it a picture is left out.
    pub fn leave_out(&mut self, layer: u8, ext: u64, picture: bool) {
        if self.order(layer, ext) == Order::Newest
            && let Some(s) = &mut self.current
        {
            if ext > s.in_next {
                s.advance(ext - 1);
            }
            s.omitted.leave_out(ext, 1, picture);
            s.in_next = ext + 1;
        }
    }

    /// The packets that are missing between those that came and `ext` are not waited for.
    pub fn leave_out_gap(&mut self, layer: u8, ext: u64) {
        if self.order(layer, ext) == Order::Newest
            && let Some(s) = &mut self.current
        {
            s.omitted.leave_out(s.in_next, ext - s.in_next, false);
            s.in_next = ext;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_continuous_and_real_gaps_stay() {
        let mut r = Rewriter::default();
        r.switch(0, 500, 9_000, 1_000_000, None, true);
        let p = r.place(0, 500, 9_000).unwrap();
        assert_eq!((p.sequence, p.timestamp), (1000, 1_000_000));
        assert_eq!(r.place(0, 503, 12_000).unwrap().sequence, 1003);
        // Layer 1 goes on at once behind it, though its own clock and numbers are elsewhere.
        r.switch(1, 70_000, 5, 1_003_000, None, true);
        let p = r.place(1, 70_000, 5).unwrap();
        assert_eq!((p.sequence, p.timestamp), (1004, 1_003_090), "moved on by the least step");
        // What was missing of layer 0 comes late and still fits.
        assert_eq!(r.place(0, 501, 9_000).unwrap().sequence, 1001);
        assert_eq!(r.place(0, 504, 12_000), None, "was never due");
        assert_eq!(r.place(1, 69_999, 5), None);
    }

    #[test]
    fn padding_leaves_no_hole() {
        let mut r = Rewriter::default();
        r.switch(0, 10, 0, 0, None, true);
        r.place(0, 10, 0);
        r.leave_out(0, 11, false);
        r.leave_out(0, 12, false);
        assert_eq!(r.place(0, 14, 0).unwrap().sequence, 1002);
        assert_eq!(r.place(0, 13, 0).unwrap().sequence, 1001, "late, with the offset of its place");
        assert_eq!(r.place(0, 11, 0), None);
        r.leave_out(0, 13, false);
        assert_eq!(r.place(0, 15, 0).unwrap().sequence, 1003, "too late to close the gap");
        for ext in 16..600 {
            r.leave_out(0, ext, false);
        }
        assert_eq!(r.place(0, 600, 0).unwrap().sequence, 1004);
        assert_eq!(r.place(0, 16, 0), None, "before those that are remembered");
    }

    #[test]
    fn a_late_packet_of_the_old_layer_never_takes_a_number_of_the_new() {
        let mut r = Rewriter::default();
        r.switch(0, 500, 0, 0, None, true);
        for ext in 500..504 {
            r.place(0, ext, 0);
        }
        r.leave_out(0, 505, false);
        r.switch(1, 9, 0, 0, None, true);
        assert_eq!(r.place(1, 9, 0).unwrap().sequence, 1004);
        assert_eq!(r.place(0, 504, 0), None, "its number went to the new layer");
        assert_eq!(r.place(1, 9, 0), None, "no number is given twice");
    }

    #[test]
    fn numbers_never_jump_by_a_turn() {
        let mut r = Rewriter::default();
        r.switch(0, 500, 0, 0, None, true);
        r.place(0, 500, 0);
        assert_eq!(r.place(0, 500 + MAX_JUMP, 0).unwrap().sequence, 1000 + MAX_JUMP);
        // Two dropped packets carry the input on by half a turn each.
        let far = 500 + MAX_JUMP + 2 * 0x7fff;
        r.leave_out(0, 500 + MAX_JUMP + 0x7fff, false);
        r.leave_out(0, far, false);
        assert_eq!(r.place(0, far + 1, 0), None);
        assert_eq!(r.layer(), None, "it begins anew");
        r.switch(0, far + 2, 0, 0, None, true);
        assert_eq!(r.place(0, far + 2, 0).unwrap().sequence, 1001 + MAX_JUMP);
    }

    /// Beside a plain set of all numbers that were ever given.
    #[test]
    fn a_number_is_given_once_and_what_is_too_old_is_not() {
        let mut r = Rewriter::default();
        let mut given = std::collections::HashSet::new();
        let mut x = 7u64;
        let mut rand = |n: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (x >> 33) % n
        };
        let mut last = 5_000u64;
        for turn in 0..20_000 {
            let sequence = match turn % 50 {
                0 => last + rand(1_500),
                n if n % 3 == 0 => last + rand(4),
                _ => last.saturating_sub(rand(600)),
            };
            last = last.max(sequence);
            let due = last - sequence < WINDOW as u64 && !given.contains(&sequence);
            assert_eq!(r.give(sequence).is_some(), due, "{sequence} of {last}");
            given.insert(sequence);
        }
    }

    #[test]
    fn sequence_numbers_are_never_reused() {
        let mut r = Rewriter::default();
        let mut seen = std::collections::HashSet::new();
        let mut x = 12345u64;
        let mut rand = |n: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (x >> 33) % n
        };
        let mut next = [100u64, 100_000, 7_000_000];
        r.switch(0, next[0], 0, 0, None, true);
        let (mut layer, mut before) = (0u8, 0u8);
        let mut sent = std::collections::HashSet::new();
        for _ in 0..20_000 {
            let at = &mut next[usize::from(layer)];
            *at += 1;
            match rand(20) {
                0 => {
                    // Sometimes with what is missing before it.
                    *at += rand(3);
                    if rand(2) == 0 {
                        r.leave_out_gap(layer, *at);
                    }
                    r.leave_out(layer, *at, rand(2) == 0);
                }
                1 => {} // lost for now
                2 => {
                    before = layer;
                    layer = rand(3) as u8;
                    let at = &mut next[usize::from(layer)];
                    *at += 1;
                    let same = rand(2) == 0;
                    r.switch(layer, *at, 0, 0, None, same);
                }
                _ => {
                    // Now and then a late packet of the layer before.
                    let of = if rand(6) == 0 { before } else { layer };
                    let ext = next[usize::from(of)] - rand(5).min(3);
                    if sent.insert((of, ext))
                        && let Some(p) = r.place(of, ext, 0)
                    {
                        assert!(seen.insert(p.sequence), "{} twice", p.sequence);
                    }
                }
            }
        }
        assert!(seen.len() > 5_000);
    }

    #[test]
    fn numbers_of_vp8_go_on_from_the_newest_packet_sent() {
        use crate::media::codec::Codec;
        let packet = |id: u16, tl0: u8| {
            let mut p = vec![0x90, 0xc0];
            p.extend((id | 0x8000).to_be_bytes());
            p.extend([tl0, 0]);
            p
        };
        let first = packet(100, 7);
        let vp8 = Codec::Vp8.inspect(&first).numbers.unwrap();
        let mut r = Rewriter::default();
        r.switch(0, 1, 0, 0, Some((vp8, &first)), false);
        let send = |r: &mut Rewriter, layer, ext, id, tl0| {
            let placed = r.place(layer, ext, 0).unwrap();
            let mut p = packet(id, tl0);
            vp8.patch(&mut p, placed.picture_id, placed.tl0);
            r.sent_numbers(vp8, &p, placed.sequence);
            (vp8.read_picture_id(&p).unwrap(), vp8.read_tl0(&p).unwrap())
        };
        assert_eq!(send(&mut r, 0, 1, 100, 7), (1, 1));
        assert_eq!(send(&mut r, 0, 4, 103, 9), (4, 3));
        assert_eq!(send(&mut r, 0, 2, 101, 8), (2, 2), "late: with the numbers of its place");
        let other = packet(32_000, 250);
        r.switch(1, 50, 0, 0, Some((vp8, &other)), true);
        assert_eq!(send(&mut r, 1, 50, 32_000, 250), (5, 4), "behind the newest, not the latest");
        assert_eq!(send(&mut r, 0, 3, 102, 8), (3, 2));
        r.switch(0, 9, 0, 0, Some((vp8, &first)), true);
        assert_eq!(send(&mut r, 0, 9, 100, 7), (6, 5));
    }

    #[test]
    fn time_stamps_never_go_back_and_least_steps_are_kept() {
        let mut r = Rewriter::default();
        r.switch(0, 1, 0, 50_000, None, false);
        r.place(0, 1, 0);
        r.place(0, 3, 6_000);
        r.place(0, 2, 3_000);
        // The newest of what was sent is 56,000, also after a late one.
        r.switch(1, 1, 0, 56_050, None, true);
        assert_eq!(r.place(1, 1, 0).unwrap().timestamp, 56_090);
        r.switch(0, 9, 0, 60_000, None, true);
        assert_eq!(r.place(0, 9, 0).unwrap().timestamp, 60_000);
    }

    #[test]
    fn nothing_of_another_source_finds_a_place_after_a_switch() {
        let mut r = Rewriter::default();
        r.switch(0, 1, 0, 0, None, false);
        r.place(0, 1, 0);
        r.place(0, 4, 0);
        r.switch(1, 7, 0, 0, None, false);
        assert_eq!(r.place(0, 2, 0), None);
        r.place(1, 7, 0);
        r.place(1, 9, 0);
        r.place(1, 8, 0).unwrap();
        // A late packet does not move the end of its segment back.
        r.switch(0, 30, 0, 0, None, true);
        r.place(0, 30, 0);
        assert_eq!(r.place(1, 9, 0), None, "given once");
        r.leave_out(0, 29, false);
        assert_eq!(r.place(0, 31, 0).unwrap().sequence, r.place(0, 32, 0).unwrap().sequence - 1);
    }

    #[test]
    fn the_window_reaches_512_back_and_no_further() {
        let mut r = Rewriter::default();
        r.switch(0, 0, 0, 0, None, false);
        r.place(0, 0, 0);
        assert_eq!(r.place(0, 600, 0).unwrap().sequence, 1_600);
        assert_eq!(r.place(0, 89, 0).unwrap().sequence, 1_089);
        assert_eq!(r.place(0, 88, 0), None, "too old to tell whether it was given");
    }
}
