/**
 * What can keep a camera or microphone from working, as a person can act on it. The browser's error
 * names are many and differ; a person needs to know only which of these it is.
 */
export type DeviceProblem = 'permission-refused' | 'device-in-use' | 'unplugged' | 'no-device' | 'insecure';

/** The problem behind an error of `getUserMedia`, and `unplugged` for what vanished in use. */
export function classify(error: unknown): DeviceProblem {
  const name = error instanceof Error ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'PermissionDeniedError':
    case 'SecurityError':
      return 'permission-refused';
    case 'NotFoundError':
    case 'DevicesNotFoundError':
    case 'OverconstrainedError':
      return 'no-device';
    case 'TypeError':
      return 'insecure';
    default:
      // NotReadableError, AbortError, TrackStartError: the system did not hand the device over.
      return 'device-in-use';
  }
}
