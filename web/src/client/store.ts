/**
 * A value that can be watched. The client library keeps all its state in a few of these, so that it
 * needs no user-interface framework and a page needs no knowledge of sockets.
 */
export interface Readable<T> {
  get(): T;
  /** Calls `listener` with every new value (not with the present one); the result ends that. */
  subscribe(listener: (value: T) => void): () => void;
}

export class Store<T> implements Readable<T> {
  private listeners = new Set<(value: T) => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  set(value: T): void {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const listener of Array.from(this.listeners)) listener(value);
  }

  update(change: (value: T) => T): void {
    this.set(change(this.value));
  }

  subscribe(listener: (value: T) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
