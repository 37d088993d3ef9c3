//! 回声: a classroom that sends back what it was sent is closed, and both ends are told why.
//!
//! A classroom's page hears it by itself: it has both sounds as they are, and can turn its loudspeaker down to
//! see what changes (`web/src/ear`). Here stands what is done then. Only classrooms that do not lead are closed: a
//! lesson without its teacher's voice is worse than one with an echo.
//!
//! The machine closes a microphone twice. Who opens it a third time has heard why and wants it open:
//! from then on the lead is told and decides. Both is forgotten after a quarter of an hour without echo.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::events::LessonEvent;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::plan::SeatNumber;
use crate::lesson::roster::Seat;
use crate::media::negotiate::SourceKind;
use crate::session::message::{LessonState, Role, ServerMessage};

/// How often a classroom is closed before the lead is only told.
const MOST_TIMES: u32 = 2;
/// So long without echo, and it is as if there had never been one.
const FORGOTTEN: Duration = Duration::from_secs(900);
/// How soon the lead is told again of an echo that she lets be.
const TOLD_AGAIN: Duration = Duration::from_secs(30);

/// Who was found.
#[derive(Default)]
pub struct EchoGuard {
    found: HashMap<SeatNumber, Found>,
}

struct Found {
    closed: u32,
    /// When the lead was told of one that stays open.
    told: Option<Instant>,
    last: Instant,
}

impl Lesson {
    /// A page says that it hears its own loudspeaker in its microphone, which may have been closed meanwhile.
    pub(super) fn echo_heard(&mut self, id: &ParticipantId, now: Instant) {
        if !self.config.echo_guard || self.state != LessonState::Live {
            return;
        }
        let judged = |seat: &&Seat| Some(seat.number) != self.lead && seat.is_heard_by_all();
        let Some(seat) = self.roster.get(id).filter(judged).map(|s| s.number) else { return };
        let Some(muted) = self.echo.verdict(seat, now) else { return };
        if muted {
            // The seat was there a line ago.
            let _ = self.open_or_close(id, true, "");
        }
        self.happened(LessonEvent::Echo { participant: id.clone(), muted }, now);
        tracing::info!(lesson = %self.id, muted, "a classroom sends back what it is sent");
        let told = Encoded::new(&ServerMessage::Echo { participant: id.clone(), muted });
        for seat in self.roster.iter() {
            let teaches = seat.member.role == Role::Lead || Some(seat.number) == self.lead;
            if teaches || seat.member.id == *id {
                seat.push_encoded(&told);
            }
        }
    }
}

impl Seat {
    /// A classroom with a microphone that is open.
    fn is_heard_by_all(&self) -> bool {
        let has_mic =
            self.current.as_ref().is_some_and(|p| p.sources.iter().any(|s| s.info.kind == SourceKind::Mic));
        self.member.role == Role::Receiver && has_mic && !self.closed.contains(&SourceKind::Mic)
    }
}

impl EchoGuard {
    /// What to do about a classroom that was found: close it, or tell the lead alone; `None`: she knows.
    fn verdict(&mut self, seat: SeatNumber, now: Instant) -> Option<bool> {
        self.found.retain(|_, found| now - found.last < FORGOTTEN);
        let found = self.found.entry(seat).or_insert(Found { closed: 0, told: None, last: now });
        found.last = now;
        if found.closed < MOST_TIMES {
            found.closed += 1;
            return Some(true);
        }
        let knows = found.told.is_some_and(|at| now - at < TOLD_AGAIN);
        if !knows {
            found.told = Some(now);
        }
        (!knows).then_some(false)
    }
}

#[cfg(test)]
#[path = "echo_guard_test.rs"]
mod tests;
