//! Photos of a lesson: a page of a workbook, an experiment. Which are there, which one is shown.
//!
//! The files are `store::Photos`' and come and go by HTTP; here is what is decided about them. A
//! photo from a classroom waits until the lead shows it or puts it aside, and until then only she and
//! its sender may fetch it: pupils are in it. A lead's own is not asked about. What is shown is part of the
//! lesson's state, so who joins late sees it as sharp as everybody.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use crate::ids::{ParticipantId, PhotoId};
use crate::lesson::events::LessonEvent;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::roster::Seat;
use crate::lesson::{Actor, LessonError, Member};
use crate::session::message::{LessonState, PhotoInfo, PhotosInfo, Place, Role, ServerMessage};

/// Photos of a lesson whose files are kept; the oldest goes first.
const KEPT: usize = 24;
/// Photos of one in one lesson, each of which is a record: a whole class' workbooks, some of them twice.
const OF_ONE: u16 = 200;
/// Photos of one classroom that may wait; a newer one takes the place of the oldest.
const WAITING_OF_ONE: usize = 2;

#[derive(Default)]
pub struct Photos {
    /// The newest last.
    kept: VecDeque<Photo>,
    shown: Option<PhotoId>,
    /// How many each has sent.
    sent: BTreeMap<ParticipantId, u16>,
}

struct Photo {
    id: PhotoId,
    from: ParticipantId,
    name: String,
    /// Nobody has decided about it.
    waits: bool,
}

/// What is done about a photo.
#[derive(Debug)]
pub enum PhotoAsk {
    /// `None`: what is shown is taken away.
    Show(Option<PhotoId>),
    /// 不用
    Drop(PhotoId),
}

impl Lesson {
    /// Whether this one may send a photo now.
    pub(super) fn may_add_photo(&self, member: &Member) -> Result<(), LessonError> {
        match self.state {
            LessonState::Ended => return Err(LessonError::Ended),
            LessonState::Scheduled if member.asked != Role::Lead => return Err(LessonError::NotLive),
            _ => {}
        }
        if self.is_kept_out(member) {
            return Err(LessonError::Kicked);
        }
        match self.role_here(member) {
            Role::Lead | Role::Receiver => Ok(()),
            // A phone brings its classroom's.
            Role::Companion
                if self.roster.get(&member.id).is_some_and(|s| s.member.role == Role::Receiver) =>
            {
                Ok(())
            }
            _ => Err(LessonError::NotInThisLesson),
        }
    }

    /// A photo has come. Gives those whose files are of no use any more.
    pub(super) fn add_photo(
        &mut self,
        id: &PhotoId,
        member: &Member,
        now: Instant,
    ) -> Result<Vec<PhotoId>, LessonError> {
        self.may_add_photo(member)?;
        self.photos.count(&member.id)?;
        let waits = member.asked != Role::Lead;
        let gone = self.photos.add(Photo {
            id: id.clone(),
            from: member.id.clone(),
            name: member.name.clone(),
            waits,
        });
        if waits {
            self.happened(LessonEvent::PhotoSent { participant: member.id.clone() }, now);
        }
        // Those that had to go may have been on her list.
        if waits || !gone.is_empty() {
            self.tell_photos();
        }
        Ok(gone)
    }

    /// Whether this one may fetch the photo.
    pub(super) fn may_see_photo(&self, id: &PhotoId, member: &Member) -> bool {
        let Some(photo) = self.photos.get(id) else { return false };
        let known = self.photos.shown.as_ref() == Some(id)
            || photo.from == member.id
            || member.asked == Role::Lead
            || self.lead.is_some_and(|n| self.roster.by_number(n).is_some_and(|s| s.member.id == member.id));
        known && !self.is_kept_out(member)
    }

    pub(super) fn photo_asked(&mut self, ask: PhotoAsk, now: Instant) -> Result<(), LessonError> {
        match ask {
            PhotoAsk::Show(None) => {
                if self.photos.shown.take().is_none() {
                    return Ok(());
                }
            }
            PhotoAsk::Show(Some(id)) => {
                let photo = self.photos.get_mut(&id).ok_or(LessonError::UnknownPhoto)?;
                photo.waits = false;
                let participant = photo.from.clone();
                self.photos.shown = Some(id);
                self.happened(LessonEvent::PhotoShown { participant }, now);
            }
            PhotoAsk::Drop(id) => {
                self.photos.get_mut(&id).ok_or(LessonError::UnknownPhoto)?.waits = false;
            }
        }
        self.tell_photos();
        // What stands in the content's place makes the lead's picture smaller.
        self.replan = true;
        Ok(())
    }

    /// Another one teaches: with a stage of one's own.
    pub(super) fn take_photo_away(&mut self) {
        if self.photos.shown.take().is_some() {
            self.tell_photos();
            self.replan = true;
        }
    }

    /// Tells everybody else where whoever leads points, if they can take it: the next place comes soon.
    pub(super) fn point(&self, actor: &Actor, at: Option<Place>) {
        let leads = self.lead.and_then(|n| self.roster.by_number(n));
        let inside = |p: Place| (0.0..=1.0).contains(&p.x) && (0.0..=1.0).contains(&p.y);
        if self.state != LessonState::Live
            || leads.is_none_or(|s| s.member.id != actor.member.id)
            || !at.is_none_or(inside)
        {
            return;
        }
        let news = Encoded::new(&ServerMessage::Pointer { at });
        for (_, outbox) in self.roster.iter().filter_map(|s| s.connection.as_ref()) {
            if !outbox.is_same(&actor.outbox) {
                outbox.push_if_idle(&news);
            }
        }
    }

    #[must_use]
    pub(super) fn shows_photo(&self) -> bool {
        self.photos.shown.is_some()
    }

    /// To a page that has just joined.
    pub(super) fn greet_with_photos(&self, actor: &Actor) {
        let Some(seat) = self.roster.get(&actor.member.id) else { return };
        let photos = self.photos_for(knows_photos(seat));
        if photos != PhotosInfo::default() {
            actor.outbox.push(&ServerMessage::Photos { photos });
        }
    }

    fn tell_photos(&self) {
        let news = |all| Encoded::new(&ServerMessage::Photos { photos: self.photos_for(all) });
        let (whole, public) = (news(true), news(false));
        for seat in self.roster.iter() {
            seat.push_encoded(if knows_photos(seat) { &whole } else { &public });
        }
    }

    fn photos_for(&self, all: bool) -> PhotosInfo {
        let info = |photo: &Photo| PhotoInfo {
            url: format!("/api/v1/lessons/{}/photos/{}", self.id, photo.id),
            id: photo.id.clone(),
            from: photo.from.clone(),
            name: photo.name.clone(),
        };
        let shown = self.photos.shown.as_ref().and_then(|id| self.photos.get(id));
        let waiting = self.photos.kept.iter().filter(|p| all && p.waits);
        PhotosInfo { shown: shown.map(info), waiting: waiting.map(info).collect() }
    }
}

/// Whether it is told of what waits.
fn knows_photos(seat: &Seat) -> bool {
    seat.member.role == Role::Lead
}

impl Photos {
    fn get(&self, id: &PhotoId) -> Option<&Photo> {
        self.kept.iter().find(|p| p.id == *id)
    }

    fn get_mut(&mut self, id: &PhotoId) -> Option<&mut Photo> {
        self.kept.iter_mut().find(|p| p.id == *id)
    }

    fn count(&mut self, from: &ParticipantId) -> Result<(), LessonError> {
        let sent = self.sent.entry(from.clone()).or_default();
        *sent = sent.saturating_add(1);
        if *sent > OF_ONE { Err(LessonError::Busy) } else { Ok(()) }
    }

    /// Gives those that had to make room.
    fn add(&mut self, photo: Photo) -> Vec<PhotoId> {
        let mut gone = Vec::new();
        if photo.waits {
            let others = self.kept.iter().filter(|p| p.waits && p.from == photo.from);
            let surplus = (others.clone().count() + 1).saturating_sub(WAITING_OF_ONE);
            gone.extend(others.take(surplus).map(|p| p.id.clone()));
        }
        self.kept.push_back(photo);
        let free = self.kept.iter().filter(|p| self.shown.as_ref() != Some(&p.id) && !gone.contains(&p.id));
        let surplus = (self.kept.len() - gone.len()).saturating_sub(KEPT);
        let oldest: Vec<_> = free.take(surplus).map(|p| p.id.clone()).collect();
        gone.extend(oldest);
        self.kept.retain(|p| !gone.contains(&p.id));
        gone
    }
}

#[cfg(test)]
#[path = "photos_test.rs"]
mod tests;
