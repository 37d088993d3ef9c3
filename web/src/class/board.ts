/**
 * What the board does without being asked: opens its camera and (muted) microphone when it has them,
 * joins, plays sound, follows the teacher's word about its microphone. No markup here.
 */
import { signal } from '@preact/signals';
import { DeviceTrack } from '../capture/device_track';
import { askOnce } from '../capture/permission';
import { CLASSROOM_SIZE, cameraConstraints, MIC_CONSTRAINTS, parseSize } from '../capture/size';
import type { LessonClient, Notice } from '../client/lesson_client';
import { findSelf } from '../client/room';
import { t } from '../i18n';
import { playSlots } from '../page/sound_of_slots';
import { SoundOutput } from '../ui/sound_output';
import { keepAwake } from '../ui/wake_lock';
import { OwnMic } from './own_mic';

const NOTICE_MS = 6_000;

export class Board {
  readonly camera: DeviceTrack;
  readonly mic = new DeviceTrack('audioinput', MIC_CONSTRAINTS);
  readonly sound = new SoundOutput();
  readonly ownMic = new OwnMic(() => this.followMic());
  readonly notice = signal<string | null>(null);
  readonly secure = typeof isSecureContext === 'undefined' || isSecureContext;

  private readonly cameraAllowed: boolean;
  private readonly cameraWidth: number;
  private present = { mic: false, camera: false };
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly client: LessonClient) {
    const size = parseSize(new URLSearchParams(location.search).get('camera'), CLASSROOM_SIZE);
    this.cameraAllowed = size !== null;
    this.cameraWidth = (size ?? CLASSROOM_SIZE).width;
    this.camera = new DeviceTrack('videoinput', cameraConstraints(size ?? CLASSROOM_SIZE));
    client.onNotice = (notice) => this.told(notice);
    this.camera.state.subscribe(({ track }) => {
      client.setTrack('camera', track);
      client.setOwnState({ camera: track !== null });
      // A page that captures may also play: what the browser blocked can start now.
      this.sound.unlock();
    });
    this.mic.state.subscribe(({ track }) => {
      if (track) track.enabled = this.ownMic.open.value;
      client.setTrack('mic', track);
      this.tellMic();
      this.sound.unlock();
    });
    client.room.subscribe((room) => this.ownMic.entry(room ? findSelf(room) : undefined));
    playSlots(client, this.sound);
  }

  async start(): Promise<void> {
    keepAwake();
    const media = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
    await this.takeStock();
    media?.addEventListener('devicechange', () => void this.takeStock());
  }

  /** Lines only grow: a pulled camera keeps its line, so that it can come back without a new peer. */
  private async takeStock(): Promise<void> {
    const found = await DeviceTrack.present();
    const camera = this.cameraAllowed && (this.present.camera || found.camera);
    const mic = this.present.mic || found.mic;
    const newCamera = camera && !this.present.camera;
    const newMic = mic && !this.present.mic;
    this.present = { mic, camera };
    this.client.setDevices({ mic, cameraWidth: camera ? this.cameraWidth : null });
    await askOnce({ mic: newMic, camera: newCamera });
    if (newCamera) void this.camera.start();
    if (newMic) void this.mic.start();
  }

  private followMic(): void {
    const track = this.mic.state.get().track;
    if (track) track.enabled = this.ownMic.open.value;
    this.tellMic();
  }

  private tellMic(): void {
    this.client.setOwnState({ mic: this.ownMic.open.value && this.mic.state.get().track !== null });
  }

  private told(notice: Notice): void {
    if (notice.kind === 'error') {
      this.say(notice.message);
    } else if (notice.source === 'mic') {
      const changed = this.ownMic.told(notice.muted);
      // At the lesson's beginning nobody in particular closes them.
      if (changed && notice.by) this.say(t(notice.muted ? 'mutedBy' : 'openedBy', { by: notice.by }));
    } else if (notice.source === 'camera') {
      this.say(t(notice.muted ? 'cameraClosedBy' : 'cameraOpenedBy', { by: notice.by }));
    }
  }

  private say(text: string): void {
    this.notice.value = text;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => {
      this.notice.value = null;
    }, NOTICE_MS);
  }
}
