//! What happened in a lesson that is worth keeping with it: one place where all of it passes.
//!
//! The lesson keeps the newest ones itself, for a lead who joins late; whoever stores lessons takes
//! them here, in order, with the time of the server's monotonic clock.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::lesson::Lesson;
use crate::session::message::{Mode, Trouble};

/// A lesson of an hour with a call a minute and every classroom complaining is within it.
const KEPT: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LessonEvent {
    CalledOn { participant: ParticipantId },
    FloorReleased,
    HandRaised { participant: ParticipantId },
    ModeSet { mode: Mode },
    LeadHandedOver { to: ParticipantId },
    Trouble { participant: ParticipantId, kind: Trouble },
    Headcount { participant: ParticipantId, present: u16 },
}

/// The newest events, oldest first.
#[derive(Default)]
pub struct EventLog(VecDeque<(Instant, LessonEvent)>);

impl EventLog {
    /// Those at or after `since`.
    pub fn since(&self, since: Instant) -> impl Iterator<Item = &LessonEvent> {
        self.0.iter().filter(move |(at, _)| *at >= since).map(|(_, event)| event)
    }

    fn note(&mut self, event: LessonEvent, now: Instant) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((now, event));
    }
}

impl Lesson {
    /// Everything that is kept with the lesson comes through here.
    pub(super) fn happened(&mut self, event: LessonEvent, now: Instant) {
        tracing::debug!(lesson = %self.id, ?event, "in a lesson");
        self.events.note(event, now);
    }
}
