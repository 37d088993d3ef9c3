//! Who is in the lesson: seats and their media connections.
//!
//! A seat belongs to a participant (a token's `sub`), not to a connection: it is kept when the
//! connection breaks, so that a reload returns to its place. A seat has up to three peers: `current`
//! carries media, `pending` is a newer one that has not connected yet and takes over when it has,
//! `older` feeds what `current` does not send yet (see `peers`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::{ConnectionId, ParticipantId, PeerId, SourceId};
use crate::lesson::attached::Attached;
use crate::lesson::companion::{Companions, concerns_companions};
use crate::lesson::link::LinkHistory;
use crate::lesson::outbox::{Encoded, Outbox};
use crate::lesson::plan::{Assignment, PeerView, SeatNumber, SenderView, SourceView};
use crate::media::command::{LayerIndex, SlotIndex};
use crate::media::negotiate::{Accepted, AnswerTemplate, Codec, MediaKind, SlotInfo, SourceInfo, SourceKind};
use crate::media::stats::PeerStats;
use crate::session::message::{
    Feed, LessonType, OwnState, Participant, ParticipantOverview, Presence, ReceivedStream, Role,
    ServerMessage, SlotFeed, SlotMid, SourceState,
};

/// Who joins.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: ParticipantId,
    pub name: String,
    /// What it is in this lesson.
    pub role: Role,
    /// What its token says that it is.
    pub asked: Role,
    /// Whose people it belongs to, if its token says so: a school, a county.
    pub unit: Option<String>,
    /// The type of lesson that its token is for.
    pub lesson_type: Option<LessonType>,
}

impl Member {
    #[must_use]
    pub fn new(id: ParticipantId, name: String, role: Role) -> Self {
        Self { id, name, role, asked: role, unit: None, lesson_type: None }
    }

    /// The type of a lesson that comes into being with this one: a lead's word alone.
    #[must_use]
    pub fn type_for_new(&self) -> Option<LessonType> {
        self.lesson_type.filter(|_| self.asked == Role::Lead)
    }
}

pub struct Seat {
    pub number: SeatNumber,
    pub member: Member,
    pub joined: Instant,
    /// When the connection broke; `None` while it is there.
    pub away_since: Option<Instant>,
    /// The socket that speaks for this seat now.
    pub connection: Option<(ConnectionId, Outbox)>,
    /// Phones of the classroom's people.
    pub companions: Companions,
    /// Set when no page speaks for this seat, but a media connection alone.
    pub attached: Option<Attached>,
    /// What the page says of itself; `None` before it said anything, then all it sends counts.
    pub said: Option<OwnState>,
    /// Kinds that the lead closed.
    pub closed: Vec<SourceKind>,
    /// A lead's: the classrooms of the wall's page that she looks at.
    pub wall: Option<Vec<SeatNumber>>,
    /// Pupils in the room, as it said.
    pub headcount: Option<u16>,
    /// Brought in from the audience.
    pub promoted: bool,
    pub older: Option<Peer>,
    pub current: Option<Peer>,
    pub pending: Option<Peer>,
    /// When its page last began to make a media connection: it came, or lost the one it had.
    pub connects_since: Instant,
    /// What its line did to its pictures.
    pub link_history: LinkHistory,
}

/// One media connection of a seat.
pub struct Peer {
    pub id: PeerId,
    /// For ICE restarts.
    pub answer: AnswerTemplate,
    pub sources: Vec<Source>,
    pub slots: Vec<SlotInfo>,
    pub decodes: Vec<Codec>,
    pub feeds: BTreeMap<SlotIndex, Fed>,
    /// Slots that the line has no room for now; stays with the slot when its source changes.
    pub paused: BTreeSet<SlotIndex>,
    /// Turns given to slots so far: each new source of a slot is another turn.
    pub turns: u32,
    /// The page's own wish per slot, for the source that it had when it wished.
    pub wishes: HashMap<SlotIndex, (SourceId, LayerIndex)>,
    pub stats: Option<PeerStats>,
}

pub struct Source {
    pub info: SourceInfo,
    pub flowing: bool,
    /// The layers of it that somebody can use, bit n for layer n, as its page was told.
    pub wanted: Option<u8>,
    /// Loud enough for speech.
    pub heard: bool,
}

impl Source {
    fn new(info: SourceInfo) -> Self {
        Self { info, flowing: false, wanted: None, heard: false }
    }
}

/// What a slot is fed with, and since which RTP timestamp its frames show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    pub assignment: Assignment,
    pub since: Option<u32>,
    /// Of the route; an event with another one belongs to an earlier assignment.
    pub turn: u32,
}

impl Peer {
    /// Splits an accepted offer into what the lesson keeps; `setup` goes to the media plane.
    #[must_use]
    pub fn new(accepted: Accepted) -> (Self, Box<crate::media::negotiate::PeerSetup>) {
        let peer = Self {
            id: accepted.peer,
            answer: accepted.answer,
            sources: accepted.sources.into_iter().map(Source::new).collect(),
            slots: accepted.slots,
            decodes: accepted.decodes,
            feeds: BTreeMap::new(),
            paused: BTreeSet::new(),
            turns: 0,
            wishes: HashMap::new(),
            stats: None,
        };
        (peer, accepted.setup)
    }

    /// The slots' mids as the `answer` message names them.
    #[must_use]
    pub fn slot_mids(&self) -> Vec<SlotMid> {
        self.slots.iter().map(|s| SlotMid { mid: s.mid.clone(), kind: s.kind }).collect()
    }

    /// The video codecs that this peer sends.
    pub fn sent_video(&self) -> impl Iterator<Item = Codec> {
        self.sources.iter().filter(|s| s.info.kind.is_video()).map(|s| s.info.codec)
    }

    fn slots_of(&self, kind: MediaKind) -> Vec<SlotIndex> {
        self.slots.iter().filter(|s| s.kind == kind).map(|s| s.slot).collect()
    }

    /// The slot with this mid.
    #[must_use]
    pub fn slot_by_mid(&self, mid: &str) -> Option<&SlotInfo> {
        self.slots.iter().find(|s| s.mid == mid)
    }

    fn mid_of(&self, slot: SlotIndex) -> Option<&str> {
        self.slots.iter().find(|s| s.slot == slot).map(|s| s.mid.as_str())
    }

    /// As the plan sees it.
    #[must_use]
    pub fn view(&self) -> PeerView {
        PeerView {
            peer: self.id,
            audio: self.slots_of(MediaKind::Audio),
            video: self.slots_of(MediaKind::Video),
            decodes: self.decodes.clone(),
            before: self.feeds.iter().map(|(s, fed)| (*s, fed.assignment.wanted)).collect(),
        }
    }
}

impl Seat {
    #[must_use]
    pub fn new(number: SeatNumber, member: Member, now: Instant) -> Self {
        let mut seat = Self {
            number,
            member,
            joined: now,
            away_since: None,
            connection: None,
            companions: Companions::default(),
            attached: None,
            said: None,
            closed: Vec::new(),
            wall: None,
            headcount: None,
            promoted: false,
            older: None,
            current: None,
            pending: None,
            connects_since: now,
            link_history: LinkHistory::default(),
        };
        seat.close_by_default();
        seat
    }

    /// Receivers begin with a closed microphone: an open one in a full classroom is an echo for
    /// everybody else.
    pub fn close_by_default(&mut self) {
        if self.member.role == Role::Receiver && !self.closed.contains(&SourceKind::Mic) {
            self.closed.push(SourceKind::Mic);
        }
    }

    pub fn push(&self, message: &ServerMessage) {
        if let Some((_, outbox)) = &self.connection {
            outbox.push(message);
        }
        if concerns_companions(message) {
            self.companions.outboxes().for_each(|outbox| outbox.push(message));
        }
    }

    /// Broadcasts are about the lesson and its people, so phones get them as well.
    pub fn push_encoded(&self, message: &Encoded) {
        if let Some((_, outbox)) = &self.connection {
            outbox.push_encoded(message);
        }
        self.companions.outboxes().for_each(|outbox| outbox.push_encoded(message));
    }

    #[must_use]
    pub fn is_connection(&self, id: ConnectionId) -> bool {
        self.connection.as_ref().is_some_and(|(own, _)| *own == id)
    }

    /// A page speaks for it, or its media is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.connection.is_some() || self.current.is_some()
    }

    /// The newest last.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.older.iter().chain(&self.current).chain(&self.pending)
    }

    pub fn peers_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.older.iter_mut().chain(&mut self.current).chain(&mut self.pending)
    }

    pub fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers_mut().find(|p| p.id == id)
    }

    /// Whether the page says that it really sends this kind.
    fn sends(&self, kind: SourceKind) -> bool {
        self.said.as_ref().is_none_or(|said| match kind {
            // A classroom opens its microphone as soon as it hears that it may, so its voice needs not
            // wait until it has said so.
            SourceKind::Mic => said.mic || self.member.role == Role::Receiver && !said.mic_kept,
            SourceKind::Camera => said.camera,
            SourceKind::Content | SourceKind::ContentAudio => said.content,
        })
    }

    /// Whether the older peer still feeds something that the current one will, but does not yet.
    #[must_use]
    pub fn hands_over(&self) -> bool {
        self.shown().any(|source| self.predecessor(source).is_some())
    }

    /// The connected peer's sources that may be shown.
    fn shown(&self) -> impl Iterator<Item = &Source> {
        let sources = self.current.iter().flat_map(|peer| &peer.sources);
        sources.filter(|s| !self.closed.contains(&s.info.kind) && self.sends(s.info.kind))
    }

    /// The older peer's source that is shown for this one until it flows.
    fn predecessor(&self, source: &Source) -> Option<&Source> {
        let mut older = self.older.iter().flat_map(|peer| &peer.sources);
        older.find(|s| s.info.kind == source.info.kind && s.flowing && !source.flowing)
    }

    /// What the seat sends, as the plan sees it; `None`: nothing that may be shown. Sources come from
    /// connected peers alone.
    #[must_use]
    pub fn sender_view(&self) -> Option<SenderView> {
        let shown = self.shown().map(|s| self.predecessor(s).unwrap_or(s)).map(|s| SourceView {
            source: s.info.source,
            kind: s.info.kind,
            codec: s.info.codec,
        });
        let sources: Vec<_> = shown.collect();
        (!sources.is_empty()).then_some(SenderView { seat: self.number, role: self.member.role, sources })
    }

    /// The roster entry.
    #[must_use]
    pub fn participant(&self) -> Participant {
        Participant {
            id: self.member.id.clone(),
            name: self.member.name.clone(),
            role: self.member.role,
            presence: if self.away_since.is_some() { Presence::Away } else { Presence::Online },
            state: self.said.clone().unwrap_or_default(),
            muted: self.closed.clone(),
            sources: self
                .current
                .iter()
                .flat_map(|peer| &peer.sources)
                .map(|s| SourceState { id: s.info.source, kind: s.info.kind, flowing: s.flowing })
                .collect(),
            headcount: self.headcount,
            promoted: self.member.role == Role::Receiver && self.promoted,
        }
    }
}

/// All seats, in the order of first joining.
#[derive(Default)]
pub struct Roster {
    /// Boxed: half of a tree's places are empty.
    seats: BTreeMap<SeatNumber, Box<Seat>>,
    by_id: HashMap<ParticipantId, SeatNumber>,
    /// Whose a peer is. Figures come for all of them every second.
    by_peer: HashMap<PeerId, SeatNumber>,
    next: u64,
}

impl Roster {
    /// The seat of this member; a new one when there is none.
    pub fn seat_for(&mut self, member: &Member, now: Instant) -> &mut Seat {
        let number = *self.by_id.entry(member.id.clone()).or_insert_with(|| {
            self.next += 1;
            SeatNumber(self.next)
        });
        self.seats.entry(number).or_insert_with(|| Box::new(Seat::new(number, member.clone(), now)))
    }

    #[must_use]
    pub fn get(&self, id: &ParticipantId) -> Option<&Seat> {
        self.seats.get(self.by_id.get(id)?).map(Box::as_ref)
    }

    pub fn get_mut(&mut self, id: &ParticipantId) -> Option<&mut Seat> {
        self.seats.get_mut(self.by_id.get(id)?).map(Box::as_mut)
    }

    pub fn by_number_mut(&mut self, number: SeatNumber) -> Option<&mut Seat> {
        self.seats.get_mut(&number).map(Box::as_mut)
    }

    /// The seat that this connection speaks for.
    pub fn by_connection_mut(&mut self, id: ConnectionId) -> Option<&mut Seat> {
        self.iter_mut().find(|s| s.is_connection(id))
    }

    /// A phone has gone, if it was one.
    pub fn drop_companion(&mut self, id: ConnectionId) {
        let _ = self.iter_mut().any(|s| s.companions.remove(id));
    }

    /// The seat that has this peer, of which `add_peer` told.
    pub fn by_peer_mut(&mut self, id: PeerId) -> Option<&mut Seat> {
        let seat = self.seats.get_mut(self.by_peer.get(&id)?)?;
        let has = seat.peers().any(|p| p.id == id);
        has.then_some(seat)
    }

    /// Gives the participant's seat a new peer; returns an older one that never connected.
    pub fn add_peer(&mut self, id: &ParticipantId, peer: Peer) -> Option<Peer> {
        let seat = self.seats.get_mut(self.by_id.get(id)?)?;
        self.by_peer.insert(peer.id, seat.number);
        seat.pending.replace(peer)
    }

    /// No seat has this peer any more.
    pub fn forget_peer(&mut self, id: PeerId) {
        self.by_peer.remove(&id);
    }

    /// No seat has a peer any more.
    pub fn drop_peers(&mut self) {
        self.by_peer.clear();
        for seat in self.iter_mut() {
            (seat.older, seat.current, seat.pending) = (None, None, None);
        }
    }

    pub fn by_source_mut(&mut self, id: SourceId) -> Option<&mut Seat> {
        let sends = |s: &Seat| s.peers().any(|p| p.sources.iter().any(|x| x.info.source == id));
        self.iter_mut().find(|s| sends(s))
    }

    pub fn remove(&mut self, id: &ParticipantId) -> Option<Seat> {
        self.seats.remove(&self.by_id.remove(id)?).map(|seat| *seat)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().map(Box::as_ref)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        self.seats.values_mut().map(Box::as_mut)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Participants whose connection broke longer than `keep` ago.
    #[must_use]
    pub fn expired(&self, keep: Duration, now: Instant) -> Vec<ParticipantId> {
        let gone = |s: &&Seat| s.away_since.is_some_and(|since| now - since >= keep);
        self.iter().filter(gone).map(|s| s.member.id.clone()).collect()
    }

    /// The seat that leads, when `sitting` led until now. Who was `chosen` does, unless its connection
    /// is broken and nothing of it comes; else the newest lead that really sends, else whoever sits
    /// there. A teacher who joins beside a running demonstration takes over as soon as
    /// she sends, and gives it back by leaving; a colleague who only gets ready changes nothing.
    #[must_use]
    pub fn lead(&self, sitting: Option<SeatNumber>, chosen: Option<SeatNumber>) -> Option<SeatNumber> {
        let may = |s: &&Seat| matches!(s.member.role, Role::Lead | Role::Receiver);
        let is_there = |s: &&Seat| may(s) && (s.away_since.is_none() || s.shown().next().is_some());
        if let Some(seat) = chosen.and_then(|n| self.by_number(n)).filter(is_there) {
            return Some(seat.number);
        }
        let leads = || self.seats.values().map(Box::as_ref).rev().filter(|s| s.member.role == Role::Lead);
        let sends = || leads().find(|s| s.shown().next().is_some());
        let stays = || leads().find(|s| Some(s.number) == sitting);
        sends().or_else(stays).or_else(|| leads().next()).map(|s| s.number)
    }

    #[must_use]
    pub fn by_number(&self, number: SeatNumber) -> Option<&Seat> {
        self.seats.get(&number).map(Box::as_ref)
    }

    /// A slot's feed as the page is told.
    #[must_use]
    pub fn slot_feed(&self, peer: &Peer, slot: SlotIndex) -> Option<SlotFeed> {
        let feed = peer.feeds.get(&slot).and_then(|fed| {
            let (owner, kind) = fed.assignment.wanted;
            let participant = self.seats.get(&owner)?.member.id.clone();
            let paused = peer.paused.contains(&slot);
            Some(Feed { participant, kind, source: fed.assignment.source, since: fed.since, paused })
        });
        Some(SlotFeed { mid: peer.mid_of(slot)?.to_owned(), feed })
    }

    /// One seat for the administrator.
    #[must_use]
    pub fn overview(&self, seat: &Seat, now: Instant) -> ParticipantOverview {
        let received = |peer: &Peer| {
            let slots = peer.stats.iter().flat_map(|stats| &stats.slots);
            slots
                .filter_map(|slot| {
                    let (owner, kind) = peer.feeds.get(&slot.slot)?.assignment.wanted;
                    let from = self.seats.get(&owner)?.member.id.clone();
                    let layer = slot.layer.map(|layer| layer.0);
                    kind.is_video().then_some(ReceivedStream { from, kind, kbps: slot.kbps, layer })
                })
                .collect()
        };
        ParticipantOverview {
            participant: seat.participant(),
            link: seat.link(),
            seconds: u32::try_from((now - seat.joined).as_secs()).unwrap_or(u32::MAX),
            decodes: seat.current.as_ref().map(|p| p.decodes.clone()).unwrap_or_default(),
            receives: seat.current.as_ref().map(received).unwrap_or_default(),
            link_changes: seat.link_history.shown(now),
        }
    }
}
