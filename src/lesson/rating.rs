//! What a classroom says of a lesson that is over: how many were there, how sound and picture were.
//!
//! Its lesson has no task any more, so the directory notes it, into the book of the time that the lesson
//! was held. One that runs still is asked itself: a board may be quicker than its end.

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

/// Where an ended lesson's book ends.
#[derive(Clone, Debug)]
pub struct LastPage {
    pub run: Id,
    pub stamp: Stamp,
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
        match self.book_of(lesson)? {
            Book::Open(handle) => handle.rate(sub.clone(), rating).await,
            Book::Closed(last) => {
                let chronicle = self.chronicle();
                let stamp = Stamp { at: chronicle.wall_ms(), ms: last.stamp.ms };
                for (what, detail) in rating.records() {
                    chronicle.note(Record::Event {
                        run: last.run.clone(),
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
        match self.lock().get(lesson).ok_or(LessonError::Unknown)? {
            Entry::Running(handle) => Ok(Book::Open(handle.clone())),
            Entry::Ended { last, .. } => Ok(Book::Closed(last.clone())),
        }
    }
}

enum Book {
    Open(LessonHandle),
    Closed(LastPage),
}
