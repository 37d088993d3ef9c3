/** Before the bell: whose lesson, that it begins by itself, and whether this room is ready. */
import type { DeviceState } from '../capture/device_track';
import type { MediaState } from '../client/media_link';
import { findLead } from '../client/room';
import { type Key, t } from '../i18n';
import { lessonTypeName } from '../page/lesson_type';
import { LAMP_SHAPES, type Tone } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import { SoundTest } from '../ui/sound_test';
import { TrackVideo } from '../ui/track_video';
import { useStore } from '../ui/use_store';
import type { Board } from './board';

export function Waiting(props: { board: Board }) {
  const { board } = props;
  const room = useStore(board.client.room);
  const media = useStore(board.client.media.state);
  const camera = useStore(board.camera.state);
  const mic = useStore(board.mic.state);
  const sound = useStore(board.sound.on);
  const lead = room ? findLead(room) : undefined;
  const watches = room?.self.role === 'observer';
  return (
    <div class="waiting">
      <div class="state-corner">
        <LanguageSwitch />
      </div>
      <div class="waiting-text">
        <p class="waiting-lesson">
          {room && `${lessonTypeName(room.lesson.lessonType)} · ${room.lesson.title}`}
        </p>
        <h1>{t('boardWaiting')}</h1>
        <p class="waiting-line">
          {lead && lead.presence === 'online' ? t('boardLead', { name: lead.name }) : t('boardNoLead')}
        </p>
        <p class="waiting-line soft">{t('boardWaitingText')}</p>
        <ul class="checks">
          {!watches && <Check word="cameraWord" {...deviceCheck(camera)} />}
          {!watches && <Check word="micWord" {...deviceCheck(mic)} />}
          <Check word="networkWord" {...mediaCheck(media)} />
          <Check word="soundWord" tone={sound ? 'good' : 'attention'} says={sound ? 'ready' : 'soundOff'} />
        </ul>
        <SoundTest onTap={() => board.sound.unlock()} />
      </div>
      {camera.track && (
        <div class="waiting-self">
          <TrackVideo track={camera.track} />
          <p class="name-tag">{t('you')}</p>
        </div>
      )}
    </div>
  );
}

function Check(props: { word: Key; tone: Tone; says: Key }) {
  return (
    <li class={`check tone-${props.tone}`}>
      <span class="check-mark" aria-hidden="true">
        {props.tone === 'good' ? '✔' : LAMP_SHAPES[props.tone]}
      </span>
      <span class="check-word">{t(props.word)}</span>
      <span class="check-says">{t(props.says)}</span>
    </li>
  );
}

function deviceCheck(state: DeviceState): { tone: Tone; says: Key } {
  if (state.track) return { tone: 'good', says: 'ready' };
  if (state.busy) return { tone: 'calm', says: 'checkWait' };
  if (state.problem === 'permission-refused') return { tone: 'attention', says: 'refusedDevice' };
  if (state.problem === 'device-in-use') return { tone: 'attention', says: 'busyDevice' };
  return { tone: 'calm', says: 'notThere' };
}

function mediaCheck(state: MediaState): { tone: Tone; says: Key } {
  if (state === 'connected') return { tone: 'good', says: 'ready' };
  if (state === 'blocked') return { tone: 'lost', says: 'checkBlocked' };
  return { tone: 'calm', says: 'checkWait' };
}
