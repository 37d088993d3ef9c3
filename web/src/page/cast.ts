/**
 * Who stands where on a stage, from the slots and the floor. A plain function, so that it is tested.
 *
 * One picture is big: content, else the newest one on stage, else whoever leads; where the type of lesson
 * says so, the stage before the content. A feed may stay assigned
 * while its sender sends nothing, so what the sender says of itself decides. One's own picture never
 * comes from the server; a classroom that leads sees the others beside each other.
 */
import { findLead, leadsNow, type Room } from '../client/room';
import { isCovered, type Slot } from '../client/slots';

export type Showing = 'photo' | 'content' | 'stage' | 'lead' | 'grid' | 'none';

export interface Cast {
  showing: Showing;
  lead: Slot | undefined;
  content: Slot | undefined;
  /** There is content to be seen, big or not. */
  contentOn: boolean;
  /** Those on stage, the newest first. */
  stage: readonly Slot[];
  /** Everybody else. */
  others: readonly Slot[];
}

export function cast(slots: readonly Slot[], room: Room | null): Cast {
  const lead = room ? findLead(room) : undefined;
  const video = slots.filter((slot) => slot.media === 'video');
  const cameraOf = (id: string | undefined) =>
    video.find((slot) => slot.feed?.kind === 'camera' && slot.feed.participant === id);
  const content = video.find((slot) => slot.feed?.kind === 'content') ?? empty(video[1]);
  // The first two slots are the lead's and content's home when empty.
  const face = cameraOf(lead?.id) ?? empty(video[0]);
  const stage = (room?.floor.speakers ?? []).flatMap((speaker) => {
    const slot = speaker.onStage ? cameraOf(speaker.participant) : undefined;
    return slot && slot !== face ? [slot] : [];
  });
  const others = video.filter(
    (slot) => slot.feed !== null && slot !== content && slot !== face && !stage.includes(slot),
  );
  const sharer = room?.roster.find((p) => p.id === content?.feed?.participant);
  const contentOn = content?.feed != null && content.feed.since !== null && sharer?.state.content === true;
  const faceOn = face?.feed != null && lead?.state.camera === true;
  // Until its first frame has come, what was big before stays.
  const stageOn = stage[0] !== undefined && (!isCovered(stage[0]) || !faceOn);
  const gridOn = room !== null && leadsNow(room) && others.length > 0;
  const speakerBig = room?.lesson.rules.layout === 'speaker' && stageOn;
  const material = room?.photos?.shown ? 'photo' : contentOn ? 'content' : null;
  const people = stageOn ? 'stage' : faceOn ? 'lead' : gridOn ? 'grid' : 'none';
  const showing = material && !speakerBig ? material : people;
  return { showing, lead: face, content, contentOn, stage, others };
}

function empty(slot: Slot | undefined): Slot | undefined {
  return slot && slot.feed === null ? slot : undefined;
}
