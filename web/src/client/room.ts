/**
 * What this page knows of its lesson: a plain value, replaced on each change. Built only from server
 * messages; nothing here is guessed ahead of the server's word.
 */
import type {
  AudienceInfo,
  ClassroomLink,
  FloorInfo,
  LessonInfo,
  LinkStats,
  Participant,
  ParticipantId,
  PhotosInfo,
  Role,
  ServerMessage,
  Trouble,
} from './protocol.gen';

export interface Room {
  self: { id: ParticipantId; role: Role; name: string };
  lesson: LessonInfo;
  /** `performance.now()` at which the lesson's `runningSeconds` was right. */
  lessonHeardAt: number;
  roster: readonly Participant[];
  /** The server's view of this page's own link. */
  link: LinkStats | null;
  /** For a lead: classrooms whose line is not good. */
  links: readonly ClassroomLink[];
  floor: FloorInfo;
  /** Whose open microphone is heard now. */
  heard: readonly ParticipantId[];
  /** For a lead: what classrooms complained of, the newest of each kind last. */
  complaints: readonly Complaint[];
  /** For a lead: how many look on; absent until somebody does. */
  audience?: AudienceInfo;
  /** Absent until one is shown (or, for a lead, waits). */
  photos?: PhotosInfo;
}

export interface Complaint {
  participant: ParticipantId;
  /** `echo-muted`, `echo`: the server found that it sends back what it was sent. */
  kind: Trouble | 'echo-muted' | 'echo';
  /** `performance.now()` at which it was heard. */
  at: number;
}

export const NO_FLOOR: FloorInfo = { mode: 'listen', speakers: [], hands: [], place: null };

/** The room after `message`; the same object when the message does not concern it. */
export function reduce(room: Room | null, message: ServerMessage, now: number): Room | null {
  if (message.type === 'welcome') {
    const { participant, role, name, lesson, roster } = message;
    return {
      self: { id: participant, role, name },
      lesson,
      lessonHeardAt: now,
      roster,
      link: null,
      links: [],
      floor: NO_FLOOR,
      heard: [],
      complaints: [],
    };
  }
  if (!room) return null;
  switch (message.type) {
    case 'participant':
      return { ...room, roster: replaced(room.roster, message.participant) };
    case 'participant_left':
      return { ...room, roster: room.roster.filter((p) => p.id !== message.id) };
    case 'lesson':
      return { ...room, lesson: message.lesson, lessonHeardAt: now };
    case 'link':
      return { ...room, link: message.link };
    case 'links':
      return { ...room, links: message.links };
    case 'floor':
      return { ...room, floor: message.floor };
    case 'heard':
      return { ...room, heard: message.participants };
    case 'audience':
      return { ...room, audience: message.audience };
    case 'photos':
      return { ...room, photos: message.photos };
    case 'trouble':
      return complained(room, message.participant, message.kind, now);
    case 'echo':
      return complained(room, message.participant, message.muted ? 'echo-muted' : 'echo', now);
    default:
      return room;
  }
}

/** Who leads now: of several leads the one whom the server shows to everybody. */
export function findLead(room: Room): Participant | undefined {
  return room.roster.find((p) => p.id === room.lesson.leads);
}

export function findSelf(room: Room): Participant | undefined {
  return room.roster.find((p) => p.id === room.self.id);
}

/** Whether this page's own people lead. */
export function leadsNow(room: Room): boolean {
  return room.lesson.leads === room.self.id;
}

/** This participant's open microphone, when it has the floor. */
export function speakerOf(room: Room, id: ParticipantId): FloorInfo['speakers'][number] | undefined {
  return room.floor.speakers.find((speaker) => speaker.participant === id);
}

export function receivers(room: Room): Participant[] {
  return room.roster.filter((p) => p.role === 'receiver');
}

/** Seconds since 上课 at `now`; 0 before it. */
export function runningSeconds(room: Room, now: number): number {
  if (room.lesson.state === 'scheduled') return 0;
  const since = room.lesson.state === 'live' ? (now - room.lessonHeardAt) / 1000 : 0;
  return Math.floor(room.lesson.runningSeconds + since);
}

function complained(room: Room, participant: ParticipantId, kind: Complaint['kind'], at: number): Room {
  const others = room.complaints.filter((c) => c.participant !== participant || c.kind !== kind);
  return { ...room, complaints: [...others, { participant, kind, at }] };
}

/** Keeps everybody's place, so that lists do not jump when somebody's state changes. */
function replaced(roster: readonly Participant[], next: Participant): Participant[] {
  const index = roster.findIndex((p) => p.id === next.id);
  if (index < 0) return [...roster, next];
  return roster.map((p, i) => (i === index ? next : p));
}
