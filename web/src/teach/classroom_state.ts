/** A classroom's state in one word for the lead, the most pressing one first. */
import type { LinkState, Participant } from '../client/protocol.gen';
import type { Key } from '../i18n';
import type { Tone } from '../ui/lamp';

const LINK_WORDS: Record<Exclude<LinkState, 'good'>, Key> = {
  lossy: 'stateLossy',
  reduced: 'stateReduced',
  sound_only: 'stateSoundOnly',
  connecting: 'stateConnecting',
  silent: 'stateSilent',
};

/** `link`: what its line does; `null` where that is not known. */
export function classroomState(
  participant: Participant,
  link: LinkState | null = null,
): { tone: Tone; word: Key } {
  if (participant.presence === 'away') return { tone: 'lost', word: 'stateAway' };
  if (link === 'silent') return { tone: 'lost', word: LINK_WORDS.silent };
  if (link === 'connecting') return { tone: 'attention', word: LINK_WORDS.connecting };
  if (!participant.state.sound) return { tone: 'attention', word: 'stateNoSound' };
  if (participant.state.hidden) return { tone: 'attention', word: 'stateHidden' };
  if (participant.state.stuck) return { tone: 'attention', word: 'stateStuck' };
  if (link !== null && link !== 'good') return { tone: 'attention', word: LINK_WORDS[link] };
  if (participant.state.weak) return { tone: 'attention', word: 'stateWeak' };
  if (link === null) return { tone: 'good', word: 'stateOnline' };
  return { tone: 'good', word: 'stateClear' };
}

/** Its microphone: `none` when it has no such source at all. */
export function classroomMic(participant: Participant): 'open' | 'closed' | 'none' {
  const has = participant.state.mic || participant.sources.some((source) => source.kind === 'mic');
  if (!has) return 'none';
  return participant.state.mic && !participant.muted.includes('mic') ? 'open' : 'closed';
}
