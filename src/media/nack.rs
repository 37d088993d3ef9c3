//! Packets that did not come from a sender, and when to ask for them again (RFC 4585 §6.2.1).
//!
//! A gap is asked for after a short wait for reordering, then again each round trip, until it is
//! too old to be of use. Giving up on a video packet means a key frame is needed.

use std::time::{Duration, Instant};

/// Reordering on real paths is rarely longer.
const REORDER: Duration = Duration::from_millis(10);
const GIVE_UP_AFTER: Duration = Duration::from_millis(1_000);
const TRIES: u8 = 10;
/// A larger gap is not a loss but an outage: ask for a key frame instead.
const MAX_GAP: u64 = 200;

struct Missing {
    ext: u64,
    since: Instant,
    asked: Option<Instant>,
    tries: u8,
}

#[derive(Default)]
pub struct MissingPackets {
    highest: Option<u64>,
    missing: Vec<Missing>,
    /// Packets that were missing at any time.
    pub gaps: u64,
    /// Packets that were given up.
    pub lost: u64,
}

impl MissingPackets {
    /// A packet arrived. `repair`: what is missing before it will be asked for; otherwise it is
    /// only counted. `true`: the gap is too large to be repaired.
    pub fn arrived(&mut self, ext: u64, now: Instant, repair: bool) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(ext);
            return false;
        };
        if ext <= highest {
            self.missing.retain(|m| m.ext != ext);
            return false;
        }
        self.highest = Some(ext);
        let gap = ext - highest - 1;
        self.gaps += gap;
        if !repair {
            self.lost += gap;
            return false;
        }
        if gap + self.missing.len() as u64 > MAX_GAP {
            self.lost += gap + self.missing.len() as u64;
            self.missing.clear();
            return true;
        }
        let new = (highest + 1..ext).map(|ext| Missing { ext, since: now, asked: None, tries: 0 });
        self.missing.extend(new);
        false
    }

    /// How many are asked for.
    #[must_use]
    pub fn held(&self) -> usize {
        self.missing.len()
    }

    /// Sequence numbers to ask for now, ascending, into `ask`. `true`: one was given up.
    pub fn due(&mut self, now: Instant, round_trip: Duration, ask: &mut Vec<u16>) -> bool {
        let before = self.missing.len();
        self.missing.retain(|m| now - m.since < GIVE_UP_AFTER && m.tries < TRIES);
        let given_up = before - self.missing.len();
        self.lost += given_up as u64;
        let again = round_trip.clamp(Duration::from_millis(20), Duration::from_millis(300));
        for m in &mut self.missing {
            let due = match m.asked {
                None => now - m.since >= REORDER,
                Some(at) => now - at >= again,
            };
            if due {
                m.asked = Some(now);
                m.tries += 1;
                ask.push(m.ext as u16);
            }
        }
        given_up > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_asked_for_until_they_are_filled_or_given_up() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let rtt = Duration::from_millis(50);
        let mut missing = MissingPackets::default();
        let mut ask = Vec::new();
        missing.arrived(65_534, at(0), true);
        assert!(!missing.arrived(65_538, at(0), true));
        assert!(!missing.due(at(5), rtt, &mut ask));
        assert!(ask.is_empty(), "reordering is waited for");
        missing.due(at(10), rtt, &mut ask);
        assert_eq!(ask, [65_535, 0, 1]);
        ask.clear();
        missing.arrived(65_536, at(20), true);
        missing.due(at(40), rtt, &mut ask);
        assert!(ask.is_empty(), "not before a round trip");
        missing.due(at(60), rtt, &mut ask);
        assert_eq!(ask, [65_535, 1]);
        assert!(missing.due(at(1_001), rtt, &mut ask), "given up");
        assert!(missing.missing.is_empty());
        assert_eq!((missing.gaps, missing.lost), (3, 2));
    }

    #[test]
    fn an_outage_is_not_repaired() {
        let now = Instant::now();
        let mut missing = MissingPackets::default();
        missing.arrived(1, now, true);
        assert!(missing.arrived(1000, now, true));
        assert!(missing.missing.is_empty());
    }

    #[test]
    fn what_is_never_asked_for_is_not_remembered() {
        let now = Instant::now();
        let mut missing = MissingPackets::default();
        for n in 0..1_000 {
            missing.arrived(n * 150, now, false);
        }
        assert!(missing.missing.is_empty());
        for n in 0..1_000 {
            missing.arrived(200_000 + n * 150, now, true);
            assert!(missing.missing.len() as u64 <= MAX_GAP);
        }
    }

    #[test]
    fn a_packet_is_asked_for_ten_times_at_most_and_at_least_every_300_ms() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for (rtt, expected) in [(1, 10), (20, 10), (150, 7), (5_000, 4)] {
            let mut missing = MissingPackets::default();
            missing.arrived(1, at(0), true);
            missing.arrived(3, at(0), true);
            let (mut asked, mut given_up) = (Vec::new(), 0);
            for ms in 0..2_000 {
                let mut ask = Vec::new();
                given_up += u32::from(missing.due(at(ms), Duration::from_millis(rtt), &mut ask));
                asked.extend(ask.iter().map(|_| ms));
            }
            assert_eq!((asked.len(), given_up, missing.lost), (expected, 1, 1), "rtt {rtt}: {asked:?}");
            let apart = asked[1] - asked[0];
            assert_eq!(apart, rtt.clamp(20, 300), "{asked:?}");
        }
    }

    #[test]
    fn many_small_gaps_are_an_outage_too() {
        let now = Instant::now();
        let mut missing = MissingPackets::default();
        let mut outages = 0;
        for n in 0..100 {
            outages += u32::from(missing.arrived(n * 4, now, true));
        }
        assert_eq!(outages, 1);
        assert_eq!(missing.lost + missing.missing.len() as u64, 99 * 3);
        let mut audio = MissingPackets::default();
        audio.arrived(1, now, false);
        assert!(!audio.arrived(5, now, false));
        assert_eq!((audio.gaps, audio.lost), (3, 3));
    }
}
