//! What a slot sent lately, so that a NACK can be answered from the shared ring.
//!
//! Only numbers are kept (the payload is in the ring): 256 packets of video cover over a second
//! at the top layer. Made when a slot first sends, so an idle slot costs nothing.

use std::time::{Duration, Instant};

use crate::ids::SourceId;

const KEPT: usize = 256;
/// A second request within this time crossed with our answer.
const AGAIN_AFTER: Duration = Duration::from_millis(15);

/// As often as a page asks for a packet that keeps getting lost (`nack`). A subscriber that asks on
/// gets nothing more, so what it can make the server send is a small multiple of its stream.
const TIMES: u8 = 10;

/// One packet as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Extended output sequence number.
    pub sequence: u64,
    pub source: SourceId,
    pub layer: u8,
    /// Extended input sequence number.
    pub ext: u64,
    pub timestamp: u32,
    pub picture_id: u16,
    pub tl0: u8,
    /// When it was last sent again.
    pub again: Option<Instant>,
    /// How often it was sent again.
    pub times: u8,
}

pub struct History {
    sent: Vec<Option<Sent>>,
}

impl Default for History {
    fn default() -> Self {
        Self { sent: vec![None; KEPT] }
    }
}

impl History {
    pub fn note(&mut self, sent: Sent) {
        self.sent[sent.sequence as usize % KEPT] = Some(sent);
    }

    /// The packet with this 16-bit number, unless it was sent again a moment ago.
    pub fn again(&mut self, sequence: u16, now: Instant) -> Option<Sent> {
        let entry = self.sent[usize::from(sequence) % KEPT].as_mut()?;
        let crossed = entry.again.is_some_and(|at| now - at < AGAIN_AFTER);
        if entry.sequence as u16 != sequence || crossed || entry.times >= TIMES {
            return None;
        }
        entry.again = Some(now);
        entry.times += 1;
        Some(*entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_packets_are_found_and_crossed_requests_are_not_answered_twice() {
        let now = Instant::now();
        let mut h = History::default();
        for sequence in 65_500u64..65_600 {
            h.note(Sent {
                sequence,
                source: SourceId(1),
                layer: 0,
                ext: sequence + 7,
                timestamp: 0,
                picture_id: 0,
                tl0: 0,
                again: None,
                times: 0,
            });
        }
        assert_eq!(h.again(3, now).unwrap().ext, 65_539 + 7);
        assert!(h.again(3, now).is_none());
        assert!(h.again(3, now + AGAIN_AFTER).is_some());
        assert!(h.again(100, now).is_none(), "never sent");
        assert!(h.again(65_400, now).is_none());
        // Asked for on and on, one packet is sent again ten times and no more.
        let later = |n: u32| now + AGAIN_AFTER * (n + 2);
        let more = (0..100).filter(|n| h.again(5, later(*n)).is_some()).count();
        assert_eq!(more, usize::from(TIMES));
    }
}
