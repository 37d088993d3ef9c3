//! Who sees and hears what, as a table.

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

/// What is special about a moment: who leads (else the first lead), who is on stage, the newest first,
/// and the page of the wall that the viewer looks at.
#[derive(Default)]
struct Moment {
    leads: Option<u64>,
    stage: &'static [u64],
    wall: Option<&'static [u64]>,
    layout: Option<StageLayout>,
    photo: bool,
}

fn plan_at(moment: &Moment, seats: &[Seat], n: u64) -> Vec<Assignment> {
    let lead = seats.iter().find(|s| s.sends.role == Role::Lead).map(|s| s.sends.seat);
    let lead = moment.leads.map(SeatNumber).or(lead);
    let own = seats.iter().find(|s| s.sends.seat.0 == n).unwrap();
    let sending = seats.iter().filter(|s| !s.sends.sources.is_empty());
    let senders: Senders = sending.map(|s| (s.sends.seat, s.sends.clone())).collect();
    let wall: Option<Vec<_>> = moment.wall.map(|page| page.iter().map(|n| SeatNumber(*n)).collect());
    let viewer = Viewer { seat: own.sends.seat, role: own.sends.role, wall: wall.as_deref() };
    let stage = moment.stage.iter().map(|n| SeatNumber(*n));
    let common = Common::new(lead, stage, &senders)
        .laid_out(moment.layout.unwrap_or(StageLayout::Content))
        .beside_photo(moment.photo);
    plan(&common, &senders, viewer, &own.peer)
}

fn plan_of(seats: &[Seat], n: u64) -> Vec<Assignment> {
    plan_at(&Moment::default(), seats, n)
}

/// The plan of seat `n` as (slot, source, layer), by slot.
fn planned(seats: &[Seat], n: u64) -> Vec<(u8, u64, u8)> {
    planned_at(&Moment::default(), seats, n)
}

fn planned_at(moment: &Moment, seats: &[Seat], n: u64) -> Vec<(u8, u64, u8)> {
    let mut out: Vec<_> =
        plan_at(moment, seats, n).iter().map(|a| (a.slot.0, a.source.0, a.max_layer.0)).collect();
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

/// A lead (1) who sends `kinds`, and classrooms 2 to `last`: two may speak, all have a camera.
fn class(kinds: &[SourceKind], last: u64) -> Vec<Seat> {
    let mut seats = vec![seat(1, Role::Lead, kinds)];
    seats
        .extend((2..=last).map(|n| seat(n, Role::Receiver, if n <= 3 { &[Mic, Camera] } else { &[Camera] })));
    seats
}

/// Name, moment, the lead's sources, whose plan, expected. Microphones 20 and 30 are open all the time.
type StageCase = (&'static str, Moment, &'static [SourceKind], u64, &'static [(u8, u64, u8)]);

#[test]
fn who_is_on_stage_is_shown_to_everybody() {
    let on_stage = |stage| Moment { stage, ..Moment::default() };
    let table: &[StageCase] = &[
        (
            "another classroom: the stage big, the lead one layer lower",
            on_stage(&[2]),
            &[Mic, Camera],
            4,
            &[(0, 10, 2), (2, 20, 2), (3, 30, 2), (4, 11, 1), (6, 21, 2)],
        ),
        (
            "beside content it is small",
            on_stage(&[2]),
            &[Mic, Camera, Content],
            4,
            &[(0, 10, 2), (2, 20, 2), (3, 30, 2), (4, 11, 1), (5, 12, 2), (6, 21, 0)],
        ),
        (
            "a classroom on stage sees the lead, not itself",
            on_stage(&[2]),
            &[Mic, Camera],
            2,
            &[(0, 10, 2), (2, 30, 2), (4, 11, 2)],
        ),
        (
            "of several the newest is big",
            on_stage(&[3, 2]),
            &[Mic, Camera],
            4,
            &[(0, 10, 2), (2, 20, 2), (3, 30, 2), (4, 11, 1), (6, 31, 2), (7, 21, 0)],
        ),
        (
            "of several, seen by one of them",
            on_stage(&[3, 2]),
            &[Mic, Camera],
            3,
            &[(0, 10, 2), (2, 20, 2), (4, 11, 1), (6, 21, 2)],
        ),
        (
            "at the lead: the stage in its top layer, the wall of few as well",
            on_stage(&[3]),
            &[Mic, Camera],
            1,
            &[(0, 30, 2), (1, 20, 2), (4, 31, 2), (5, 21, 2), (6, 41, 2)],
        ),
        (
            "a classroom that leads: the others see it as the lead",
            Moment { leads: Some(2), ..Moment::default() },
            &[Mic, Camera],
            4,
            &[(0, 20, 2), (2, 10, 2), (3, 30, 2), (4, 21, 2)],
        ),
        (
            "it sees colleagues and classrooms itself",
            Moment { leads: Some(2), ..Moment::default() },
            &[Mic, Camera],
            2,
            &[(0, 10, 2), (1, 30, 2), (4, 31, 2), (5, 41, 2), (6, 11, 2)],
        ),
        (
            "the teacher who gave the lead away sees it, and her wall",
            Moment { leads: Some(2), ..Moment::default() },
            &[Mic, Camera],
            1,
            &[(0, 20, 2), (1, 30, 2), (4, 21, 2), (5, 31, 2), (6, 41, 2)],
        ),
        (
            "on stage and leading is leading",
            Moment { leads: Some(2), stage: &[2], ..Moment::default() },
            &[Mic, Camera],
            4,
            &[(0, 20, 2), (2, 10, 2), (3, 30, 2), (4, 21, 2)],
        ),
    ];
    for (name, moment, kinds, n, expected) in table {
        assert_eq!(&planned_at(moment, &class(kinds, 4), *n), expected, "{name}");
    }
}

#[test]
fn a_colleague_sees_what_the_lead_shows() {
    let mut seats = class(&[Mic, Camera, Content, ContentAudio], 2);
    seats.push(seat(7, Role::Lead, &[Mic, Camera]));
    let expected = [(0, 10, 2), (1, 13, 2), (2, 20, 2), (4, 12, 2), (5, 11, 1), (6, 21, 2)];
    assert_eq!(planned(&seats, 7), expected);
    let rank_of = |slot| plan_of(&seats, 7).iter().find(|a| a.slot.0 == slot).map(|a| a.rank);
    assert_eq!(
        [rank_of(4), rank_of(5), rank_of(6)],
        [Some(Rank::Content), Some(Rank::Lead), Some(Rank::Small)]
    );
}

#[test]
fn a_wall_has_pages_and_those_that_are_not_looked_at_cost_nothing() {
    let mut seats = class(&[Mic, Camera], 21);
    seats[0].peer.video = (4..16).map(SlotIndex).collect();
    seats[0].peer.audio = Vec::new();
    let shown = |moment: &Moment| -> Vec<u64> {
        let mut seats: Vec<_> = plan_at(moment, &seats, 1).iter().map(|a| a.wanted.0.0).collect();
        seats.sort_unstable();
        seats
    };
    assert_eq!(shown(&Moment::default()), (2..=10).collect::<Vec<_>>(), "the first nine");
    let second = Moment { wall: Some(&[11, 12, 13, 14, 15, 16, 17, 18, 19]), ..Moment::default() };
    assert_eq!(shown(&second), (11..=19).collect::<Vec<_>>());
    let called = Moment { stage: &[3], wall: Some(&[20, 21, 99, 1]), ..Moment::default() };
    assert_eq!(shown(&called), [3, 20, 21], "the stage always; nobody who is not there, nor herself");
    let all = plan_at(&Moment { stage: &[3], ..Moment::default() }, &seats, 1);
    let layer = |n| all.iter().find(|a| a.wanted.0.0 == n).map(|a| (a.max_layer.0, a.rank));
    assert_eq!((layer(3), layer(4)), (Some((2, Rank::Lead)), Some((0, Rank::Small))));
}

#[test]
fn where_slots_are_few_the_stage_goes_first() {
    let mut seats = class(&[Mic, Camera], 9);
    seats[0].peer.video = vec![SlotIndex(4), SlotIndex(5)];
    settle(&mut seats, 1);
    let seen = |moment: &Moment, n| -> Vec<u64> {
        let video = plan_at(moment, &seats, n).into_iter().filter(|a| a.wanted.1.is_video());
        video.map(|a| a.wanted.0.0).collect()
    };
    assert_eq!(seen(&Moment::default(), 1), [2, 3]);
    assert_eq!(
        seen(&Moment { stage: &[9], ..Moment::default() }, 1),
        [9, 2],
        "although it was not there before"
    );
    seats[1].peer.video = vec![SlotIndex(4)];
    let seen =
        |moment: &Moment| plan_at(moment, &seats, 2).iter().find(|a| a.slot.0 == 4).map(|a| a.source.0);
    assert_eq!(
        seen(&Moment { stage: &[9], ..Moment::default() }),
        Some(91),
        "a simple player has one picture"
    );
    assert_eq!(seen(&Moment::default()), Some(11));
}

#[test]
fn where_speakers_are_big_they_are_so_beside_content() {
    let all = [Mic, Camera, Content, ContentAudio];
    let mut seats =
        vec![seat(1, Role::Lead, &all), seat(2, Role::Receiver, &[]), seat(3, Role::Receiver, &[Camera])];
    let at = |layout| Moment { stage: &[3], layout: Some(layout), ..Moment::default() };
    let camera_of = |plan: Vec<(u8, u64, u8)>| plan.into_iter().find(|p| p.1 == 31);
    assert_eq!(camera_of(planned_at(&at(StageLayout::Content), &seats, 2)), Some((6, 31, 0)));
    assert_eq!(camera_of(planned_at(&at(StageLayout::Speaker), &seats, 2)), Some((6, 31, 2)));
    // A player with one picture.
    seats[1].peer.video.truncate(1);
    let only =
        |moment: &Moment| planned_at(moment, &seats, 2).into_iter().filter(|p| p.0 == 4).collect::<Vec<_>>();
    assert_eq!(only(&at(StageLayout::Content)), [(4, 12, 2)]);
    assert_eq!(only(&at(StageLayout::Speaker)), [(4, 31, 2)]);
    let nobody = Moment { layout: Some(StageLayout::Speaker), ..Moment::default() };
    assert_eq!(only(&nobody), [(4, 12, 2)]);
}

#[test]
fn a_photo_is_big_and_the_cameras_beside_it_smaller() {
    let mut seats = vec![
        seat(1, Role::Lead, &[Mic, Camera]),
        seat(2, Role::Receiver, &[]),
        seat(3, Role::Receiver, &[Camera]),
    ];
    let at = |photo, stage| Moment { stage, photo, ..Moment::default() };
    assert_eq!(planned_at(&at(false, &[]), &seats, 2), [(0, 10, 2), (4, 11, 2)]);
    assert_eq!(planned_at(&at(true, &[]), &seats, 2), [(0, 10, 2), (4, 11, 1)]);
    assert_eq!(planned_at(&at(true, &[3]), &seats, 2), [(0, 10, 2), (4, 11, 1), (6, 31, 0)]);
    seats[1].peer.video.truncate(1);
    assert_eq!(planned_at(&at(true, &[]), &seats, 2), [(0, 10, 2), (4, 11, 2)], "it has no other picture");
}
