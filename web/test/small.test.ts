/** Small pure parts: room, states, words, addresses. */
import { expect, test } from 'vitest';
import { lessonTrouble, participantTrouble, worstFirst } from '../src/admin/trouble';
import { loudness } from '../src/capture/level';
import { choose } from '../src/capture/memory';
import { classify } from '../src/capture/problems';
import { parseSize } from '../src/capture/size';
import type { LinkStats, ParticipantOverview } from '../src/client/protocol.gen';
import { findLead, NO_FLOOR, type Room, reduce, runningSeconds } from '../src/client/room';
import { readToken } from '../src/client/token';
import { parseLanguage } from '../src/i18n';
import { en } from '../src/i18n/en';
import { zh } from '../src/i18n/zh';
import { pageFor } from '../src/page/moving';
import { watcherState } from '../src/page/state';
import { where } from '../src/start/where';
import { classroomMic, classroomState } from '../src/teach/classroom_state';
import { judgeLink } from '../src/ui/link_words';
import { formatDuration } from '../src/ui/time';
import { DELIVERY, participant } from './fakes';

const LINK: LinkStats = {
  downKbps: 1,
  upKbps: 1,
  rttMs: 10,
  lossDown: 0,
  lossUp: 0,
  lineKbps: 900,
  waitsMs: 0,
  state: 'good',
  cause: null,
};

function room(change: Partial<Room> = {}): Room {
  return {
    self: { id: 'me', role: 'receiver', name: 'me' },
    lesson: { id: 'demo', title: '音乐', state: 'live', runningSeconds: 60, leads: 'lead', ...DELIVERY },
    lessonHeardAt: 1_000,
    roster: [participant('lead', { role: 'lead' }), participant('a'), participant('b')],
    link: null,
    links: [],
    floor: NO_FLOOR,
    heard: [],
    complaints: [],
    ...change,
  };
}

test('who is brought in from the audience goes on at a classroom’s page, and comes back', () => {
  expect(pageFor('observe', 'observer', 'receiver')).toBe('class');
  expect(pageFor('class', 'observer', 'observer')).toBe('observe');
  expect(pageFor('class', 'observer', 'receiver')).toBeNull();
  // A board of a broadcast is brought on stage where it is.
  expect(pageFor('class', 'receiver', 'observer')).toBeNull();
  expect(pageFor('teach', 'lead', 'lead')).toBeNull();
});

test('a changed participant keeps its place; who leaves is gone', () => {
  const changed = reduce(room(), { type: 'participant', participant: participant('a', { name: 'new' }) }, 0);
  expect(changed?.roster.map((p) => p.name)).toEqual(['lead', 'new', 'b']);
  const fewer = reduce(changed ?? null, { type: 'participant_left', id: 'a' }, 0);
  expect(fewer?.roster.map((p) => p.id)).toEqual(['lead', 'b']);
  expect(reduce(null, { type: 'participant_left', id: 'a' }, 0)).toBeNull();
});

test('the running time goes on by the own clock, and only while live', () => {
  expect(runningSeconds(room(), 4_500)).toBe(63);
  const ended = room({
    lesson: { id: 'demo', title: '', state: 'ended', runningSeconds: 60, leads: 'lead', ...DELIVERY },
  });
  expect(runningSeconds(ended, 4_500)).toBe(60);
  expect([0, 59, 763, 3_723].map(formatDuration)).toEqual(['0:00', '0:59', '12:43', '1:02:03']);
});

test('a watching page has one state, and being cut off outranks the lesson', () => {
  const joined = { phase: 'joined' } as const;
  const cut = { phase: 'connecting', attempt: 1, before: true, error: null } as const;
  const lesson = { id: 'demo', title: '', runningSeconds: 0, leads: 'lead', ...DELIVERY };
  expect(watcherState(joined, room())).toBe('live');
  expect(
    watcherState(joined, room({ roster: [participant('lead', { role: 'lead', presence: 'away' })] })),
  ).toBe('teacher-away');
  expect(watcherState(joined, room({ roster: [] }))).toBe('teacher-away');
  expect(watcherState(joined, room({ lesson: { ...lesson, state: 'scheduled' } }))).toBe('waiting');
  expect(watcherState(joined, room({ lesson: { ...lesson, state: 'ended' } }))).toBe('ended');
  expect(watcherState(cut, room())).toBe('reconnecting');
  expect(watcherState({ phase: 'over', end: { kind: 'kicked' } }, room())).toBe('kicked');
});

test('of two leads the one who leads counts, and only her absence is one', () => {
  const joined = { phase: 'joined' } as const;
  const two = (leads: string, away: string) =>
    room({
      lesson: { id: 'demo', title: '', state: 'live', runningSeconds: 0, leads, ...DELIVERY },
      roster: ['first', 'second'].map((id) =>
        participant(id, { role: 'lead', presence: id === away ? 'away' : 'online' }),
      ),
    });
  expect(findLead(two('second', ''))?.id).toBe('second');
  expect(watcherState(joined, two('second', 'first'))).toBe('live');
  expect(watcherState(joined, two('second', 'second'))).toBe('teacher-away');
  const told = reduce(
    two('second', 'second'),
    {
      type: 'lesson',
      lesson: { id: 'demo', title: '', state: 'live', runningSeconds: 0, leads: 'first', ...DELIVERY },
    },
    0,
  );
  expect(watcherState(joined, told)).toBe('live');
});

test('a classroom is told by its most pressing trouble', () => {
  const state = { mic: false, camera: true, content: false, sound: true, hidden: false };
  expect(classroomState(participant('a')).word).toBe('stateOnline');
  expect(classroomState(participant('a'), 'good').word).toBe('stateClear');
  expect(classroomState(participant('a'), 'connecting').word).toBe('stateConnecting');
  const stuck = participant('a', { state: { ...state, stuck: true } });
  expect(classroomState(stuck, 'good').word).toBe('stateStuck');
  expect(classroomState(participant('a', { state: { ...state, sound: false, hidden: true } })).word).toBe(
    'stateNoSound',
  );
  expect(classroomState(participant('a', { presence: 'away', state: { ...state, sound: false } })).word).toBe(
    'stateAway',
  );
  const mic = { id: 1, kind: 'mic', flowing: true } as const;
  expect(classroomMic(participant('a'))).toBe('none');
  expect(classroomMic(participant('a', { sources: [mic] }))).toBe('closed');
  expect(classroomMic(participant('a', { sources: [mic], state: { ...state, mic: true } }))).toBe('open');
  expect(
    classroomMic(participant('a', { sources: [mic], state: { ...state, mic: true }, muted: ['mic'] })),
  ).toBe('closed');
});

test('both languages fill in the same values', () => {
  const values = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(zh) as (keyof typeof zh)[]) {
    // The English count and clock need no unit word, so the value alone is compared.
    expect(values(en[key]), key).toEqual(values(zh[key]));
    expect(en[key].trim(), key).not.toBe('');
  }
  expect(parseLanguage('zh-TW')).toBe('zh-CN');
  expect(parseLanguage('EN-gb')).toBe('en');
  expect(parseLanguage('fr')).toBeNull();
});

test('no error code stands in a sentence for people', () => {
  for (const text of [...Object.values(zh), ...Object.values(en)])
    expect(text).not.toMatch(/Error\b|[a-z]_[a-z]/);
});

test('errors of getUserMedia become what a person can act on', () => {
  const named = (name: string) => Object.assign(new Error(''), { name });
  expect(classify(named('NotAllowedError'))).toBe('permission-refused');
  expect(classify(named('NotReadableError'))).toBe('device-in-use');
  expect(classify(named('NotFoundError'))).toBe('no-device');
  expect(classify(new TypeError('undefined'))).toBe('insecure');
});

test('a remembered device is found by id, else by name', () => {
  const devices = [
    { deviceId: '1', label: 'A' },
    { deviceId: '2', label: 'B' },
  ];
  expect(choose(devices, { id: '2', label: 'A' })?.deviceId).toBe('2');
  expect(choose(devices, { id: 'gone', label: 'A' })?.deviceId).toBe('1');
  expect(choose(devices, { id: 'gone', label: '' })).toBeUndefined();
  expect(choose(devices, null)).toBeUndefined();
});

test('capture sizes', () => {
  const fallback = { width: 640, height: 360, fps: 15 };
  expect(parseSize('320x180@10', fallback)).toEqual({ width: 320, height: 180, fps: 10 });
  expect(parseSize('off', fallback)).toBeNull();
  expect(parseSize(null, fallback)).toBe(fallback);
  expect(parseSize('0x0@0', fallback)).toBe(fallback);
});

test('loudness: silence 0, full scale 1, −30 dB half', () => {
  expect(loudness(new Float32Array(8))).toBe(0);
  expect(loudness(new Float32Array(8).fill(1))).toBe(1);
  expect(loudness(new Float32Array(8).fill(10 ** (-30 / 20)))).toBeCloseTo(0.5);
});

test('a link is judged by its worse direction', () => {
  expect(judgeLink({ rttMs: 20, lossDown: 0, lossUp: 0 })).toBe('good');
  expect(judgeLink({ rttMs: 20, lossDown: 0, lossUp: 0.05 })).toBe('fair');
  expect(judgeLink({ rttMs: null, lossDown: 0.2, lossUp: 0 })).toBe('poor');
  expect(judgeLink({ rttMs: 700, lossDown: 0, lossUp: 0 })).toBe('poor');
});

const token = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;

test('a pasted link or token leads to its page, anything else nowhere', () => {
  const lead = token({ role: 'lead', lesson: 'demo', name: '王老师' });
  expect(readToken(lead)).toEqual({ role: 'lead', lesson: 'demo', name: '王老师' });
  expect(where(` ${lead} `)).toBe(`/teach#${lead}`);
  expect(where(`https://old-host:8443/class?camera=off#${lead}`)).toBe(`/class?camera=off#${lead}`);
  expect(where('https://evil.example/phish#x')).toBeNull();
  expect(where('javascript:alert(1)')).toBeNull();
  expect(where(token({ role: 'root' }))).toBeNull();
});

test('the worst stands first and equals stay in order', () => {
  const entry = (id: string, change: Partial<ParticipantOverview> = {}): ParticipantOverview => ({
    participant: participant(id),
    link: LINK,
    seconds: 1,
    decodes: [],
    receives: [],
    linkChanges: [],
    ...change,
  });
  const away = entry('c', { participant: participant('c', { presence: 'away' }) });
  const lossy = entry('d', { link: { ...LINK, lossDown: 0.18 } });
  const list = [entry('b'), lossy, entry('a'), away];
  const sorted = worstFirst(
    list,
    (e) => participantTrouble(e).weight,
    (e) => e.participant.id,
  );
  expect(sorted.map((e) => e.participant.id)).toEqual(['c', 'd', 'a', 'b']);
  expect(participantTrouble(lossy)).toMatchObject({ word: 'troubleLoss', values: { n: 18 } });
});

test('a lesson says whose trouble is the worst and how many others have one; one to come is not judged', () => {
  const entry = (
    id: string,
    change: Partial<ParticipantOverview['participant']> = {},
  ): ParticipantOverview => ({
    participant: participant(id, change),
    link: LINK,
    seconds: 0,
    decodes: [],
    receives: [],
    linkChanges: [],
  });
  const lesson = {
    id: 'demo',
    title: '',
    state: 'live',
    runningSeconds: 1,
    leads: 'lead',
    ...DELIVERY,
  } as const;
  const lead = entry('lead', { role: 'lead' });
  const silent = entry('东片', { state: { ...lead.participant.state, sound: false } });
  const participants = [lead, silent, entry('西片', { presence: 'away' })];
  const trouble = lessonTrouble({ lesson, participants });
  expect(trouble).toMatchObject({ word: 'troubleAway', who: '西片', more: 1 });
  expect(lessonTrouble({ lesson, participants: [silent] })).toMatchObject({
    word: 'troubleLeadMissing',
    more: 1,
  });
  expect(lessonTrouble({ lesson, participants: [lead] })).toMatchObject({ word: 'troubleNone', more: 0 });
  const scheduled = lessonTrouble({ lesson: { ...lesson, state: 'scheduled' }, participants: [] });
  expect(scheduled).toMatchObject({ word: 'stateScheduled', tone: 'calm' });
  expect(scheduled.weight).toBeLessThan(0);
});
