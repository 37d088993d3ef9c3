import { afterEach, expect, test, vi } from 'vitest';
import { Pace, pictureIn, placeIn, TELL_MS } from '../src/page/pointer';

afterEach(() => {
  vi.useRealTimers();
});

test('a picture is shown whole in the middle of its box', () => {
  const box = { left: 10, top: 20, width: 800, height: 600 };
  expect(pictureIn(box, 16 / 9)).toEqual({ left: 10, top: 95, width: 800, height: 450 });
  expect(pictureIn(box, 1)).toEqual({ left: 110, top: 20, width: 600, height: 600 });
  // Nothing is known of it yet.
  expect(pictureIn(box, 0)).toEqual(box);
  expect(pictureIn(box, Number.NaN)).toEqual(box);
});

test('a place is the same part of the picture on every screen, and none beside it', () => {
  const picture = { left: 10, top: 95, width: 800, height: 450 };
  expect(placeIn(picture, 410, 320)).toEqual({ x: 0.5, y: 0.5 });
  expect(placeIn(picture, 10, 95)).toEqual({ x: 0, y: 0 });
  expect(placeIn(picture, 410, 94)).toBeNull();
  expect(placeIn({ ...picture, width: 0 }, 10, 95)).toBeNull();
});

test('places are told at their pace, and the last one always', () => {
  vi.useFakeTimers();
  const told: number[] = [];
  const pace = new Pace((place) => told.push(place.x));
  for (let ms = 0; ms <= 1000; ms += 10) {
    pace.at({ x: ms, y: 0 }, ms);
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(200);
  expect(told[0]).toBe(0);
  expect(told[told.length - 1]).toBe(1000);
  expect(told.length).toBeLessThanOrEqual(1000 / TELL_MS + 3);
  expect(told.length).toBeGreaterThan(10);
  pace.at({ x: 5, y: 0 }, 2000);
  pace.at({ x: 6, y: 0 }, 2001);
  pace.stop();
  vi.advanceTimersByTime(200);
  expect(told[told.length - 1]).toBe(5);
});
