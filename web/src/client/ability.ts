/**
 * Whether this machine can decode what it gets, and what it asks for when it cannot. Old boards have
 * weak processors: from outside such a board looks well, and its pictures stutter.
 *
 * It is measured, never guessed from a name or a year: how much of the time its slowest decoder is busy
 * (decode time of a frame against the frames' interval, W3C webrtc-stats `totalDecodeTime`), and which
 * share of the frames that came it dropped. Drops alone count only on a good line, because losses make
 * drops as well. Three bad looks in a row take one step down; a step up is tried after a minute, and
 * twice as late each time that it turns out to have been too much.
 */

/** How often statistics are looked at. */
export const LOOK_MS = 2_000;
/** Steps from all that there is (0) to two small pictures. */
export const MOST = 4;

const BUSY = 0.75;
const DROPPED = 0.2;
/** Fewer frames in a look than this tell nothing of a share. */
const FEW = 5;
const BAD_LOOKS = 3;
/** What was asked for comes with a key frame; until then the old picture is measured. */
const SETTLE_MS = 6_000;
const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 15 * 60_000;
/** A step up that is bad within this time was too much. */
const PROBE_MS = 30_000;

/** Counts of one receiving picture since its connection began. */
export interface Decoded {
  id: string;
  received: number;
  dropped: number;
  /** Seconds. */
  decodeTime: number;
}

/** What happened between two looks, the worst of all pictures. */
export interface Load {
  /** Share of the time that the decoder worked, 0–1 and above. */
  busy: number;
  /** Share of frames that were dropped, 0–1. */
  dropped: number;
}

export interface Ability {
  /** 0: everything. */
  level: number;
  bad: number;
  /** `performance.now()` of the last step. */
  since: number;
  /** Whether the last step was one up, to see whether it goes. */
  probing: boolean;
  /** How long until the next step up is tried, ms. */
  wait: number;
}

export const ABLE: Ability = {
  level: 0,
  bad: 0,
  since: Number.NEGATIVE_INFINITY,
  probing: false,
  wait: FIRST_WAIT_MS,
};

/** The load between two looks that are `seconds` apart. */
export function load(before: readonly Decoded[], after: readonly Decoded[], seconds: number): Load {
  const out: Load = { busy: 0, dropped: 0 };
  for (const now of after) {
    const was = before.find((line) => line.id === now.id);
    const received = was ? now.received - was.received : 0;
    if (!was || received < FEW || seconds <= 0) continue;
    out.busy = Math.max(out.busy, (now.decodeTime - was.decodeTime) / seconds);
    out.dropped = Math.max(out.dropped, (now.dropped - was.dropped) / received);
  }
  return out;
}

/** The state after one more look; `goodLine`: what is lost, is not lost on the way. */
export function follow(before: Ability, { busy, dropped }: Load, goodLine: boolean, now: number): Ability {
  if (now - before.since < SETTLE_MS) return before;
  if (busy >= BUSY || (goodLine && dropped >= DROPPED)) {
    const bad = before.bad + 1;
    if (bad < BAD_LOOKS || before.level === MOST) return { ...before, bad: Math.min(bad, BAD_LOOKS) };
    const relapse = before.probing && now - before.since < PROBE_MS;
    const wait = relapse ? Math.min(LONGEST_WAIT_MS, 2 * before.wait) : before.wait;
    return { level: before.level + 1, bad: 0, since: now, probing: false, wait };
  }
  if (before.level === 0 || now - before.since < before.wait) return { ...before, bad: 0 };
  return { ...before, level: before.level - 1, bad: 0, since: now, probing: true };
}

export type Picture = 'lead' | 'content' | 'other';

/** The best layer that is asked for, of a picture of this kind; 2 is the best there is. */
export function bestLayer(level: number, picture: Picture): number {
  // Of content every layer has all letters; the small one has fewer frames.
  if (picture === 'content') return level >= 3 ? 0 : 2;
  if (picture === 'other') return level >= 1 ? 0 : 2;
  return level >= 2 ? 0 : level >= 1 ? 1 : 2;
}

/** How many pictures at all; `null`: as many as the server has. The lead's and content come first. */
export function mostPictures(level: number): number | null {
  return level >= MOST ? 2 : null;
}
