//! What the floor's changes do: microphones, pictures, who is told.
//!
//! A call is one turn of the lesson's task: the classroom's gate opens, its page hears of it
//! (`muted: false`) and enables the track that it has been sending silence with, and the plan puts
//! picture and voice into everybody's slots. No page answers anything and no SDP is exchanged, so
//! what it takes is one way to the server, one way back, and a key frame. A classroom that keeps its
//! microphone closed by itself (`mic_kept`) is shown, not heard, until its own people open it.
//!
//! Who teaches (leads, observers looking on, a classroom that leads) is told the whole queue; any
//! other classroom only its own place in it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::ParticipantId;
use crate::lesson::events::LessonEvent;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::plan::{SeatNumber, WALL_PAGE};
use crate::lesson::roster::Seat;
use crate::lesson::{Actor, LessonError};
use crate::media::negotiate::SourceKind;
use crate::session::message::{FloorInfo, LeadTo, LessonState, Mode, Role, ServerMessage, Speaker};

/// A page that reloads, or a line that was interrupted, has its floor and its lead again within this time.
const COMES_BACK_SPEAKING: Duration = Duration::from_secs(30);

/// What may be asked of the floor. Who may ask it of whom was decided before.
#[derive(Debug)]
pub enum FloorAsk {
    CallOn(ParticipantId),
    /// `None`: everybody who speaks.
    Release(Option<ParticipantId>),
    Raise,
    Lower(ParticipantId),
    SetMode(Mode),
    HandOver(ParticipantId),
    /// The page of the wall that the asking lead looks at.
    ShowWall(Vec<ParticipantId>),
}

/// What pages know of the floor.
#[derive(Default)]
pub struct FloorTold {
    pub(super) stale: bool,
    /// As a classroom without a raised hand knows it.
    public: FloorInfo,
    places: BTreeMap<SeatNumber, u32>,
}

impl Lesson {
    pub(super) fn floor_asked(
        &mut self,
        actor: &Actor,
        ask: FloorAsk,
        now: Instant,
    ) -> Result<(), LessonError> {
        match ask {
            FloorAsk::CallOn(id) => self.call_on(&id, &actor.member.name, now)?,
            FloorAsk::Release(id) => {
                // Nobody needs to be told what they did themselves.
                let own = id.as_ref() == Some(&actor.member.id);
                self.release_floor(id.as_ref(), if own { "" } else { &actor.member.name }, now)?;
            }
            FloorAsk::Raise => {
                let seat = self.classroom(&actor.member.id)?;
                self.running()?;
                if self.floor.raise(seat) {
                    self.floor_told.stale = true;
                    self.happened(LessonEvent::HandRaised { participant: actor.member.id.clone() }, now);
                }
            }
            FloorAsk::Lower(id) => {
                let seat = self.roster.get(&id).ok_or(LessonError::UnknownParticipant)?.number;
                self.floor_told.stale |= self.floor.lower(seat);
            }
            FloorAsk::SetMode(mode) => {
                if mode == Mode::Discuss && self.rules.most_speaking < 2 {
                    return Err(LessonError::NotInThisLesson);
                }
                if mode != self.floor.mode() {
                    let closed = self.floor.set_mode(mode);
                    self.close_microphones(&closed, &actor.member.name);
                    self.mode_changed();
                    self.happened(LessonEvent::ModeSet { mode }, now);
                }
            }
            FloorAsk::HandOver(id) => self.hand_over(&id, now)?,
            FloorAsk::ShowWall(ids) => {
                let wall = ids.iter().take(WALL_PAGE).filter_map(|id| Some(self.roster.get(id)?.number));
                let wall = Some(wall.collect());
                let seat = self.roster.get_mut(&actor.member.id).ok_or(LessonError::UnknownParticipant)?;
                if seat.wall != wall {
                    seat.wall = wall;
                    self.stale.insert(seat.number);
                }
            }
        }
        Ok(())
    }

    /// A lead's word about one microphone: it counts as a voice without a picture.
    pub(super) fn open_or_close(
        &mut self,
        id: &ParticipantId,
        muted: bool,
        by: &str,
    ) -> Result<(), LessonError> {
        // Who leads, and a lesson that has not begun, knows no floor.
        if let Ok(seat) = self.classroom(id)
            && self.state == LessonState::Live
        {
            let closed = if muted {
                self.floor.release(seat);
                Vec::new()
            } else {
                self.present(id)?;
                self.floor.open(seat)
            };
            self.floor_told.stale = true;
            self.close_microphones(&closed, by);
        }
        self.set_closed(id, SourceKind::Mic, muted, by)
    }

    /// Nobody has the floor; their microphones are closed by the caller.
    pub(super) fn clear_floor(&mut self) {
        let closed = self.floor.release_all();
        self.floor_told.stale |= !closed.is_empty();
        self.stale.extend(closed);
    }

    /// Who is cut off for long comes back as a listener: a microphone that opened by itself would be a
    /// surprise, there and everywhere.
    pub(super) fn quiet_who_is_away(&mut self, now: Instant) {
        let long = |s: &&Seat| s.away_since.is_some_and(|at| now - at >= COMES_BACK_SPEAKING);
        let away: Vec<SeatNumber> = self.roster.iter().filter(long).map(|s| s.number).collect();
        for seat in away {
            if self.floor.release(seat) {
                self.close_microphones(&[seat], "");
            }
            if self.chosen_lead == Some(seat) && self.lead != Some(seat) {
                self.chosen_lead = None;
            }
        }
    }

    /// A seat that is no more.
    pub(super) fn forget_on_floor(&mut self, seat: SeatNumber) {
        self.floor_told.stale |= self.floor.forget(seat);
    }

    /// Another one leads: a classroom that does so is heard, one that did is not any more.
    pub(super) fn lead_moved(&mut self, before: Option<SeatNumber>) {
        if let Some(seat) = self.lead {
            self.forget_on_floor(seat);
        }
        self.heard.stale = true;
        for (seat, muted) in [(before, true), (self.lead, false)] {
            let seat = seat.and_then(|n| self.roster.by_number(n));
            if let Some(id) = seat.filter(|s| s.member.role == Role::Receiver).map(|s| s.member.id.clone()) {
                // The seat was there a line ago.
                let _ = self.set_closed(&id, SourceKind::Mic, muted, "");
            }
        }
        self.stale.extend(before.into_iter().chain(self.lead));
    }

    /// Tells what changed since the last time.
    pub(super) fn tell_floor(&mut self) {
        if !std::mem::take(&mut self.floor_told.stale) {
            return;
        }
        let whole = self.floor_info();
        let public = FloorInfo { hands: Vec::new(), ..whole.clone() };
        let hands = self.floor.hands().iter();
        let places: BTreeMap<_, _> =
            hands.filter_map(|seat| Some((*seat, self.floor.place(*seat)?))).collect();
        let told = FloorTold { stale: false, public, places };
        let before = std::mem::replace(&mut self.floor_told, told);
        let all = before.public != self.floor_told.public;
        let whole = Encoded::new(&ServerMessage::Floor { floor: whole });
        let public = Encoded::new(&ServerMessage::Floor { floor: self.floor_told.public.clone() });
        for seat in self.roster.iter() {
            let place = self.floor_told.places.get(&seat.number);
            if self.knows_all(seat) {
                seat.push_encoded(&whole);
            } else if all || place != before.places.get(&seat.number) {
                match place {
                    None => seat.push_encoded(&public),
                    Some(_) => seat.push(&ServerMessage::Floor { floor: self.floor_for(seat) }),
                }
            }
        }
    }

    /// What a page that has just joined must know besides its welcome.
    pub(super) fn greet(&self, actor: &Actor, now: Instant) {
        let floor = self.roster.get(&actor.member.id).map(|seat| self.floor_for(seat));
        if let Some(floor) = floor.filter(|floor| *floor != FloorInfo::default()) {
            actor.outbox.push(&ServerMessage::Floor { floor });
        }
        self.tell_troubles(actor, now);
        self.greet_with_audience(actor);
        self.greet_with_photos(actor);
        self.greet_with_voices(actor);
    }

    /// The floor as this seat's page knows it.
    #[must_use]
    pub(super) fn floor_for(&self, seat: &Seat) -> FloorInfo {
        if self.knows_all(seat) {
            return self.floor_info();
        }
        FloorInfo { hands: Vec::new(), place: self.floor.place(seat.number), ..self.floor_info() }
    }

    fn call_on(&mut self, id: &ParticipantId, by: &str, now: Instant) -> Result<(), LessonError> {
        let seat = self.classroom(id)?;
        self.running()?;
        self.present(id)?;
        let closed = self.floor.call_on(seat);
        self.close_microphones(&closed, by);
        self.stale.insert(seat);
        self.set_closed(id, SourceKind::Mic, false, by)?;
        self.happened(LessonEvent::CalledOn { participant: id.clone() }, now);
        Ok(())
    }

    fn release_floor(
        &mut self,
        id: Option<&ParticipantId>,
        by: &str,
        now: Instant,
    ) -> Result<(), LessonError> {
        let closed = match id {
            None => self.floor.release_all(),
            Some(id) => {
                let seat = self.roster.get(id).ok_or(LessonError::UnknownParticipant)?.number;
                if self.floor.release(seat) { vec![seat] } else { Vec::new() }
            }
        };
        if !closed.is_empty() {
            self.close_microphones(&closed, by);
            self.happened(LessonEvent::FloorReleased, now);
        }
        Ok(())
    }

    fn hand_over(&mut self, id: &ParticipantId, now: Instant) -> Result<(), LessonError> {
        let seat = self.present(id)?;
        match seat.member.role {
            Role::Lead => {}
            Role::Receiver if self.rules.lead_to == LeadTo::Anybody => {}
            Role::Receiver => return Err(LessonError::NotInThisLesson),
            _ => return Err(LessonError::UnknownParticipant),
        }
        self.chosen_lead = Some(seat.number);
        self.replan = true;
        self.take_photo_away();
        self.happened(LessonEvent::LeadHandedOver { to: id.clone() }, now);
        Ok(())
    }

    /// These lose the floor. Also when there are none: somebody's place has changed.
    fn close_microphones(&mut self, seats: &[SeatNumber], by: &str) {
        self.floor_told.stale = true;
        for seat in seats {
            self.stale.insert(*seat);
            let Some(id) = self.roster.by_number(*seat).map(|s| s.member.id.clone()) else { continue };
            // The seat was there a line ago.
            let _ = self.set_closed(&id, SourceKind::Mic, true, by);
        }
    }

    /// The seat of a classroom that does not lead.
    fn classroom(&self, id: &ParticipantId) -> Result<SeatNumber, LessonError> {
        let seat = self.roster.get(id).filter(|s| s.member.role == Role::Receiver);
        let number = seat.ok_or(LessonError::UnknownParticipant)?.number;
        if self.lead == Some(number) { Err(LessonError::UnknownParticipant) } else { Ok(number) }
    }

    /// Nothing is given to who is cut off: it would come as a surprise when it is back.
    fn present(&self, id: &ParticipantId) -> Result<&Seat, LessonError> {
        let seat = self.roster.get(id).filter(|s| s.away_since.is_none());
        seat.ok_or(LessonError::UnknownParticipant)
    }

    fn running(&self) -> Result<(), LessonError> {
        if self.state == LessonState::Live { Ok(()) } else { Err(LessonError::NotLive) }
    }

    fn floor_info(&self) -> FloorInfo {
        let id_of = |seat: SeatNumber| Some(self.roster.by_number(seat)?.member.id.clone());
        let speaker = |s: &crate::lesson::floor::Speaking| {
            Some(Speaker { participant: id_of(s.seat)?, on_stage: s.on_stage })
        };
        FloorInfo {
            mode: self.floor.mode(),
            speakers: self.floor.speakers().iter().filter_map(speaker).collect(),
            hands: self.floor.hands().iter().filter_map(|s| id_of(*s)).collect(),
            place: None,
        }
    }
}

#[cfg(test)]
#[path = "speaking_test.rs"]
mod tests;
