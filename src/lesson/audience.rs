//! The audience: whoever looks on beside the classrooms, from a researcher to 125 counties.
//!
//! Its people are in nobody's roster but their own, so a lesson costs its leads the same with three of
//! them and with three hundred: leads are told how many there are, at most once a second, and ask for
//! the list when they open it. They are counted by unit: what the token says, else what stands in the
//! name before the first space or sign. A lead may bring one of them into the lesson: from then on it
//! is a classroom, until she sends it back or the lesson ends.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::events::LessonEvent;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::roster::Seat;
use crate::lesson::{Actor, LessonError, Member};
use crate::session::message::{AudienceInfo, AudienceUnit, Role, ServerMessage, Viewer};

/// What leads know of the audience.
#[derive(Default)]
pub struct AudienceTold {
    pub(super) stale: bool,
    told: AudienceInfo,
}

impl Lesson {
    /// Once a second: tells leads how many there are, when that is another number.
    pub(super) fn tell_audience(&mut self) {
        if !std::mem::take(&mut self.audience.stale) {
            return;
        }
        let audience = self.audience_info();
        if audience == std::mem::replace(&mut self.audience.told, audience) {
            return;
        }
        let news = Encoded::new(&ServerMessage::Audience { audience });
        for seat in self.roster.iter().filter(|s| s.member.role == Role::Lead) {
            seat.push_encoded(&news);
        }
    }

    /// The same to a lead who has just joined.
    pub(super) fn greet_with_audience(&self, actor: &Actor) {
        let audience = self.audience.told;
        if actor.member.role == Role::Lead && audience.people > 0 {
            actor.outbox.push(&ServerMessage::Audience { audience });
        }
    }

    /// Everybody who looks on, by unit.
    pub(super) fn audience_list(&self) -> Vec<AudienceUnit> {
        let mut units: BTreeMap<&str, Vec<Viewer>> = BTreeMap::new();
        for seat in self.viewers() {
            let Member { id, name, .. } = &seat.member;
            let promotable = seat.attached.is_none();
            let viewer = Viewer { id: id.clone(), name: name.clone(), promotable };
            units.entry(unit_of(&seat.member)).or_default().push(viewer);
        }
        units.into_iter().map(|(unit, viewers)| AudienceUnit { unit: unit.to_owned(), viewers }).collect()
    }

    /// Brings one of the audience into the lesson, or back.
    pub(super) fn promote(
        &mut self,
        id: &ParticipantId,
        promoted: bool,
        now: Instant,
    ) -> Result<(), LessonError> {
        if promoted == self.promoted.contains(id) {
            return Ok(());
        }
        if promoted {
            if !self.rules.promotes {
                return Err(LessonError::NotInThisLesson);
            }
            let watches = |s: &&Seat| s.member.role == Role::Observer && s.attached.is_none();
            self.roster
                .get(id)
                .filter(|s| s.away_since.is_none())
                .filter(watches)
                .ok_or(LessonError::UnknownParticipant)?;
            self.promoted.insert(id.clone());
        } else {
            self.promoted.remove(id);
        }
        self.tell_standing();
        self.reseat(now);
        self.happened(LessonEvent::Promoted { participant: id.clone(), promoted }, now);
        Ok(())
    }

    fn audience_info(&self) -> AudienceInfo {
        let units: std::collections::BTreeSet<&str> = self.viewers().map(|s| unit_of(&s.member)).collect();
        AudienceInfo { units: units.len() as u32, people: self.viewers().count() as u32 }
    }

    /// Those who are there.
    fn viewers(&self) -> impl Iterator<Item = &Seat> {
        self.roster.iter().filter(|s| s.is_viewer() && s.away_since.is_none())
    }
}

impl Seat {
    /// One of the audience: of it nobody is told.
    pub(super) fn is_viewer(&self) -> bool {
        self.member.role == Role::Observer
    }
}

/// Whose people somebody belongs to.
fn unit_of(member: &Member) -> &str {
    let ends = |c: char| c.is_whitespace() || "·・/|｜-－—–_:：（(，,".contains(c);
    let of_name = || {
        let head = member.name.trim().split(ends).next().unwrap_or_default();
        if head.is_empty() { member.name.trim() } else { head }
    };
    member.unit.as_deref().map_or_else(of_name, str::trim)
}

#[cfg(test)]
#[path = "audience_test.rs"]
mod tests;
