import { expect, test, vi } from 'vitest';
import { LessonClient } from '../src/client/lesson_client';
import type { Feed, Participant } from '../src/client/protocol.gen';
import { fakeBrowser } from './fake_browser';
import { FakePeerConnection, FakeSocket, participant } from './fakes';

fakeBrowser();

function start(
  role: Participant['role'] = 'receiver',
  devices = { mic: true, cameraWidth: 640 as number | null },
) {
  const client = new LessonClient({
    url: 'ws://test/ws',
    token: 'a.b.c',
    language: 'en',
    createSocket: FakeSocket.make,
    createPeerConnection: FakePeerConnection.make,
  });
  client.setDevices(devices);
  client.start();
  FakeSocket.last.welcome({ role });
  return client;
}

const settle = () => vi.advanceTimersByTimeAsync(0);

/** Answers the newest offer or restart, with slots on the last two m-lines. */
async function answer(peer = 1): Promise<void> {
  await settle();
  const socket = FakeSocket.last;
  const asked = [...socket.sent].reverse().find((m) => m.type === 'offer' || m.type === 'restart_ice');
  if (!asked || !('request' in asked)) throw new Error('nothing was offered');
  const slots = [
    { mid: '2', kind: 'audio' as const },
    { mid: '3', kind: 'video' as const },
    { mid: '4', kind: 'video' as const },
  ];
  socket.say({ type: 'answer', request: asked.request, peer, sdp: 'answer', slots });
  await settle();
}

async function connected(role: Participant['role'] = 'receiver') {
  const client = start(role);
  await answer();
  FakePeerConnection.last.become('connected');
  return client;
}

const feed = (change: Partial<Feed> = {}): Feed => ({
  participant: 'lead',
  kind: 'camera',
  source: 9,
  since: 1,
  paused: false,
  ...change,
});

test('a board offers its own lines, then the slots, once', async () => {
  const client = start();
  await settle();
  const [offer] = FakeSocket.last.ofType('offer');
  expect(offer?.tracks).toEqual([
    { mid: '0', kind: 'mic' },
    { mid: '1', kind: 'camera' },
  ]);
  const { added } = FakePeerConnection.last;
  expect(added.map((a) => `${String(a.kind)} ${a.init.direction}`)).toEqual([
    'audio sendonly',
    'video sendonly',
    'audio recvonly',
    'video recvonly',
    'video recvonly',
  ]);
  expect(added[1]?.init.sendEncodings?.map((e) => e.rid)).toEqual(['q', 'f']);
  expect(client.media.made).toBe(1);
});

test('the lead offers four lines in the fixed order, with three layers', async () => {
  start('lead', { mic: true, cameraWidth: 1280 });
  await settle();
  const [offer] = FakeSocket.last.ofType('offer');
  expect(offer?.tracks.map((track) => track.kind)).toEqual(['mic', 'camera', 'content', 'content_audio']);
  expect(FakePeerConnection.last.added[1]?.init.sendEncodings?.map((e) => e.rid)).toEqual(['q', 'h', 'f']);
});

test('a picture too small for layers is sent as it is', async () => {
  start('receiver', { mic: false, cameraWidth: 320 });
  await settle();
  const [encoding, ...more] = FakePeerConnection.last.added[0]?.init.sendEncodings ?? [];
  expect(more).toEqual([]);
  expect(encoding?.scaleResolutionDownBy).toBeUndefined();
});

test('observers and bare boards offer slots only, administrators nothing', async () => {
  start('observer', { mic: true, cameraWidth: 640 });
  await settle();
  expect(FakeSocket.last.ofType('offer')[0]?.tracks).toEqual([]);
  start('receiver', { mic: false, cameraWidth: null });
  await settle();
  expect(FakeSocket.last.ofType('offer')[0]?.tracks).toEqual([]);
  start('admin');
  await settle();
  expect(FakeSocket.last.ofType('offer')).toEqual([]);
  expect(FakeSocket.last.ofType('watch')).toHaveLength(1);
});

test('a connected peer outlives a broken socket', async () => {
  const client = await connected();
  FakeSocket.last.onclose?.();
  await vi.advanceTimersByTimeAsync(1_000);
  FakeSocket.last.welcome();
  FakeSocket.last.say({ type: 'slots', peer: 1, slots: [{ mid: '3', feed: null }] });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(client.media.made).toBe(1);
  expect(FakeSocket.last.ofType('offer')).toEqual([]);
  expect(client.media.state.get()).toBe('connected');
  expect(client.signal.joins).toBe(2);
});

test('a server that forgot the peer gets a new one at once', async () => {
  const client = await connected();
  FakeSocket.last.onclose?.();
  await vi.advanceTimersByTimeAsync(1_000);
  FakeSocket.last.welcome();
  await vi.advanceTimersByTimeAsync(1_600);
  expect(FakeSocket.last.ofType('offer')).toHaveLength(1);
  expect(client.media.made).toBe(2);
});

test('an offer lost with the socket is made again after the next join', async () => {
  const client = start();
  await settle();
  FakeSocket.last.onclose?.();
  await vi.advanceTimersByTimeAsync(1_000);
  FakeSocket.last.welcome();
  await answer();
  FakePeerConnection.last.become('connected');
  expect(client.media.made).toBe(2);
  expect(client.media.state.get()).toBe('connected');
});

test('renew makes a new peer; the old one sends on for a while after the new one has connected', async () => {
  const client = await connected();
  const old = FakePeerConnection.last;
  FakeSocket.last.say({ type: 'renew', reason: 'codec_changed' });
  await answer(2);
  expect(old.connectionState).toBe('connected');
  expect(client.media.peer.get()?.pc).toBe(old);
  FakePeerConnection.last.become('connected');
  expect(client.media.peer.get()?.pc).toBe(FakePeerConnection.last);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(old.connectionState).toBe('connected');
  // What its page stops sending meanwhile stops there too.
  client.setTrack('mic', null);
  await vi.advanceTimersByTimeAsync(500);
  expect(old.connectionState).toBe('closed');
  expect(FakePeerConnection.last.connectionState).toBe('connected');
});

test('a broken path gets an ICE restart, and a new peer when that does not help', async () => {
  const client = await connected();
  const pc = FakePeerConnection.last;
  pc.become('disconnected');
  await answer();
  expect(FakeSocket.last.ofType('restart_ice')).toHaveLength(1);
  expect(pc.offers.map((offer) => offer.iceRestart)).toEqual([false, true]);
  expect(client.media.state.get()).toBe('repairing');
  await vi.advanceTimersByTimeAsync(8_000);
  expect(client.media.made).toBe(2);
});

test('a restart that helps makes no new peer', async () => {
  const client = await connected();
  FakePeerConnection.last.become('disconnected');
  await answer();
  FakePeerConnection.last.become('connected');
  await vi.advanceTimersByTimeAsync(20_000);
  expect(client.media.made).toBe(1);
  expect(client.media.state.get()).toBe('connected');
});

test('silence of a source that flows is a fault; silence of one that does not is none', async () => {
  await connected();
  const socket = FakeSocket.last;
  const pc = FakePeerConnection.last;
  socket.say({ type: 'slots', peer: 1, slots: [{ mid: '3', feed: feed() }] });
  const lead = (flowing: boolean) =>
    socket.say({
      type: 'participant',
      participant: participant('lead', { role: 'lead', sources: [{ id: 9, kind: 'camera', flowing }] }),
    });
  lead(false);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(socket.ofType('restart_ice')).toHaveLength(0);
  lead(true);
  for (let i = 0; i < 8; i++) {
    pc.bytesReceived += 1_000;
    await vi.advanceTimersByTimeAsync(1_000);
    socket.say({ type: 'pong', sent: 0 });
  }
  expect(socket.ofType('restart_ice')).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(socket.ofType('restart_ice')).toHaveLength(1);
});

test('silence is noticed two seconds after the last packet, and not at some later look', async () => {
  await connected();
  const socket = FakeSocket.last;
  socket.say({ type: 'slots', peer: 1, slots: [{ mid: '3', feed: feed() }] });
  const sources = [{ id: 9, kind: 'camera' as const, flowing: true }];
  socket.say({ type: 'participant', participant: participant('lead', { role: 'lead', sources }) });
  let last = performance.now();
  const pair = { type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'local' };
  Object.defineProperties(pair, {
    bytesReceived: { get: () => last },
    timestamp: { get: () => performance.now() },
    lastPacketReceivedTimestamp: { get: () => last },
  });
  FakePeerConnection.last.stats.pair = pair;
  for (const after of [300, 950]) {
    for (let i = 0; i < 40; i++) {
      await vi.advanceTimersByTimeAsync(i < 39 ? 100 : after);
      last = performance.now();
    }
    const before = socket.ofType('restart_ice').length;
    await vi.advanceTimersByTimeAsync(1_990);
    expect(socket.ofType('restart_ice')).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(15);
    expect(socket.ofType('restart_ice')).toHaveLength(before + 1);
    await answer();
    socket.say({ type: 'pong', sent: 0 });
  }
});

test('a connection that fell silent together with the signalling is repaired at once', async () => {
  const client = await connected();
  const pc = FakePeerConnection.last;
  const lead = participant('lead', { role: 'lead', sources: [{ id: 9, kind: 'camera', flowing: true }] });
  const comesBack = async (flows: boolean) => {
    FakeSocket.last.onclose?.();
    await vi.advanceTimersByTimeAsync(500);
    FakeSocket.last.welcome({ peer: 1, roster: [lead] });
    FakeSocket.last.say({ type: 'slots', peer: 1, slots: [{ mid: '3', feed: feed() }] });
    for (let i = 0; i < 9; i++) {
      if (flows) pc.bytesReceived += 1_000;
      await vi.advanceTimersByTimeAsync(100);
    }
  };
  await comesBack(true);
  expect(FakeSocket.last.ofType('restart_ice')).toHaveLength(0);
  await comesBack(false);
  expect(FakeSocket.last.ofType('restart_ice')).toHaveLength(1);
  expect(client.media.made).toBe(1);
});

test('media that cannot pass is called blocked after 8 s, and tried again', async () => {
  const client = start();
  await answer();
  await vi.advanceTimersByTimeAsync(7_900);
  expect(client.media.state.get()).toBe('connecting');
  await vi.advanceTimersByTimeAsync(200);
  expect(client.media.state.get()).toBe('blocked');
  await vi.advanceTimersByTimeAsync(2_000);
  await answer(2);
  expect(client.media.state.get()).toBe('blocked');
  FakePeerConnection.last.become('connected');
  expect(client.media.state.get()).toBe('connected');
});

test('slots of another peer are not mixed in', async () => {
  const client = await connected();
  FakeSocket.last.say({ type: 'slots', peer: 99, slots: [{ mid: '3', feed: feed() }] });
  expect(client.feeds()).toEqual([]);
  FakeSocket.last.say({ type: 'slots', peer: 1, slots: [{ mid: '3', feed: feed({ since: 7 }) }] });
  expect(client.feeds()).toEqual([
    { mid: '3', participant: 'lead', kind: 'camera', since: 7, covered: true },
  ]);
  client.media.frameShown('3', 7);
  expect(client.feeds()[0]?.covered).toBe(false);
});

test('own state is told after each join and only when it changed', () => {
  const client = start();
  client.setOwnState({ sound: true });
  client.setOwnState({ sound: true });
  expect(FakeSocket.last.ofType('state').map((m) => m.state.sound)).toEqual([false, true]);
  FakeSocket.last.onclose?.();
  vi.advanceTimersByTime(1_000);
  FakeSocket.last.welcome();
  expect(FakeSocket.last.ofType('state').map((m) => m.state.sound)).toEqual([true]);
});

test('after the end nothing is offered any more', async () => {
  const client = await connected();
  const pc = FakePeerConnection.last;
  FakeSocket.last.say({ type: 'bye', reason: 'ended' });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(pc.connectionState).toBe('closed');
  expect(client.media.made).toBe(1);
});
