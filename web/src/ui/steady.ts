/**
 * States of a line come once a second and may tremble. What people read does not: a new word appears
 * when the old one has been wrong for 1.5 s, and each stays for 3 s at least.
 */
import { useEffect, useRef, useState } from 'preact/hooks';

export const APPEAR_MS = 1_500;
export const STAY_MS = 3_000;

export class Steady<T> {
  private shownSince = Number.NEGATIVE_INFINITY;
  /** Since when the shown value has not been the true one. */
  private wrongSince: number | null = null;

  /** The first value is shown at once: a page that opens in trouble says so. */
  constructor(private shown: T) {}

  /** The true value at `now` (ms). Gives what to show, and when to ask again if nothing new is said. */
  see(value: T, now: number): { shown: T; again: number | null } {
    if (value === this.shown) {
      this.wrongSince = null;
      return { shown: this.shown, again: null };
    }
    // Of several wrong ones the last counts, or a word that changes every second would never come.
    this.wrongSince ??= now;
    const due = Math.max(this.wrongSince + APPEAR_MS, this.shownSince + STAY_MS);
    if (now < due) return { shown: this.shown, again: due };
    this.shown = value;
    this.shownSince = now;
    this.wrongSince = null;
    return { shown: this.shown, again: null };
  }
}

/** `value`, without its trembling. Compared by identity: for words, numbers, flags. */
export function useSteady<T>(value: T): T {
  const steady = useRef<Steady<T> | null>(null);
  steady.current ??= new Steady(value);
  const { shown, again } = steady.current.see(value, performance.now());
  const [, wake] = useState(0);
  useEffect(() => {
    if (again === null) return;
    const timer = setTimeout(() => wake((n) => n + 1), Math.max(0, again - performance.now()));
    return () => clearTimeout(timer);
  }, [again]);
  return shown;
}
