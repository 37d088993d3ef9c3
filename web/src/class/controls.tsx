/** The bottom edge: who we are and how it goes (always there), and four large buttons (fading). */
import { useState } from 'preact/hooks';
import { type Key, t } from '../i18n';
import type { PageState } from '../page/state';
import { LeaveIcon, MicIcon, SelfIcon } from '../ui/icons';
import { Lamp, type Tone } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import { boardLink, linkTone } from '../ui/link_words';
import { useSteady } from '../ui/steady';
import { useStore } from '../ui/use_store';
import type { Board } from './board';

export interface ControlsProps {
  board: Board;
  state: PageState;
  selfShown: boolean;
  onSelf: () => void;
  hasPeer: boolean;
}

export function Controls(props: ControlsProps) {
  const { board } = props;
  const room = useStore(board.client.room);
  const mic = useStore(board.mic.state);
  const camera = useStore(board.camera.state);
  const [leaving, setLeaving] = useState(false);
  const status = useStatus(props);
  const micOpen = board.ownMic.open.value && mic.track !== null;
  const closed = board.ownMic.closedByTeacher.value;
  return (
    <footer class="board-bar">
      <div class="board-who">
        <p class="board-name">{room?.self.name}</p>
        <p class="board-status" data-testid="status">
          <Lamp tone={status.tone} word={status.word} />
          {mic.track && (
            <span class={`board-mic ${micOpen ? 'open' : ''}`}>
              <MicIcon off={!micOpen} />
              {t(micOpen ? 'weSpeak' : closed ? 'mutedByTeacher' : 'weMuted')}
            </span>
          )}
        </p>
      </div>
      <div class="board-controls">
        {leaving ? (
          <>
            <button type="button" class="button tall danger" onClick={() => board.client.leave()}>
              {t('confirmLeave')}
            </button>
            <button type="button" class="button tall" onClick={() => setLeaving(false)}>
              {t('stay')}
            </button>
          </>
        ) : (
          <>
            {mic.track && (
              <button
                type="button"
                class={`button tall ${micOpen ? 'active' : ''}`}
                data-testid="mic"
                disabled={closed}
                aria-pressed={micOpen}
                onClick={() => board.ownMic.toggle()}
              >
                <MicIcon off={!micOpen} />
                {t(micOpen ? 'mute' : 'openOurMic')}
              </button>
            )}
            {camera.track && (
              <button type="button" class="button tall" aria-pressed={props.selfShown} onClick={props.onSelf}>
                <SelfIcon />
                {t(props.selfShown ? 'hideSelf' : 'selfPicture')}
              </button>
            )}
            {props.state !== 'waiting' && <LanguageSwitch />}
            <button type="button" class="button tall" data-testid="leave" onClick={() => setLeaving(true)}>
              <LeaveIcon />
              {t('leaveLesson')}
            </button>
          </>
        )}
      </div>
    </footer>
  );
}

function useStatus({ board, state }: ControlsProps): { tone: Tone; word: string } {
  const media = useStore(board.client.media.state);
  const room = useStore(board.client.room);
  const link = useSteady(room?.link ? boardLink(room.link) : 'linkGood');
  const say = (tone: Tone, key: Key) => ({ tone, word: t(key) });
  if (state === 'reconnecting') return say('attention', 'reconnectingTitle');
  if (media === 'blocked') return say('lost', 'boardBlocked');
  if (media === 'repairing') return say('attention', 'boardMediaRepairing');
  if (media === 'connecting' || media === 'none') return say('calm', 'mediaConnecting');
  if (!board.secure) return say('attention', 'boardInsecure');
  return say(linkTone(link), link);
}
