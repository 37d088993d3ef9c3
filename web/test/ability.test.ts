import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  ABLE,
  type Ability,
  bestLayer,
  type Decoded,
  follow,
  LOOK_MS,
  type Load,
  load,
  MOST,
  mostPictures,
} from '../src/client/ability';
import { AbilityWatch } from '../src/client/ability_watch';
import { LessonClient } from '../src/client/lesson_client';
import type { Slot } from '../src/client/slots';
import { FakeSocket } from './fakes';

const line = (received: number, dropped: number, decodeTime: number, id = 'a'): Decoded => ({
  id,
  received,
  dropped,
  decodeTime,
});

describe('the load between two looks', () => {
  const table: [string, Decoded[], Decoded[], Load][] = [
    ['25 frames in 2 s, 20 ms each', [line(0, 0, 0)], [line(50, 0, 1)], { busy: 0.5, dropped: 0 }],
    ['longer than the interval of frames', [line(0, 0, 0)], [line(50, 10, 2)], { busy: 1, dropped: 0.2 }],
    ['a still slide tells nothing', [line(0, 0, 0)], [line(3, 3, 2)], { busy: 0, dropped: 0 }],
    ['a picture that was not there before', [], [line(500, 400, 30)], { busy: 0, dropped: 0 }],
    [
      'the worst of several',
      [line(0, 0, 0), line(0, 0, 0, 'b')],
      [line(50, 0, 0.2), line(50, 25, 1.6, 'b')],
      { busy: 0.8, dropped: 0.5 },
    ],
  ];
  test.each(table)('%s', (_name, before, after, expected) => {
    expect(load(before, after, 2)).toEqual(expected);
  });
});

describe('what follows from it', () => {
  const fine: Load = { busy: 0.2, dropped: 0 };
  const busy: Load = { busy: 0.9, dropped: 0 };
  const drops: Load = { busy: 0.2, dropped: 0.4 };
  const at = (change: Partial<Ability>): Ability => ({ ...ABLE, since: 0, ...change });
  const minute = 60_000;

  const table: [string, Ability, Load, boolean, number, Partial<Ability>][] = [
    ['all is well', ABLE, fine, true, 0, { level: 0, bad: 0 }],
    ['one bad look is no news', ABLE, busy, true, 0, { level: 0, bad: 1 }],
    ['a good look between begins anew', at({ bad: 2 }), fine, true, 10_000, { level: 0, bad: 0 }],
    [
      'the third in a row is one step',
      at({ bad: 2 }),
      busy,
      true,
      10_000,
      { level: 1, bad: 0, since: 10_000 },
    ],
    ['drops on a good line count', at({ bad: 2 }), drops, true, 10_000, { level: 1 }],
    ['drops on a bad line are its losses', at({ bad: 2 }), drops, false, 10_000, { level: 0, bad: 0 }],
    ['a busy decoder counts on any line', at({ bad: 2 }), busy, false, 10_000, { level: 1 }],
    [
      'right after a step nothing is believed',
      at({ level: 1, bad: 2 }),
      busy,
      true,
      3_000,
      { level: 1, bad: 2 },
    ],
    ['there is a last step', at({ level: MOST, bad: 2 }), busy, true, 10_000, { level: MOST }],
    ['a good minute is not over yet', at({ level: 2 }), fine, true, minute - 1, { level: 2 }],
    ['after it a step up is tried', at({ level: 2 }), fine, true, minute, { level: 1, probing: true }],
    [
      'that is too much: twice the wait',
      at({ level: 1, probing: true, bad: 2 }),
      busy,
      true,
      12_000,
      { level: 2, probing: false, wait: 2 * minute },
    ],
    [
      'bad much later is news, not a relapse',
      at({ level: 1, probing: true, bad: 2 }),
      busy,
      true,
      50_000,
      { level: 2, wait: minute },
    ],
    [
      'the wait has an end',
      at({ level: 1, probing: true, bad: 2, wait: 10 * minute }),
      busy,
      true,
      12_000,
      { wait: 15 * minute },
    ],
  ];
  test.each(table)('%s', (_name, before, seen, goodLine, now, expected) => {
    expect(follow(before, seen, goodLine, now)).toMatchObject(expected);
  });

  test('a board that is weak for good is left in peace: fewer and fewer trials in a lesson', () => {
    // It bears level 2 and nothing above.
    let state = ABLE;
    const ups: number[] = [];
    for (let now = 0; now < 45 * minute; now += LOOK_MS) {
      const next = follow(state, state.level < 2 ? busy : fine, true, now);
      if (next.level < state.level) ups.push(now);
      state = next;
    }
    expect(ups.length).toBeLessThanOrEqual(6);
    expect(state.level).toBeGreaterThanOrEqual(1);
  });

  test('a board that was slow for a moment has everything back', () => {
    let state = ABLE;
    for (let now = 0; now < 10 * minute; now += LOOK_MS) {
      state = follow(state, now < 30_000 ? busy : fine, true, now);
    }
    expect(state.level).toBe(0);
  });
});

test('smaller first, fewer last, and content keeps its letters', () => {
  const pictures = ['lead', 'content', 'other'] as const;
  const rows = [0, 1, 2, 3, 4].map((level) => pictures.map((picture) => bestLayer(level, picture)));
  expect(rows).toEqual([
    [2, 2, 2],
    [1, 2, 0],
    [0, 2, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);
  expect([0, 1, 2, 3, 4].map(mostPictures)).toEqual([null, null, null, null, 2]);
});

describe('on a page', () => {
  let client: LessonClient;
  let watch: AbilityWatch;
  beforeEach(() => {
    vi.useFakeTimers();
    FakeSocket.all = [];
    client = new LessonClient({
      url: 'ws://x/ws',
      token: 't',
      language: 'en',
      createSocket: FakeSocket.make,
    });
    client.start();
    FakeSocket.last.welcome();
    watch = new AbilityWatch(client);
    watch.start();
  });
  afterEach(() => vi.useRealTimers());

  const slot = (
    mid: string,
    participant: string,
    source: number,
    kind: 'camera' | 'content' = 'camera',
  ): Slot => ({
    mid,
    media: 'video',
    feed: { participant, kind, source, since: 1, paused: false },
    shown: null,
  });
  const wishes = () => FakeSocket.last.ofType('select_layer').map(({ mid, maxLayer }) => [mid, maxLayer]);
  /** Looks with a decoder that works this share of the time. */
  let now = 100_000;
  let time = 0;
  let frames = 0;
  const looks = (count: number, share: number) => {
    for (let i = 0; i < count; i++) {
      now += LOOK_MS;
      frames += 50;
      time += (share * LOOK_MS) / 1000;
      watch.see([line(frames, 0, time)], now);
    }
  };

  test('a weak one asks for less, says so, asks again for each new source, and comes back', () => {
    client.media.slots.set([slot('4', 'lead', 1), slot('5', 'lead', 2, 'content'), slot('6', 'c2', 3)]);
    expect(wishes()).toEqual([]);
    looks(4, 0.9);
    expect(watch.level).toBe(1);
    expect(wishes()).toEqual([
      ['4', 1],
      ['6', 0],
    ]);
    expect(FakeSocket.last.ofType('state').at(-1)?.state.weak).toBe(true);
    client.media.slots.set([slot('4', 'lead', 1), slot('5', 'lead', 2, 'content'), slot('6', 'c3', 9)]);
    expect(wishes().slice(2)).toEqual([['6', 0]]);
    looks(40, 0.1);
    expect(watch.level).toBe(0);
    expect(wishes().slice(3)).toEqual([
      ['4', 2],
      ['6', 2],
    ]);
    expect(FakeSocket.last.ofType('state').at(-1)?.state.weak).toBe(false);
  });

  test('at the last step two pictures are asked for', () => {
    const limit = vi.spyOn(client.media, 'limitPictures');
    looks(40, 0.95);
    expect(watch.level).toBe(MOST);
    expect(limit.mock.calls.map(([most]) => most)).toEqual([null, null, null, 2]);
  });
});
