/**
 * What can be shown besides a screen: a document camera (any other camera of this computer), a photo. Opens
 * beside the stage like the devices; a screen stays one tap away in the row below.
 */
import { useRef } from 'preact/hooks';
import { t } from '../i18n';
import { CameraIcon, PhotoIcon } from '../ui/icons';
import { useStore } from '../ui/use_store';
import type { Teaching } from './teaching';

export function ContentMenu(props: { teaching: Teaching; onClose: () => void }) {
  const { teaching, onClose } = props;
  const { devices, chosen } = useStore(teaching.camera.state);
  const file = useRef<HTMLInputElement>(null);
  const named = devices.filter((d) => d.deviceId !== '');
  // Her own camera last: with one camera alone it may still be turned to the desk.
  const cameras = [...named].sort((a, b) => Number(a.deviceId === chosen) - Number(b.deviceId === chosen));
  return (
    <section class="content-menu" data-testid="content-menu" aria-label={t('contentMore')}>
      <header class="panel-head">
        <h2>{t('contentMore')}</h2>
        <button type="button" class="button quiet" onClick={onClose}>
          {t('close')}
        </button>
      </header>
      <div class="content-choices">
        <button type="button" class="button" data-testid="choose-photo" onClick={() => file.current?.click()}>
          <PhotoIcon />
          {t('contentPhoto')}
        </button>
        <input
          ref={file}
          type="file"
          accept="image/*"
          class="hidden-file"
          tabIndex={-1}
          aria-hidden="true"
          data-testid="photo-file"
          onChange={(event) => {
            const chosenFile = event.currentTarget.files?.[0];
            event.currentTarget.value = '';
            if (!chosenFile) return;
            onClose();
            void teaching.sendPhoto(chosenFile);
          }}
        />
        {cameras.map((camera, index) => (
          <button
            key={camera.deviceId}
            type="button"
            class="button"
            data-testid="document-camera"
            onClick={() => {
              onClose();
              void teaching.startDocumentCamera(camera.deviceId);
            }}
          >
            <CameraIcon />
            <span class="content-choice">
              {t('documentCamera')}
              <span class="soft">
                {camera.label || `${t('cameraWord')} ${index + 1}`}
                {camera.deviceId === chosen && ` · ${t('documentCameraOwn')}`}
              </span>
            </span>
          </button>
        ))}
        {cameras.length === 0 && <p class="soft">{t('documentCameraNone')}</p>}
      </div>
    </section>
  );
}
