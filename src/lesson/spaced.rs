//! What a finger repeats as often as it likes: raised hands and headcounts. Pure.
//!
//! The record gets at most one of each in `QUIET` and classroom. Of what comes sooner the last one waits, and is
//! noted when its time has come, or when the lesson ends, with the time at which it happened: the record always
//! ends with what was said last.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::events::LessonEvent;

/// How far apart they are in the record.
const QUIET: Duration = Duration::from_secs(5);
/// Above so many classrooms those that were quiet for long are looked for and forgotten.
const MANY: usize = 256;

/// Which of a classroom's events are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Hand,
    Headcount,
}

struct Said {
    noted: LessonEvent,
    at: Instant,
    waiting: Option<(LessonEvent, Instant)>,
}

/// What was noted lately, and what waits.
#[derive(Default)]
pub struct Spaced {
    said: HashMap<(ParticipantId, Kind), Said>,
    /// When the first of those that wait is due, or sooner.
    due: Option<Instant>,
}

impl Spaced {
    /// Gives the event back if it is to be noted now.
    pub fn pass(&mut self, event: LessonEvent, now: Instant) -> Option<LessonEvent> {
        let kind = match &event {
            LessonEvent::HandRaised { .. } => Kind::Hand,
            LessonEvent::Headcount { .. } => Kind::Headcount,
            _ => return Some(event),
        };
        let (LessonEvent::HandRaised { participant } | LessonEvent::Headcount { participant, .. }) = &event
        else {
            return Some(event);
        };
        let key = (participant.clone(), kind);
        match self.said.get_mut(&key) {
            Some(said) if now < said.at + QUIET => {
                // A number that is back to what stands there already is not news; a hand always is.
                let stands = kind == Kind::Headcount && said.noted == event;
                said.waiting = (!stands).then_some((event, now));
                let due = said.at + QUIET;
                self.due = Some(self.due.map_or(due, |first| first.min(due)));
                None
            }
            _ => {
                if self.said.len() >= MANY {
                    self.said.retain(|_, s| now < s.at + QUIET || s.waiting.is_some());
                }
                self.said.insert(key, Said { noted: event.clone(), at: now, waiting: None });
                Some(event)
            }
        }
    }

    /// What has waited long enough, and when it happened.
    pub fn take_due(&mut self, now: Instant) -> Vec<(LessonEvent, Instant)> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.due = None;
        let mut out = Vec::new();
        for said in self.said.values_mut() {
            if said.waiting.is_some() && now < said.at + QUIET {
                let due = said.at + QUIET;
                self.due = Some(self.due.map_or(due, |first| first.min(due)));
            } else if let Some((event, at)) = said.waiting.take() {
                (said.noted, said.at) = (event.clone(), now);
                out.push((event, at));
            }
        }
        out.sort_by_key(|(_, at)| *at);
        out
    }

    /// Everything that waits: nothing comes any more.
    pub fn take_all(&mut self) -> Vec<(LessonEvent, Instant)> {
        self.due = None;
        let mut out: Vec<_> = self.said.drain().filter_map(|(_, said)| said.waiting).collect();
        out.sort_by_key(|(_, at)| *at);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(who: &str, present: u16) -> LessonEvent {
        LessonEvent::Headcount { participant: ParticipantId::new(who).unwrap(), present }
    }

    fn hand(who: &str) -> LessonEvent {
        LessonEvent::HandRaised { participant: ParticipantId::new(who).unwrap() }
    }

    #[test]
    fn the_first_and_the_last_are_noted_and_what_is_between_is_not() {
        let (mut spaced, begin) = (Spaced::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(spaced.pass(present("a", 30), at(0)), Some(present("a", 30)));
        for n in 1..=40 {
            assert_eq!(spaced.pass(present("a", 30 + n), at(100 * u64::from(n))), None);
            assert!(spaced.take_due(at(100 * u64::from(n))).is_empty());
        }
        // Others, and hands, have a time of their own.
        assert!(spaced.pass(present("b", 1), at(4_100)).is_some());
        assert!(spaced.pass(hand("a"), at(4_200)).is_some());
        assert_eq!(spaced.pass(hand("a"), at(4_300)), None);
        assert_eq!(spaced.take_due(at(5_000)), [(present("a", 70), at(4_000))]);
        assert_eq!(spaced.pass(present("a", 71), at(5_100)), None, "five seconds after that one");
        assert_eq!(spaced.take_due(at(9_999)), [(hand("a"), at(4_300))]);
        assert_eq!(spaced.take_due(at(10_000)), [(present("a", 71), at(5_100))]);
        assert!(spaced.take_due(at(60_000)).is_empty());
        assert!(spaced.pass(present("a", 72), at(60_000)).is_some());
    }

    #[test]
    fn a_number_that_is_back_is_no_news_and_the_end_takes_all() {
        let (mut spaced, now) = (Spaced::default(), Instant::now());
        spaced.pass(present("a", 30), now);
        spaced.pass(present("a", 31), now);
        spaced.pass(present("a", 30), now);
        spaced.pass(present("b", 7), now);
        spaced.pass(present("b", 8), now);
        assert_eq!(spaced.take_all(), [(present("b", 8), now)]);
        assert!(spaced.take_all().is_empty() && spaced.said.is_empty());
    }

    #[test]
    fn who_was_quiet_is_forgotten_when_there_are_many() {
        let (mut spaced, begin) = (Spaced::default(), Instant::now());
        for n in 0..3_000u32 {
            let now = begin + QUIET * n / 100;
            assert!(spaced.pass(present(&format!("c{n}"), 1), now).is_some());
            assert!(spaced.said.len() <= MANY);
        }
    }

    #[test]
    fn whatever_else_happens_passes() {
        let (mut spaced, now) = (Spaced::default(), Instant::now());
        for _ in 0..3 {
            assert!(spaced.pass(LessonEvent::FloorReleased, now).is_some());
        }
    }
}
