//! Which pictures of a layer a slot leaves out, so that a slow line gets fewer of them instead of
//! smaller ones: VP8's higher temporal layers (RFC 7741 §4.2).
//!
//! One decision for each picture, by its first packet. Going down takes effect at the next picture
//! above the limit. Going up, a picture may go only if the decoder has what it needs: all that lies
//! below it has been sent since a key frame, or it needs the base layer alone (Y). A lost packet
//! stays a hole in the numbers, which the subscriber asks for, unless it can only have been one of a
//! picture that is left out: the pictures before and after the gap are neighbours by their PictureID.

use crate::media::codec::{Numbers, Payload, Temporal};

/// One slot's state; 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Thinning {
    /// Bit n: pictures of layer n may need others of layer n, for none was left out since one went
    /// that needed none.
    open: u8,
    newest: Option<Picture>,
}

const ALL_OPEN: u8 = (1 << (Temporal::HIGHEST + 1)) - 1;

#[derive(Clone, Copy, Debug)]
struct Picture {
    timestamp: u32,
    /// PictureID and the one after it.
    id: Option<(u16, u16)>,
    sent: bool,
    /// Its last packet has come.
    ended: bool,
}

/// What becomes of a packet that is the newest so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub send: bool,
    /// It is the first of a picture that is left out.
    pub picture: bool,
    /// The packets missing just before it were of pictures that are left out.
    pub gap: bool,
}

impl Default for Thinning {
    fn default() -> Self {
        Self { open: ALL_OPEN, newest: None }
    }
}

impl Thinning {
    /// Judges the newest packet so far; `limit` is the highest temporal layer that is wanted.
    pub fn judge(&mut self, kind: Payload, p: &[u8], timestamp: u32, marker: bool, limit: u8) -> Verdict {
        if let Some(same) = self.newest.as_mut().filter(|n| n.timestamp == timestamp) {
            same.ended |= marker;
            return Verdict { send: same.sent, picture: false, gap: !same.sent };
        }
        let send = self.may_go(kind, limit);
        let id = kind.numbers.and_then(|n| picture_ids(n, p));
        let begins = kind.temporal.begins();
        let gap = self.newest.is_some_and(|before| {
            let neighbours = before.id.zip(id).is_some_and(|((_, next), (id, _))| next == id);
            let tail = before.ended || !before.sent;
            let head = begins || !send;
            neighbours && tail && head && !(before.sent && send)
        });
        self.newest = Some(Picture { timestamp, id, sent: send, ended: marker });
        Verdict { send, picture: !send, gap }
    }

    fn may_go(&mut self, kind: Payload, limit: u8) -> bool {
        let layer = kind.temporal.layer();
        if kind.key_start {
            self.open = ALL_OPEN;
        }
        if layer == 0 {
            return true;
        }
        let up_to = |layer: u8| (1 << (layer + 1)) - 1;
        let needs = up_to(layer) & !1;
        let can = kind.temporal.sync() || self.open & needs == needs;
        let send = layer <= limit && can;
        if send {
            self.open |= 1 << layer;
        } else {
            self.open &= !(1 << layer);
        }
        send
    }
}

fn picture_ids(numbers: Numbers, p: &[u8]) -> Option<(u16, u16)> {
    let (id, (_, wide)) = (numbers.read_picture_id(p)?, numbers.picture_id?);
    Some((id, (id + 1) & if wide { 0x7fff } else { 0x7f }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Codec;

    /// A packet: PictureID, TID, Y, first of its picture, key frame.
    fn packet(id: u16, layer: u8, sync: bool, begins: bool, key: bool) -> Vec<u8> {
        let [a, b] = (id | 0x8000).to_be_bytes();
        let start = if begins { 0x90 } else { 0x80 };
        vec![start, 0xe0, a, b, 0, layer << 6 | u8::from(sync) << 5, u8::from(!key)]
    }

    struct Line(Thinning, u8);

    impl Line {
        /// Sends a picture of one packet: did it go?
        fn goes(&mut self, id: u16, layer: u8, sync: bool) -> bool {
            let v = self.part(id, layer, sync, true, true);
            assert_eq!(v.picture, !v.send);
            v.send
        }

        fn part(&mut self, id: u16, layer: u8, sync: bool, begins: bool, ends: bool) -> Verdict {
            let p = packet(id, layer, sync, begins, false);
            self.0.judge(Codec::Vp8.inspect(&p), &p, u32::from(id) * 3_000, ends, self.1)
        }

        fn key(&mut self, id: u16) {
            let p = packet(id, 0, false, true, true);
            assert!(self.0.judge(Codec::Vp8.inspect(&p), &p, u32::from(id) * 3_000, true, self.1).send);
        }
    }

    #[test]
    fn down_at_the_next_picture_and_up_where_the_decoder_can_follow() {
        let mut line = Line(Thinning::default(), 3);
        line.key(0);
        // 0 2 1 2, Chromium's order of three layers; nothing needs Y while nothing was left out.
        assert!([(1, 2), (2, 1), (3, 2), (4, 0)].iter().all(|(id, layer)| line.goes(*id, *layer, false)));
        assert!(line.part(5, 2, false, true, false).send);
        line.1 = 1;
        assert!(line.part(5, 2, false, false, true).send, "a picture that is begun is ended");
        assert!(line.goes(6, 1, false) && !line.goes(7, 2, false) && !line.goes(8, 2, true));
        line.1 = 0;
        assert!(!line.goes(9, 1, true) && line.goes(10, 0, false));
        line.1 = 3;
        assert!(!line.goes(11, 2, false) && !line.goes(12, 1, false), "needs what was not sent");
        assert!(line.goes(13, 2, true), "needs the base alone");
        assert!(!line.goes(14, 2, false), "may need layer 1, which is still shut");
        assert!(line.goes(15, 1, true) && line.goes(16, 1, false));
        assert!(!line.goes(17, 2, false), "its own layer was interrupted again");
        assert!(line.goes(18, 2, true) && line.goes(19, 2, false));
        line.1 = 0;
        assert!(!line.goes(20, 1, false) && !line.goes(21, 2, false));
        line.1 = 2;
        line.key(22);
        assert!(line.goes(23, 2, false) && line.goes(24, 1, false), "a key frame opens all");
        assert!(!line.goes(25, 3, true));
    }

    #[test]
    fn gaps_are_closed_only_where_nothing_wanted_can_be_missing() {
        let line = || {
            let mut line = Line(Thinning::default(), 0);
            line.key(0x7ffe);
            line
        };
        let gap = |line: &mut Line, id, layer, begins, ends| line.part(id, layer, false, begins, ends).gap;
        // Inside a picture that is left out, before its first packet that came, behind its last.
        let mut l = line();
        assert!(gap(&mut l, 0x7fff, 1, false, false), "ids go round");
        assert!(gap(&mut l, 0x7fff, 1, false, false));
        assert!(gap(&mut l, 0, 0, true, true));
        // Between two of them.
        assert!(gap(&mut l, 1, 1, false, false) && gap(&mut l, 2, 1, false, false));
        // The picture before or after is sent and not whole, or another one is missing.
        let mut l = line();
        assert!(!gap(&mut l, 0x7fff, 0, true, false), "both are sent");
        assert!(!gap(&mut l, 0, 1, false, true), "the end of the one before may be missing");
        assert!(!gap(&mut l, 1, 0, false, true), "its own beginning may be missing");
        assert!(!gap(&mut l, 3, 1, true, true), "a whole picture is missing");
    }
}
