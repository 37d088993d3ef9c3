//! One lesson: what happens on each message, event and tick.
//!
//! No clock and no I/O of its own: the time comes in, messages leave through outboxes and commands
//! through the `MediaDoor`. Changes mark what is stale (`changed`, `replan`); `settle` then sends
//! each change once, however many messages of a burst caused it.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::turn::IceServers;
use crate::ids::{HubId, LessonId, ParticipantId, PeerId};
use crate::lesson::attached::Due;
use crate::lesson::attendance::Attendance;
use crate::lesson::audience::AudienceTold;
use crate::lesson::echo_guard::EchoGuard;
use crate::lesson::events::EventLog;
use crate::lesson::feeds::Show;
use crate::lesson::floor::Floor;
use crate::lesson::heard::Heard;
use crate::lesson::media::MediaDoor;
use crate::lesson::outbox::{Encoded, Outbox};
use crate::lesson::peers::Handover;
use crate::lesson::photos::Photos;
use crate::lesson::plan::SeatNumber;
use crate::lesson::rating::Answers;
use crate::lesson::roster::Roster;
use crate::lesson::speaking::FloorTold;
use crate::lesson::standing::Standing;
use crate::lesson::{Actor, Ask, Gone, LessonConfig, LessonError, kinds, seated};
use crate::media::command::{Command, Event, EventSink};
use crate::media::negotiate::{Codec, Negotiator};
use crate::media::stats::HubStats;
use crate::session::message::{
    ByeReason, ClassroomLink, LessonRules, LessonState, LessonType, Role, ServerMessage,
};
use crate::store::record::{Ended, Happened};
use crate::store::{Chronicle, Run, RunState};

/// Makes the sink that the shard calls; called once, when the hub opens.
pub type MakeSink = Box<dyn Fn() -> EventSink + Send>;

pub struct Lesson {
    // What it is.
    pub(super) id: LessonId,
    pub(super) title: String,
    pub(super) config: LessonConfig,
    pub(super) kind: LessonType,
    /// What follows from the type.
    pub(super) rules: LessonRules,
    /// Made by the API: stays although nobody is there yet.
    pub(super) planned: bool,

    // Owned state.
    pub(super) state: LessonState,
    started: Option<Instant>,
    ran: Duration,
    pub(super) roster: Roster,
    /// Who led when the others were last told.
    pub(super) lead: Option<SeatNumber>,
    /// Who was given the lead; leads whenever it is there.
    pub(super) chosen_lead: Option<SeatNumber>,
    pub(super) floor: Floor,
    pub(super) floor_told: FloorTold,
    pub(super) heard: Heard,
    pub(super) audience: AudienceTold,
    pub(super) photos: Photos,
    pub(super) answers: Answers,
    pub(super) echo: EchoGuard,
    pub(super) events: EventLog,
    /// What was shown at the last `settle`.
    pub(super) show: Show,
    /// Classrooms with a bad line, as the leads were last told.
    pub(super) links: Vec<ClassroomLink>,
    empty_since: Option<Instant>,
    pub(super) running: Codec,
    pub(super) hub: HubId,
    hub_open: bool,
    /// Who was brought in from the audience.
    pub(super) promoted: BTreeSet<ParticipantId>,
    /// Who was removed and stays out while the lesson lasts. Only people who had a seat are added.
    pub(super) kicked: HashSet<ParticipantId>,
    /// Older peers that still feed what their successors do not send yet.
    pub(super) handovers: Vec<Handover>,
    pub(super) attendance: Attendance,

    // Stale for the others until `settle`.
    pub(super) changed: BTreeSet<ParticipantId>,
    /// Seats that may send or take something else than at the last `settle`.
    pub(super) stale: BTreeSet<SeatNumber>,
    /// Everybody's plan may be another.
    pub(super) replan: bool,
    /// What an event made due and needs the time for.
    pub(super) due: Vec<Due>,

    // Out.
    pub(super) media: MediaDoor,
    pub(super) negotiator: Negotiator,
    pub(super) ice_servers: IceServers,
    make_sink: MakeSink,
    pub(super) codec: watch::Sender<Codec>,
    /// What rights rest on.
    pub(super) standing: watch::Sender<Standing>,
}

/// What a lesson is made from.
pub struct Parts {
    pub id: LessonId,
    pub title: String,
    pub kind: LessonType,
    pub planned: bool,
    pub config: LessonConfig,
    pub hub: HubId,
    pub media: MediaDoor,
    pub negotiator: Negotiator,
    pub ice_servers: IceServers,
    pub make_sink: MakeSink,
    pub codec: watch::Sender<Codec>,
    pub standing: watch::Sender<Standing>,
    pub chronicle: Chronicle,
    /// As it ran before this process did.
    pub resumed: Option<Run>,
}

impl Lesson {
    #[must_use]
    pub fn new(parts: Parts, now: Instant) -> Self {
        let resumed = parts.resumed.as_ref();
        let live = resumed.is_some_and(|run| run.state == RunState::Live);
        let is_new = resumed.is_none();
        let kind = resumed.map_or(parts.kind, |run| run.kind);
        let rules = kinds::rules(kind);
        let attendance = match resumed {
            Some(run) => Attendance::resumed(parts.chronicle, run, now),
            None => Attendance::new(parts.chronicle, &parts.id, &parts.title, parts.planned, now),
        };
        let lesson = Self {
            id: parts.id,
            title: parts.title,
            kind,
            rules,
            running: parts.config.video_codec.into(),
            config: parts.config,
            planned: parts.planned,
            state: if live { LessonState::Live } else { LessonState::Scheduled },
            started: live.then_some(now),
            ran: resumed.map_or(Duration::ZERO, |run| Duration::from_millis(run.ran)),
            roster: Roster::default(),
            lead: None,
            chosen_lead: None,
            floor: Floor::new(rules),
            floor_told: FloorTold::default(),
            heard: Heard::default(),
            audience: AudienceTold::default(),
            photos: Photos::default(),
            answers: Answers::default(),
            echo: EchoGuard::default(),
            events: EventLog::default(),
            links: Vec::new(),
            empty_since: Some(now),
            hub: parts.hub,
            hub_open: false,
            kicked: resumed.map(|run| run.kicked.iter().cloned().collect()).unwrap_or_default(),
            promoted: resumed.map(|run| run.promoted.clone()).unwrap_or_default(),
            handovers: Vec::new(),
            attendance,
            changed: BTreeSet::new(),
            stale: BTreeSet::new(),
            replan: false,
            show: Show::default(),
            due: Vec::new(),
            media: parts.media,
            negotiator: parts.negotiator,
            ice_servers: parts.ice_servers,
            make_sink: parts.make_sink,
            codec: parts.codec,
            standing: parts.standing,
        };
        lesson.tell_standing();
        if is_new && kind != LessonType::default() {
            lesson.note_type(now);
        }
        lesson
    }

    /// A participant comes, or comes back.
    pub fn handle_join(&mut self, actor: Actor, now: Instant) -> Result<(), LessonError> {
        if self.state == LessonState::Ended {
            return Err(LessonError::Ended);
        }
        if actor.member.role == Role::Companion {
            return self.accompany(&actor, now);
        }
        self.take_type(&actor.member, now);
        let actor = self.placed(&actor);
        if !seated(actor.member.role) {
            actor.outbox.push(&self.welcome(&actor, None, now));
            return Ok(());
        }
        let kept = self.take_seat(&actor, now)?;
        self.welcome_page(&actor, kept, now);
        Ok(())
    }

    /// Puts this connection on its participant's seat. Gives the peer that the seat still has.
    pub(super) fn take_seat(&mut self, actor: &Actor, now: Instant) -> Result<Option<PeerId>, LessonError> {
        if self.is_kept_out(&actor.member) {
            return Err(LessonError::Kicked);
        }
        if self.roster.get(&actor.member.id).is_none() && self.roster.len() >= self.config.max_participants {
            return Err(LessonError::Full);
        }
        self.empty_since = None;
        let promoted = self.promoted.contains(&actor.member.id);
        let seat = self.roster.seat_for(&actor.member, now);
        seat.promoted = promoted;
        let connection = Some((actor.connection, actor.outbox.clone()));
        let older = std::mem::replace(&mut seat.connection, connection).map(|(_, outbox)| outbox);
        if let Some(older) = &older {
            older.push(&ServerMessage::Bye { reason: ByeReason::Replaced });
        }
        let heard = older.as_ref().and_then(Outbox::last_heard);
        if older.is_none() || heard.is_some() {
            self.attendance.taken_over(&actor.member.id, heard, now);
        }
        let mut dropped = Vec::new();
        let changes_role = seat.member.role != actor.member.role;
        if changes_role {
            // Another role has other rights: what the old one sent ends.
            dropped.extend([seat.older.take(), seat.current.take(), seat.pending.take()]);
            seat.member.role = actor.member.role;
            seat.close_by_default();
        }
        seat.member = actor.member.clone();
        seat.away_since = None;
        seat.connects_since = now;
        if seat.attached.take().is_some() {
            // What was assumed of a seat without a page is not what the page says.
            seat.said = None;
        }
        let kept = seat.current.as_ref().map(|p| p.id);
        let number = seat.number;
        self.stale.insert(number);
        if changes_role {
            self.forget_on_floor(number);
        }
        for peer in dropped.into_iter().flatten() {
            self.remove_peer(peer.id);
        }
        self.changed.insert(actor.member.id.clone());
        // At once: who leaves in the same moment was there.
        self.attendance.here(&actor.member, now);
        Ok(kept)
    }

    /// A connection ended.
    pub fn handle_gone(&mut self, connection: crate::ids::ConnectionId, how: Gone, now: Instant) {
        let Some(seat) = self.roster.by_connection_mut(connection) else {
            return self.roster.drop_companion(connection);
        };
        let id = seat.member.id.clone();
        match how {
            Gone::Left => {
                seat.push(&ServerMessage::Bye { reason: ByeReason::Left });
                self.give_up_seat(&id, now);
            }
            Gone::Broken | Gone::Silent { .. } => {
                let word = seat.connection.take().and_then(|(_, outbox)| outbox.last_heard());
                seat.away_since = Some(now);
                // Who is cut off leads no more, whichever of page and media is noticed last.
                self.stale.insert(seat.number);
                match how {
                    Gone::Silent { heard } => self.attendance.sign(&id, heard),
                    _ => self.attendance.broke(&id, word, now),
                }
                self.changed.insert(id);
            }
        }
    }

    /// Something asked by somebody who may ask it. `done` or `answer` is pushed here.
    pub fn handle_ask(
        &mut self,
        actor: &Actor,
        request: Option<u32>,
        ask: Ask,
        now: Instant,
    ) -> Result<(), LessonError> {
        if self.state == LessonState::Ended {
            return Err(LessonError::Ended);
        }
        let actor = &self.placed(actor);
        let seat = self.roster.get(&actor.member.id);
        let speaks = match actor.member.role {
            Role::Companion => seat.is_some_and(|s| s.companions.has(actor.connection)),
            role => !seated(role) || seat.is_some_and(|s| s.is_connection(actor.connection)),
        };
        if !speaks {
            return Err(LessonError::Replaced);
        }
        let done = || {
            if let Some(request) = request {
                actor.outbox.push(&ServerMessage::Done { request });
            }
        };
        match ask {
            Ask::AddPeer { accepted, preferred } => {
                return self.add_peer(actor, request, *accepted, preferred);
            }
            Ask::RestartIce { sdp } => return self.restart_ice(actor, request, &sdp),
            Ask::State { state } => self.set_state(&actor.member.id, state),
            Ask::Mute { participant, kind, muted } => {
                self.mute(&participant, kind, muted, &actor.member.name)?;
            }
            Ask::MuteAll => self.mute_all(&actor.member.name),
            Ask::Floor(ask) => self.floor_asked(actor, ask, now)?,
            Ask::Signal(ask) => self.signalled(actor, ask, now)?,
            Ask::SelectLayer { mid, max_layer } => {
                self.select_layer(&actor.member.id, &mid, max_layer)?;
            }
            Ask::KeepMic { kept } => self.keep_mic(&actor.member.id, kept)?,
            Ask::EchoHeard => self.echo_heard(&actor.member.id, now),
            Ask::Promote { participant, promoted } => self.promote(&participant, promoted, now)?,
            Ask::ListAudience => {
                let (request, units) = (request.unwrap_or_default(), self.audience_list());
                actor.outbox.push(&ServerMessage::AudienceList { request, units });
                return Ok(());
            }
            Ask::Photo(ask) => self.photo_asked(ask, now)?,
            Ask::Point(at) => self.point(actor, at),
            Ask::Start => self.start(now),
            // The two that may end the asking connection itself: the reply goes first.
            Ask::Kick { participant } => {
                if self.roster.get(&participant).is_none() {
                    return Err(LessonError::UnknownParticipant);
                }
                done();
                self.kick(&participant, now);
                return Ok(());
            }
            Ask::End => {
                done();
                self.handle_end(now);
                return Ok(());
            }
        }
        done();
        Ok(())
    }

    /// 下课: everybody is told, and the media ends.
    pub fn handle_end(&mut self, now: Instant) {
        if self.state == LessonState::Ended {
            return;
        }
        self.ran = self.running_for(now);
        self.started = None;
        self.state = LessonState::Ended;
        self.note_all_that_waits(now);
        self.attendance.all_gone(Ended::Lesson, now);
        let ran = self.ran.as_millis() as u64;
        self.attendance.happened(Happened::End { ran }, None, None, None, now);
        self.broadcast(&ServerMessage::Lesson { lesson: self.info(now) });
        self.broadcast(&ServerMessage::Bye { reason: ByeReason::Ended });
        self.close_hub();
    }

    /// The server stops: what is to be remembered is, and nothing more is noted.
    pub fn handle_hand_over(&mut self, now: Instant) {
        self.keep_attendance(now);
        self.note_all_that_waits(now);
        self.attendance.all_gone(Ended::Server, now);
        self.attendance.beat_now(self.running_for(now), now);
    }

    /// The server stops: media ends, the lesson does not.
    pub fn handle_shutdown(&mut self) {
        self.close_hub();
    }

    pub fn handle_event(&mut self, event: Event) {
        match event {
            Event::PeerConnected { peer } => self.peer_connected(peer),
            Event::PeerClosed { peer, reason } => self.peer_closed(peer, reason),
            Event::SourceFlowing { source } => self.source_flows(source, true),
            Event::SourceStalled { source } => self.source_flows(source, false),
            Event::SlotFlowing { peer, slot, source, rtp_timestamp, turn } => {
                self.slot_flows(peer, slot, (source, turn), rtp_timestamp);
            }
            Event::SlotGranted { peer, slot, granted, why } => self.slot_granted(peer, slot, granted, why),
            Event::LayersWanted { source, layers } => self.layers_wanted(source, layers),
            Event::SourceHeard { source, heard } => self.source_heard(source, heard),
            Event::Stats(stats) => self.handle_stats(*stats),
        }
    }

    /// Figures of the last second.
    pub fn handle_stats(&mut self, stats: HubStats) {
        for figures in stats.peers {
            let Some(seat) = self.roster.by_peer_mut(figures.peer) else { continue };
            if figures.heard {
                self.attendance.heard(&seat.member.id);
            }
            if let Some(peer) = seat.peer_mut(figures.peer) {
                peer.stats = Some(figures);
            }
        }
        for seat in self.roster.iter() {
            if let Some(link) = seat.link() {
                seat.push(&ServerMessage::Link { link });
            }
        }
        self.links_changed();
    }

    /// Once a second: seats whose time is over, commands that the queue refused.
    pub fn handle_tick(&mut self, now: Instant) {
        self.media.retry();
        for id in self.roster.expired(self.config.seat_keep(), now) {
            self.give_up_seat(&id, now);
        }
        if self.state == LessonState::Live || !self.attendance.is_empty() {
            self.attendance.beat(self.running_for(now), now);
        }
        self.quiet_who_is_away(now);
        self.tell_audience();
        let alone = self.empty_since.is_some_and(|since| now - since >= self.config.seat_keep());
        if alone && self.state == LessonState::Live {
            self.handle_end(now);
        }
    }

    /// An unplanned lesson that nobody ever started and nobody waits for leaves no trace.
    #[must_use]
    pub fn is_abandoned(&self, now: Instant) -> bool {
        self.state == LessonState::Scheduled
            && !self.planned
            && self.empty_since.is_some_and(|since| now - since >= self.config.seat_keep())
    }

    /// Nobody will come any more.
    pub fn handle_abandoned(&mut self, now: Instant) {
        self.state = LessonState::Ended;
        self.attendance.happened(Happened::Abandon, None, None, None, now);
    }

    pub(super) fn broadcast(&self, message: &ServerMessage) {
        let encoded = Encoded::new(message);
        for seat in self.roster.iter() {
            seat.push_encoded(&encoded);
        }
    }

    /// Removes a seat and all that belongs to it.
    pub(super) fn give_up_seat(&mut self, id: &ParticipantId, now: Instant) {
        let Some(seat) = self.roster.remove(id) else { return };
        // A second goodbye is dropped.
        seat.companions.outboxes().for_each(|o| o.push(&ServerMessage::Bye { reason: ByeReason::Left }));
        for peer in seat.peers() {
            self.remove_peer(peer.id);
        }
        if seat.connection.is_some() {
            self.attendance.sign(id, now);
        }
        self.attendance.gone(id, Ended::Left, now);
        self.changed.remove(id);
        self.forget_on_floor(seat.number);
        // First who leads instead, so that no page is without a teacher for a moment.
        self.replace_lead(now);
        self.tell_left(&seat);
        self.stale.insert(seat.number);
        if self.roster.is_empty() {
            self.empty_since = Some(now);
        }
    }

    pub(super) fn start(&mut self, now: Instant) {
        if self.state != LessonState::Scheduled {
            return;
        }
        self.state = LessonState::Live;
        self.started = Some(now);
        self.attendance.happened(Happened::Start, None, None, None, now);
        self.mute_all_receivers_at_start();
        self.floor = Floor::new(self.rules);
        self.floor_told.stale = true;
        self.replan = true;
        self.broadcast(&ServerMessage::Lesson { lesson: self.info(now) });
    }

    pub(super) fn running_for(&self, now: Instant) -> Duration {
        self.ran + self.started.map_or(Duration::ZERO, |since| now - since)
    }

    pub(super) fn open_hub(&mut self) -> Result<(), LessonError> {
        if !self.hub_open {
            let events = (self.make_sink)();
            self.media.now(Command::OpenHub { hub: self.hub, events })?;
            self.hub_open = true;
        }
        Ok(())
    }

    fn close_hub(&mut self) {
        if std::mem::take(&mut self.hub_open) {
            let hub = self.hub;
            self.media.surely(move || Command::CloseHub { hub });
        }
        self.roster.drop_peers();
    }
}
