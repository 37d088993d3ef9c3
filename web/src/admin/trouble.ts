/** What is wrong with a participant or a lesson, worst first, as a cause in words. */
import type { LessonOverview, LinkState, ParticipantOverview } from '../client/protocol.gen';
import type { Key } from '../i18n';
import type { Tone } from '../ui/lamp';

export interface Trouble {
  /** Greater is worse; 0 is none. */
  weight: number;
  tone: Tone;
  word: Key;
  values?: Record<string, number>;
}

/** What a line takes away; where it only loses, the share is said below. */
const LINK: Partial<Record<LinkState, Trouble>> = {
  silent: { weight: 55, tone: 'lost', word: 'troubleSilent' },
  sound_only: { weight: 45, tone: 'lost', word: 'troubleSoundOnly' },
  reduced: { weight: 30, tone: 'attention', word: 'troubleReduced' },
};

const NONE: Trouble = { weight: 0, tone: 'good', word: 'troubleNone' };

export function participantTrouble(entry: ParticipantOverview): Trouble {
  const { participant, link } = entry;
  const lead = participant.role === 'lead';
  if (participant.presence === 'away') {
    return lead
      ? { weight: 90, tone: 'lost', word: 'troubleLeadAway' }
      : { weight: 60, tone: 'lost', word: 'troubleAway' };
  }
  if (participant.role === 'admin') return NONE;
  if (!link) return { weight: 50, tone: 'lost', word: 'troubleNoMedia' };
  const loss = Math.max(link.lossDown, link.lossUp);
  const taken = LINK[link.state];
  if (taken && (taken.weight > 40 || loss <= 0.1)) return taken;
  if (loss > 0.03) {
    const values = { n: Math.round(loss * 100) };
    const tone: Tone = loss > 0.1 ? 'lost' : 'attention';
    return { weight: loss > 0.1 ? 40 : 20, tone, word: 'troubleLoss', values };
  }
  if (link.rttMs !== null && link.rttMs > 600) {
    return { weight: 15, tone: 'attention', word: 'troubleSlow', values: { ms: link.rttMs } };
  }
  if (participant.role === 'receiver' && !participant.state.sound) {
    return { weight: 10, tone: 'attention', word: 'troubleNoSound' };
  }
  return NONE;
}

export interface LessonTrouble extends Trouble {
  /** Whose it is, where it is somebody's. */
  who?: string;
  /** How many others have one. */
  more: number;
}

/** The worst of a lesson; one that has not begun is neither good nor bad, and stands below. */
export function lessonTrouble({ lesson, participants }: LessonOverview): LessonTrouble {
  const all = participants
    .map((entry) => ({ ...participantTrouble(entry), who: entry.participant.name }))
    .filter((trouble) => trouble.weight > 0);
  const lead = participants.some((p) => p.participant.role === 'lead');
  if (lesson.state === 'live' && !lead) {
    return { weight: 95, tone: 'lost', word: 'troubleLeadMissing', more: all.length };
  }
  const [worst] = worstFirst(
    all,
    (trouble) => trouble.weight,
    (trouble) => trouble.who,
  );
  if (worst) return { ...worst, more: all.length - 1 };
  if (lesson.state === 'scheduled') return { weight: -1, tone: 'calm', word: 'stateScheduled', more: 0 };
  return { ...NONE, more: 0 };
}

/** Worst first; equal ones keep an order that does not change while figures do. */
export function worstFirst<T>(
  items: readonly T[],
  weight: (item: T) => number,
  id: (item: T) => string,
): T[] {
  return items.slice().sort((a, b) => weight(b) - weight(a) || (id(a) < id(b) ? -1 : 1));
}
