/** "你们正在发言": the frame around everything, the sentence at the top, and what the mic does. */
import { findLead, leadsNow, type Room, speakerOf } from '../client/room';
import { type Key, t } from '../i18n';
import { MicIcon } from '../ui/icons';
import { useStore } from '../ui/use_store';
import type { Board } from './board';

/** Whether it is this classroom's turn, and whose guest it is then. */
export function turnOf(room: Room | null): 'floor' | 'lead' | null {
  if (room?.lesson.state !== 'live') return null;
  if (leadsNow(room)) return 'lead';
  return speakerOf(room, room.self.id) ? 'floor' : null;
}

export function Turn(props: { board: Board; turn: 'floor' | 'lead' }) {
  const { board, turn } = props;
  const mic = useStore(board.mic.state);
  const room = useStore(board.client.room);
  const kept = board.ownMic.kept.value;
  const silent = kept || mic.track === null;
  const lead = room ? findLead(room) : undefined;
  const word: Key = turn === 'lead' ? 'boardLeading' : 'boardSpeaking';
  return (
    <>
      <div class={`turn-frame ${silent ? 'silent' : ''}`} data-testid="turn" data-turn={turn} />
      <div class={`turn-words ${silent ? 'silent' : ''}`} role="status">
        <p class="turn-title">
          <MicIcon off={silent} />
          {t(silent ? 'boardAsked' : word, { name: lead?.name ?? '' })}
        </p>
        {silent && <p class="turn-text">{t(kept ? 'boardKept' : 'boardNoMic')}</p>}
      </div>
    </>
  );
}
