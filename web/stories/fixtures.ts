// Made-up people and pictures for looking at every state of every page without a server.
import { LessonClient } from '../src/client/lesson_client';
import type { Peer } from '../src/client/peer';
import type { LessonInfo, LessonOverview, LinkStats, Participant } from '../src/client/protocol.gen';
import { NO_FLOOR } from '../src/client/room';
import type { Slot } from '../src/client/slots';
import { DELIVERY } from '../test/fakes';

export const NAMES = [
  '东片小学 四(1)',
  '西片小学 四年级',
  '南片小学 四年级',
  '北片小学 四年级',
  '滨海小学 复式',
  '河东教学点',
];

/** Schools of the sample data, as long as names get. */
export const LONG_NAMES = [
  '昌邑市东片示例小学 四(1)班',
  '昌邑市滨海示例小学 三四复式班',
  '昌邑市河东示例教学点 四年级',
  '穆棱市示例河中心小学 科学教室',
  '昌吉市示例乡中心学校 二(1)班教室',
  '重庆市示例小学（集团总校）演播教室',
  '垫江县示例镇小学 科创教室',
  '奉节县示例库区小学 多功能室',
  '福田区示例领航学校 未来教室',
];

export function person(
  id: string,
  name: string,
  role: Participant['role'],
  change: Partial<Participant> = {},
): Participant {
  return {
    id,
    name,
    role,
    presence: 'online',
    state: { mic: false, camera: true, content: false, sound: true, hidden: false },
    muted: [],
    sources: [
      { id: 1, kind: 'mic', flowing: true },
      { id: 2, kind: 'camera', flowing: true },
    ],
    ...change,
  };
}

export const LEAD = person('lead', '王老师', 'lead', {
  state: { mic: true, camera: true, content: false, sound: true, hidden: false },
});

export const CLASSES: Participant[] = NAMES.map((name, i) => person(`c${i}`, name, 'receiver'));

export function lesson(state: LessonInfo['state']): LessonInfo {
  const title = '四年级 音乐 · 单元一 合唱';
  return { id: 'demo', title, state, runningSeconds: 763, leads: 'lead', ...DELIVERY };
}

export const LINK: LinkStats = {
  downKbps: 1830,
  upKbps: 352,
  rttMs: 24,
  lossDown: 0.002,
  lossUp: 0,
  lineKbps: 6200,
  waitsMs: 2,
  state: 'good',
  cause: null,
};

/** A track with a picture of its own: a classroom, a face, a slide. */
export function picture(
  kind: 'face' | 'class' | 'slide',
  seed: number,
  width = 1280,
  height = 720,
): MediaStreamTrack {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const c = canvas.getContext('2d') as CanvasRenderingContext2D;
  const paint = () => {
    if (kind === 'slide') {
      c.fillStyle = '#fdfcf7';
      c.fillRect(0, 0, width, height);
      c.fillStyle = '#22303a';
      c.font = `600 ${height / 9}px sans-serif`;
      c.fillText('单元一 合唱', width * 0.08, height * 0.22);
      c.font = `${height / 15}px sans-serif`;
      ['1. 听一听：两个声部有什么不同？', '2. 分组练唱，注意呼吸', '3. 一起合唱《让我们荡起双桨》'].forEach(
        (line, i) => {
          c.fillText(line, width * 0.1, height * (0.42 + i * 0.16));
        },
      );
      return;
    }
    c.fillStyle = `hsl(${(seed * 57) % 360} 22% ${kind === 'face' ? 46 : 58}%)`;
    c.fillRect(0, 0, width, height);
    const heads = kind === 'face' ? 1 : 12;
    for (let i = 0; i < heads; i++) {
      const size = kind === 'face' ? height * 0.24 : height * 0.07;
      const x = kind === 'face' ? width / 2 : width * (0.14 + (i % 6) * 0.145);
      const y = kind === 'face' ? height * 0.42 : height * (0.45 + Math.floor(i / 6) * 0.27);
      c.fillStyle = `hsl(${(seed * 57 + 170 + i * 9) % 360} 28% 34%)`;
      c.beginPath();
      c.ellipse(x, y + size * 2, size * 1.5, size * 1.4, 0, 0, 7);
      c.fill();
      c.fillStyle = 'hsl(28 45% 72%)';
      c.beginPath();
      c.arc(x, y, size, 0, 7);
      c.fill();
    }
  };
  paint();
  setInterval(paint, 200);
  return canvas.captureStream(10).getVideoTracks()[0] as MediaStreamTrack;
}

export function fakeClient(): LessonClient {
  class Never extends EventTarget {
    close() {}
    send() {}
  }
  const client = new LessonClient({
    url: 'ws://127.0.0.1:9/ws',
    token: 'a.b.c',
    language: 'zh-CN',
    createSocket: () => new Never() as unknown as WebSocket,
  });
  // `feed` brings the peer; one of the client's own would only be on its way for ever.
  client.media.renew = () => undefined;
  return client;
}

export interface FedSlot {
  track: MediaStreamTrack | null;
  participant: string;
  kind: 'camera' | 'content';
  covered?: boolean;
  paused?: boolean;
}

/** Puts pictures into the client's video slots as if a peer had brought them. */
export function feed(client: LessonClient, fed: readonly (FedSlot | null)[]): void {
  const slots: Slot[] = fed.map((f, i) => ({
    mid: String(i),
    media: 'video',
    feed: f
      ? {
          participant: f.participant,
          kind: f.kind,
          source: i + 1,
          since: f.covered ? null : 1,
          paused: f.paused === true,
        }
      : null,
    shown: f && !f.covered ? { source: i + 1, since: 1 } : null,
  }));
  const peer = {
    connected: true,
    setTrack: async () => undefined,
    sample: () => new Promise(() => undefined),
    close: () => undefined,
    table: { slots: { get: () => slots } },
    receiver: (mid: string) => ({
      track: fed[Number(mid)]?.track ?? null,
      getSynchronizationSources: () => [],
    }),
  };
  client.media.peer.set(peer as unknown as Peer);
  client.media.slots.set(slots);
  client.media.state.set('connected');
}

export function join(
  client: LessonClient,
  self: Participant,
  state: LessonInfo['state'],
  others: readonly Participant[],
  link: Partial<LinkStats> = {},
): void {
  client.signal.state.set({ phase: 'joined' });
  client.room.set({
    self: { id: self.id, role: self.role, name: self.name },
    lesson: lesson(state),
    lessonHeardAt: performance.now(),
    roster: [self, ...others],
    link: { ...LINK, ...link },
    links: [],
    floor: NO_FLOOR,
    heard: [],
    complaints: [],
  });
}

export function overview(): LessonOverview[] {
  const link = LINK;
  const entry = (participant: Participant, change: object = {}) => ({
    participant,
    link,
    seconds: 760,
    decodes: ['vp8' as const, 'h264' as const],
    receives: [
      { from: 'lead', kind: 'camera' as const, kbps: 520, layer: 1 },
      { from: 'lead', kind: 'content' as const, kbps: 310, layer: 1 },
    ],
    linkChanges: [],
    ...change,
  });
  const rooms = CLASSES.map((c) => entry(c));
  rooms[2] = entry(CLASSES[2] as Participant, {
    link: {
      ...link,
      downKbps: 240,
      lossDown: 0.18,
      rttMs: 210,
      lineKbps: 260,
      state: 'lossy',
      cause: 'loss',
    },
  });
  rooms[1] = entry(CLASSES[1] as Participant, {
    link: { ...link, downKbps: 60, lineKbps: 90, rttMs: 140, state: 'sound_only', cause: 'slow' },
    receives: [],
    linkChanges: [
      { secondsAgo: 12, kind: 'content', layer: null, cause: 'slow' },
      { secondsAgo: 14, kind: 'camera', layer: null, cause: 'slow' },
      { secondsAgo: 95, kind: 'content', layer: 0, cause: 'loss' },
    ],
  });
  rooms[3] = entry(CLASSES[3] as Participant, {
    link: { ...link, downKbps: 410, lineKbps: 460, rttMs: 60, state: 'reduced', cause: 'slow' },
    receives: [
      { from: 'lead', kind: 'camera', kbps: 120, layer: 0 },
      { from: 'lead', kind: 'content', kbps: 130, layer: 0 },
    ],
    linkChanges: [
      { secondsAgo: 41, kind: 'camera', layer: 0, cause: 'room' },
      { secondsAgo: 263, kind: 'content', layer: 0, cause: 'slow' },
    ],
  });
  rooms[4] = entry({ ...(CLASSES[4] as Participant), state: { ...LEAD.state, mic: false, sound: false } });
  rooms[5] = entry({ ...(CLASSES[5] as Participant), presence: 'away' }, { link: null, receives: [] });
  return [
    {
      lesson: {
        id: 'sci',
        title: '科学 · 物质变化',
        state: 'live',
        runningSeconds: 490,
        leads: 'lead',
        ...DELIVERY,
      },
      participants: [entry(LEAD), ...CLASSES.slice(0, 3).map((c) => entry(c))],
    },
    { lesson: lesson('live'), participants: [entry(LEAD), ...rooms] },
    {
      lesson: {
        id: 'eng',
        title: '三年级 英语 · Unit 2',
        state: 'scheduled',
        runningSeconds: 0,
        leads: null,
        ...DELIVERY,
      },
      participants: [],
    },
  ];
}

/** A county's morning: one lesson after the other, some with a trouble. */
export function county(): LessonOverview[] {
  const [, music] = overview() as [LessonOverview, LessonOverview];
  const well = music.participants.filter(
    ({ link, participant }) => link?.state === 'good' && participant.state.sound,
  );
  const subjects = ['音乐 单元一 合唱', '英语 Unit 2', '美术 剪纸', '科学 声音的产生', '信息科技 在线协作'];
  return Array.from({ length: 40 }, (_, n) => {
    const named = (n % 9 === 4 ? music.participants : well).map((entry, i) => ({
      ...entry,
      participant: {
        ...entry.participant,
        name: i === 0 ? '昌邑市城区示例一小 王老师' : (LONG_NAMES[(n + i) % LONG_NAMES.length] as string),
      },
    }));
    return {
      lesson: {
        ...lesson(n % 7 === 6 ? 'scheduled' : 'live'),
        id: `l${n}`,
        title: `四年级 ${subjects[n % subjects.length]}`,
      },
      participants: n % 7 === 6 ? [] : n === 8 ? named.slice(1) : named,
    };
  });
}
