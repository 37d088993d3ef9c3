/** A classroom's microphone between its own taps, the teacher's, and reloads of the page. */
import { expect, test } from 'vitest';
import { OwnMic } from '../src/class/own_mic';
import type { Participant, SourceKind } from '../src/client/protocol.gen';
import { participant } from './fakes';

/** The page's own entry as the server keeps it. */
function entry(muted: SourceKind[], mic = false): Participant {
  return participant('me', {
    muted,
    state: { mic, camera: true, content: false, sound: true, hidden: false },
  });
}

function page(first: Participant): OwnMic {
  const mic = new OwnMic(() => undefined);
  mic.entry(first);
  return mic;
}

const of = (mic: OwnMic) => ({ open: mic.open.value, closedByTeacher: mic.closedByTeacher.value });

test('closed by the teacher, it stays so over a reload, until she opens it', () => {
  const before = page(entry(['mic']));
  expect(of(before)).toEqual({ open: false, closedByTeacher: true });
  before.toggle();
  expect(before.open.value).toBe(false);
  const after = page(entry(['mic']));
  after.toggle();
  expect(of(after)).toEqual({ open: false, closedByTeacher: true });
  expect(after.told(false)).toBe(true);
  expect(of(after)).toEqual({ open: true, closedByTeacher: false });
  after.entry(entry([], true));
  expect(of(after)).toEqual({ open: true, closedByTeacher: false });
});

test('opened by the teacher, it is open after a reload and the classroom may close it', () => {
  const before = page(entry(['mic']));
  before.told(false);
  const after = page(entry([], true));
  expect(of(after)).toEqual({ open: true, closedByTeacher: false });
  // The server's word about the page's own state must not undo the classroom's tap.
  after.toggle();
  after.entry(entry([], true));
  expect(of(after)).toEqual({ open: false, closedByTeacher: false });
});

test('a classroom that had muted itself is not opened by a reload, only by the teacher’s next tap', () => {
  const after = page(entry([], false));
  expect(of(after)).toEqual({ open: false, closedByTeacher: false });
  expect(after.told(false)).toBe(true);
  expect(after.open.value).toBe(true);
  expect(after.told(false)).toBe(false);
});

test('a tap that came while the page was cut off is followed when it is back', () => {
  const mic = page(entry(['mic']));
  mic.entry(entry([]));
  expect(of(mic)).toEqual({ open: true, closedByTeacher: false });
  mic.entry(entry(['mic'], true));
  expect(of(mic)).toEqual({ open: false, closedByTeacher: true });
});
