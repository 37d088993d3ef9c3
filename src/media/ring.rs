//! Recent packets of one source layer, shared by everybody who takes it: for retransmissions, for
//! joiners, and as the only copy of a payload between arrival and the subscribers' datagrams.
//!
//! Fixed cells, so that nothing is allocated per packet. A packet is addressed by its extended
//! sequence number; when a newer one has taken its cell it is gone.

use std::time::Instant;

use crate::media::codec::Payload;

/// One received packet, without its header.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Extended sequence number.
    pub ext: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Payload,
    /// Audio level (RFC 6464) or video orientation (3GPP TS 26.114): one byte, forwarded.
    pub extension: Option<u8>,
    pub arrived: Instant,
    length: u16,
}

impl Entry {
    /// Padding only: counts in the sequence and carries nothing.
    #[must_use]
    pub fn is_padding(&self) -> bool {
        self.length == 0
    }

    /// The same packet with another time stamp.
    #[must_use]
    pub fn at(self, timestamp: u32) -> Self {
        Self { timestamp, ..self }
    }
}

/// A packet on its way into the ring.
#[derive(Clone, Copy, Debug)]
pub struct NewPacket<'a> {
    pub ext: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub extension: Option<u8>,
    pub kind: Payload,
    pub payload: &'a [u8],
}

/// Where the newest key frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStart {
    pub ext: u64,
    pub timestamp: u32,
}

pub struct Ring {
    cell: usize,
    data: Vec<u8>,
    entries: Vec<Option<Entry>>,
    highest: Option<u64>,
    key: Option<KeyStart>,
}

impl Ring {
    /// `cells` packets of at most `cell` bytes.
    #[must_use]
    pub fn new(cells: usize, cell: usize) -> Self {
        Self { cell, data: vec![0; cells * cell], entries: vec![None; cells], highest: None, key: None }
    }

    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Keeps a packet. `false`: a duplicate, too old, or too long for a cell.
    pub fn insert(&mut self, new: NewPacket<'_>, now: Instant) -> bool {
        let cells = self.entries.len() as u64;
        let too_old = self.highest.is_some_and(|h| new.ext + cells <= h);
        let at = (new.ext % cells) as usize;
        let known = self.entries[at].is_some_and(|e| e.ext >= new.ext);
        if too_old || known || new.payload.len() > self.cell {
            return false;
        }
        self.entries[at] = Some(Entry {
            ext: new.ext,
            timestamp: new.timestamp,
            marker: new.marker,
            payload: new.kind,
            extension: new.extension,
            arrived: now,
            length: new.payload.len() as u16,
        });
        let from = at * self.cell;
        self.data[from..from + new.payload.len()].copy_from_slice(new.payload);
        self.highest = Some(self.highest.map_or(new.ext, |h| h.max(new.ext)));
        if new.kind.key_start {
            self.note_key(KeyStart { ext: new.ext, timestamp: new.timestamp });
        }
        true
    }

    /// Parameter sets and the picture itself both look like a beginning: the first packet of a
    /// picture (one timestamp) is it.
    fn note_key(&mut self, new: KeyStart) {
        let newer = match self.key {
            None => true,
            Some(old) if old.timestamp == new.timestamp => new.ext < old.ext,
            Some(old) => new.ext > old.ext,
        };
        if newer {
            self.key = Some(new);
        }
    }

    /// The packet and its payload, if it is still here.
    #[must_use]
    pub fn get(&self, ext: u64) -> Option<(&Entry, &[u8])> {
        let at = (ext % self.entries.len() as u64) as usize;
        let entry = self.entries[at].as_ref().filter(|e| e.ext == ext)?;
        let from = at * self.cell;
        Some((entry, &self.data[from..from + usize::from(entry.length)]))
    }

    /// The same by the low 32 bits of its number.
    #[must_use]
    pub fn get_near(&self, ext: u32) -> Option<(&Entry, &[u8])> {
        let highest = self.highest?;
        let back = (highest as u32).wrapping_sub(ext);
        self.get(highest.checked_sub(u64::from(back))?)
    }

    /// The newest key frame, if its beginning is still here.
    #[must_use]
    pub fn key_start(&self) -> Option<KeyStart> {
        self.key.filter(|k| self.get(k.ext).is_some())
    }

    /// The next key frame is the first that counts.
    pub fn forget_key(&mut self) {
        self.key = None;
    }

    /// Payload bytes from `ext` to the newest packet; `None` when one is missing.
    #[must_use]
    pub fn span(&self, ext: u64) -> Option<usize> {
        let highest = self.highest?;
        (ext..=highest).map(|e| self.get(e).map(|(_, p)| p.len())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(ring: &mut Ring, ext: u64, timestamp: u32, key: bool) -> bool {
        let kind = Payload { key_start: key, ..Payload::default() };
        let payload = [ext as u8; 3];
        let new = NewPacket { ext, timestamp, marker: false, extension: None, kind, payload: &payload };
        ring.insert(new, Instant::now())
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Option<Entry>>() <= 40, "{}", size_of::<Option<Entry>>());
    }

    #[test]
    fn keeps_the_newest_and_refuses_the_old() {
        let mut ring = Ring::new(4, 8);
        for ext in 10..16 {
            assert!(put(&mut ring, ext, 0, false));
        }
        assert!(!put(&mut ring, 15, 0, false), "duplicate");
        assert!(!put(&mut ring, 11, 0, false), "too old");
        assert!(ring.get(11).is_none());
        assert_eq!(ring.get(13).unwrap().1, [13; 3]);
        assert_eq!(ring.span(12), Some(12));
        assert_eq!(ring.span(11), None);
    }

    #[test]
    fn a_key_frame_begins_at_its_first_packet() {
        let mut ring = Ring::new(8, 8);
        put(&mut ring, 5, 100, true);
        put(&mut ring, 6, 100, true);
        assert_eq!(ring.key_start().unwrap().ext, 5);
        put(&mut ring, 9, 200, true);
        put(&mut ring, 8, 200, true);
        assert_eq!(ring.key_start().unwrap().ext, 8);
        put(&mut ring, 16, 300, false);
        assert_eq!(ring.key_start(), None, "overwritten");
    }

    #[test]
    fn late_packets_are_kept_unless_they_are_too_old_or_too_long() {
        let mut ring = Ring::new(4, 8);
        assert!(put(&mut ring, 20, 0, true));
        assert!(put(&mut ring, 26, 0, false));
        assert!(!put(&mut ring, 21, 0, false), "its cell is free, but its time is over");
        assert!(put(&mut ring, 25, 0, false), "late");
        assert_eq!(ring.highest(), Some(26));
        let kind = Payload::default();
        let long =
            NewPacket { ext: 27, timestamp: 0, marker: false, extension: None, kind, payload: &[0; 9] };
        assert!(!ring.insert(long, Instant::now()));
        assert_eq!(ring.highest(), Some(26));
    }

    #[test]
    fn an_older_key_frame_that_comes_late_is_not_the_newest() {
        let mut ring = Ring::new(16, 8);
        put(&mut ring, 9, 200, true);
        put(&mut ring, 6, 100, true);
        assert_eq!(ring.key_start(), Some(KeyStart { ext: 9, timestamp: 200 }));
        ring.forget_key();
        assert_eq!(ring.key_start(), None);
    }
}
