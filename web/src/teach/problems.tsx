/** What is wrong before the lesson, each with its own sentence and remedy. */
import type { DeviceState } from '../capture/device_track';
import type { DeviceProblem } from '../capture/problems';
import type { MediaState } from '../client/media_link';
import type { SignalState } from '../client/signal';
import { type Key, t } from '../i18n';

export type Problem = DeviceProblem | 'server-unreachable' | 'udp-blocked';

export interface Trouble {
  problem: Problem;
  /** Named in the sentence; absent for the network. */
  device?: 'camera' | 'mic' | 'both';
}

const WORDS: Record<Problem, readonly [Key, Key]> = {
  'permission-refused': ['problemPermissionRefused', 'fixPermissionRefused'],
  'device-in-use': ['problemDeviceInUse', 'fixDeviceInUse'],
  unplugged: ['problemUnplugged', 'fixUnplugged'],
  'no-device': ['problemNoDevice', 'fixNoDevice'],
  insecure: ['problemInsecure', 'fixInsecure'],
  'server-unreachable': ['problemServerUnreachable', 'fixServerUnreachable'],
  'udp-blocked': ['problemUdpBlocked', 'fixUdpBlocked'],
};

/** All troubles, the same one of camera and microphone said once. */
export function troubles(
  camera: DeviceState,
  mic: DeviceState,
  signal: SignalState,
  media: MediaState,
): Trouble[] {
  const found: Trouble[] = [];
  if (camera.problem && camera.problem === mic.problem) {
    found.push({ problem: camera.problem, device: 'both' });
  } else {
    if (camera.problem) found.push({ problem: camera.problem, device: 'camera' });
    if (mic.problem) found.push({ problem: mic.problem, device: 'mic' });
  }
  // The first attempt may be slow; the second failing one is news.
  if (signal.phase === 'connecting' && signal.attempt >= 2) found.push({ problem: 'server-unreachable' });
  else if (signal.phase === 'joined' && media === 'blocked') found.push({ problem: 'udp-blocked' });
  return found;
}

export function ProblemBox(props: { trouble: Trouble; onRetry: () => void }) {
  const { problem, device } = props.trouble;
  const [what, fix] = WORDS[problem];
  const name = t(device === 'both' ? 'bothDevices' : device === 'mic' ? 'micWord' : 'cameraWord');
  return (
    <div class="problem" role="alert" data-testid="preflight-problem" data-problem={problem}>
      <span class="tone-attention" aria-hidden="true">
        ▲
      </span>
      <div class="problem-text">
        <p class="problem-what">{t(what, { device: name })}</p>
        <p class="phrases">{t(fix, { device: name })}</p>
      </div>
      {device && (
        <button type="button" class="button" onClick={props.onRetry}>
          {t('retry')}
        </button>
      )}
    </div>
  );
}
