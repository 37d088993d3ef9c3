/**
 * The picture of one receiving slot. While the slot is covered the video element stays in place (it
 * must present frames to be uncovered) but is transparent, behind a plate with the name.
 */
import type { ComponentChildren } from 'preact';
import type { LessonClient } from '../client/lesson_client';
import { isCovered, type Slot } from '../client/slots';
import { TrackVideo } from './track_video';
import { useStore } from './use_store';

export interface SlotVideoProps {
  client: LessonClient;
  slot: Slot | undefined;
  class?: string;
  testId?: string;
  /** Keep showing the last frame although the feed has ended (the teacher is away). */
  keepLast?: boolean;
  /** Shows the plate although a picture is there (its sender turned the camera off). */
  hide?: boolean;
  /** What stands there instead of a picture. */
  children?: ComponentChildren;
}

export function SlotVideo(props: SlotVideoProps) {
  const { client, slot } = props;
  const peer = useStore(client.media.peer);
  const receiver = slot ? peer?.receiver(slot.mid) : undefined;
  const covered =
    props.hide ||
    !slot ||
    (isCovered(slot) && !(props.keepLast && slot.feed === null && slot.shown !== null));
  const since = slot?.feed?.since ?? null;
  const watch =
    slot && receiver && isCovered(slot) && since !== null
      ? { receiver, since, onFrame: (ts: number) => client.media.frameShown(slot.mid, ts) }
      : null;
  return (
    <div class={`slot-video ${props.class ?? ''} ${covered ? 'covered' : ''}`}>
      <TrackVideo
        track={receiver?.track ?? null}
        watch={watch}
        {...(props.testId ? { testId: props.testId } : {})}
      />
      {covered && <div class="plate">{props.children}</div>}
    </div>
  );
}
