/**
 * Her mouse over what she shows is her pointer on all boards. This lies over the stage's picture and
 * under its buttons, and shows her the same mark in the same place.
 */
import { useEffect, useRef } from 'preact/hooks';
import type { LessonClient } from '../client/lesson_client';
import { GONE_MS, Pace, pictureIn, placeIn } from '../page/pointer';

export function Pointing(props: { client: LessonClient }) {
  const { client } = props;
  const area = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = area.current;
    const own = mark.current;
    if (!element || !own) return;
    const pace = new Pace((place) => client.point(place));
    let timer: ReturnType<typeof setTimeout> | undefined;
    let there = false;
    const gone = () => {
      clearTimeout(timer);
      pace.stop();
      own.classList.remove('on');
      if (there) client.point(null);
      there = false;
    };
    const move = (event: PointerEvent) => {
      const box = element.getBoundingClientRect();
      const place = placeIn(pictureIn(box, aspectBehind(element)), event.clientX, event.clientY);
      if (!place) {
        gone();
        return;
      }
      there = true;
      own.style.transform = `translate(${event.clientX - box.left}px, ${event.clientY - box.top}px)`;
      own.classList.add('on');
      pace.at(place, performance.now());
      clearTimeout(timer);
      timer = setTimeout(gone, GONE_MS);
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerleave', gone);
    return () => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerleave', gone);
      gone();
    };
  }, [client]);
  return (
    <div ref={area} class="cover stage-pointing" data-testid="pointing">
      <div ref={mark} class="pointer-mark" aria-hidden="true" />
    </div>
  );
}

/** Of the picture that she sees under it. */
function aspectBehind(element: Element): number {
  const stage = element.parentElement;
  const image = stage?.querySelector<HTMLImageElement>('.stage-photo img');
  if (image && image.naturalHeight > 0) return image.naturalWidth / image.naturalHeight;
  const video = stage?.querySelector<HTMLVideoElement>('[data-testid="own-content"]');
  return video && video.videoHeight > 0 ? video.videoWidth / video.videoHeight : 0;
}
