/** Keeps the screen awake while the page is visible; asked for again each time it becomes visible. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let ended = false;
  const ask = async () => {
    const wakeLock = (navigator as { wakeLock?: WakeLock }).wakeLock;
    if (!wakeLock || ended || document.visibilityState !== 'visible' || (lock && !lock.released)) return;
    try {
      lock = await wakeLock.request('screen');
      if (ended) void lock.release();
    } catch {
      // Refused (battery saver, policy): the lesson goes on without it.
    }
  };
  const follow = () => void ask();
  document.addEventListener('visibilitychange', follow);
  follow();
  return () => {
    ended = true;
    document.removeEventListener('visibilitychange', follow);
    void lock?.release().catch(() => undefined);
  };
}
