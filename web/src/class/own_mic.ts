/**
 * Whether this classroom's microphone is open: when it has the floor, unless its own people keep it
 * closed. The track is live all the time, so opening it is one line here and no prompt.
 *
 * What the lesson has closed is read from the page's own roster entry, so that a page loaded anew knows
 * it as well as one that heard the tap (`muted`). What its own people keep closed is theirs alone: being
 * called on does not open it, both ends say so in words, and it lasts over a reload.
 */
import { signal } from '@preact/signals';
import type { Participant } from '../client/protocol.gen';

export class OwnMic {
  readonly open = signal(false);
  /** Without the floor; being called on opens it. */
  readonly closedByTeacher = signal(true);
  /** Closed by its own people, whatever the teacher does. */
  readonly kept = signal(false);
  private known = false;

  /** `changed` is called after each change of `open` or `kept`. */
  constructor(private readonly changed: () => void) {}

  /** The classroom's own tap. */
  toggle(): void {
    this.set(this.closedByTeacher.value, !this.kept.value);
  }

  /** The same by their phone. */
  keep(kept: boolean): void {
    this.set(this.closedByTeacher.value, kept);
  }

  /** This page's own entry, as often as it comes. */
  entry(own: Participant | undefined): void {
    if (!own) return;
    // The server's word about the page's own state must not undo a tap: only a new page needs it.
    const kept = this.known ? this.kept.value : own.state.micKept === true;
    this.known = true;
    this.set(own.muted.includes('mic'), kept);
  }

  /** The teacher's tap. Says whether the microphone is another one now. */
  told(closed: boolean): boolean {
    const before = this.open.value;
    this.set(closed, this.kept.value);
    return this.open.value !== before;
  }

  private set(closed: boolean, kept: boolean): void {
    const open = !closed && !kept;
    const changed = open !== this.open.value || kept !== this.kept.value;
    this.closedByTeacher.value = closed;
    this.kept.value = kept;
    this.open.value = open;
    if (changed) this.changed();
  }
}
