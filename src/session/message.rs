//! The signalling protocol: one JSON object per WebSocket text frame, tagged by `type`.
//!
//! `web/src/client/protocol.gen.ts` is generated from this file, so client and server cannot drift.
//! docs/PROTOCOL.md explains the conversation to a stranger. Fields may be added within a version;
//! removing or changing one raises `PROTOCOL_VERSION`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{LessonId, ParticipantId, PeerId, SourceId};
use crate::media::negotiate::{Codec, MediaKind, SourceKind};

/// Version spoken by this server; a `join` with another one gets `unsupported_version`.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a participant is in a lesson. DOMAIN: 主讲, 听课教室, 观摩, 管理员.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Lead,
    Receiver,
    Observer,
    Admin,
}

/// Client to server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ClientMessage {
    /// First message of a connection, within 5 s.
    Join {
        version: u32,
        token: String,
        /// Language of error texts: "zh-CN" or "en".
        #[serde(default)]
        #[ts(optional, as = "Option<_>")]
        language: String,
    },
    /// A new peer for this participant; the previous one, if any, closes when this one connects.
    Offer {
        /// Comes back in `answer` or `error`.
        request: u32,
        sdp: String,
        /// What the sending m-lines carry.
        tracks: Vec<TrackIntent>,
    },
    /// ICE restart of the running peer: an offer with the same m-lines and new credentials.
    RestartIce { request: u32, sdp: String },
    /// What this page really sends and plays now.
    State { state: OwnState },
    /// Ask a source to be closed or opened for everyone (a lead mutes a classroom; one mutes oneself by `state`).
    Mute { request: u32, participant: ParticipantId, kind: SourceKind, muted: bool },
    /// Mute every receiver's microphone.
    MuteAll { request: u32 },
    /// Remove a participant; its page says so and does not come back by itself.
    Kick { request: u32, participant: ParticipantId },
    /// 上课
    StartLesson { request: u32 },
    /// 下课: ends the lesson for everybody.
    EndLesson { request: u32 },
    /// The best simulcast layer for one of the caller's own video slots; 0 smallest, 2 top.
    SelectLayer { request: u32, mid: String, max_layer: u8 },
    /// 点名发言: this classroom gets the big picture and an open microphone in every classroom.
    CallOn { request: u32, participant: ParticipantId },
    /// 结束发言: of this classroom, or of all that speak. A classroom ends its own alone.
    ReleaseFloor {
        request: u32,
        #[ts(optional)]
        #[serde(default)]
        participant: Option<ParticipantId>,
    },
    /// 举手
    RaiseHand { request: u32 },
    /// 取消举手: one's own, or (a lead) this classroom's.
    LowerHand {
        request: u32,
        #[ts(optional)]
        #[serde(default)]
        participant: Option<ParticipantId>,
    },
    /// 听课 or 研讨.
    SetMode { request: u32, mode: Mode },
    /// 移交主讲: to a lead or to any classroom; a lead takes it back by naming herself.
    HandOverLead { request: u32, participant: ParticipantId },
    /// Whose pictures are on the page of the wall that this lead looks at; nobody else's are sent to
    /// her. Before the first such message: of the first nine classrooms.
    ShowWall { participants: Vec<ParticipantId> },
    /// 没听清, 看不清: told to the leads.
    SignalTrouble { request: u32, kind: Trouble },
    /// How many pupils are in this classroom.
    Headcount { request: u32, present: u16 },
    /// Admin only: send `overview` once a second on this connection.
    Watch { request: u32 },
    /// Leave for good: the seat is given up at once.
    Leave,
    /// Liveness; answered by `pong`. Sent every 10 s; a silent connection is dropped after 30 s.
    Ping { sent: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackIntent {
    pub mid: String,
    pub kind: SourceKind,
}

/// What a page says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnState {
    /// A microphone is attached and sends (not muted by its owner).
    pub mic: bool,
    pub camera: bool,
    pub content: bool,
    /// Sound is really audible (the browser let it start).
    pub sound: bool,
    /// The page is hidden behind another window.
    #[serde(default)]
    pub hidden: bool,
    /// Pictures come and are not shown: the decoder is stuck or the machine too slow.
    #[ts(optional, as = "Option<_>")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
    /// Its own people keep the microphone closed, also when they are called on.
    #[ts(optional, as = "Option<_>")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mic_kept: bool,
}

/// Server to client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// Answer to `join`.
    Welcome {
        version: u32,
        participant: ParticipantId,
        role: Role,
        name: String,
        lesson: LessonInfo,
        /// Everybody there. For a receiver: itself, the leads, and whoever's microphone is open.
        roster: Vec<Participant>,
        /// How many receiving m-lines this page shall offer.
        slots: SlotPlan,
        ice_servers: Vec<IceServer>,
        /// The media connection that this participant still has here. A page that owns it and
        /// sees it connected keeps it (its `slots` follow); every other page makes an offer, which
        /// replaces it.
        #[ts(optional)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<PeerId>,
    },
    Answer {
        request: u32,
        peer: PeerId,
        sdp: String,
        slots: Vec<SlotMid>,
    },
    /// The command did what it says.
    Done {
        request: u32,
    },
    /// `request` is absent where the error belongs to no request. `fatal`: the server closes now,
    /// and the page must not come back by itself.
    Error {
        #[ts(optional)]
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<u32>,
        code: String,
        message: String,
        hint: String,
        fatal: bool,
    },
    /// Somebody came or changed, or is to be known from now on (the whole entry, replaces the old one).
    Participant {
        participant: Participant,
    },
    /// Gave up the seat or was removed. For a receiver also: is not to be seen or heard any more.
    ParticipantLeft {
        id: ParticipantId,
    },
    Lesson {
        lesson: LessonInfo,
    },
    /// What feeds this page's slots; only changed ones. The page covers a slot from here until a
    /// frame of the new source is on screen (see `SlotFeed::state`).
    Slots {
        peer: PeerId,
        slots: Vec<SlotFeed>,
    },
    /// Others closed or opened one of this page's own sources.
    Muted {
        kind: SourceKind,
        muted: bool,
        by: String,
    },
    /// Make a new peer now (new offer): `codec_changed`, `media_lost`.
    Renew {
        reason: String,
    },
    /// Link figures of this page's own peer, once a second.
    Link {
        link: LinkStats,
    },
    /// Which layers of one of this page's own sources somebody has or could have, smallest 0: the
    /// others need not be sent. Before the first such message of a peer all are wanted.
    Layers {
        peer: PeerId,
        source: SourceId,
        kind: SourceKind,
        layers: Vec<u8>,
    },
    /// To leads, at most once a second, when it changed: classrooms whose line is not `good`. Who is
    /// not in it has no trouble.
    Links {
        links: Vec<ClassroomLink>,
    },
    /// Mode, speakers and raised hands, whenever one of them changes (and after `welcome`, unless
    /// nobody speaks, no hand is raised and the mode is `listen`).
    Floor {
        floor: FloorInfo,
    },
    /// Whose open microphone is heard now, whoever leads left out. To leads and observers; to
    /// classrooms while several may speak.
    Heard {
        participants: Vec<ParticipantId>,
    },
    /// To leads: a classroom does not hear or see well.
    Trouble {
        participant: ParticipantId,
        kind: Trouble,
    },
    /// To the leads and to the classroom itself: it sends back what it was sent. `muted`: its microphone was
    /// closed for it, and being called on opens it again; else the lead decides.
    Echo {
        participant: ParticipantId,
        muted: bool,
    },
    /// For `watch`.
    Overview {
        lessons: Vec<LessonOverview>,
    },
    Pong {
        sent: f64,
    },
    /// The connection ends: "replaced", "kicked", "ended", "left", "shutdown".
    /// Only after "shutdown" may the page come back by itself.
    Bye {
        reason: ByeReason,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ByeReason {
    Replaced,
    Kicked,
    Ended,
    Left,
    Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LessonState {
    /// Nobody has tapped 上课 yet.
    Scheduled,
    Live,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LessonInfo {
    pub id: LessonId,
    pub title: String,
    pub state: LessonState,
    /// Seconds since 上课, by the server's monotonic clock, at the time of sending.
    pub running_seconds: u32,
    /// Who leads now, of several leads; `null` when no lead has come. Everybody is shown this one.
    pub leads: Option<ParticipantId>,
}

/// Who may speak beside whoever leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// 听课: one classroom at a time.
    #[default]
    Listen,
    /// 评课、研讨: up to three.
    Discuss,
}

/// Who has the floor. DOMAIN: 发言, 举手.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FloorInfo {
    pub mode: Mode,
    /// Whose microphones are open beside whoever leads, the newest first.
    pub speakers: Vec<Speaker>,
    /// Raised hands, the first one first. Empty for a classroom that does not lead.
    pub hands: Vec<ParticipantId>,
    /// This page's own raised hand: its place in the queue, 1 the next.
    pub place: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Speaker {
    pub participant: ParticipantId,
    /// Called on: its picture is shown to everybody. Else it is only heard.
    pub on_stage: bool,
}

/// What a classroom complains of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// 没听清
    CannotHear,
    /// 看不清
    CannotSee,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Online,
    /// The connection broke; the seat is kept.
    Away,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    pub id: ParticipantId,
    pub name: String,
    pub role: Role,
    pub presence: Presence,
    pub state: OwnState,
    /// Closed for everyone by the lead.
    pub muted: Vec<SourceKind>,
    /// What it sends now, as seen by the server.
    pub sources: Vec<SourceState>,
    /// Pupils in the room, as it said.
    #[ts(optional)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headcount: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SourceState {
    pub id: SourceId,
    pub kind: SourceKind,
    /// Packets are arriving.
    pub flowing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SlotPlan {
    pub audio: u8,
    pub video: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SlotMid {
    pub mid: String,
    pub kind: MediaKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SlotFeed {
    pub mid: String,
    /// `null`: nothing feeds the slot; show nothing.
    pub feed: Option<Feed>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Feed {
    pub participant: ParticipantId,
    pub kind: SourceKind,
    pub source: SourceId,
    /// `null` while the slot waits for the source; then the RTP timestamp from which frames show
    /// it (compare modulo 2^32; older frames are another source's and must stay covered).
    pub since: Option<u32>,
    /// The line to this page has no room for it now: its last picture stays, and says why. Sound is
    /// never paused.
    pub paused: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IceServer {
    pub urls: Vec<String>,
    pub username: Option<String>,
    pub credential: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LinkStats {
    pub down_kbps: u32,
    pub up_kbps: u32,
    pub rtt_ms: Option<u32>,
    /// 0–1
    pub loss_down: f32,
    /// 0–1
    pub loss_up: f32,
    /// What the line to this participant is estimated to carry; `null` before its browser told.
    pub line_kbps: Option<u32>,
    /// Delay that stands in the line's queues.
    pub waits_ms: u32,
    pub state: LinkState,
    /// Why the state is not `good`.
    pub cause: Option<LinkCause>,
}

/// What a participant's line does to what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    #[default]
    Good,
    /// Everything is sent, and some of it gets lost.
    Lossy,
    /// Pictures are smaller, fewer a second, or some are missing.
    Reduced,
    /// No picture at all.
    SoundOnly,
    /// Nothing comes back from it.
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LinkCause {
    /// There is room again (only in changes).
    Room,
    /// The line carries less than all.
    Slow,
    /// Losses grow with the rate.
    Loss,
    /// No answer.
    Silent,
}

/// What the line to a classroom does to what it gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ClassroomLink {
    pub participant: ParticipantId,
    pub state: LinkState,
    pub cause: Option<LinkCause>,
}

/// One change of what a participant receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LinkChange {
    pub seconds_ago: u32,
    pub kind: SourceKind,
    /// The layer since then; `null`: paused.
    pub layer: Option<u8>,
    pub cause: LinkCause,
}

/// One running lesson for the administrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LessonOverview {
    pub lesson: LessonInfo,
    pub participants: Vec<ParticipantOverview>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantOverview {
    pub participant: Participant,
    /// Absent while it has no media connection.
    pub link: Option<LinkStats>,
    /// Seconds in this lesson.
    pub seconds: u32,
    /// Video codecs its browser decodes.
    pub decodes: Vec<Codec>,
    /// What it receives: one entry per fed video slot.
    pub receives: Vec<ReceivedStream>,
    /// What its line changed lately, newest first.
    pub link_changes: Vec<LinkChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedStream {
    pub from: ParticipantId,
    pub kind: SourceKind,
    pub kbps: u32,
    /// `null` while it waits for a key frame.
    pub layer: Option<u8>,
}
