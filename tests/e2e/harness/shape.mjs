// What a line does to datagrams that come over it, for startForwarder's `down`.

/** A line of so many bytes a second with a queue of so many ms: what does not fit is lost. */
export function slowLine(kbps, queueMs = 300) {
  let free = 0;
  const line = {
    kbps,
    down(datagram, pass) {
      const now = performance.now();
      const begin = Math.max(now, free);
      if (begin - now > queueMs) return;
      free = begin + (datagram.length + 28) * 8 / line.kbps;
      setTimeout(() => pass(datagram), free - now);
    },
  };
  return line;
}

/**
 * A shared radio line: everything takes `delay` ms, and now and then (every `every` ms on average) nothing
 * passes for up to `hold` ms; then all that waited comes at once, in order. The same `seed`, the same holds.
 */
export function unsteadyLine({ delay, hold, every, seed }) {
  let state = seed;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  let [heldUntil, next] = [0, 0];
  return {
    down(datagram, pass) {
      const now = performance.now();
      if (now >= next) {
        heldUntil = now + hold * (0.4 + 0.6 * random());
        next = now + every * (0.5 + random());
      }
      setTimeout(() => pass(datagram), delay + Math.max(0, heldUntil - now));
    },
  };
}
