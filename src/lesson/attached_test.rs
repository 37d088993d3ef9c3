//! Seats without a page, with a media plane that only listens.

use std::sync::atomic::Ordering;

use super::*;
use crate::ids::ConnectionId;
use crate::lesson::lesson_test::{Scene, VP8, sdp};
use crate::lesson::outbox::{Outbox, Outgoing};
use crate::lesson::{Gone, Member};
use crate::media::command::{CloseReason, Event};
use crate::media::negotiate::PeerRequest;
use crate::session::message::Presence;

/// Somebody by WHIP or WHEP.
struct Guest {
    actor: Actor,
    peer: PeerId,
}

impl Guest {
    /// Why the lesson said goodbye; `None` when it did not.
    async fn goodbye(&self) -> Option<ByeReason> {
        // Marks the end of what is there by now; nothing is added behind a goodbye.
        self.actor.outbox.push(&ServerMessage::Bye { reason: ByeReason::Shutdown });
        loop {
            match self.actor.outbox.next().await {
                Outgoing::Text(_) => {}
                Outgoing::Close(Some(ByeReason::Shutdown)) => return None,
                Outgoing::Close(reason) => return reason,
                Outgoing::Overflow => panic!("a guest's box keeps nothing"),
            }
        }
    }
}

impl Scene {
    fn attach(&mut self, role: Role, sub: &str, attachment: Attachment) -> Result<Guest, LessonError> {
        let sends: &[SourceKind] = match attachment {
            Attachment::Publisher => &[SourceKind::Mic, SourceKind::Camera],
            Attachment::Player => &[],
        };
        let tracks = sends.iter().enumerate().map(|(i, k)| (i.to_string(), *k)).collect();
        let request = PeerRequest { sources: tracks, prefer_video: Codec::Vp8 };
        let offer = sdp(sends, &[Codec::Vp8, Codec::H264]);
        let accepted = self.media.negotiator.accept(0, &offer, &request).unwrap();
        let member = Member::new(ParticipantId::new(sub).unwrap(), sub.into(), role);
        let actor = Actor { connection: ConnectionId::next(), member, outbox: Outbox::goodbye_only() };
        let peer = accepted.peer;
        let done = self.lesson.handle_attach(&actor, attachment, accepted, Codec::Vp8, self.now);
        self.lesson.settle(self.now);
        done.map(|()| Guest { actor, peer })
    }

    fn presence(&self, guest: &Guest) -> Option<Presence> {
        self.lesson.roster.get(&guest.actor.member.id).map(|s| s.participant().presence)
    }

    fn lose(&mut self, guest: &Guest) {
        self.event(Event::PeerClosed { peer: guest.peer, reason: CloseReason::ConsentLost });
    }
}

#[tokio::test]
async fn a_lead_who_publishes_begins_the_lesson_when_she_is_connected() {
    let mut scene = Scene::new(VP8);
    let receiver = scene.attach(Role::Receiver, "c", Attachment::Publisher).unwrap();
    scene.event(Event::PeerConnected { peer: receiver.peer });
    assert_eq!(scene.lesson.state, LessonState::Scheduled, "only the lead's");
    let lead = scene.attach(Role::Lead, "t", Attachment::Publisher).unwrap();
    assert_eq!(scene.lesson.state, LessonState::Scheduled, "an offer alone is no lesson");
    scene.event(Event::PeerConnected { peer: lead.peer });
    assert_eq!(scene.lesson.state, LessonState::Live);
    let seat = scene.lesson.roster.get(&lead.actor.member.id).unwrap().participant();
    assert!(seat.state.camera && seat.state.mic && seat.state.sound && !seat.state.content);
    scene.media.stop();
}

#[tokio::test]
async fn a_player_goes_with_its_media_and_a_publisher_after_a_while() {
    let mut scene = Scene::new(VP8);
    let lead = scene.attach(Role::Lead, "t", Attachment::Publisher).unwrap();
    let player = scene.attach(Role::Observer, "whep-1", Attachment::Player).unwrap();
    for guest in [&lead, &player] {
        scene.event(Event::PeerConnected { peer: guest.peer });
        assert_eq!(scene.presence(guest), Some(Presence::Online));
    }
    scene.lose(&player);
    scene.lose(&lead);
    assert_eq!(scene.presence(&player), None);
    assert_eq!(scene.presence(&lead), Some(Presence::Away));
    assert_eq!(player.goodbye().await, Some(ByeReason::Left));
    assert_eq!(lead.goodbye().await, Some(ByeReason::Left));
    let again = scene.attach(Role::Lead, "t", Attachment::Publisher).unwrap();
    assert_eq!(scene.presence(&again), Some(Presence::Online), "back on her own seat");
    scene.lose(&again);
    let keep = crate::lesson::LessonConfig::default().seat_keep();
    scene.lesson.handle_tick(scene.now + keep);
    assert_eq!(scene.presence(&lead), None);
    scene.media.stop();
}

#[tokio::test]
async fn a_page_takes_the_seat_over_for_good() {
    let mut scene = Scene::new(VP8);
    let guest = scene.attach(Role::Lead, "t", Attachment::Publisher).unwrap();
    scene.event(Event::PeerConnected { peer: guest.peer });
    let page = scene.join(Role::Lead, "t");
    assert_eq!(guest.goodbye().await, Some(ByeReason::Replaced));
    scene.lose(&guest);
    let seat = scene.lesson.roster.get(&guest.actor.member.id).unwrap();
    assert!(seat.is_connection(page.actor.connection), "the end of the guest's media is not the page's");
    let stale = scene.lesson.handle_restart_attached(guest.actor.connection, IceCredentials::generate());
    assert!(matches!(stale, Err(LessonError::UnknownParticipant)));
    let newer = scene.attach(Role::Lead, "t", Attachment::Publisher).unwrap();
    let bye = |m: &ServerMessage| matches!(m, ServerMessage::Bye { reason: ByeReason::Replaced });
    assert!(page.read().await.iter().any(bye), "and the other way round");
    scene.lesson.handle_gone(newer.actor.connection, Gone::Left, scene.now);
    assert_eq!(scene.presence(&newer), None);
    scene.media.stop();
}

#[tokio::test]
async fn kicked_and_ended_are_told() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let kicked = scene.attach(Role::Receiver, "c", Attachment::Publisher).unwrap();
    let watching = scene.attach(Role::Observer, "whep-1", Attachment::Player).unwrap();
    scene.commands();
    scene.ask(&lead, crate::lesson::Ask::Kick { participant: ParticipantId::new("c").unwrap() }).unwrap();
    assert_eq!(kicked.goodbye().await, Some(ByeReason::Kicked));
    let removed = |c: &Command| matches!(c, Command::RemovePeer { peer } if *peer == kicked.peer);
    assert!(scene.commands().iter().any(removed));
    scene.ask(&lead, crate::lesson::Ask::End).unwrap();
    assert_eq!(watching.goodbye().await, Some(ByeReason::Ended));
    let late = scene.attach(Role::Observer, "whep-2", Attachment::Player);
    assert!(matches!(late, Err(LessonError::Ended)));
    scene.media.stop();
}

#[tokio::test]
async fn a_busy_media_plane_leaves_no_seat_behind() {
    let mut scene = Scene::new(VP8);
    scene.full.store(true, Ordering::Relaxed);
    let refused = scene.attach(Role::Observer, "whep-1", Attachment::Player);
    assert!(matches!(refused, Err(LessonError::Busy)));
    assert!(scene.lesson.roster.is_empty());
    scene.media.stop();
}

#[tokio::test]
async fn an_ice_restart_by_credentials_alone() {
    let mut scene = Scene::new(VP8);
    let guest = scene.attach(Role::Lead, "t", Attachment::Publisher).unwrap();
    scene.commands();
    let fresh = IceCredentials::generate();
    let fragment = scene.lesson.handle_restart_attached(guest.actor.connection, fresh.clone()).unwrap();
    let commands = scene.commands();
    let Some(Command::RestartIce { peer, restart }) = commands.first() else { panic!("a restart") };
    assert_eq!((*peer, &restart.remote), (guest.peer, &fresh));
    for line in [format!("a=ice-ufrag:{}", restart.local.ufrag), format!("a=ice-pwd:{}", restart.local.pwd)] {
        assert_eq!(fragment.lines().filter(|l| *l == line).count(), 1, "{fragment}");
    }
    assert!(fragment.starts_with("a=ice-lite\r\na=group:BUNDLE ") && fragment.contains("\r\nm=audio "));
    assert!(fragment.ends_with("a=end-of-candidates\r\n") && !fragment.contains("fingerprint"), "{fragment}");
    scene.media.stop();
}
