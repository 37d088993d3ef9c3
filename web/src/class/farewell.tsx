/**
 * After 下课: how many were here, and how sound and picture were, one tap each. Every tap is told at once
 * and may be changed; nobody has to answer, and nothing waits for it.
 */
import { useState } from 'preact/hooks';
import type { Rating } from '../client/lesson_client';
import { findSelf } from '../client/room';
import { type Key, t } from '../i18n';
import { FaceIcon } from '../ui/icons';
import { useStore } from '../ui/use_store';
import type { Board } from './board';
import { rememberedHeadcount, rememberHeadcount } from './headcount';

type Told = Pick<Rating, 'sound' | 'picture'> & { headcount?: number };

export function Farewell(props: { board: Board }) {
  const { board } = props;
  const room = useStore(board.client.room);
  const own = room ? findSelf(room) : undefined;
  const [count, setCount] = useState(own?.headcount ?? rememberedHeadcount());
  const [told, setTold] = useState<Told>({});
  const [failed, setFailed] = useState(false);
  const tell = async (rating: Rating) => {
    setTold((before) => ({ ...before, ...rating }));
    const done = await board.client.rate(rating).then(
      () => true,
      () => false,
    );
    setFailed(!done);
    if (!done) setTold((before) => without(before, rating));
  };
  const change = (by: number) => {
    setCount((n) => Math.min(999, Math.max(0, n + by)));
    setTold(({ headcount: _, ...rest }) => rest);
  };
  const all = told.headcount !== undefined && told.sound && told.picture;
  return (
    <div class="cover farewell" data-testid="farewell">
      <p class="farewell-over">{room?.lesson.title}</p>
      <h1>{t('endedTitle')}</h1>
      <p class="farewell-text" role="status">
        {t(failed ? 'ratingFailed' : all ? 'ratingThanks' : 'ratingAsk')}
      </p>
      <dl class="farewell-questions">
        <dt>{t('ratingPupils')}</dt>
        <dd>
          <button type="button" class="button tall" aria-label={t('fewer')} onClick={() => change(-1)}>
            −
          </button>
          <output class="headcount-number">{count}</output>
          <button type="button" class="button tall" aria-label={t('more')} onClick={() => change(1)}>
            +
          </button>
          <button
            type="button"
            class={`button tall ${told.headcount === count ? 'active' : 'primary'}`}
            data-testid="farewell-headcount"
            aria-pressed={told.headcount === count}
            onClick={() => {
              rememberHeadcount(count);
              void tell({ headcount: count });
            }}
          >
            {t(told.headcount === count ? 'ratingDone' : 'confirm')}
          </button>
        </dd>
        <Faces
          question="ratingSound"
          what="sound"
          told={told.sound}
          onTap={(sound) => void tell({ sound })}
        />
        <Faces
          question="ratingPicture"
          what="picture"
          told={told.picture}
          onTap={(picture) => void tell({ picture })}
        />
      </dl>
    </div>
  );
}

function Faces(props: {
  question: Key;
  what: 'sound' | 'picture';
  told: Rating['sound'];
  onTap: (word: 'good' | 'poor') => void;
}) {
  const face = (word: 'good' | 'poor', key: Key) => (
    <button
      type="button"
      class={`button tall face ${props.told === word ? 'active' : ''}`}
      data-testid={`rate-${props.what}-${word}`}
      aria-pressed={props.told === word}
      onClick={() => props.onTap(word)}
    >
      <FaceIcon glad={word === 'good'} />
      {t(key)}
    </button>
  );
  return (
    <>
      <dt>{t(props.question)}</dt>
      <dd>
        {face('good', 'ratingGood')}
        {face('poor', 'ratingPoor')}
      </dd>
    </>
  );
}

/** What could not be told is not shown as told. */
function without(told: Told, rating: Rating): Told {
  const left = { ...told };
  for (const key of Object.keys(rating) as (keyof Rating)[]) delete left[key];
  return left;
}
