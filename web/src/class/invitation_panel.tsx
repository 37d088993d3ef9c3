/** The phone's code, large enough to be scanned from a step away. */
import { useEffect, useRef } from 'preact/hooks';
import { encode } from 'uqr';
import { t } from '../i18n';
import type { Board } from './board';
import { useBack } from './remote_keys';

export function InvitationPanel(props: { board: Board }) {
  const { invitation } = props.board;
  const state = invitation.state.value;
  useBack(state.step !== 'hidden', () => invitation.hide());
  if (state.step === 'hidden') return null;
  return (
    <section class="invitation" data-testid="invitation" data-step={state.step} aria-label={t('phoneInvite')}>
      {state.step !== 'failed' && (
        <div class="invitation-code">{state.step === 'shown' && <Code text={state.link} />}</div>
      )}
      <div class="invitation-words" role="status">
        {state.step === 'failed' ? (
          <p class="invitation-text">▲ {t('phoneInviteFailed')}</p>
        ) : (
          <>
            <p class="invitation-title">{t('phoneInvite')}</p>
            <p class="invitation-text phrases">
              {t(state.step === 'asking' ? 'phoneInviteWait' : 'phoneInviteText')}
            </p>
          </>
        )}
      </div>
      <Close onClose={() => invitation.hide()} />
    </section>
  );
}

function Close(props: { onClose: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  // A remote control's OK puts it away at once.
  useEffect(() => button.current?.focus(), []);
  return (
    <button
      ref={button}
      type="button"
      class="button tall"
      data-testid="invitation-close"
      onClick={props.onClose}
    >
      {t('close')}
    </button>
  );
}

/** Dark on light with four modules of margin, whatever the page's colours (ISO/IEC 18004 §9.1). */
function Code(props: { text: string }) {
  const { data, size } = encode(props.text, { ecc: 'L', border: 4 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('');
  return (
    <svg
      viewBox={`0 0 ${size} ${size}`}
      shape-rendering="crispEdges"
      role="img"
      aria-label={t('phoneInvite')}
    >
      <rect width={size} height={size} fill="#ffffff" />
      <path d={path} fill="#000000" />
    </svg>
  );
}
