/** A classroom's state in one word for the lead, the most pressing one first. */
import type { Participant } from '../client/protocol.gen';
import type { Key } from '../i18n';
import type { Tone } from '../ui/lamp';

export function classroomState(participant: Participant): { tone: Tone; word: Key } {
  if (participant.presence === 'away') return { tone: 'lost', word: 'stateAway' };
  if (!participant.state.sound) return { tone: 'attention', word: 'stateNoSound' };
  if (participant.state.hidden) return { tone: 'attention', word: 'stateHidden' };
  return { tone: 'good', word: 'stateOnline' };
}

/** Its microphone: `none` when it has no such source at all. */
export function classroomMic(participant: Participant): 'open' | 'closed' | 'none' {
  const has = participant.state.mic || participant.sources.some((source) => source.kind === 'mic');
  if (!has) return 'none';
  return participant.state.mic && !participant.muted.includes('mic') ? 'open' : 'closed';
}
