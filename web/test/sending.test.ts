/** What a page sends: two qualities of content, temporal layers, and only layers that are of use. */
import { expect, test, vi } from 'vitest';
import { LessonClient } from '../src/client/lesson_client';
import { fakeBrowser } from './fake_browser';
import { FakePeerConnection, FakeSocket } from './fakes';

fakeBrowser();

type Encoding = RTCRtpEncodingParameters & { scalabilityMode?: string };

const settle = () => vi.advanceTimersByTimeAsync(0);

/** A lead's page; `prepare` is called with each connection before it is used. */
function teaching(prepare: (pc: FakePeerConnection) => void = () => undefined) {
  const client = new LessonClient({
    url: 'ws://test/ws',
    token: 'a.b.c',
    language: 'en',
    createSocket: FakeSocket.make,
    createPeerConnection: () => {
      const pc = FakePeerConnection.make();
      prepare(FakePeerConnection.last);
      return pc;
    },
  });
  client.setDevices({ mic: true, cameraWidth: 1280 });
  client.start();
  FakeSocket.last.welcome({ role: 'lead' });
  return client;
}

async function answer(peer: number): Promise<FakePeerConnection> {
  await settle();
  const offers = FakeSocket.last.ofType('offer');
  const { request } = offers[offers.length - 1] ?? { request: 0 };
  FakeSocket.last.say({ type: 'answer', request, peer, sdp: 'answer', slots: [] });
  await settle();
  FakePeerConnection.last.become('connected');
  return FakePeerConnection.last;
}

/** Microphone, camera, content, its sound. */
const sent = (pc: FakePeerConnection): Encoding[][] =>
  pc.added
    .filter(({ init }) => init.direction === 'sendonly')
    .map(({ init }) => (init.sendEncodings ?? []) as Encoding[]);
const active = (pc: FakePeerConnection, line: number) => sent(pc)[line]?.map((e) => e.active ?? true);
const [CAMERA, CONTENT] = [1, 2];

async function layers(peer: number, kind: 'camera' | 'content', wanted: number[]): Promise<void> {
  FakeSocket.last.say({ type: 'layers', peer, source: 9, kind, layers: wanted });
  await settle();
}

test('content goes out twice in full resolution, once within 5 pictures and 150 kbit/s a second', async () => {
  teaching();
  const pc = await answer(1);
  const [small, best, ...more] = sent(pc)[CONTENT] ?? [];
  expect(more).toEqual([]);
  expect(small).toMatchObject({ scaleResolutionDownBy: 1, maxBitrate: 150_000, maxFramerate: 5 });
  expect(best).toMatchObject({ scaleResolutionDownBy: 1, maxFramerate: 15 });
  expect(small?.rid).not.toBe(best?.rid);
});

test('a browser that takes no layers of content sends the best one alone', async () => {
  teaching((pc) => {
    pc.refuses.encodings = (_kind, count) => count === 2;
  });
  const pc = await answer(1);
  expect(sent(pc)[CONTENT]).toMatchObject([{ maxBitrate: 2_500_000 }]);
  expect(sent(pc)[CONTENT]?.[0]?.rid).toBeUndefined();
  expect(sent(pc)[CAMERA]).toHaveLength(3);
});

test('temporal layers are asked for where they are of use, and a refusal hurts nobody', async () => {
  for (const [codec, mode] of [
    ['video/VP8', 'L1T3'],
    ['video/VP9', 'L1T3'],
    ['video/AV1', 'L1T1'],
    ['video/H264', undefined],
    [null, undefined],
  ] as const) {
    const client = teaching((pc) => {
      pc.negotiated = codec;
    });
    const modes = sent(await answer(1)).map((line) => line.map((e) => e.scalabilityMode));
    expect(modes).toEqual([[undefined], [mode, mode, mode], [mode, mode], [undefined]]);
    client.leave();
  }
  teaching((pc) => {
    pc.negotiated = 'video/VP8';
    pc.refuses.parameters = () => true;
  });
  const pc = await answer(1);
  expect(sent(pc)[CAMERA]?.map((e) => e.scalabilityMode)).toEqual([undefined, undefined, undefined]);
});

test('layers of no use are switched off, and on again at once', async () => {
  teaching();
  const pc = await answer(1);
  expect(active(pc, CAMERA)).toEqual([true, true, true]);
  await layers(1, 'camera', [0, 1]);
  expect(active(pc, CAMERA)).toEqual([true, true, false]);
  await layers(1, 'content', [0]);
  expect(active(pc, CONTENT)).toEqual([true, false]);
  await layers(1, 'camera', [0, 1, 2]);
  expect(active(pc, CAMERA)).toEqual([true, true, true]);
  expect(active(pc, CONTENT)).toEqual([true, false]);
});

test('something is always sent, and what another peer heard says nothing', async () => {
  teaching();
  const pc = await answer(1);
  await layers(1, 'camera', []);
  await layers(1, 'camera', [7]);
  await layers(2, 'camera', [0]);
  expect(active(pc, CAMERA)).toEqual([true, true, true]);
});

test('a new peer sends all until it is told', async () => {
  teaching();
  await answer(1);
  await layers(1, 'camera', [0]);
  FakeSocket.last.say({ type: 'renew', reason: 'codec_changed' });
  const pc = await answer(2);
  expect(active(pc, CAMERA)).toEqual([true, true, true]);
  await layers(1, 'camera', [0]);
  expect(active(pc, CAMERA)).toEqual([true, true, true]);
});

test('a change that the browser refused comes a second later', async () => {
  teaching();
  const pc = await answer(1);
  await layers(1, 'camera', [0]);
  pc.refuses.parameters = () => true;
  await layers(1, 'camera', [0, 1, 2]);
  expect(active(pc, CAMERA)).toEqual([true, false, false]);
  pc.refuses = {};
  await vi.advanceTimersByTimeAsync(1_000);
  expect(active(pc, CAMERA)).toEqual([true, true, true]);
});

test('a slow uplink is one that is slow for five seconds', async () => {
  const client = teaching();
  const pc = await answer(1);
  pc.stats.camera = { type: 'outbound-rtp', kind: 'video', qualityLimitationReason: 'bandwidth' };
  await vi.advanceTimersByTimeAsync(4_000);
  expect(client.media.uplinkLimited.get()).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.media.uplinkLimited.get()).toBe(true);
  pc.stats = {};
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.media.uplinkLimited.get()).toBe(false);
});
