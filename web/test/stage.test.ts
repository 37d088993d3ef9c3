import { expect, test } from 'vitest';
import type { Participant } from '../src/client/protocol.gen';
import { NO_FLOOR, type Room } from '../src/client/room';
import type { Slot } from '../src/client/slots';
import { cast } from '../src/page/cast';
import { DELIVERY, participant } from './fakes';

function room(lead: Partial<Participant['state']> = {}): Room {
  const state = { mic: true, camera: true, content: true, sound: true, hidden: false, ...lead };
  return {
    self: { id: 'me', role: 'receiver', name: 'me' },
    lesson: { id: 'demo', title: '', state: 'live', runningSeconds: 0, leads: 'lead', ...DELIVERY },
    lessonHeardAt: 0,
    roster: [participant('lead', { role: 'lead', state }), participant('a')],
    link: null,
    links: [],
    floor: NO_FLOOR,
    heard: [],
    complaints: [],
  };
}

const slot = (
  mid: string,
  participantId: string | null,
  kind: 'camera' | 'content' = 'camera',
  since: number | null = 1,
): Slot => ({
  mid,
  media: 'video',
  feed:
    participantId === null
      ? null
      : { participant: participantId, kind, source: Number(mid), since, paused: false },
  shown: null,
});

test('content is large as soon as it flows, and not before', () => {
  const slots = [slot('1', 'lead'), slot('2', 'lead', 'content'), slot('3', 'a')];
  expect(cast(slots, room())).toMatchObject({
    showing: 'content',
    lead: { mid: '1' },
    content: { mid: '2' },
  });
  expect(cast(slots, room()).others.map((s) => s.mid)).toEqual(['3']);
  expect(cast([slot('1', 'lead'), slot('2', 'lead', 'content', null)], room()).showing).toBe('lead');
});

test('what the lead stopped sending leaves the stage although its slot is still assigned', () => {
  const slots = [slot('1', 'lead'), slot('2', 'lead', 'content')];
  expect(cast(slots, room({ content: false })).showing).toBe('lead');
  expect(cast(slots, room({ content: false, camera: false })).showing).toBe('none');
});

test('a classroom in the lead’s slot is never taken for the lead', () => {
  const roles = cast([slot('1', 'a'), slot('2', null)], room());
  expect(roles.showing).toBe('none');
  expect(roles.lead).toBeUndefined();
  expect(roles.others.map((s) => s.mid)).toEqual(['1']);
});

test('who was called on is big as soon as a frame of it is there, and small beside content', () => {
  const called = (state: Partial<Participant['state']> = {}): Room => ({
    ...room({ content: false, ...state }),
    floor: { ...NO_FLOOR, speakers: [{ participant: 'a', onStage: true }] },
  });
  const shown = (s: Slot): Slot => ({ ...s, shown: { source: s.feed?.source ?? 0, since: 1 } });
  const slots = [slot('1', 'lead'), slot('2', null), slot('3', 'a')];
  expect(cast(slots, called()).showing).toBe('lead');
  const seen = cast([slots[0] as Slot, slots[1] as Slot, shown(slots[2] as Slot)], called());
  expect(seen).toMatchObject({ showing: 'stage', stage: [{ mid: '3' }], others: [] });
  const withContent = [slot('1', 'lead'), slot('2', 'lead', 'content'), slot('3', 'a')];
  expect(cast(withContent, called({ content: true }))).toMatchObject({
    showing: 'content',
    stage: [{ mid: '3' }],
  });
  const heardOnly = { ...called(), floor: { ...NO_FLOOR, speakers: [{ participant: 'a', onStage: false }] } };
  expect(cast([shown(slots[2] as Slot)], heardOnly).showing).not.toBe('stage');
});

test('a classroom that leads sees the others beside each other until it calls on one', () => {
  const own = room();
  own.lesson = { ...own.lesson, leads: 'me' };
  const slots = [slot('1', 'a'), slot('2', 'lead')];
  expect(cast(slots, own)).toMatchObject({ showing: 'grid', others: [{ mid: '1' }, { mid: '2' }] });
});

test('where speakers are big the content stands beside them', () => {
  const meeting: Room = {
    ...room({ content: true }),
    floor: { ...NO_FLOOR, speakers: [{ participant: 'a', onStage: true }] },
  };
  meeting.lesson = { ...meeting.lesson, rules: { ...meeting.lesson.rules, layout: 'speaker' } };
  const shown = (s: Slot): Slot => ({ ...s, shown: { source: s.feed?.source ?? 0, since: 1 } });
  const slots = [slot('1', 'lead'), slot('2', 'lead', 'content'), shown(slot('3', 'a'))];
  expect(cast(slots, meeting)).toMatchObject({ showing: 'stage', contentOn: true, stage: [{ mid: '3' }] });
  meeting.floor = NO_FLOOR;
  expect(cast(slots, meeting).showing).toBe('content');
});
