/**
 * A page's whole connection to its lesson: signalling, room, media. Pages read the stores and call
 * the verbs; they never see a message.
 */
import { type Devices, type SendLine, sendLines } from './layers';
import { MediaLink } from './media_link';
import type {
  AudienceUnit,
  LessonOverview,
  Mode,
  OwnState,
  ParticipantId,
  PhotoId,
  Place,
  ServerMessage,
  SourceKind,
  Trouble,
} from './protocol.gen';
import { leadsNow, type Room, reduce, speakerOf } from './room';
import { RequestError, type RequestMessage, Signal } from './signal';
import { isCovered, type Slot } from './slots';
import { Store } from './store';
import type { Ways } from './ways';

export interface LessonClientOptions {
  url: string;
  token: string;
  language: string;
  /** What is remembered of this network. */
  ways?: Ways;
  createSocket?: (url: string) => WebSocket;
  createPeerConnection?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

/** What a classroom says of a lesson that is over. */
export interface Rating {
  headcount?: number;
  sound?: 'good' | 'poor';
  picture?: 'good' | 'poor';
}

/** Something that others did to this page, for a short notice. */
export type Notice =
  | { kind: 'muted'; source: SourceKind; muted: boolean; by: string }
  /** The class's own people ask by phone. */
  | { kind: 'keep-mic'; kept: boolean }
  | { kind: 'echo'; participant: ParticipantId; muted: boolean }
  | { kind: 'error'; message: string; hint: string };

export class LessonClient {
  readonly room = new Store<Room | null>(null);
  readonly overview = new Store<readonly LessonOverview[] | null>(null);
  /** Where whoever leads points; every place is a new object, so that the same place twice is told twice. */
  readonly pointer = new Store<Place | null>(null);
  readonly signal: Signal;
  readonly media: MediaLink;
  /** Called for each notice, in order. */
  onNotice: (notice: Notice) => void = () => undefined;

  private own: OwnState = { mic: false, camera: false, content: false, sound: false, hidden: false };
  private devices: Devices | null = null;
  private wall: readonly ParticipantId[] | null = null;

  constructor(private readonly options: LessonClientOptions) {
    const { url, token, language, ways, createSocket, createPeerConnection } = options;
    this.signal = new Signal({
      url,
      token,
      language,
      onMessage: (message) => this.receive(message),
      ...(createSocket ? { createSocket } : {}),
    });
    this.media = new MediaLink({
      request: (message) => this.signal.request(message),
      joined: () => this.signal.state.get().phase === 'joined',
      expecting: (slots) => this.expecting(slots),
      linkState: () => this.room.get()?.link?.state ?? null,
      converses: () => {
        const room = this.room.get();
        if (!room) return false;
        // A lead's microphone is open without the floor.
        return room.self.role === 'lead' || leadsNow(room) || speakerOf(room, room.self.id) !== undefined;
      },
      ...(ways ? { ways } : {}),
      ...(createPeerConnection ? { create: createPeerConnection } : {}),
    });
    this.signal.state.subscribe((state) => {
      if (state.phase === 'over') this.media.close();
    });
  }

  start(): void {
    this.signal.start();
  }

  leave(): void {
    this.signal.leave();
  }

  /** Which devices this page has; the peer is made once this is known. */
  setDevices(devices: Devices): void {
    this.devices = devices;
    const lines = this.lines();
    if (lines) this.media.setLines(lines);
  }

  setTrack(kind: SourceKind, track: MediaStreamTrack | null): void {
    this.media.setTrack(kind, track);
  }

  /** Tells the others what this page really sends and plays; sent again after each join. */
  setOwnState(change: Partial<OwnState>): void {
    const next = { ...this.own, ...change };
    const same = (Object.keys(next) as (keyof OwnState)[]).every((key) => next[key] === this.own[key]);
    if (same) return;
    this.own = next;
    this.tellState();
  }

  ownState(): OwnState {
    return this.own;
  }

  startLesson(): Promise<void> {
    return this.command({ type: 'start_lesson' });
  }

  endLesson(): Promise<void> {
    return this.command({ type: 'end_lesson' });
  }

  mute(participant: ParticipantId, kind: SourceKind, muted: boolean): Promise<void> {
    return this.command({ type: 'mute', participant, kind, muted });
  }

  muteAll(): Promise<void> {
    return this.command({ type: 'mute_all' });
  }

  kick(participant: ParticipantId): Promise<void> {
    return this.command({ type: 'kick', participant });
  }

  /** 点名发言 */
  callOn(participant: ParticipantId): Promise<void> {
    return this.command({ type: 'call_on', participant });
  }

  /** 结束发言: of this classroom; without a name of all, or one's own. */
  releaseFloor(participant?: ParticipantId): Promise<void> {
    return this.command({ type: 'release_floor', ...(participant ? { participant } : {}) });
  }

  raiseHand(): Promise<void> {
    return this.command({ type: 'raise_hand' });
  }

  lowerHand(participant?: ParticipantId): Promise<void> {
    return this.command({ type: 'lower_hand', ...(participant ? { participant } : {}) });
  }

  setMode(mode: Mode): Promise<void> {
    return this.command({ type: 'set_mode', mode });
  }

  handOverLead(participant: ParticipantId): Promise<void> {
    return this.command({ type: 'hand_over_lead', participant });
  }

  /** Brings one of the audience into the lesson, or back. */
  promote(participant: ParticipantId, promoted: boolean): Promise<void> {
    return this.command({ type: 'promote', participant, promoted });
  }

  /** Who looks on, by unit. */
  async listAudience(): Promise<readonly AudienceUnit[]> {
    const reply = await this.signal.request({ type: 'list_audience' });
    return reply.type === 'audience_list' ? reply.units : [];
  }

  /** Shows a photo to everybody; without one takes it away. */
  showPhoto(photo: PhotoId | null): Promise<void> {
    return this.command({ type: 'show_photo', ...(photo ? { photo } : {}) });
  }

  dropPhoto(photo: PhotoId): Promise<void> {
    return this.command({ type: 'drop_photo', photo });
  }

  /** Brings a photo into the lesson; gives its id. */
  async uploadPhoto(photo: Blob): Promise<PhotoId> {
    const response = await this.http('POST', `${this.lessonPath()}/photos`, photo, photo.type);
    return ((await response.json()) as { id: PhotoId }).id;
  }

  async fetchPhoto(url: string): Promise<Blob> {
    return (await this.http('GET', url)).blob();
  }

  /** How it was, after the end. */
  async rate(rating: Rating): Promise<void> {
    await this.http('POST', `${this.lessonPath()}/rating`, JSON.stringify(rating), 'application/json');
  }

  /** Points at a place of the content or photo; `null`: nowhere any more. */
  point(at: Place | null): void {
    this.signal.send({ type: 'point', at });
  }

  signalTrouble(kind: Trouble): Promise<void> {
    return this.command({ type: 'signal_trouble', kind });
  }

  headcount(present: number): Promise<void> {
    return this.command({ type: 'headcount', present });
  }

  /** Of a phone: its board shall keep the microphone closed, or not any more. */
  keepMic(kept: boolean): Promise<void> {
    return this.command({ type: 'keep_mic', kept });
  }

  /** This page's loudspeaker gets into its microphone. */
  echoHeard(): void {
    this.signal.send({ type: 'echo_heard' });
  }

  /** The classrooms of the wall's page that is looked at; told again after each join. */
  showWall(participants: readonly ParticipantId[]): void {
    if (this.wall?.join(' ') === participants.join(' ')) return;
    this.wall = participants;
    this.tellWall();
  }

  selectLayer(mid: string, maxLayer: number): Promise<void> {
    return this.command({ type: 'select_layer', mid, maxLayer });
  }

  /** Feeds as tests and support see them. */
  feeds(): { mid: string; participant: string; kind: SourceKind; since: number | null; covered: boolean }[] {
    return this.media.slots.get().flatMap((slot) => {
      if (!slot.feed) return [];
      const { participant, kind, since } = slot.feed;
      // Sound is never covered: what is heard bears no name.
      const covered = slot.media === 'video' && isCovered(slot);
      return [{ mid: slot.mid, participant, kind, since, covered }];
    });
  }

  private receive(message: ServerMessage): void {
    this.room.set(reduce(this.room.get(), message, performance.now()));
    switch (message.type) {
      case 'welcome': {
        this.tellState();
        this.tellWall();
        this.media.plan(message.slots, message.iceServers);
        if (message.role === 'admin') {
          void this.command({ type: 'watch' }).catch(() => undefined);
          break;
        }
        const lines = this.lines();
        if (lines) this.media.setLines(lines);
        this.media.resume();
        break;
      }
      case 'pointer':
        this.pointer.set(message.at);
        break;
      case 'slots':
        this.media.applySlots(message.peer, message.slots);
        break;
      case 'layers':
        this.media.applyLayers(message.peer, message.kind, message.layers);
        break;
      case 'renew':
        this.media.renew();
        break;
      case 'muted':
        this.onNotice({ kind: 'muted', source: message.kind, muted: message.muted, by: message.by });
        break;
      case 'keep_mic':
        this.onNotice({ kind: 'keep-mic', kept: message.kept });
        break;
      case 'echo':
        this.onNotice({ kind: 'echo', participant: message.participant, muted: message.muted });
        break;
      case 'error':
        this.onNotice({ kind: 'error', message: message.message, hint: message.hint });
        break;
      case 'overview':
        this.overview.set(message.lessons);
        break;
    }
  }

  /** Pages without a seat send and play nothing that anybody would be told of. */
  private tellState(): void {
    const role = this.room.get()?.self.role;
    if (role === 'admin' || role === 'companion') return;
    this.signal.send({ type: 'state', state: this.own });
  }

  private lessonPath(): string {
    return `/api/v1/lessons/${encodeURIComponent(this.room.get()?.lesson.id ?? '')}`;
  }

  /** Asks the server beside the socket, with the same token. Refused: a `RequestError` in its words. */
  private async http(method: string, path: string, body?: BodyInit, type?: string): Promise<Response> {
    const { token, language } = this.options;
    const headers: Record<string, string> = { Authorization: `Bearer ${token}`, 'Accept-Language': language };
    if (type) headers['Content-Type'] = type;
    const response = await fetch(path, { method, headers, ...(body === undefined ? {} : { body }) });
    if (response.ok) return response;
    const said = (await response.json().catch(() => ({}))) as {
      code?: string;
      message?: string;
      hint?: string;
    };
    throw new RequestError(said.code ?? 'refused', said.message ?? '', said.hint);
  }

  private tellWall(): void {
    if (this.wall) this.signal.send({ type: 'show_wall', participants: [...this.wall] });
  }

  private lines(): SendLine[] | null {
    const role = this.room.get()?.self.role;
    return role && this.devices ? sendLines(role, this.devices) : null;
  }

  private async command(message: RequestMessage): Promise<void> {
    await this.signal.request(message);
  }

  /** True when the server says that a source which feeds one of our slots is flowing. */
  private expecting(slots: readonly Slot[]): boolean {
    const room = this.room.get();
    if (!room) return false;
    return slots.some((slot) => {
      const feed = slot.feed;
      if (!feed || feed.since === null) return false;
      const owner = room.roster.find((p) => p.id === feed.participant);
      return owner?.sources.some((s) => s.id === feed.source && s.flowing) ?? false;
    });
  }
}
