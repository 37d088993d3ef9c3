// The lead, before and in the lesson.

import type { DeviceProblem } from '../src/capture/problems';
import type { LinkState, Participant } from '../src/client/protocol.gen';
import type { Room } from '../src/client/room';
import { t as words } from '../src/i18n';
import { FloatingTiles } from '../src/teach/floating_tiles';
import { InsecureScreen } from '../src/teach/insecure_screen';
import { TeachPage } from '../src/teach/teach_page';
import { Teaching } from '../src/teach/teaching';
import { CLASSES, fakeClient, feed, join, LEAD, LONG_NAMES, person, picture } from './fixtures';
import { cutOff, floor, line, mixed, on, PHOTO, slide, tap, tone, withPhoto } from './lesson';
import type { Stories } from './stories';

const LONG: Participant[] = LONG_NAMES.map((name, i) =>
  person(`l${i}`, name, 'receiver', { headcount: 44 - 4 * i }),
);

export const teachStories: Stories = {
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
        t.say(words('muteAllDone'));
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
  'teach-ending': () => {
    tap('end-lesson');
    return teach(true, () => undefined, mixed);
  },
  'teach-remove': () => {
    tap('tile-kick');
    return teach(true, () => undefined, LONG);
  },
  'teach-devices': () => {
    tap('devices');
    return teach(true, () => undefined, mixed);
  },
  'teach-sound': () => teach(true, (t) => t.sound.blocked.set(true), mixed),
  'teach-long-names': () =>
    teach(
      true,
      (t) => floor(t.client, { speakers: [on('l1')], hands: ['l2', 'l3', 'l0', 'l4', 'l5'] }),
      LONG.slice(0, 6),
    ),
  'teach-nine': () =>
    teach(
      true,
      (t) => {
        floor(
          t.client,
          { mode: 'discuss', speakers: [on('l1'), on('l4')], hands: ['l2'] },
          { heard: ['l1'] },
        );
        const links = [{ participant: 'l4', state: 'reduced' as const, cause: 'slow' as const }];
        t.client.room.update((room) => (room ? { ...room, links } : room));
      },
      LONG.map((p, i) => (i === 7 ? { ...p, state: { ...p.state, micKept: true } } : p)),
    ),
  'teach-preflight-many': () => teach(false, () => undefined, LONG.concat(CLASSES)),
  'teach-connecting': () =>
    teach(true, (t) => {
      cutOff(t.client, false);
      t.client.room.set(null);
    }),
  'teach-ended': () =>
    teach(true, (t) => t.client.signal.state.set({ phase: 'over', end: { kind: 'ended' } })),
  'teach-replaced': () =>
    teach(true, (t) => t.client.signal.state.set({ phase: 'over', end: { kind: 'replaced' } })),
  'teach-insecure': () => (
    <main class="fill">
      <InsecureScreen />
    </main>
  ),
};

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

/** Every state of a classroom's line on the lead's wall. */
function wallOfLinks() {
  return teach(
    true,
    ({ client }) => {
      const states: LinkState[] = ['reduced', 'sound_only', 'lossy', 'silent', 'connecting'];
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
