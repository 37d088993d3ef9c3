/**
 * Who looks on: a number in the head of the page, and behind it the list by unit, asked for only while
 * it is open. One tap brings somebody into the lesson.
 */
import { useEffect, useState } from 'preact/hooks';
import type { AudienceUnit, ParticipantId } from '../client/protocol.gen';
import { t } from '../i18n';
import { EyesIcon } from '../ui/icons';
import { useStore } from '../ui/use_store';
import type { Teaching } from './teaching';

/** Beyond this many names a unit is opened by a tap, so that 300 people are no wall of text. */
const OPEN = 3;

export function AudienceCount(props: { teaching: Teaching; shown: boolean; onTap: () => void }) {
  const room = useStore(props.teaching.client.room);
  const audience = room?.audience;
  if (!audience || (audience.people === 0 && !props.shown)) return null;
  return (
    <button
      type="button"
      class={`button audience-count ${props.shown ? 'active' : ''}`}
      data-testid="audience"
      aria-expanded={props.shown}
      onClick={props.onTap}
    >
      <EyesIcon />
      {t('audienceCount', { units: audience.units, people: audience.people })}
    </button>
  );
}

export function AudiencePanel(props: { teaching: Teaching; onClose: () => void }) {
  const { teaching } = props;
  const room = useStore(teaching.client.room);
  const [units, setUnits] = useState<readonly AudienceUnit[] | null>(null);
  const audience = room?.audience;
  const brings = room?.lesson.rules.promotes ?? false;
  // The number changes at most once a second, and so does the list.
  useEffect(() => {
    let over = false;
    teaching.client.listAudience().then(
      (list) => {
        if (!over) setUnits(list);
      },
      () => undefined,
    );
    return () => {
      over = true;
    };
  }, [teaching, audience]);
  const promote = (id: ParticipantId, name: string) => void teaching.promote(id, name);
  return (
    <section class="audience-panel" data-testid="audience-panel" aria-label={t('audience')}>
      <header class="panel-head">
        <h2>{t('audience')}</h2>
        <button type="button" class="button quiet" onClick={props.onClose}>
          {t('close')}
        </button>
      </header>
      {!brings && <p class="soft">{t('audienceOnlyWatches')}</p>}
      {units?.length === 0 && <p class="soft">{t('audienceEmpty')}</p>}
      <ul class="audience-units">
        {(units ?? []).map((unit) => (
          <Unit key={unit.unit} unit={unit} {...(brings ? { onPick: promote } : {})} />
        ))}
      </ul>
    </section>
  );
}

function Unit(props: { unit: AudienceUnit; onPick?: (id: ParticipantId, name: string) => void }) {
  const { unit, onPick } = props;
  const [open, setOpen] = useState(unit.viewers.length <= OPEN);
  return (
    <li class="audience-unit">
      <p class="audience-name">
        {unit.viewers.length > OPEN ? (
          <button type="button" class="button quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? '▾' : '▸'} {unit.unit}
          </button>
        ) : (
          unit.unit
        )}
        <span class="soft">{t('viewers', { n: unit.viewers.length })}</span>
      </p>
      {open && (
        <ul>
          {unit.viewers.map((viewer) => (
            <li key={viewer.id} class="audience-viewer" data-testid="viewer">
              <span class="audience-person">{viewer.name}</span>
              {onPick && viewer.promotable && (
                <button
                  type="button"
                  class="button"
                  data-testid="promote"
                  aria-label={`${t('promote')}: ${viewer.name}`}
                  onClick={() => onPick(viewer.id, viewer.name)}
                >
                  {t('promote')}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
