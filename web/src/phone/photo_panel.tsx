/** The way of one photo: the picture, how far it is, and what can be done now. */
import { type Key, t } from '../i18n';
import type { Phone, PhotoState } from './phone';

const PROBLEMS: Record<Extract<PhotoState, { step: 'failed' }>['problem'], Key> = {
  unreadable: 'photoUnreadable',
  line: 'photoLine',
  'not-there': 'photoNotThere',
  refused: 'photoRefused',
};

export function PhotoPanel(props: { phone: Phone }) {
  const { phone } = props;
  const photo = phone.photo.value;
  const preview = 'preview' in photo ? photo.preview : null;
  const retry = photo.step === 'failed' && photo.problem !== 'unreadable' && photo.problem !== 'not-there';
  return (
    <section class="photo-panel" data-testid="photo-panel" data-step={photo.step}>
      {photo.step !== 'failed' || preview ? (
        <div class="photo-preview">{preview && <img src={preview} alt={t('photoAlt')} />}</div>
      ) : null}
      <div role="status">
        {photo.step === 'preparing' && <p>{t('photoPreparing')}</p>}
        {photo.step === 'sending' && <p>{t('photoSending', { n: Math.round(photo.share * 100) })}</p>}
        {photo.step === 'sent' && <p class="tone-good">● {t('photoSent')}</p>}
        {photo.step === 'failed' && (
          <p class="photo-problem phrases">
            <span class="tone-attention">▲</span> {photo.message || t(PROBLEMS[photo.problem])}
          </p>
        )}
      </div>
      {photo.step === 'sending' && <progress max={1} value={photo.share} aria-label={t('takePhoto')} />}
      <div class="photo-actions">
        {retry && (
          <button
            type="button"
            class="button primary large"
            data-testid="photo-retry"
            onClick={() => void phone.sendPhoto()}
          >
            {t('retry')}
          </button>
        )}
        <button
          type="button"
          class={`button large ${photo.step === 'sent' ? 'primary' : ''}`}
          data-testid="photo-close"
          onClick={() => phone.dropPhoto()}
        >
          {t(photo.step === 'sent' ? 'photoDone' : photo.step === 'failed' ? 'back' : 'cancel')}
        </button>
      </div>
    </section>
  );
}
