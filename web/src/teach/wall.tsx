/** The wall of classrooms: name, picture, state in words, and what the lead can do with each. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { LinkState, Participant } from '../client/protocol.gen';
import { receivers } from '../client/room';
import { isCovered, type Slot } from '../client/slots';
import { t } from '../i18n';
import { MicIcon } from '../ui/icons';
import { Lamp } from '../ui/lamp';
import { SlotVideo } from '../ui/slot_video';
import { useSteady } from '../ui/steady';
import { formatDuration } from '../ui/time';
import { useStore, useTick } from '../ui/use_store';
import { classroomMic, classroomState } from './classroom_state';
import type { Teaching } from './teaching';

export function Wall(props: { teaching: Teaching }) {
  const { client } = props.teaching;
  const room = useStore(client.room);
  const slots = useStore(client.media.slots);
  const classrooms = room ? receivers(room) : [];
  const pictureOf = (participant: Participant) =>
    slots.find(
      (s) => s.media === 'video' && s.feed?.participant === participant.id && s.feed.kind === 'camera',
    );
  const columns = classrooms.length > 8 ? 'three' : classrooms.length > 1 ? 'two' : 'one';
  return (
    <aside class="wall" data-testid="wall" aria-label={t('wall')}>
      {classrooms.length === 0 && (
        <div class="wall-empty">
          <p class="wall-empty-title">{t('wallEmpty')}</p>
          <p>{t('wallEmptyText')}</p>
        </div>
      )}
      <ul class={`wall-grid ${columns}`}>
        {classrooms.map((participant) => (
          <Tile
            key={participant.id}
            teaching={props.teaching}
            participant={participant}
            slot={pictureOf(participant)}
            link={room?.links.find((link) => link.participant === participant.id)?.state ?? 'good'}
          />
        ))}
      </ul>
    </aside>
  );
}

interface TileProps {
  teaching: Teaching;
  participant: Participant;
  slot: Slot | undefined;
  link: LinkState;
}

function Tile({ teaching, participant, slot, link }: TileProps) {
  const [asking, setAsking] = useState(false);
  const state = classroomState(participant, useSteady(link));
  const mic = classroomMic(participant);
  const away = participant.presence === 'away';
  return (
    <li
      class={`tile ${mic === 'open' ? 'speaking' : ''} ${away ? 'away' : ''}`}
      data-testid="wall-tile"
      data-participant={participant.id}
      data-name={participant.name}
      data-link={link}
      data-covered={String(!slot || isCovered(slot))}
    >
      <SlotVideo client={teaching.client} slot={slot} place="wall">
        <p class="plate-line">{t(slot && !away ? 'pictureComing' : 'pictureNone')}</p>
      </SlotVideo>
      <div class="tile-words">
        <p class="tile-name" title={participant.name}>
          {participant.name}
        </p>
        <p class="tile-state">
          <Lamp tone={state.tone} word={t(state.word)} />
          {away && <AwaySince />}
          {!away && (
            <span class={`tile-mic ${mic === 'open' ? 'open' : ''}`}>
              {t(mic === 'open' ? 'stateSpeaking' : mic === 'none' ? 'stateNoMic' : 'stateMuted')}
            </span>
          )}
        </p>
      </div>
      {asking ? (
        <div class="tile-ask">
          <span>{t('removeQuestion', { name: participant.name })}</span>
          <button
            type="button"
            class="button danger"
            data-testid="confirm-kick"
            onClick={() => {
              setAsking(false);
              void teaching.remove(participant);
            }}
          >
            {t('confirmRemove')}
          </button>
          <button type="button" class="button" onClick={() => setAsking(false)}>
            {t('cancel')}
          </button>
        </div>
      ) : (
        <div class="tile-actions">
          {mic !== 'none' && !away && (
            <button
              type="button"
              class={`button ${mic === 'open' ? 'active' : ''}`}
              data-testid="tile-mic"
              aria-label={`${t(mic === 'open' ? 'closeMic' : 'openMic')}: ${participant.name}`}
              onClick={() => void teaching.setClassroomMic(participant, mic !== 'open')}
            >
              <MicIcon off={mic !== 'open'} />
              {t(mic === 'open' ? 'closeMic' : 'openMic')}
            </button>
          )}
          <button
            type="button"
            class="button quiet"
            data-testid="tile-kick"
            aria-label={`${t('remove')}: ${participant.name}`}
            onClick={() => setAsking(true)}
          >
            {t('remove')}
          </button>
        </div>
      )}
    </li>
  );
}

/** How long it has been gone, as seen from here. */
function AwaySince() {
  useTick(1_000);
  const since = useRef(performance.now());
  useEffect(() => {
    since.current = performance.now();
  }, []);
  return <span class="tile-mic">{formatDuration((performance.now() - since.current) / 1000)}</span>;
}
