/**
 * How long sound waits before it is played, as a hint to the browser: `RTCRtpReceiver.jitterBufferTarget`
 * (W3C WebRTC Extensions, Chromium ≥ 124; ignored where it is missing).
 *
 * A browser's own buffer follows the delays that it saw lately: after a quiet half minute it is short
 * again, and the next burst of a shared rural line is heard as a gap. On a bad line the wait is therefore
 * held at what a repair takes: a round trip, and four times the mean deviation of arrivals (the margin
 * that TCP gives a retransmission, RFC 6298 §2.3). The lead's picture waits with her voice (same msid), so
 * its repeated packets come in time as well. A long way alone is no reason: it would be longer for nothing.
 */
import type { LinkState } from './protocol.gen';

const LEAST_MS = 150;
const MOST_MS = 400;
/** Targets in steps, so that the browser does not stretch sound for every wobble. */
const STEP_MS = 50;
const GOOD_FOR_MS = 30_000;
/** Mean deviation of arrivals (RFC 3550 §6.4.1) on a quiet line is below 10 ms. */
const HIGH_JITTER_MS = 30;
/** Share of played sound that the browser made up; a second or two of it are heard. */
const HEARD = 0.02;

/** What this page saw of its line in the last second. */
export interface Seen {
  state: LinkState | null;
  rttMs: number | null;
  /** The worst of the sounds that arrive; `null`: none does. */
  jitterMs: number | null;
  /** 0–1, silence not counted. */
  concealed: number;
}

export interface Playout {
  /** ms; `null`: as the browser likes. */
  target: number | null;
  /** `performance.now()` since which the line has been good. */
  goodSince: number | null;
}

export const AS_IT_LIKES: Playout = { target: null, goodSince: null };

/** The target after one more second. Rises at once, and ends after 30 s without a reason. */
export function follow(before: Playout, seen: Seen, now: number): Playout {
  const { state, rttMs, jitterMs, concealed } = seen;
  const gaps = concealed >= HEARD;
  const bad =
    state === 'lossy' || state === 'reduced' || state === 'sound_only' || (jitterMs ?? 0) >= HIGH_JITTER_MS;
  if (!bad && !gaps) {
    if (before.target === null) return AS_IT_LIKES;
    const goodSince = before.goodSince ?? now;
    return now - goodSince >= GOOD_FOR_MS ? AS_IT_LIKES : { ...before, goodSince };
  }
  const needed = (rttMs ?? 0) + 4 * (jitterMs ?? 0);
  // Gaps although it waited already: what is known of the line says too little of it.
  const longer = gaps && before.target !== null ? before.target + STEP_MS : 0;
  const target = Math.max(before.target ?? LEAST_MS, longer, Math.ceil(needed / STEP_MS) * STEP_MS);
  return { target: Math.min(MOST_MS, target), goodSince: null };
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
