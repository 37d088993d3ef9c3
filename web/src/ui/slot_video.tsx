/**
 * The picture of one receiving slot. While the slot is covered the video element stays in place (it
 * must present frames to be uncovered) but is transparent, behind a plate with the name. A picture that
 * the line has no room for stays as it was, dimmed, and says why.
 */
import type { ComponentChildren } from 'preact';
import type { LessonClient } from '../client/lesson_client';
import { isCovered, type Slot } from '../client/slots';
import { t } from '../i18n';
import { type Place, pausedWord } from './link_words';
import { useSteady } from './steady';
import { TrackVideo } from './track_video';
import { useStore } from './use_store';

export interface SlotVideoProps {
  client: LessonClient;
  slot: Slot | undefined;
  place: Place;
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
  const paused = useSteady(slot?.feed?.paused === true);
  const cause = useStore(client.room)?.link?.cause ?? null;
  const still = paused && slot?.feed != null && !props.hide;
  const since = slot?.feed?.since ?? null;
  const watch =
    slot && receiver && isCovered(slot) && since !== null
      ? { receiver, since, onFrame: (ts: number) => client.media.frameShown(slot.mid, ts) }
      : null;
  return (
    <div
      class={`slot-video ${props.class ?? ''} ${covered ? 'covered' : ''} ${still ? 'still' : ''}`}
      data-paused={String(still)}
    >
      <TrackVideo
        track={receiver?.track ?? null}
        watch={watch}
        {...(props.testId ? { testId: props.testId } : {})}
      />
      {covered && !still && <div class="cover plate">{props.children}</div>}
      {covered && still && (
        <div class="cover plate">
          <p class="plate-line">{t(pausedWord(props.place, cause, true))}</p>
        </div>
      )}
      {!covered && still && (
        <p class="still-reason" role="status">
          {t(pausedWord(props.place, cause, false))}
        </p>
      )}
    </div>
  );
}
