/** A client store's value in a component, followed from the first render on. */
import { useEffect, useState } from 'preact/hooks';
import type { Readable } from '../client/store';

export function useStore<T>(store: Readable<T>): T {
  const [held, setHeld] = useState<{ value: T }>({ value: store.get() });
  useEffect(() => {
    // It may have changed between rendering and this effect.
    setHeld({ value: store.get() });
    return store.subscribe((value) => setHeld({ value }));
  }, [store]);
  return held.value;
}

/** Renders again every `ms` while shown, for clocks and meters. */
export function useTick(ms: number): number {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((n) => n + 1), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return tick;
}
