/**
 * Whether this classroom's microphone is open. The teacher's word comes before the classroom's.
 *
 * What she has closed is read from the page's own roster entry, so that a page loaded anew knows it
 * as well as one that heard her tap. Her tap itself (`muted`) is followed always: she sees whether the
 * microphone is open, and taps because it is not as she wants it.
 */
import { signal } from '@preact/signals';
import type { Participant } from '../client/protocol.gen';

export class OwnMic {
  readonly open = signal(false);
  /** Only the teacher opens it again. */
  readonly closedByTeacher = signal(false);
  private known = false;

  /** `changed` is called after each change of `open`. */
  constructor(private readonly changed: () => void) {}

  /** The classroom's own tap. */
  toggle(): void {
    if (!this.closedByTeacher.value) this.set(!this.open.value);
  }

  /** This page's own entry, as often as it comes. */
  entry(own: Participant | undefined): void {
    if (!own) return;
    const closed = own.muted.includes('mic');
    const first = !this.known;
    this.known = true;
    if (first) {
      this.closedByTeacher.value = closed;
      // A page that was speaking before its reload goes on.
      this.set(!closed && own.state.mic);
    } else if (closed !== this.closedByTeacher.value) {
      // She did it while this page was cut off, and her tap did not reach it.
      this.closedByTeacher.value = closed;
      this.set(!closed);
    }
  }

  /** The teacher's tap. Says whether anything is different now. */
  told(closed: boolean): boolean {
    const same = this.closedByTeacher.value === closed && this.open.value === !closed;
    this.closedByTeacher.value = closed;
    this.set(!closed);
    return !same;
  }

  private set(open: boolean): void {
    if (this.open.value === open) return;
    this.open.value = open;
    this.changed();
  }
}
