/**
 * A line in words. What it does to pictures is the server's to say (`state`), because it decides what a
 * line carries; where it does nothing, the figures are judged: speech is understood up to about 3 % loss
 * and conversation flows up to about 250 ms round trip; past 10 % or 600 ms a lesson suffers.
 */
import type { LinkCause, LinkState } from '../client/protocol.gen';
import type { Key } from '../i18n';
import type { Tone } from './lamp';

export interface LinkFigures {
  rttMs: number | null;
  lossDown: number;
  lossUp: number;
}

export type Verdict = 'good' | 'fair' | 'poor';

export function judgeLink(link: LinkFigures): Verdict {
  const loss = Math.max(link.lossDown, link.lossUp);
  const rtt = link.rttMs ?? 0;
  if (loss > 0.1 || rtt > 600) return 'poor';
  if (loss > 0.03 || rtt > 250) return 'fair';
  return 'good';
}

export const VERDICT_TONE: Record<Verdict, Tone> = { good: 'good', fair: 'attention', poor: 'lost' };
export const VERDICT_WORD = { good: 'linkGood', fair: 'linkFair', poor: 'linkPoor' } as const;

/** Each state's sentence for the classroom itself; `good` is told by the figures. */
const BOARD_WORD: Record<Exclude<LinkState, 'good'>, Key> = {
  lossy: 'boardLossy',
  reduced: 'boardReduced',
  sound_only: 'boardSoundOnly',
  connecting: 'mediaConnecting',
  silent: 'boardMediaRepairing',
};

export function boardLink(link: LinkFigures & { state: LinkState }): Key {
  return link.state === 'good' ? VERDICT_WORD[judgeLink(link)] : BOARD_WORD[link.state];
}

const TONES: Partial<Record<Key, Tone>> = { linkGood: 'good', linkPoor: 'lost' };

/** A line that is coped with deserves attention; only one that is not is lost. */
export function linkTone(word: Key): Tone {
  return TONES[word] ?? 'attention';
}

/** Losses from which what is sent arrives with holes. */
const LOSSY_UP = 0.05;

/** The lead's own line: what goes up first, because every classroom gets that. */
export function leadLink(link: LinkFigures & { state: LinkState }, uplinkLimited: boolean): Key {
  if (link.lossUp >= LOSSY_UP) return 'uplinkLossy';
  if (uplinkLimited) return 'uplinkSlow';
  if (link.state === 'lossy') return 'downlinkLossy';
  if (link.state !== 'good') return 'downlinkSlow';
  return VERDICT_WORD[judgeLink(link)];
}

/** Where a picture stands: on the stage, small beside it, or on the lead's wall, where it is her line. */
export type Place = 'large' | 'small' | 'wall';

/** Why a picture stands still, over it; `covered`: it never came. */
export function pausedWord(place: Place, cause: LinkCause | null, covered: boolean): Key {
  if (place === 'wall') return covered ? 'wallNeverCame' : 'wallPaused';
  if (covered) return cause === 'loss' ? 'neverCameLoss' : 'neverCameSlow';
  if (place === 'small') return cause === 'loss' ? 'smallPausedLoss' : 'smallPausedSlow';
  return cause === 'loss' ? 'pausedLoss' : 'pausedSlow';
}
