/**
 * The lead's pointer over a picture. It is moved past the page's rendering: sixteen times a second a
 * weak board has better things to do.
 */
import { useEffect, useRef } from 'preact/hooks';
import type { LessonClient } from '../client/lesson_client';
import { GONE_MS, pictureIn } from './pointer';

/** Lies in the same box as the picture (an `img` or a `video`, shown whole), beside or around it. */
export function PointerMark(props: { client: LessonClient }) {
  const mark = useRef<HTMLDivElement>(null);
  const { client } = props;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = client.pointer.subscribe((place) => {
      const element = mark.current;
      const box = element?.parentElement;
      if (!element || !box) return;
      clearTimeout(timer);
      const aspect = aspectOf(box);
      if (!place || aspect === null) {
        element.classList.remove('on');
        return;
      }
      const picture = pictureIn(
        { left: 0, top: 0, width: box.clientWidth, height: box.clientHeight },
        aspect,
      );
      element.style.transform = `translate(${picture.left + place.x * picture.width}px, ${picture.top + place.y * picture.height}px)`;
      element.dataset.x = place.x.toFixed(3);
      element.dataset.y = place.y.toFixed(3);
      element.classList.add('on');
      timer = setTimeout(() => element.classList.remove('on'), GONE_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [client]);
  return <div ref={mark} class="pointer-mark" data-testid="pointer" aria-hidden="true" />;
}

function aspectOf(box: Element): number | null {
  const image = box.querySelector('img');
  if (image && image.naturalHeight > 0) return image.naturalWidth / image.naturalHeight;
  const video = box.querySelector('video');
  if (video && video.videoHeight > 0) return video.videoWidth / video.videoHeight;
  return null;
}
