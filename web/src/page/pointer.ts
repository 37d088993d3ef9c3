/**
 * Where the lead points: parts of the picture's width and height, so that it is the same place on every
 * screen. Pure geometry, and the pace at which it is told.
 */

/** The lead's page tells no more than 16 in a second; the server takes 20. */
export const TELL_MS = 62;
/** It goes by itself when it has not moved for so long. */
export const GONE_MS = 3_000;

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Place {
  x: number;
  y: number;
}

/** Where a picture of this aspect (width / height) stands in a box that shows all of it, centred. */
export function pictureIn(box: Box, aspect: number): Box {
  if (!(aspect > 0) || box.width <= 0 || box.height <= 0) return box;
  const width = Math.min(box.width, box.height * aspect);
  const height = width / aspect;
  return {
    left: box.left + (box.width - width) / 2,
    top: box.top + (box.height - height) / 2,
    width,
    height,
  };
}

/** The place of a point in a picture; `null` beside it. */
export function placeIn(picture: Box, x: number, y: number): Place | null {
  if (picture.width <= 0 || picture.height <= 0) return null;
  const place = { x: (x - picture.left) / picture.width, y: (y - picture.top) / picture.height };
  const inside = place.x >= 0 && place.x <= 1 && place.y >= 0 && place.y <= 1;
  return inside ? place : null;
}

/** Lets through at most one in `TELL_MS`, and always the last one. */
export class Pace {
  private last = Number.NEGATIVE_INFINITY;
  private waits: Place | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly tell: (place: Place) => void) {}

  at(place: Place, now: number): void {
    const due = this.last + TELL_MS;
    if (now >= due && this.timer === undefined) {
      this.last = now;
      this.tell(place);
      return;
    }
    this.waits = place;
    if (this.timer !== undefined) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        this.last = Math.max(due, now);
        if (this.waits) this.tell(this.waits);
        this.waits = null;
      },
      Math.max(0, due - now),
    );
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.waits = null;
  }
}
