/**
 * A link's figures as one verdict. Speech is understood up to about 3 % loss and conversation flows
 * up to about 250 ms round trip; past 10 % or 600 ms a lesson suffers.
 */
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
