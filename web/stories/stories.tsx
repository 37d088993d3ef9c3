// One state of one page, chosen by `?story=`. For eyes only: not part of the build.
import { render } from 'preact';
import { AdminPage } from '../src/admin/admin_page';
import type { DeviceProblem } from '../src/capture/problems';
import { Board } from '../src/class/board';
import { BoardPage } from '../src/class/board_page';
import type { LessonClient } from '../src/client/lesson_client';
import type { LessonInfo, LinkState, LinkStats, Participant } from '../src/client/protocol.gen';
import type { Room } from '../src/client/room';
import { ObservePage } from '../src/observe/observe_page';
import { Phone, type PhotoState } from '../src/phone/phone';
import { PhonePage } from '../src/phone/phone_page';
import { StartPage } from '../src/start/start_page';
import { FloatingTiles } from '../src/teach/floating_tiles';
import { TeachPage } from '../src/teach/teach_page';
import { Teaching } from '../src/teach/teaching';
import { SoundOutput } from '../src/ui/sound_output';
import { CLASSES, type FedSlot, fakeClient, feed, join, LEAD, overview, picture } from './fixtures';

const face: FedSlot = { track: picture('face', 3), participant: 'lead', kind: 'camera' };
const slide: FedSlot = { track: picture('slide', 1), participant: 'lead', kind: 'content' };
const withContent: Participant = { ...LEAD, state: { ...LEAD.state, content: true } };
const us: Participant = { ...(CLASSES[0] as Participant), muted: ['mic'] };

function board(state: LessonInfo['state'], lead: Participant | null, fed: (FedSlot | null)[] = [face, null]) {
  const client = fakeClient();
  const page = new Board(client, 'a.b.c');
  page.camera.state.update((s) => ({ ...s, track: picture('class', 1, 640, 360) }));
  join(client, us, state, lead ? [lead, ...CLASSES.slice(1)] : CLASSES.slice(1));
  page.sound.on.set(true);
  feed(client, fed);
  return { client, page, node: <BoardPage board={page} /> };
}

function teach(live: boolean, change: (teaching: Teaching) => void = () => undefined, classes = CLASSES) {
  const client = fakeClient();
  const teaching = new Teaching(client, 'a.b.c');
  const device = { deviceId: 'x', label: 'HD Pro Webcam C920', kind: 'videoinput' } as MediaDeviceInfo;
  teaching.camera.state.update((s) => ({ ...s, track: picture('face', 3), devices: [device], chosen: 'x' }));
  teaching.mic.state.update((s) => ({
    ...s,
    track: tone(),
    devices: [{ ...device, label: '领夹麦克风 (USB Audio)' } as MediaDeviceInfo],
    chosen: 'x',
  }));
  if (live) teaching.phase.value = 'teaching';
  join(client, LEAD, live ? 'live' : 'scheduled', classes);
  feed(
    client,
    classes.map((c, i) => ({
      track: picture('class', i, 640, 360),
      participant: c.id,
      kind: 'camera',
      covered: i === 3,
    })),
  );
  change(teaching);
  return <TeachPage teaching={teaching} />;
}

function tone(): MediaStreamTrack {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  gain.gain.value = 0.2;
  oscillator.connect(gain).connect(out);
  oscillator.start();
  return out.stream.getAudioTracks()[0] as MediaStreamTrack;
}

const mixed: Participant[] = CLASSES.map((c, i) => {
  if (i === 1) return { ...c, state: { ...c.state, mic: true } };
  if (i === 4) return { ...c, state: { ...c.state, sound: false } };
  if (i === 5) return { ...c, presence: 'away' };
  return c;
});

/** A lesson with a floor: who speaks (and is shown), whose hands are up. */
function floor(client: LessonClient, change: Partial<Room['floor']>, more: Partial<Room> = {}): void {
  client.room.update((room) => (room ? { ...room, floor: { ...room.floor, ...change }, ...more } : room));
}

/** A page of a workbook, photographed. */
const PHOTO = { id: 'p1', url: '/photo', from: 'c1', name: '东片小学 四(1)' };
function withPhoto(client: LessonClient, photos: NonNullable<Room['photos']>): void {
  client.fetchPhoto = () => workbook();
  client.room.update((room) => (room ? { ...room, photos } : room));
}
function workbook(): Promise<Blob> {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1600, height: 1200 });
  const c = canvas.getContext('2d') as CanvasRenderingContext2D;
  c.fillStyle = '#f3ecd9';
  c.fillRect(0, 0, 1600, 1200);
  c.fillStyle = '#2a3f8f';
  c.font = '84px serif';
  [
    '1. 3 × 4 + 8 = 20',
    '2. (15 − 6) ÷ 3 = 3',
    '3. 一根绳子长 24 米，平均剪成',
    '    6 段，每段长多少米？',
    '    24 ÷ 6 = 4（米）',
  ].forEach((text, i) => {
    c.fillText(text, 140, 220 + i * 190);
  });
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob as Blob)));
}
/** The pointer, again and again: it goes by itself after a while. */
function pointing(client: LessonClient): void {
  setInterval(() => client.pointer.set({ x: 0.42, y: 0.36 }), 200);
}

const on = (participant: string) => ({ participant, onStage: true });
const pupils = (i: number): FedSlot => ({
  track: picture('class', i, 640, 360),
  participant: `c${i}`,
  kind: 'camera',
});

/** A classroom whose turn it is. */
function ourTurn(lead = LEAD, fed: (FedSlot | null)[] = [face, null], kept = false) {
  const b = board('live', lead, fed);
  b.page.mic.state.update((s) => ({ ...s, track: tone() }));
  b.page.ownMic.entry({ ...us, muted: [] });
  if (kept) b.page.ownMic.toggle();
  floor(b.client, { speakers: [on(us.id)] });
  return b;
}

/** The lead's page with somebody on stage. */
function teachFloor(
  change: Partial<Room['floor']>,
  more: Partial<Room> = {},
  also: (t: Teaching) => void = () => undefined,
) {
  const counted = mixed.map((c, i) => (i < 4 ? { ...c, headcount: 27 - 4 * i } : c));
  return teach(
    true,
    (t) => {
      floor(t.client, change, more);
      also(t);
    },
    counted,
  );
}

function trouble(camera: DeviceProblem, mic: DeviceProblem | null) {
  return teach(false, (t) => {
    t.camera.state.update((s) => ({ ...s, track: null, problem: camera, devices: [] }));
    if (mic) t.mic.state.update((s) => ({ ...s, track: null, problem: mic, devices: [] }));
  });
}

function line(client: LessonClient, change: Partial<LinkStats>): void {
  client.room.update((room) => (room?.link ? { ...room, link: { ...room.link, ...change } } : room));
}

/** A classroom on a line of this state. */
function slow(state: LinkState, fed: (FedSlot | null)[], lead = withContent) {
  const b = board('live', lead, fed);
  line(b.client, { state, cause: state === 'lossy' ? 'loss' : 'slow' });
  return b.node;
}

function phone(
  state: LessonInfo['state'],
  change: Partial<Room['floor']> = {},
  photo: PhotoState | null = null,
  own: Partial<Participant> = {},
) {
  const client = fakeClient();
  const page = new Phone(client, 'a.b.c');
  join(client, { ...us, ...own }, state, [LEAD, CLASSES[2] as Participant]);
  client.room.update((room) =>
    room ? { ...room, self: { ...room.self, role: 'companion' as const } } : room,
  );
  floor(client, change);
  if (photo) page.photo.value = photo;
  return { client, page, node: <PhonePage phone={page} /> };
}

/** A page of pupils' writing. */
function writing(): string {
  const canvas = Object.assign(document.createElement('canvas'), { width: 600, height: 800 });
  const c = canvas.getContext('2d') as CanvasRenderingContext2D;
  c.fillStyle = '#f7f2e4';
  c.fillRect(0, 0, 600, 800);
  c.fillStyle = '#31405a';
  c.font = '40px serif';
  ['我的家乡', '　　我的家乡在海边，', '那里有大片的盐田。', '春天，风很大……'].forEach((text, i) => {
    c.fillText(text, i === 0 ? 210 : 60, 110 + i * 90);
  });
  return canvas.toDataURL('image/jpeg');
}

/** Every state of a classroom's line on the lead's wall. */
function wallOfLinks() {
  return teach(
    true,
    ({ client }) => {
      const states: LinkState[] = ['reduced', 'sound_only', 'lossy', 'silent'];
      const links = states.map((state, i) => ({ participant: `c${i}`, state, cause: 'slow' as const }));
      client.room.update((room) => (room ? { ...room, links } : room));
      feed(
        client,
        CLASSES.map((c, i) => ({
          track: picture('class', i, 640, 360),
          participant: c.id,
          kind: 'camera',
          paused: i === 2 || i === 4,
          covered: i === 4,
        })),
      );
    },
    mixed.map((c, i) => (i === 4 ? (CLASSES[4] as Participant) : c)),
  );
}

const stories: Record<string, () => preact.VNode> = {
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
    b.page.ownMic.entry({ ...us, muted: [] });
    b.client.room.update((room) => (room ? { ...room, lesson: { ...room.lesson, leads: us.id } } : room));
    return b.node;
  },
  'class-headcount': () => board('live', withContent, [face, slide]).node,
  'class-live-speaking': () => {
    const b = board('live', withContent, [face, slide]);
    b.page.mic.state.update((s) => ({ ...s, track: tone() }));
    b.page.ownMic.open.value = true;
    b.page.notice.value = '王老师打开了您的麦克风。';
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
  'teach-preflight': () => teach(false),
  'teach-preflight-empty': () => teach(false, () => undefined, []),
  'teach-refused': () => trouble('permission-refused', 'permission-refused'),
  'teach-in-use': () => trouble('device-in-use', null),
  'teach-no-device': () => trouble('no-device', 'unplugged'),
  'teach-unreachable': () =>
    teach(false, (t) => {
      t.client.signal.state.set({ phase: 'connecting', attempt: 4, before: false, error: null });
      t.client.room.set(null);
      t.client.media.state.set('none');
    }),
  'teach-udp': () => teach(false, (t) => t.client.media.state.set('blocked')),
  'teach-live': () => teach(true, () => undefined, mixed),
  'teach-called': () => teachFloor({ speakers: [on('c0')] }, { heard: ['c0'] }),
  'teach-called-content': () =>
    teachFloor({ speakers: [on('c2')] }, {}, (t) => {
      t.content.value = { video: slide.track as MediaStreamTrack, audio: null };
    }),
  'teach-hands': () =>
    teachFloor(
      { hands: ['c3', 'c0', 'c2'] },
      {
        complaints: [
          { participant: 'c1', kind: 'cannot_hear', at: performance.now() },
          { participant: 'c2', kind: 'cannot_see', at: performance.now() - 22_000 },
        ],
      },
    ),
  'teach-discussion': () =>
    teachFloor({ mode: 'discuss', speakers: [on('c3'), on('c0'), on('c1')] }, { heard: ['c0'] }),
  'teach-kept': () =>
    teach(
      true,
      (t) => floor(t.client, { speakers: [on('c0')] }),
      mixed.map((c, i) => (i === 0 ? { ...c, state: { ...c.state, micKept: true } } : c)),
    ),
  'teach-photo-card': () =>
    teachFloor({}, {}, (t) => {
      t.content.value = { video: slide.track as MediaStreamTrack, audio: null };
      withPhoto(t.client, { shown: null, waiting: [PHOTO, { ...PHOTO, id: 'p2' }] });
    }),
  'teach-photo': () =>
    teachFloor({ speakers: [] }, {}, (t) => withPhoto(t.client, { shown: PHOTO, waiting: [] })),
  'teach-photo-called': () =>
    teachFloor({ speakers: [on('c2')] }, {}, (t) => withPhoto(t.client, { shown: PHOTO, waiting: [] })),
  'teach-paused': () =>
    teachFloor({}, {}, (t) => {
      const video = slide.track as MediaStreamTrack;
      t.content.value = { video, audio: null };
      t.paused.value = { track: video, stop: () => undefined };
    }),
  'teach-content-menu': () => {
    setTimeout(() => document.querySelector<HTMLElement>('[data-testid="content-more"]')?.click(), 300);
    return teachFloor({}, {});
  },
  'teach-audience': () => {
    setTimeout(() => document.querySelector<HTMLElement>('[data-testid="audience"]')?.click(), 300);
    return teachFloor({}, { audience: { units: 12, people: 37 } }, (t) => {
      t.client.listAudience = () =>
        Promise.resolve(
          Array.from({ length: 12 }, (_, i) => ({
            unit: `示例县${String(i + 1).padStart(3, '0')}`,
            viewers: Array.from({ length: i === 1 ? 8 : 1 + (i % 3) }, (_, n) => ({
              id: `o${i}-${n}`,
              name: `示例县${String(i + 1).padStart(3, '0')} 教研室 ${n + 1}`,
              promotable: n !== 1,
            })),
          })),
        );
    });
  },
  'teach-promoted': () =>
    teach(
      true,
      () => undefined,
      CLASSES.map((c, i) => (i === 1 ? { ...c, name: '示例县001 教研室', promoted: true } : c)),
    ),
  'teach-led-by-other': () =>
    teachFloor({}, {}, (t) =>
      t.client.room.update((room) => (room ? { ...room, lesson: { ...room.lesson, leads: 'c0' } } : room)),
    ),
  'teach-pages': () => {
    const many = Array.from({ length: 21 }, (_, i) => ({
      ...(CLASSES[i % 6] as Participant),
      id: `c${i}`,
      name: `示例县${String(i + 1).padStart(3, '0')}小学`,
    }));
    return teach(true, (t) => floor(t.client, { hands: ['c12'] }), many);
  },
  'teach-live-empty': () => teach(true, () => undefined, []),
  'teach-live-content': () =>
    teach(
      true,
      (t) => {
        t.content.value = { video: slide.track as MediaStreamTrack, audio: null };
        t.micOn.value = false;
        t.say('所有教室的麦克风都关了。');
      },
      mixed,
    ),
  'teach-live-no-camera': () =>
    teach(true, (t) => t.camera.state.update((s) => ({ ...s, track: null })), mixed),
  'teach-links': () => wallOfLinks(),
  'teach-uplink-lossy': () => teach(true, (t) => line(t.client, { lossUp: 0.08 }), mixed),
  'teach-uplink-slow': () => teach(true, (t) => t.client.media.uplinkLimited.set(true), mixed),
  'teach-downlink-slow': () => teach(true, (t) => line(t.client, { state: 'reduced', cause: 'slow' }), mixed),
  'teach-live-lost': () =>
    teach(true, (t) =>
      t.client.signal.state.set({ phase: 'connecting', attempt: 2, before: true, error: null }),
    ),
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
  'teach-weak-board': () =>
    teach(
      true,
      () => undefined,
      mixed.map((c, i) => (i === 0 ? { ...c, state: { ...c.state, weak: true } } : c)),
    ),
  'floating-wall': () => {
    let tiles: preact.VNode | null = null;
    teach(
      true,
      (t) => {
        floor(t.client, { hands: ['c2'], speakers: [on('c0')] });
        tiles = <FloatingTiles teaching={t} />;
      },
      mixed,
    );
    return <main class="dark floating">{tiles}</main>;
  },
  start: () => <StartPage />,
  'phone-connecting': () => {
    const client = fakeClient();
    return <PhonePage phone={new Phone(client, 'a.b.c')} />;
  },
  'phone-no-board': () => {
    const client = fakeClient();
    const error = {
      type: 'error' as const,
      code: 'unknown_participant',
      message: '',
      hint: '',
      fatal: false,
    };
    client.signal.state.set({ phase: 'connecting', attempt: 3, before: false, error });
    return <PhonePage phone={new Phone(client, 'a.b.c')} />;
  },
  'phone-waiting': () => phone('scheduled').node,
  'phone-live': () => {
    const p = phone('live');
    p.page.notice.value = '已经告诉老师。';
    return p.node;
  },
  'phone-hand': () => phone('live', { place: 2, speakers: [on('c2')] }).node,
  'phone-turn': () => phone('live', { speakers: [on('c0')] }).node,
  'phone-kept': () =>
    phone('live', { speakers: [on('c0')] }, null, { state: { ...LEAD.state, mic: false, micKept: true } })
      .node,
  'phone-no-mic': () => phone('live', {}, null, { sources: [] }).node,
  'phone-board-lost': () => phone('live', {}, null, { presence: 'away' }).node,
  'phone-reconnecting': () => {
    const p = phone('live');
    p.client.signal.state.set({ phase: 'connecting', attempt: 3, before: true, error: null });
    return p.node;
  },
  'phone-photo-preparing': () => phone('live', {}, { step: 'preparing' }).node,
  'phone-photo-sending': () => phone('live', {}, { step: 'sending', preview: writing(), share: 0.62 }).node,
  'phone-photo-sent': () => phone('live', {}, { step: 'sent', preview: writing() }).node,
  'phone-photo-line': () =>
    phone('live', {}, { step: 'failed', preview: writing(), problem: 'line', message: '' }).node,
  'phone-photo-not-there': () =>
    phone('live', {}, { step: 'failed', preview: writing(), problem: 'not-there', message: '' }).node,
  'phone-photo-unreadable': () =>
    phone('live', {}, { step: 'failed', preview: null, problem: 'unreadable', message: '' }).node,
  'phone-ended': () => phoneOver('ended'),
  'phone-left': () => phoneOver('left'),
  'phone-kicked': () => phoneOver('kicked'),
  'phone-replaced': () => phoneOver('replaced'),
  observe: () => {
    const client = fakeClient();
    join(client, { ...us, id: 'o', name: '张教研员', role: 'observer' }, 'live', [withContent, ...mixed]);
    feed(client, [face, slide]);
    return <ObservePage client={client} sound={new SoundOutput()} />;
  },
  admin: () => {
    const client = fakeClient();
    client.signal.state.set({ phase: 'joined' });
    client.overview.set(overview());
    return <AdminPage client={client} />;
  },
  'admin-none': () => {
    const client = fakeClient();
    client.signal.state.set({ phase: 'joined' });
    client.overview.set([]);
    return <AdminPage client={client} />;
  },
};

function over(kind: 'ended' | 'replaced' | 'kicked' | 'left') {
  const b = board('live', LEAD);
  b.client.signal.state.set({ phase: 'over', end: { kind } });
  return b.node;
}

function phoneOver(kind: 'ended' | 'replaced' | 'kicked' | 'left') {
  const p = phone('live');
  p.client.signal.state.set({ phase: 'over', end: { kind } });
  return p.node;
}

/** Each page loads its own look and no other's, as where it is used. */
const LOOKS: Record<string, () => Promise<unknown>> = {
  admin: () => import('../src/admin/look'),
  class: () => import('../src/class/look'),
  floating: () => import('../src/teach/look'),
  observe: () => import('../src/observe/look'),
  phone: () => import('../src/phone/look'),
  start: () => import('../src/start/look'),
  teach: () => import('../src/teach/look'),
};

const root = document.getElementById('app');
const story = new URLSearchParams(location.search).get('story') ?? '';
const make = stories[story];
if (root && make) {
  await LOOKS[story.split('-')[0] as string]?.();
  render(make(), root);
} else if (root) {
  root.innerHTML = Object.keys(stories)
    .map((name) => `<p><a href="?story=${name}">${name}</a></p>`)
    .join('');
}
Object.assign(window, { stories: Object.keys(stories) });
