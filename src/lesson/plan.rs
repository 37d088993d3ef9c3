//! Which source feeds which slot of whom: a pure function of the lesson's seats.
//!
//! Receivers and observers: video 0 is the lead's camera (one layer lower while content is shown),
//! video 1 the lead's content; with a single video slot, content while there is some and else the
//! lead; audio 0 the lead's microphone, audio 1 the content's sound, from
//! audio 2 on the other open microphones. A lead: the receivers' cameras from video 0 on, their
//! open microphones from audio 0 on, co-teachers after them. Nobody gets a source of their own,
//! and no slot a source whose codec its subscriber does not decode.
//!
//! The plan is stable: what a peer's slot showed stays there as long as it is wanted, so that a
//! classroom never jumps to another place on the wall when others come and go; a slot that became
//! free is used again. Stability goes by (seat, kind), not by source: a classroom that reconnects
//! takes its own place back.

use std::collections::BTreeMap;

use crate::ids::{PeerId, SourceId};
use crate::media::command::{LayerIndex, Rank, SlotIndex};
use crate::media::negotiate::{Codec, SourceKind};
use crate::session::message::Role;

/// Above this many cameras on a lead's wall each is shown in its lowest layer.
const WALL_IN_TOP_LAYER: usize = 4;
/// Slots of receivers and observers whose use is fixed, of each kind: lead and content.
const FIXED: usize = 2;

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
    /// The seat that leads, when it sends.
    lead: Option<SenderView>,
    /// Open microphones of all others.
    mics: Vec<(Wanted, SourceId)>,
}

impl Common {
    /// `lead`: the seat that leads now; without one, receivers get only open microphones.
    #[must_use]
    pub fn new(lead: Option<SeatNumber>, senders: &Senders) -> Self {
        let others = senders.values().filter(|s| Some(s.seat) != lead);
        let mic = |s: &SenderView| {
            let source = s.source(SourceKind::Mic)?;
            Some(((s.seat, source.kind), source.source))
        };
        Self { lead: lead.and_then(|l| senders.get(&l)).cloned(), mics: others.filter_map(mic).collect() }
    }
}

impl SenderView {
    #[must_use]
    pub fn source(&self, kind: SourceKind) -> Option<&SourceView> {
        self.sources.iter().find(|s| s.kind == kind)
    }
}

/// The feeds of one peer of this seat; slots that are not named are silent. `common` is made of
/// these `senders`.
#[must_use]
pub fn plan(
    common: &Common,
    senders: &Senders,
    (own, role): (SeatNumber, Role),
    peer: &PeerView,
) -> Vec<Assignment> {
    let taker = Taker { own, role, peer };
    match role {
        Role::Lead => taker.lead(senders),
        Role::Receiver | Role::Observer => taker.receiver(common),
        Role::Admin => Vec::new(),
    }
}

struct Taker<'a> {
    own: SeatNumber,
    role: Role,
    peer: &'a PeerView,
}

impl Taker<'_> {
    fn lead(&self, senders: &Senders) -> Vec<Assignment> {
        let others = || {
            let seated = |role| move |s: &&SenderView| s.role == role && s.seat != self.own;
            let receivers = senders.values().filter(seated(Role::Receiver));
            receivers.chain(senders.values().filter(seated(Role::Lead)))
        };
        let cameras: Vec<_> = others().filter_map(|s| self.takes(s, SourceKind::Camera)).collect();
        let mics: Vec<_> = others().filter_map(|s| self.takes(s, SourceKind::Mic)).collect();
        let layer = if cameras.len() > WALL_IN_TOP_LAYER { LayerIndex(0) } else { LayerIndex::TOP };
        let mut out = self.keep_places(&self.peer.video, &cameras, layer);
        out.extend(self.keep_places(&self.peer.audio, &mics, LayerIndex::TOP));
        out
    }

    fn receiver(&self, common: &Common) -> Vec<Assignment> {
        let from_lead = |kind| common.lead.as_ref().and_then(|seat| self.takes(seat, kind));
        let content = from_lead(SourceKind::Content);
        let camera_layer =
            if content.is_some() { LayerIndex(LayerIndex::TOP.0 - 1) } else { LayerIndex::TOP };
        let camera = from_lead(SourceKind::Camera);
        // A simple player has one picture.
        let (first, first_layer) = match content {
            Some(content) if self.peer.video.len() == 1 => (Some(content), LayerIndex::TOP),
            _ => (camera, camera_layer),
        };
        let fixed = [
            (self.peer.video.first(), first, first_layer),
            (self.peer.video.get(1), content, LayerIndex::TOP),
            (self.peer.audio.first(), from_lead(SourceKind::Mic), LayerIndex::TOP),
            (self.peer.audio.get(1), from_lead(SourceKind::ContentAudio), LayerIndex::TOP),
        ];
        let mut out: Vec<Assignment> = fixed
            .into_iter()
            .filter_map(|(slot, feed, layer)| Some(self.assign(*slot?, feed?, layer)))
            .collect();
        let mics: Vec<_> = common.mics.iter().filter(|((seat, _), _)| *seat != self.own).copied().collect();
        let rest = self.peer.audio.get(FIXED..).unwrap_or_default();
        out.extend(self.keep_places(rest, &mics, LayerIndex::TOP));
        out
    }

    /// The seat's source of this kind, when this peer can decode it.
    fn takes(&self, seat: &SenderView, kind: SourceKind) -> Option<(Wanted, SourceId)> {
        let source = seat.source(kind)?;
        let decodes = kind.is_audio() || self.peer.decodes.contains(&source.codec);
        decodes.then_some(((seat.seat, kind), source.source))
    }

    fn assign(&self, slot: SlotIndex, (wanted, source): (Wanted, SourceId), layer: LayerIndex) -> Assignment {
        let rank = match (self.role, wanted.1) {
            (Role::Lead, _) => Rank::Small,
            (_, SourceKind::Content) => Rank::Content,
            _ => Rank::Lead,
        };
        Assignment { slot, source, wanted, max_layer: layer, rank }
    }

    /// Gives each feed the slot that it had, and the free slots to the others in their order.
    fn keep_places(
        &self,
        slots: &[SlotIndex],
        feeds: &[(Wanted, SourceId)],
        layer: LayerIndex,
    ) -> Vec<Assignment> {
        let had = |wanted: Wanted| {
            let before = self.peer.before.iter().find(|(_, w)| *w == wanted)?;
            slots.contains(&before.0).then_some(before.0)
        };
        let kept: Vec<_> = feeds.iter().filter_map(|(w, _)| had(*w)).collect();
        let mut free = slots.iter().copied().filter(|s| !kept.contains(s));
        feeds
            .iter()
            .filter_map(|feed| Some(self.assign(had(feed.0).or_else(|| free.next())?, *feed, layer)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::negotiate::SourceKind::{Camera, Content, ContentAudio, Mic};

    struct Seat {
        sends: SenderView,
        peer: PeerView,
    }

    /// A seat `n` whose sources have the ids `n * 10 + kind`.
    fn seat(n: u64, role: Role, kinds: &[SourceKind]) -> Seat {
        let source = |kind: &SourceKind| SourceView {
            source: id(n, *kind),
            kind: *kind,
            codec: if kind.is_audio() { Codec::Opus } else { Codec::Vp8 },
        };
        let peer = PeerView {
            peer: PeerId(n),
            audio: (0..4).map(SlotIndex).collect(),
            video: (4..10).map(SlotIndex).collect(),
            decodes: vec![Codec::Vp8, Codec::H264],
            before: Vec::new(),
        };
        let sends = SenderView { seat: SeatNumber(n), role, sources: kinds.iter().map(source).collect() };
        Seat { sends, peer }
    }

    fn id(n: u64, kind: SourceKind) -> SourceId {
        let place = match kind {
            Mic => 0,
            Camera => 1,
            Content => 2,
            ContentAudio => 3,
        };
        SourceId(n * 10 + place)
    }

    fn plan_of(seats: &[Seat], n: u64) -> Vec<Assignment> {
        let lead = seats.iter().find(|s| s.sends.role == Role::Lead).map(|s| s.sends.seat);
        let own = seats.iter().find(|s| s.sends.seat.0 == n).unwrap();
        let sending = seats.iter().filter(|s| !s.sends.sources.is_empty());
        let senders: Senders = sending.map(|s| (s.sends.seat, s.sends.clone())).collect();
        plan(&Common::new(lead, &senders), &senders, (own.sends.seat, own.sends.role), &own.peer)
    }

    /// The plan of seat `n` as (slot, source, layer), by slot.
    fn planned(seats: &[Seat], n: u64) -> Vec<(u8, u64, u8)> {
        let mut out: Vec<_> =
            plan_of(seats, n).iter().map(|a| (a.slot.0, a.source.0, a.max_layer.0)).collect();
        out.sort_unstable();
        out
    }

    /// Writes the plan of seat `n` into its `before`, as the lesson does.
    fn settle(seats: &mut [Seat], n: u64) {
        let plan = plan_of(seats, n);
        let own = seats.iter_mut().find(|s| s.sends.seat.0 == n).unwrap();
        own.peer.before = plan.iter().map(|a| (a.slot, a.wanted)).collect();
    }

    /// Name, seats, whose plan, expected (slot, source, layer).
    type Case = (&'static str, Vec<Seat>, u64, &'static [(u8, u64, u8)]);

    #[test]
    fn what_each_role_gets() {
        let all = [Mic, Camera, Content, ContentAudio];
        let lead_camera = |kinds: &[SourceKind]| seat(1, Role::Lead, kinds);
        let table: &[Case] = &[
            ("nobody else", vec![seat(2, Role::Receiver, &[Mic, Camera])], 2, &[]),
            (
                "a receiver sees the lead in the top layer",
                vec![lead_camera(&[Mic, Camera]), seat(2, Role::Receiver, &[])],
                2,
                &[(0, 10, 2), (4, 11, 2)],
            ),
            (
                "content is big, the lead beside it one layer lower",
                vec![lead_camera(&all), seat(2, Role::Receiver, &[])],
                2,
                &[(0, 10, 2), (1, 13, 2), (4, 11, 1), (5, 12, 2)],
            ),
            (
                "an observer gets what a receiver gets",
                vec![lead_camera(&all), seat(2, Role::Observer, &[])],
                2,
                &[(0, 10, 2), (1, 13, 2), (4, 11, 1), (5, 12, 2)],
            ),
            (
                "other open microphones from audio 2 on, never one's own, no other cameras",
                vec![
                    lead_camera(&[Mic, Camera]),
                    seat(2, Role::Receiver, &[Mic, Camera]),
                    seat(3, Role::Receiver, &[Mic, Camera]),
                ],
                2,
                &[(0, 10, 2), (2, 30, 2), (4, 11, 2)],
            ),
            (
                "a lead sees and hears the receivers, not herself and no observer",
                vec![
                    lead_camera(&all),
                    seat(2, Role::Receiver, &[Mic, Camera]),
                    seat(3, Role::Observer, &[]),
                    seat(4, Role::Receiver, &[Camera]),
                ],
                1,
                &[(0, 20, 2), (4, 21, 2), (5, 41, 2)],
            ),
            (
                "more microphones than slots: the first ones",
                (1..=7).map(|n| seat(n, if n == 1 { Role::Lead } else { Role::Receiver }, &[Mic])).collect(),
                7,
                &[(0, 10, 2), (2, 20, 2), (3, 30, 2)],
            ),
        ];
        for (name, seats, n, expected) in table {
            assert_eq!(&planned(seats, *n), expected, "{name}");
        }
    }

    #[test]
    fn a_wall_of_more_than_four_takes_the_lowest_layer() {
        let mut seats = vec![seat(1, Role::Lead, &[])];
        seats.extend((2..=5).map(|n| seat(n, Role::Receiver, &[Camera])));
        assert!(planned(&seats, 1).iter().all(|(_, _, layer)| *layer == 2));
        seats.push(seat(6, Role::Receiver, &[Camera]));
        assert_eq!(planned(&seats, 1).len(), 5);
        assert!(planned(&seats, 1).iter().all(|(_, _, layer)| *layer == 0));
    }

    #[test]
    fn classrooms_keep_their_places_and_free_ones_are_used_again() {
        let mut seats = vec![seat(1, Role::Lead, &[])];
        seats.extend((2..=4).map(|n| seat(n, Role::Receiver, &[Camera])));
        settle(&mut seats, 1);
        assert_eq!(planned(&seats, 1), [(4, 21, 2), (5, 31, 2), (6, 41, 2)]);
        seats.remove(1);
        assert_eq!(planned(&seats, 1), [(5, 31, 2), (6, 41, 2)], "nobody moves up");
        settle(&mut seats, 1);
        seats.push(seat(5, Role::Receiver, &[Camera]));
        assert_eq!(planned(&seats, 1), [(4, 51, 2), (5, 31, 2), (6, 41, 2)], "the free place");
        settle(&mut seats, 1);
        seats[1].sends.sources[0].source = SourceId(999);
        assert_eq!(planned(&seats, 1)[1], (5, 999, 2), "a reconnected classroom is back in place");
    }

    #[test]
    fn a_slot_never_gets_a_codec_that_is_not_decoded() {
        let mut seats = vec![seat(1, Role::Lead, &[Mic, Camera]), seat(2, Role::Receiver, &[])];
        seats[0].sends.sources[1].codec = Codec::H264;
        seats[1].peer.decodes = vec![Codec::Vp8];
        assert_eq!(planned(&seats, 2), [(0, 10, 2)]);
    }

    #[test]
    fn few_slots_are_enough() {
        let mut seats = vec![seat(1, Role::Lead, &[Mic, Camera, Content]), seat(2, Role::Receiver, &[])];
        seats[1].peer.audio = vec![SlotIndex(0)];
        seats[1].peer.video = vec![SlotIndex(1)];
        assert_eq!(planned(&seats, 2), [(0, 10, 2), (1, 12, 2)], "content while there is some");
        seats[0].sends.sources.retain(|s| s.kind != Content);
        assert_eq!(planned(&seats, 2), [(0, 10, 2), (1, 11, 2)], "and else the lead");
        seats[1].peer.video.clear();
        assert_eq!(planned(&seats, 2), [(0, 10, 2)]);
    }
}
