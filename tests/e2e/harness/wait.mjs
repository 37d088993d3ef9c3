// Waiting for something to become true, with a message that says what did not.

/** Calls `probe` until it returns something truthy, and returns that. Throws after `limit` ms. */
export async function until(what, probe, limit = 15_000, step = 50) {
  const end = Date.now() + limit;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what} (last: ${describe(last)})`);
    await sleep(step);
  }
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function describe(value) {
  return value instanceof Error ? value.message : JSON.stringify(value);
}
