/**
 * The wall of classrooms: picture, name, state in words. A tap on a picture gives that classroom the
 * floor, the same tap takes it back; the number on it is its key.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { LinkState, Participant } from '../client/protocol.gen';
import { type Room, speakerOf } from '../client/room';
import { isCovered, type Slot } from '../client/slots';
import { type Key, t } from '../i18n';
import { HandIcon, LeadIcon } from '../ui/icons';
import { Lamp } from '../ui/lamp';
import { SlotVideo } from '../ui/slot_video';
import { useSteady } from '../ui/steady';
import { formatDuration } from '../ui/time';
import { useStore, useTick } from '../ui/use_store';
import { classroomMic, classroomState } from './classroom_state';
import { Complaints } from './complaints';
import type { Teaching } from './teaching';
import { colleagues, PAGE } from './wall_page';

export function Wall(props: { teaching: Teaching }) {
  const { teaching } = props;
  const { client } = teaching;
  const room = useStore(client.room);
  const slots = useStore(client.media.slots);
  const wall = room ? teaching.wall(room) : { shown: [], page: 0, pages: 1 };
  const told = useRef(false);
  const others = room ? colleagues(room) : [];
  const ids = wall.shown.map((p) => p.id).join(' ');
  useEffect(() => {
    // While all fit the server knows by itself, until it has been told once.
    if (wall.pages > 1) told.current = true;
    if (told.current) client.showWall(ids.split(' ').filter(Boolean));
  }, [client, ids, wall.pages]);
  const pictureOf = (participant: Participant) =>
    slots.find(
      (s) => s.media === 'video' && s.feed?.participant === participant.id && s.feed.kind === 'camera',
    );
  const count = wall.shown.length + others.length;
  const columns = count > 8 ? 'three' : count > 1 ? 'two' : 'one';
  return (
    <aside class="wall" data-testid="wall" aria-label={t('wall')}>
      {count === 0 && (
        <div class="wall-empty">
          <p class="wall-empty-title">{t('wallEmpty')}</p>
          <p>{t('wallEmptyText')}</p>
        </div>
      )}
      <ul class={`wall-grid ${columns}`}>
        {wall.shown.map((participant, place) => (
          <Tile
            key={participant.id}
            teaching={teaching}
            room={room as Room}
            participant={participant}
            digit={place + 1}
            slot={pictureOf(participant)}
            link={room?.links.find((link) => link.participant === participant.id)?.state ?? 'good'}
          />
        ))}
        {others.map((participant) => (
          <Tile
            key={participant.id}
            teaching={teaching}
            room={room as Room}
            participant={participant}
            digit={null}
            slot={pictureOf(participant)}
            link={null}
          />
        ))}
      </ul>
      {wall.pages > 1 && (
        <Pager teaching={teaching} page={wall.page} pages={wall.pages} room={room as Room} />
      )}
    </aside>
  );
}

/** Below the wall; says on which other pages a hand is up. */
function Pager(props: { teaching: Teaching; page: number; pages: number; room: Room }) {
  const { teaching, page, pages, room } = props;
  const turn = (by: number) => {
    teaching.wallPage.value = (page + by + pages) % pages;
  };
  const raised = (n: number) => teaching.wall(room, n).shown.some((p) => room.floor.hands.includes(p.id));
  return (
    <nav class="wall-pages" aria-label={t('wallPages')}>
      <button
        type="button"
        class="button"
        data-testid="page-before"
        aria-label={t('pageBefore')}
        onClick={() => turn(-1)}
      >
        ‹
      </button>
      {Array.from({ length: pages }, (_, n) => (
        <button
          key={n}
          type="button"
          class={`button page ${n === page ? 'active' : ''} ${raised(n) ? 'raised' : ''}`}
          aria-current={n === page ? 'page' : undefined}
          title={t('pageOf', { n: n + 1, of: pages })}
          onClick={() => {
            teaching.wallPage.value = n;
          }}
        >
          {raised(n) && <HandIcon />}
          {n * PAGE + 1}–{n * PAGE + teaching.wall(room, n).shown.length}
        </button>
      ))}
      <button
        type="button"
        class="button"
        data-testid="page-after"
        aria-label={t('pageAfter')}
        onClick={() => turn(1)}
      >
        ›
      </button>
    </nav>
  );
}

interface TileProps {
  teaching: Teaching;
  room: Room;
  participant: Participant;
  /** The key that calls on it; a colleague has none. */
  digit: number | null;
  slot: Slot | undefined;
  /** What its line does; not known of a colleague. */
  link: LinkState | null;
}

function Tile({ teaching, room, participant, digit, slot, link }: TileProps) {
  const [asking, setAsking] = useState(false);
  const state = classroomState(participant, useSteady(link));
  const mic = classroomMic(participant);
  const away = participant.presence === 'away';
  const speaker = speakerOf(room, participant.id);
  const leads = room.lesson.leads === participant.id;
  const mayLead = participant.role === 'lead' || room.lesson.rules.leadTo === 'anybody';
  const hand = room.floor.hands.indexOf(participant.id);
  const heard = room.heard.includes(participant.id);
  const turn = turnOf(leads, speaker !== undefined, mic, participant.state.micKept === true);
  const silent = participant.state.micKept ? (
    <span class="tile-mic">{t('stateKept')}</span>
  ) : mic === 'none' ? (
    <span class="tile-mic">{t('stateNoMic')}</span>
  ) : null;
  return (
    <li
      class={`tile ${speaker ? 'speaking' : ''} ${heard ? 'heard' : ''} ${hand >= 0 ? 'raised' : ''} ${away ? 'away' : ''}`}
      data-testid="wall-tile"
      data-participant={participant.id}
      data-name={participant.name}
      data-link={link}
      data-speaking={String(speaker !== undefined)}
      data-heard={String(heard)}
      data-covered={String(!slot || isCovered(slot))}
    >
      <div class="tile-picture">
        <SlotVideo client={teaching.client} slot={slot} place="wall">
          <p class="plate-line">{t(slot && !away ? 'pictureComing' : 'pictureNone')}</p>
        </SlotVideo>
        {digit !== null && !leads && (!away || speaker) && (
          <button
            type="button"
            class="cover-button tile-call"
            data-testid="call"
            aria-pressed={speaker !== undefined}
            aria-keyshortcuts={String(digit)}
            aria-label={t(speaker ? 'endFloorOf' : 'callOn', { name: participant.name })}
            title={t(speaker ? 'endFloorOf' : 'callOn', { name: participant.name })}
            onClick={() => void teaching.toggleFloor(participant)}
          />
        )}
        {digit !== null && <kbd class="tile-digit">{digit}</kbd>}
        {hand >= 0 && (
          <p class="tile-hand" data-testid="tile-hand">
            <HandIcon />
            {hand + 1}
          </p>
        )}
        <Complaints room={room} participant={participant} />
        <p class="tile-name" title={participant.name}>
          <span>{participant.name}</span>
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
        <>
          <p class="tile-state">
            <span class="tile-words">
              {!turn || state.tone !== 'good' ? <Lamp tone={state.tone} word={t(state.word)} /> : null}
              {away ? <AwaySince /> : turn ? <TurnWord {...turn} alone={state.tone === 'good'} /> : silent}
            </span>
            {participant.headcount !== undefined && (
              <span class="tile-count">{t('pupils', { n: participant.headcount })}</span>
            )}
          </p>
          <div class="tile-actions">
            {participant.promoted && (
              <button
                type="button"
                class="button"
                data-testid="demote"
                aria-label={`${t('demote')}: ${participant.name}`}
                onClick={() => void teaching.demote(participant)}
              >
                {t('demote')}
              </button>
            )}
            {mayLead && !participant.promoted && (
              <button
                type="button"
                class="button"
                data-testid="hand-over"
                disabled={leads || away}
                aria-label={`${t('handOver')}: ${participant.name}`}
                onClick={() => void teaching.handOver(participant)}
              >
                <LeadIcon />
                {t('handOver')}
              </button>
            )}
            <button
              type="button"
              class="button quiet"
              data-testid="tile-kick"
              aria-label={`${t('remove')}: ${participant.name}`}
              onClick={() => setAsking(true)}
            >
              <span class="long-word">{t('remove')}</span>
              <span class="short-word" aria-hidden="true">
                ×
              </span>
            </button>
          </div>
        </>
      )}
    </li>
  );
}

interface TurnOf {
  tone: 'good' | 'attention';
  word: Key;
}

/** What a classroom does that leads or has the floor: what they keep closed themselves no call opens. */
function turnOf(
  leads: boolean,
  speaks: boolean,
  mic: ReturnType<typeof classroomMic>,
  kept: boolean,
): TurnOf | null {
  if (leads) return { tone: 'good', word: 'stateLeads' };
  if (!speaks) return null;
  if (kept) return { tone: 'attention', word: 'stateKept' };
  return mic === 'none' ? { tone: 'attention', word: 'stateNoMic' } : { tone: 'good', word: 'stateHasFloor' };
}

/** In the place of a good line's word, which goes without saying then; else beside the trouble. */
function TurnWord(props: TurnOf & { alone: boolean }) {
  const { tone, word } = props;
  return (
    <span class={`tile-mic ${tone === 'good' ? 'open' : 'warned'}`}>
      {props.alone ? <Lamp tone={tone} word={t(word)} /> : t(word)}
    </span>
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
