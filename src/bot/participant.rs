//! A synthetic participant from join to leave: one task that owns the WebSocket, the running
//! connection and, while it is being replaced, the next one.
//!
//! What it sends is set once ([`Settings`]); when to send follows the shared lesson clock, so that
//! a participant that reconnects goes on in the clip where the others are. It makes a new
//! connection when the server says `renew` and when its own fails; the old one plays on until the
//! new one is connected. A lost WebSocket is joined again with growing, jittered pauses; a `bye` is
//! obeyed: only "shutdown" is followed by a return.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::RTCPeerConnectionState;

use crate::bot::clip::{ClipName, VoiceName, video, voice};
use crate::bot::connection::{Connection, ConnectionError, Happening, Outgoing, Plan};
use crate::bot::player::{AudioPlayer, VideoPlayer};
use crate::bot::signal::{Signal, SignalError};
use crate::ids::PeerId;
use crate::media::negotiate::{Codec, SourceKind};
use crate::session::message::{ByeReason, ClientMessage, LessonState, OwnState, ServerMessage, SlotPlan};

/// What a participant is and sends.
#[derive(Clone)]
pub struct Settings {
    /// `ws://…/ws`
    pub url: String,
    /// Called for every join, so that a long-lived participant always has a valid token.
    pub token: Arc<dyn Fn() -> String + Send + Sync>,
    pub mic: Option<VoiceName>,
    /// Offered with as many simulcast layers as the clip has.
    pub camera: Option<ClipName>,
    pub content: Option<ClipName>,
    /// The microphone sends from the beginning (a lead's), or is there but closed (a classroom's).
    pub mic_open: bool,
    /// Taps 上课 when the lesson has not begun.
    pub starts_lesson: bool,
    /// Offer the receiving slots that the welcome asks for.
    pub slots: bool,
    /// Clips run on this clock; share it between participants that should be in step.
    pub clock: Instant,
    /// Local addresses to send media from, see [`Plan::default_addresses`].
    pub local: Vec<String>,
}

/// Why a participant ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    Bye(ByeReason),
    /// The server refuses it for good (error code).
    Refused(String),
}

/// Watches a participant; called on its task, so it must not block.
pub trait Observer: Send + Sync + 'static {
    /// Every message from the server.
    fn message(&self, _message: &ServerMessage) {}
    /// A peer was answered.
    fn answered(&self, _peer: PeerId, _sdp: &str) {}
    /// ICE and DTLS are done.
    fn connected(&self, _peer: PeerId) {}
    /// The server asks for a key frame of one of our sources.
    fn key_frame_request(&self, _kind: SourceKind) {}
    /// The first packet of a slot has come. Whoever takes the track must read it to its end.
    fn track(&self, track: Arc<dyn TrackRemote>) {
        tokio::spawn(async move { while track.poll().await.is_some() {} });
    }
}

/// Watches nothing.
pub struct Unobserved;
impl Observer for Unobserved {}

/// A command for the participant to send: told the request number, gives the message.
pub type Command = Box<dyn FnOnce(u32) -> ClientMessage + Send>;

/// The longest pause before a return.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a connection may take from offer to connected.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

/// Takes part until stopped or sent away. `stop` turning true (or its sender dropping) makes it
/// leave.
pub async fn run(
    settings: Settings,
    observer: Arc<dyn Observer>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut stop: watch::Receiver<bool>,
) -> Ended {
    let mut pause = Duration::from_millis(500);
    loop {
        let began = Instant::now();
        match take_part(&settings, &*observer, &mut commands, &mut stop).await {
            Ok(Ended::Bye(ByeReason::Shutdown)) => {}
            Ok(ended) => return ended,
            Err(SignalError::Refused { code, fatal: true, .. }) => return Ended::Refused(code),
            Err(error) => tracing::debug!(%error, "a synthetic participant lost its server"),
        }
        if began.elapsed() > Duration::from_secs(30) {
            pause = Duration::from_millis(500);
        }
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + rand::random::<f64>())) => {}
            _ = stopped(&mut stop) => return Ended::Stopped,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// One WebSocket connection's life.
async fn take_part(
    settings: &Settings,
    observer: &dyn Observer,
    commands: &mut mpsc::UnboundedReceiver<Command>,
    stop: &mut watch::Receiver<bool>,
) -> Result<Ended, SignalError> {
    let (signal, welcome) = Signal::join(&settings.url, &(settings.token)()).await?;
    let mut seat = Seat::new(settings, observer, signal);
    seat.handle_message(welcome).await?;
    let mut ping = interval(Duration::from_secs(10));
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = loop {
        let due = seat.poll_timeout();
        tokio::select! {
            () = stopped(stop) => {
                seat.signal.send(&ClientMessage::Leave).await?;
                break Ended::Stopped;
            }
            message = seat.signal.next() => {
                if let Some(ended) = seat.handle_message(message?).await? {
                    break ended;
                }
            }
            Some(command) = commands.recv() => {
                let request = seat.signal.next_request();
                seat.signal.send(&command(request)).await?;
            }
            happening = happening_of(&mut seat.live) => seat.handle_live(happening).await?,
            happening = happening_of(&mut seat.next) => seat.handle_next(happening).await?,
            () = sleep_until(due.into()) => seat.handle_timeout(Instant::now()).await?,
            _ = ping.tick() => {
                let sent = settings.clock.elapsed().as_secs_f64() * 1000.0;
                seat.signal.send(&ClientMessage::Ping { sent }).await?;
            }
        }
    };
    seat.close().await;
    Ok(ended)
}

async fn happening_of(peer: &mut Option<Peer>) -> Option<Happening> {
    match peer {
        Some(peer) => peer.connection.next().await,
        None => std::future::pending().await,
    }
}

/// A joined participant.
struct Seat<'a> {
    settings: &'a Settings,
    observer: &'a dyn Observer,
    signal: Signal,
    slots: SlotPlan,
    codec: Codec,
    state: OwnState,
    /// Sources that others have closed.
    closed: Vec<SourceKind>,
    /// The connection that plays.
    live: Option<Peer>,
    /// The one that will replace it.
    next: Option<Peer>,
    /// When to offer (again).
    offer_at: Option<Instant>,
}

struct Peer {
    connection: Connection,
    request: u32,
    id: Option<PeerId>,
    streams: Vec<Stream>,
    offered: Instant,
    connected: bool,
}

struct Stream {
    outgoing: Outgoing,
    player: Player,
}

enum Player {
    Audio(AudioPlayer),
    Video(VideoPlayer),
}

impl<'a> Seat<'a> {
    fn new(settings: &'a Settings, observer: &'a dyn Observer, signal: Signal) -> Self {
        let state = OwnState {
            mic: settings.mic.is_some() && settings.mic_open,
            camera: settings.camera.is_some(),
            content: settings.content.is_some(),
            sound: true,
            ..OwnState::default()
        };
        Self {
            settings,
            observer,
            signal,
            slots: SlotPlan { audio: 0, video: 0 },
            codec: Codec::Vp8,
            state,
            closed: Vec::new(),
            live: None,
            next: None,
            offer_at: None,
        }
    }

    /// `Some` ends the seat.
    async fn handle_message(&mut self, message: ServerMessage) -> Result<Option<Ended>, SignalError> {
        self.observer.message(&message);
        match message {
            ServerMessage::Welcome { lesson, slots, .. } => {
                self.slots = slots;
                self.offer_at = Some(Instant::now());
                if self.settings.starts_lesson && lesson.state != LessonState::Live {
                    let request = self.signal.next_request();
                    self.signal.send(&ClientMessage::StartLesson { request }).await?;
                }
            }
            ServerMessage::Answer { request, peer, sdp, .. } => self.handle_answer(request, peer, &sdp).await,
            ServerMessage::Renew { reason } => {
                tracing::debug!(reason, "the server wants a new connection");
                self.offer_at = Some(Instant::now());
            }
            ServerMessage::Muted { kind, muted, .. } => {
                self.closed.retain(|k| *k != kind);
                if muted {
                    self.closed.push(kind);
                }
            }
            ServerMessage::Error { request, code, message, fatal, .. } => {
                if fatal {
                    return Ok(Some(Ended::Refused(code)));
                }
                tracing::debug!(code, message, "the server refuses a request");
                if self.next.as_ref().is_some_and(|n| request == Some(n.request)) {
                    self.next = None;
                    self.offer_at = Some(Instant::now() + Duration::from_secs(1));
                }
            }
            ServerMessage::Bye { reason } => return Ok(Some(Ended::Bye(reason))),
            _ => {}
        }
        Ok(None)
    }

    async fn handle_answer(&mut self, request: u32, id: PeerId, sdp: &str) {
        let Some(next) = self.next.as_mut().filter(|n| n.request == request) else { return };
        self.observer.answered(id, sdp);
        next.id = Some(id);
        match next.connection.accept(sdp).await {
            Ok(outgoing) => {
                if let Some(first) = outgoing.iter().find(|o| o.kind.is_video()) {
                    self.codec = first.codec;
                }
                next.streams = outgoing.into_iter().filter_map(|o| stream(self.settings, o)).collect();
            }
            Err(error) => {
                tracing::warn!(%error, "a synthetic participant cannot take its answer");
                self.drop_next().await;
            }
        }
    }

    async fn handle_live(&mut self, happening: Option<Happening>) -> Result<(), SignalError> {
        match happening {
            Some(Happening::KeyFrameRequest(ssrc)) => {
                if let Some(kind) = self.live.as_mut().and_then(|live| refresh(&mut live.streams, ssrc)) {
                    self.observer.key_frame_request(kind);
                }
            }
            Some(Happening::Track(track)) => self.observer.track(track),
            Some(Happening::State(state)) => {
                use RTCPeerConnectionState as S;
                if matches!(state, S::Failed | S::Closed) {
                    self.lose_live().await;
                }
            }
            None => self.lose_live().await,
        }
        Ok(())
    }

    async fn handle_next(&mut self, happening: Option<Happening>) -> Result<(), SignalError> {
        use RTCPeerConnectionState as S;
        match happening {
            Some(Happening::State(S::Connected)) => {
                if let Some(old) = self.live.take() {
                    old.connection.close().await;
                }
                self.live = self.next.take();
                if let Some(live) = &mut self.live {
                    live.connected = true;
                    if let Some(id) = live.id {
                        self.observer.connected(id);
                    }
                }
                let state = self.state.clone();
                self.signal.send(&ClientMessage::State { state }).await?;
            }
            Some(Happening::State(S::Failed | S::Closed)) | None => self.drop_next().await,
            Some(Happening::Track(track)) => self.observer.track(track),
            Some(_) => {}
        }
        Ok(())
    }

    /// When [`Self::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Instant {
        let frames = self.live.iter().flat_map(|l| &l.streams).map(|s| {
            self.settings.clock
                + match &s.player {
                    Player::Audio(p) => p.poll_timeout(),
                    Player::Video(p) => p.poll_timeout(),
                }
        });
        let connect = self.next.iter().map(|n| n.offered + CONNECT_PATIENCE);
        frames
            .chain(connect)
            .chain(self.offer_at)
            .min()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(1))
    }

    async fn handle_timeout(&mut self, now: Instant) -> Result<(), SignalError> {
        if self.next.as_ref().is_some_and(|n| now >= n.offered + CONNECT_PATIENCE) {
            tracing::debug!("a synthetic participant's connection was not made in time");
            self.drop_next().await;
        }
        if self.offer_at.is_some_and(|at| now >= at) {
            self.offer_at = None;
            if let Err(error) = self.offer().await? {
                tracing::warn!(%error, "a synthetic participant cannot offer");
                self.offer_at = Some(Instant::now() + LONGEST_PAUSE);
            }
        }
        if self.live.is_some() && self.play(now.duration_since(self.settings.clock)).await.is_err() {
            self.lose_live().await;
        }
        Ok(())
    }

    async fn offer(&mut self) -> Result<Result<(), ConnectionError>, SignalError> {
        if let Some(waiting) = self.next.take() {
            waiting.connection.close().await;
        }
        let (audio_slots, video_slots) =
            if self.settings.slots { (self.slots.audio.into(), self.slots.video.into()) } else { (0, 0) };
        let plan = Plan {
            sends: sends(self.settings),
            audio_slots,
            video_slots,
            codec: self.codec,
            local: self.settings.local.clone(),
        };
        if plan.sends.is_empty() && audio_slots + video_slots == 0 {
            return Ok(Ok(()));
        }
        let (connection, sdp) = match Connection::offer(&plan).await {
            Ok(made) => made,
            Err(error) => return Ok(Err(error)),
        };
        let request = self.signal.next_request();
        let tracks = connection.intents.clone();
        self.next = Some(Peer {
            connection,
            request,
            id: None,
            streams: vec![],
            offered: Instant::now(),
            connected: false,
        });
        self.signal.send(&ClientMessage::Offer { request, sdp, tracks }).await?;
        Ok(Ok(()))
    }

    async fn play(&mut self, now: Duration) -> Result<(), ConnectionError> {
        let Some(live) = self.live.as_mut().filter(|l| l.connected) else { return Ok(()) };
        for Stream { outgoing, player } in &mut live.streams {
            let silent =
                self.closed.contains(&outgoing.kind) || outgoing.kind == SourceKind::Mic && !self.state.mic;
            match player {
                Player::Audio(player) => {
                    for due in player.poll_packets(now).into_iter().filter(|_| !silent) {
                        outgoing.write(&due.data, due.ticks, Some(due.level)).await?;
                    }
                }
                Player::Video(player) => {
                    for due in player.poll_frames(now).into_iter().filter(|_| !silent) {
                        outgoing.write(&due.frame.data, due.ticks, None).await?;
                    }
                    if silent {
                        // Opened again, it begins with a key frame.
                        player.handle_key_frame_request();
                    }
                }
            }
        }
        Ok(())
    }

    async fn lose_live(&mut self) {
        if let Some(lost) = self.live.take() {
            lost.connection.close().await;
            if self.next.is_none() && self.offer_at.is_none() {
                self.offer_at = Some(Instant::now() + Duration::from_millis(500));
            }
        }
    }

    async fn drop_next(&mut self) {
        if let Some(failed) = self.next.take() {
            failed.connection.close().await;
        }
        self.offer_at = Some(Instant::now() + Duration::from_secs(1));
    }

    async fn close(self) {
        for peer in [self.live, self.next].into_iter().flatten() {
            peer.connection.close().await;
        }
    }
}

/// Browsers refresh all layers of a source when one is asked for; so do we. `None`: not ours.
fn refresh(streams: &mut [Stream], ssrc: u32) -> Option<SourceKind> {
    let kind = streams.iter().find(|s| s.outgoing.ssrc == ssrc)?.outgoing.kind;
    for stream in streams.iter_mut().filter(|s| s.outgoing.kind == kind) {
        if let Player::Video(player) = &mut stream.player {
            player.handle_key_frame_request();
        }
    }
    Some(kind)
}

fn sends(settings: &Settings) -> Vec<(SourceKind, usize)> {
    let layers = |name| video(name, Codec::Vp8).len();
    let mic = settings.mic.map(|_| (SourceKind::Mic, 1));
    let camera = settings.camera.map(|name| (SourceKind::Camera, layers(name)));
    let content = settings.content.map(|name| (SourceKind::Content, layers(name)));
    [mic, camera, content].into_iter().flatten().collect()
}

fn stream(settings: &Settings, outgoing: Outgoing) -> Option<Stream> {
    let picture = |name: Option<ClipName>| {
        let clip = video(name?, outgoing.codec).into_iter().nth(outgoing.layer.into())?;
        Some(Player::Video(VideoPlayer::new(clip)))
    };
    let player = match outgoing.kind {
        SourceKind::Mic => Some(Player::Audio(AudioPlayer::new(voice(settings.mic?)))),
        SourceKind::Camera => picture(settings.camera),
        SourceKind::Content => picture(settings.content),
        SourceKind::ContentAudio => None,
    }?;
    Some(Stream { outgoing, player })
}
