//! What is done to people in a lesson: their own state, mute, mute all, kick.

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::LessonError;
use crate::lesson::lesson::Lesson;
use crate::media::command::Command;
use crate::media::negotiate::SourceKind;
use crate::session::message::{ByeReason, OwnState, Role, ServerMessage};

impl Lesson {
    /// A page says what it sends and plays.
    pub(super) fn set_state(&mut self, id: &ParticipantId, state: OwnState) {
        let Some(seat) = self.roster.get_mut(id) else { return };
        if seat.said.as_ref() != Some(&state) {
            seat.said = Some(state);
            self.changed.insert(id.clone());
            self.replan = true;
        }
    }

    /// Closes or opens a kind of source for everybody. Its page is told who did it.
    pub(super) fn mute(
        &mut self,
        id: &ParticipantId,
        kind: SourceKind,
        muted: bool,
        by: &str,
    ) -> Result<(), LessonError> {
        let seat = self.roster.get_mut(id).ok_or(LessonError::UnknownParticipant)?;
        if seat.closed.contains(&kind) == muted {
            return Ok(());
        }
        if muted {
            seat.closed.push(kind);
        } else {
            seat.closed.retain(|k| *k != kind);
        }
        let sources = seat.peers().flat_map(|p| &p.sources);
        let gated: Vec<_> = sources.filter(|s| s.info.kind == kind).map(|s| s.info.source).collect();
        seat.push(&ServerMessage::Muted { kind, muted, by: by.to_owned() });
        for source in gated {
            self.media.surely(move || Command::Gate { source, open: !muted });
        }
        self.changed.insert(id.clone());
        self.replan = true;
        Ok(())
    }

    /// 全体静音: every receiver's microphone.
    pub(super) fn mute_all(&mut self, by: &str) {
        let receivers = self.roster.iter().filter(|s| s.member.role == Role::Receiver);
        let ids: Vec<_> = receivers.map(|s| s.member.id.clone()).collect();
        for id in ids {
            // The seat was there a line ago.
            let _ = self.mute(&id, SourceKind::Mic, true, by);
        }
    }

    /// A lesson begins with closed receivers, whatever was tried out before it.
    pub(super) fn mute_all_receivers_at_start(&mut self) {
        self.mute_all("");
    }

    pub(super) fn kick(&mut self, id: &ParticipantId, now: Instant) {
        if let Some(seat) = self.roster.get(id) {
            seat.push(&ServerMessage::Bye { reason: ByeReason::Kicked });
        }
        self.give_up_seat(id, now);
    }
}
