//! Which source feeds which slot of whom: a pure function of seats, floor and the viewer's slots.
//!
//! Receivers and observers: video 0 is whoever leads (one layer lower while something else is big),
//! video 1 the lead's content, from video 2 on those on stage, the newest first: big without content,
//! small beside it (where the type of lesson says so: big all the same). With a single video slot: content,
//! else the stage, else the lead. Audio 0 is the
//! lead's microphone, audio 1 the content's sound, from audio 2 on the other open microphones.
//!
//! Who teaches (every lead, and a classroom that leads) sees: what another one who leads shows, those
//! on stage big, then the page of the wall that is looked at, then colleagues. Nobody gets a source of
//! their own, and no slot a source whose codec its subscriber does not decode.
//!
//! The plan is stable: what a peer's slot showed stays there as long as it is wanted, so that a
//! classroom never jumps to another place on the wall when others come and go; a slot that became
//! free is used again. Stability goes by (seat, kind), not by source: a classroom that reconnects
//! takes its own place back.

use std::collections::BTreeMap;

use crate::ids::{PeerId, SourceId};
use crate::media::command::{LayerIndex, Rank, SlotIndex};
use crate::media::negotiate::{Codec, SourceKind};
use crate::session::message::{Role, StageLayout};

/// Above this many cameras on a lead's wall each is shown in its lowest layer.
const WALL_IN_TOP_LAYER: usize = 4;
/// Pictures on one page of a lead's wall.
pub const WALL_PAGE: usize = 9;
/// Slots of receivers and observers whose use is fixed, of each kind: lead and content.
const FIXED: usize = 2;
/// A picture beside something bigger.
const SMALL: LayerIndex = LayerIndex(0);
/// Whoever leads, beside something bigger: a face is watched longer than a classroom.
const BESIDE: LayerIndex = LayerIndex(LayerIndex::TOP.0 - 1);

/// A seat's number: its place in the order of first joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatNumber(pub u64);

/// One seat that sends something, as the plan sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct SenderView {
    pub seat: SeatNumber,
    pub role: Role,
    pub sources: Vec<SourceView>,
}

/// A source that may be shown or heard: sent by its owner and not closed by the lead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceView {
    pub source: SourceId,
    pub kind: SourceKind,
    pub codec: Codec,
}

/// Whose plan it is.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    pub seat: SeatNumber,
    pub role: Role,
    /// The classrooms of the wall's page that it looks at; `None`: it has not said.
    pub wall: Option<&'a [SeatNumber]>,
}

/// One taker of slots.
#[derive(Clone, Debug)]
pub struct PeerView {
    pub peer: PeerId,
    pub audio: Vec<SlotIndex>,
    pub video: Vec<SlotIndex>,
    pub decodes: Vec<Codec>,
    /// What the last plan gave to each slot.
    pub before: Vec<(SlotIndex, Wanted)>,
}

/// A source by its owner's seat and its kind: what stays the same when the owner reconnects.
pub type Wanted = (SeatNumber, SourceKind);

/// One fed slot of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub slot: SlotIndex,
    pub source: SourceId,
    pub wanted: Wanted,
    pub max_layer: LayerIndex,
    /// Who goes first where the taker's line is too small for all.
    pub rank: Rank,
}

/// All seats that send something, in the order of their numbers.
pub type Senders = BTreeMap<SeatNumber, SenderView>;

/// What the plan of every receiver and observer rests on: while it stays the same, theirs do, and
/// one seat's news costs one seat's plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Common {
    leads: Option<SeatNumber>,
    /// The seat that leads, when it sends.
    lead: Option<SenderView>,
    /// Those on stage who send, the newest first.
    stage: Vec<SenderView>,
    /// Open microphones of all but the lead, those on stage first.
    mics: Vec<(Wanted, SourceId)>,
    /// Whoever is on stage is bigger than the content.
    speaker_big: bool,
    /// A photo stands in the content's place.
    photo: bool,
}

impl Common {
    /// `leads`: the seat that leads now; without one, receivers get only the stage and open
    /// microphones. `stage`: the newest first.
    #[must_use]
    pub fn new(
        leads: Option<SeatNumber>,
        stage: impl Iterator<Item = SeatNumber>,
        senders: &Senders,
    ) -> Self {
        let stage: Vec<_> =
            stage.filter(|s| Some(*s) != leads).filter_map(|s| senders.get(&s)).cloned().collect();
        let is_staged = |seat| stage.iter().any(|s| s.seat == seat);
        let others = || senders.values().filter(|s| Some(s.seat) != leads);
        let mic = |s: &SenderView| {
            let source = s.source(SourceKind::Mic)?;
            Some(((s.seat, source.kind), source.source))
        };
        let mics = others().filter(|s| is_staged(s.seat)).filter_map(mic);
        let mics = mics.chain(others().filter(|s| !is_staged(s.seat)).filter_map(mic)).collect();
        let lead = leads.and_then(|l| senders.get(&l)).cloned();
        Self { leads, lead, stage, mics, speaker_big: false, photo: false }
    }

    /// The same in a lesson with this layout.
    #[must_use]
    pub fn laid_out(self, layout: StageLayout) -> Self {
        Self { speaker_big: layout == StageLayout::Speaker, ..self }
    }

    /// The same while a photo is shown, or not.
    #[must_use]
    pub fn beside_photo(self, photo: bool) -> Self {
        Self { photo, ..self }
    }
}

impl SenderView {
    #[must_use]
    pub fn source(&self, kind: SourceKind) -> Option<&SourceView> {
        self.sources.iter().find(|s| s.kind == kind)
    }
}

/// The feeds of one peer of this viewer; slots that are not named are silent. `common` is made of
/// these `senders`.
#[must_use]
pub fn plan(common: &Common, senders: &Senders, viewer: Viewer, peer: &PeerView) -> Vec<Assignment> {
    let taker = Taker { viewer, peer, common };
    match viewer.role {
        Role::Admin | Role::Companion => Vec::new(),
        _ if taker.teaches() => taker.teacher(senders),
        _ => taker.receiver(),
    }
}

/// A picture or voice that is wanted, and how.
#[derive(Clone, Copy)]
struct Feed {
    wanted: Wanted,
    source: SourceId,
    layer: LayerIndex,
    rank: Rank,
}

struct Taker<'a> {
    viewer: Viewer<'a>,
    peer: &'a PeerView,
    common: &'a Common,
}

impl Taker<'_> {
    /// Whether it looks at classrooms: every lead does, and whoever leads.
    fn teaches(&self) -> bool {
        self.viewer.role == Role::Lead || self.common.leads == Some(self.viewer.seat)
    }

    fn teacher(&self, senders: &Senders) -> Vec<Assignment> {
        // First what everybody sees of another one who leads.
        let lead = self.common.lead.as_ref().filter(|s| s.seat != self.viewer.seat);
        let from_lead = |kind, layer, rank| lead.and_then(|s| self.takes(s, kind, layer, rank));
        let content = from_lead(SourceKind::Content, LayerIndex::TOP, Rank::Content);
        let beside = if content.is_some() { BESIDE } else { LayerIndex::TOP };
        let mut pictures: Vec<_> =
            content.into_iter().chain(from_lead(SourceKind::Camera, beside, Rank::Lead)).collect();
        pictures.extend(self.stage(LayerIndex::TOP));

        let is_new = |s: &&SenderView| {
            s.seat != self.viewer.seat
                && Some(s.seat) != self.common.leads
                && !self.common.stage.iter().any(|staged| staged.seat == s.seat)
        };
        let of = |role| move |s: &&SenderView| s.role == role;
        let classrooms = || senders.values().filter(of(Role::Receiver));
        let page: Vec<&SenderView> = match self.viewer.wall {
            Some(page) => page.iter().filter_map(|s| senders.get(s)).filter(of(Role::Receiver)).collect(),
            None => classrooms().take(WALL_PAGE).collect(),
        };
        let colleagues = senders.values().filter(of(Role::Lead));
        let wall: Vec<_> = page.into_iter().chain(colleagues).filter(is_new).collect();
        let few = self.common.stage.len() + wall.len() <= WALL_IN_TOP_LAYER;
        let layer = if few { LayerIndex::TOP } else { SMALL };
        let camera = |s: &&SenderView| self.takes(s, SourceKind::Camera, layer, Rank::Small);
        pictures.extend(wall.iter().filter_map(camera));

        let voices = from_lead(SourceKind::Mic, LayerIndex::TOP, Rank::Lead);
        let voices =
            voices.into_iter().chain(from_lead(SourceKind::ContentAudio, LayerIndex::TOP, Rank::Lead));
        let voices: Vec<_> = voices.chain(self.voices()).collect();
        let mut out = self.keep_places(&self.peer.video, &pictures);
        out.extend(self.keep_places(&self.peer.audio, &voices));
        out
    }

    fn receiver(&self) -> Vec<Assignment> {
        let from_lead = |kind, layer, rank| {
            let lead = self.common.lead.as_ref()?;
            self.takes(lead, kind, layer, rank)
        };
        let content = from_lead(SourceKind::Content, LayerIndex::TOP, Rank::Content);
        let speaker_big = self.common.speaker_big;
        // A player with one picture shows no photo.
        let photo = self.common.photo && self.peer.video.len() > 1;
        let newest = if (content.is_some() || photo) && !speaker_big { SMALL } else { LayerIndex::TOP };
        let stage: Vec<_> = self.stage(newest).collect();
        let alone = content.is_none() && !photo && stage.is_empty();
        let camera = from_lead(SourceKind::Camera, if alone { LayerIndex::TOP } else { BESIDE }, Rank::Lead);
        // A simple player has one picture.
        let first = if self.peer.video.len() == 1 {
            let shown = content.filter(|_| !speaker_big || stage.is_empty());
            shown.or_else(|| stage.first().copied()).or(camera)
        } else {
            camera
        };
        let fixed = [
            (self.peer.video.first(), first),
            (self.peer.video.get(1), content),
            (self.peer.audio.first(), from_lead(SourceKind::Mic, LayerIndex::TOP, Rank::Lead)),
            (self.peer.audio.get(1), from_lead(SourceKind::ContentAudio, LayerIndex::TOP, Rank::Lead)),
        ];
        let mut out: Vec<Assignment> =
            fixed.into_iter().filter_map(|(slot, feed)| Some(feed?.into_slot(*slot?))).collect();
        let voices: Vec<_> = self.voices().collect();
        out.extend(self.keep_places(self.peer.video.get(FIXED..).unwrap_or_default(), &stage));
        out.extend(self.keep_places(self.peer.audio.get(FIXED..).unwrap_or_default(), &voices));
        out
    }

    /// Those on stage but the viewer, the newest first and in this layer, the others small.
    fn stage(&self, newest: LayerIndex) -> impl Iterator<Item = Feed> {
        let others = self.common.stage.iter().filter(|s| s.seat != self.viewer.seat);
        others.enumerate().filter_map(move |(place, s)| {
            self.takes(s, SourceKind::Camera, if place == 0 { newest } else { SMALL }, Rank::Lead)
        })
    }

    /// The other open microphones.
    fn voices(&self) -> impl Iterator<Item = Feed> {
        let others = self.common.mics.iter().filter(|((seat, _), _)| *seat != self.viewer.seat);
        others.map(|(wanted, source)| Feed {
            wanted: *wanted,
            source: *source,
            layer: LayerIndex::TOP,
            rank: Rank::Lead,
        })
    }

    /// The seat's source of this kind, when this peer can decode it.
    fn takes(&self, seat: &SenderView, kind: SourceKind, layer: LayerIndex, rank: Rank) -> Option<Feed> {
        let source = seat.source(kind)?;
        let decodes = kind.is_audio() || self.peer.decodes.contains(&source.codec);
        decodes.then_some(Feed { wanted: (seat.seat, kind), source: source.source, layer, rank })
    }

    /// Gives each feed the slot that it had, and the free slots to the others in their order. Where
    /// there are too few slots the first feeds have them.
    fn keep_places(&self, slots: &[SlotIndex], feeds: &[Feed]) -> Vec<Assignment> {
        let feeds = &feeds[..feeds.len().min(slots.len())];
        let had = |wanted: Wanted| {
            let before = self.peer.before.iter().find(|(_, w)| *w == wanted)?;
            slots.contains(&before.0).then_some(before.0)
        };
        let kept: Vec<_> = feeds.iter().filter_map(|f| had(f.wanted)).collect();
        let mut free = slots.iter().copied().filter(|s| !kept.contains(s));
        let place = |feed: &Feed| Some(feed.into_slot(had(feed.wanted).or_else(|| free.next())?));
        feeds.iter().filter_map(place).collect()
    }
}

impl Feed {
    fn into_slot(self, slot: SlotIndex) -> Assignment {
        let Self { wanted, source, layer, rank } = self;
        Assignment { slot, source, wanted, max_layer: layer, rank }
    }
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
