//! Who is there, since when: the lesson's own book, noted in the chronicle as it changes.
//!
//! An interval is open while somebody's page is connected, or while its media is. Everything is
//! measured on the lesson's clock, which is made of the moments that are given and never of the wall
//! clock: it begins with the lesson, and after a restart goes on where it was last heard of. An
//! interval ends at the last sign of life (a broken line is often noticed late), and a beat every
//! `BEAT` says that all who were there still are, so that a server that is killed loses no more.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::{LessonId, ParticipantId};
use crate::lesson::Member;
use crate::lesson::lesson::Lesson;
use crate::lesson::rating::LastPage;
use crate::session::message::Role;
use crate::store::Chronicle;
use crate::store::record::{Ended, Happened, Id, Record, Stamp};
use crate::store::running::Run;

const BEAT: Duration = Duration::from_secs(2);

pub struct Attendance {
    run: Id,
    chronicle: Chronicle,
    /// The lesson's clock at `since`.
    base: Duration,
    since: Instant,
    open: HashMap<ParticipantId, Open>,
    /// As they were noted last.
    known: HashMap<ParticipantId, (String, Role)>,
    beaten: Instant,
    // Since the last `settle`.
    happening: Vec<(Happened, ParticipantId, String, String)>,
    heard: Vec<ParticipantId>,
    /// The lesson has ended, or another process has it: nobody comes any more.
    over: bool,
}

struct Open {
    id: Id,
    /// The last sign of life.
    seen: Instant,
}

impl Attendance {
    /// Of a lesson that comes into being now.
    #[must_use]
    pub fn new(chronicle: Chronicle, lesson: &LessonId, title: &str, planned: bool, now: Instant) -> Self {
        let this = Self::from(chronicle, Id::random(), Duration::ZERO, now);
        let (run, lesson, title) = (this.run.clone(), lesson.clone(), title.to_owned());
        this.chronicle.note(Record::Run { run, lesson, title, planned, stamp: this.stamp(now) });
        this
    }

    /// Of a lesson that ran before this process did.
    #[must_use]
    pub fn resumed(chronicle: Chronicle, run: &Run, now: Instant) -> Self {
        Self::from(chronicle, run.run.clone(), Duration::from_millis(run.seen.ms), now)
    }

    fn from(chronicle: Chronicle, run: Id, base: Duration, now: Instant) -> Self {
        let (open, known) = (HashMap::new(), HashMap::new());
        Self {
            run,
            chronicle,
            base,
            since: now,
            open,
            known,
            beaten: now,
            happening: Vec::new(),
            heard: Vec::new(),
            over: false,
        }
    }

    /// Somebody is there: an interval opens, if none is open.
    pub fn here(&mut self, member: &Member, now: Instant) {
        if self.over {
            return;
        }
        let as_known =
            self.known.get(&member.id).is_some_and(|(n, r)| *n == member.name && *r == member.role);
        if !as_known {
            let (sub, role, name) = (member.id.clone(), member.role, member.name.clone());
            self.known.insert(sub.clone(), (name.clone(), role));
            self.chronicle.note(Record::Participant { run: self.run.clone(), sub, role, name });
        }
        if !self.open.contains_key(&member.id) {
            let (id, stamp) = (Id::random(), self.stamp(now));
            let (run, sub) = (self.run.clone(), member.id.clone());
            self.chronicle.note(Record::Opened { run, id: id.clone(), sub: sub.clone(), stamp });
            self.open.insert(sub, Open { id, seen: now });
        }
    }

    /// A sign of life at that moment.
    pub fn sign(&mut self, id: &ParticipantId, at: Instant) {
        if let Some(open) = self.open.get_mut(id) {
            open.seen = open.seen.max(at);
        }
    }

    /// A sign of life since the last `settle`.
    pub fn heard(&mut self, id: &ParticipantId) {
        self.heard.push(id.clone());
    }

    /// Nothing of somebody is there any more: the interval ends at the last sign of life.
    pub fn gone(&mut self, id: &ParticipantId, ended: Ended, now: Instant) {
        if let Some(open) = self.open.remove(id) {
            let ago = now.saturating_duration_since(open.seen).as_millis() as u64;
            let Stamp { at, ms } = self.stamp(now);
            let stamp = Stamp { at: at.saturating_sub(ago), ms: ms.saturating_sub(ago) };
            self.chronicle.note(Record::Closed { run: self.run.clone(), id: open.id, stamp, ended });
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Ends all intervals now.
    pub fn all_gone(&mut self, ended: Ended, now: Instant) {
        self.over = true;
        let stamp = self.stamp(now);
        for (_, open) in self.open.drain() {
            let run = self.run.clone();
            self.chronicle.note(Record::Closed { run, id: open.id, stamp, ended });
        }
    }

    /// Something happened; to `sub`, by whoever is called `by`.
    pub fn happened(
        &self,
        what: Happened,
        sub: Option<&ParticipantId>,
        by: Option<&str>,
        detail: Option<&str>,
        now: Instant,
    ) {
        self.chronicle.note(Record::Event {
            run: self.run.clone(),
            id: Id::random(),
            stamp: self.stamp(now),
            what,
            sub: sub.cloned(),
            by: by.map(str::to_owned),
            detail: detail.map(str::to_owned),
        });
    }

    /// The same where the time is not at hand: noted by the next `settle`.
    pub fn happens(&mut self, what: Happened, sub: &ParticipantId, by: &str, detail: String) {
        self.happening.push((what, sub.clone(), by.to_owned(), detail));
    }

    /// Notes what has happened since the last time.
    pub fn settle(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.heard) {
            self.sign(&id, now);
        }
        for (what, sub, by, detail) in std::mem::take(&mut self.happening) {
            let by = (!by.is_empty()).then_some(by.as_str());
            self.happened(what, Some(&sub), by, Some(&detail), now);
        }
    }

    /// Says that the lesson runs, if that is due; `ran`: how long it has been live.
    pub fn beat(&mut self, ran: Duration, now: Instant) {
        if now - self.beaten >= BEAT {
            self.beat_now(ran, now);
        }
    }

    /// The same in any case.
    pub fn beat_now(&mut self, ran: Duration, now: Instant) {
        self.beaten = now;
        let (run, stamp) = (self.run.clone(), self.stamp(now));
        self.chronicle.note(Record::Beat { run, stamp, ran: ran.as_millis() as u64 });
    }

    /// Where the book ends now.
    #[must_use]
    pub fn last_page(&self, now: Instant) -> LastPage {
        LastPage::new(self.run.clone(), self.stamp(now).ms)
    }

    fn stamp(&self, now: Instant) -> Stamp {
        let ms = (self.base + now.saturating_duration_since(self.since)).as_millis() as u64;
        Stamp { at: self.chronicle.wall_ms(), ms }
    }
}

impl Lesson {
    /// Opens and closes the intervals of those who changed.
    pub(super) fn keep_attendance(&mut self, now: Instant) {
        self.attendance.settle(now);
        for id in &self.changed {
            match self.roster.get(id) {
                Some(seat) if seat.is_there() => self.attendance.here(&seat.member, now),
                _ => self.attendance.gone(id, Ended::Lost, now),
            }
        }
    }
}

#[cfg(test)]
#[path = "attendance_test.rs"]
mod tests;
