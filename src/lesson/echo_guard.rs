//! 回声: a classroom that sends back what it was sent is closed, and both ends are told why.
//!
//! A page that can listens by itself: it has both sounds as they are, and can turn its loudspeaker down to
//! see what changes (`web/src/ear`). For the others the server does what can be done from outside. The media plane says how loud every open microphone was (`SourceLevels`). Here that becomes two curves
//! for each classroom whose microphone is open: what it was sent (all that its slots are fed with, added up)
//! and what it sent; `echo` judges them. Only classrooms that do not lead are listened to: a lesson
//! without its teacher's voice is worse than one with an echo.
//!
//! The machine closes a microphone twice. Who opens it a third time has heard why and wants it open:
//! from then on the lead is told and decides. Both is forgotten after a quarter of an hour without echo.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::{ParticipantId, SourceId};
use crate::lesson::attached::Due;
use crate::lesson::echo::{Curves, EchoEar, HISTORY, UNKNOWN};
use crate::lesson::events::LessonEvent;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::plan::SeatNumber;
use crate::lesson::roster::Seat;
use crate::media::command::Levels;
use crate::media::negotiate::SourceKind;
use crate::session::message::{LessonState, Role, ServerMessage};

/// How often a classroom is closed before the lead is only told.
const MOST_TIMES: u32 = 2;
/// So long without echo, and it is as if there had never been one.
const FORGOTTEN: Duration = Duration::from_secs(900);
/// How soon the lead is told again of an echo that she lets be.
const TOLD_AGAIN: Duration = Duration::from_secs(30);
/// What a line takes there and back as long as nobody has measured it, ms.
const UNKNOWN_RTT: u32 = 20;
/// A source that has said nothing for so many steps is silent (DTX), not late.
const SILENT: u64 = 20;
/// Silence (RFC 6464).
const SILENCE: u8 = 127;

/// All curves of a lesson, and who was found.
#[derive(Default)]
pub struct EchoGuard {
    curves: HashMap<SourceId, Curve>,
    ears: HashMap<SeatNumber, Ear>,
    found: HashMap<SeatNumber, Found>,
}

/// The newest levels of one source, without gaps.
#[derive(Default)]
struct Curve {
    first: u64,
    levels: VecDeque<u8>,
}

/// What is listened to in one classroom.
struct Ear {
    source: SourceId,
    fed: Vec<SourceId>,
    /// Since this step all that is the same.
    since: u64,
    hearing: EchoEar,
}

struct Found {
    closed: u32,
    /// When the lead was told of one that stays open.
    told: Option<Instant>,
    last: Instant,
}

impl Lesson {
    /// How loud a source was lately.
    pub(super) fn levels_came(&mut self, source: SourceId, levels: &Levels) {
        if !self.config.echo_guard || self.state != LessonState::Live {
            return;
        }
        self.echo.note(source, levels);
        let lead = self.lead;
        let Some(seat) = self.roster.by_source_mut(source).filter(|s| Some(s.number) != lead) else { return };
        let Some((fed, rtt_ms)) = seat.hears_while_it_sends(source) else { return };
        if seat.said.as_ref().is_some_and(|said| said.ear) {
            return;
        }
        if self.echo.listen(seat.number, source, &fed, rtt_ms as usize) {
            self.due.push(Due::Echo(seat.member.id.clone()));
        }
    }

    /// A page says that it hears its own loudspeaker in its microphone, which may have been closed meanwhile.
    pub(super) fn echo_heard(&mut self, id: &ParticipantId, now: Instant) {
        if !self.config.echo_guard || self.state != LessonState::Live {
            return;
        }
        let judged = |seat: &&Seat| Some(seat.number) != self.lead && seat.open_mic().is_some();
        if self.roster.get(id).filter(judged).is_some() {
            self.echo_found(id, now);
        }
    }

    /// This classroom sends back what it is sent.
    pub(super) fn echo_found(&mut self, id: &ParticipantId, now: Instant) {
        let Some(seat) = self.roster.get(id).map(|s| s.number) else { return };
        let Some(muted) = self.echo.verdict(seat, now) else { return };
        if muted {
            // The seat was there a line ago.
            let _ = self.open_or_close(id, true, "");
        }
        self.happened(LessonEvent::Echo { participant: id.clone(), muted }, now);
        tracing::info!(lesson = %self.id, muted, "a classroom sends back what it is sent");
        let told = Encoded::new(&ServerMessage::Echo { participant: id.clone(), muted });
        for seat in self.roster.iter() {
            let teaches = seat.member.role == Role::Lead || Some(seat.number) == self.lead;
            if teaches || seat.member.id == *id {
                seat.push_encoded(&told);
            }
        }
    }
}

impl Seat {
    /// A classroom's own microphone that everybody may hear.
    fn open_mic(&self) -> Option<SourceId> {
        let peer = self.current.as_ref().filter(|_| self.member.role == Role::Receiver)?;
        let mic = peer.sources.iter().find(|s| s.info.kind == SourceKind::Mic)?;
        (!self.closed.contains(&SourceKind::Mic)).then_some(mic.info.source)
    }

    /// When this is its open microphone: the sounds that it is sent, in a fixed order, and its round trip, ms.
    fn hears_while_it_sends(&self, source: SourceId) -> Option<(Vec<SourceId>, u32)> {
        self.open_mic().filter(|mic| *mic == source)?;
        let peer = self.current.as_ref()?;
        let sounds = peer.feeds.values().map(|fed| fed.assignment).filter(|a| a.wanted.1.is_audio());
        let mut fed: Vec<_> = sounds.map(|a| a.source).collect();
        fed.sort_unstable();
        let rtt = peer.stats.as_ref().and_then(|stats| stats.rtt_ms);
        (!fed.is_empty()).then_some((fed, rtt.unwrap_or(UNKNOWN_RTT)))
    }
}

impl EchoGuard {
    /// Adds to a source's curve; forgets those of which nothing came for long.
    fn note(&mut self, source: SourceId, levels: &Levels) {
        let newest = levels.first + levels.levels.len() as u64;
        self.curves.retain(|id, curve| *id == source || curve.end() + 2 * HISTORY as u64 > newest);
        self.curves.entry(source).or_default().push(levels);
        self.ears.retain(|_, ear| self.curves.contains_key(&ear.source));
    }

    /// Compares what a classroom was sent with what it sends. Says whether the one comes back.
    fn listen(&mut self, seat: SeatNumber, source: SourceId, fed: &[SourceId], rtt_ms: usize) -> bool {
        let Some(own) = self.curves.get(&source) else { return false };
        let end = own.end();
        let from = end.saturating_sub(HISTORY as u64);
        let fresh = || Ear { source, fed: fed.to_vec(), since: own.first, hearing: EchoEar::default() };
        let ear = self.ears.entry(seat).or_insert_with(fresh);
        if ear.source != source || own.first > ear.since.max(from) {
            *ear = fresh();
        } else if ear.fed != fed {
            // What it was sent before is not what it is sent now.
            *ear = Ear { since: end, ..fresh() };
        }
        let since = ear.since;
        let own: Vec<u8> =
            (from..end).map(|n| if n < since { UNKNOWN } else { own.at(n).unwrap_or(UNKNOWN) }).collect();
        let sent: Vec<&Curve> = fed.iter().filter_map(|id| self.curves.get(id)).collect();
        let late = sent.iter().map(|c| end.saturating_sub(c.end())).filter(|late| *late < SILENT).max();
        let sent: Vec<u8> = (from..end).map(|n| together(sent.iter().filter_map(|c| c.at(n)))).collect();
        ear.hearing.look(Curves { sent: &sent, own: &own, late: late.unwrap_or(0) as usize, rtt_ms })
    }

    /// What to do about a classroom that was found: close it, or tell the lead alone; `None`: she knows.
    fn verdict(&mut self, seat: SeatNumber, now: Instant) -> Option<bool> {
        self.ears.remove(&seat);
        self.found.retain(|_, found| now - found.last < FORGOTTEN);
        let found = self.found.entry(seat).or_insert(Found { closed: 0, told: None, last: now });
        found.last = now;
        if found.closed < MOST_TIMES {
            found.closed += 1;
            return Some(true);
        }
        let knows = found.told.is_some_and(|at| now - at < TOLD_AGAIN);
        if !knows {
            found.told = Some(now);
        }
        (!knows).then_some(false)
    }
}

impl Curve {
    fn push(&mut self, levels: &Levels) {
        if levels.first != self.end() {
            self.levels.clear();
            self.first = levels.first;
        }
        self.levels.extend(levels.levels.iter());
        while self.levels.len() > HISTORY {
            self.levels.pop_front();
            self.first += 1;
        }
    }

    fn end(&self) -> u64 {
        self.first + self.levels.len() as u64
    }

    fn at(&self, step: u64) -> Option<u8> {
        let place = usize::try_from(step.checked_sub(self.first)?).ok()?;
        self.levels.get(place).copied()
    }
}

/// The level of several sounds at once, −dBov.
fn together(levels: impl Iterator<Item = u8>) -> u8 {
    /// How much louder two are than the louder one of them, by how far they are apart, dB.
    const LOUDER: [u8; 10] = [3, 3, 2, 2, 1, 1, 1, 1, 1, 1];
    levels.fold(SILENCE, |all, one| {
        let louder = LOUDER.get(usize::from(all.abs_diff(one))).copied().unwrap_or(0);
        if one == SILENCE { all } else { all.min(one).saturating_sub(louder) }
    })
}

#[cfg(test)]
#[path = "echo_guard_test.rs"]
mod tests;
