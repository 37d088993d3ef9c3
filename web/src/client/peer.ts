/**
 * One RTCPeerConnection with fixed m-lines: what this page sends, then its receiving slots.
 *
 * The client offers once; later only an ICE restart with the same m-lines follows. Senders switch by
 * `replaceTrack`, so unplugging a camera or sharing a window never touches the SDP. The server is
 * ICE-lite with its candidates in the answer, so the offer leaves at once, without gathering.
 */
import type { SendLine } from './layers';
import type { IceServer, SlotPlan, SourceKind, TrackIntent } from './protocol.gen';
import { SlotTable } from './slots';

export type SendTracks = Partial<Record<SourceKind, MediaStreamTrack | null>>;

export interface PeerOptions {
  lines: readonly SendLine[];
  slots: SlotPlan;
  iceServers: readonly IceServer[];
  tracks: SendTracks;
  onStateChange: () => void;
  create?: (configuration: RTCConfiguration) => RTCPeerConnection;
}

export interface Offer {
  sdp: string;
  tracks: TrackIntent[];
}

/** Figures of the transport at one moment. */
export interface PathSample {
  bytesReceived: number;
  rttMs: number | null;
}

export class Peer {
  readonly pc: RTCPeerConnection;
  readonly table = new SlotTable();
  /** The server's number for this peer, known with the answer. */
  id: number | null = null;
  private senders = new Map<SourceKind, RTCRtpTransceiver>();

  constructor(options: PeerOptions) {
    const configuration: RTCConfiguration = {
      bundlePolicy: 'max-bundle',
      iceServers: options.iceServers.map(iceServer),
    };
    const create = options.create ?? ((c: RTCConfiguration) => new RTCPeerConnection(c));
    this.pc = create(configuration);
    this.pc.onconnectionstatechange = () => options.onStateChange();
    const groups = { person: new MediaStream(), content: new MediaStream() };
    for (const line of options.lines) {
      const transceiver = this.pc.addTransceiver(options.tracks[line.kind] ?? line.media, {
        direction: 'sendonly',
        streams: [groups[line.group]],
        sendEncodings: line.encodings.map((encoding) => ({ ...encoding })),
      });
      this.senders.set(line.kind, transceiver);
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

  async accept(sdp: string): Promise<void> {
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
    for (const { sender } of this.senders.values()) await sendLayersApart(sender);
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

  async sample(): Promise<PathSample> {
    const report = await this.pc.getStats();
    let bytesReceived = 0;
    let rttMs: number | null = null;
    report.forEach((stat: Record<string, unknown>) => {
      // Firefox has no transport figures; its nominated pair counts the same bytes.
      if (stat.type !== 'candidate-pair' || stat.nominated !== true || stat.state !== 'succeeded') return;
      if (typeof stat.bytesReceived === 'number') bytesReceived += stat.bytesReceived;
      if (typeof stat.currentRoundTripTime === 'number') rttMs = Math.round(stat.currentRoundTripTime * 1000);
    });
    return { bytesReceived, rttMs };
  }

  close(): void {
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }
}

/**
 * In VP9 and AV1 Chromium sends the encodings of a line as one stream, of which only the first one
 * comes, unless each says how it is made. The codec is known with the answer; a browser that cannot
 * be told (or need not be: Firefox, VP8, H.264) stays as it is.
 */
async function sendLayersApart(sender: RTCRtpSender): Promise<void> {
  const parameters: RTCRtpSendParameters & { encodings?: Encoding[] } = sender.getParameters();
  const codec = parameters.codecs?.[0]?.mimeType.toLowerCase() ?? '';
  const mode = SCALABILITY[codec];
  if (mode === undefined || (parameters.encodings?.length ?? 0) < 2) return;
  for (const encoding of parameters.encodings) encoding.scalabilityMode = mode;
  await sender.setParameters(parameters).catch(() => {});
}

type Encoding = RTCRtpEncodingParameters & { scalabilityMode?: string };

/** VP9 as VP8 has it by itself; AV1's temporal layers could not be told apart at the other end. */
const SCALABILITY: Record<string, string> = { 'video/vp9': 'L1T3', 'video/av1': 'L1T1' };

function iceServer(server: IceServer): RTCIceServer {
  const { urls, username, credential } = server;
  return {
    urls,
    ...(username === null ? {} : { username }),
    ...(credential === null ? {} : { credential }),
  };
}
