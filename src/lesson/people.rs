//! What is done to people in a lesson: their own state, mute, mute all, kick.

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::lesson::Lesson;
use crate::lesson::roster::Seat;
use crate::lesson::{LessonError, Member};
use crate::media::command::Command;
use crate::media::negotiate::SourceKind;
use crate::session::message::{ByeReason, OwnState, Role, ServerMessage};
use crate::store::record::{Ended, Happened};

impl Lesson {
    /// A page says what it sends and plays.
    pub(super) fn set_state(&mut self, id: &ParticipantId, state: OwnState) {
        let Some(seat) = self.roster.get_mut(id) else { return };
        if seat.said.as_ref() != Some(&state) {
            seat.said = Some(state);
            self.stale.insert(seat.number);
            self.changed.insert(id.clone());
        }
    }

    /// Closes or opens a kind of source for everybody. Its page is told who did it, although nothing
    /// may have changed here: the page may have closed its own meanwhile, and whoever asks sees that.
    pub(super) fn mute(
        &mut self,
        id: &ParticipantId,
        kind: SourceKind,
        muted: bool,
        by: &str,
    ) -> Result<(), LessonError> {
        if kind == SourceKind::Mic {
            self.open_or_close(id, muted, by)
        } else {
            self.set_closed(id, kind, muted, by)
        }
    }

    /// The same without a word about the floor.
    pub(super) fn set_closed(
        &mut self,
        id: &ParticipantId,
        kind: SourceKind,
        muted: bool,
        by: &str,
    ) -> Result<(), LessonError> {
        let seat = self.roster.get_mut(id).ok_or(LessonError::UnknownParticipant)?;
        seat.push(&ServerMessage::Muted { kind, muted, by: by.to_owned() });
        if seat.closed.contains(&kind) == muted {
            return Ok(());
        }
        if muted {
            seat.closed.push(kind);
        } else {
            seat.closed.retain(|k| *k != kind);
        }
        self.stale.insert(seat.number);
        let what = if muted { Happened::Mute } else { Happened::Unmute };
        self.attendance.happens(what, id, by, name_of(kind).to_owned());
        let sources = seat.peers().flat_map(|p| &p.sources);
        let gated: Vec<_> = sources.filter(|s| s.info.kind == kind).map(|s| s.info.source).collect();
        for source in gated {
            self.media.surely(move || Command::Gate { source, open: !muted });
        }
        self.changed.insert(id.clone());
        self.heard.stale = true;
        Ok(())
    }

    /// 全体静音: every receiver's microphone but the one's who leads. Nobody has the floor any more.
    pub(super) fn mute_all(&mut self, by: &str) {
        let lead = self.lead;
        self.clear_floor();
        self.mute_receivers(by, |seat| Some(seat.number) != lead);
    }

    /// A lesson begins with closed receivers, whatever was tried out before it. Only those that
    /// were open hear of it.
    pub(super) fn mute_all_receivers_at_start(&mut self) {
        let lead = self.lead;
        self.mute_receivers("", |s| Some(s.number) != lead && !s.closed.contains(&SourceKind::Mic));
    }

    fn mute_receivers(&mut self, by: &str, which: impl Fn(&Seat) -> bool) {
        let receivers = self.roster.iter().filter(|s| s.member.role == Role::Receiver && which(s));
        let ids: Vec<_> = receivers.map(|s| s.member.id.clone()).collect();
        for id in ids {
            // The seat was there a line ago.
            let _ = self.set_closed(&id, SourceKind::Mic, true, by);
        }
    }

    /// Removes a participant for the rest of the lesson.
    pub(super) fn kick(&mut self, id: &ParticipantId, now: Instant) {
        if let Some(seat) = self.roster.get(id) {
            seat.push(&ServerMessage::Bye { reason: ByeReason::Kicked });
        }
        self.kicked.insert(id.clone());
        self.attendance.sign(id, now);
        self.attendance.gone(id, Ended::Kicked, now);
        self.attendance.happened(Happened::Kick, Some(id), None, None, now);
        self.give_up_seat(id, now);
    }

    /// Whether this participant was kicked. Leads and admins are not kept out: they could be let
    /// in again by nobody else.
    pub(super) fn is_kept_out(&self, member: &Member) -> bool {
        let may_be = matches!(member.role, Role::Receiver | Role::Observer | Role::Companion);
        may_be && self.kicked.contains(&member.id)
    }
}

/// As the protocol has it.
fn name_of(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Mic => "mic",
        SourceKind::Camera => "camera",
        SourceKind::Content => "content",
        SourceKind::ContentAudio => "content_audio",
    }
}

#[cfg(test)]
#[path = "people_test.rs"]
mod tests;
