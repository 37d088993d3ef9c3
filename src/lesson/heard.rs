//! Whose open microphone is heard now: the ring around a picture.
//!
//! The media plane judges loudness and says when it turns, a few times a second at most. Whoever
//! leads is left out, since she is heard nearly always. Classrooms are told only in a discussion:
//! with one voice there is nothing to find out, and a pause for breath should not wake a county.

use crate::ids::{ParticipantId, SourceId};
use crate::lesson::Actor;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::roster::Seat;
use crate::media::negotiate::SourceKind;
use crate::session::message::{Mode, ServerMessage};

/// What pages know of it.
#[derive(Default)]
pub struct Heard {
    pub stale: bool,
    told: Vec<ParticipantId>,
}

impl Lesson {
    /// A source became loud or quiet.
    pub(super) fn source_heard(&mut self, id: SourceId, heard: bool) {
        let Some(seat) = self.roster.by_source_mut(id) else { return };
        if let Some(source) = seat.peers_mut().flat_map(|p| &mut p.sources).find(|s| s.info.source == id) {
            source.heard = heard;
            self.heard.stale = true;
        }
    }

    /// Tells whose voice is heard, when that is not what pages know.
    pub(super) fn tell_heard(&mut self) {
        if !std::mem::take(&mut self.heard.stale) {
            return;
        }
        let speaks = |s: &&Seat| Some(s.number) != self.lead && s.is_heard();
        let heard: Vec<ParticipantId> =
            self.roster.iter().filter(speaks).map(|s| s.member.id.clone()).collect();
        if heard == self.heard.told {
            return;
        }
        self.heard.told = heard;
        let all = self.floor.mode() == Mode::Discuss;
        let news = Encoded::new(&self.voices());
        for seat in self.roster.iter().filter(|s| all || self.knows_all(s)) {
            seat.push_encoded(&news);
        }
    }

    /// Classrooms see who is heard in a discussion alone: what they know begins, or ends.
    pub(super) fn mode_changed(&self) {
        let discuss = self.floor.mode() == Mode::Discuss;
        let none = ServerMessage::Heard { participants: Vec::new() };
        let news = Encoded::new(&if discuss { self.voices() } else { none });
        for seat in self.roster.iter().filter(|s| !self.knows_all(s)) {
            seat.push_encoded(&news);
        }
    }

    /// A page that has just joined knows no voices yet.
    pub(super) fn greet_with_voices(&self, actor: &Actor) {
        let seat = self.roster.get(&actor.member.id);
        let may = seat.is_some_and(|s| self.floor.mode() == Mode::Discuss || self.knows_all(s));
        if may && !self.heard.told.is_empty() {
            actor.outbox.push(&self.voices());
        }
    }

    fn voices(&self) -> ServerMessage {
        ServerMessage::Heard { participants: self.heard.told.clone() }
    }
}

impl Seat {
    fn is_heard(&self) -> bool {
        let mut sources = self.current.iter().flat_map(|peer| &peer.sources);
        !self.closed.contains(&SourceKind::Mic) && sources.any(|s| s.info.kind == SourceKind::Mic && s.heard)
    }
}
