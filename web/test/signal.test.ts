import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ServerMessage } from '../src/client/protocol.gen';
import { RequestError, Signal } from '../src/client/signal';
import { FakeSocket } from './fakes';

let heard: ServerMessage[];

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  heard = [];
});
afterEach(() => vi.useRealTimers());

function start(): Signal {
  const signal = new Signal({
    url: 'ws://test/ws',
    token: 'a.b.c',
    language: 'zh-CN',
    onMessage: (message) => heard.push(message),
    createSocket: FakeSocket.make,
    random: () => 0.5,
  });
  signal.start();
  return signal;
}

test('joins first, with the token in the message and not in the address', () => {
  const signal = start();
  FakeSocket.last.open();
  expect(FakeSocket.last.url).not.toContain('a.b.c');
  expect(FakeSocket.last.sent[0]).toEqual({ type: 'join', version: 1, token: 'a.b.c', language: 'zh-CN' });
  expect(signal.send({ type: 'leave' })).toBe(false);
  FakeSocket.last.welcome();
  expect(signal.state.get().phase).toBe('joined');
  expect(heard.map((m) => m.type)).toEqual(['welcome']);
});

test('comes back without limit, the pauses growing to 8 s', () => {
  start();
  const pauses: number[] = [];
  for (let i = 0; i < 9; i++) {
    const before = FakeSocket.all.length;
    FakeSocket.last.onclose?.();
    let waited = 0;
    while (FakeSocket.all.length === before) {
      vi.advanceTimersByTime(50);
      waited += 50;
    }
    pauses.push(waited);
  }
  expect(pauses[0]).toBe(300);
  expect(pauses[1]).toBe(600);
  expect(pauses[8]).toBe(8_000);
});

test('a nudge skips the pause, and finds a dead socket out', () => {
  const signal = start();
  for (let i = 0; i < 6; i++) {
    FakeSocket.last.onclose?.();
    vi.advanceTimersByTime(10_000);
  }
  FakeSocket.last.onclose?.();
  const before = FakeSocket.all.length;
  signal.nudge();
  expect(FakeSocket.all.length).toBe(before + 1);
  FakeSocket.last.welcome();
  vi.advanceTimersByTime(1_000);
  signal.nudge();
  vi.advanceTimersByTime(3_000);
  expect(signal.state.get()).toMatchObject({ phase: 'connecting', before: true });
});

test('after a change of network a dead socket is found out within a second', () => {
  const signal = start();
  FakeSocket.last.welcome();
  vi.advanceTimersByTime(2_000);
  signal.nudge(true);
  FakeSocket.last.say({ type: 'pong', sent: 0 });
  vi.advanceTimersByTime(1_100);
  expect(signal.state.get().phase).toBe('joined');
  signal.nudge(true);
  vi.advanceTimersByTime(1_100);
  expect(signal.state.get().phase).toBe('connecting');
});

test('a nudge gives up an attempt that began before the network came back', () => {
  const signal = start();
  FakeSocket.last.onclose?.();
  vi.advanceTimersByTime(400);
  const hanging = FakeSocket.last;
  vi.advanceTimersByTime(900);
  signal.nudge();
  expect(FakeSocket.last).toBe(hanging);
  vi.advanceTimersByTime(200);
  signal.nudge();
  expect(hanging.closed).toBe(true);
  expect(FakeSocket.last).not.toBe(hanging);
  FakeSocket.last.welcome();
  expect(signal.state.get().phase).toBe('joined');
});

test('a socket that falls silent is given up, one that answers is not', () => {
  const signal = start();
  FakeSocket.last.welcome();
  for (let i = 0; i < 6; i++) {
    vi.advanceTimersByTime(10_000);
    FakeSocket.last.say({ type: 'pong', sent: performance.now() - 5 });
  }
  expect(signal.state.get().phase).toBe('joined');
  expect(signal.rtt.get()).toBe(5);
  vi.advanceTimersByTime(25_000);
  expect(signal.state.get().phase).toBe('connecting');
});

for (const reason of ['replaced', 'kicked', 'ended'] as const) {
  test(`${reason} is final`, () => {
    const signal = start();
    FakeSocket.last.welcome();
    FakeSocket.last.say({ type: 'bye', reason });
    vi.advanceTimersByTime(60_000);
    signal.nudge();
    expect(signal.state.get()).toEqual({ phase: 'over', end: { kind: reason } });
    expect(FakeSocket.all.length).toBe(1);
  });
}

test('shutdown is not final: pages come to the next server spread over three seconds', () => {
  start();
  FakeSocket.last.welcome();
  FakeSocket.last.say({ type: 'bye', reason: 'shutdown' });
  vi.advanceTimersByTime(1_450);
  expect(FakeSocket.all.length).toBe(1);
  vi.advanceTimersByTime(100);
  expect(FakeSocket.all.length).toBe(2);
});

test('a fatal error is final and keeps its words; one that is not is tried again', () => {
  const signal = start();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: 'error', code: 'busy', message: '忙', hint: '', fatal: false });
  expect(signal.state.get()).toMatchObject({ phase: 'connecting', error: { code: 'busy' } });
  vi.advanceTimersByTime(1_000);
  FakeSocket.last.open();
  FakeSocket.last.say({ type: 'error', code: 'token_expired', message: '过期', hint: '换', fatal: true });
  expect(signal.state.get()).toEqual({
    phase: 'over',
    end: { kind: 'refused', code: 'token_expired', message: '过期', hint: '换' },
  });
});

test('coming to a lesson that has ended is an end, not a refusal', () => {
  const signal = start();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: 'error', code: 'lesson_ended', message: '', hint: '', fatal: true });
  expect(signal.state.get()).toEqual({ phase: 'over', end: { kind: 'ended' } });
});

test('replies find their requests; a broken socket fails the open ones', async () => {
  const signal = start();
  FakeSocket.last.welcome();
  const first = signal.request({ type: 'mute_all' });
  const second = signal.request({ type: 'kick', participant: 'x' });
  const third = signal.request({ type: 'end_lesson' });
  const [a, b] = FakeSocket.last.sent.filter((m) => 'request' in m) as { request: number }[];
  FakeSocket.last.say({
    type: 'error',
    request: b?.request ?? -1,
    code: 'forbidden',
    message: '不行',
    hint: '',
    fatal: false,
  });
  FakeSocket.last.say({ type: 'done', request: a?.request ?? -1 });
  await expect(first).resolves.toMatchObject({ type: 'done' });
  await expect(second).rejects.toMatchObject({ code: 'forbidden' });
  FakeSocket.last.onclose?.();
  await expect(third).rejects.toBeInstanceOf(RequestError);
  await expect(third).rejects.toMatchObject({ code: 'connection_lost' });
});

test('what an abandoned socket says is not heard', () => {
  const signal = start();
  const old = FakeSocket.last;
  old.welcome();
  old.onclose?.();
  vi.advanceTimersByTime(1_000);
  old.say({ type: 'bye', reason: 'kicked' });
  expect(signal.state.get().phase).toBe('connecting');
});

test('who was removed sees that again after a reload, and does not come back by itself', () => {
  const signal = start();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: 'error', code: 'kicked', message: 'm', hint: 'h', fatal: true });
  expect(signal.state.get()).toEqual({ phase: 'over', end: { kind: 'kicked' } });
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.all.length).toBe(1);
});
