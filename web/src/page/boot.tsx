/**
 * What every lesson page does first: can this browser do it, is there a token, then one connection
 * for the life of the page. Also the wires between the browser and the client library (which has no
 * DOM): visibility, network changes, and the read-only view `window.zhuandi` for tests and support.
 */
import { render, type VNode } from 'preact';
import { LessonClient } from '../client/lesson_client';
import type { Role } from '../client/protocol.gen';
import { tellNetwork, Ways } from '../client/ways';
import { type Key, language, t } from '../i18n';
import { StateScreen } from '../ui/state_screen';
import { followRole } from './moving';
import { takeToken } from './token_keeper';

declare global {
  interface Window {
    zhuandi?: {
      pc(): RTCPeerConnection | null;
      feeds(): ReturnType<LessonClient['feeds']>;
      room(): unknown;
      readonly joins: number;
      readonly peers: number;
    };
  }
}

export type PageName = 'teach' | 'class' | 'observe' | 'admin' | 'phone';

export function boot(page: PageName, show: (client: LessonClient, token: string) => VNode): void {
  const root = document.getElementById('app');
  if (!root) return;
  // The plain text for browsers without scripts has done its work.
  root.textContent = '';
  document.title = `${t(TITLES[page])} · ${t('appName')}`;
  if (!supported()) {
    render(<Problem page={page} state="unsupported" />, root);
    return;
  }
  const token = takeToken(page);
  if (!token) {
    render(<Problem page={page} state="no-token" />, root);
    return;
  }
  const ways = new Ways();
  void tellNetwork(ways);
  const client = new LessonClient({ url: socketUrl(), token, language: language.value, ways });
  expose(client);
  connectBrowser(client);
  followRole(client, page, token);
  render(show(client, token), root);
  client.start();
}

const PROBLEMS = {
  unsupported: ['unsupportedTitle', 'unsupportedText'],
  'no-token': ['noTokenTitle', 'noTokenText'],
} as const;

const TITLES: Record<PageName, Key> = {
  teach: 'lead',
  class: 'receiver',
  observe: 'observer',
  admin: 'admin',
  phone: 'companion',
};

/** A page that cannot even begin. */
export function Problem(props: { page: PageName; state: keyof typeof PROBLEMS }) {
  const [title, text] = PROBLEMS[props.state];
  return (
    <main data-page={props.page} data-state={props.state} class="fill dark">
      <StateScreen title={t(title)} text={t(text)} tone="attention" />
    </main>
  );
}

function supported(): boolean {
  return (
    typeof WebSocket !== 'undefined' &&
    typeof RTCPeerConnection !== 'undefined' &&
    'addTransceiver' in RTCPeerConnection.prototype &&
    'restartIce' in RTCPeerConnection.prototype
  );
}

export function socketUrl(): string {
  const url = new URL('/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.search = '';
  url.hash = '';
  return url.href;
}

/** Boards sleep, lose Wi-Fi and are covered by other windows: look at once when they return. */
function connectBrowser(client: LessonClient): void {
  const hidden = () => client.setOwnState({ hidden: document.visibilityState === 'hidden' });
  hidden();
  document.addEventListener('visibilitychange', () => {
    hidden();
    if (document.visibilityState === 'visible') client.signal.nudge();
  });
  window.addEventListener('focus', () => client.signal.nudge());
  window.addEventListener('online', () => client.signal.nudge(true));
  window.addEventListener('pageshow', (event) => {
    // Out of the back-forward cache everything is stale; the seat is found again by a fresh load.
    if (event.persisted) location.reload();
  });
  window.addEventListener('hashchange', () => location.reload());
}

function expose(client: LessonClient): void {
  const view = {
    pc: () => client.media.peer.get()?.pc ?? null,
    feeds: () => client.feeds(),
    room: () => {
      const room = client.room.get();
      if (!room) return null;
      return JSON.parse(JSON.stringify({ ...room, role: room.self.role as Role, own: client.ownState() }));
    },
    get joins() {
      return client.signal.joins;
    },
    get peers() {
      return client.media.made;
    },
  };
  window.zhuandi = Object.freeze(view);
}
