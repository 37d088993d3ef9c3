/**
 * When a page whose media does not go by UDP tries UDP again: by an ICE restart, which disturbs nothing
 * where it finds nothing better.
 *
 * A session that began without UDP because of what is remembered (`ways`) tries after half a minute; any
 * other after two minutes, then less and less often. Once UDP has broken in a session it is not trusted
 * again in it.
 */
import type { Way } from './ways';

const FIRST_AFTER_HINT_MS = 30_000;
const FIRST_MS = 120_000;
const LONGEST_MS = 960_000;
/** A way that was used for so long is what this network lets through. */
const SETTLED_MS = 10_000;

export class Healing {
  private way: Way | null = null;
  private since = 0;
  private wait = FIRST_MS;
  private next = Number.POSITIVE_INFINITY;
  private broken = false;

  /** A new connection; `hinted`: begun without UDP. */
  begin(hinted: boolean, now: number): void {
    this.wait = FIRST_MS;
    this.next = now + (hinted ? FIRST_AFTER_HINT_MS : FIRST_MS);
  }

  /** Media goes this way at present. Returns the way once it has settled. */
  observe(way: Way, now: number): Way | null {
    if (way !== this.way) {
      // It worked, and then it did not.
      if (this.way === 'udp') this.broken = true;
      this.way = way;
      this.since = now;
    }
    return now - this.since >= SETTLED_MS ? way : null;
  }

  /** Says at most once that it is time to try UDP. */
  due(now: number): boolean {
    if (this.way === null || this.way === 'udp' || this.broken || now < this.next) return false;
    this.next = now + this.wait;
    this.wait = Math.min(LONGEST_MS, this.wait * 2);
    return true;
  }
}
