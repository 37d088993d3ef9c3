/**
 * Keeps one working peer for this page: makes it, repairs it, replaces it.
 *
 * Repair goes from cheap to dear: an ICE restart when the connection breaks or nothing arrives for
 * 2 s although something should; a new peer when the restart does not help in 6 s, when the server
 * asks for one (`renew`), or when the m-lines change. The old peer stays until the new one connects, and
 * sends for a while after that: the others get its pictures until the new one's arrive, so that a
 * replacement shows no gap. A peer that does not connect within 8 s while signalling works means
 * that the network lets no media through (`blocked`); trying goes on, with growing pauses.
 *
 * Where UDP did not work in the last sessions (`ways`), it begins without, and tries later (`healing`).
 */
import { Healing } from './healing';
import type { SendLine } from './layers';
import { Peer, type Sample, type SendTracks } from './peer';
import { AS_IT_LIKES, follow, heard, PICTURES, type Playout, watched } from './playout';
import type { IceServer, LinkState, SlotFeed, SlotPlan, SourceKind } from './protocol.gen';
import { type Answer, type Reply, RequestError, type RequestMessage } from './signal';
import type { Slot } from './slots';
import { Store } from './store';
import { Ways } from './ways';

const CONNECT_MS = 8_000;
const RESTART_MS = 6_000;
const SILENT_MS = 2_000;
const WATCH_EVERY_MS = 1_000;
/** After joining again: what broke the signalling, mostly another network, has broken media too. */
const LOOK_MS = 700;
const LONGEST_PAUSE_MS = 8_000;
/** A browser that begins to send is limited until it has found out what the line carries. */
const LIMITED_SAMPLES = 5;
/** A server that kept the peer repeats its slots right after the welcome. */
const KEPT_MS = 500;
/** The server closes a replaced peer itself within 2 s. */
const HANDOVER_MS = 2_500;

export type MediaState = 'none' | 'connecting' | 'connected' | 'repairing' | 'blocked';

export interface MediaLinkOptions {
  request: (message: RequestMessage) => Promise<Reply>;
  /** Is the signalling joined? Nothing is tried without it. */
  joined: () => boolean;
  /** Should packets be arriving now, by what the server says? */
  expecting: (slots: readonly Slot[]) => boolean;
  /** What the server says of this page's line. */
  linkState: () => LinkState | null;
  /** Do this page's people speak with others now? Then nothing may wait for long. */
  converses: () => boolean;
  /** What is remembered of this network. */
  ways?: Ways;
  create?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

export class MediaLink {
  readonly state = new Store<MediaState>('none');
  /** The peer that pages show; changes when a replacement has connected. */
  readonly peer = new Store<Peer | null>(null);
  /** The slots of that peer. */
  readonly slots = new Store<readonly Slot[]>([]);
  /** Round trip of the media path, ms. */
  readonly rtt = new Store<number | null>(null);
  /** This page's own line carries less than its pictures need. */
  readonly uplinkLimited = new Store(false);
  /** How many peer connections were made. */
  made = 0;

  private next: Peer | null = null;
  /** Replaced, and still sending. */
  private older: Peer | null = null;
  private lines: readonly SendLine[] | null = null;
  private slotPlan: SlotPlan = { audio: 0, video: 0 };
  /** Fewer pictures than that, for a machine that cannot show them. */
  private mostPictures: number | null = null;
  private iceServers: readonly IceServer[] = [];
  private tracks: SendTracks = {};
  private failures = 0;
  /** A new peer was asked for while nothing could be asked of the server. */
  private renewWanted = false;
  private restartDeadline: number | null = null;
  private lastBytes = 0;
  private lastArrival = 0;
  private lastSample: Sample | null = null;
  private limitedFor = 0;
  private playout: Playout = AS_IT_LIKES;
  private picturePlayout: Playout = AS_IT_LIKES;
  private readonly ways: Ways;
  private readonly healing = new Healing();
  private connectTimer: ReturnType<typeof setTimeout> | undefined;
  private pauseTimer: ReturnType<typeof setTimeout> | undefined;
  private keptTimer: ReturnType<typeof setTimeout> | undefined;
  private handoverTimer: ReturnType<typeof setTimeout> | undefined;
  private watchTimer: ReturnType<typeof setInterval> | undefined;
  private lookTimer: ReturnType<typeof setTimeout> | undefined;
  private stopSlots: (() => void) | undefined;

  constructor(private readonly options: MediaLinkOptions) {
    this.ways = options.ways ?? new Ways(null);
  }

  /** The server's plan, from each `welcome`. */
  plan(slots: SlotPlan, iceServers: readonly IceServer[]): void {
    this.slotPlan = slots;
    this.iceServers = iceServers;
  }

  /** No more pictures than this; `null`: as the server plans. A change makes a new peer. */
  limitPictures(most: number | null): void {
    if (most === this.mostPictures) return;
    this.mostPictures = most;
    if (this.lines) this.renew();
  }

  /** What this page sends. A change of m-lines makes a new peer. */
  setLines(lines: readonly SendLine[]): void {
    const same = this.lines !== null && kinds(this.lines) === kinds(lines);
    this.lines = lines;
    if (!same) this.renew();
  }

  setTrack(kind: SourceKind, track: MediaStreamTrack | null): void {
    this.tracks = { ...this.tracks, [kind]: track };
    // What ends must end there as well.
    this.older?.setTrack(kind, track).catch(() => this.endHandover());
    for (const peer of [this.peer.get(), this.next]) {
      peer?.setTrack(kind, track).catch(() => {
        // The sender cannot take this track in its present negotiation; a new peer can.
        this.renew();
      });
    }
  }

  /** Joined, perhaps again: a running peer goes on, a missing or broken one is made or repaired now. */
  resume(): void {
    if (!this.lines) return;
    const peer = this.peer.get();
    if (this.next) return;
    if (!peer || this.renewWanted) this.renew();
    else if (!peer.connected) this.repair();
    else {
      // A server that was started anew knows nothing of this peer; don't wait for ICE to find out.
      clearTimeout(this.keptTimer);
      this.keptTimer = setTimeout(() => this.renew(), KEPT_MS);
      void this.lookSoon(peer);
    }
  }

  /** Makes a new peer; the present one stays until that one connects. */
  renew(): void {
    clearTimeout(this.pauseTimer);
    clearTimeout(this.connectTimer);
    clearTimeout(this.keptTimer);
    this.next?.close();
    this.next = null;
    this.restartDeadline = null;
    this.renewWanted = true;
    if (!this.lines || !this.options.joined()) return;
    this.renewWanted = false;
    // What is remembered may be wrong today: at the first failure everything is tried.
    const only = this.failures === 0 ? this.ways.hint() : null;
    const peer = new Peer({
      lines: this.lines,
      slots: this.slotPlanNow(),
      iceServers: this.iceServers,
      tracks: this.tracks,
      only,
      onStateChange: () => this.changed(peer),
      ...(this.options.create ? { create: this.options.create } : {}),
    });
    this.made += 1;
    this.healing.begin(only !== null, performance.now());
    this.next = peer;
    this.state.set(this.peer.get() ? 'repairing' : this.failures > 0 ? 'blocked' : 'connecting');
    this.connectTimer = setTimeout(() => this.failed(peer), CONNECT_MS);
    if (this.watchTimer === undefined) {
      this.watchTimer = setInterval(() => void this.watch(), WATCH_EVERY_MS);
    }
    void this.open(peer);
  }

  applySlots(peerId: number, changes: readonly SlotFeed[]): void {
    if (this.peer.get()?.id === peerId) clearTimeout(this.keptTimer);
    for (const peer of [this.peer.get(), this.next]) {
      if (peer?.id === peerId) peer.table.apply(changes);
    }
  }

  /** Which layers of one of that peer's sources are of use. */
  applyLayers(peerId: number, kind: SourceKind, layers: readonly number[]): void {
    for (const peer of [this.peer.get(), this.older]) {
      if (peer?.id === peerId) peer.setLayers(kind, layers);
    }
  }

  frameShown(mid: string, rtpTimestamp: number): void {
    this.peer.get()?.table.frameShown(mid, rtpTimestamp);
  }

  close(): void {
    clearTimeout(this.connectTimer);
    clearTimeout(this.pauseTimer);
    clearTimeout(this.keptTimer);
    clearInterval(this.watchTimer);
    clearTimeout(this.lookTimer);
    this.watchTimer = undefined;
    this.stopSlots?.();
    this.endHandover();
    this.next?.close();
    this.next = null;
    this.lines = null;
    this.peer.get()?.close();
    this.state.set('none');
  }

  private slotPlanNow(): SlotPlan {
    const { audio, video } = this.slotPlan;
    return { audio, video: Math.min(video, this.mostPictures ?? video) };
  }

  private async open(peer: Peer): Promise<void> {
    try {
      const offer = await peer.offer();
      const answer = (await this.options.request({ type: 'offer', ...offer })) as Answer;
      peer.id = answer.peer;
      peer.table.setSlots(answer.slots);
      await peer.accept(answer.sdp);
    } catch (error) {
      if (this.next !== peer) return;
      // A broken socket is not the peer's fault: `resume` makes a new one after the next join.
      if (error instanceof RequestError && error.code === 'connection_lost') {
        clearTimeout(this.connectTimer);
        this.next = null;
        this.renewWanted = true;
        peer.close();
        return;
      }
      this.failed(peer);
    }
  }

  private changed(peer: Peer): void {
    if (peer === this.next && peer.connected) {
      clearTimeout(this.connectTimer);
      this.adopt(peer);
    } else if (peer === this.peer.get()) {
      if (peer.connected) {
        this.restartDeadline = null;
        if (!this.next) this.state.set('connected');
      } else if (peer.pc.connectionState === 'failed' || peer.pc.connectionState === 'disconnected') {
        this.repair();
      }
    } else if (peer === this.next && peer.pc.connectionState === 'failed') {
      this.failed(peer);
    }
  }

  private adopt(peer: Peer): void {
    this.endHandover();
    this.older = this.peer.get();
    this.handoverTimer = setTimeout(() => this.endHandover(), HANDOVER_MS);
    this.next = null;
    this.failures = 0;
    this.restartDeadline = null;
    this.lastBytes = 0;
    this.lastSample = null;
    this.playout = AS_IT_LIKES;
    this.picturePlayout = AS_IT_LIKES;
    this.lastArrival = performance.now();
    this.stopSlots?.();
    this.stopSlots = peer.table.slots.subscribe((slots) => this.slots.set(slots));
    this.peer.set(peer);
    this.slots.set(peer.table.slots.get());
    this.state.set('connected');
  }

  private endHandover(): void {
    clearTimeout(this.handoverTimer);
    this.older?.close();
    this.older = null;
  }

  /** The new peer did not come up. */
  private failed(peer: Peer): void {
    if (this.next !== peer) return;
    clearTimeout(this.connectTimer);
    this.next = null;
    peer.close();
    this.failures += 1;
    if (!this.peer.get()?.connected) this.state.set('blocked');
    const pause = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.failures);
    this.pauseTimer = setTimeout(() => this.renew(), pause);
  }

  /** Finds out sooner than by `SILENT_MS` that nothing arrives any more. */
  private async lookSoon(peer: Peer): Promise<void> {
    const bytes = () =>
      peer.sample().then(
        (sample) => sample.bytesReceived,
        () => null,
      );
    const before = await bytes();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (before === null || before !== (await bytes()) || this.peer.get() !== peer) return;
    if (this.options.expecting(this.slots.get())) this.repair();
  }

  /** ICE restart of the running peer, at most one at a time. */
  private repair(): void {
    const peer = this.peer.get();
    if (!peer || this.next || this.restartDeadline !== null || !this.options.joined()) return;
    this.restartDeadline = performance.now() + RESTART_MS;
    this.state.set('repairing');
    void this.restart(peer);
  }

  private async restart(peer: Peer): Promise<void> {
    try {
      peer.widen(this.iceServers);
      const { sdp } = await peer.offer(true);
      const answer = (await this.options.request({ type: 'restart_ice', sdp })) as Answer;
      await peer.accept(answer.sdp);
    } catch (error) {
      if (this.peer.get() !== peer || this.next) return;
      this.restartDeadline = null;
      // Without signalling nothing can be repaired; `resume` comes back here.
      if (error instanceof RequestError && error.code === 'connection_lost') return;
      this.renew();
    }
  }

  private async watch(): Promise<void> {
    const peer = this.peer.get();
    if (!peer || this.next) return;
    const sample = await peer.sample().catch(() => null);
    if (!sample || this.peer.get() !== peer) return;
    const now = performance.now();
    if (sample.rttMs !== null) this.rtt.set(sample.rttMs);
    const settled = sample.way && this.healing.observe(sample.way, now);
    if (settled) this.ways.note(settled);
    this.limitedFor = sample.uplinkLimited ? this.limitedFor + 1 : 0;
    this.uplinkLimited.set(this.limitedFor >= LIMITED_SAMPLES);
    const sound = heard(this.lastSample, sample, this.options.linkState());
    this.playout = follow(this.playout, sound, now);
    const pictures = watched(this.lastSample, sample, sound);
    this.picturePlayout = this.options.converses()
      ? AS_IT_LIKES
      : follow(this.picturePlayout, pictures, now, PICTURES);
    peer.setPlayout(this.playout.target, this.picturePlayout.target);
    this.lastSample = sample;
    // A change that the browser refused a second ago is tried again.
    void peer.applyLayers();
    const arrived = sample.bytesReceived !== this.lastBytes;
    this.lastBytes = sample.bytesReceived;
    if (!this.options.expecting(this.slots.get())) this.lastArrival = now;
    else if (arrived) this.lastArrival = now - Math.min(sample.quietMs ?? 0, WATCH_EVERY_MS);
    if (this.restartDeadline !== null) {
      if (arrived && peer.connected) {
        this.restartDeadline = null;
        this.state.set('connected');
      } else if (now > this.restartDeadline) {
        this.renew();
      }
    } else if (now - this.lastArrival >= SILENT_MS || peer.pc.connectionState === 'failed') {
      this.lastArrival = now;
      this.repair();
    } else if (now - this.lastArrival > SILENT_MS - WATCH_EVERY_MS) {
      // The time may be over between two looks.
      clearTimeout(this.lookTimer);
      const left = Math.ceil(this.lastArrival + SILENT_MS - now);
      this.lookTimer = setTimeout(() => void this.watch(), left);
    } else if (arrived && peer.connected && this.options.joined() && this.healing.due(now)) {
      // The present way goes on meanwhile; nobody need know.
      this.restartDeadline = now + RESTART_MS;
      void this.restart(peer);
    }
  }
}

function kinds(lines: readonly SendLine[]): string {
  return lines.map((line) => line.kind).join(' ');
}
