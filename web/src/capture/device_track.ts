/**
 * One capture device kind (camera or microphone) of this page: which one, whether it works, and why
 * not. Follows plugging: when the used device vanishes another one takes over and `fellBack` says
 * so; when the remembered one returns it is taken again.
 */
import { Store } from '../client/store';
import { choose, recall, remember } from './memory';
import { classify, type DeviceProblem } from './problems';

export interface DeviceState {
  track: MediaStreamTrack | null;
  /** Devices to choose from; labels are empty until permission is given. */
  devices: readonly MediaDeviceInfo[];
  chosen: string | null;
  problem: DeviceProblem | null;
  busy: boolean;
  /** The name of the device that had to stand in, for a notice. */
  fellBack: string | null;
}

export type Constraints = MediaTrackConstraints;

export class DeviceTrack {
  readonly state: Store<DeviceState> = new Store<DeviceState>({
    track: null,
    devices: [],
    chosen: null,
    problem: null,
    busy: false,
    fellBack: null,
  });
  private turn = 0;
  private on = false;
  private readonly follow = () => void this.devicesChanged();

  constructor(
    readonly kind: 'videoinput' | 'audioinput',
    private readonly constraints: Constraints,
  ) {}

  /** Lists the devices without asking for permission; false when there is none or none may be used. */
  static async present(): Promise<{ mic: boolean; camera: boolean }> {
    const media = mediaDevices();
    if (!media) return { mic: false, camera: false };
    const devices = await media.enumerateDevices().catch(() => []);
    return {
      mic: devices.some((d) => d.kind === 'audioinput'),
      camera: devices.some((d) => d.kind === 'videoinput'),
    };
  }

  /** Opens the remembered device, or any. Never throws: the state tells. */
  async start(): Promise<void> {
    const media = mediaDevices();
    if (!media) {
      this.change({ problem: 'insecure' });
      return;
    }
    if (!this.on) media.addEventListener('devicechange', this.follow);
    this.on = true;
    await this.open(null);
  }

  /** The person's choice; remembered. */
  async select(deviceId: string): Promise<void> {
    const device = this.state.get().devices.find((d) => d.deviceId === deviceId);
    if (device) remember(this.kind, { id: device.deviceId, label: device.label });
    await this.open(deviceId);
  }

  stop(): void {
    this.turn += 1;
    this.on = false;
    mediaDevices()?.removeEventListener('devicechange', this.follow);
    this.release();
    this.change({ track: null, busy: false });
  }

  private async open(deviceId: string | null): Promise<void> {
    const media = mediaDevices();
    if (!media) return;
    const turn = ++this.turn;
    this.change({ busy: true });
    const devices = await this.list();
    const wanted = deviceId ?? choose(devices, recall(this.kind))?.deviceId ?? null;
    let problem: DeviceProblem | null = null;
    let track: MediaStreamTrack | null = null;
    // A busy device on some systems frees only when the old track has ended.
    this.release();
    for (const id of wanted ? [wanted, null] : [null]) {
      try {
        track = await this.capture(media, id);
        problem = null;
        break;
      } catch (error) {
        problem = classify(error);
        if (problem === 'permission-refused') break;
      }
    }
    if (turn !== this.turn) {
      track?.stop();
      return;
    }
    const named = await this.list();
    if (turn !== this.turn) {
      track?.stop();
      return;
    }
    if (track) track.onended = () => this.ended(track);
    const got = track?.getSettings().deviceId ?? null;
    const chosen = got ?? wanted;
    const stoodIn = track !== null && wanted !== null && got !== null && got !== wanted;
    this.change({
      track,
      devices: named,
      chosen,
      busy: false,
      problem,
      fellBack: stoodIn ? (track?.label ?? null) : null,
    });
  }

  private async capture(media: MediaDevices, deviceId: string | null): Promise<MediaStreamTrack> {
    const constraints: Constraints = deviceId
      ? { ...this.constraints, deviceId: { exact: deviceId } }
      : this.constraints;
    const stream = await media.getUserMedia(
      this.kind === 'videoinput' ? { video: constraints } : { audio: constraints },
    );
    const track = stream.getTracks()[0];
    if (!track) throw new DOMException('no track', 'NotFoundError');
    return track;
  }

  private async list(): Promise<MediaDeviceInfo[]> {
    const all =
      (await mediaDevices()
        ?.enumerateDevices()
        .catch(() => [])) ?? [];
    return all.filter((d) => d.kind === this.kind);
  }

  /** The used device was pulled out, or the system took it away. */
  private ended(track: MediaStreamTrack): void {
    if (this.state.get().track !== track) return;
    this.change({ track: null, problem: 'unplugged' });
    void this.devicesChanged();
  }

  private async devicesChanged(): Promise<void> {
    const turn = this.turn;
    const devices = await this.list();
    if (turn !== this.turn || !this.on) return;
    const { track, chosen, busy } = this.state.get();
    this.change({ devices });
    if (busy) return;
    if (!track || track.readyState === 'ended') {
      if (devices.length > 0) await this.open(null);
      else this.change({ track: null, problem: 'unplugged' });
      return;
    }
    const meant = choose(devices, recall(this.kind));
    if (meant && chosen !== null && meant.deviceId !== chosen) await this.open(null);
  }

  private release(): void {
    const { track } = this.state.get();
    if (!track) return;
    track.onended = null;
    track.stop();
  }

  private change(change: Partial<DeviceState>): void {
    this.state.update((state) => ({ ...state, ...change }));
  }
}

/** Absent without a secure context. */
function mediaDevices(): MediaDevices | undefined {
  return (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
}
