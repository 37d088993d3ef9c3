/** 悬浮小窗: the wall on top of other programs. Absent where the browser has no such window. */
import { t } from '../i18n';
import { FloatIcon } from '../ui/icons';
import { FloatingWall } from './floating_wall';
import type { Teaching } from './teaching';

export function FloatButton(props: { teaching: Teaching }) {
  const { floating } = props.teaching;
  if (!FloatingWall.possible) return null;
  const open = floating.open.value;
  return (
    <button
      type="button"
      class={`button float-button ${open ? 'active' : ''}`}
      data-testid="float"
      aria-pressed={open}
      title={t('floatHint')}
      onClick={() => floating.toggle()}
    >
      <FloatIcon />
      {t(open ? 'floatClose' : 'floatOpen')}
    </button>
  );
}
