/** Chooses what the lead's page is: getting ready, teaching, or over. */
import type { Room } from '../client/room';
import type { SignalState } from '../client/signal';
import { t } from '../i18n';
import { FinalScreen } from '../page/final_screens';
import type { PageState } from '../page/state';
import { StateScreen } from '../ui/state_screen';
import { useStore } from '../ui/use_store';
import { InsecureScreen } from './insecure_screen';
import { LivePage } from './live_page';
import { Preflight } from './preflight';
import type { Teaching } from './teaching';

export function TeachPage(props: { teaching: Teaching }) {
  const { teaching } = props;
  const signal = useStore(teaching.client.signal.state);
  const room = useStore(teaching.client.room);
  const state = stateOf(teaching, signal, room);
  const live = state === 'live' || state === 'reconnecting';
  return (
    <main
      data-page="teach"
      data-state={state === 'left' ? 'ended' : state}
      class={`fill ${state === 'preflight' || state === 'insecure' ? '' : 'dark'}`}
    >
      {state === 'insecure' && <InsecureScreen />}
      {state === 'preflight' && <Preflight teaching={teaching} />}
      {state === 'connecting' && <StateScreen title={t('connectingTitle')} text={t('connectingText')} busy />}
      {live && <LivePage teaching={teaching} />}
      <FinalScreen client={teaching.client} />
    </main>
  );
}

function stateOf(teaching: Teaching, signal: SignalState, room: Room | null): PageState {
  if (signal.phase === 'over') return signal.end.kind;
  if (room?.lesson.state === 'ended') return 'ended';
  if (typeof isSecureContext !== 'undefined' && !isSecureContext) return 'insecure';
  if (teaching.phase.value !== 'teaching') return 'preflight';
  if (signal.phase === 'joined') return 'live';
  return signal.phase === 'connecting' && signal.before ? 'reconnecting' : 'connecting';
}
