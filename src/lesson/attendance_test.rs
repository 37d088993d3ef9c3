//! What lessons note of their people, by a clock that only the test moves.

use std::time::Duration;

use crate::ids::{ConnectionId, PeerId};
use crate::lesson::lesson_test::{Page, Scene};
use crate::lesson::outbox::Outbox;
use crate::lesson::{Actor, Ask, FloorAsk, Gone, SignalAsk};
use crate::media::command::{CloseReason, Event};
use crate::media::negotiate::SourceKind;
use crate::media::stats::{Condition, HubStats, PeerStats};
use crate::session::message::Role;
use crate::store::record::{Ended, Happened, Record};

const VP8: crate::lesson::config::VideoCodec = crate::lesson::config::VideoCodec::Vp8;

/// Everything but beats, in short: who, what, at which millisecond.
fn noted(scene: &Scene) -> Vec<String> {
    let mut names = std::collections::HashMap::new();
    let records = scene.chronicle.taken();
    let mut out = Vec::new();
    for record in &records {
        match record {
            Record::Opened { id, sub, stamp, .. } => {
                names.insert(id.clone(), sub.clone());
                out.push(format!("+{sub} {}", stamp.ms));
            }
            Record::Closed { id, stamp, ended, .. } => {
                let who = names.get(id).map_or("?".to_owned(), ToString::to_string);
                out.push(format!("-{who} {} {ended:?}", stamp.ms));
            }
            Record::Event { what: Happened::Lead, .. } => {}
            Record::Event { what, sub, stamp, .. } => {
                let who = sub.as_ref().map(ToString::to_string).unwrap_or_default();
                out.push(format!("{} {who} {}", what.as_str(), stamp.ms));
            }
            _ => {}
        }
    }
    out
}

/// Figures of a connected peer.
fn life(peer: PeerId, heard: bool) -> PeerStats {
    PeerStats {
        peer,
        connected: true,
        heard,
        down_kbps: 0,
        up_kbps: 0,
        rtt_ms: None,
        loss_down: 0.0,
        loss_up: 0.0,
        bad_packets: 0,
        line_kbps: None,
        standing_ms: 0,
        condition: Condition::Unknown,
        fresh: false,
        own_loss: 0.0,
        slots: Vec::new(),
    }
}

impl Scene {
    fn after(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.lesson.handle_tick(self.now);
        self.lesson.settle(self.now);
    }

    fn goes(&mut self, page: &Page, how: Gone) {
        self.lesson.handle_gone(page.actor.connection, how, self.now);
        self.lesson.settle(self.now);
    }
}

#[tokio::test]
async fn intervals_follow_connections_and_a_quick_return_is_one() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let board = scene.join(Role::Receiver, "c");
    scene.after(0.0);
    scene.ask(&lead, Ask::Start).unwrap();
    scene.after(10.0);
    scene.goes(&board, Gone::Broken);
    scene.after(20.0);
    let board = scene.join(Role::Receiver, "c");
    scene.after(0.0);
    scene.after(5.0);
    // Another connection of the same participant takes the seat over: it was there all the time.
    let actor = Actor { connection: ConnectionId::next(), outbox: Outbox::new(), ..board.actor.clone() };
    scene.lesson.handle_join(actor.clone(), scene.now).unwrap();
    scene.after(5.0);
    scene.goes(&Page { actor }, Gone::Left);
    scene.after(1.0);
    let guest = scene.join(Role::Receiver, "g");
    scene.after(1.0);
    scene.ask(&lead, Ask::Kick { participant: guest.actor.member.id.clone() }).unwrap();
    scene.after(1.0);
    scene.ask(&lead, Ask::End).unwrap();
    assert_eq!(
        noted(&scene),
        [
            "+t 0",
            "+c 0",
            "start  0",
            "-c 10000 Lost",
            "+c 30000",
            "-c 40000 Left",
            "+g 41000",
            "-g 42000 Kicked",
            "kick g 42000",
            "-t 43000 Lesson",
            "end  43000"
        ]
        .map(String::from),
    );
    scene.media.stop();
}

#[tokio::test]
async fn an_interval_ends_with_the_last_sign_of_life_and_media_is_one() {
    let mut scene = Scene::new(VP8);
    let (silent, sees) = (scene.join(Role::Receiver, "silent"), scene.join(Role::Receiver, "sees"));
    scene.after(0.0);
    let heard = scene.now + Duration::from_secs(2);
    let peer = scene.connect(&sees, &[SourceKind::Camera]);
    let life = |heard| life(peer, heard);
    scene.after(32.0);
    // Both sockets were silent for 30 s; one of them has media still.
    scene.goes(&silent, Gone::Silent { heard });
    scene.goes(&sees, Gone::Silent { heard });
    scene.after(8.0);
    scene.lesson.handle_stats(HubStats { peers: vec![life(true)], ..HubStats::default() });
    scene.lesson.settle(scene.now);
    scene.after(20.0);
    scene.lesson.handle_stats(HubStats { peers: vec![life(false)], ..HubStats::default() });
    scene.event(Event::PeerClosed { peer, reason: CloseReason::ConsentLost });
    assert_eq!(
        noted(&scene),
        ["+silent 0", "+sees 0", "-silent 2000 Lost", "-sees 40000 Lost"].map(String::from)
    );
    scene.media.stop();
}

#[tokio::test]
async fn a_power_cut_that_nobody_noticed_is_a_break_all_the_same() {
    let mut scene = Scene::new(VP8);
    let (words, media) = (scene.join(Role::Receiver, "words"), scene.join(Role::Receiver, "media"));
    let peer = scene.connect(&media, &[SourceKind::Camera]);
    for page in [&words, &media] {
        page.actor.outbox.note_heard(scene.now);
    }
    let comes_again = |scene: &mut Scene, page: &Page, heard: bool| {
        let actor = Actor { connection: ConnectionId::next(), outbox: Outbox::new(), ..page.actor.clone() };
        scene.lesson.handle_join(actor.clone(), scene.now).unwrap();
        if heard {
            actor.outbox.note_heard(scene.now);
        }
        Page { actor }
    };
    for _ in 0..9 {
        scene.after(1.0);
        scene.lesson.handle_stats(HubStats { peers: vec![life(peer, true)], ..HubStats::default() });
        scene.lesson.settle(scene.now);
    }
    // A reload: the goodbye comes at once, the page after a moment.
    scene.goes(&media, Gone::Broken);
    // A page that was there a moment ago: media a second ago, a ping ten seconds ago.
    scene.after(1.0);
    let (words, media) = (comes_again(&mut scene, &words, true), comes_again(&mut scene, &media, true));
    scene.after(0.0);
    // The power goes, and is back before any patience is over.
    scene.after(13.0);
    comes_again(&mut scene, &words, false);
    // Its network says goodbye for it, late, before it is back; its media connection is not given up yet.
    scene.goes(&media, Gone::Broken);
    scene.after(1.0);
    comes_again(&mut scene, &media, false);
    let all = noted(&scene);
    assert_eq!(
        all,
        ["+words 0", "+media 0", "-words 10000 Lost", "+words 23000", "-media 10000 Lost", "+media 24000"]
            .map(String::from)
    );
    scene.media.stop();
}

#[tokio::test]
async fn a_running_lesson_beats_and_an_empty_planned_one_does_not() {
    let mut scene = Scene::new(VP8);
    let beats = |scene: &Scene| -> Vec<(u64, u64)> {
        let all = scene.chronicle.taken();
        let beats = all.iter().filter_map(|r| match r {
            Record::Beat { stamp, ran, .. } => Some((stamp.ms, *ran)),
            _ => None,
        });
        beats.collect()
    };
    scene.after(10.0);
    assert!(beats(&scene).is_empty());
    let lead = scene.join(Role::Lead, "t");
    scene.after(1.0);
    scene.ask(&lead, Ask::Start).unwrap();
    scene.after(3.0);
    assert_eq!(beats(&scene), [(14_000, 3_000)]);
    // The server stops: what was open ends now, and the lesson does not.
    scene.lesson.handle_hand_over(scene.now);
    let all = scene.chronicle.taken();
    assert!(all.iter().any(|r| matches!(r, Record::Closed { ended: Ended::Server, .. })), "{all:?}");
    assert!(!all.iter().any(|r| matches!(r, Record::Event { what: Happened::End { .. }, .. })));
    scene.media.stop();
}

#[tokio::test]
async fn a_finger_that_never_rests_fills_no_record_and_its_last_word_holds() {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    scene.ask(&lead, Ask::Start).unwrap();
    scene.after(0.0);
    let me = board.actor.member.id.clone();
    let begin = scene.now;
    for n in 0..240 {
        scene.now = begin + Duration::from_millis(50) * n;
        scene.ask(&board, Ask::Signal(SignalAsk::Headcount(n as u16))).unwrap();
        scene.ask(&board, Ask::Floor(FloorAsk::Raise)).unwrap();
        scene.ask(&board, Ask::Floor(FloorAsk::Lower(me.clone()))).unwrap();
    }
    scene.ask(&lead, Ask::End).unwrap();
    let records = scene.chronicle.taken();
    let of = |wanted: Happened| -> Vec<(u64, Option<&str>)> {
        let all = records.iter().filter_map(|r| match r {
            Record::Event { what, stamp, detail, .. } if *what == wanted => {
                Some((stamp.ms, detail.as_deref()))
            }
            _ => None,
        });
        all.collect()
    };
    assert_eq!(
        of(Happened::Headcount),
        [(0, Some("0")), (5_000, Some("100")), (10_000, Some("200")), (11_950, Some("239"))]
    );
    let hands: Vec<u64> = of(Happened::RaiseHand).iter().map(|(ms, _)| *ms).collect();
    assert_eq!(hands, [0, 4_950, 9_950, 11_950], "each that was noted has the time of its raising");
    scene.media.stop();
}

#[tokio::test]
async fn who_changes_in_the_moment_in_which_the_lesson_ends_is_not_there_twice() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let board = scene.join(Role::Receiver, "c");
    scene.ask(&lead, Ask::Start).unwrap();
    scene.after(10.0);
    scene.lesson.changed.insert(board.actor.member.id.clone());
    scene.lesson.handle_end(scene.now);
    scene.lesson.settle(scene.now);
    let all = noted(&scene);
    let of = |sign: char| all.iter().filter(|n| n.starts_with(sign)).count();
    assert_eq!((of('+'), of('-')), (2, 2), "{all:?}");
    scene.media.stop();
}
