/**
 * One RTCPeerConnection with fixed m-lines: what this page sends, then its receiving slots.
 *
 * The client offers once; later only an ICE restart with the same m-lines follows. Senders switch by
 * `replaceTrack`, so unplugging a camera or sharing a window never touches the SDP. The server is
 * ICE-lite with its candidates in the answer, so the offer leaves at once, without gathering.
 */
import type { SendLine } from './layers';
import { hint } from './playout';
import type { IceServer, SlotPlan, SourceKind, TrackIntent } from './protocol.gen';
import { activate, orBestAlone, scaleInTime } from './sender';
import { SlotTable } from './slots';
import type { Way } from './ways';

export type SendTracks = Partial<Record<SourceKind, MediaStreamTrack | null>>;

export interface PeerOptions {
  lines: readonly SendLine[];
  slots: SlotPlan;
  iceServers: readonly IceServer[];
  tracks: SendTracks;
  /** Begin with this way alone. */
  only?: Exclude<Way, 'udp'> | null;
  onStateChange: () => void;
  create?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

export interface Offer {
  sdp: string;
  tracks: TrackIntent[];
}

/** Figures of the connection at one moment; counts since it began. */
export interface Sample {
  bytesReceived: number;
  /** How long ago the last packet came, where the browser says so. */
  quietMs: number | null;
  rttMs: number | null;
  /** How media travels. */
  way: Way | null;
  /** The browser sends less than it is asked for, because its estimate of the uplink says so. */
  uplinkLimited: boolean;
  sounds: StreamSample[];
  pictures: StreamSample[];
}

/** Sums since the stream began, but for the jitter. */
export interface StreamSample {
  /** Of a line and of whoever feeds it: with another feed it is another stream. */
  id: string;
  packets: number;
  jitterMs: number;
  /** Sound that the browser made up while somebody spoke; pictures that stood. */
  gapMs: number;
  /** Packets that the browser asked for again. */
  asked: number;
  /** Samples or pictures that were played as they came, and what all of them waited together. */
  emitted: number;
  waitedMs: number;
}

/** Samples of Opus in a millisecond, whatever was spoken into it (RFC 7587 §4.1). */
const SAMPLES_PER_MS = 48;

export class Peer {
  readonly pc: RTCPeerConnection;
  readonly table = new SlotTable();
  /** The server's number for this peer, known with the answer. */
  id: number | null = null;
  private senders = new Map<SourceKind, RTCRtpTransceiver>();
  /** Encodings that are of use, by kind; all where nothing was said. */
  private wanted = new Map<SourceKind, readonly number[]>();
  /** One change of a sender's parameters at a time: a second one would void the first. */
  private changing: Promise<void> = Promise.resolve();
  private only: Exclude<Way, 'udp'> | null;

  constructor(options: PeerOptions) {
    this.only = options.only ?? null;
    const configuration = configurationOf(options.iceServers, this.only === 'relay');
    const create = options.create ?? ((c: RTCConfiguration) => new RTCPeerConnection(c));
    this.pc = create(configuration);
    this.pc.onconnectionstatechange = () => options.onStateChange();
    const groups = { person: new MediaStream(), content: new MediaStream() };
    for (const line of options.lines) {
      const add = (encodings: readonly RTCRtpEncodingParameters[]) =>
        this.pc.addTransceiver(options.tracks[line.kind] ?? line.media, {
          direction: 'sendonly',
          streams: [groups[line.group]],
          sendEncodings: encodings.map((encoding) => ({ ...encoding })),
        });
      this.senders.set(line.kind, orBestAlone(add, line.encodings));
    }
    for (let i = 0; i < options.slots.audio; i++) this.pc.addTransceiver('audio', { direction: 'recvonly' });
    for (let i = 0; i < options.slots.video; i++) this.pc.addTransceiver('video', { direction: 'recvonly' });
  }

  /** The first offer, or with `restartIce` the same m-lines with new ICE credentials. */
  async offer(restartIce = false): Promise<Offer> {
    // An earlier restart whose answer got lost leaves its offer pending; it must go first.
    if (this.pc.signalingState === 'have-local-offer') {
      await this.pc.setLocalDescription({ type: 'rollback' });
    }
    const offer = await this.pc.createOffer({ iceRestart: restartIce });
    await this.pc.setLocalDescription(offer);
    const tracks: TrackIntent[] = [];
    for (const [kind, transceiver] of this.senders) {
      if (transceiver.mid !== null) tracks.push({ mid: transceiver.mid, kind });
    }
    return { sdp: offer.sdp ?? '', tracks };
  }

  /** From the next restart on every way may be tried, with credentials that are still good. */
  widen(iceServers: readonly IceServer[]): void {
    this.only = null;
    try {
      this.pc.setConfiguration(configurationOf(iceServers, false));
    } catch {
      // A browser that cannot change it keeps what it had.
    }
  }

  async accept(answer: string): Promise<void> {
    const sdp = this.only === 'tcp' ? withoutUdp(answer) : answer;
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
    await this.change(async () => {
      for (const { sender } of this.senders.values()) await scaleInTime(sender);
    });
  }

  /** Of this kind only these encodings are of use from now on, smallest 0. */
  setLayers(kind: SourceKind, layers: readonly number[]): void {
    this.wanted.set(kind, layers);
    void this.applyLayers();
  }

  /** Makes the senders what is wanted; costs nothing when they are. What fails is for the next call. */
  applyLayers(): Promise<void> {
    return this.change(async () => {
      for (const [kind, layers] of this.wanted) {
        const sender = this.senders.get(kind)?.sender;
        if (sender) await activate(sender, layers);
      }
    });
  }

  private change(step: () => Promise<void>): Promise<void> {
    this.changing = this.changing.then(step).catch(() => undefined);
    return this.changing;
  }

  /** Sends `track` on the line of `kind` from now on; `null` sends nothing. No line, no effect. */
  async setTrack(kind: SourceKind, track: MediaStreamTrack | null): Promise<void> {
    const sender = this.senders.get(kind)?.sender;
    if (sender && sender.track !== track && this.pc.signalingState !== 'closed')
      await sender.replaceTrack(track);
  }

  receiver(mid: string): RTCRtpReceiver | undefined {
    return this.pc.getTransceivers().find((t) => t.mid === mid)?.receiver;
  }

  /** True when packets can flow both ways. */
  get connected(): boolean {
    return this.pc.connectionState === 'connected';
  }

  async sample(): Promise<Sample> {
    const report = await this.pc.getStats();
    const sample: Sample = {
      bytesReceived: 0,
      quietMs: null,
      rttMs: null,
      way: null,
      uplinkLimited: false,
      sounds: [],
      pictures: [],
    };
    report.forEach((stat: Record<string, unknown>) => {
      const number = (name: string) => (typeof stat[name] === 'number' ? (stat[name] as number) : 0);
      if (stat.type === 'candidate-pair' && stat.nominated === true && stat.state === 'succeeded') {
        // Firefox has no transport figures; its nominated pairs count the same bytes.
        sample.bytesReceived += number('bytesReceived');
      } else if (stat.type === 'outbound-rtp') {
        if (stat.active !== false && stat.qualityLimitationReason === 'bandwidth')
          sample.uplinkLimited = true;
      } else if (stat.type === 'inbound-rtp') {
        const audio = stat.kind === 'audio';
        // Who stops speaking leaves a gap that no line made.
        const feed = typeof stat.mid === 'string' ? this.table.feed(stat.mid) : undefined;
        if (audio && feed === null) return;
        const madeUp = number('concealedSamples') - number('silentConcealedSamples');
        (audio ? sample.sounds : sample.pictures).push({
          id: `${stat.id} ${feed?.source} ${feed?.since}`,
          packets: number('packetsReceived'),
          jitterMs: number('jitter') * 1000,
          gapMs: audio ? madeUp / SAMPLES_PER_MS : number('totalFreezesDuration') * 1000,
          asked: number('nackCount'),
          emitted: number('jitterBufferEmittedCount'),
          waitedMs: number('jitterBufferDelay') * 1000,
        });
      }
    });
    const used = usedPair(report);
    if (typeof used?.currentRoundTripTime === 'number') {
      sample.rttMs = Math.round(used.currentRoundTripTime * 1000);
    }
    if (typeof used?.lastPacketReceivedTimestamp === 'number' && typeof used.timestamp === 'number') {
      sample.quietMs = Math.max(0, used.timestamp - used.lastPacketReceivedTimestamp);
    }
    sample.way = wayOf(report.get(String(used?.localCandidateId)));
    return sample;
  }

  /** How long sound and pictures wait before they are played, ms; `null`: as the browser likes. */
  setPlayout(sound: number | null, pictures: number | null): void {
    for (const { receiver } of this.pc.getTransceivers()) {
      hint(receiver, receiver.track?.kind === 'audio' ? sound : pictures);
    }
  }

  close(): void {
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }
}

function configurationOf(iceServers: readonly IceServer[], relayAlone: boolean): RTCConfiguration {
  return {
    bundlePolicy: 'max-bundle',
    iceServers: iceServers.map(iceServer),
    iceTransportPolicy: relayAlone ? 'relay' : 'all',
  };
}

/** The path in use. After a change of path the older ones stay in the report, nominated as they were. */
function usedPair(report: RTCStatsReport): Record<string, unknown> | undefined {
  let nominated: Record<string, unknown> | undefined;
  let used: Record<string, unknown> | undefined;
  report.forEach((stat: Record<string, unknown>) => {
    if (stat.type === 'transport') used ??= report.get(String(stat.selectedCandidatePairId));
    else if (stat.type === 'candidate-pair' && stat.selected === true) used = stat;
    else if (stat.type === 'candidate-pair' && stat.nominated === true) nominated = stat;
  });
  return used ?? nominated;
}

function wayOf(local: Record<string, unknown> | undefined): Way | null {
  if (!local) return null;
  if (local.candidateType === 'relay') return 'relay';
  return local.protocol === 'tcp' ? 'tcp' : 'udp';
}

/** The answer without the server's candidates by UDP, if it has others. */
export function withoutUdp(sdp: string): string {
  if (!/^a=candidate:\S+ \d+ tcp /im.test(sdp)) return sdp;
  return sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gim, '');
}

function iceServer(server: IceServer): RTCIceServer {
  const { urls, username, credential } = server;
  return {
    urls,
    ...(username === null ? {} : { username }),
    ...(credential === null ? {} : { credential }),
  };
}
