/** A classroom's microphone between its own taps, the teacher's, and reloads of the page. */
import { expect, test } from 'vitest';
import { OwnMic } from '../src/class/own_mic';
import type { Participant, SourceKind } from '../src/client/protocol.gen';
import { participant } from './fakes';

/** The page's own entry as the server keeps it. */
function entry(muted: SourceKind[], micKept = false): Participant {
  return participant('me', {
    muted,
    state: { mic: false, camera: true, content: false, sound: true, hidden: false, micKept },
  });
}

function page(first: Participant): OwnMic {
  const mic = new OwnMic(() => undefined);
  mic.entry(first);
  return mic;
}

const of = (mic: OwnMic) => [mic.open.value, mic.closedByTeacher.value, mic.kept.value];

test('called on, it opens by itself; afterwards it is closed again', () => {
  const mic = page(entry(['mic']));
  expect(of(mic)).toEqual([false, true, false]);
  expect(mic.told(false)).toBe(true);
  expect(of(mic)).toEqual([true, false, false]);
  expect(mic.told(false)).toBe(false);
  expect(mic.told(true)).toBe(true);
  expect(of(mic)).toEqual([false, true, false]);
});

test('what its own people keep closed is not opened by a call, but by them', () => {
  const mic = page(entry(['mic']));
  mic.toggle();
  expect(mic.told(false)).toBe(false);
  expect(of(mic)).toEqual([false, false, true]);
  mic.toggle();
  expect(of(mic)).toEqual([true, false, false]);
});

test('in the middle of an answer they may close it, and the server’s echo does not undo that', () => {
  const mic = page(entry([]));
  expect(mic.open.value).toBe(true);
  mic.toggle();
  mic.entry(entry([], false));
  expect(of(mic)).toEqual([false, false, true]);
});

test('a page loaded anew finds both: who had the floor, and what was kept closed', () => {
  expect(of(page(entry([])))).toEqual([true, false, false]);
  expect(of(page(entry([], true)))).toEqual([false, false, true]);
  expect(of(page(entry(['mic'], true)))).toEqual([false, true, true]);
});

test('a tap that came while the page was cut off is followed when it is back', () => {
  const mic = page(entry(['mic']));
  mic.entry(entry([]));
  expect(mic.open.value).toBe(true);
  mic.entry(entry(['mic']));
  expect(mic.open.value).toBe(false);
});

test('each change is told once', () => {
  let changes = 0;
  const mic = new OwnMic(() => {
    changes += 1;
  });
  mic.entry(entry(['mic']));
  expect(changes).toBe(0);
  mic.toggle();
  mic.told(false);
  expect(changes).toBe(1);
  mic.toggle();
  mic.entry(entry([]));
  expect(changes).toBe(2);
});

test('their phone keeps it closed and opens it as their own tap does', () => {
  const mic = page(entry([]));
  mic.keep(true);
  expect(of(mic)).toEqual([false, false, true]);
  mic.keep(true);
  expect(of(mic)).toEqual([false, false, true]);
  mic.keep(false);
  expect(of(mic)).toEqual([true, false, false]);
});
