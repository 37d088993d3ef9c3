/** Who speaks with others gets pictures as they come; who only listens lets them wait on a bad line. */
import { expect, test, vi } from 'vitest';
import { LessonClient } from '../src/client/lesson_client';
import type { Feed, LinkState, Participant } from '../src/client/protocol.gen';
import { NO_FLOOR } from '../src/client/room';
import { fakeBrowser } from './fake_browser';
import { DELIVERY, FakePeerConnection, FakeSocket } from './fakes';

fakeBrowser();

const LESSON = { id: 'demo', title: '音乐', state: 'live', runningSeconds: 60, leads: 'lead' } as const;

/** A page whose line loses packets, unless it is told another. */
async function page(role: Participant['role'], state: LinkState = 'lossy') {
  const client = new LessonClient({
    url: 'ws://test/ws',
    token: 'a.b.c',
    language: 'en',
    createSocket: FakeSocket.make,
    createPeerConnection: FakePeerConnection.make,
  });
  client.setDevices({ mic: false, cameraWidth: null });
  client.start();
  const socket = FakeSocket.last;
  socket.welcome({ role });
  await vi.advanceTimersByTimeAsync(0);
  const [offer] = socket.ofType('offer');
  if (!offer) throw new Error('nothing was offered');
  socket.say({
    type: 'answer',
    request: offer.request,
    peer: 1,
    sdp: 'answer',
    slots: [{ mid: '0', kind: 'audio' }],
  });
  await vi.advanceTimersByTimeAsync(0);
  FakePeerConnection.last.become('connected');
  const line = { downKbps: 900, upKbps: 200, rttMs: 20, lossDown: 0.06, lossUp: 0, lineKbps: 2_000 };
  socket.say({
    type: 'link',
    link: { ...line, waitsMs: 0, state, cause: state === 'lossy' ? 'loss' : null },
  });
  return socket;
}

/** How long sound and pictures wait a few seconds later, ms. */
async function waits(): Promise<{ sound: unknown; pictures: unknown }> {
  await vi.advanceTimersByTimeAsync(5_000);
  const receivers = FakePeerConnection.last.getTransceivers().map((t) => t.receiver);
  const of = (kind: string) => receivers.find((r) => r.track.kind === kind)?.jitterBufferTarget;
  return { sound: of('audio'), pictures: of('video') };
}

const speaker = (participant: string) => ({ participant, onStage: true, micOpen: true });

test('pictures wait at who listens, and no longer once it has the floor', async () => {
  const socket = await page('receiver');
  expect(await waits()).toEqual({ sound: 150, pictures: 500 });
  socket.say({ type: 'floor', floor: { ...NO_FLOOR, speakers: [speaker('other')] } });
  expect(await waits()).toEqual({ sound: 150, pictures: 500 });
  socket.say({ type: 'floor', floor: { ...NO_FLOOR, speakers: [speaker('other'), speaker('me')] } });
  expect(await waits()).toEqual({ sound: 150, pictures: null });
  socket.say({ type: 'floor', floor: NO_FLOOR });
  expect(await waits()).toEqual({ sound: 150, pictures: 500 });
});

test('they do not wait at a classroom that leads', async () => {
  const socket = await page('receiver');
  socket.say({ type: 'lesson', lesson: { ...LESSON, ...DELIVERY, leads: 'me' } });
  expect(await waits()).toEqual({ sound: 150, pictures: null });
  socket.say({ type: 'lesson', lesson: { ...LESSON, ...DELIVERY } });
  expect(await waits()).toEqual({ sound: 150, pictures: 500 });
});

test('nor at a lead, whoever leads now: its microphone is open without the floor', async () => {
  await page('lead');
  expect(await waits()).toEqual({ sound: 150, pictures: null });
});

test('an observer speaks with nobody', async () => {
  await page('observer');
  expect(await waits()).toEqual({ sound: 150, pictures: 500 });
});

/** A second later this much had been made up on the line, beside what came. */
async function madeUp(ms: number): Promise<void> {
  const { stats } = FakePeerConnection.last;
  const before = (stats.voice ?? {}) as { packetsReceived?: number; concealedSamples?: number };
  stats.voice = {
    type: 'inbound-rtp',
    kind: 'audio',
    id: 'voice',
    mid: '0',
    packetsReceived: (before.packetsReceived ?? 0) + 50,
    concealedSamples: (before.concealedSamples ?? 0) + ms * 48,
  };
  await vi.advanceTimersByTimeAsync(1_000);
}

test('who stops speaking leaves no gap of the line; who goes on speaking does', async () => {
  const socket = await page('receiver', 'good');
  const feed = { participant: 'other', kind: 'mic', source: 9, since: 1_000, paused: false } as const;
  const feeds = (one: Feed | null) =>
    socket.say({ type: 'slots', peer: 1, slots: [{ mid: '0', feed: one }] });
  feeds(feed);
  await madeUp(0);
  await madeUp(0);
  feeds(null);
  await madeUp(500);
  await madeUp(300);
  feeds({ ...feed, source: 10, since: 90_000 });
  await madeUp(100);
  feeds({ ...feed, source: 11, since: 180_000 });
  await madeUp(400);
  expect((await waits()).sound).toBe(null);
  await madeUp(0);
  await madeUp(120);
  expect((await waits()).sound).toBe(150);
});
