//! Phones that belong to a classroom: the assisting teacher's own page (手机) beside the board.
//!
//! A companion has no seat and no media. Its token names the classroom's participant with the role
//! `companion`, so it raises the classroom's hand, not its own; it lives on the classroom's seat, hears
//! what that seat is told of the lesson and nothing else, and is gone with it. The room's microphone
//! is the board's alone: a companion's `keep_mic` is handed on to the board's page, whose `state` then says
//! what became of it.

use tokio::time::Instant;

use crate::ids::{ConnectionId, ParticipantId};
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Outbox;
use crate::lesson::{Actor, LessonError};
use crate::session::message::{ByeReason, Role, ServerMessage};

/// Phones of one classroom; one more takes the oldest one's place.
const MOST: usize = 4;

/// The phones of one seat, the oldest first.
#[derive(Default)]
pub struct Companions(Vec<(ConnectionId, Outbox)>);

impl Companions {
    #[must_use]
    pub fn has(&self, connection: ConnectionId) -> bool {
        self.0.iter().any(|(own, _)| *own == connection)
    }

    pub fn outboxes(&self) -> impl Iterator<Item = &Outbox> {
        self.0.iter().map(|(_, outbox)| outbox)
    }

    /// Says whether it was there.
    pub fn remove(&mut self, connection: ConnectionId) -> bool {
        let before = self.0.len();
        self.0.retain(|(own, _)| *own != connection);
        self.0.len() < before
    }

    fn add(&mut self, connection: ConnectionId, outbox: Outbox) {
        if self.0.len() >= MOST {
            let (_, oldest) = self.0.remove(0);
            oldest.push(&ServerMessage::Bye { reason: ByeReason::Replaced });
        }
        self.0.push((connection, outbox));
    }
}

/// Whether phones are told what is said to their classroom's page alone: of media they know nothing.
#[must_use]
pub fn concerns_companions(message: &ServerMessage) -> bool {
    matches!(
        message,
        ServerMessage::Participant { .. }
            | ServerMessage::ParticipantLeft { .. }
            | ServerMessage::Lesson { .. }
            | ServerMessage::Floor { .. }
            | ServerMessage::Bye { .. }
    )
}

impl Lesson {
    /// A phone comes. Without its classroom there is nothing that it could be for: it tries again.
    pub(super) fn accompany(&mut self, actor: &Actor, now: Instant) -> Result<(), LessonError> {
        if self.is_kept_out(&actor.member) {
            return Err(LessonError::Kicked);
        }
        let seat = self.roster.get_mut(&actor.member.id).filter(|s| s.member.role == Role::Receiver);
        let seat = seat.ok_or(LessonError::UnknownParticipant)?;
        seat.companions.add(actor.connection, actor.outbox.clone());
        actor.outbox.push(&self.welcome(actor, None, now));
        self.greet(actor, now);
        Ok(())
    }

    /// The board is asked to keep its microphone closed, or not any more.
    pub(super) fn keep_mic(&self, id: &ParticipantId, kept: bool) -> Result<(), LessonError> {
        let seat = self.roster.get(id).ok_or(LessonError::UnknownParticipant)?;
        let (_, page) = seat.connection.as_ref().ok_or(LessonError::UnknownParticipant)?;
        page.push(&ServerMessage::KeepMic { kept });
        Ok(())
    }
}

#[cfg(test)]
#[path = "companion_test.rs"]
mod tests;
