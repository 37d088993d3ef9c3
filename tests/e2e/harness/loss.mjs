// Losses of a line, the same in each run: functions that say of one packet after the other whether it is lost.

/** Each packet for itself with this probability. */
export function randomLoss(share, seed) {
  const random = generator(seed);
  return () => random() < share;
}

/** The same share in runs of `run` packets on average (Gilbert's model of a line). */
export function burstLoss(share, run, seed) {
  const random = generator(seed);
  const stays = 1 - 1 / run;
  const begins = share * (1 - stays) / (1 - share);
  let lost = false;
  return () => (lost = random() < (lost ? stays : begins));
}

// A linear congruential generator modulo 2^32 (the multiplier and increment of Numerical Recipes).
function generator(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}
