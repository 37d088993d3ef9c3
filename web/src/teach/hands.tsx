/** The queue of raised hands under the stage, in order: a tap gives the floor, × puts the hand down. */
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { chime } from '../ui/chime';
import { HandIcon } from '../ui/icons';
import { useStore } from '../ui/use_store';
import type { Teaching } from './teaching';

export function Hands(props: { teaching: Teaching }) {
  const { teaching } = props;
  const room = useStore(teaching.client.room);
  const hands = room?.floor.hands ?? [];
  const before = useRef<readonly string[]>(hands);
  useEffect(() => {
    if (hands.some((id) => !before.current.includes(id))) chime();
    before.current = hands;
  }, [hands]);
  if (!room || hands.length === 0) return null;
  return (
    <section class="hands" data-testid="hands" aria-label={t('hands')}>
      <p class="hands-title" role="status">
        <HandIcon />
        {t('handsUp', { n: hands.length })}
      </p>
      <ol class="hands-list">
        {hands.map((id, place) => {
          const who = room.roster.find((p) => p.id === id);
          if (!who) return null;
          return (
            <li key={id} class="hand">
              <button
                type="button"
                class="button"
                data-testid="hand-call"
                title={t('callOn', { name: who.name })}
                onClick={() => void teaching.toggleFloor(who)}
              >
                <span class="hand-place">{place + 1}</span>
                <span class="hand-name">{who.name}</span>
              </button>
              <button
                type="button"
                class="button quiet"
                aria-label={t('lowerHandOf', { name: who.name })}
                onClick={() => void teaching.lowerHand(who)}
              >
                ×
              </button>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
