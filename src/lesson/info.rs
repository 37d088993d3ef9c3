//! What is told of a lesson as a whole: to who joins, to all at each change, to an administrator.

use tokio::time::Instant;

use crate::ids::{ParticipantId, PeerId};
use crate::lesson::lesson::Lesson;
use crate::lesson::roster::Seat;
use crate::lesson::{Actor, seated};
use crate::session::message::{
    LessonInfo, LessonOverview, PROTOCOL_VERSION, Participant, ServerMessage, SlotPlan,
};

impl Lesson {
    #[must_use]
    pub fn info(&self, now: Instant) -> LessonInfo {
        LessonInfo {
            id: self.id.clone(),
            title: self.title.clone(),
            state: self.state,
            running_seconds: u32::try_from(self.running_for(now).as_secs()).unwrap_or(u32::MAX),
            lesson_type: self.kind,
            rules: self.rules,
            leads: self.info_of_lead(),
        }
    }

    /// Who leads at this moment.
    pub(super) fn info_of_lead(&self) -> Option<ParticipantId> {
        let lead = self.roster.lead(self.lead, self.chosen_lead)?;
        let seat = self.roster.by_number(lead)?;
        Some(seat.member.id.clone())
    }

    #[must_use]
    pub fn overview(&self, now: Instant) -> LessonOverview {
        let participants = self.roster.iter().map(|s| self.roster.overview(s, now)).collect();
        LessonOverview { lesson: self.info(now), participants }
    }

    /// All that a page must know when it joins, or becomes something else than it was.
    pub(super) fn welcome_page(&self, actor: &Actor, kept: Option<PeerId>, now: Instant) {
        actor.outbox.push(&self.welcome(actor, kept, now));
        if let Some(peer) = kept {
            self.repeat(actor, peer);
        }
        self.tell_links(actor);
        self.greet(actor, now);
    }

    pub(super) fn welcome(&self, actor: &Actor, peer: Option<PeerId>, now: Instant) -> ServerMessage {
        // Who has no seat has no media either, and needs no relay's credentials.
        let (slots, ice_servers) = if seated(actor.member.role) {
            (self.config.slots(actor.member.role), self.ice_servers.told_to(&actor.member.id))
        } else {
            (SlotPlan { audio: 0, video: 0 }, Vec::new())
        };
        let roster: Vec<Participant> = self.known_to(&actor.member).map(Seat::participant).collect();
        ServerMessage::Welcome {
            version: PROTOCOL_VERSION,
            participant: actor.member.id.clone(),
            role: actor.member.role,
            name: actor.member.name.clone(),
            lesson: self.info(now),
            roster,
            slots,
            ice_servers,
            peer,
        }
    }
}
