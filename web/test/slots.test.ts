import { expect, test } from 'vitest';
import { isAtOrAfter, isCovered, SlotTable } from '../src/client/slots';

function table(): SlotTable {
  const slots = new SlotTable();
  slots.setSlots([
    { mid: '7', kind: 'video' },
    { mid: '8', kind: 'video' },
  ]);
  return slots;
}

const of = (slots: SlotTable, mid: string) => {
  const slot = slots.slots.get().find((s) => s.mid === mid);
  if (!slot) throw new Error(`no slot ${mid}`);
  return slot;
};

test('timestamps compare on the circle', () => {
  expect(isAtOrAfter(5, 5)).toBe(true);
  expect(isAtOrAfter(6, 5)).toBe(true);
  expect(isAtOrAfter(4, 5)).toBe(false);
  expect(isAtOrAfter(3, 0xffff_fff0)).toBe(true);
  expect(isAtOrAfter(0xffff_fff0, 3)).toBe(false);
});

test('a slot is covered from the change until a frame of the new source', () => {
  const slots = table();
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.apply([
    { mid: '7', feed: { participant: 'a', kind: 'camera', source: 1, since: null, paused: false } },
  ]);
  slots.frameShown('7', 90_000);
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.apply([
    { mid: '7', feed: { participant: 'a', kind: 'camera', source: 1, since: 100_000, paused: false } },
  ]);
  slots.frameShown('7', 99_999);
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.frameShown('7', 100_000);
  expect(isCovered(of(slots, '7'))).toBe(false);
});

test('another source covers again at once, and frames of the old one do not uncover', () => {
  const slots = table();
  slots.apply([
    { mid: '7', feed: { participant: 'a', kind: 'camera', source: 1, since: 10, paused: false } },
  ]);
  slots.frameShown('7', 10);
  slots.apply([
    { mid: '7', feed: { participant: 'b', kind: 'camera', source: 2, since: 500, paused: false } },
  ]);
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.frameShown('7', 499);
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.frameShown('7', 501);
  expect(isCovered(of(slots, '7'))).toBe(false);
});

test('changes touch only their slot; an ended feed covers and remembers what was shown', () => {
  const slots = table();
  slots.apply([
    { mid: '7', feed: { participant: 'a', kind: 'camera', source: 1, since: 10, paused: false } },
    { mid: '8', feed: { participant: 'b', kind: 'camera', source: 2, since: 10, paused: false } },
  ]);
  slots.frameShown('7', 10);
  slots.frameShown('8', 10);
  slots.apply([{ mid: '7', feed: null }]);
  expect(isCovered(of(slots, '7'))).toBe(true);
  expect(of(slots, '7').shown).toEqual({ source: 1, since: 10 });
  expect(isCovered(of(slots, '8'))).toBe(false);
});

const a = (since: number | null) =>
  ({ mid: '7', feed: { participant: 'a', kind: 'camera', source: 1, since, paused: false } }) as const;
const b = (since: number | null) =>
  ({ mid: '7', feed: { participant: 'b', kind: 'camera', source: 2, since, paused: false } }) as const;

test('a source that returns covers again, although no frame of the one between was ever seen', () => {
  const slots = table();
  slots.apply([a(10)]);
  slots.frameShown('7', 10);
  expect(isCovered(of(slots, '7'))).toBe(false);
  slots.apply([b(null)]);
  slots.apply([a(null)]);
  expect(isCovered(of(slots, '7'))).toBe(true);
  // What B had sent arrives now.
  slots.frameShown('7', 700);
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.apply([a(900)]);
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.frameShown('7', 899);
  expect(isCovered(of(slots, '7'))).toBe(true);
  slots.frameShown('7', 900);
  expect(isCovered(of(slots, '7'))).toBe(false);
});

test('messages that were merged on the way hide nothing', () => {
  for (const merged of [[a(null)], [a(900)], [a(null), a(900)]]) {
    const slots = table();
    slots.apply([a(10)]);
    slots.frameShown('7', 10);
    for (const change of merged) slots.apply([change]);
    slots.frameShown('7', 700);
    expect(isCovered(of(slots, '7')), JSON.stringify(merged)).toBe(true);
  }
});

test('the same feed told again, as after a broken connection, covers nothing', () => {
  const slots = table();
  slots.apply([a(10)]);
  slots.frameShown('7', 10);
  slots.apply([a(10)]);
  expect(isCovered(of(slots, '7'))).toBe(false);
});
