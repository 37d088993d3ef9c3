//! Who is told of whom.
//!
//! Leads and observers know everybody but the audience (an observer hears of itself alone), and so does a classroom while it leads. Any other classroom knows
//! itself and those that it may see or hear: who leads, the leads, who is on stage, and whoever's
//! microphone is open. So a lesson's size is not felt by its classrooms: a
//! welcome stays small, and what happens in one classroom wakes no other. Administrators have no
//! seat; they watch.
//!
//! Whoever becomes one of those is told of before anything of theirs is shown, and *left* after it is
//! not shown any more.

use std::collections::BTreeSet;

use crate::ids::ParticipantId;
use crate::lesson::Member;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::plan::SeatNumber;
use crate::lesson::roster::Seat;
use crate::media::negotiate::SourceKind;
use crate::session::message::{LessonState, Role, ServerMessage};

impl Lesson {
    /// The seats that a page of this member knows of.
    pub(super) fn known_to(&self, member: &Member) -> impl Iterator<Item = &Seat> {
        let own = self.roster.get(&member.id).map(|seat| seat.number);
        // A phone knows whom its classroom knows.
        let classroom = matches!(member.role, Role::Receiver | Role::Companion);
        let everybody = !classroom || own.is_some() && own == self.lead;
        let known =
            move |s: &&Seat| Some(s.number) == own || !s.is_viewer() && (everybody || self.is_public(s));
        self.roster.iter().filter(known)
    }

    /// Whether this seat's page knows everybody.
    pub(super) fn knows_all(&self, seat: &Seat) -> bool {
        seat.member.role != Role::Receiver || Some(seat.number) == self.lead
    }

    /// Tells a page that is about to learn of everybody whom it does not know yet.
    pub(super) fn introduce_others(&self, number: SeatNumber) {
        for (own, seat) in self.strangers(number) {
            own.push(&ServerMessage::Participant { participant: seat.participant() });
        }
    }

    /// The opposite: the classroom does not lead any more.
    pub(super) fn forget_others(&self, number: SeatNumber) {
        for (own, seat) in self.strangers(number) {
            own.push(&ServerMessage::ParticipantLeft { id: seat.member.id.clone() });
        }
    }

    /// A classroom and all whom it would not know if it did not lead.
    fn strangers(&self, number: SeatNumber) -> impl Iterator<Item = (&Seat, &Seat)> {
        let own = self.roster.by_number(number).filter(|s| s.member.role == Role::Receiver);
        let others = own.into_iter().flat_map(|own| self.roster.iter().map(move |seat| (own, seat)));
        others.filter(|(own, seat)| own.number != seat.number && !seat.is_viewer() && !self.is_public(seat))
    }

    /// Tells of everybody who changed, and classrooms of those who have come to be known to them.
    /// Returns who is not known to them any more.
    pub(super) fn tell_people(&mut self, stale: &BTreeSet<SeatNumber>) -> Vec<ParticipantId> {
        let mut vanished = Vec::new();
        for number in stale {
            // Whoever gave up the seat was told of then.
            let Some(seat) = self.roster.by_number(*number) else { continue };
            let is = self.is_public(seat);
            let id = &seat.member.id;
            if is && self.show.public.insert(*number) && !self.changed.contains(id) {
                let encoded = Encoded::new(&ServerMessage::Participant { participant: seat.participant() });
                self.to_classrooms(&encoded, id);
            } else if !is && self.show.public.remove(number) {
                vanished.push(id.clone());
            }
        }
        let changed = std::mem::take(&mut self.changed);
        self.audience.stale |= changed.iter().any(|id| self.roster.get(id).is_some_and(Seat::is_viewer));
        for seat in changed.iter().filter_map(|id| self.roster.get(id)) {
            let news = Encoded::new(&ServerMessage::Participant { participant: seat.participant() });
            self.to_knowing(&news, seat);
        }
        vanished
    }

    /// Classrooms forget those of whom they see and hear nothing any more.
    pub(super) fn tell_vanished(&self, vanished: &[ParticipantId]) {
        for id in vanished {
            self.to_classrooms(&Encoded::new(&ServerMessage::ParticipantLeft { id: id.clone() }), id);
        }
    }

    /// A seat that has been given up, to all who knew of it.
    pub(super) fn tell_left(&mut self, seat: &Seat) {
        let news = Encoded::new(&ServerMessage::ParticipantLeft { id: seat.member.id.clone() });
        self.to_knowing(&news, seat);
        self.audience.stale |= seat.is_viewer();
        self.show.public.remove(&seat.number);
    }

    /// Of whom classrooms hear. Leads before they send, so that one can be waited for by her name.
    fn is_public(&self, seat: &Seat) -> bool {
        let is_heard = || {
            let sends = self.show.senders.get(&seat.number);
            self.state == LessonState::Live && sends.is_some_and(|s| s.source(SourceKind::Mic).is_some())
        };
        let is_shown = self.floor.is_on_stage(seat.number) || Some(seat.number) == self.lead;
        seat.member.role == Role::Lead || is_shown || is_heard()
    }

    /// To everybody who knows of `about`, and to `about` itself.
    pub(super) fn to_knowing(&self, news: &Encoded, about: &Seat) {
        if about.is_viewer() {
            return about.push_encoded(news);
        }
        let public = self.show.public.contains(&about.number);
        for seat in self.roster.iter() {
            if public || self.knows_all(seat) || seat.number == about.number {
                seat.push_encoded(news);
            }
        }
    }

    /// To all classrooms but `but`.
    fn to_classrooms(&self, news: &Encoded, but: &ParticipantId) {
        let classrooms = self.roster.iter().filter(|s| !self.knows_all(s) && s.member.id != *but);
        for seat in classrooms {
            seat.push_encoded(news);
        }
    }
}

#[cfg(test)]
#[path = "known_test.rs"]
mod tests;
