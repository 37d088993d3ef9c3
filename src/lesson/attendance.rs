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
/// Something comes at least this often of a page that is there: a check of its media connection (2.5 s), or a
/// ping (10 s).
const MEDIA: Duration = Duration::from_secs(5);
const PINGS: Duration = Duration::from_secs(12);

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
    /// The last by media.
    media: Option<Instant>,
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
            self.open.insert(sub, Open { id, seen: now, media: None });
        }
    }

    /// A sign of life at that moment.
    pub fn sign(&mut self, id: &ParticipantId, at: Instant) {
        if let Some(open) = self.open.get_mut(id) {
            open.seen = open.seen.max(at);
        }
    }

    /// Media of it came since the last `settle`.
    pub fn heard(&mut self, id: &ParticipantId) {
        self.heard.push(id.clone());
    }

    /// A connection broke; `heard`: its page's last word, if it had one. A goodbye that comes after a silence
    /// is the network's and no sign of life: what a computer sent when its power went may come when it is back.
    pub fn broke(&mut self, id: &ParticipantId, heard: Option<Instant>, now: Instant) {
        if let Some(heard) = heard {
            self.sign(id, heard);
        }
        if heard.is_none() || !self.is_overdue(id, now) {
            self.sign(id, now);
        }
    }

    /// A seat that is there gets another connection. If nothing has come for longer than usual, there was
    /// nobody meanwhile: a power cut so short that it was not noticed.
    pub fn taken_over(&mut self, id: &ParticipantId, heard: Option<Instant>, now: Instant) {
        if let Some(heard) = heard {
            self.sign(id, heard);
        }
        if self.is_overdue(id, now) {
            self.gone(id, Ended::Lost, now);
        }
    }

    fn is_overdue(&self, id: &ParticipantId, now: Instant) -> bool {
        self.open.get(id).is_some_and(|open| {
            let had_media = open.media.is_some_and(|media| media + MEDIA >= open.seen);
            now.saturating_duration_since(open.seen) > if had_media { MEDIA } else { PINGS }
        })
    }

    /// Nothing of somebody is there any more: the interval ends at the last sign of life.
    pub fn gone(&mut self, id: &ParticipantId, ended: Ended, now: Instant) {
        if let Some(open) = self.open.remove(id) {
            let stamp = self.stamp_of(open.seen, now);
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
        self.happened_at(what, sub, by, detail, (now, now));
    }

    /// The same of an earlier moment: `when` it was, and the present.
    pub fn happened_at(
        &self,
        what: Happened,
        sub: Option<&ParticipantId>,
        by: Option<&str>,
        detail: Option<&str>,
        when: (Instant, Instant),
    ) {
        self.chronicle.note(Record::Event {
            run: self.run.clone(),
            id: Id::random(),
            stamp: self.stamp_of(when.0, when.1),
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
            if let Some(open) = self.open.get_mut(&id) {
                open.media = Some(now);
            }
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

    /// Of a moment that is over.
    fn stamp_of(&self, moment: Instant, now: Instant) -> Stamp {
        let ago = now.saturating_duration_since(moment).as_millis() as u64;
        let Stamp { at, ms } = self.stamp(now);
        Stamp { at: at.saturating_sub(ago), ms: ms.saturating_sub(ago) }
    }
}

impl Lesson {
    /// Opens and closes the intervals of those who changed.
    pub(super) fn keep_attendance(&mut self, now: Instant) {
        self.attendance.settle(now);
        self.note_what_waited(now);
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
