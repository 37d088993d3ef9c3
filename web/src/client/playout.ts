/**
 * How long sound waits before it is played, as a hint to the browser: `RTCRtpReceiver.jitterBufferTarget`
 * (W3C WebRTC Extensions, Chromium ≥ 124; ignored where it is missing).
 *
 * A browser's own buffer covers most of the delays that it saw in the last seconds: after a quiet moment
 * it is short again, and the next hold-up of a shared rural line is heard as a gap. On a bad line the wait
 * is therefore kept at what would have been enough: what was waited plus the gap that was heard; and at
 * what a repair takes: a round trip and four times the mean deviation of arrivals (the margin that TCP
 * gives a retransmission, RFC 6298 §2.3). The lead's picture waits with her voice (same msid), so its
 * repeated packets come in time as well. A long way alone is no reason: it would be longer for nothing.
 */
import type { Sample } from './peer';
import type { LinkState } from './protocol.gen';

const LEAST_MS = 150;
const MOST_MS = 400;
/** Targets in steps, so that the browser does not stretch sound for every wobble. */
const STEP_MS = 50;
const GOOD_FOR_MS = 30_000;
/** A line that is bad again so soon only looked good because sound waited: then it waits twice as long. */
const RELAPSE_MS = 60_000;
const LONGEST_GOOD_MS = 240_000;
/** Mean deviation of arrivals (RFC 3550 §6.4.1) on a quiet line is below 10 ms. */
const HIGH_JITTER_MS = 30;
/** Of Opus, whatever was spoken into it (RFC 7587 §4.1). */
const SAMPLES_PER_SECOND = 48_000;
/** Made-up sound that is heard as a gap. */
const GAP_MS = 20;

/** What this page saw of its line in the last second. */
export interface Seen {
  state: LinkState | null;
  rttMs: number | null;
  /** The worst of the sounds that arrive; `null`: none does. */
  jitterMs: number | null;
  /** Sound that the browser made up where somebody spoke, and how long sound waited otherwise. */
  gapMs: number;
  waitedMs: number;
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
}

export const AS_IT_LIKES: Playout = {
  target: null,
  goodSince: null,
  goodFor: GOOD_FOR_MS,
  ended: Number.NEGATIVE_INFINITY,
};

/** The target after one more second. Rises at once, and ends after 30 s without a reason, or more. */
export function follow(before: Playout, seen: Seen, now: number): Playout {
  const { state, rttMs, jitterMs, gapMs, waitedMs } = seen;
  const gap = gapMs >= GAP_MS;
  const bad =
    state === 'lossy' || state === 'reduced' || state === 'sound_only' || (jitterMs ?? 0) >= HIGH_JITTER_MS;
  if (!bad && !gap) {
    if (before.target === null) return before;
    const goodSince = before.goodSince ?? now;
    const over = now - goodSince >= before.goodFor;
    return over ? { ...before, target: null, goodSince: null, ended: now } : { ...before, goodSince };
  }
  const needed = Math.max((rttMs ?? 0) + 4 * (jitterMs ?? 0), gap ? waitedMs + gapMs : 0);
  const target = Math.max(before.target ?? LEAST_MS, Math.ceil(needed / STEP_MS) * STEP_MS);
  let { goodFor } = before;
  if (before.target === null) {
    goodFor = now - before.ended < RELAPSE_MS ? Math.min(LONGEST_GOOD_MS, 2 * goodFor) : GOOD_FOR_MS;
  }
  return { ...before, target: Math.min(MOST_MS, target), goodSince: null, goodFor };
}

/** What happened between two samples, the worst sound of all; those of which nothing came say nothing. */
export function seen(before: Sample | null, after: Sample, state: LinkState | null): Seen {
  const out: Seen = { state, rttMs: after.rttMs, jitterMs: null, gapMs: 0, waitedMs: 0 };
  for (const sound of after.sounds) {
    const was = before?.sounds.find((s) => s.id === sound.id);
    if (!was || sound.packets === was.packets) continue;
    out.jitterMs = Math.max(out.jitterMs ?? 0, sound.jitterMs);
    const gap = (1000 * (sound.concealed - was.concealed)) / SAMPLES_PER_SECOND;
    if (gap <= out.gapMs) continue;
    const emitted = sound.emitted - was.emitted;
    out.gapMs = gap;
    out.waitedMs = emitted > 0 ? (1000 * (sound.waited - was.waited)) / emitted : 0;
  }
  return out;
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
