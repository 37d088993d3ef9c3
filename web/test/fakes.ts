/** A server's end of the socket, and a peer connection without media, for tests of the client library. */
import type { ClientMessage, LessonInfo, Participant, ServerMessage } from '../src/client/protocol.gen';

/** What kind of lesson it is, where that does not matter. */
export const DELIVERY: Pick<LessonInfo, 'lessonType' | 'rules'> = {
  lessonType: 'delivery',
  rules: {
    mode: 'listen',
    mostSpeaking: 3,
    classroomsPublish: true,
    leadTo: 'anybody',
    promotes: true,
    layout: 'content',
  },
};

export class FakeSocket {
  static all: FakeSocket[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  sent: ClientMessage[] = [];
  closed = false;
  readyState = 0;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  static make = (url: string): WebSocket => new FakeSocket(url) as unknown as WebSocket;

  static get last(): FakeSocket {
    const socket = FakeSocket.all[FakeSocket.all.length - 1];
    if (!socket) throw new Error('no socket was opened');
    return socket;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientMessage);
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Opens and welcomes. */
  welcome(change: Partial<Extract<ServerMessage, { type: 'welcome' }>> = {}): void {
    this.open();
    this.say({
      type: 'welcome',
      version: 1,
      participant: 'me',
      role: 'receiver',
      name: '东片小学 四(1)',
      lesson: { id: 'demo', title: '音乐', state: 'live', runningSeconds: 60, leads: 'lead', ...DELIVERY },
      roster: [],
      slots: { audio: 1, video: 2 },
      iceServers: [],
      ...change,
    });
  }

  ofType<T extends ClientMessage['type']>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.sent.filter((m): m is Extract<ClientMessage, { type: T }> => m.type === type);
  }
}

export function participant(id: string, change: Partial<Participant> = {}): Participant {
  return {
    id,
    name: id,
    role: 'receiver',
    presence: 'online',
    state: { mic: false, camera: true, content: false, sound: true, hidden: false },
    muted: [],
    sources: [],
    ...change,
  };
}

interface FakeTransceiver {
  mid: string | null;
  sender: { track: unknown; replaceTrack: (track: unknown) => Promise<void>; [more: string]: unknown };
  receiver: { track: { kind: unknown }; jitterBufferTarget: number | null };
}

/** Numbers its m-lines, keeps what was asked of it, and is connected when the test says so. */
export class FakePeerConnection {
  static all: FakePeerConnection[] = [];
  connectionState: RTCPeerConnectionState = 'new';
  signalingState: RTCSignalingState = 'stable';
  onconnectionstatechange: (() => void) | null = null;
  bytesReceived = 0;
  /** The video codec that its senders find in the answer. */
  negotiated: string | null = null;
  /** What its senders refuse. */
  refuses: { encodings?: (kind: unknown, count: number) => boolean; parameters?: () => boolean } = {};
  /** Entries of `getStats()` beside its path. */
  stats: Record<string, object> = {};
  offers: { iceRestart: boolean }[] = [];
  answers: string[] = [];
  configurations: RTCConfiguration[] = [];
  added: { kind: unknown; init: RTCRtpTransceiverInit }[] = [];
  private transceivers: FakeTransceiver[] = [];

  constructor(configuration: RTCConfiguration = {}) {
    this.configurations.push(configuration);
    FakePeerConnection.all.push(this);
  }

  static make = (configuration?: RTCConfiguration): RTCPeerConnection =>
    new FakePeerConnection(configuration) as unknown as RTCPeerConnection;

  setConfiguration(configuration: RTCConfiguration): void {
    this.configurations.push(configuration);
  }

  static get last(): FakePeerConnection {
    const pc = FakePeerConnection.all[FakePeerConnection.all.length - 1];
    if (!pc) throw new Error('no peer connection was made');
    return pc;
  }

  addTransceiver(kind: unknown, init: RTCRtpTransceiverInit): FakeTransceiver {
    if (this.refuses.encodings?.(kind, init.sendEncodings?.length ?? 0)) throw new TypeError('refused');
    this.added.push({ kind, init });
    const sender = {
      track: typeof kind === 'string' ? null : kind,
      replaceTrack: async (track: unknown) => {
        sender.track = track;
      },
      getParameters: () => ({
        codecs: this.codecs(kind),
        encodings: (init.sendEncodings ?? []).map((encoding) => ({ ...encoding })),
      }),
      setParameters: async (parameters: { encodings: RTCRtpEncodingParameters[] }) => {
        if (this.refuses.parameters?.()) throw new DOMException('refused', 'OperationError');
        init.sendEncodings = parameters.encodings;
      },
    };
    const receiver = { track: { kind }, jitterBufferTarget: null };
    const transceiver: FakeTransceiver = { mid: null, sender, receiver };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  private codecs(kind: unknown): { mimeType: string }[] {
    if (kind === 'audio') return [{ mimeType: 'audio/opus' }];
    return this.negotiated === null ? [] : [{ mimeType: this.negotiated }];
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  async createOffer(options: { iceRestart: boolean }): Promise<RTCSessionDescriptionInit> {
    this.offers.push(options);
    return { type: 'offer', sdp: `offer ${this.offers.length}` };
  }

  async setLocalDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.signalingState = description.type === 'rollback' ? 'stable' : 'have-local-offer';
    this.transceivers.forEach((t, i) => {
      t.mid = String(i);
    });
  }

  async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.answers.push(description.sdp ?? '');
    this.signalingState = 'stable';
  }

  async getStats(): Promise<Map<string, object>> {
    const pair = {
      type: 'candidate-pair',
      nominated: true,
      state: 'succeeded',
      currentRoundTripTime: 0.02,
      localCandidateId: 'local',
    };
    return new Map<string, object>([
      ['pair', { ...pair, bytesReceived: this.bytesReceived }],
      ...Object.entries(this.stats),
    ]);
  }

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  close(): void {
    this.connectionState = 'closed';
    this.signalingState = 'closed';
  }
}
