/** A stuck decoder, by what a browser counts. */
import { expect, test } from 'vitest';
import { Playback } from '../src/class/playback';

const report = (received: number, decoded: number) =>
  new Map([
    ['v', { type: 'inbound-rtp', kind: 'video', id: 'v', framesReceived: received, framesDecoded: decoded }],
    ['a', { type: 'inbound-rtp', kind: 'audio', id: 'a' }],
  ]);

function told(...looks: [received: number, decoded: number][]): boolean[] {
  const out: boolean[] = [];
  const playback = new Playback((stuck) => out.push(stuck));
  for (const [received, decoded] of looks) playback.see(report(received, decoded));
  return out;
}

test('told when pictures come and none is shown, twice in a row, and when it is over', () => {
  expect(told([10, 10], [30, 30], [50, 50])).toEqual([]);
  expect(told([10, 10], [30, 10])).toEqual([]);
  expect(told([10, 10], [30, 10], [50, 10])).toEqual([true]);
  expect(told([10, 10], [30, 10], [50, 10], [70, 30])).toEqual([true, false]);
});

test('neither a still slide nor a silent line is a stuck decoder', () => {
  expect(told([10, 10], [11, 10], [12, 10], [13, 10])).toEqual([]);
  expect(told([10, 10], [10, 10], [10, 10])).toEqual([]);
});
