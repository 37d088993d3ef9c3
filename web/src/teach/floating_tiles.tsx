/** The wall in the small window: pictures, names, lamps, hands; a tap calls on a classroom as on the page. */
import type { LinkState, Participant } from '../client/protocol.gen';
import { type Room, speakerOf } from '../client/room';
import { isCovered, type Slot } from '../client/slots';
import { t } from '../i18n';
import { HandIcon } from '../ui/icons';
import { LAMP_SHAPES, Lamp, type Tone } from '../ui/lamp';
import { SlotVideo } from '../ui/slot_video';
import { useSteady } from '../ui/steady';
import { useStore } from '../ui/use_store';
import type { Painted } from './canvas_wall';
import { classroomState } from './classroom_state';
import { Complaints } from './complaints';
import type { Teaching } from './teaching';

export function FloatingTiles(props: { teaching: Teaching }) {
  const { teaching } = props;
  const room = useStore(teaching.client.room);
  const slots = useStore(teaching.client.media.slots);
  if (!room) return null;
  const { shown } = teaching.wall(room);
  const columns = shown.length > 4 ? 3 : shown.length > 1 ? 2 : 1;
  return (
    <ul class={`floating-grid columns-${columns}`} data-testid="floating-wall" aria-label={t('wall')}>
      {shown.length === 0 && <li class="floating-empty">{t('wallEmpty')}</li>}
      {shown.map((participant) => (
        <FloatingTile
          key={participant.id}
          teaching={teaching}
          room={room}
          participant={participant}
          slot={cameraOf(slots, participant)}
        />
      ))}
    </ul>
  );
}

interface TileProps {
  teaching: Teaching;
  room: Room;
  participant: Participant;
  slot: Slot | undefined;
}

function FloatingTile({ teaching, room, participant, slot }: TileProps) {
  const state = classroomState(participant, useSteady(linkOf(room, participant)));
  const speaks = speakerOf(room, participant.id) !== undefined;
  const hand = room.floor.hands.indexOf(participant.id);
  return (
    <li
      class={`floating-tile ${speaks ? 'speaking' : ''}`}
      data-testid="floating-tile"
      data-name={participant.name}
    >
      <SlotVideo client={teaching.client} slot={slot} place="wall">
        <p class="plate-line">{t(slot ? 'pictureComing' : 'pictureNone')}</p>
      </SlotVideo>
      <button
        type="button"
        class="cover-button floating-call"
        aria-pressed={speaks}
        aria-label={t(speaks ? 'endFloorOf' : 'callOn', { name: participant.name })}
        onClick={() => void teaching.toggleFloor(participant)}
      />
      {hand >= 0 && (
        <p class="tile-hand">
          <HandIcon />
          {hand + 1}
        </p>
      )}
      <Complaints room={room} participant={participant} />
      <p class="floating-name">
        <span class="name">{participant.name}</span>
        <Lamp tone={state.tone} word={t(state.word)} />
      </p>
    </li>
  );
}

const COLOURS: Record<Tone, string> = {
  good: '#7bd88f',
  attention: '#ffc24d',
  lost: '#ff9187',
  calm: '#b3bec2',
};

/** The same for the canvas. Pictures are those of the page's own wall, which know whether they may be shown. */
export function paintedWall(teaching: Teaching): Painted[] {
  const room = teaching.client.room.get();
  if (!room) return [];
  const slots = teaching.client.media.slots.get();
  return teaching.wall(room).shown.map((participant) => {
    const state = classroomState(participant, linkOf(room, participant));
    const slot = cameraOf(slots, participant);
    const hand = room.floor.hands.indexOf(participant.id);
    return {
      name: participant.name,
      shape: LAMP_SHAPES[state.tone],
      word: t(state.word),
      colour: COLOURS[state.tone],
      hand: hand >= 0 ? hand + 1 : null,
      speaks: speakerOf(room, participant.id) !== undefined,
      video: slot && !isCovered(slot) ? pictureOf(participant) : null,
    };
  });
}

function pictureOf(participant: Participant): HTMLVideoElement | null {
  return document.querySelector(
    `[data-testid="wall-tile"][data-participant="${CSS.escape(participant.id)}"] video`,
  );
}

function cameraOf(slots: readonly Slot[], participant: Participant): Slot | undefined {
  return slots.find(
    (s) => s.media === 'video' && s.feed?.participant === participant.id && s.feed.kind === 'camera',
  );
}

function linkOf(room: Room, participant: Participant): LinkState {
  return room.links.find((link) => link.participant === participant.id)?.state ?? 'good';
}
