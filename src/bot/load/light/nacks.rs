//! What a receiver asks for again, by the rules of Chromium's `NackRequester` (M120 to M150).
//!
//! A gap is asked for at once, unless late packets were seen to come by themselves: then after half
//! of them would have come. Again after each round trip, ten times at most. What the decoder has
//! passed is not asked for any more. A list of more than 1000 is given up for a key frame.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const TRIES: u8 = 10;
const MOST: usize = 1_000;
/// Late packets that are remembered, and how late (in packets) they count at most.
const LATE: usize = 128;
const LATEST: u64 = 9;

struct Missing {
    ext: u64,
    /// Not asked for before this one has come.
    after: u64,
    asked: Option<Instant>,
    tries: u8,
}

#[derive(Default)]
pub struct Nacks {
    newest: Option<u64>,
    missing: Vec<Missing>,
    late: VecDeque<u8>,
}

impl Nacks {
    /// Packet `ext` arrived, by itself or as a repair. `false`: so much is missing that only a key
    /// frame helps.
    pub fn arrived(&mut self, ext: u64, repair: bool) -> bool {
        let newest = *self.newest.get_or_insert(ext);
        if ext <= newest {
            if ext < newest && !repair {
                self.late.push_back((newest - ext).min(LATEST) as u8);
                if self.late.len() > LATE {
                    self.late.pop_front();
                }
            }
            self.missing.retain(|m| m.ext != ext);
            return true;
        }
        self.newest = Some(ext);
        if (ext - newest) as usize + self.missing.len() > MOST {
            self.missing.clear();
            return false;
        }
        let wait = if ext > newest + 1 { self.usual_lateness() } else { 0 };
        let new = (newest + 1..ext).map(|ext| Missing { ext, after: ext + wait, asked: None, tries: 0 });
        self.missing.extend(new);
        true
    }

    /// Nothing up to `ext` is of use any more.
    pub fn forget(&mut self, ext: u64) {
        self.missing.retain(|m| m.ext > ext);
    }

    /// What to ask for now. `again`: also for the second time and on, for what was asked for a
    /// round trip ago.
    pub fn due(&mut self, now: Instant, round_trip: Option<Duration>, ask: &mut Vec<u16>) {
        let newest = self.newest.unwrap_or(0);
        for m in &mut self.missing {
            let due = match (m.asked, round_trip) {
                (None, _) => newest >= m.after,
                (Some(at), Some(round_trip)) => now - at >= round_trip,
                (Some(_), None) => false,
            };
            if due {
                m.asked = Some(now);
                m.tries += 1;
                ask.push(m.ext as u16);
            }
        }
        self.missing.retain(|m| m.tries < TRIES);
    }

    fn usual_lateness(&self) -> u64 {
        let mut late: Vec<u8> = self.late.iter().copied().collect();
        late.sort_unstable();
        late.get(late.len() / 2).map_or(0, |l| u64::from(*l))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Option<Duration> = Some(Duration::from_millis(100));

    fn due(n: &mut Nacks, now: Instant, trip: Option<Duration>) -> Vec<u16> {
        let mut ask = Vec::new();
        n.due(now, trip, &mut ask);
        ask
    }

    #[test]
    fn a_gap_is_asked_for_at_once_and_after_each_round_trip_ten_times() {
        let (start, mut n) = (Instant::now(), Nacks::default());
        assert!(n.arrived(10, false) && n.arrived(13, false));
        assert_eq!(due(&mut n, start, None), [11, 12]);
        assert!(due(&mut n, start + Duration::from_millis(99), TRIP).is_empty());
        n.arrived(12, true);
        let mut asked = 1;
        for ms in (20..2_000).step_by(20) {
            asked += due(&mut n, start + Duration::from_millis(ms), TRIP).len();
        }
        assert_eq!(asked, 10);
    }

    #[test]
    fn what_the_decoder_has_passed_is_forgotten() {
        let (start, mut n) = (Instant::now(), Nacks::default());
        n.arrived(1, false);
        n.arrived(9, false);
        n.forget(5);
        assert_eq!(due(&mut n, start, None), [6, 7, 8]);
    }

    #[test]
    fn where_packets_overtake_each_other_a_gap_may_close_by_itself() {
        let (start, mut n) = (Instant::now(), Nacks::default());
        n.arrived(0, false);
        for pair in 0..20 {
            n.arrived(4 + 4 * pair, false);
            n.arrived(1 + 4 * pair, false);
        }
        n.missing.clear();
        n.arrived(90, false);
        assert!(!due(&mut n, start, None).contains(&89));
        n.arrived(93, false);
        assert!(due(&mut n, start, None).contains(&89));
    }

    #[test]
    fn too_many_are_given_up() {
        let mut n = Nacks::default();
        assert!(n.arrived(1, false));
        assert!(!n.arrived(1_500, false));
        assert!(due(&mut n, Instant::now(), None).is_empty());
    }
}
