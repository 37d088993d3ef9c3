/** The one state of a page, from which everything on screen follows. */
import { findLead, type Room } from '../client/room';
import type { SignalState } from '../client/signal';

export type PageState =
  | 'no-token'
  | 'preflight'
  | 'connecting'
  | 'waiting'
  | 'live'
  | 'teacher-away'
  | 'reconnecting'
  | 'replaced'
  | 'kicked'
  | 'ended'
  | 'left'
  | 'refused'
  | 'unsupported'
  | 'insecure';

/** For pages that watch a lesson. Being cut off outranks what the lesson did last. */
export function watcherState(signal: SignalState, room: Room | null): PageState {
  if (signal.phase === 'over') return signal.end.kind;
  if (room?.lesson.state === 'ended') return 'ended';
  if (signal.phase !== 'joined') {
    if (signal.phase === 'connecting' && signal.before) return 'reconnecting';
    // A lesson that its lead has not opened yet is one to wait for.
    if (signal.phase === 'connecting' && signal.error) return 'waiting';
    return 'connecting';
  }
  if (!room) return 'connecting';
  if (room.lesson.state === 'scheduled') return 'waiting';
  return findLead(room)?.presence === 'online' ? 'live' : 'teacher-away';
}
