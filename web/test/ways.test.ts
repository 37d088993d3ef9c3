import { expect, test, vi } from 'vitest';
import { LessonClient } from '../src/client/lesson_client';
import { withoutUdp } from '../src/client/peer';
import { type Way, Ways } from '../src/client/ways';
import { fakeBrowser } from './fake_browser';
import { FakePeerConnection, FakeSocket } from './fakes';

const UDP = 'a=candidate:1 1 udp 2113929471 192.0.2.1 7000 typ host\r\n';
const TCP = 'a=candidate:2 1 tcp 1518280447 192.0.2.1 7000 typ host tcptype passive\r\n';
const ANSWER = `v=0\r\n${UDP}${TCP}a=end-of-candidates\r\n`;
const HOME = '192.0.2.0/24';

function storage(
  content: string | null = null,
): Pick<Storage, 'getItem' | 'setItem'> & { text: string | null } {
  return {
    text: content,
    getItem() {
      return this.text;
    },
    setItem(_key: string, text: string) {
      this.text = text;
    },
  };
}

/** Sessions on one network, one after the other, each with the ways that settled in it. */
function sessions(kept: ReturnType<typeof storage>, network: string, ...all: Way[][]) {
  for (const ways of all) {
    const session = new Ways(kept);
    session.enter(network);
    for (const way of ways) session.note(way);
  }
  const next = new Ways(kept);
  next.enter(network);
  return next;
}

test('two sessions that did not end by UDP are a hint, one that did forgets it', () => {
  expect(sessions(storage(), HOME).hint()).toBe(null);
  expect(sessions(storage(), HOME, ['tcp']).hint()).toBe(null);
  expect(sessions(storage(), HOME, ['tcp'], ['udp', 'tcp']).hint()).toBe('tcp');
  expect(sessions(storage(), HOME, ['tcp'], ['relay']).hint()).toBe('relay');
  expect(sessions(storage(), HOME, ['tcp'], ['tcp'], ['tcp', 'udp']).hint()).toBe(null);
  expect(sessions(storage(), HOME, ['tcp'], ['udp'], ['tcp'], ['tcp']).hint()).toBe('tcp');
});

test('each network has its own, and only some are kept', () => {
  const kept = storage();
  sessions(kept, HOME, ['tcp'], ['tcp']);
  expect(sessions(kept, '198.51.100.0/24').hint()).toBe(null);
  expect(sessions(kept, HOME).hint()).toBe('tcp');
  for (let n = 0; n < 8; n++) sessions(kept, `10.0.${n}.0/24`, ['udp']);
  expect(sessions(kept, HOME).hint()).toBe(null);
  expect(JSON.parse(kept.text ?? '')).toHaveLength(8);
});

test('what is damaged or forbidden is nothing', () => {
  for (const text of ['{', '3', '[1,["x"],["x",["y"]]]', `[["${HOME}",["carrier pigeon","tcp"]]]`]) {
    expect(sessions(storage(text), HOME).hint()).toBe(null);
  }
  const forbidden = {
    getItem: () => {
      throw new Error('no');
    },
    setItem: () => {
      throw new Error('no');
    },
  };
  const ways = new Ways(forbidden);
  ways.enter(HOME);
  ways.note('tcp');
  expect(ways.hint()).toBe(null);
});

test('an answer loses its UDP only where it has something else', () => {
  expect(withoutUdp(ANSWER)).toBe(`v=0\r\n${TCP}a=end-of-candidates\r\n`);
  expect(withoutUdp(`v=0\r\n${UDP}`)).toBe(`v=0\r\n${UDP}`);
});

fakeBrowser();

async function answer(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
  const asked = [...FakeSocket.last.sent]
    .reverse()
    .find((m) => m.type === 'offer' || m.type === 'restart_ice');
  if (!asked || !('request' in asked)) throw new Error('nothing was offered');
  FakeSocket.last.say({ type: 'answer', request: asked.request, peer: 1, sdp: ANSWER, slots: [] });
  await vi.advanceTimersByTimeAsync(0);
}

async function begin(ways: Ways): Promise<FakePeerConnection> {
  const client = new LessonClient({
    url: 'ws://test/ws',
    token: 'a.b.c',
    language: 'en',
    ways,
    createSocket: FakeSocket.make,
    createPeerConnection: FakePeerConnection.make,
  });
  client.setDevices({ mic: true, cameraWidth: null });
  client.start();
  FakeSocket.last.welcome();
  await answer();
  return FakePeerConnection.last;
}

/** Media flows on this way for so many seconds. */
async function flows(pc: FakePeerConnection, protocol: 'udp' | 'tcp', seconds: number): Promise<void> {
  pc.stats.local = { type: 'local-candidate', candidateType: 'prflx', protocol };
  // Of the way before there is still a pair, nominated as it was.
  pc.stats.other = { type: 'local-candidate', candidateType: 'relay', protocol: 'udp' };
  pc.stats.old = { type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'other' };
  pc.stats.transport = { type: 'transport', selectedCandidatePairId: 'pair' };
  for (let n = 0; n < seconds; n++) {
    pc.bytesReceived += 1_000;
    FakeSocket.last.say({ type: 'pong', sent: 0 });
    await vi.advanceTimersByTimeAsync(1_000);
  }
}

test('a session begins with what worked, tries UDP later, and remembers that it came back', async () => {
  const kept = storage();
  const pc = await begin(sessions(kept, HOME, ['tcp'], ['tcp']));
  expect(pc.answers[0]).not.toContain(' udp ');
  pc.become('connected');
  await flows(pc, 'tcp', 25);
  expect(FakeSocket.last.ofType('restart_ice')).toHaveLength(0);
  await flows(pc, 'tcp', 8);
  await answer();
  expect(FakeSocket.last.ofType('restart_ice')).toHaveLength(1);
  expect(pc.answers[1]).toContain(' udp ');
  await flows(pc, 'udp', 15);
  expect(sessions(kept, HOME).hint()).toBe(null);
  await flows(pc, 'udp', 600);
  expect(FakeSocket.last.ofType('restart_ice')).toHaveLength(1);
  expect(FakePeerConnection.all).toHaveLength(1);
});

test('UDP that broke in a session is not tried again in it', async () => {
  const kept = storage();
  const pc = await begin(sessions(kept, HOME, ['udp']));
  expect(pc.answers[0]).toContain(' udp ');
  pc.become('connected');
  await flows(pc, 'udp', 20);
  await flows(pc, 'tcp', 600);
  expect(FakeSocket.last.ofType('restart_ice')).toHaveLength(0);
  expect(kept.text).toBe(JSON.stringify([[HOME, ['udp', 'tcp']]]));
});

test('without UDP from the beginning it is tried less and less often', async () => {
  const pc = await begin(sessions(storage(), HOME));
  pc.become('connected');
  const minutes: number[] = [];
  for (let minute = 1; minute <= 16; minute++) {
    await flows(pc, 'tcp', 60);
    if (FakeSocket.last.ofType('restart_ice').length > minutes.length) {
      minutes.push(minute);
      await answer();
    }
  }
  expect(minutes).toEqual([2, 4, 8, 16]);
});

test('a hint that does not connect is dropped, and a relay is asked for by policy', async () => {
  const pc = await begin(sessions(storage(), HOME, ['relay'], ['relay']));
  expect(pc.configurations[0]?.iceTransportPolicy).toBe('relay');
  await vi.advanceTimersByTimeAsync(8_000 + 1_100);
  await answer();
  expect(FakePeerConnection.all).toHaveLength(2);
  expect(FakePeerConnection.last.configurations[0]?.iceTransportPolicy).toBe('all');
  expect(FakePeerConnection.last.answers[0]).toContain(' udp ');
});
