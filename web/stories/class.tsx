// The board of a classroom.

import { Board } from '../src/class/board';
import { BoardPage } from '../src/class/board_page';
import type { LessonClient } from '../src/client/lesson_client';
import type { LessonInfo, LinkState, Participant } from '../src/client/protocol.gen';
import { t } from '../src/i18n';
import { Problem } from '../src/page/boot';
import { CLASSES, type FedSlot, fakeClient, feed, join, LEAD, LONG_NAMES, picture } from './fixtures';
import {
  face,
  floor,
  line,
  on,
  PHOTO,
  pointing,
  pupils,
  slide,
  tap,
  tone,
  us,
  withContent,
  withPhoto,
} from './lesson';
import type { Stories } from './stories';

export const classStories: Stories = {
  'class-connecting': () => <BoardPage board={new Board(fakeClient(), 'a.b.c')} />,
  'class-waiting': () => board('scheduled', LEAD, []).node,
  'class-live-lead': () => board('live', LEAD).node,
  'class-live-content': () => board('live', withContent, [face, slide]).node,
  'class-turn': () => ourTurn().node,
  'class-turn-content': () => ourTurn(withContent, [face, slide]).node,
  'class-turn-kept': () => ourTurn(LEAD, [face, null], true).node,
  'class-hand': () => {
    const b = board('live', withContent, [face, slide]);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    floor(b.client, { place: 2 });
    return b.node;
  },
  'class-other-speaks': () => {
    const b = board('live', LEAD, [face, null, pupils(1)]);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    floor(b.client, { speakers: [on('c1')] });
    return b.node;
  },
  'class-other-speaks-content': () => {
    const b = board('live', withContent, [face, slide, pupils(1)]);
    floor(b.client, { speakers: [on('c1')] });
    return b.node;
  },
  'class-discussion': () => {
    const b = board('live', withContent, [face, slide, pupils(1), pupils(2), pupils(3)]);
    floor(b.client, { mode: 'discuss', speakers: [on('c1'), on('c2'), on('c3')] }, { heard: ['c2'] });
    return b.node;
  },
  'class-leads': () => {
    const b = board('live', LEAD, [{ ...face }, pupils(1), pupils(2), pupils(3), pupils(4)]);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    open(b.client);
    b.client.room.update((room) => (room ? { ...room, lesson: { ...room.lesson, leads: us.id } } : room));
    return b.node;
  },
  'class-headcount': () => board('live', withContent, [face, slide]).node,
  'class-live-speaking': () => {
    const b = board('live', withContent, [face, slide]);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    open(b.client);
    b.page.notice.value = t('floorEnded');
    return b.node;
  },
  'class-live-muted': () => {
    const b = board('live', withContent, [face, slide]);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    b.page.ownMic.told(true);
    return b.node;
  },
  'class-live-own-muted': () => {
    const b = board('live', LEAD);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    return b.node;
  },
  'class-live-none': () =>
    board('live', { ...LEAD, state: { ...LEAD.state, camera: false } }, [null, null]).node,
  'class-covered': () => board('live', LEAD, [{ ...face, covered: true }, null]).node,
  'class-away': () => board('live', { ...LEAD, presence: 'away' }).node,
  'class-reconnecting': () => {
    const b = board('live', LEAD);
    b.client.signal.state.set({ phase: 'connecting', attempt: 3, before: true, error: null });
    b.client.media.state.set('repairing');
    return b.node;
  },
  'class-sound': () => {
    const b = board('live', LEAD);
    setTimeout(() => b.page.sound.blocked.set(true), 300);
    return b.node;
  },
  'class-blocked': () => {
    const b = board('live', LEAD, []);
    b.client.media.state.set('blocked');
    return b.node;
  },
  'class-link-lossy': () => slow('lossy', [face, slide]),
  'class-link-reduced': () => slow('reduced', [{ ...face, paused: true }, slide]),
  'class-link-sound-only': () =>
    slow('sound_only', [
      { ...face, paused: true },
      { ...slide, paused: true },
    ]),
  'class-link-lead-paused': () => slow('sound_only', [{ ...face, paused: true }, null], LEAD),
  'class-link-never-came': () => slow('sound_only', [{ ...face, paused: true, covered: true }, null], LEAD),
  'class-link-silent': () => slow('silent', [face, slide]),
  'class-photo': () => {
    const b = board('live', LEAD);
    withPhoto(b.client, { shown: PHOTO, waiting: [] });
    pointing(b.client);
    return b.node;
  },
  'class-photo-called': () => {
    const b = board('live', LEAD, [face, null, pupils(2)]);
    withPhoto(b.client, { shown: PHOTO, waiting: [] });
    floor(b.client, { speakers: [on('c2')] });
    return b.node;
  },
  'class-pointer': () => {
    const b = board('live', withContent, [face, slide]);
    pointing(b.client);
    return b.node;
  },
  'class-meeting-content': () => {
    const b = board('live', withContent, [face, slide, pupils(2)]);
    b.client.room.update((room) =>
      room
        ? {
            ...room,
            lesson: {
              ...room.lesson,
              lessonType: 'meeting',
              rules: { ...room.lesson.rules, layout: 'speaker', mode: 'discuss' },
            },
          }
        : room,
    );
    floor(b.client, { mode: 'discuss', speakers: [on('c2')] });
    return b.node;
  },
  'class-broadcast': () => {
    const b = board('live', withContent, [face, slide]);
    b.client.room.update((room) =>
      room
        ? {
            ...room,
            self: { ...room.self, role: 'observer' },
            lesson: { ...room.lesson, lessonType: 'broadcast' },
          }
        : room,
    );
    return b.node;
  },
  'class-ended': () => over('ended'),
  'class-replaced': () => over('replaced'),
  'class-kicked': () => over('kicked'),
  'class-left': () => over('left'),
  'class-refused': () => {
    const b = board('live', LEAD);
    b.client.signal.state.set({
      phase: 'over',
      end: {
        kind: 'refused',
        code: 'token_expired',
        message: '进入课堂的链接已过期。',
        hint: '请向管理员要一个新的链接。',
      },
    });
    return b.node;
  },
  'class-invitation': () => {
    const b = board('live', LEAD);
    const token = `${'e'.repeat(60)}.${'y'.repeat(230)}.${'s'.repeat(43)}`;
    b.page.invitation.state.value = {
      step: 'shown',
      link: `https://ketang.example.edu.cn:8443/phone#${token}`,
    };
    return b.node;
  },
  'class-invitation-failed': () => {
    const b = board('live', withContent, [face, slide]);
    b.page.invitation.state.value = { step: 'failed' };
    return b.node;
  },
  'class-waiting-troubles': () => {
    const b = board('scheduled', null, []);
    b.page.camera.state.update((s) => ({ ...s, track: null, problem: 'permission-refused' }));
    b.page.mic.state.update((s) => ({ ...s, problem: 'device-in-use' }));
    b.page.sound.on.set(false);
    b.client.media.state.set('blocked');
    tap('sound-test-play');
    return b.node;
  },
  'class-more': () => {
    tap('more');
    return board('live', withContent, [face, slide]).node;
  },
  'class-leaving': () => {
    tap('more', 'leave');
    return board('live', LEAD).node;
  },
  'class-notice': () => {
    const b = board('live', withContent, [face, slide]);
    b.page.notice.value = t('echoMuted', { name: us.name });
    return b.node;
  },
  'class-long-names': () => {
    const b = board('live', withContent, [face, slide, pupils(1), pupils(2)]);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    floor(b.client, { mode: 'discuss', speakers: [on('c1'), on('c2')] });
    b.client.room.update((room) =>
      room
        ? {
            ...room,
            self: { ...room.self, name: LONG_NAMES[5] as string },
            roster: room.roster.map((p, i) => ({ ...p, name: LONG_NAMES[i] ?? p.name })),
          }
        : room,
    );
    return b.node;
  },
  'class-farewell': () => farewell(() => Promise.resolve()),
  'class-farewell-told': () => {
    tap('farewell-headcount', 'rate-sound-good', 'rate-picture-poor');
    return farewell(() => Promise.resolve());
  },
  'class-farewell-failed': () => {
    tap('rate-sound-good');
    return farewell(() => Promise.reject(new Error('offline')));
  },
  'class-no-token': () => <Problem page="class" state="no-token" />,
  'class-unsupported': () => <Problem page="class" state="unsupported" />,
};

function board(state: LessonInfo['state'], lead: Participant | null, fed: (FedSlot | null)[] = [face, null]) {
  const client = fakeClient();
  const page = new Board(client, 'a.b.c');
  page.camera.state.update((s) => ({ ...s, track: picture('class', 1, 640, 360) }));
  join(client, us, state, lead ? [lead, ...CLASSES.slice(1)] : CLASSES.slice(1));
  page.sound.on.set(true);
  feed(client, fed);
  return { client, page, node: <BoardPage board={page} /> };
}

/** Its microphone is nobody's business but its own. */
function open(client: LessonClient): void {
  client.room.update((room) =>
    room ? { ...room, roster: room.roster.map((p) => (p.id === us.id ? { ...p, muted: [] } : p)) } : room,
  );
}

/** After 下课, asked how it was. */
function farewell(rate: () => Promise<void>) {
  const client = fakeClient();
  const claims = btoa(JSON.stringify({ lesson: 'demo', role: 'receiver', sub: 'c0' })).replace(/=/g, '');
  const page = new Board(client, `e30.${claims}.c`);
  client.rate = rate;
  join(client, us, 'ended', CLASSES.slice(1));
  return <BoardPage board={page} />;
}

/** A classroom whose turn it is. */
function ourTurn(lead = LEAD, fed: (FedSlot | null)[] = [face, null], kept = false) {
  const b = board('live', lead, fed);
  b.page.mic.state.update((s) => ({ ...s, track: tone() }));
  open(b.client);
  if (kept) b.page.ownMic.toggle();
  floor(b.client, { speakers: [on(us.id)] });
  return b;
}

/** A classroom on a line of this state. */
function slow(state: LinkState, fed: (FedSlot | null)[], lead = withContent) {
  const b = board('live', lead, fed);
  line(b.client, { state, cause: state === 'lossy' ? 'loss' : 'slow' });
  return b.node;
}

function over(kind: 'ended' | 'replaced' | 'kicked' | 'left') {
  const b = board('live', LEAD);
  b.client.signal.state.set({ phase: 'over', end: { kind } });
  return b.node;
}
