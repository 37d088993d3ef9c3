/**
 * How long sound and pictures wait before they are played, as a hint to the browser:
 * `RTCRtpReceiver.jitterBufferTarget` (W3C WebRTC Extensions, Chromium ≥ 124; ignored where it is missing).
 *
 * A browser's own buffer covers most of the delays that it saw in the last seconds: after a quiet moment
 * it is short again, and the next hold-up of a shared rural line is heard as a gap. On a bad line the wait
 * is therefore kept at what would have been enough: what was waited plus the gap that was noticed; and at
 * what a repair takes: a round trip and four times the mean deviation of arrivals (the margin that TCP
 * gives a retransmission, RFC 6298 §2.3). A long way alone is no reason: it would be longer for nothing.
 *
 * Pictures need longer: one lost packet of many stops them all, and its repetition may be lost as well.
 * The lead's voice waits with her picture (same msid), which nobody minds who only listens; who speaks
 * with her does, and gets pictures as they come.
 */
import type { Sample, StreamSample } from './peer';
import type { LinkState } from './protocol.gen';

export interface Bounds {
  leastMs: number;
  mostMs: number;
  /** It begins here, and grows by so much a second. */
  firstMs: number;
  riseMs: number;
}
export const SOUND: Bounds = { leastMs: 150, mostMs: 400, firstMs: 400, riseMs: Number.POSITIVE_INFINITY };
/** A second repetition, at a round trip of 100 to 200 ms. A leap would make the picture stand once more. */
export const PICTURES: Bounds = { leastMs: 500, mostMs: 700, firstMs: 200, riseMs: 100 };
/** Targets in steps, so that the browser does not stretch sound for every wobble. */
const STEP_MS = 50;
const GOOD_FOR_MS = 30_000;
/** A line that is bad again so soon only looked good because sound waited: then it waits twice as long. */
const RELAPSE_MS = 60_000;
const LONGEST_GOOD_MS = 240_000;
/** Mean deviation of arrivals (RFC 3550 §6.4.1) on a quiet line is below 10 ms. */
const HIGH_JITTER_MS = 30;
/** A line that loses something every few seconds; once in a while is no reason. */
const LOSSES = 2;
const LOSSES_FADE = 0.9;
/** A picture that stood for longer was not kept by one lost packet: waiting would not have helped. */
const BRIDGED_MS = 2_000;
/** Made-up sound that is heard as a gap. A picture that stands counts from 150 ms on. */
const GAP_MS = 20;

/** What this page saw of its line in the last second. */
export interface Seen {
  state: LinkState | null;
  rttMs: number | null;
  /** The worst of the sounds that arrive; `null`: none does. */
  jitterMs: number | null;
  /** What was missing of the worst stream, and how long it waited otherwise. */
  gapMs: number;
  waitedMs: number;
  /** Something was asked for again of which a repetition helps: pictures. */
  asked: boolean;
}

export interface Playout {
  /** ms; `null`: as the browser likes. */
  target: number | null;
  /** `performance.now()` since which the line has been good. */
  goodSince: number | null;
  /** How long it must be good until the target ends. */
  goodFor: number;
  /** When the last target ended. */
  ended: number;
  /** Seconds in which something was asked for again, older ones count less. */
  losses: number;
}

export const AS_IT_LIKES: Playout = {
  target: null,
  goodSince: null,
  goodFor: GOOD_FOR_MS,
  ended: Number.NEGATIVE_INFINITY,
  losses: 0,
};

/** The target after one more second. Rises at once, and ends after 30 s without a reason, or more. */
export function follow(before: Playout, seen: Seen, now: number, bounds: Bounds = SOUND): Playout {
  const { state, rttMs, jitterMs, gapMs, waitedMs } = seen;
  const losses = before.losses * LOSSES_FADE + (seen.asked ? 1 : 0);
  const gap = gapMs >= GAP_MS;
  const told = state === 'lossy' || state === 'reduced' || state === 'sound_only';
  const bad = told || (jitterMs ?? 0) >= HIGH_JITTER_MS || losses >= LOSSES;
  if (!bad && !gap) {
    if (before.target === null) return { ...before, losses };
    const goodSince = before.goodSince ?? now;
    if (now - goodSince < before.goodFor) return { ...before, losses, goodSince };
    return { ...before, losses, target: null, goodSince: null, ended: now };
  }
  const needed = Math.max((rttMs ?? 0) + 4 * (jitterMs ?? 0), gap ? waitedMs + gapMs : 0);
  const wanted = Math.max(bounds.leastMs, before.target ?? 0, Math.ceil(needed / STEP_MS) * STEP_MS);
  const reached = before.target === null ? bounds.firstMs : before.target + bounds.riseMs;
  const target = Math.min(bounds.mostMs, wanted, reached);
  let { goodFor } = before;
  if (before.target === null) {
    goodFor = now - before.ended < RELAPSE_MS ? Math.min(LONGEST_GOOD_MS, 2 * goodFor) : GOOD_FOR_MS;
  }
  return { ...before, losses, target, goodSince: null, goodFor };
}

/** What happened to sounds between two samples, the worst of all; those of which nothing came say nothing. */
export function heard(before: Sample | null, after: Sample, state: LinkState | null): Seen {
  const pairs = flowing(before?.sounds, after.sounds);
  const jitterMs = pairs.length > 0 ? Math.max(...pairs.map(([, sound]) => sound.jitterMs)) : null;
  return { state, rttMs: after.rttMs, jitterMs, asked: false, ...worst(pairs) };
}

/**
 * The same of pictures, on a line of which `sound` was heard: their own deviation says how large they are.
 * One that stood although nothing was missing stood at its sender; and so did a slide that stood for long.
 */
export function watched(before: Sample | null, after: Sample, sound: Seen): Seen {
  const pairs = flowing(before?.pictures, after.pictures).filter(([was, is]) => is.asked > was.asked);
  // A thin line that loses nothing has nothing to wait for.
  const state = sound.state === 'lossy' ? sound.state : null;
  const short = pairs.filter(([was, is]) => is.gapMs - was.gapMs <= BRIDGED_MS);
  return { ...sound, state, asked: pairs.length > 0, ...worst(short) };
}

type Pair = readonly [was: StreamSample, is: StreamSample];

function flowing(before: readonly StreamSample[] = [], after: readonly StreamSample[]): Pair[] {
  const pairs = after.map((is) => [before.find((was) => was.id === is.id), is] as const);
  return pairs.filter((pair): pair is Pair => pair[0] !== undefined && pair[0].packets !== pair[1].packets);
}

function worst(pairs: readonly Pair[]): { gapMs: number; waitedMs: number } {
  let worst = { gapMs: 0, waitedMs: 0 };
  for (const [was, is] of pairs) {
    const gapMs = is.gapMs - was.gapMs;
    if (gapMs <= worst.gapMs) continue;
    const emitted = is.emitted - was.emitted;
    worst = { gapMs, waitedMs: emitted > 0 ? (is.waitedMs - was.waitedMs) / emitted : 0 };
  }
  return worst;
}

type Hinted = RTCRtpReceiver & { jitterBufferTarget?: number | null };

/** Tells the browser; one that knows no such hint, or refuses, goes on as before. */
export function hint(receiver: RTCRtpReceiver, target: number | null): void {
  const hinted: Hinted = receiver;
  if (!('jitterBufferTarget' in hinted) || hinted.jitterBufferTarget === target) return;
  try {
    hinted.jitterBufferTarget = target;
  } catch {
    // Out of the range that this browser allows.
  }
}
