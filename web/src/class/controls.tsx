/**
 * The bottom edge: who we are and how it goes (always there), and large buttons (fading): what a class
 * needs in a lesson first, the rest behind one more tap.
 */
import { useState } from 'preact/hooks';
import type { Trouble } from '../client/protocol.gen';
import { type Key, t } from '../i18n';
import type { PageState } from '../page/state';
import {
  BackIcon,
  EarIcon,
  EyeIcon,
  HandIcon,
  LeaveIcon,
  MicIcon,
  MoreIcon,
  PeopleIcon,
  PhoneIcon,
  SelfIcon,
} from '../ui/icons';
import { Lamp, type Tone } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import { boardLink, linkTone } from '../ui/link_words';
import { useSteady } from '../ui/steady';
import { useStore } from '../ui/use_store';
import type { Board } from './board';
import { useBack } from './remote_keys';
import { turnOf } from './turn';

export interface ControlsProps {
  board: Board;
  state: PageState;
  selfShown: boolean;
  onSelf: () => void;
}

export function Controls(props: ControlsProps) {
  const { board } = props;
  const room = useStore(board.client.room);
  const mic = useStore(board.mic.state);
  const [row, setRow] = useState<'main' | 'more' | 'leaving'>('main');
  const status = useStatus(props);
  useBack(row !== 'main', () => setRow('main'));
  const micOpen = board.ownMic.open.value && mic.track !== null;
  const kept = board.ownMic.kept.value;
  const watches = room?.self.role === 'observer';
  return (
    <footer class="board-bar">
      <div class="board-who">
        <p class="board-name">{room?.self.name}</p>
        <p class="board-status" data-testid="status">
          <Lamp tone={status.tone} word={status.word} />
          {watches && <span class="board-mic">{t('weWatch')}</span>}
          {mic.track && (
            <span class={`board-mic ${micOpen ? 'open' : ''}`}>
              <MicIcon off={!micOpen} />
              {t(micOpen ? 'weSpeak' : kept ? 'weKept' : 'weWait')}
            </span>
          )}
        </p>
      </div>
      <div class="board-controls">
        {row === 'leaving' && (
          <>
            <button type="button" class="button tall danger" onClick={() => board.client.leave()}>
              {t('confirmLeave')}
            </button>
            <button type="button" class="button tall" onClick={() => setRow('main')}>
              {t('stay')}
            </button>
          </>
        )}
        {row === 'more' && (
          <More {...props} onLeave={() => setRow('leaving')} onBack={() => setRow('main')} />
        )}
        {row === 'main' && (
          <>
            {props.state !== 'waiting' && !watches && <InLesson board={board} />}
            <button
              type="button"
              class="button tall"
              data-testid="more"
              aria-label={t('moreMenu')}
              onClick={() => setRow('more')}
            >
              <MoreIcon />
            </button>
          </>
        )}
      </div>
    </footer>
  );
}

/** What a class needs while it listens or speaks. */
function InLesson({ board }: { board: Board }) {
  const room = useStore(board.client.room);
  const mic = useStore(board.mic.state);
  const kept = board.ownMic.kept.value;
  const turn = turnOf(room);
  const place = room?.floor.place ?? null;
  return (
    <>
      {turn ? (
        <button
          type="button"
          class="button tall"
          data-testid="end-turn"
          onClick={() => void board.endTurn(turn === 'lead')}
        >
          {t(turn === 'lead' ? 'giveBackLead' : 'endOwnFloor')}
        </button>
      ) : (
        <button
          type="button"
          class={`button tall ${place !== null ? 'raised' : ''}`}
          data-testid="hand"
          aria-pressed={place !== null}
          onClick={() => void board.toggleHand()}
        >
          <HandIcon />
          {place === null ? t('raiseHand') : t('handRaised', { n: place })}
        </button>
      )}
      {mic.track && (
        <button
          type="button"
          class={`button tall ${kept ? 'active' : ''}`}
          data-testid="mic"
          aria-pressed={kept}
          onClick={() => board.ownMic.toggle()}
        >
          <MicIcon off={kept} />
          {t(kept ? 'unkeepMic' : 'keepMic')}
        </button>
      )}
      {turn !== 'lead' && (
        <>
          <Complaint board={board} kind="cannot_hear" word="cannotHear" />
          <Complaint board={board} kind="cannot_see" word="cannotSee" />
        </>
      )}
    </>
  );
}

function Complaint(props: { board: Board; kind: Trouble; word: Key }) {
  const { board, kind } = props;
  const rests = board.complained.value.includes(kind);
  return (
    <button
      type="button"
      class="button tall"
      data-testid={kind}
      disabled={rests}
      onClick={() => void board.complain(kind)}
    >
      {kind === 'cannot_hear' ? <EarIcon /> : <EyeIcon />}
      {t(props.word)}
    </button>
  );
}

function More(props: ControlsProps & { onLeave: () => void; onBack: () => void }) {
  const camera = useStore(props.board.camera.state);
  const room = useStore(props.board.client.room);
  return (
    <>
      {camera.track && (
        <button type="button" class="button tall" aria-pressed={props.selfShown} onClick={props.onSelf}>
          <SelfIcon />
          {t(props.selfShown ? 'hideSelf' : 'selfPicture')}
        </button>
      )}
      {props.state !== 'waiting' && room?.self.role === 'receiver' && (
        <button
          type="button"
          class="button tall"
          data-testid="headcount-menu"
          onClick={() => {
            props.board.askHeadcount.value = 'now';
            props.onBack();
          }}
        >
          <PeopleIcon />
          {t('headcountMenu')}
        </button>
      )}
      {room?.self.role === 'receiver' && (
        <button
          type="button"
          class="button tall"
          data-testid="phone-menu"
          onClick={() => {
            void props.board.invitation.ask();
            props.onBack();
          }}
        >
          <PhoneIcon />
          {t('phoneMenu')}
        </button>
      )}
      {props.state !== 'waiting' && <LanguageSwitch />}
      <button type="button" class="button tall" data-testid="leave" onClick={props.onLeave}>
        <LeaveIcon />
        {t('leaveLesson')}
      </button>
      <button type="button" class="button tall" onClick={props.onBack}>
        <BackIcon />
        {t('back')}
      </button>
    </>
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
