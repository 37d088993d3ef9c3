/** For tests of the client library, which run without a browser. */
import { afterEach, beforeEach, vi } from 'vitest';
import { FakePeerConnection, FakeSocket } from './fakes';

/** Of the file that calls it: each test has the fakes to itself and time that it moves by hand. */
export function fakeBrowser(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('MediaStream', class {});
    FakeSocket.all = [];
    FakePeerConnection.all = [];
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });
}
