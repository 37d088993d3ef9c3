/**
 * What the board does without being asked: opens its camera and (muted) microphone when it has them,
 * joins, plays sound, opens the microphone when it is called on. And its people's taps: the hand, the
 * microphone kept closed, complaints, the headcount. No markup here.
 */
import { signal } from '@preact/signals';
import { DeviceTrack } from '../capture/device_track';
import { askOnce } from '../capture/permission';
import { CLASSROOM_SIZE, cameraConstraints, MIC_CONSTRAINTS, parseSize } from '../capture/size';
import { AbilityWatch } from '../client/ability_watch';
import type { LessonClient, Notice } from '../client/lesson_client';
import type { Participant, Role } from '../client/protocol.gen';
import { findSelf, leadsNow, speakerOf } from '../client/room';
import { readToken } from '../client/token';
import { EchoListener } from '../ear/listener';
import { t } from '../i18n';
import { ClassroomVoice } from '../page/classroom_voice';
import { playSlots } from '../page/sound_of_slots';
import { SoundOutput } from '../ui/sound_output';
import { keepAwake } from '../ui/wake_lock';
import { Invitation } from './invitation';
import { OwnMic } from './own_mic';
import { Playback } from './playback';

const NOTICE_MS = 6_000;
/** What has to be done at the loudspeaker takes longer to read and to do. */
const ECHO_NOTICE_MS = 30_000;

export class Board extends ClassroomVoice {
  readonly camera: DeviceTrack;
  readonly mic = new DeviceTrack('audioinput', MIC_CONSTRAINTS);
  readonly sound = new SoundOutput();
  readonly ownMic = new OwnMic(() => this.followMic());
  /** Whether the panel that asks for the headcount is wanted. */
  readonly askHeadcount = signal<'at-start' | 'now' | 'no'>('at-start');
  /** The code that brings a phone to this classroom. */
  readonly invitation: Invitation;
  readonly secure = typeof isSecureContext === 'undefined' || isSecureContext;

  /** Asked how the lesson was; who was brought in from the audience is not. */
  readonly isClassroom: boolean;

  private readonly ear = new EchoListener({
    turn: (volume) => this.sound.setVolume(volume),
    found: () => this.client.echoHeard(),
  });
  private readonly cameraAllowed: boolean;
  private readonly cameraWidth: number;
  private present = { mic: false, camera: false };
  /** Known with the first welcome; an audience has no use for devices. */
  private role: Role | null = null;
  private over = false;

  constructor(client: LessonClient, token: string) {
    super(client, NOTICE_MS);
    this.invitation = new Invitation(token);
    this.isClassroom = readToken(token)?.role === 'receiver';
    const size = parseSize(new URLSearchParams(location.search).get('camera'), CLASSROOM_SIZE);
    this.cameraAllowed = size !== null;
    this.cameraWidth = (size ?? CLASSROOM_SIZE).width;
    this.camera = new DeviceTrack('videoinput', cameraConstraints(size ?? CLASSROOM_SIZE));
    client.onNotice = (notice) => this.told(notice);
    client.signal.state.subscribe((state) => {
      if (state.phase === 'over') this.release();
    });
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
    client.room.subscribe((room) => {
      this.ownMic.entry(room ? findSelf(room) : undefined);
      this.listen();
      if (!room || room.self.role === this.role) return;
      this.role = room.self.role;
      void this.takeStock();
    });
    playSlots(client, this.sound);
    this.sound.tracks.subscribe((tracks) => this.ear.setPlayed(tracks));
    this.sound.on.subscribe(() => this.ear.wake());
  }

  async start(): Promise<void> {
    keepAwake();
    const media = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
    new Playback((stuck) => this.client.setOwnState({ stuck })).start(
      () => this.client.media.peer.get()?.pc.getStats() ?? null,
    );
    // `?ability=off`: whoever measures the server wants a board that takes what it gets.
    if (new URLSearchParams(location.search).get('ability') !== 'off') new AbilityWatch(this.client).start();
    await this.takeStock();
    media?.addEventListener('devicechange', () => void this.takeStock());
  }

  async tellHeadcount(present: number): Promise<boolean> {
    return this.attempt(this.client.headcount(present));
  }

  /** While this classroom leads: the same tap gives the floor and takes it back. */
  async pick(participant: Participant): Promise<void> {
    const room = this.client.room.get();
    if (!room) return;
    const speaks = speakerOf(room, participant.id) !== undefined;
    await this.attempt(
      speaks ? this.client.releaseFloor(participant.id) : this.client.callOn(participant.id),
    );
  }

  /** Gives the floor, or the lead, back. */
  async endTurn(leads: boolean): Promise<void> {
    const teacher = this.client.room.get()?.roster.find((p) => p.role === 'lead' && p.presence === 'online');
    if (!leads) await this.attempt(this.client.releaseFloor());
    else if (teacher) await this.attempt(this.client.handOverLead(teacher.id));
  }

  /** The lesson is over for this page: camera and microphone are nobody's business any more. */
  private release(): void {
    this.over = true;
    this.ear.setMic(null);
    this.camera.stop();
    this.mic.stop();
  }

  /** Lines only grow: a pulled camera keeps its line, so that it can come back without a new peer. */
  private async takeStock(): Promise<void> {
    if (this.role === null) return;
    if (this.watches()) {
      this.present = { mic: false, camera: false };
      this.camera.stop();
      this.mic.stop();
      this.client.setDevices({ mic: false, cameraWidth: null });
      return;
    }
    const found = await DeviceTrack.present();
    if (this.over || this.watches()) return;
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

  /** One of the audience: nothing of this page is sent. */
  private watches(): boolean {
    return this.role === 'observer';
  }

  private followMic(): void {
    const track = this.mic.state.get().track;
    if (track) track.enabled = this.ownMic.open.value;
    this.tellMic();
  }

  private tellMic(): void {
    const { track } = this.mic.state.get();
    const open = this.ownMic.open.value && track !== null;
    this.client.setOwnState({ mic: open, micKept: this.ownMic.kept.value });
    this.listen();
  }

  /** For its own loudspeaker, while everybody hears this classroom. Whoever leads is not closed for an echo. */
  private listen(): void {
    const room = this.client.room.get();
    const leads = room !== null && leadsNow(room);
    this.ear.setMic(this.ownMic.open.value && !leads ? this.mic.state.get().track : null);
  }

  private told(notice: Notice): void {
    if (notice.kind === 'error') {
      this.say(notice.message);
    } else if (notice.kind === 'keep-mic') {
      this.ownMic.keep(notice.kept);
    } else if (notice.kind === 'echo') {
      this.toldEcho(notice.participant, notice.muted);
    } else if (notice.source === 'mic') {
      const changed = this.ownMic.told(notice.muted);
      // That it is open stands at the top of the page. At the lesson's beginning nobody in particular
      // closes it.
      if (changed && notice.muted && notice.by) this.say(t('floorEnded'));
    } else if (notice.source === 'camera') {
      this.say(t(notice.muted ? 'cameraClosedBy' : 'cameraOpenedBy', { by: notice.by }));
    }
  }

  /** Of this classroom's own loudspeaker; of another one's while this one leads. */
  private toldEcho(participant: string, muted: boolean): void {
    const room = this.client.room.get();
    const name = room?.roster.find((p) => p.id === participant)?.name ?? '';
    if (room?.self.id !== participant) this.say(t(muted ? 'echoMutedLead' : 'echoToldLead', { name }));
    else this.say(t(muted ? 'echoMuted' : 'echoTold', { name }), ECHO_NOTICE_MS);
  }
}
