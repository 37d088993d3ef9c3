// Generated from src/session/message.rs; do not edit.
// Write anew: ZHUANDI_WRITE_TYPES=1 cargo test --release export_types

export const PROTOCOL_VERSION = 1;

/**
 * A lesson, as timetables, links and tokens name it.
 */
export type LessonId = string;

/**
 * A participant of a lesson: the token's `sub`.
 */
export type ParticipantId = string;

/**
 * One WebRTC connection.
 */
export type PeerId = number;

/**
 * A photo in a lesson; made here, and not to be guessed.
 */
export type PhotoId = string;

/**
 * One media stream that a peer sends: a microphone, a camera, content.
 */
export type SourceId = number;

/**
 * What a participant may send, as its page names its m-lines.
 */
export type SourceKind = "mic" | "camera" | "content" | "content_audio";

export type MediaKind = "audio" | "video";

/**
 * Codecs that are forwarded.
 */
export type Codec = "opus" | "vp8" | "h264" | "vp9" | "av1";

/**
 * What a participant is in a lesson. DOMAIN: 主讲, 听课教室, 观摩, 管理员; and the assisting teacher's phone,
 * which belongs to a classroom and has no seat.
 */
export type Role = "lead" | "receiver" | "observer" | "admin" | "companion";

/**
 * Client to server.
 */
export type ClientMessage = { "type": "join", version: number, token: string, 
/**
 * Language of error texts: "zh-CN" or "en".
 */
language?: string, }
  | { "type": "offer", 
/**
 * Comes back in `answer` or `error`.
 */
request: number, sdp: string, 
/**
 * What the sending m-lines carry.
 */
tracks: Array<TrackIntent>, }
  | { "type": "restart_ice", request: number, sdp: string, }
  | { "type": "state", state: OwnState, }
  | { "type": "mute", request: number, participant: ParticipantId, kind: SourceKind, muted: boolean, }
  | { "type": "mute_all", request: number, }
  | { "type": "kick", request: number, participant: ParticipantId, }
  | { "type": "start_lesson", request: number, }
  | { "type": "end_lesson", request: number, }
  | { "type": "select_layer", request: number, mid: string, maxLayer: number, }
  | { "type": "call_on", request: number, participant: ParticipantId, }
  | { "type": "release_floor", request: number, participant?: ParticipantId, }
  | { "type": "raise_hand", request: number, }
  | { "type": "lower_hand", request: number, participant?: ParticipantId, }
  | { "type": "set_mode", request: number, mode: Mode, }
  | { "type": "hand_over_lead", request: number, participant: ParticipantId, }
  | { "type": "promote", request: number, participant: ParticipantId, promoted: boolean, }
  | { "type": "list_audience", request: number, }
  | { "type": "show_photo", request: number, photo?: PhotoId, }
  | { "type": "drop_photo", request: number, photo: PhotoId, }
  | { "type": "point", at: Place | null, }
  | { "type": "show_wall", participants: Array<ParticipantId>, }
  | { "type": "signal_trouble", request: number, kind: Trouble, }
  | { "type": "headcount", request: number, present: number, }
  | { "type": "keep_mic", request: number, kept: boolean, }
  | { "type": "echo_heard" }
  | { "type": "watch", request: number, }
  | { "type": "leave" }
  | { "type": "ping", sent: number, };

export type TrackIntent = { mid: string, kind: SourceKind, };

/**
 * What a page says of itself.
 */
export type OwnState = { 
/**
 * A microphone is attached and sends (not muted by its owner).
 */
mic: boolean, camera: boolean, content: boolean, 
/**
 * Sound is really audible (the browser let it start).
 */
sound: boolean, 
/**
 * The page is hidden behind another window.
 */
hidden: boolean, 
/**
 * Pictures come and are not shown: the decoder is stuck or the machine too slow.
 */
stuck?: boolean, 
/**
 * Its machine decodes too slowly: it asks for fewer and smaller pictures.
 */
weak?: boolean, 
/**
 * Its own people keep the microphone closed, also when they are called on.
 */
micKept?: boolean, };

/**
 * Server to client.
 */
export type ServerMessage = { "type": "welcome", version: number, participant: ParticipantId, role: Role, name: string, lesson: LessonInfo, 
/**
 * Everybody there. For a receiver: itself, the leads, and whoever's microphone is open.
 */
roster: Array<Participant>, 
/**
 * How many receiving m-lines this page shall offer.
 */
slots: SlotPlan, iceServers: Array<IceServer>, 
/**
 * The media connection that this participant still has here. A page that owns it and
 * sees it connected keeps it (its `slots` follow); every other page makes an offer, which
 * replaces it.
 */
peer?: PeerId, }
  | { "type": "answer", request: number, peer: PeerId, sdp: string, slots: Array<SlotMid>, }
  | { "type": "done", request: number, }
  | { "type": "error", request?: number, code: string, message: string, hint: string, fatal: boolean, }
  | { "type": "participant", participant: Participant, }
  | { "type": "participant_left", id: ParticipantId, }
  | { "type": "lesson", lesson: LessonInfo, }
  | { "type": "slots", peer: PeerId, slots: Array<SlotFeed>, }
  | { "type": "muted", kind: SourceKind, muted: boolean, by: string, }
  | { "type": "renew", reason: string, }
  | { "type": "link", link: LinkStats, }
  | { "type": "layers", peer: PeerId, source: SourceId, kind: SourceKind, layers: Array<number>, }
  | { "type": "links", links: Array<ClassroomLink>, }
  | { "type": "floor", floor: FloorInfo, }
  | { "type": "heard", participants: Array<ParticipantId>, }
  | { "type": "trouble", participant: ParticipantId, kind: Trouble, }
  | { "type": "keep_mic", kept: boolean, }
  | { "type": "audience", audience: AudienceInfo, }
  | { "type": "audience_list", request: number, units: Array<AudienceUnit>, }
  | { "type": "photos", photos: PhotosInfo, }
  | { "type": "pointer", at: Place | null, }
  | { "type": "echo", participant: ParticipantId, muted: boolean, }
  | { "type": "overview", lessons: Array<LessonOverview>, }
  | { "type": "pong", sent: number, }
  | { "type": "bye", reason: ByeReason, };

export type ByeReason = "replaced" | "kicked" | "ended" | "left" | "shutdown";

export type LessonState = "scheduled" | "live" | "ended";

export type LessonInfo = { id: LessonId, title: string, state: LessonState, 
/**
 * Seconds since 上课, by the server's monotonic clock, at the time of sending.
 */
runningSeconds: number, lessonType: LessonType, 
/**
 * What follows from the type.
 */
rules: LessonRules, 
/**
 * Who leads now, of several leads; `null` when no lead has come. Everybody is shown this one.
 */
leads: ParticipantId | null, };

/**
 * What kind of lesson it is. DOMAIN.md §1 and §5.2.
 */
export type LessonType = "delivery" | "master_teacher" | "school_online" | "co_taught" | "demo" | "research" | "meeting" | "broadcast";

/**
 * What a lesson of a type allows, and how it begins.
 */
export type LessonRules = { 
/**
 * The mode at 上课.
 */
mode: Mode, 
/**
 * Open microphones beside the lead's while it is discussed. While it is listened there is one.
 */
mostSpeaking: number, 
/**
 * Classrooms send sound and picture. Where they do not they are part of the audience.
 */
classroomsPublish: boolean, leadTo: LeadTo, 
/**
 * A lead may bring one of the audience into the lesson.
 */
promotes: boolean, layout: StageLayout, };

/**
 * Who may be handed the lead.
 */
export type LeadTo = "leads" | "anybody";

/**
 * What is big in classrooms while content is shown and somebody is called on.
 */
export type StageLayout = "content" | "speaker";

/**
 * Who may speak beside whoever leads.
 */
export type Mode = "listen" | "discuss";

/**
 * Who has the floor. DOMAIN: 发言, 举手.
 */
export type FloorInfo = { mode: Mode, 
/**
 * Whose microphones are open beside whoever leads, the newest first.
 */
speakers: Array<Speaker>, 
/**
 * Raised hands, the first one first. Empty for a classroom that does not lead.
 */
hands: Array<ParticipantId>, 
/**
 * This page's own raised hand: its place in the queue, 1 the next.
 */
place: number | null, };

export type Speaker = { participant: ParticipantId, 
/**
 * Called on: its picture is shown to everybody. Else it is only heard.
 */
onStage: boolean, };

/**
 * What a classroom complains of.
 */
export type Trouble = "cannot_hear" | "cannot_see";

/**
 * How many look on now.
 */
export type AudienceInfo = { units: number, people: number, };

/**
 * Those of one unit who look on.
 */
export type AudienceUnit = { unit: string, viewers: Array<Viewer>, };

export type Viewer = { id: ParticipantId, name: string, 
/**
 * Has a page that can come into the lesson; a player without one can only watch.
 */
promotable: boolean, };

/**
 * The photos that a page knows of.
 */
export type PhotosInfo = { 
/**
 * Stands in the place of content until it is taken away.
 */
shown: PhotoInfo | null, 
/**
 * For leads: what classrooms sent and nobody has decided about, the oldest first.
 */
waiting: Array<PhotoInfo>, };

export type PhotoInfo = { id: PhotoId, 
/**
 * Path on this server; fetched with the token as `Authorization: Bearer`.
 */
url: string, from: ParticipantId, 
/**
 * Who sent it, by name.
 */
name: string, };

/**
 * A place in the content or photo, in parts of its width and height from the upper left, 0–1.
 */
export type Place = { x: number, y: number, };

export type Presence = "online" | "away";

export type Participant = { id: ParticipantId, name: string, role: Role, presence: Presence, state: OwnState, 
/**
 * Closed for everyone by the lead.
 */
muted: Array<SourceKind>, 
/**
 * What it sends now, as seen by the server.
 */
sources: Array<SourceState>, 
/**
 * Pupils in the room, as it said.
 */
headcount?: number, 
/**
 * Brought in from the audience.
 */
promoted?: boolean, };

export type SourceState = { id: SourceId, kind: SourceKind, 
/**
 * Packets are arriving.
 */
flowing: boolean, };

export type SlotPlan = { audio: number, video: number, };

export type SlotMid = { mid: string, kind: MediaKind, };

export type SlotFeed = { mid: string, 
/**
 * `null`: nothing feeds the slot; show nothing.
 */
feed: Feed | null, };

export type Feed = { participant: ParticipantId, kind: SourceKind, source: SourceId, 
/**
 * `null` while the slot waits for the source; then the RTP timestamp from which frames show
 * it (compare modulo 2^32; older frames are another source's and must stay covered).
 */
since: number | null, 
/**
 * The line to this page has no room for it now: its last picture stays, and says why. Sound is
 * never paused.
 */
paused: boolean, };

export type IceServer = { urls: Array<string>, username: string | null, credential: string | null, };

export type LinkStats = { downKbps: number, upKbps: number, rttMs: number | null, 
/**
 * 0–1
 */
lossDown: number, 
/**
 * 0–1
 */
lossUp: number, 
/**
 * What the line to this participant is estimated to carry; `null` before its browser told.
 */
lineKbps: number | null, 
/**
 * Delay that stands in the line's queues.
 */
waitsMs: number, state: LinkState, 
/**
 * Why the state is not `good`.
 */
cause: LinkCause | null, };

/**
 * What a participant's line does to what it receives.
 */
export type LinkState = "good" | "lossy" | "reduced" | "sound_only" | "connecting" | "silent";

export type LinkCause = "room" | "slow" | "loss" | "silent";

/**
 * What the line to a classroom does to what it gets.
 */
export type ClassroomLink = { participant: ParticipantId, state: LinkState, cause: LinkCause | null, };

/**
 * One change of what a participant receives.
 */
export type LinkChange = { secondsAgo: number, kind: SourceKind, 
/**
 * The layer since then; `null`: paused.
 */
layer: number | null, cause: LinkCause, };

/**
 * One running lesson for the administrator.
 */
export type LessonOverview = { lesson: LessonInfo, participants: Array<ParticipantOverview>, };

export type ParticipantOverview = { participant: Participant, 
/**
 * Absent while it has no media connection.
 */
link: LinkStats | null, 
/**
 * Seconds in this lesson.
 */
seconds: number, 
/**
 * Video codecs its browser decodes.
 */
decodes: Array<Codec>, 
/**
 * What it receives: one entry per fed video slot.
 */
receives: Array<ReceivedStream>, 
/**
 * What its line changed lately, newest first.
 */
linkChanges: Array<LinkChange>, };

export type ReceivedStream = { from: ParticipantId, kind: SourceKind, kbps: number, 
/**
 * `null` while it waits for a key frame.
 */
layer: number | null, };
