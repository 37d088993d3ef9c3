//! What a classroom says besides raising its hand: 没听清, 看不清, and how many are there.
//!
//! Leads see a calm mark for a while, so a complaint is told again only after `QUIET`: a child's
//! finger on the button is one complaint. A lead who joins is told of the latest.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::events::LessonEvent;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::{Actor, LessonError, Rating};
use crate::session::message::{Role, ServerMessage, Trouble};

/// How soon the same complaint of the same classroom counts again.
const QUIET: Duration = Duration::from_secs(5);
/// How long a complaint is news for a lead who joins; pages let it fade in this time.
const FRESH: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub enum SignalAsk {
    Trouble(Trouble),
    Headcount(u16),
}

impl Lesson {
    pub(super) fn signalled(
        &mut self,
        actor: &Actor,
        ask: SignalAsk,
        now: Instant,
    ) -> Result<(), LessonError> {
        let participant = actor.member.id.clone();
        let seat = self.roster.get_mut(&participant).ok_or(LessonError::UnknownParticipant)?;
        match ask {
            SignalAsk::Headcount(present) => {
                if seat.headcount.replace(present) != Some(present) {
                    self.changed.insert(participant.clone());
                    self.happened(LessonEvent::Headcount { participant, present }, now);
                }
            }
            SignalAsk::Trouble(kind) => {
                let event = LessonEvent::Trouble { participant: participant.clone(), kind };
                let recent = now.checked_sub(QUIET);
                if recent.is_some_and(|since| self.events.since(since).any(|e| *e == event)) {
                    return Ok(());
                }
                self.happened(event, now);
                let told = Encoded::new(&ServerMessage::Trouble { participant, kind });
                for seat in self.roster.iter().filter(|s| s.member.role == Role::Lead) {
                    seat.push_encoded(&told);
                }
            }
        }
        Ok(())
    }

    /// What a classroom says of the lesson at its end.
    pub(super) fn rated(
        &mut self,
        sub: &ParticipantId,
        rating: Rating,
        now: Instant,
    ) -> Result<(), LessonError> {
        self.answers.count(sub)?;
        for (what, detail) in rating.records() {
            self.attendance.happened(what, Some(sub), None, Some(&detail), now);
        }
        Ok(())
    }

    /// What classrooms complained of lately, to a lead who has just joined.
    pub(super) fn tell_troubles(&self, actor: &Actor, now: Instant) {
        let Some(since) = now.checked_sub(FRESH).filter(|_| actor.member.role == Role::Lead) else { return };
        for event in self.events.since(since) {
            if let LessonEvent::Trouble { participant, kind } = event {
                actor.outbox.push(&ServerMessage::Trouble { participant: participant.clone(), kind: *kind });
            }
        }
    }
}
