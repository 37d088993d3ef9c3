/**
 * Measures this page's decoders and asks for what they can bear (see `ability`). A wish for a layer lasts
 * as long as a slot keeps its source, so it is told again for each new one.
 */
import { ABLE, type Ability, bestLayer, type Decoded, follow, LOOK_MS, load, mostPictures } from './ability';
import type { LessonClient } from './lesson_client';
import type { Slot } from './slots';

export class AbilityWatch {
  private ability: Ability = ABLE;
  private lines: readonly Decoded[] = [];
  private looked = 0;
  /** What was asked for, by slot: source and layer. */
  private asked = new Map<string, string>();
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly client: LessonClient) {}

  start(): void {
    this.timer ??= setInterval(() => void this.look(), LOOK_MS);
    this.client.media.slots.subscribe(() => this.ask());
    // Another connection has slots of its own.
    this.client.media.peer.subscribe(() => {
      this.asked.clear();
      this.lines = [];
      this.ask();
    });
    this.client.signal.state.subscribe((state) => {
      if (state.phase === 'over') clearInterval(this.timer);
    });
  }

  get level(): number {
    return this.ability.level;
  }

  private async look(): Promise<void> {
    // A hidden page is not given its pictures by the browser, which is no fault of its decoders.
    if (document.visibilityState === 'hidden') {
      this.lines = [];
      return;
    }
    const report = await this.client.media.peer
      .get()
      ?.pc.getStats()
      .catch(() => null);
    if (report) this.see(decoded(report as unknown as ReadonlyMap<string, object>), performance.now());
  }

  /** One look at the decoders. */
  see(lines: readonly Decoded[], now: number): void {
    const found = load(this.lines, lines, (now - this.looked) / 1000);
    this.lines = lines;
    this.looked = now;
    const before = this.ability.level;
    const goodLine = this.client.room.get()?.link?.state === 'good';
    this.ability = follow(this.ability, found, goodLine, now);
    if (this.ability.level === before) return;
    this.client.media.limitPictures(mostPictures(this.ability.level));
    this.client.setOwnState({ weak: this.ability.level > 0 });
    this.ask();
  }

  private ask(): void {
    const leads = this.client.room.get()?.lesson.leads;
    for (const slot of this.client.media.slots.get()) {
      if (slot.media !== 'video' || !slot.feed) continue;
      const wanted = bestLayer(this.ability.level, pictureOf(slot, leads ?? null));
      const key = `${slot.feed.source} ${wanted}`;
      const before = this.asked.get(slot.mid);
      // Who never asked for less has no need to ask for all.
      if (before === key || (wanted === 2 && !before?.startsWith(`${slot.feed.source} `))) continue;
      this.asked.set(slot.mid, key);
      this.client.selectLayer(slot.mid, wanted).catch(() => {
        if (this.asked.get(slot.mid) === key) this.asked.delete(slot.mid);
      });
    }
  }
}

function pictureOf(slot: Slot, leads: string | null): 'lead' | 'content' | 'other' {
  if (slot.feed?.kind === 'content') return 'content';
  return slot.feed?.participant === leads ? 'lead' : 'other';
}

function decoded(report: ReadonlyMap<string, object>): Decoded[] {
  const lines: Decoded[] = [];
  report.forEach((entry) => {
    const line = entry as {
      type: string;
      kind: string;
      id: string;
      framesReceived?: number;
      framesDropped?: number;
      totalDecodeTime?: number;
    };
    if (line.type !== 'inbound-rtp' || line.kind !== 'video') return;
    lines.push({
      id: line.id,
      received: line.framesReceived ?? 0,
      dropped: line.framesDropped ?? 0,
      decodeTime: line.totalDecodeTime ?? 0,
    });
  });
  return lines;
}
