/** The lesson as it is, and who is in it. Nothing of the observer is sent. */
import type { LessonClient } from '../client/lesson_client';
import { findLead, receivers, runningSeconds } from '../client/room';
import { t } from '../i18n';
import { FinalScreen } from '../page/final_screens';
import { LessonStage } from '../page/lesson_stage';
import { lessonTypeName } from '../page/lesson_type';
import { watcherState } from '../page/state';
import { classroomMic, classroomState } from '../teach/classroom_state';
import { SoundIcon } from '../ui/icons';
import { Lamp } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import type { SoundOutput } from '../ui/sound_output';
import { StateScreen } from '../ui/state_screen';
import { formatDuration } from '../ui/time';
import { useStore, useTick } from '../ui/use_store';

const FINAL = ['replaced', 'kicked', 'ended', 'left', 'refused'];

export function ObservePage(props: { client: LessonClient; sound: SoundOutput }) {
  const { client, sound } = props;
  const signal = useStore(client.signal.state);
  const room = useStore(client.room);
  const media = useStore(client.media.state);
  const blocked = useStore(sound.blocked);
  useTick(1_000);
  const state = watcherState(signal, room);
  const over = FINAL.includes(state);
  const lead = room ? findLead(room) : undefined;
  const cut = state === 'reconnecting' && media !== 'connected';
  const away = state === 'teacher-away';
  return (
    <main data-page="observe" data-state={state === 'left' ? 'ended' : state} class="fill dark">
      <FinalScreen client={client} />
      {!over && !room && (
        <StateScreen
          title={t(state === 'waiting' ? 'boardWaiting' : 'connectingTitle')}
          text={t(state === 'waiting' ? 'boardWaitingText' : 'connectingText')}
          busy
        />
      )}
      {!over && room && (
        <div class="observe">
          <header class="observe-head">
            <h1>{room.lesson.title}</h1>
            <p class="soft">{lessonTypeName(room.lesson.lessonType)}</p>
            {lead && <p>{t('boardLead', { name: lead.name })}</p>}
            {room.lesson.state === 'live' && (
              <p>{t('running', { time: formatDuration(runningSeconds(room, performance.now())) })}</p>
            )}
            <p class="observe-note">{t('observerNote')}</p>
            <LanguageSwitch />
          </header>
          <section class="observe-stage">
            {room.lesson.state === 'live' && <LessonStage client={client} away={away || cut} />}
            {(state === 'waiting' || away || cut) && (
              <div class="cover veil" role="status" data-testid="status">
                <p class="veil-title">{t(cut ? 'reconnectingTitle' : away ? 'boardAway' : 'boardWaiting')}</p>
                <p>{t(cut ? 'reconnectingText' : away ? 'boardAwayText' : 'boardWaitingText')}</p>
              </div>
            )}
            {blocked && (
              <button
                type="button"
                class="button primary large observe-sound"
                data-testid="sound-prompt"
                onClick={() => sound.unlock()}
              >
                <SoundIcon />
                {t('soundOn')}
              </button>
            )}
          </section>
          <aside class="observe-list">
            <h2>
              {t('classrooms')} <span class="count">{receivers(room).length}</span>
            </h2>
            {receivers(room).length === 0 && <p class="soft">{t('wallEmpty')}</p>}
            <ul>
              {receivers(room).map((participant) => {
                const lamp = classroomState(participant);
                const open = classroomMic(participant) === 'open';
                return (
                  <li key={participant.id} data-testid="classroom">
                    <p class="observe-name">{participant.name}</p>
                    <p class="observe-state">
                      <Lamp tone={lamp.tone} word={t(lamp.word)} />
                      {open && <span class="observe-open">{t('stateSpeaking')}</span>}
                    </p>
                  </li>
                );
              })}
            </ul>
          </aside>
        </div>
      )}
    </main>
  );
}
