/** What classrooms have sent: one card at the edge of the stage, shown to nobody before she says so. */
import { t } from '../i18n';
import { Photo } from '../page/photo';
import { useStore } from '../ui/use_store';
import type { Teaching } from './teaching';

export function PhotoCards(props: { teaching: Teaching }) {
  const { teaching } = props;
  const room = useStore(teaching.client.room);
  const waiting = room?.photos?.waiting ?? [];
  const next = waiting[0];
  if (!next) return null;
  return (
    <section class="photo-card" data-testid="photo-card" aria-label={t('photoArrived', { name: next.name })}>
      <Photo client={teaching.client} photo={next} class="photo-small" testId="photo-waiting" />
      <div class="photo-card-words">
        <p role="status">
          {t('photoArrived', { name: next.name })}
          {waiting.length > 1 && <span class="soft"> {t('photoMore', { n: waiting.length - 1 })}</span>}
        </p>
        <div class="photo-card-actions">
          <button
            type="button"
            class="button primary"
            data-testid="photo-show"
            onClick={() => void teaching.showPhoto(next.id)}
          >
            {t('photoShow')}
          </button>
          <button
            type="button"
            class="button"
            data-testid="photo-drop"
            onClick={() => void teaching.dropPhoto(next.id)}
          >
            {t('photoDrop')}
          </button>
        </div>
      </div>
    </section>
  );
}
