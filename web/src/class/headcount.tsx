/**
 * How many are here, asked once when the lesson has begun: the last answer of this board stands there
 * already, so one tap is enough. It lies at the lower right and goes after a while; behind "more" it can be
 * asked for again, because some come late.
 */
import { useEffect, useState } from 'preact/hooks';
import { findSelf } from '../client/room';
import { t } from '../i18n';
import { useStore } from '../ui/use_store';
import type { Board } from './board';
import { useBack } from './remote_keys';

const ASK_MS = 45_000;
const STORED = 'zhuandi.headcount';
const USUAL = 40;

export function Headcount(props: { board: Board }) {
  const { board } = props;
  const room = useStore(board.client.room);
  const [count, setCount] = useState(rememberedHeadcount);
  const own = room ? findSelf(room) : undefined;
  const wanted = board.askHeadcount.value;
  const asks =
    wanted === 'now' || (wanted === 'at-start' && own !== undefined && own.headcount === undefined);
  useEffect(() => {
    if (!asks) return;
    const timer = setTimeout(() => {
      board.askHeadcount.value = 'no';
    }, ASK_MS);
    return () => clearTimeout(timer);
  }, [asks, board]);
  useBack(asks, () => {
    board.askHeadcount.value = 'no';
  });
  if (!asks) return null;
  const change = (by: number) => setCount((n) => Math.min(999, Math.max(0, n + by)));
  const confirm = async () => {
    board.askHeadcount.value = 'no';
    rememberHeadcount(count);
    if (!(await board.tellHeadcount(count))) board.askHeadcount.value = 'now';
  };
  return (
    <section class="headcount" data-testid="headcount" aria-label={t('headcountAsk')}>
      <p class="headcount-ask">{t('headcountAsk')}</p>
      <button type="button" class="button tall" aria-label={t('fewer')} onClick={() => change(-1)}>
        −
      </button>
      <output class="headcount-number">{count}</output>
      <button type="button" class="button tall" aria-label={t('more')} onClick={() => change(1)}>
        +
      </button>
      <button
        type="button"
        class="button tall primary"
        data-testid="headcount-ok"
        onClick={() => void confirm()}
      >
        {t('confirm')}
      </button>
    </section>
  );
}

/** `?pupils=` in the board's link is its class; a board that keeps nothing is told by it each time. */
export function rememberedHeadcount(): number {
  const asked = new URLSearchParams(location.search).get('pupils');
  try {
    const text = asked ?? localStorage.getItem(STORED) ?? '';
    return /^\d{1,3}$/.test(text) ? Number(text) : USUAL;
  } catch {
    return USUAL;
  }
}

export function rememberHeadcount(count: number): void {
  try {
    localStorage.setItem(STORED, String(count));
  } catch {
    // The next lesson asks with the usual number.
  }
}
