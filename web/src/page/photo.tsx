/**
 * A photo of the lesson, fetched with the page's token: sharp at once, whatever the line does to video.
 * While it comes, and when it does not come, words stand in its place; it is tried again by itself.
 */
import { useEffect, useState } from 'preact/hooks';
import type { LessonClient } from '../client/lesson_client';
import type { PhotoInfo } from '../client/protocol.gen';
import { t } from '../i18n';

const AGAIN_MS = 3_000;

export function Photo(props: { client: LessonClient; photo: PhotoInfo; class?: string; testId?: string }) {
  const { client, photo } = props;
  const [shown, setShown] = useState<{ id: string; url: string } | null>(null);
  useEffect(() => {
    let over = false;
    let url: string | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = () => {
      client.fetchPhoto(photo.url).then(
        (blob) => {
          if (over) return;
          url = URL.createObjectURL(blob);
          setShown({ id: photo.id, url });
        },
        () => {
          if (!over) timer = setTimeout(load, AGAIN_MS);
        },
      );
    };
    load();
    return () => {
      over = true;
      clearTimeout(timer);
      if (url) URL.revokeObjectURL(url);
    };
  }, [client, photo.id, photo.url]);
  return (
    <div class={`photo ${props.class ?? ''}`} data-photo={photo.id}>
      {shown?.id === photo.id ? (
        <img src={shown.url} alt={t('photoOf', { name: photo.name })} data-testid={props.testId ?? 'photo'} />
      ) : (
        <p class="plate-line">{t('photoComing')}</p>
      )}
    </div>
  );
}
