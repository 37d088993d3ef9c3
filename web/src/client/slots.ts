/**
 * Which source feeds which receiving slot of one peer, and whether its picture may be shown.
 *
 * The server switches a slot's source without telling the decoder, so for some frames the slot still
 * shows the previous classroom. Showing those under the new name is a privacy fault. A slot is
 * therefore *covered* from the change until a frame of the new source is on screen: one whose RTP
 * timestamp is at or after the feed's `since`, modulo 2^32.
 */
import type { Feed, MediaKind, SlotFeed, SlotMid, SourceId } from './protocol.gen';
import { Store } from './store';

export interface Slot {
  mid: string;
  media: MediaKind;
  feed: Feed | null;
  /** The feed whose frame was last seen on screen; stays when the feed ends. */
  shown: Shown | null;
}

/**
 * One turn of a source in a slot. The source alone is not enough: after A → B → A the picture may
 * still be B's, of which this page perhaps never saw a frame.
 */
export interface Shown {
  source: SourceId;
  since: number;
}

/** True until a frame of the feed is on screen. A slot without feed is covered: there is no picture. */
export function isCovered({ feed, shown }: Slot): boolean {
  if (feed === null || feed.since === null) return true;
  return shown === null || shown.source !== feed.source || shown.since !== feed.since;
}

/** RTP timestamps wrap: `a` is at or after `b` when it is less than half the circle ahead. */
export function isAtOrAfter(a: number, b: number): boolean {
  return (a - b) >>> 0 < 0x8000_0000;
}

export class SlotTable {
  readonly slots = new Store<readonly Slot[]>([]);

  /** The answer names the slots, in the order of the m-lines. */
  setSlots(mids: readonly SlotMid[]): void {
    const known = new Map(this.slots.get().map((slot) => [slot.mid, slot]));
    this.slots.set(
      mids.map(({ mid, kind }) => known.get(mid) ?? { mid, media: kind, feed: null, shown: null }),
    );
  }

  apply(changes: readonly SlotFeed[]): void {
    const next = new Map(changes.map((change) => [change.mid, change.feed]));
    this.slots.update((slots) =>
      slots.map((slot) => {
        const feed = next.get(slot.mid);
        return feed === undefined ? slot : { ...slot, feed };
      }),
    );
  }

  /** Whoever feeds the slot; `undefined`: there is no such slot. */
  feed(mid: string): Feed | null | undefined {
    return this.slots.get().find((slot) => slot.mid === mid)?.feed;
  }

  /** A frame with this RTP timestamp is on screen in the slot's picture. */
  frameShown(mid: string, rtpTimestamp: number): void {
    this.slots.update((slots) => {
      const slot = slots.find((s) => s.mid === mid);
      const feed = slot?.feed;
      if (!slot || !feed || feed.since === null || !isCovered(slot)) return slots;
      if (!isAtOrAfter(rtpTimestamp, feed.since)) return slots;
      const shown = { source: feed.source, since: feed.since };
      return slots.map((s) => (s === slot ? { ...s, shown } : s));
    });
  }
}
