// Parts of a made-up lesson: who is in it, what is on the stage.
import type { LessonClient } from '../src/client/lesson_client';
import type { LinkStats, Participant } from '../src/client/protocol.gen';
import type { Room } from '../src/client/room';
import { CLASSES, type FedSlot, LEAD, picture } from './fixtures';

export const face: FedSlot = { track: picture('face', 3), participant: 'lead', kind: 'camera' };

export const slide: FedSlot = { track: picture('slide', 1), participant: 'lead', kind: 'content' };

export const withContent: Participant = { ...LEAD, state: { ...LEAD.state, content: true } };

export const us: Participant = { ...(CLASSES[0] as Participant), muted: ['mic'] };

export function tone(): MediaStreamTrack {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  gain.gain.value = 0.2;
  oscillator.connect(gain).connect(out);
  oscillator.start();
  return out.stream.getAudioTracks()[0] as MediaStreamTrack;
}

export const mixed: Participant[] = CLASSES.map((c, i) => {
  if (i === 1) return { ...c, state: { ...c.state, mic: true } };
  if (i === 4) return { ...c, state: { ...c.state, sound: false } };
  if (i === 5) return { ...c, presence: 'away' };
  return c;
});

/** A lesson with a floor: who speaks (and is shown), whose hands are up. */
export function floor(client: LessonClient, change: Partial<Room['floor']>, more: Partial<Room> = {}): void {
  client.room.update((room) => (room ? { ...room, floor: { ...room.floor, ...change }, ...more } : room));
}

/** A page of a workbook, photographed. */
export const PHOTO = { id: 'p1', url: '/photo', from: 'c1', name: '东片小学 四(1)' };

export function withPhoto(client: LessonClient, photos: NonNullable<Room['photos']>): void {
  client.fetchPhoto = () => workbook();
  client.room.update((room) => (room ? { ...room, photos } : room));
}

function workbook(): Promise<Blob> {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1600, height: 1200 });
  const c = canvas.getContext('2d') as CanvasRenderingContext2D;
  c.fillStyle = '#f3ecd9';
  c.fillRect(0, 0, 1600, 1200);
  c.fillStyle = '#2a3f8f';
  c.font = '84px serif';
  [
    '1. 3 × 4 + 8 = 20',
    '2. (15 − 6) ÷ 3 = 3',
    '3. 一根绳子长 24 米，平均剪成',
    '    6 段，每段长多少米？',
    '    24 ÷ 6 = 4（米）',
  ].forEach((text, i) => {
    c.fillText(text, 140, 220 + i * 190);
  });
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob as Blob)));
}

/** The pointer, again and again: it goes by itself after a while. */
export function pointing(client: LessonClient): void {
  setInterval(() => client.pointer.set({ x: 0.42, y: 0.36 }), 200);
}

/** Taps what has this test id, one after the other. */
export function tap(...ids: string[]): void {
  ids.forEach((id, i) => {
    setTimeout(() => document.querySelector<HTMLElement>(`[data-testid="${id}"]`)?.click(), 250 + i * 120);
  });
}

/** Joins once more, or has not yet. */
export function cutOff(client: LessonClient, before = true): void {
  client.signal.state.set({ phase: 'connecting', attempt: 3, before, error: null });
}

export const on = (participant: string) => ({ participant, onStage: true });

export const pupils = (i: number): FedSlot => ({
  track: picture('class', i, 640, 360),
  participant: `c${i}`,
  kind: 'camera',
});

export function line(client: LessonClient, change: Partial<LinkStats>): void {
  client.room.update((room) => (room?.link ? { ...room, link: { ...room.link, ...change } } : room));
}
