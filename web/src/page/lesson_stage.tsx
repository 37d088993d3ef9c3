/**
 * The lesson as classrooms see it: content large with the lead beside it, or the lead large. Also the
 * pictures of classrooms that the server puts on stage. Used by the board and by observers.
 *
 * Video elements stay mounted per slot while they move about the stage: a new element would be black
 * until its next frame.
 */
import type { LessonClient } from '../client/lesson_client';
import type { Participant } from '../client/protocol.gen';
import { findLead, type Room } from '../client/room';
import { isCovered, type Slot } from '../client/slots';
import { t } from '../i18n';
import { MicIcon } from '../ui/icons';
import { SlotVideo } from '../ui/slot_video';
import { useStore } from '../ui/use_store';

export type Showing = 'content' | 'lead' | 'none';

export interface Cast {
  showing: Showing;
  lead: Slot | undefined;
  content: Slot | undefined;
  others: readonly Slot[];
}

/**
 * Who stands where. The first two video slots are the lead's and content's home when empty. A feed
 * may stay assigned while its sender sends nothing, so what the sender says of itself decides.
 */
export function cast(slots: readonly Slot[], room: Room | null): Cast {
  const lead = room ? findLead(room) : undefined;
  const video = slots.filter((slot) => slot.media === 'video');
  const ofLead = (slot: Slot) => slot.feed?.kind === 'camera' && slot.feed.participant === lead?.id;
  const content = video.find((slot) => slot.feed?.kind === 'content') ?? empty(video[1]);
  const face = video.find(ofLead) ?? empty(video[0]);
  const others = video.filter((slot) => slot.feed !== null && slot !== content && slot !== face);
  const sharer = room?.roster.find((p) => p.id === content?.feed?.participant);
  const contentOn = content?.feed != null && content.feed.since !== null && sharer?.state.content === true;
  const faceOn = face?.feed != null && lead?.state.camera === true;
  return { showing: contentOn ? 'content' : faceOn ? 'lead' : 'none', lead: face, content, others };
}

function empty(slot: Slot | undefined): Slot | undefined {
  return slot && slot.feed === null ? slot : undefined;
}

export function LessonStage(props: { client: LessonClient; away: boolean }) {
  const { client, away } = props;
  const slots = useStore(client.media.slots);
  const room = useStore(client.room);
  const lead = room ? findLead(room) : undefined;
  const roles = cast(slots, room);
  const { showing } = roles;
  const leadOnStage = showing === 'lead' || (away && showing === 'none' && roles.lead?.shown != null);
  const contentOn = showing === 'content';
  const side = contentOn || roles.others.length > 0;
  const nameOf = (slot: Slot) => room?.roster.find((p) => p.id === slot.feed?.participant);
  const waiting = leadWaits(lead, roles.lead);
  return (
    <div
      class={`stage ${side ? 'with-side' : ''} ${away ? 'dimmed' : ''}`}
      data-testid="stage"
      data-showing={showing}
    >
      <SlotVideo
        key="content"
        client={client}
        slot={roles.content}
        place="large"
        testId="content-video"
        class={contentOn ? 'area-main' : 'area-off'}
        keepLast={away}
      >
        <p class="plate-line">{t('boardPictureComing')}</p>
      </SlotVideo>
      <div
        class={`lead-place ${contentOn ? 'area-side' : leadOnStage ? 'area-main' : 'area-off'}`}
        key="lead"
      >
        <SlotVideo
          client={client}
          slot={roles.lead}
          place={contentOn ? 'small' : 'large'}
          testId="lead-video"
          keepLast={away}
          hide={!away && lead?.state.camera === false}
        >
          <p class="plate-name">{lead?.name ?? ''}</p>
          <p class="plate-line">{t(waiting)}</p>
        </SlotVideo>
        {lead && <p class="name-tag">{lead.name}</p>}
      </div>
      {showing === 'none' && !leadOnStage && (
        <div class="stage-empty" key="empty">
          <p class="plate-name">{lead?.name ?? ''}</p>
          <p class="plate-line">{t(lead?.state.mic ? 'boardAudioOnly' : 'boardNoPicture')}</p>
        </div>
      )}
      {roles.others.length > 0 && (
        <div class={`others ${contentOn ? 'below-lead' : ''}`} key="others">
          {roles.others.map((slot) => (
            <div class="other" key={slot.mid}>
              <SlotVideo client={client} slot={slot} place="small">
                <p class="plate-line">{t('boardPictureComing')}</p>
              </SlotVideo>
              <p class="name-tag">
                {nameOf(slot)?.state.mic && <MicIcon />}
                {nameOf(slot)?.name ?? ''}
              </p>
            </div>
          ))}
        </div>
      )}
    </div>
  );
}

function leadWaits(
  lead: Participant | undefined,
  slot: Slot | undefined,
): 'boardPictureComing' | 'boardNoPicture' {
  const coming = slot?.feed ? isCovered(slot) : false;
  return coming && lead?.state.camera !== false ? 'boardPictureComing' : 'boardNoPicture';
}
