/** The row at the bottom. Ending asks here, in place, so that the stage stays free. */
import { t } from '../i18n';
import {
  CameraIcon,
  GearIcon,
  MicIcon,
  PauseIcon,
  PeopleIcon,
  PhotoIcon,
  ScreenIcon,
  TalkIcon,
} from '../ui/icons';
import { useStore } from '../ui/use_store';
import type { Teaching } from './teaching';

export interface LiveControlsProps {
  teaching: Teaching;
  contentShown: boolean;
  onContent: () => void;
  devicesShown: boolean;
  onDevices: () => void;
  ending: boolean;
  onEnding: (ending: boolean) => void;
}

export function LiveControls(props: LiveControlsProps) {
  const { teaching } = props;
  const mic = useStore(teaching.mic.state);
  const camera = useStore(teaching.camera.state);
  const room = useStore(teaching.client.room);
  if (props.ending) {
    return (
      <footer class="live-bar asking">
        <p class="live-question">{t('confirmEndQuestion')}</p>
        <button
          type="button"
          class="button danger"
          data-testid="confirm-end"
          onClick={() => {
            props.onEnding(false);
            void teaching.endLesson();
          }}
        >
          {t('confirmEnd')}
        </button>
        <button type="button" class="button" onClick={() => props.onEnding(false)}>
          {t('keepTeaching')}
        </button>
      </footer>
    );
  }
  const micOn = teaching.micOn.value && mic.track !== null;
  const cameraOn = teaching.cameraOn.value && camera.track !== null;
  const discusses = room?.floor.mode === 'discuss';
  const sharing = teaching.content.value !== null;
  const paused = teaching.paused.value !== null;
  return (
    <footer class="live-bar">
      <button
        type="button"
        class={`button ${micOn ? '' : 'warned'}`}
        data-testid="mute"
        aria-pressed={!micOn}
        disabled={mic.track === null}
        aria-keyshortcuts="Space"
        onClick={() => teaching.toggleMic()}
      >
        <MicIcon off={!micOn} />
        {t(micOn ? 'mute' : 'unmute')}
      </button>
      <button
        type="button"
        class={`button ${cameraOn ? '' : 'warned'}`}
        data-testid="camera"
        aria-pressed={!cameraOn}
        onClick={() => void teaching.toggleCamera()}
      >
        <CameraIcon off={!cameraOn} />
        {t(cameraOn ? 'cameraStop' : 'cameraStart')}
      </button>
      {sharing ? (
        <button
          type="button"
          class="button active"
          data-testid="stop-share"
          aria-keyshortcuts="S"
          onClick={() => teaching.stopShare()}
        >
          <ScreenIcon off />
          {t('stopShare')}
        </button>
      ) : (
        <button
          type="button"
          class="button"
          data-testid="share"
          aria-keyshortcuts="S"
          onClick={() => void teaching.startShare()}
        >
          <ScreenIcon />
          {t('shareContent')}
        </button>
      )}
      {sharing && (
        <button
          type="button"
          class={`button ${paused ? 'warned' : ''}`}
          data-testid="pause-content"
          aria-pressed={paused}
          onClick={() => void teaching.togglePause()}
        >
          <PauseIcon on={paused} />
          {t(paused ? 'resumeContent' : 'pauseContent')}
        </button>
      )}
      <button
        type="button"
        class={`button ${props.contentShown ? 'active' : ''}`}
        data-testid="content-more"
        aria-expanded={props.contentShown}
        onClick={props.onContent}
      >
        <PhotoIcon />
        {t('contentMore')}
      </button>
      <button type="button" class="button" data-testid="mute-all" onClick={() => void teaching.muteAll()}>
        <PeopleIcon />
        {t('muteAll')}
      </button>
      {(room?.lesson.rules.mostSpeaking ?? 1) > 1 && (
        <button
          type="button"
          class={`button ${discusses ? 'active' : ''}`}
          data-testid="discuss"
          aria-pressed={discusses}
          title={t('discussHint', { n: room?.lesson.rules.mostSpeaking ?? 1 })}
          onClick={() => void teaching.setMode(discusses ? 'listen' : 'discuss')}
        >
          <TalkIcon />
          {t('discuss')}
        </button>
      )}
      <button
        type="button"
        class={`button ${props.devicesShown ? 'active' : ''}`}
        data-testid="devices"
        aria-expanded={props.devicesShown}
        onClick={props.onDevices}
      >
        <GearIcon />
        {t('devicesMenu')}
      </button>
      <button
        type="button"
        class="button end-lesson"
        data-testid="end-lesson"
        onClick={() => props.onEnding(true)}
      >
        {t('endLesson')}
      </button>
    </footer>
  );
}
