//! What happened in a lesson that is worth keeping with it: one place where all of it passes.
//!
//! The lesson keeps the newest ones itself, for a lead who joins late, and notes all for the record; what can be
//! repeated without end is `spaced`.

use std::collections::VecDeque;

use serde::Serialize;
use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::lesson::Lesson;
use crate::lesson::spaced::Spaced;
use crate::session::message::{Mode, Trouble};
use crate::store::record::Happened;

/// A lesson of an hour with a call a minute and every classroom complaining is within it.
const KEPT: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LessonEvent {
    CalledOn {
        participant: ParticipantId,
    },
    FloorReleased,
    HandRaised {
        participant: ParticipantId,
    },
    ModeSet {
        mode: Mode,
    },
    LeadHandedOver {
        to: ParticipantId,
    },
    Trouble {
        participant: ParticipantId,
        kind: Trouble,
    },
    Headcount {
        participant: ParticipantId,
        present: u16,
    },
    PhotoSent {
        participant: ParticipantId,
    },
    PhotoShown {
        participant: ParticipantId,
    },
    Promoted {
        participant: ParticipantId,
        promoted: bool,
    },
    /// It sends back what it is sent; `muted`: its microphone was closed for it.
    Echo {
        participant: ParticipantId,
        muted: bool,
    },
}

/// The newest events, oldest first.
#[derive(Default)]
pub struct EventLog {
    newest: VecDeque<(Instant, LessonEvent)>,
    spaced: Spaced,
}

impl EventLog {
    /// Those at or after `since`.
    pub fn since(&self, since: Instant) -> impl Iterator<Item = &LessonEvent> {
        self.newest.iter().filter(move |(at, _)| *at >= since).map(|(_, event)| event)
    }

    fn note(&mut self, event: LessonEvent, now: Instant) {
        if self.newest.len() == KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back((now, event));
    }
}

impl LessonEvent {
    /// As the record of the lesson has it: what, whose, and in which way.
    fn record(&self) -> (Happened, Option<&ParticipantId>, Option<String>) {
        match self {
            Self::CalledOn { participant } => (Happened::CallOn, Some(participant), None),
            Self::FloorReleased => (Happened::ReleaseFloor, None, None),
            Self::HandRaised { participant } => (Happened::RaiseHand, Some(participant), None),
            Self::ModeSet { mode } => (Happened::Mode, None, Some(word(mode))),
            Self::LeadHandedOver { to } => (Happened::HandOverLead, Some(to), None),
            Self::Trouble { participant, kind } => (Happened::Trouble, Some(participant), Some(word(kind))),
            Self::PhotoSent { participant } => (Happened::PhotoSent, Some(participant), None),
            Self::PhotoShown { participant } => (Happened::PhotoShown, Some(participant), None),
            Self::Promoted { participant, promoted } => {
                let what = if *promoted { Happened::Promote } else { Happened::Demote };
                (what, Some(participant), None)
            }
            Self::Headcount { participant, present } => {
                (Happened::Headcount, Some(participant), Some(present.to_string()))
            }
            Self::Echo { participant, muted } => {
                let done = if *muted { "muted" } else { "told" };
                (Happened::Echo, Some(participant), Some(done.to_owned()))
            }
        }
    }
}

/// A word of the protocol as it stands there.
pub(super) fn word(word: &impl Serialize) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

impl Lesson {
    /// Everything that is kept with the lesson comes through here.
    pub(super) fn happened(&mut self, event: LessonEvent, now: Instant) {
        if let Some(event) = self.events.spaced.pass(event, now) {
            self.note_event(event, now, now);
        }
    }

    /// Notes what had to wait, as far as its time has come.
    pub(super) fn note_what_waited(&mut self, now: Instant) {
        for (event, at) in self.events.spaced.take_due(now) {
            self.note_event(event, at, now);
        }
    }

    /// The same of all: nothing comes any more.
    pub(super) fn note_all_that_waits(&mut self, now: Instant) {
        for (event, at) in self.events.spaced.take_all() {
            self.note_event(event, at, now);
        }
    }

    fn note_event(&mut self, event: LessonEvent, at: Instant, now: Instant) {
        let (what, sub, detail) = event.record();
        self.attendance.happened_at(what, sub, None, detail.as_deref(), (at, now));
        tracing::debug!(lesson = %self.id, ?event, "in a lesson");
        self.events.note(event, at);
    }
}
