//! One timer wheel per shard: 10 ms steps, a bit over 5 s around.
//!
//! Each key has at most one entry that counts; re-arming leaves the old entry to be skipped when
//! it comes up, which costs less than taking it out.

use std::time::{Duration, Instant};

pub const STEP: Duration = Duration::from_millis(10);
const SLOTS: usize = 512;

pub struct Timers {
    start: Instant,
    /// The step that is handled next.
    now: u64,
    slots: Vec<Vec<(usize, u64)>>,
    /// Due step by key.
    due: Vec<Option<u64>>,
    count: usize,
}

impl Timers {
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { start, now: 0, slots: vec![Vec::new(); SLOTS], due: Vec::new(), count: 0 }
    }

    fn step_of(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_micros();
        since.div_ceil(STEP.as_micros()) as u64
    }

    /// Wakes `key` at `at`, at most 5 s ahead. An earlier wish stays.
    pub fn arm(&mut self, key: usize, at: Instant) {
        let step = self.step_of(at).clamp(self.now, self.now + SLOTS as u64 - 1);
        if self.due.len() <= key {
            self.due.resize(key + 1, None);
        }
        match self.due[key] {
            Some(earlier) if earlier <= step => return,
            Some(_) => {}
            None => self.count += 1,
        }
        self.due[key] = Some(step);
        self.slots[step as usize % SLOTS].push((key, step));
    }

    pub fn disarm(&mut self, key: usize) {
        if self.due.get_mut(key).is_some_and(|d| d.take().is_some()) {
            self.count -= 1;
        }
    }

    /// Keys that are due, appended to `out`; each is disarmed.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<usize>) {
        let until = now.saturating_duration_since(self.start).as_micros() / STEP.as_micros();
        let until = until as u64;
        // After a long pause of the process, every slot is visited once.
        let from = self.now.max((until + 1).saturating_sub(SLOTS as u64));
        for step in from..=until {
            let mut slot = std::mem::take(&mut self.slots[step as usize % SLOTS]);
            slot.retain(|(key, due)| {
                if self.due[*key] != Some(*due) {
                    return false;
                }
                if *due > until {
                    return true;
                }
                self.due[*key] = None;
                self.count -= 1;
                out.push(*key);
                false
            });
            self.slots[step as usize % SLOTS] = slot;
        }
        self.now = self.now.max(until + 1);
    }

    /// When to call `expire` next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        if self.count == 0 {
            return None;
        }
        let armed = |step: &u64| {
            let slot = &self.slots[*step as usize % SLOTS];
            slot.iter().any(|(key, due)| due == step && self.due[*key] == Some(*due))
        };
        let step = (self.now..self.now + SLOTS as u64).find(armed)?;
        Some(self.start + STEP * step as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_up_once_when_they_are_due() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut t = Timers::new(start);
        let expire = |t: &mut Timers, ms| {
            let mut out = Vec::new();
            t.expire(at(ms), &mut out);
            out
        };
        t.arm(1, at(100));
        t.arm(2, at(55));
        t.arm(1, at(300)); // later: the earlier wish stays
        assert_eq!(t.next(), Some(at(60)));
        assert_eq!(expire(&mut t, 50), [0usize; 0]);
        assert_eq!(expire(&mut t, 60), [2]);
        t.arm(1, at(80));
        assert_eq!(expire(&mut t, 200), [1]);
        assert_eq!(t.next(), None);
        t.arm(3, at(210));
        t.disarm(3);
        assert_eq!(expire(&mut t, 10_000), [0usize; 0]);
        t.arm(4, at(30_000));
        assert_eq!(expire(&mut t, 20_000), [4], "5 s is as far as it reaches");
    }

    #[test]
    fn nobody_is_early_or_forgotten_or_twice() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut t = Timers::new(start);
        let mut out = Vec::new();
        // A wish for a step that is half over is one for its end.
        t.arm(1, at(101));
        t.expire(at(105), &mut out);
        assert!(out.is_empty());
        // An earlier wish counts, and the old one does not come up again.
        t.arm(1, at(108));
        t.arm(2, at(5_100));
        t.expire(at(110), &mut out);
        assert_eq!(out, [1]);
        out.clear();
        for ms in (120..5_100).step_by(10) {
            t.expire(at(ms), &mut out);
        }
        assert!(out.is_empty());
        assert_eq!(t.next(), Some(at(5_100)));
        // The time before is no time to be armed for.
        t.arm(3, at(0));
        assert_eq!(t.next(), Some(at(5_100)));
        t.expire(at(5_100), &mut out);
        assert_eq!(out, [2, 3]);
        out.clear();
        // After a pause of the process everybody comes up.
        for key in 0..40 {
            t.arm(key, at(5_200 + 120 * key as u64));
        }
        t.disarm(7);
        t.disarm(7);
        t.expire(at(60_000), &mut out);
        assert_eq!(out.len(), 39);
        assert_eq!(t.next(), None);
        t.expire(at(60_010), &mut out);
        assert_eq!(out.len(), 39);
    }

    #[test]
    fn an_old_wish_is_not_the_next() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut t = Timers::new(start);
        t.arm(1, at(50));
        t.disarm(1);
        t.arm(1, at(90));
        t.arm(1, at(400));
        assert_eq!(t.next(), Some(at(90)), "a later wish changes nothing");
        let mut out = Vec::new();
        t.expire(at(60), &mut out);
        assert!(out.is_empty());
        t.expire(at(90), &mut out);
        assert_eq!(out, [1]);
    }
}
