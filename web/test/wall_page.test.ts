/** Which classrooms are on which page of the wall. */
import { expect, test } from 'vitest';
import { NO_FLOOR, type Room, reduce } from '../src/client/room';
import { colleagues, places, wallPage } from '../src/teach/wall_page';
import { DELIVERY, participant } from './fakes';

function room(classrooms: number): Room {
  const roster = Array.from({ length: classrooms }, (_, i) => participant(`c${i + 1}`));
  const leads = ['lead', 'colleague'].map((id) => participant(id, { role: 'lead' }));
  return {
    self: { id: 'lead', role: 'lead', name: 'lead' },
    lesson: { id: 'demo', title: '', state: 'live', runningSeconds: 0, leads: 'lead', ...DELIVERY },
    lessonHeardAt: 0,
    roster: [...leads, ...roster, participant('o', { role: 'observer' })],
    link: null,
    links: [],
    floor: NO_FLOOR,
    heard: [],
    complaints: [],
  };
}

const page = (classrooms: number, wanted: number) => {
  const class_ = room(classrooms);
  const { shown, page: is, pages } = wallPage(class_, places([], class_), wanted);
  return [shown.map((p) => p.id).join(' '), is, pages];
};

test('nine on a page, in the order of coming; a page that is gone is the last one', () => {
  expect(page(0, 0)).toEqual(['', 0, 1]);
  expect(page(9, 0)).toEqual(['c1 c2 c3 c4 c5 c6 c7 c8 c9', 0, 1]);
  expect(page(11, 1)).toEqual(['c10 c11', 1, 2]);
  expect(page(9, 1)).toEqual(['c1 c2 c3 c4 c5 c6 c7 c8 c9', 0, 1]);
  expect(page(3, -1)).toEqual(['c1 c2 c3', 0, 1]);
});

test('who is there takes the place of who is cut off, where there are several pages', () => {
  const away = (r: Room, ...ids: string[]): Room => ({
    ...r,
    roster: r.roster.map((p) => (ids.includes(p.id) ? { ...p, presence: 'away' } : p)),
  });
  const nine = places([], room(9));
  expect(places(nine, away(room(9), 'c2'))).toEqual(nine);
  const eleven = places(places([], room(11)), away(room(11), 'c2', 'c5'));
  expect(eleven.join(' ')).toBe('c1 c10 c3 c4 c11 c6 c7 c8 c9 c2 c5');
  // Back again, it stays where it is now; gone for good, the others keep theirs.
  expect(places(eleven, room(11))).toEqual(eleven);
  const left = { ...room(11), roster: room(11).roster.filter((p) => p.id !== 'c3') };
  expect(places(eleven, left).join(' ')).toBe('c1 c10 c4 c11 c6 c7 c8 c9 c2 c5');
});

test('colleagues have no number, and nobody is her own colleague', () => {
  expect(colleagues(room(2)).map((p) => p.id)).toEqual(['colleague']);
});

test('a complaint is kept once for each kind, with its time', () => {
  const told = (r: Room, kind: 'cannot_hear' | 'cannot_see', now: number) =>
    reduce(r, { type: 'trouble', participant: 'c1', kind }, now) as Room;
  const after = told(told(told(room(1), 'cannot_hear', 1), 'cannot_see', 2), 'cannot_hear', 3);
  expect(after.complaints.map((c) => [c.kind, c.at])).toEqual([
    ['cannot_see', 2],
    ['cannot_hear', 3],
  ]);
});
