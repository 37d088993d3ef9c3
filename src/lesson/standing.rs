//! What somebody may do here besides what the token says: who leads, what this type of lesson allows,
//! and who was brought in from the audience.
//!
//! A token's role is what was asked for; what it comes to is decided here and written into the seat,
//! so that everything else (plan, floor, roster) asks one role alone. When it changes in mid-lesson,
//! what was sent under the old one ends and the page is welcomed anew, as if it had joined: it has the
//! code for that already, and nothing of the old role can be left over in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::floor::Floor;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::plan::SeatNumber;
use crate::lesson::{Actor, Member, kinds};
use crate::session::message::{ByeReason, LessonRules, LessonState, LessonType, Role, ServerMessage};
use crate::store::record::Happened;

/// What rights rest on; the lesson's sessions read it.
#[derive(Clone, Debug)]
pub struct Standing {
    pub leads: Option<ParticipantId>,
    pub rules: LessonRules,
    pub promoted: Arc<BTreeSet<ParticipantId>>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { leads: None, rules: kinds::rules(LessonType::default()), promoted: Arc::default() }
    }
}

impl Standing {
    /// What this token's role comes to.
    #[must_use]
    pub fn role_of(&self, id: &ParticipantId, asked: Role) -> Role {
        kinds::role_in(self.rules, asked, self.promoted.contains(id))
    }
}

impl Lesson {
    /// Somebody as they are here.
    pub(super) fn placed(&self, actor: &Actor) -> Actor {
        let mut actor = actor.clone();
        actor.member.role = self.role_here(&actor.member);
        actor
    }

    /// The type that a lead's token asks for, while nobody planned the lesson or began it.
    pub(super) fn take_type(&mut self, member: &Member, now: Instant) {
        let Some(kind) = member.type_for_new() else { return };
        if self.planned || self.state != LessonState::Scheduled || kind == self.kind {
            return;
        }
        self.kind = kind;
        self.rules = kinds::rules(kind);
        self.floor = Floor::new(self.rules);
        self.floor_told.stale = true;
        self.note_type(now);
        self.tell_standing();
        self.reseat(now);
        self.broadcast(&ServerMessage::Lesson { lesson: self.info(now) });
    }

    pub(super) fn note_type(&self, now: Instant) {
        let word = crate::lesson::events::word(&self.kind);
        self.attendance.happened(Happened::Type, None, None, Some(&word), now);
    }

    pub(super) fn tell_standing(&self) {
        let (leads, rules) = (self.info_of_lead(), self.rules);
        let promoted = Arc::new(self.promoted.clone());
        self.standing.send_replace(Standing { leads, rules, promoted });
    }

    /// Gives everybody the role that they have now.
    pub(super) fn reseat(&mut self, now: Instant) {
        let moved = self.roster.iter().filter_map(|seat| {
            let role = self.role_here(&seat.member);
            (role != seat.member.role).then_some((seat.number, role))
        });
        let moved: Vec<_> = moved.collect();
        for (seat, role) in moved {
            self.change_role(seat, role, now);
        }
    }

    pub(super) fn role_here(&self, member: &Member) -> Role {
        kinds::role_in(self.rules, member.asked, self.promoted.contains(&member.id))
    }

    fn change_role(&mut self, number: SeatNumber, role: Role, now: Instant) {
        let Some(seat) = self.roster.by_number(number) else { return };
        let id = seat.member.id.clone();
        let promoted = self.promoted.contains(&id);
        if role == Role::Observer {
            self.to_knowing(&Encoded::new(&ServerMessage::ParticipantLeft { id: id.clone() }), seat);
            self.show.public.remove(&number);
        }
        self.audience.stale = true;
        self.forget_on_floor(number);
        if self.chosen_lead == Some(number) {
            self.chosen_lead = None;
        }
        let Some(seat) = self.roster.by_number_mut(number) else { return };
        seat.member.role = role;
        seat.promoted = promoted;
        seat.close_by_default();
        seat.connects_since = Instant::now();
        let sends = |peer: &mut crate::lesson::roster::Peer| !peer.sources.is_empty();
        let dropped = [seat.older.take_if(sends), seat.current.take_if(sends), seat.pending.take_if(sends)];
        let ended: Vec<_> = dropped.into_iter().flatten().map(|peer| peer.id).collect();
        let attached = seat.attached.is_some();
        let actor = seat.connection.clone().map(|(connection, outbox)| {
            let member = seat.member.clone();
            Actor { connection, member, outbox }
        });
        let kept = seat.current.as_ref().map(|peer| peer.id);
        for peer in &ended {
            self.remove_peer(*peer);
        }
        self.stale.insert(number);
        self.changed.insert(id.clone());
        if attached {
            // Nobody there can make another offer.
            if !ended.is_empty() {
                if let Some(seat) = self.roster.by_number(number) {
                    seat.push(&ServerMessage::Bye { reason: ByeReason::Left });
                }
                self.give_up_seat(&id, now);
            }
        } else if let Some(actor) = actor {
            self.welcome_page(&actor, kept, now);
        }
    }
}

#[cfg(test)]
#[path = "standing_test.rs"]
mod tests;
