//! A receiver that checks what it gets: the test's judge, independent of the server's own code.
//!
//! A probe is a [`participant`] with an observer: it joins, offers slots, reconnects as any board
//! does. Every slot's stream goes through a [`StreamCheck`], which knows our clips and therefore
//! whose picture and which layer each frame is. With [`Probe::expect`] it also compares that with
//! the name under which the server announced the slot's source: a frame that a page would show
//! under another participant's name is a fault (see `Feed::since` in the protocol).
//!
//! ```ignore
//! let probe = Probe::start(Probe::receiver("ws://127.0.0.1:8080/ws", token));
//! probe.expect(&teacher_id, SourceKind::Camera, ClipName::Teacher);
//! let mid = probe.until(secs(5), |r| r.showing(ClipName::Teacher)).await?;
//! probe.select_layer(&mid, 0);
//! probe.until(secs(2), |r| (r.slots[&mid].seen.showing == Some((ClipName::Teacher, 0))).then_some(())).await?;
//! assert_eq!(probe.report().faults(), Vec::<String>::new());
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::bot::clip::ClipName;
use crate::bot::connection::{MediaLines, Plan};
use crate::bot::depacketise::Frame;
use crate::bot::participant::{self, Command, Ended, Observer, Settings};
use crate::bot::stream_check::{Seen, StreamCheck};
use crate::ids::{ParticipantId, PeerId};
use crate::media::negotiate::{Codec, MediaKind, SourceKind};
use crate::session::message::{
    ByeReason, ClientMessage, Feed, LessonInfo, LinkStats, Participant, ServerMessage,
};

/// The number that every slot of this server begins with.
const FIRST_SEQUENCE: u16 = 1000;
/// How often a probe in need asks for a key frame.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What a probe knows.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub participant: Option<ParticipantId>,
    pub lesson: Option<LessonInfo>,
    pub roster: BTreeMap<ParticipantId, Participant>,
    /// The peer in use, and how many there were.
    pub peer: Option<PeerId>,
    pub peers: u32,
    /// WebSocket connections that got a welcome.
    pub joins: u32,
    /// Time from [`Probe::start`] to the first connected peer, and to the first whole picture.
    pub connected_after: Option<Duration>,
    pub first_picture_after: Option<Duration>,
    /// By mid; those of the last peer.
    pub slots: BTreeMap<String, SlotReport>,
    /// Key frames that the server asked of us, by what we send.
    pub key_frame_requests: BTreeMap<SourceKind, u32>,
    /// Codes of errors that the server sent.
    pub errors: Vec<String>,
    /// Reasons of `renew`.
    pub renewals: Vec<String>,
    pub bye: Option<ByeReason>,
    pub link: Option<LinkStats>,
    pub ended: Option<Ended>,
}

/// One receiving m-line.
#[derive(Clone, Debug)]
pub struct SlotReport {
    pub kind: MediaKind,
    pub ssrc: Option<u32>,
    pub codec: Option<Codec>,
    /// What the server says feeds it.
    pub feed: Option<Feed>,
    /// Announcements so far.
    pub announcements: u64,
    pub seen: Seen,
}

impl Report {
    /// All slots' faults in words, each with its mid.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.slots
            .iter()
            .flat_map(|(mid, slot)| slot.seen.faults.iter().map(move |f| format!("mid {mid}: {f}")))
            .collect()
    }

    /// The mid of a slot that shows this clip now.
    #[must_use]
    pub fn showing(&self, name: ClipName) -> Option<String> {
        self.slots
            .iter()
            .find(|(_, s)| s.seen.showing.is_some_and(|(n, _)| n == name))
            .map(|(mid, _)| mid.clone())
    }

    /// The mid of the slot that is announced to carry this source.
    #[must_use]
    pub fn slot_of(&self, participant: &ParticipantId, kind: SourceKind) -> Option<String> {
        let carries =
            |s: &SlotReport| s.feed.as_ref().is_some_and(|f| f.participant == *participant && f.kind == kind);
        self.slots.iter().find(|(_, s)| carries(s)).map(|(mid, _)| mid.clone())
    }
}

/// A running probe; dropping it makes it leave.
pub struct Probe {
    inner: Arc<Inner>,
    commands: mpsc::UnboundedSender<Command>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Ended>,
}

impl Probe {
    /// Settings of a pure receiver with all slots.
    #[must_use]
    pub fn receiver(url: &str, token: String) -> Settings {
        Settings {
            url: url.to_owned(),
            token: Arc::new(move || token.clone()),
            mic: None,
            camera: None,
            content: None,
            mic_open: false,
            starts_lesson: false,
            slots: true,
            clock: Instant::now(),
            local: Plan::default_addresses(),
        }
    }

    /// Joins; `settings` may also send (a whole classroom, a teacher).
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        let (commands, command_queue) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let inner = Arc::new_cyclic(|me| Inner {
            me: me.clone(),
            began: Instant::now(),
            known: Mutex::default(),
            changed: watch::channel(()).0,
        });
        let observer = inner.clone();
        let task = tokio::spawn(async move {
            let ended = participant::run(settings, observer.clone(), command_queue, stopping).await;
            observer.lock().report.ended = Some(ended.clone());
            observer.changed.send_replace(());
            ended
        });
        Self { inner, commands, stop, task }
    }

    /// Frames announced as this source must be of this clip.
    pub fn expect(&self, participant: &ParticipantId, kind: SourceKind, clip: ClipName) {
        self.inner.lock().expected.insert((participant.clone(), kind), clip);
    }

    #[must_use]
    pub fn report(&self) -> Report {
        self.inner.lock().report()
    }

    /// Waits until `what` gives something, looking at every change.
    ///
    /// # Errors
    /// The report as it is when `patience` ends.
    pub async fn until<T>(
        &self,
        patience: Duration,
        mut what: impl FnMut(&Report) -> Option<T>,
    ) -> Result<T, Box<Report>> {
        let mut changes = self.inner.changed.subscribe();
        let watching = async {
            loop {
                if let Some(found) = what(&self.report()) {
                    return found;
                }
                // The sender lives as long as `self`.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(patience, watching).await.map_err(|_| Box::new(self.report()))
    }

    pub fn select_layer(&self, mid: &str, max_layer: u8) {
        let mid = mid.to_owned();
        self.send(Box::new(move |request| ClientMessage::SelectLayer { request, mid, max_layer }));
    }

    /// Sends any message; `false` when the participant has ended.
    pub fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    /// Sends a PLI for a slot, as a decoder in trouble would. `false` when it has no stream.
    pub async fn request_key_frame(&self, mid: &str) -> bool {
        let (track, ssrc) = {
            let known = self.inner.lock();
            let Some(slot) = known.slots.get(mid) else { return false };
            let (Some(track), Some(ssrc)) = (slot.track.clone(), slot.ssrc) else { return false };
            (track, ssrc)
        };
        track.write_rtcp(vec![Box::new(pli(ssrc))]).await.is_ok()
    }

    /// Leaves and waits until it has left.
    pub async fn leave(self) -> Ended {
        self.stop.send_replace(true);
        self.task.await.unwrap_or(Ended::Stopped)
    }
}

fn pli(media_ssrc: u32) -> PictureLossIndication {
    PictureLossIndication { sender_ssrc: 0, media_ssrc }
}

struct Inner {
    /// Itself, for the tasks that read tracks.
    me: std::sync::Weak<Inner>,
    began: Instant,
    known: Mutex<Known>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Known {
    /// All but the slots.
    report: Report,
    slots: BTreeMap<String, Slot>,
    /// Announcements that came before the answer of their peer.
    early: Vec<(PeerId, Vec<crate::session::message::SlotFeed>)>,
    expected: HashMap<(ParticipantId, SourceKind), ClipName>,
}

struct Slot {
    kind: MediaKind,
    ssrc: Option<u32>,
    codecs: HashMap<u8, Codec>,
    codec: Option<Codec>,
    feed: Option<Feed>,
    announcements: u64,
    check: Option<StreamCheck>,
    track: Option<Arc<dyn TrackRemote>>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `true` when the stream needs a key frame.
    fn handle_packet(&self, ssrc: u32, packet: &rtc::rtp::Packet) -> bool {
        let mut known = self.lock();
        let Known { slots, expected, report, .. } = &mut *known;
        let Some(slot) = slots.values_mut().find(|s| s.ssrc == Some(ssrc)) else { return false };
        let header = &packet.header;
        let codec = slot.codecs.get(&header.payload_type).copied().unwrap_or(match slot.kind {
            MediaKind::Audio => Codec::Opus,
            MediaKind::Video => Codec::Vp8,
        });
        if slot.codec != Some(codec) {
            slot.codec = Some(codec);
            slot.check = None;
        }
        let check = slot.check.get_or_insert_with(|| StreamCheck::new(codec, Some(FIRST_SEQUENCE)));
        let now = Instant::now();
        let frames = check.handle_packet(
            header.sequence_number,
            header.timestamp,
            header.marker,
            packet.payload.clone(),
            now,
        );
        if slot.kind == MediaKind::Video && !frames.is_empty() {
            report.first_picture_after.get_or_insert_with(|| self.began.elapsed());
        }
        for frame in &frames {
            if let Some(wrong) = wrong_name(slot.feed.as_ref(), expected, frame)
                && let Some(check) = &mut slot.check
            {
                check.fault(wrong);
            }
        }
        let torn = slot.check.as_ref().is_some_and(StreamCheck::needs_key_frame);
        drop(known);
        if !frames.is_empty() {
            self.changed.send_replace(());
        }
        torn
    }
}

/// Says so when a page would show this frame under a name that is not its own.
fn wrong_name(
    feed: Option<&Feed>,
    expected: &HashMap<(ParticipantId, SourceKind), ClipName>,
    frame: &Frame,
) -> Option<String> {
    let feed = feed?;
    let since = feed.since?;
    // Older than the announced source's first frame: the page keeps it covered.
    if frame.timestamp.wrapping_sub(since) > u32::MAX / 2 {
        return None;
    }
    let clip = expected.get(&(feed.participant.clone(), feed.kind))?;
    let place = frame.places.first()?;
    let own = frame.places.iter().any(|p| p.name == *clip);
    (!own).then(|| format!("{:?} is shown under the name of {}", place.name, feed.participant))
}

impl Known {
    fn report(&self) -> Report {
        let slots = self.slots.iter().map(|(mid, slot)| {
            let seen = slot.check.as_ref().map(|c| c.seen().clone()).unwrap_or_default();
            let report = SlotReport {
                kind: slot.kind,
                ssrc: slot.ssrc,
                codec: slot.codec,
                feed: slot.feed.clone(),
                announcements: slot.announcements,
                seen,
            };
            (mid.clone(), report)
        });
        Report { slots: slots.collect(), ..self.report.clone() }
    }

    fn announce(&mut self, feeds: Vec<crate::session::message::SlotFeed>) {
        for feed in feeds {
            if let Some(slot) = self.slots.get_mut(&feed.mid) {
                slot.feed = feed.feed;
                slot.announcements += 1;
            }
        }
    }
}

impl Observer for Inner {
    fn message(&self, message: &ServerMessage) {
        let mut known = self.lock();
        let report = &mut known.report;
        match message.clone() {
            ServerMessage::Welcome { participant, lesson, roster, .. } => {
                report.participant = Some(participant);
                report.lesson = Some(lesson);
                report.roster = roster.into_iter().map(|p| (p.id.clone(), p)).collect();
                report.joins += 1;
            }
            ServerMessage::Participant { participant } => {
                report.roster.insert(participant.id.clone(), participant);
            }
            ServerMessage::ParticipantLeft { id } => {
                report.roster.remove(&id);
            }
            ServerMessage::Lesson { lesson } => report.lesson = Some(lesson),
            ServerMessage::Slots { peer, slots } => {
                if report.peer == Some(peer) {
                    known.announce(slots);
                } else {
                    known.early.push((peer, slots));
                }
            }
            ServerMessage::Renew { reason } => report.renewals.push(reason),
            ServerMessage::Error { code, .. } => report.errors.push(code),
            ServerMessage::Bye { reason } => report.bye = Some(reason),
            ServerMessage::Link { link } => report.link = Some(link),
            _ => {}
        }
        drop(known);
        self.changed.send_replace(());
    }

    fn answered(&self, peer: PeerId, sdp: &str) {
        let mut known = self.lock();
        known.slots = MediaLines::all(sdp).iter().filter_map(slot_of).collect();
        known.report.peer = Some(peer);
        known.report.peers += 1;
        let early = std::mem::take(&mut known.early);
        for (_, feeds) in early.into_iter().filter(|(of, _)| *of == peer) {
            known.announce(feeds);
        }
    }

    fn connected(&self, _: PeerId) {
        self.lock().report.connected_after.get_or_insert_with(|| self.began.elapsed());
        self.changed.send_replace(());
    }

    fn key_frame_request(&self, kind: SourceKind) {
        *self.lock().report.key_frame_requests.entry(kind).or_default() += 1;
    }

    fn track(&self, track: Arc<dyn TrackRemote>) {
        let me = self.me.clone();
        tokio::spawn(async move {
            let Some(ssrc) = track.ssrcs().await.first().copied() else { return };
            if let Some(me) = me.upgrade()
                && let Some(slot) = me.lock().slots.values_mut().find(|s| s.ssrc == Some(ssrc))
            {
                slot.track = Some(track.clone());
            }
            let mut asked: Option<Instant> = None;
            while let Some(event) = track.poll().await {
                let (TrackRemoteEvent::OnRtpPacket(packet), Some(me)) = (event, me.upgrade()) else {
                    continue;
                };
                let torn = me.handle_packet(packet.header.ssrc, &packet);
                if torn && asked.is_none_or(|at| at.elapsed() > ASK_AGAIN) {
                    // What a browser's decoder does when it cannot go on.
                    asked = Some(Instant::now());
                    let _ = track.write_rtcp(vec![Box::new(pli(packet.header.ssrc))]).await;
                }
            }
        });
    }
}

/// A slot of the answer: an m-line on which the server sends.
fn slot_of(media: &MediaLines<'_>) -> Option<(String, Slot)> {
    if !media.sends() {
        return None;
    }
    let slot = Slot {
        kind: if media.is_audio() { MediaKind::Audio } else { MediaKind::Video },
        ssrc: media.ssrc(),
        codecs: media.codecs(),
        codec: None,
        feed: None,
        announcements: 0,
        check: None,
        track: None,
    };
    Some((media.mid()?.to_owned(), slot))
}

#[cfg(test)]
#[path = "probe_test.rs"]
mod tests;
