//! The signalling protocol: one JSON object per WebSocket text frame, tagged by `type`.
//!
//! This file has the messages, its folder what they carry, by subject. `web/src/client/protocol.gen.ts`
//! is generated from them, so client and server cannot drift.
//! docs/PROTOCOL.md explains the conversation to a stranger. Fields may be added within a version;
//! removing or changing one raises `PROTOCOL_VERSION`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{ParticipantId, PeerId, PhotoId, SourceId};
use crate::media::negotiate::{MediaKind, SourceKind};

mod audience;
mod floor;
mod lesson;
mod link;
mod overview;
mod photo;

pub use audience::{AudienceInfo, AudienceUnit, Viewer};
pub use floor::{FloorInfo, Mode, Speaker, Trouble};
pub use lesson::{LeadTo, LessonInfo, LessonRules, LessonState, LessonType, StageLayout};
pub use link::{ClassroomLink, LinkCause, LinkChange, LinkState, LinkStats};
pub use overview::{LessonOverview, ParticipantOverview, ReceivedStream};
pub use photo::{PhotoInfo, PhotosInfo, Place};

/// Version spoken by this server; a `join` with another one gets `unsupported_version`.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a participant is in a lesson. DOMAIN: 主讲, 听课教室, 观摩, 管理员; and the assisting teacher's phone,
/// which belongs to a classroom and has no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Lead,
    Receiver,
    Observer,
    Admin,
    Companion,
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
    /// Brings one of the audience into the lesson, or (`promoted: false`) back.
    Promote { request: u32, participant: ParticipantId, promoted: bool },
    /// Who looks on; answered by `audience_list`.
    ListAudience { request: u32 },
    /// Shows a photo to everybody in the place of content; without one: takes away what is shown.
    ShowPhoto {
        request: u32,
        #[ts(optional)]
        #[serde(default)]
        photo: Option<PhotoId>,
    },
    /// 不用: this one is not asked about any more.
    DropPhoto { request: u32, photo: PhotoId },
    /// Where whoever leads points in the content or photo; `null`: nowhere any more. At most 20 a second.
    Point { at: Option<Place> },
    /// Whose pictures are on the page of the wall that this lead looks at; nobody else's are sent to
    /// her. Before the first such message: of the first nine classrooms.
    ShowWall { participants: Vec<ParticipantId> },
    /// 没听清, 看不清: told to the leads.
    SignalTrouble { request: u32, kind: Trouble },
    /// How many pupils are in this classroom.
    Headcount { request: u32, present: u16 },
    /// A companion asks its classroom's board to keep the microphone closed, or not any more.
    KeepMic { request: u32, kept: bool },
    /// This page hears its own loudspeaker in its microphone.
    EchoHeard,
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
    /// Its machine decodes too slowly: it asks for fewer and smaller pictures.
    #[ts(optional, as = "Option<_>")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weak: bool,
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
    /// To a classroom's board: its people ask by phone to keep the microphone closed, or not any more.
    /// Its next `state` says what became of it.
    KeepMic {
        kept: bool,
    },
    /// To leads, at most once a second: how many look on. They are in nobody's roster.
    Audience {
        audience: AudienceInfo,
    },
    /// Answer to `list_audience`, by unit.
    AudienceList {
        request: u32,
        units: Vec<AudienceUnit>,
    },
    /// The photo that is shown, and to leads those that wait; after `welcome` unless there are none.
    Photos {
        photos: PhotosInfo,
    },
    /// Where whoever leads points. Pages let it go by themselves after 3 s without another.
    Pointer {
        at: Option<Place>,
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
    /// Brought in from the audience.
    #[ts(optional, as = "Option<_>")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub promoted: bool,
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
