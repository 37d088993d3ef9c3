/**
 * The board of a receiving classroom: full screen, no mouse. Nothing needs doing; what can be done is
 * at the bottom edge, within a child's reach, and fades after 5 s.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n';
import { FinalScreen } from '../page/final_screens';
import { LessonStage } from '../page/lesson_stage';
import { watcherState } from '../page/state';
import { moveByArrows } from '../ui/arrow_keys';
import { StateScreen } from '../ui/state_screen';
import { TrackVideo } from '../ui/track_video';
import { useStore } from '../ui/use_store';
import type { Board } from './board';
import { Controls } from './controls';
import { Farewell } from './farewell';
import { Headcount } from './headcount';
import { InvitationPanel } from './invitation_panel';
import { followRemote, useBack } from './remote_keys';
import { SoundPrompt } from './sound_prompt';
import { Turn, turnOf } from './turn';
import { Waiting } from './waiting';

const FADE_MS = 5_000;
const FINAL = ['replaced', 'kicked', 'ended', 'left', 'refused'];

export function BoardPage(props: { board: Board }) {
  const { board } = props;
  const { client } = board;
  const signal = useStore(client.signal.state);
  const room = useStore(client.room);
  const media = useStore(client.media.state);
  const camera = useStore(board.camera.state);
  const blocked = useStore(board.sound.blocked);
  const [selfShown, setSelfShown] = useState(false);
  const root = useRef<HTMLElement>(null);
  const awake = useControlsAwake(root);
  useEffect(followRemote, []);
  useBack(selfShown, () => setSelfShown(false));

  const state = watcherState(signal, room);
  const over = FINAL.includes(state);
  const began = room !== null && room.lesson.state === 'live';
  // A class that was in the lesson is asked how it was.
  const asks = state === 'ended' && room?.self.role === 'receiver' && board.isClassroom;
  // Own signalling may be cut while picture and sound go on: then they stay as they are.
  const cut = state === 'reconnecting' && media !== 'connected';
  const away = state === 'teacher-away';
  const turn = turnOf(room);
  const own = camera.track && (selfShown || turn) ? <OwnPicture track={camera.track} /> : null;

  return (
    <main
      ref={root}
      data-page="class"
      data-state={state === 'left' ? 'ended' : state}
      class={`fill dark board ${awake ? '' : 'asleep'} ${turn && !over ? 'turning' : ''}`}
    >
      {over && !asks && <FinalScreen client={client} />}
      {asks && <Farewell board={board} />}
      {!over && state === 'connecting' && (
        <StateScreen title={t('connectingTitle')} text={t('connectingText')} busy />
      )}
      {!over && !began && state === 'waiting' && <Waiting board={board} />}
      {!over && !began && state === 'reconnecting' && (
        <StateScreen title={t('reconnectingTitle')} text={t('reconnectingText')} tone="attention" busy />
      )}
      {!over && began && (
        <LessonStage
          client={client}
          away={away || cut}
          own={own}
          {...(turn === 'lead' ? { onPick: (who) => void board.pick(who) } : {})}
        />
      )}
      {!over && began && (away || cut) && (
        <div class="cover veil" role="status">
          <p class="veil-title">{t(cut ? 'reconnectingTitle' : 'boardAway')}</p>
          <p class="veil-text">{t(cut ? 'reconnectingText' : 'boardAwayText')}</p>
        </div>
      )}
      {!over && !began && own && <div class="self-picture">{own}</div>}
      {!over && turn && !cut && <Turn board={board} turn={turn} />}
      {!over &&
        began &&
        !turn &&
        !away &&
        !cut &&
        room.self.role === 'receiver' &&
        board.invitation.state.value.step === 'hidden' && <Headcount board={board} />}
      {!over && <InvitationPanel board={board} />}
      {board.notice.value !== null && !over && (
        <p class="board-notice phrases" role="status">
          {board.notice.value}
        </p>
      )}
      {!over && (began || state === 'waiting') && (
        <Controls board={board} state={state} selfShown={selfShown} onSelf={() => setSelfShown(!selfShown)} />
      )}
      {!over && blocked && <SoundPrompt onTap={() => board.sound.unlock()} />}
    </main>
  );
}

function OwnPicture(props: { track: MediaStreamTrack }) {
  return (
    <div class="own-picture" data-testid="own-picture">
      <TrackVideo track={props.track} />
      <p class="name-tag">{t('you')}</p>
    </div>
  );
}

/** True for 5 s after each touch or key; always while a control has the focus by keyboard. */
function useControlsAwake(root: { current: HTMLElement | null }): boolean {
  const [awake, setAwake] = useState(true);
  useEffect(() => {
    const element = root.current;
    if (!element) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wake = () => {
      setAwake(true);
      clearTimeout(timer);
      timer = setTimeout(() => setAwake(false), FADE_MS);
    };
    const events = ['pointerdown', 'pointermove', 'keydown', 'focusin'] as const;
    for (const event of events) document.addEventListener(event, wake);
    // Arrow keys arrive at the body until something has the focus.
    const stopArrows = moveByArrows(document.body);
    wake();
    return () => {
      clearTimeout(timer);
      stopArrows();
      for (const event of events) document.removeEventListener(event, wake);
    };
  }, [root]);
  return awake;
}
