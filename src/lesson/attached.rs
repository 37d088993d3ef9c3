//! Seats without a page: whoever publishes by WHIP or plays by WHEP.
//!
//! Such a seat lives by its media connection. Taking the seat and adding the peer are one step,
//! its outbox keeps nothing but the goodbye, and when its peer closes the seat ends: a player's at
//! once, a publisher's after the time that every broken connection has. Otherwise it is a seat
//! like any other: in the roster, muted, kicked, replaced by a newer connection of its participant.
//!
//! Events carry no time; what they make due here is done by the next `settle`.

use tokio::time::Instant;

use crate::ids::{ConnectionId, ParticipantId, PeerId};
use crate::lesson::lesson::Lesson;
use crate::lesson::roster::Seat;
use crate::lesson::{Actor, LessonError};
use crate::media::command::Command;
use crate::media::negotiate::{Accepted, Codec, IceCredentials, SourceKind};
use crate::session::message::{ByeReason, LessonState, OwnState, Role, ServerMessage};

/// What a seat without a page does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Sends (WHIP). A lead's begins the lesson, as her tap on 上课 would.
    Publisher,
    /// Only takes (WHEP).
    Player,
}

/// The media connection that a seat lives by.
#[derive(Clone, Copy, Debug)]
pub struct Attached {
    pub peer: PeerId,
    attachment: Attachment,
}

/// What has to be done with the time at hand.
#[derive(Debug)]
pub enum Due {
    Start,
    /// The peer that this seat lived by has closed.
    Detach(ParticipantId, PeerId),
}

impl Lesson {
    /// Somebody comes without a page. On an error the seat is as it was, except that an older
    /// connection of the same participant may have been replaced already.
    pub fn handle_attach(
        &mut self,
        actor: &Actor,
        attachment: Attachment,
        accepted: Accepted,
        preferred: Codec,
        now: Instant,
    ) -> Result<(), LessonError> {
        if self.state == LessonState::Ended {
            return Err(LessonError::Ended);
        }
        self.take_type(&actor.member, now);
        let actor = &self.placed(actor);
        let new = self.roster.get(&actor.member.id).is_none();
        let peer = accepted.peer;
        let sends = |kind| accepted.sources.iter().any(|s| s.kind == kind);
        // Nobody can be asked, so it is taken for what its offer says.
        let said = OwnState {
            mic: sends(SourceKind::Mic),
            camera: sends(SourceKind::Camera),
            content: false,
            sound: true,
            ..OwnState::default()
        };
        self.take_seat(actor, now)?;
        if let Err(error) = self.add_peer(actor, None, accepted, preferred) {
            if new {
                self.give_up_seat(&actor.member.id, now);
            }
            return Err(error);
        }
        if let Some(seat) = self.roster.get_mut(&actor.member.id) {
            seat.attached = Some(Attached { peer, attachment });
            seat.said = Some(said);
        }
        Ok(())
    }

    /// New ICE credentials of an attached connection; gives the answering SDP fragment.
    pub fn handle_restart_attached(
        &mut self,
        connection: ConnectionId,
        remote: IceCredentials,
    ) -> Result<String, LessonError> {
        let seat = self.roster.by_connection_mut(connection).ok_or(LessonError::UnknownParticipant)?;
        let id = seat.attached.ok_or(LessonError::UnknownSlot)?.peer;
        let peer = seat.peer_mut(id).ok_or(LessonError::UnknownSlot)?;
        let (answer, restart) = self.negotiator.restart_with(&peer.answer, remote);
        self.media.now(Command::RestartIce { peer: id, restart })?;
        peer.answer = answer;
        Ok(peer.answer.fragment().to_owned())
    }

    /// Does what events have made due.
    pub(super) fn do_what_is_due(&mut self, now: Instant) {
        for due in std::mem::take(&mut self.due) {
            match due {
                Due::Start => self.start(now),
                Due::Detach(id, peer) => self.detach(&id, peer, now),
            }
        }
    }

    fn detach(&mut self, id: &ParticipantId, peer: PeerId, now: Instant) {
        let Some(seat) = self.roster.get_mut(id) else { return };
        // A page or a newer connection may have taken the seat meanwhile.
        let Some(attached) = seat.attached.filter(|a| a.peer == peer) else { return };
        seat.push(&ServerMessage::Bye { reason: ByeReason::Left });
        seat.attached = None;
        seat.connection = None;
        seat.away_since = Some(now);
        self.changed.insert(id.clone());
        if attached.attachment == Attachment::Player {
            self.give_up_seat(id, now);
        }
    }
}

impl Seat {
    fn lives_by(&self, peer: PeerId) -> Option<Attached> {
        self.attached.filter(|a| a.peer == peer)
    }

    pub(super) fn due_when_connected(&self, peer: PeerId) -> Option<Due> {
        let attached = self.lives_by(peer)?;
        let leads = self.member.role == Role::Lead && attached.attachment == Attachment::Publisher;
        leads.then_some(Due::Start)
    }

    pub(super) fn due_when_closed(&self, peer: PeerId) -> Option<Due> {
        self.lives_by(peer).map(|_| Due::Detach(self.member.id.clone(), peer))
    }
}

#[cfg(test)]
#[path = "attached_test.rs"]
mod tests;
