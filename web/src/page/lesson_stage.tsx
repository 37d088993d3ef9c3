/**
 * The lesson as classrooms see it: content large with the lead beside it, or who was called on, or the
 * lead. Small pictures stand in one column at the right. Used by the board and by observers, and by a
 * lead while somebody else leads.
 *
 * Video elements stay mounted per slot while they move about the stage: a new element would be black
 * until its next frame.
 */
import type { ComponentChildren } from 'preact';
import type { LessonClient } from '../client/lesson_client';
import type { MediaState } from '../client/media_link';
import type { Participant } from '../client/protocol.gen';
import { findLead } from '../client/room';
import { isCovered, type Slot } from '../client/slots';
import { type Key, t } from '../i18n';
import { MicIcon } from '../ui/icons';
import { SlotVideo } from '../ui/slot_video';
import { useStore } from '../ui/use_store';
import { cast } from './cast';
import { Photo } from './photo';
import { PointerMark } from './pointer_mark';

export interface LessonStageProps {
  client: LessonClient;
  away: boolean;
  /** This classroom's own picture, at the foot of the column. */
  own?: ComponentChildren;
  /** A page with a wall of its own: here only those on stage. */
  wallElsewhere?: boolean;
  /** For a classroom that leads: a tap on one of the others. */
  onPick?: (participant: Participant) => void;
}

export function LessonStage(props: LessonStageProps) {
  const { client, away } = props;
  const slots = useStore(client.media.slots);
  const media = useStore(client.media.state);
  const room = useStore(client.room);
  const lead = room ? findLead(room) : undefined;
  const roles = cast(slots, room);
  const { showing } = roles;
  const leadOnStage = showing === 'lead' || (away && showing === 'none' && roles.lead?.shown != null);
  const contentOn = showing === 'content';
  const photo = room?.photos?.shown ?? null;
  const photoOn = showing === 'photo';
  const leadBeside =
    (contentOn || photoOn || showing === 'stage') && lead !== undefined && lead.id !== room?.self.id;
  const tiles = props.wallElsewhere ? roles.stage : [...roles.stage, ...roles.others];
  const big = showing === 'stage' ? roles.stage[0] : undefined;
  const small = tiles.filter((slot) => slot !== big);
  const grid = showing === 'grid';
  const photoBeside = showing === 'stage' && photo !== null;
  const contentBeside = showing === 'stage' && roles.contentOn && !photoBeside;
  const side =
    props.own != null || (!grid && (leadBeside || contentBeside || photoBeside || small.length > 0));
  const first = (leadBeside ? 1 : 0) + (contentBeside || photoBeside ? 1 : 0);
  const waiting = leadWaits(lead, roles.lead);
  return (
    <div
      class={`cover stage ${side ? 'with-side' : ''} ${away ? 'dimmed' : ''}`}
      data-testid="stage"
      data-showing={showing}
      data-big={(big ?? (contentOn ? roles.content : roles.lead))?.feed?.participant ?? ''}
    >
      <div
        class={`content-place ${contentOn ? 'area-main' : contentBeside ? 'other side' : 'unseen'}`}
        style={`--at:${leadBeside ? 1 : 0}`}
        key="content"
      >
        <SlotVideo
          client={client}
          slot={roles.content}
          place={contentBeside ? 'small' : 'large'}
          testId="content-video"
          keepLast={away}
        >
          <p class="plate-line">{t('boardPictureComing')}</p>
        </SlotVideo>
        {contentOn && <PointerMark client={client} />}
      </div>
      {photo && (
        <div
          class={`photo-place ${photoOn ? 'area-main' : 'other side'}`}
          style={`--at:${leadBeside ? 1 : 0}`}
          key="photo"
        >
          <Photo client={client} photo={photo} />
          {photoOn && <PointerMark client={client} />}
        </div>
      )}
      <div class={`lead-place ${leadOnStage ? 'area-main' : leadBeside ? 'area-side' : 'unseen'}`} key="lead">
        <SlotVideo
          client={client}
          slot={roles.lead}
          place={leadOnStage ? 'large' : 'small'}
          testId="lead-video"
          keepLast={away}
          hide={!away && lead?.state.camera === false}
        >
          <p class="plate-name">{lead?.name ?? ''}</p>
          <p class="plate-line">{t(waiting)}</p>
        </SlotVideo>
        {lead && (
          <p class="name-tag">
            <span class="name">{lead.name}</span>
          </p>
        )}
      </div>
      {showing === 'none' && !leadOnStage && (
        <div class="cover stage-empty" key="empty">
          <p class="plate-name">{lead?.name ?? ''}</p>
          <p class="plate-line">{t(nothingBecause(lead, media))}</p>
        </div>
      )}
      {tiles.map((slot) => (
        <Tile
          key={slot.mid}
          {...props}
          slot={slot}
          place={slot === big ? 'main' : grid ? 'grid' : 'side'}
          at={grid ? tiles.indexOf(slot) : small.indexOf(slot) + first}
          of={tiles.length}
        />
      ))}
      {props.own != null && (
        <div class="own-place" key="own">
          {props.own}
        </div>
      )}
    </div>
  );
}

interface TileProps extends LessonStageProps {
  slot: Slot;
  place: 'main' | 'grid' | 'side';
  /** Its number in the column or grid, and how many there are. */
  at: number;
  of: number;
}

/** Somebody who is neither the lead nor this classroom. */
function Tile({ client, slot, place, at, of, onPick }: TileProps) {
  const room = useStore(client.room);
  const who = room?.roster.find((p) => p.id === slot.feed?.participant);
  const speaks = room?.floor.speakers.some((s) => s.participant === who?.id) ?? false;
  const heard = speaks && (room?.heard.includes(who?.id ?? '') ?? false);
  const columns = of > 4 ? 3 : of > 1 ? 2 : 1;
  const style =
    place === 'grid'
      ? `--column:${at % columns};--row:${Math.floor(at / columns)};--columns:${columns};--rows:${Math.ceil(of / columns)}`
      : `--at:${at}`;
  return (
    <div
      class={`other ${place === 'main' ? 'area-main' : place} ${heard ? 'heard' : ''}`}
      style={style}
      data-testid={place === 'main' ? 'stage-video' : 'side-video'}
      data-participant={slot.feed?.participant ?? ''}
    >
      <SlotVideo client={client} slot={slot} place={place === 'side' ? 'small' : 'large'}>
        <p class="plate-line">{t('boardPictureComing')}</p>
      </SlotVideo>
      <p class="name-tag">
        {speaks && place !== 'side' && <MicIcon />}
        <span class="name">{who?.name ?? ''}</span>
      </p>
      {onPick && who?.role === 'receiver' && (
        <button
          type="button"
          class="cover-button other-pick"
          aria-pressed={speaks}
          aria-label={t(speaks ? 'endFloorOf' : 'callOn', { name: who.name })}
          onClick={() => onPick(who)}
        />
      )}
    </div>
  );
}

/** Sound alone is only told of a connection that carries it. */
function nothingBecause(lead: Participant | undefined, media: MediaState): Key {
  if (media === 'blocked') return 'mediaBlocked';
  if (media !== 'connected') return media === 'repairing' ? 'boardMediaRepairing' : 'mediaConnecting';
  return lead?.state.mic ? 'boardAudioOnly' : 'boardNoPicture';
}

function leadWaits(
  lead: Participant | undefined,
  slot: Slot | undefined,
): 'boardPictureComing' | 'boardNoPicture' {
  const coming = slot?.feed ? isCovered(slot) : false;
  return coming && lead?.state.camera !== false ? 'boardPictureComing' : 'boardNoPicture';
}
