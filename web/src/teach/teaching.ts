/**
 * The lead's page without its markup: devices, publishing, sharing, the lesson's verbs.
 *
 * The page joins at once, so that the check before the lesson is the real connection and the teacher
 * sees who is there; but it sends nothing until 上课. From then on a mark in this tab makes a reload
 * return straight to the class.
 */
import { computed, signal } from '@preact/signals';
import { h } from 'preact';
import { type Content, documentCamera, share, stop } from '../capture/content';
import { DeviceTrack } from '../capture/device_track';
import { askOnce } from '../capture/permission';
import { preparePhoto } from '../capture/photo';
import { classify } from '../capture/problems';
import { type CaptureSize, cameraConstraints, LEAD_SIZE, MIC_CONSTRAINTS, parseSize } from '../capture/size';
import { type Still, still } from '../capture/still';
import type { LessonClient } from '../client/lesson_client';
import type { Mode, Participant, ParticipantId, PhotoId } from '../client/protocol.gen';
import { type Room, speakerOf } from '../client/room';
import { RequestError } from '../client/signal';
import { readToken } from '../client/token';
import { type Key, t } from '../i18n';
import { playSlots } from '../page/sound_of_slots';
import { mark, marked } from '../page/token_keeper';
import { SoundOutput } from '../ui/sound_output';
import { keepAwake } from '../ui/wake_lock';
import { FloatingTiles, paintedWall } from './floating_tiles';
import { FloatingWall } from './floating_wall';
import { places, type WallPage, wallPage } from './wall_page';

const MARK = 'teaching';
const NOTICE_MS = 6_000;

export class Teaching {
  readonly camera: DeviceTrack;
  readonly mic = new DeviceTrack('audioinput', MIC_CONSTRAINTS);
  readonly sound = new SoundOutput();
  readonly phase = signal<'preflight' | 'entering' | 'teaching'>('preflight');
  readonly micOn = signal(true);
  readonly cameraOn = signal(true);
  readonly content = signal<Content | null>(null);
  /** While it is paused: its last picture, which is sent instead. */
  readonly paused = signal<Still | null>(null);
  readonly contentAtOnce = signal(false);
  readonly notice = signal<string | null>(null);
  /** The page of the wall that is looked at, from 0. */
  readonly wallPage = signal(0);
  /** Classrooms in the order of their places. */
  readonly wallOrder = signal<readonly ParticipantId[]>([]);
  /** From 上课 on, what the devices give goes out. */
  readonly publishing = computed(() => this.phase.value !== 'preflight');

  /** The wall on top of other programs. */
  readonly floating = new FloatingWall({
    show: () => h(FloatingTiles, { teaching: this }),
    paint: () => paintedWall(this),
  });

  private readonly lesson: string;
  private readonly size: CaptureSize;
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly client: LessonClient,
    token: string,
  ) {
    const size = parseSize(new URLSearchParams(location.search).get('camera'), LEAD_SIZE);
    this.size = size ?? LEAD_SIZE;
    this.camera = new DeviceTrack('videoinput', cameraConstraints(this.size));
    this.cameraOn.value = size !== null;
    this.lesson = readToken(token)?.lesson ?? token;
    if (marked(MARK) === this.lesson) this.phase.value = 'teaching';
    this.camera.state.subscribe(() => this.publish());
    this.mic.state.subscribe(() => this.publish());
    playSlots(client, this.sound);
    client.onNotice = (notice) => {
      if (notice.kind === 'error') this.say(notice.message);
      else if (notice.kind === 'echo') this.sayEcho(notice.participant, notice.muted);
      else if (notice.kind === 'muted' && notice.source === 'mic') this.muteByOthers(notice.muted, notice.by);
    };
    client.room.subscribe((room) => {
      if (room) this.keepPlaces(room);
      if (room?.lesson.state === 'ended') this.stopTeaching();
      // The server forgot that this lesson had begun; the class is waiting for its teacher.
      else if (room?.lesson.state === 'scheduled' && this.phase.value === 'teaching') void this.begin();
    });
    client.signal.state.subscribe((state) => {
      if (state.phase === 'over') this.stopTeaching();
    });
  }

  async start(): Promise<void> {
    keepAwake();
    // The lead's m-lines are the same with and without devices: what is missing can come later.
    this.client.setDevices({ mic: true, cameraWidth: this.size.width });
    await askOnce(await DeviceTrack.present());
    await Promise.all([this.mic.start(), this.cameraOn.value ? this.camera.start() : null]);
  }

  async retryDevices(): Promise<void> {
    await Promise.all([this.mic.start(), this.camera.start()]);
    this.sound.unlock();
  }

  /** 上课 */
  async enter(): Promise<void> {
    if (this.phase.value !== 'preflight') return;
    this.phase.value = 'entering';
    this.sound.unlock();
    // The picker must open while the tap still counts as one.
    if (this.contentAtOnce.value) await this.startShare();
    this.publish();
    await joined(this.client);
    await this.begin();
  }

  toggleMic(): void {
    this.micOn.value = !this.micOn.value;
    this.publish();
  }

  async toggleCamera(): Promise<void> {
    this.cameraOn.value = !this.cameraOn.value;
    if (this.cameraOn.value) await this.camera.start();
    else this.camera.stop();
  }

  async startShare(): Promise<void> {
    if (this.content.value) return;
    const result = await share(() => this.shareEnded());
    if ('content' in result) {
      this.content.value = result.content;
      // What was asked for last is what is seen.
      void this.takePhotoAway();
      this.publish();
      // Her slides come to the front now. Where the picker has used up the tap, the button is there.
      void this.floating.tryOpen();
      return;
    }
    const words: Record<typeof result.problem, Key> = {
      cancelled: 'shareCancelled',
      refused: 'shareRefused',
      unsupported: 'shareUnsupported',
    };
    this.say(t(words[result.problem]));
  }

  stopShare(): void {
    const content = this.content.value;
    if (!content) return;
    stop(content);
    this.paused.value?.stop();
    this.paused.value = null;
    this.content.value = null;
    this.publish();
  }

  /** 实物展台, in the place of what is shared. */
  async startDocumentCamera(deviceId: string): Promise<void> {
    try {
      const content = await documentCamera(deviceId, () => this.shareEnded());
      this.stopShare();
      this.content.value = content;
      await this.takePhotoAway();
      this.publish();
    } catch (error) {
      const words: Record<ReturnType<typeof classify>, Key> = {
        'permission-refused': 'problemPermissionRefused',
        'device-in-use': 'problemDeviceInUse',
        unplugged: 'problemUnplugged',
        'no-device': 'problemNoDevice',
        insecure: 'problemInsecure',
      };
      this.say(t(words[classify(error)], { device: t('documentCamera') }));
    }
  }

  /** Content stands still for everybody, or goes on. */
  async togglePause(): Promise<void> {
    const content = this.content.value;
    if (!content) return;
    const paused = this.paused.value;
    if (paused) {
      this.paused.value = null;
      this.publish();
      paused.stop();
      return;
    }
    const picture = await still(content.video);
    if (!picture) {
      this.say(t('pauseFailed'));
    } else if (this.content.value !== content || this.paused.value) {
      picture.stop();
    } else {
      this.paused.value = picture;
      this.publish();
    }
  }

  /** A photo from a file of hers, shown as soon as it is there. */
  async sendPhoto(file: Blob): Promise<void> {
    const photo = await preparePhoto(file);
    if (!photo) {
      this.say(t('photoFileUnreadable'));
      return;
    }
    this.say(t('photoGoing'));
    await this.attempt(
      this.client.uploadPhoto(photo).then((id) => this.client.showPhoto(id)),
      () => this.hush(),
    );
  }

  async showPhoto(id: PhotoId): Promise<void> {
    await this.attempt(this.client.showPhoto(id));
  }

  async dropPhoto(id: PhotoId): Promise<void> {
    await this.attempt(this.client.dropPhoto(id));
  }

  async takePhotoAway(): Promise<void> {
    if (this.client.room.get()?.photos?.shown) await this.attempt(this.client.showPhoto(null));
  }

  async muteAll(): Promise<void> {
    if (await this.attempt(this.client.muteAll())) this.say(t('muteAllDone'));
  }

  /** 点名发言: the same tap gives the floor and takes it back. */
  async toggleFloor(participant: Participant): Promise<void> {
    const room = this.client.room.get();
    const speaks = room ? speakerOf(room, participant.id) !== undefined : false;
    await this.attempt(
      speaks ? this.client.releaseFloor(participant.id) : this.client.callOn(participant.id),
    );
  }

  /** The page of the wall that is looked at, or another one. */
  wall(room: Room, page = this.wallPage.value): WallPage {
    return wallPage(room, this.wallOrder.value, page);
  }

  /** The classroom with this number on the page of the wall. */
  async toggleFloorOf(digit: number): Promise<void> {
    const room = this.client.room.get();
    const classroom = room ? this.wall(room).shown[digit - 1] : undefined;
    if (classroom) await this.toggleFloor(classroom);
  }

  /** 结束发言, of all. */
  async releaseFloor(): Promise<void> {
    await this.attempt(this.client.releaseFloor());
  }

  async lowerHand(participant: Participant): Promise<void> {
    await this.attempt(this.client.lowerHand(participant.id));
  }

  async setMode(mode: Mode): Promise<void> {
    await this.attempt(this.client.setMode(mode));
  }

  /** 移交主讲 */
  async handOver(participant: Participant): Promise<void> {
    if (await this.attempt(this.client.handOverLead(participant.id))) {
      this.say(t('handedOver', { name: participant.name }));
    }
  }

  /** 收回主讲 */
  async takeLead(): Promise<void> {
    const own = this.client.room.get()?.self.id;
    if (own) await this.attempt(this.client.handOverLead(own));
  }

  /** Brings one of the audience into the lesson. */
  async promote(id: ParticipantId, name: string): Promise<void> {
    if (await this.attempt(this.client.promote(id, true))) this.say(t('promoted', { name }));
  }

  /** …and back. */
  async demote(participant: Participant): Promise<void> {
    if (await this.attempt(this.client.promote(participant.id, false))) {
      this.say(t('demoted', { name: participant.name }));
    }
  }

  async remove(participant: Participant): Promise<void> {
    if (await this.attempt(this.client.kick(participant.id))) {
      this.say(t('removed', { name: participant.name }));
    }
  }

  async endLesson(): Promise<void> {
    await this.attempt(this.client.endLesson());
  }

  say(text: string): void {
    this.notice.value = text;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => {
      this.notice.value = null;
    }, NOTICE_MS);
  }

  private hush(): void {
    clearTimeout(this.noticeTimer);
    this.notice.value = null;
  }

  private async begin(): Promise<void> {
    try {
      if (this.client.room.get()?.lesson.state === 'scheduled') await this.client.startLesson();
    } catch (error) {
      // Cut off in between: the lesson is begun again after the next join.
      if (!(error instanceof RequestError && error.code === 'connection_lost')) {
        this.phase.value = 'preflight';
        this.publish();
        this.say(error instanceof Error && error.message ? error.message : t('commandFailed'));
        return;
      }
    }
    this.phase.value = 'teaching';
    mark(MARK, this.lesson);
    this.publish();
  }

  private sayEcho(participant: ParticipantId, muted: boolean): void {
    const name = this.client.room.get()?.roster.find((p) => p.id === participant)?.name ?? '';
    this.say(t(muted ? 'echoMutedLead' : 'echoToldLead', { name }));
  }

  private keepPlaces(room: Room): void {
    const next = places(this.wallOrder.value, room);
    if (next.join(' ') !== this.wallOrder.value.join(' ')) this.wallOrder.value = next;
  }

  /** Puts what is open now on the lines, and says so. */
  private publish(): void {
    const on = this.publishing.value;
    const mic = this.mic.state.get().track;
    const camera = this.camera.state.get().track;
    const content = this.content.value;
    if (mic) mic.enabled = this.micOn.value || !on;
    if (camera) camera.contentHint = 'motion';
    this.client.setTrack('mic', on ? mic : null);
    this.client.setTrack('camera', on ? camera : null);
    const paused = this.paused.value;
    this.client.setTrack('content', on ? (paused?.track ?? content?.video ?? null) : null);
    this.client.setTrack('content_audio', on && !paused ? (content?.audio ?? null) : null);
    this.client.setOwnState({
      mic: on && mic !== null && this.micOn.value,
      camera: on && camera !== null,
      content: on && content !== null,
    });
  }

  private muteByOthers(muted: boolean, by: string): void {
    this.micOn.value = !muted;
    this.publish();
    this.say(t(muted ? 'mutedBy' : 'openedBy', { by }));
  }

  private shareEnded(): void {
    this.stopShare();
    this.say(t('shareEnded'));
  }

  /** Over for this page; a reload asks again, because another window of this teacher may be teaching. */
  private stopTeaching(): void {
    mark(MARK, null);
    this.floating.shut();
    this.stopShare();
    this.camera.stop();
    this.mic.stop();
  }

  private async attempt(command: Promise<void>, done: () => void = () => undefined): Promise<boolean> {
    try {
      await command;
      done();
      return true;
    } catch (error) {
      const message = error instanceof RequestError && error.code !== 'timeout' ? error.message : '';
      this.say(
        error instanceof RequestError && error.code === 'connection_lost'
          ? t('signalLost')
          : message || t('commandFailed'),
      );
      return false;
    }
  }
}

function joined(client: LessonClient): Promise<void> {
  return new Promise((resolve) => {
    const ready = () => client.signal.state.get().phase === 'joined' && client.room.get() !== null;
    if (ready()) {
      resolve();
      return;
    }
    const stop = client.room.subscribe(() => {
      if (!ready()) return;
      stop();
      resolve();
    });
  });
}
