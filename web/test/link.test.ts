/** A bad line: how long sound waits, and what is said about it. */
import { expect, test } from 'vitest';
import type { Sample, StreamSample } from '../src/client/peer';
import {
  AS_IT_LIKES,
  follow,
  heard,
  hint,
  PICTURES,
  type Playout,
  type Seen,
  watched,
} from '../src/client/playout';
import type { LinkState } from '../src/client/protocol.gen';
import { en } from '../src/i18n/en';
import { zh } from '../src/i18n/zh';
import { boardLink, leadLink, linkTone, pausedWord } from '../src/ui/link_words';
import { APPEAR_MS, STAY_MS, Steady } from '../src/ui/steady';

const QUIET: Seen = { state: 'good', rttMs: 40, jitterMs: 4, gapMs: 0, waitedMs: 60, asked: false };

/** The targets, one a second, of what was seen in each second. */
function targets(seen: readonly Partial<Seen>[]): (number | null)[] {
  let playout = AS_IT_LIKES;
  return seen.map((one, second) => {
    playout = follow(playout, { ...QUIET, ...one }, second * 1_000);
    return playout.target;
  });
}
const last = <T>(list: readonly T[]) => list[list.length - 1];

test('on a good line, however long, sound waits as the browser likes', () => {
  expect(targets([{}, { rttMs: 600 }, { state: null, rttMs: null, jitterMs: null }])).toEqual([
    null,
    null,
    null,
  ]);
});

test('a bad line makes it wait for a repair, within bounds', () => {
  expect(targets([{ state: 'lossy' }])).toEqual([150]);
  expect(targets([{ state: 'reduced', rttMs: 200, jitterMs: 10 }])).toEqual([250]);
  expect(targets([{ jitterMs: 40, rttMs: 50 }])).toEqual([250]);
  expect(targets([{ jitterMs: 200 }])).toEqual([400]);
  expect(targets([{ gapMs: 30 }])).toEqual([150]);
});

test('after a gap it waits as long as would have been enough, and never shorter for a wobble', () => {
  expect(targets([{ gapMs: 180 }, {}, { gapMs: 90, waitedMs: 250 }])).toEqual([250, 250, 350]);
  expect(targets([{ gapMs: 300, waitedMs: 350 }])).toEqual([400]);
  expect(targets([{ jitterMs: 60 }, { jitterMs: 30 }, { state: 'lossy' }])).toEqual([300, 300, 300]);
});

type Stream = Partial<StreamSample> & { id: string };

function sample(sounds: Stream[], pictures: Stream[] = []): Sample {
  const none = { packets: 0, jitterMs: 5, gapMs: 0, asked: 0, emitted: 0, waitedMs: 0 };
  const streams = (list: Stream[]) => list.map((one) => ({ ...none, ...one }));
  return {
    bytesReceived: 0,
    rttMs: 30,
    way: null,
    quietMs: null,
    uplinkLimited: false,
    sounds: streams(sounds),
    pictures: streams(pictures),
  };
}

test('what is heard is the worst sound that comes; one that does not come says nothing', () => {
  const before = sample([{ id: 'a' }, { id: 'b' }, { id: 'gone' }]);
  const after = sample([
    { id: 'a', packets: 50, jitterMs: 20 },
    { id: 'b', packets: 45, gapMs: 100, emitted: 43_200, waitedMs: 4_320_000 },
    { id: 'gone', gapMs: 1_000, jitterMs: 300 },
    { id: 'new', packets: 900, gapMs: 200, jitterMs: 50 },
  ]);
  expect(heard(before, after, 'good')).toEqual({
    state: 'good',
    rttMs: 30,
    jitterMs: 20,
    gapMs: 100,
    waitedMs: 100,
    asked: false,
  });
  expect(heard(null, after, null)).toMatchObject({ jitterMs: null, gapMs: 0 });
});

test('a picture that stood counts when something of it was missing, with the jitter of the sound', () => {
  const before = sample([{ id: 's' }], [{ id: 'p' }, { id: 'q' }]);
  const stood = { packets: 60, gapMs: 400, emitted: 12, waitedMs: 1_200, jitterMs: 90 };
  const after = (asked: number) =>
    sample([{ id: 's', packets: 50, jitterMs: 8 }], [{ id: 'p', ...stood, asked }, { id: 'q' }]);
  const seenOf = (asked: number) => watched(before, after(asked), heard(before, after(asked), 'good'));
  expect(seenOf(3)).toEqual({
    state: null,
    rttMs: 30,
    jitterMs: 8,
    gapMs: 400,
    waitedMs: 100,
    asked: true,
  });
  expect(seenOf(0)).toMatchObject({ gapMs: 0, waitedMs: 0, asked: false });
  stood.gapMs = 9_000;
  expect(seenOf(3)).toMatchObject({ gapMs: 0, asked: true });
});

test('pictures wait for a second repetition, no longer than somebody would mind, and slowly longer', () => {
  const after = (seen: Partial<Seen>, seconds: number) =>
    Array.from({ length: seconds }).reduce<Playout>(
      (playout, _, n) => follow(playout, { ...QUIET, ...seen }, n * 1_000, PICTURES),
      AS_IT_LIKES,
    ).target;
  expect(after({}, 9)).toBeNull();
  expect([1, 2, 3, 4, 9].map((n) => after({ state: 'lossy' }, n))).toEqual([200, 300, 400, 500, 500]);
  expect(after({ gapMs: 400, waitedMs: 230 }, 9)).toBe(650);
  expect(after({ gapMs: 900 }, 9)).toBe(700);
});

test('pictures wait on a line that loses something every few seconds, not for one loss', () => {
  const after = (seconds: string) =>
    [...seconds].reduce(
      (playout, one, n) => follow(playout, { ...QUIET, asked: one === 'x' }, n * 1_000, PICTURES),
      AS_IT_LIKES,
    ).target;
  expect(after('x.........x.........x')).toBeNull();
  expect(after('xx')).toBeNull();
  expect(after('x.x.x')).toBe(200);
  expect(after('x.x.xxxx')).toBe(500);
});

test('it ends after half a minute of good, and a relapse counts anew', () => {
  const good = (seconds: number) => Array.from({ length: seconds }, () => ({}));
  expect(last(targets([{ state: 'lossy' }, ...good(30)]))).toBe(150);
  expect(last(targets([{ state: 'lossy' }, ...good(31)]))).toBeNull();
  expect(last(targets([{ state: 'lossy' }, ...good(20), { state: 'lossy' }, ...good(30)]))).toBe(150);
});

test('a line that only looked good is given more time, one that was good for long is not', () => {
  const good = (seconds: number) => Array.from({ length: seconds }, () => ({}));
  const bad: Partial<Seen> = { state: 'lossy' };
  const first = [bad, ...good(31)];
  expect(last(targets([...first, ...good(20), bad, ...good(60)]))).toBe(150);
  expect(last(targets([...first, ...good(20), bad, ...good(61)]))).toBeNull();
  expect(last(targets([...first, ...good(70), bad, ...good(31)]))).toBeNull();
});

test('a browser without the hint, or one that refuses it, goes on', () => {
  const old = {} as RTCRtpReceiver;
  hint(old, 200);
  expect(old).toEqual({});
  const strict = {
    get jitterBufferTarget() {
      return null;
    },
    set jitterBufferTarget(_: number | null) {
      throw new RangeError('too long');
    },
  } as unknown as RTCRtpReceiver;
  expect(() => hint(strict, 200)).not.toThrow();
});

/** What is shown at each time (ms) when the true value is said then. */
function shown<T>(first: T, said: readonly [number, T][]): T[] {
  const steady = new Steady(first);
  return said.map(([at, value]) => steady.see(value, at).shown);
}

test('a word appears when it has held for a moment, and stays', () => {
  const said: [number, string][] = [
    [0, 'good'],
    [1_000, 'slow'],
    [2_000, 'slow'],
    [1_000 + APPEAR_MS, 'slow'],
    [3_000, 'good'],
    [3_000 + APPEAR_MS, 'good'],
    [1_000 + APPEAR_MS + STAY_MS, 'good'],
  ];
  expect(shown('good', said)).toEqual(['good', 'good', 'good', 'slow', 'slow', 'slow', 'good']);
});

test('what comes and goes within a moment is never said, and two troubles in turn are', () => {
  const blips = Array.from({ length: 9 }, (_, n): [number, string] => [n * 1_000, n % 2 ? 'slow' : 'good']);
  expect(new Set(shown('good', blips))).toEqual(new Set(['good']));
  const turns = Array.from({ length: 3 }, (_, n): [number, string] => [n * 1_000, n % 2 ? 'lossy' : 'slow']);
  expect(last(shown('good', turns))).toBe('slow');
});

test('a page is woken when a word is due', () => {
  const steady = new Steady('good');
  expect(steady.see('slow', 500).again).toBe(500 + APPEAR_MS);
  expect(steady.see('good', 900).again).toBeNull();
});

const STATES: LinkState[] = ['good', 'lossy', 'reduced', 'sound_only', 'connecting', 'silent'];
const figures = { rttMs: 30, lossDown: 0, lossUp: 0 };

test('each state of a line has its own words, in tone with it', () => {
  const words = STATES.map((state) => boardLink({ ...figures, state }));
  expect(new Set(words).size).toBe(STATES.length);
  expect(words.map(linkTone)).toEqual(['good', ...STATES.slice(1).map(() => 'attention')]);
  expect(boardLink({ ...figures, rttMs: 700, state: 'good' })).toBe('linkPoor');
  for (const dictionary of [zh, en]) {
    expect(new Set(words.map((word) => dictionary[word])).size).toBe(STATES.length);
  }
});

test('of the lead’s own line the way up is said first', () => {
  expect(leadLink({ ...figures, lossUp: 0.08, state: 'reduced' }, true)).toBe('uplinkLossy');
  expect(leadLink({ ...figures, state: 'reduced' }, true)).toBe('uplinkSlow');
  expect(leadLink({ ...figures, state: 'reduced' }, false)).toBe('downlinkSlow');
  expect(leadLink({ ...figures, state: 'lossy' }, false)).toBe('downlinkLossy');
  expect(leadLink({ ...figures, state: 'good' }, false)).toBe('linkGood');
});

test('a picture that stands still says why, and one that never came says that', () => {
  const words = [null, 'slow', 'loss'] as const;
  const said = words.flatMap((cause) => [
    pausedWord('large', cause, false),
    pausedWord('large', cause, true),
  ]);
  expect(new Set(said).size).toBe(4);
  // On the wall it is the lead's line, not the classroom's: said without a doubt.
  for (const covered of [false, true]) expect(zh[pausedWord('wall', 'slow', covered)]).toContain('您');
});
