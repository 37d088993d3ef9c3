//! What a classroom says of a lesson that is over: how many were there, how sound and picture were.
//!
//! Its lesson has no task any more, so the directory notes it, into the book of the time that the lesson
//! was held. One that runs still is asked itself: a board may be quicker than its end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{LessonId, ParticipantId};
use crate::lesson::directory::{Directory, Entry};
use crate::lesson::{LessonError, LessonHandle};
use crate::store::record::{Happened, Id, Record, Stamp};

/// One or more answers; each may be given again, the newest holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rating {
    pub headcount: Option<u16>,
    /// `good` or `poor`, here and below.
    pub sound: Option<&'static str>,
    pub picture: Option<&'static str>,
}

/// Where an ended lesson's book ends, and goes on: each answer has a moment of its own, so that of two the
/// later one is the later one.
#[derive(Clone, Debug)]
pub struct LastPage {
    pub run: Id,
    /// On the lesson's clock, ms.
    pub ended: u64,
    pub noted: u64,
    /// Answers that may still come; a county's classrooms need fewer.
    left: u32,
}

const ANSWERS: u32 = 5_000;

/// How often each has answered while the lesson runs: each answer is a record.
#[derive(Default)]
pub struct Answers(BTreeMap<ParticipantId, u8>);

/// Taps on two faces and a number, and some that were a mistake.
const OF_ONE: u8 = 60;

impl Answers {
    pub fn count(&mut self, sub: &ParticipantId) -> Result<(), LessonError> {
        let given = self.0.entry(sub.clone()).or_default();
        *given = given.saturating_add(1);
        if *given > OF_ONE { Err(LessonError::Busy) } else { Ok(()) }
    }
}

impl LastPage {
    #[must_use]
    pub fn new(run: Id, ended: u64) -> Self {
        Self { run, ended, noted: ended, left: ANSWERS }
    }

    /// A moment so long after the end.
    fn next(&mut self, since: Duration) -> Result<(Id, u64), LessonError> {
        self.left = self.left.checked_sub(1).ok_or(LessonError::Busy)?;
        self.noted = (self.noted + 1).max(self.ended + since.as_millis() as u64);
        Ok((self.run.clone(), self.noted))
    }
}

impl Rating {
    /// As the record of the lesson has it: what, and in which way.
    pub fn records(&self) -> impl Iterator<Item = (Happened, String)> {
        let count = self.headcount.map(|n| (Happened::Headcount, n.to_string()));
        let sound = self.sound.map(|word| (Happened::RateSound, word.to_owned()));
        let picture = self.picture.map(|word| (Happened::RatePicture, word.to_owned()));
        [count, sound, picture].into_iter().flatten()
    }
}

impl Directory {
    /// Notes what a classroom says of this lesson.
    pub async fn rate(
        &self,
        lesson: &LessonId,
        sub: &ParticipantId,
        rating: Rating,
    ) -> Result<(), LessonError> {
        let mut book = self.book_of(lesson)?;
        if let Book::Open(handle) = &book {
            match handle.rate(sub.clone(), rating).await {
                // It ended in this moment.
                Err(LessonError::Ended) => book = self.book_of(lesson)?,
                rated => return rated,
            }
        }
        match book {
            Book::Open(_) => Err(LessonError::Ended),
            Book::Closed { run, ms } => {
                let chronicle = self.chronicle();
                let stamp = Stamp { at: chronicle.wall_ms(), ms };
                for (what, detail) in rating.records() {
                    chronicle.note(Record::Event {
                        run: run.clone(),
                        id: Id::random(),
                        stamp,
                        what,
                        sub: Some(sub.clone()),
                        by: None,
                        detail: Some(detail),
                    });
                }
                Ok(())
            }
        }
    }

    fn book_of(&self, lesson: &LessonId) -> Result<Book, LessonError> {
        match self.lock().get_mut(lesson).ok_or(LessonError::Unknown)? {
            Entry::Running(handle) => Ok(Book::Open(handle.clone())),
            Entry::Ended { last, at, .. } => {
                let (run, ms) = last.next(at.elapsed())?;
                Ok(Book::Closed { run, ms })
            }
        }
    }
}

enum Book {
    Open(LessonHandle),
    Closed { run: Id, ms: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_answers_in_one_moment_the_second_is_later() {
        let mut last = LastPage::new(Id::random(), 1000);
        let mut at = |ms| last.next(Duration::from_millis(ms)).map_or(0, |(_, at)| at);
        assert_eq!([at(0), at(0), at(500), at(500), at(20)], [1001, 1002, 1500, 1501, 1502]);
    }

    #[test]
    fn nobody_answers_without_end() {
        let mut last = LastPage::new(Id::random(), 1000);
        let ended = (0..10_000).take_while(|_| last.next(Duration::ZERO).is_ok()).count();
        assert_eq!(ended, ANSWERS as usize);
        let (mut answers, c1) = (Answers::default(), ParticipantId::new("c1").unwrap());
        let live = (0..1_000).take_while(|_| answers.count(&c1).is_ok()).count();
        assert_eq!(live, usize::from(OF_ONE));
        assert!(answers.count(&ParticipantId::new("c2").unwrap()).is_ok(), "others go on");
    }
}
