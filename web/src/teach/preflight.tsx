/** 准备上课: own picture and sound, the real link, who is there already, and one big 上课. */
import { useState } from 'preact/hooks';
import type { DeviceState } from '../capture/device_track';
import type { MediaState } from '../client/media_link';
import { receivers } from '../client/room';
import type { SignalState } from '../client/signal';
import { type Key, t } from '../i18n';
import { lessonTypeName } from '../page/lesson_type';
import { Lamp, type Tone } from '../ui/lamp';
import { LanguageSwitch } from '../ui/language_switch';
import { judgeLink, VERDICT_TONE, VERDICT_WORD } from '../ui/link_words';
import { SoundTest } from '../ui/sound_test';
import { TrackVideo } from '../ui/track_video';
import { useStore } from '../ui/use_store';
import { classroomState } from './classroom_state';
import { DeviceSelect } from './device_select';
import { LevelBar } from './level_bar';
import { ProblemBox, troubles } from './problems';
import type { Teaching } from './teaching';

export function Preflight(props: { teaching: Teaching }) {
  const { teaching } = props;
  const { client } = teaching;
  const camera = useStore(teaching.camera.state);
  const mic = useStore(teaching.mic.state);
  const signal = useStore(client.signal.state);
  const media = useStore(client.media.state);
  const mediaRtt = useStore(client.media.rtt);
  const signalRtt = useStore(client.signal.rtt);
  const room = useStore(client.room);
  const [heard, setHeard] = useState(false);

  const found = troubles(camera, mic, signal, media);
  const rtt = mediaRtt ?? signalRtt;
  const here = room ? receivers(room) : [];
  const entering = teaching.phase.value === 'entering';
  const running = room?.lesson.state === 'live';
  return (
    <div class="preflight">
      <header class="preflight-head">
        <div>
          <p class="preflight-over">
            {t('prepare')}
            {room && ` · ${lessonTypeName(room.lesson.lessonType)}`}
          </p>
          <h1>{room?.lesson.title ?? '\u00a0'}</h1>
        </div>
        <p class="preflight-who">{room?.self.name}</p>
        <LanguageSwitch />
      </header>

      <section class="preflight-picture" aria-label={t('ownPicture')}>
        <div class="own-picture">
          {camera.track ? (
            <TrackVideo track={camera.track} testId="self-video" />
          ) : (
            <p class="own-empty">{t(camera.busy ? 'openingCamera' : 'noPicture')}</p>
          )}
        </div>
        <LevelBar track={mic.track} onHeard={setHeard} />
        <div class="preflight-devices">
          <DeviceSelect device={teaching.camera} label="chooseCamera" testId="choose-camera" />
          <DeviceSelect device={teaching.mic} label="chooseMic" testId="choose-mic" />
          <label class="field">
            <span class="field-label">{t('chooseContent')}</span>
            <select
              data-testid="choose-content"
              value={teaching.contentAtOnce.value ? 'now' : 'later'}
              onChange={(event) => {
                teaching.contentAtOnce.value = event.currentTarget.value === 'now';
              }}
            >
              <option value="later">{t('contentLater')}</option>
              <option value="now">{t('contentAtOnce')}</option>
            </select>
          </label>
        </div>
      </section>

      <section class="preflight-side">
        <div class="preflight-check-head">
          <h2>{t('check')}</h2>
          <SoundTest onTap={() => teaching.sound.unlock()} />
        </div>
        <ul class="preflight-checks">
          <Check word="cameraWord" {...cameraCheck(camera)} />
          <Check word="micWord" {...micCheck(mic, heard)} />
          <Check
            word="networkWord"
            {...linkCheck(signal, media, rtt)}
            more={media === 'connected' && rtt !== null ? t('roundTrip', { ms: rtt }) : ''}
          />
        </ul>
        {found.map((trouble) => (
          <ProblemBox
            key={`${trouble.problem}${trouble.device ?? ''}`}
            trouble={trouble}
            onRetry={() => void teaching.retryDevices()}
          />
        ))}
        <h2>
          {t('waitingClassrooms')}
          {here.length > 0 && <span class="count">{t('waitingCount', { n: here.length })}</span>}
        </h2>
        {here.length === 0 && <p class="soft">{t(room ? 'nobodyYet' : 'roomsLater')}</p>}
        <ul class="preflight-rooms">
          {here.map((participant) => {
            const state = classroomState(participant);
            return (
              <li key={participant.id} data-testid="waiting-classroom">
                <span class="room-name">{participant.name}</span>
                <Lamp tone={state.tone} word={t(state.word)} />
              </li>
            );
          })}
        </ul>
      </section>

      <footer class="preflight-foot">
        {teaching.notice.value !== null && (
          <p class="preflight-notice" role="alert">
            {teaching.notice.value}
          </p>
        )}
        {running && <p class="soft">{t('lessonRunningElsewhere')}</p>}
        <button
          type="button"
          class="button primary enter"
          data-testid="enter"
          disabled={entering}
          onClick={() => void teaching.enter()}
        >
          {t(entering ? 'entering' : running ? 'comeBack' : 'enter')}
        </button>
      </footer>
    </div>
  );
}

function Check(props: { word: Key; tone: Tone; says: Key; more?: string }) {
  return (
    <li>
      <span class="check-word">{t(props.word)}</span>
      <Lamp tone={props.tone} word={t(props.says)} />
      {props.more && <span class="soft">{props.more}</span>}
    </li>
  );
}

function cameraCheck(state: DeviceState): { tone: Tone; says: Key } {
  if (state.track) return { tone: 'good', says: 'checkCameraGood' };
  if (state.busy) return { tone: 'calm', says: 'checkWait' };
  return { tone: 'attention', says: state.problem === 'no-device' ? 'checkMissing' : 'noPicture' };
}

function micCheck(state: DeviceState, heard: boolean): { tone: Tone; says: Key } {
  if (state.track)
    return heard ? { tone: 'good', says: 'checkMicGood' } : { tone: 'calm', says: 'checkMicWait' };
  if (state.busy) return { tone: 'calm', says: 'checkWait' };
  return { tone: 'attention', says: 'levelOff' };
}

function linkCheck(signal: SignalState, media: MediaState, rttMs: number | null): { tone: Tone; says: Key } {
  if (signal.phase !== 'joined') {
    return signal.phase === 'connecting' && signal.attempt >= 2
      ? { tone: 'lost', says: 'linkLost' }
      : { tone: 'calm', says: 'linkChecking' };
  }
  if (media === 'blocked') return { tone: 'lost', says: 'linkLost' };
  if (media !== 'connected') return { tone: 'calm', says: 'linkChecking' };
  const verdict = judgeLink({ rttMs, lossDown: 0, lossUp: 0 });
  return { tone: VERDICT_TONE[verdict], says: VERDICT_WORD[verdict] };
}
