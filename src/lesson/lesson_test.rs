//! A lesson with a media plane that only listens: offers are real, events are made up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::auth::turn::IceServers;
use crate::ids::{ConnectionId, HubId, LessonId, ParticipantId, PeerId};
use crate::lesson::lesson::{Lesson, Parts};
use crate::lesson::media::MediaDoor;
use crate::lesson::outbox::{Outbox, Outgoing};
use crate::lesson::standing::Standing;
use crate::lesson::{Actor, Ask, Gone, LessonConfig, LessonError, Member};
use crate::media::command::{CloseReason, Command, Event, SlotIndex};
use crate::media::handle::SendError;
use crate::media::negotiate::{Codec, PeerRequest, SourceKind};
use crate::media::{Media, MediaConfig};
use crate::session::message::{LessonType, Role, ServerMessage};
use crate::store::Chronicle;

/// A lesson, what it commands, and its clock.
pub(super) struct Scene {
    pub lesson: Lesson,
    pub media: Media,
    commands: Arc<Mutex<Vec<Command>>>,
    /// The shard's queue is full.
    pub full: Arc<AtomicBool>,
    codec: watch::Receiver<Codec>,
    pub now: Instant,
    /// What was noted.
    pub chronicle: Chronicle,
}

/// One participant's page.
pub(super) struct Page {
    pub actor: Actor,
}

impl Scene {
    pub fn new(codec: crate::lesson::config::VideoCodec) -> Self {
        let config = MediaConfig { addresses: vec![[127, 0, 0, 1].into()], ..MediaConfig::default() };
        let media = Media::start(&config).unwrap();
        let commands: Arc<Mutex<Vec<Command>>> = Arc::default();
        let full: Arc<AtomicBool> = Arc::default();
        let (into, is_full) = (Arc::clone(&commands), Arc::clone(&full));
        let door = MediaDoor::new(Box::new(move |command| {
            if is_full.load(Ordering::Relaxed) {
                return Err(SendError::Busy);
            }
            into.lock().unwrap().push(command);
            Ok(())
        }));
        let (tell, codec_out) = watch::channel(codec.into());
        let now = Instant::now();
        let chronicle = Chronicle::to_nowhere();
        let lesson = Lesson::new(
            Parts {
                id: LessonId::new("math").unwrap(),
                title: "数学".into(),
                planned: false,
                config: LessonConfig { video_codec: codec, ..LessonConfig::default() },
                hub: HubId::next(),
                media: door,
                negotiator: media.negotiator.clone(),
                ice_servers: IceServers::default(),
                make_sink: Box::new(|| Box::new(|_| {})),
                codec: tell,
                standing: watch::channel(Standing::default()).0,
                kind: LessonType::Delivery,
                chronicle: chronicle.clone(),
                resumed: None,
            },
            now,
        );
        Self { lesson, media, commands, full, codec: codec_out, now, chronicle }
    }

    pub fn join(&mut self, role: Role, sub: &str) -> Page {
        self.join_with(role, sub, |_| {})
    }

    /// With a token that says more.
    pub fn join_with(&mut self, role: Role, sub: &str, says: impl FnOnce(&mut Member)) -> Page {
        let id = ParticipantId::new(sub).unwrap();
        let mut member = Member::new(id, sub.into(), role);
        says(&mut member);
        let actor = Actor { connection: ConnectionId::next(), member, outbox: Outbox::new() };
        self.lesson.handle_join(actor.clone(), self.now).unwrap();
        Page { actor }
    }

    pub fn ask(&mut self, page: &Page, ask: Ask) -> Result<(), LessonError> {
        let done = self.lesson.handle_ask(&page.actor, Some(1), ask, self.now);
        self.lesson.settle(self.now);
        done
    }

    pub fn event(&mut self, event: Event) {
        self.lesson.handle_event(event);
        self.lesson.settle(self.now);
    }

    /// Offers a peer that sends these kinds and takes two audio and two video slots.
    pub fn try_offer(
        &mut self,
        page: &Page,
        sends: &[SourceKind],
        codecs: &[Codec],
    ) -> Result<PeerId, LessonError> {
        let preferred = *self.codec.borrow();
        let request = PeerRequest {
            sources: sends.iter().enumerate().map(|(i, k)| (i.to_string(), *k)).collect(),
            prefer_video: preferred,
        };
        let accepted = self.media.negotiator.accept(0, &sdp(sends, codecs), &request).unwrap();
        let peer = accepted.peer;
        self.ask(page, Ask::AddPeer { accepted: Box::new(accepted), preferred })?;
        Ok(peer)
    }

    pub fn connect(&mut self, page: &Page, sends: &[SourceKind]) -> PeerId {
        let peer = self.try_offer(page, sends, &[Codec::Vp8, Codec::H264]).unwrap();
        self.event(Event::PeerConnected { peer });
        peer
    }

    pub fn commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.commands.lock().unwrap())
    }
}

impl Page {
    /// Everything that waits for this page.
    pub async fn read(&self) -> Vec<ServerMessage> {
        self.actor.outbox.push(&ServerMessage::Pong { sent: -1.0 });
        let mut out = Vec::new();
        loop {
            let Outgoing::Text(text) = self.actor.outbox.next().await else { return out };
            match serde_json::from_str(&text).unwrap() {
                ServerMessage::Pong { .. } => return out,
                message => out.push(message),
            }
        }
    }
}

/// An offer as browsers make it, without what the negotiation does not look at.
pub(super) fn sdp(sends: &[SourceKind], codecs: &[Codec]) -> String {
    let slots = [false, false, true, true];
    let lines: Vec<(bool, &str)> = sends
        .iter()
        .map(|kind| (kind.is_video(), "sendonly"))
        .chain(slots.iter().map(|video| (*video, "recvonly")))
        .collect();
    let mids: Vec<String> = (0..lines.len()).map(|i| i.to_string()).collect();
    let mut out =
        format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n", mids.join(" "));
    for (mid, (video, direction)) in lines.iter().enumerate() {
        let (kind, types, maps) = if *video {
            let known = [(Codec::Vp8, "96", "VP8"), (Codec::H264, "97", "H264"), (Codec::Vp9, "98", "VP9")];
            let used: Vec<_> = known.iter().filter(|(c, ..)| codecs.contains(c)).collect();
            let types: Vec<&str> = used.iter().map(|u| u.1).collect();
            let maps: String = used
                .iter()
                .map(|u| {
                    let h264 = "a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";
                    let fmtp = if u.0 == Codec::H264 { h264 } else { "" };
                    format!("a=rtpmap:{} {}/90000\r\n{fmtp}a=rtcp-fb:{} nack pli\r\n", u.1, u.2, u.1)
                })
                .collect();
            ("video", types.join(" "), maps)
        } else {
            ("audio", "111".to_owned(), "a=rtpmap:111 opus/48000/2\r\n".to_owned())
        };
        let fingerprint = vec!["AB"; 32].join(":");
        out.push_str(&format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {types}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n\
             a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=rtcp-mux\r\n{maps}"
        ));
        if *direction == "sendonly" {
            out.push_str(&format!("a=ssrc:{} cname:x\r\n", 1000 + mid));
        }
    }
    out
}

pub(super) const VP8: crate::lesson::config::VideoCodec = crate::lesson::config::VideoCodec::Vp8;
const H264: crate::lesson::config::VideoCodec = crate::lesson::config::VideoCodec::H264;

pub(super) fn renewals(messages: &[ServerMessage]) -> Vec<&str> {
    let reasons = messages.iter().filter_map(|m| match m {
        ServerMessage::Renew { reason } => Some(reason.as_str()),
        _ => None,
    });
    reasons.collect()
}

/// (slot, source fed?) of every route for this peer.
pub(super) fn routes(commands: &[Command], of: PeerId) -> Vec<(SlotIndex, bool)> {
    let routes = commands.iter().filter_map(|c| match c {
        Command::Route { peer, routes } if *peer == of => Some(routes),
        _ => None,
    });
    routes.flatten().map(|r| (r.slot, r.source.is_some())).collect()
}

#[tokio::test]
async fn the_older_peer_goes_when_the_newer_has_connected() {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    scene.ask(&lead, Ask::Start).unwrap();
    let taker = scene.connect(&board, &[]);
    let old = scene.connect(&lead, &[SourceKind::Camera]);
    assert_eq!(routes(&scene.commands(), taker), [(SlotIndex(2), true)]);
    board.read().await;

    let new = scene.try_offer(&lead, &[SourceKind::Camera], &[Codec::Vp8]).unwrap();
    let before = scene.commands();
    assert!(routes(&before, taker).is_empty(), "the board keeps the old picture until");
    assert!(!before.iter().any(|c| matches!(c, Command::RemovePeer { .. })));
    scene.event(Event::PeerConnected { peer: new });
    let after = scene.commands();
    assert_eq!(routes(&after, taker), [(SlotIndex(2), true)], "the same slot");
    assert!(after.iter().any(|c| matches!(c, Command::RemovePeer { peer } if *peer == old)));
    // Its end is nobody's trouble.
    scene.event(Event::PeerClosed { peer: old, reason: CloseReason::Removed });
    assert!(renewals(&lead.read().await).is_empty());
    assert!(scene.commands().is_empty());
    scene.media.stop();
}

#[tokio::test]
async fn a_slot_is_uncovered_by_its_own_source_only() {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    scene.ask(&lead, Ask::Start).unwrap();
    let taker = scene.connect(&board, &[]);
    scene.connect(&lead, &[SourceKind::Camera]);
    let feed = |messages: Vec<ServerMessage>| {
        let slots = messages.into_iter().find_map(|m| match m {
            ServerMessage::Slots { peer, slots } if peer == taker => Some(slots),
            _ => None,
        });
        slots.and_then(|s| s.into_iter().next()).and_then(|s| s.feed)
    };
    let covered = feed(board.read().await).expect("told who comes");
    assert_eq!(covered.since, None);
    let turn = scene
        .commands()
        .iter()
        .rev()
        .find_map(|c| match c {
            Command::Route { peer, routes } if *peer == taker => {
                routes.iter().find(|r| r.slot == SlotIndex(2)).map(|r| r.turn)
            }
            _ => None,
        })
        .expect("a route");
    let flowing = |source, turn| Event::SlotFlowing {
        peer: taker,
        slot: SlotIndex(2),
        source,
        rtp_timestamp: 77,
        turn,
    };
    scene.event(flowing(crate::ids::SourceId(0), turn));
    assert_eq!(feed(board.read().await), None, "a late word about another source says nothing");
    scene.event(flowing(covered.source, turn + 1));
    assert_eq!(feed(board.read().await), None, "nor one about another turn of the same source");
    scene.event(flowing(covered.source, turn));
    assert_eq!(feed(board.read().await).unwrap().since, Some(77));
    scene.media.stop();
}

#[tokio::test]
async fn lost_media_is_renewed_unless_the_page_closed_it() {
    for (reason, expected) in [
        (CloseReason::ConsentLost, &["media_lost"][..]),
        (CloseReason::Panicked, &["media_lost"]),
        (CloseReason::Handshake, &["media_lost"]),
        (CloseReason::Closed, &[]),
        (CloseReason::Removed, &[]),
    ] {
        let mut scene = Scene::new(VP8);
        let board = scene.join(Role::Receiver, "c");
        let peer = scene.connect(&board, &[SourceKind::Camera]);
        board.read().await;
        scene.event(Event::PeerClosed { peer, reason });
        assert_eq!(renewals(&board.read().await), expected, "{reason:?}");
        scene.media.stop();
    }
}

#[tokio::test]
async fn a_board_without_h264_moves_the_lesson_to_vp8_once() {
    let mut scene = Scene::new(H264);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    scene.connect(&lead, &[SourceKind::Mic, SourceKind::Camera]);
    lead.read().await;
    scene.try_offer(&board, &[], &[Codec::Vp8]).unwrap();
    assert_eq!(*scene.codec.borrow(), Codec::Vp8);
    assert_eq!(renewals(&lead.read().await), ["codec_changed"]);
    assert!(renewals(&board.read().await).is_empty(), "it sends nothing");
    scene.connect(&lead, &[SourceKind::Mic, SourceKind::Camera]);
    let late = scene.join(Role::Receiver, "d");
    scene.try_offer(&late, &[], &[Codec::Vp8]).unwrap();
    assert!(renewals(&lead.read().await).is_empty(), "only once");
    scene.media.stop();
}

#[tokio::test]
async fn a_lesson_in_vp9_ends_in_what_everybody_decodes() {
    const CAMERA: [SourceKind; 1] = [SourceKind::Camera];
    let all = [Codec::Vp9, Codec::Vp8, Codec::H264];
    let mut scene = Scene::new(crate::lesson::config::VideoCodec::Vp9);
    let lead = scene.join(Role::Lead, "t");
    scene.try_offer(&lead, &CAMERA, &all).unwrap();
    assert!(renewals(&lead.read().await).is_empty());
    for (n, (decodes, expected, told)) in [
        (&all[..], Codec::Vp9, 0),
        (&[Codec::H264], Codec::H264, 1),
        (&all, Codec::H264, 0),
        (&[Codec::Vp9, Codec::Vp8], Codec::Vp8, 1),
        (&[Codec::H264], Codec::Vp8, 0), // never back
    ]
    .into_iter()
    .enumerate()
    {
        let board = scene.join(Role::Receiver, &format!("c{n}"));
        scene.try_offer(&board, &[], decodes).unwrap();
        assert_eq!(*scene.codec.borrow(), expected, "{decodes:?}");
        let renewed = renewals(&lead.read().await).len();
        assert_eq!(renewed, told, "{decodes:?}");
        scene.try_offer(&lead, &CAMERA, &all).unwrap();
        lead.read().await;
    }
    scene.media.stop();
}

#[tokio::test]
async fn a_closed_microphone_is_gated_from_its_first_packet() {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    scene.connect(&board, &[SourceKind::Mic, SourceKind::Camera]);
    let gates = |commands: Vec<Command>| {
        let gates = commands.into_iter().filter_map(|c| match c {
            Command::Gate { open, .. } => Some(open),
            _ => None,
        });
        gates.collect::<Vec<_>>()
    };
    assert_eq!(gates(scene.commands()), [false]);
    let c = ParticipantId::new("c").unwrap();
    let open = |muted| Ask::Mute { participant: c.clone(), kind: SourceKind::Mic, muted };
    scene.ask(&lead, open(false)).unwrap();
    scene.ask(&lead, open(false)).unwrap();
    assert_eq!(gates(scene.commands()), [true], "opening twice is opening once");
    scene.ask(&lead, Ask::MuteAll).unwrap();
    assert_eq!(gates(scene.commands()), [false]);
    scene.media.stop();
}

#[tokio::test]
async fn a_full_queue_refuses_new_peers_and_loses_nothing_else() {
    let mut scene = Scene::new(VP8);
    let (lead, board) = (scene.join(Role::Lead, "t"), scene.join(Role::Receiver, "c"));
    scene.ask(&lead, Ask::Start).unwrap();
    let taker = scene.connect(&board, &[]);
    let sender = scene.try_offer(&lead, &[SourceKind::Camera], &[Codec::Vp8]).unwrap();
    scene.commands();
    scene.full.store(true, Ordering::Relaxed);
    scene.event(Event::PeerConnected { peer: sender });
    let late = scene.join(Role::Receiver, "d");
    assert!(matches!(scene.try_offer(&late, &[], &[Codec::Vp8]), Err(LessonError::Busy)));
    assert!(scene.commands().is_empty());
    scene.full.store(false, Ordering::Relaxed);
    scene.lesson.handle_tick(scene.now);
    assert_eq!(routes(&scene.commands(), taker), [(SlotIndex(2), true)]);
    assert!(scene.try_offer(&late, &[], &[Codec::Vp8]).is_ok());
    scene.media.stop();
}

#[tokio::test]
async fn a_newer_lead_takes_over_and_gives_back() {
    let mut scene = Scene::new(VP8);
    let (bot, board) = (scene.join(Role::Lead, "bot"), scene.join(Role::Receiver, "c"));
    scene.ask(&bot, Ask::Start).unwrap();
    scene.connect(&board, &[]);
    scene.connect(&bot, &[SourceKind::Camera]);
    let human = scene.join(Role::Lead, "human");
    let shown = |messages: Vec<ServerMessage>| {
        let slots = messages.into_iter().filter_map(|m| match m {
            ServerMessage::Slots { slots, .. } => slots.into_iter().find(|s| s.mid == "2"),
            _ => None,
        });
        slots.last().and_then(|s| s.feed).map(|f| f.participant.as_str().to_owned())
    };
    assert_eq!(shown(board.read().await).as_deref(), Some("bot"), "until she has media");
    scene.connect(&human, &[SourceKind::Camera]);
    assert_eq!(shown(board.read().await).as_deref(), Some("human"));
    scene.lesson.handle_gone(human.actor.connection, Gone::Left, scene.now);
    scene.lesson.settle(scene.now);
    assert_eq!(shown(board.read().await).as_deref(), Some("bot"));
    scene.media.stop();
}

#[tokio::test]
async fn an_empty_lesson_ends_when_its_time_is_over() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    scene.ask(&lead, Ask::Start).unwrap();
    scene.lesson.handle_gone(lead.actor.connection, Gone::Broken, scene.now);
    let keep = LessonConfig::default().seat_keep();
    scene.lesson.handle_tick(scene.now + keep - Duration::from_secs(1));
    assert!(scene.lesson.roster.get(&lead.actor.member.id).is_some(), "her seat is kept");
    scene.lesson.handle_tick(scene.now + keep);
    assert!(scene.lesson.roster.is_empty());
    assert_eq!(scene.lesson.state, crate::session::message::LessonState::Live, "she may still come back");
    scene.lesson.handle_tick(scene.now + keep + keep);
    assert_eq!(scene.lesson.state, crate::session::message::LessonState::Ended);
    scene.media.stop();
}
