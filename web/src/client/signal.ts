/**
 * The signalling socket: joins first, pings, and comes back by itself without limit until the server
 * says that it must not (`replaced`, `kicked`, `ended`, `left`, or a fatal error).
 *
 * Time between attempts: 0.3 s doubling to 8 s, jittered by ±30 % so that a school does not come back
 * as one. `nudge()` skips the wait (page visible again, network back). Replies are matched by request
 * number; when the socket breaks every open request fails with `connection_lost`, because the server
 * may or may not have done it and only the caller knows whether to ask again.
 */
import { type ByeReason, type ClientMessage, PROTOCOL_VERSION, type ServerMessage } from './protocol.gen';
import { Store } from './store';

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 8_000;
/** A server that stops says so to all at once; they come to the next one spread over this time. */
const MOVE_WITHIN_MS = 3_000;
const JOIN_TIMEOUT_MS = 8_000;
const PING_EVERY_MS = 10_000;
/** The server answers each ping, so a socket silent for longer is dead even if TCP does not say so. */
const SILENCE_MS = 15_000;
const NUDGE_ANSWER_MS = 3_000;
/** On another network the old connection is dead most of the time, and a false alarm costs little. */
const MOVED_ANSWER_MS = 1_000;
/** A connection that the network lets through is made within this. */
const STALE_MS = 1_000;
const REQUEST_TIMEOUT_MS = 10_000;

export type ErrorMessage = Extract<ServerMessage, { type: 'error' }>;
export type Welcome = Extract<ServerMessage, { type: 'welcome' }>;
export type Answer = Extract<ServerMessage, { type: 'answer' }>;
type Done = Extract<ServerMessage, { type: 'done' }>;
type AudienceList = Extract<ServerMessage, { type: 'audience_list' }>;
export type Reply = Answer | Done | AudienceList;

/** Why the conversation is over for good. */
export type End =
  | { kind: Exclude<ByeReason, 'shutdown'> }
  | { kind: 'refused'; code: string; message: string; hint: string };

export type SignalState =
  | { phase: 'idle' }
  /** `before`: was joined earlier, so this is a re-connection. `error`: what the last attempt said. */
  | { phase: 'connecting'; attempt: number; before: boolean; error: ErrorMessage | null }
  | { phase: 'joined' }
  | { phase: 'over'; end: End };

/** A request that the server refused or that got lost. `code` is the server's, or ours. */
export class RequestError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint = '',
  ) {
    super(message);
  }
}

type WithoutRequest<M> = M extends { request: number } ? Omit<M, 'request'> : never;
export type RequestMessage = WithoutRequest<ClientMessage>;

export interface SignalOptions {
  url: string;
  token: string;
  language: string;
  /** Every message after the join reply is checked; `welcome` comes here too. */
  onMessage: (message: ServerMessage) => void;
  createSocket?: (url: string) => WebSocket;
  random?: () => number;
}

interface Pending {
  resolve: (reply: Reply) => void;
  reject: (error: RequestError) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class Signal {
  readonly state = new Store<SignalState>({ phase: 'idle' });
  /** Last measured round trip of a ping, ms. */
  readonly rtt = new Store<number | null>(null);
  /** How many joins were sent since this page was loaded. */
  joins = 0;

  private socket: WebSocket | null = null;
  private attempt = 0;
  private joinedBefore = false;
  private lastError: ErrorMessage | null = null;
  private lastHeard = 0;
  private triedAt = 0;
  private nextRequest = 1;
  private pending = new Map<number, Pending>();
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private joinTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  private nudgeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: SignalOptions) {}

  start(): void {
    if (this.state.get().phase === 'idle') this.connect();
  }

  /** Sends when joined; says whether it did. */
  send(message: ClientMessage): boolean {
    if (this.state.get().phase !== 'joined' || !this.socket) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  request(message: RequestMessage): Promise<Reply> {
    const request = this.nextRequest++;
    return new Promise((resolve, reject) => {
      if (!this.send({ ...message, request } as ClientMessage)) {
        reject(new RequestError('connection_lost', 'not connected'));
        return;
      }
      const timer = setTimeout(
        () => this.settle(request)?.reject(new RequestError('timeout', `${message.type} was not answered`)),
        REQUEST_TIMEOUT_MS,
      );
      this.pending.set(request, { resolve, reject, timer });
    });
  }

  /** The page came back, or the network did (`moved`): try now, or find out soon that the socket is dead. */
  nudge(moved = false): void {
    const phase = this.state.get().phase;
    // An attempt that began before the network came back would wait for its own time-outs.
    const stale = this.socket?.readyState === 0 && Date.now() - this.triedAt > STALE_MS;
    if (phase === 'connecting' && (!this.socket || stale)) {
      if (stale) this.drop('tried again');
      this.attempt = 0;
      this.connect();
    } else if (phase === 'joined' && !this.nudgeTimer) {
      const before = this.lastHeard;
      this.ping();
      this.nudgeTimer = setTimeout(
        () => {
          this.nudgeTimer = undefined;
          if (this.lastHeard === before) this.lost();
        },
        moved ? MOVED_ANSWER_MS : NUDGE_ANSWER_MS,
      );
    }
  }

  /** Gives the seat up and ends for good. */
  leave(): void {
    this.send({ type: 'leave' });
    this.finish({ kind: 'left' });
  }

  private connect(): void {
    clearTimeout(this.retryTimer);
    this.state.set({
      phase: 'connecting',
      attempt: this.attempt,
      before: this.joinedBefore,
      error: this.lastError,
    });
    const create = this.options.createSocket ?? ((url: string) => new WebSocket(url));
    let socket: WebSocket;
    try {
      socket = create(this.options.url);
    } catch {
      this.retry();
      return;
    }
    this.socket = socket;
    this.triedAt = Date.now();
    this.joinTimer = setTimeout(() => this.lost(), JOIN_TIMEOUT_MS);
    // Events of a socket that was given up must not touch its successor.
    const mine = (handle: () => void) => () => {
      if (this.socket === socket) handle();
    };
    socket.onopen = mine(() => {
      this.joins += 1;
      const { token, language } = this.options;
      socket.send(JSON.stringify({ type: 'join', version: PROTOCOL_VERSION, token, language }));
    });
    socket.onclose = mine(() => this.lost());
    socket.onerror = mine(() => this.lost());
    socket.onmessage = (event: MessageEvent) => {
      if (this.socket === socket && typeof event.data === 'string') this.receive(event.data);
    };
  }

  private receive(text: string): void {
    this.lastHeard = Date.now();
    let message: ServerMessage;
    try {
      message = JSON.parse(text) as ServerMessage;
    } catch {
      return;
    }
    switch (message.type) {
      case 'welcome':
        this.joined();
        break;
      case 'answer':
      case 'done':
      case 'audience_list':
        this.settle(message.request)?.resolve(message);
        return;
      case 'error':
        this.refused(message);
        return;
      case 'pong':
        this.rtt.set(Math.max(0, Math.round(now() - message.sent)));
        return;
      case 'bye':
        if (message.reason === 'shutdown') this.move();
        else this.finish({ kind: message.reason });
        return;
    }
    this.options.onMessage(message);
  }

  private joined(): void {
    clearTimeout(this.joinTimer);
    this.attempt = 0;
    this.joinedBefore = true;
    this.lastError = null;
    clearInterval(this.pingTimer);
    this.pingTimer = setInterval(() => this.beat(), PING_EVERY_MS);
    this.state.set({ phase: 'joined' });
    this.ping();
  }

  private refused(error: ErrorMessage): void {
    if (error.fatal) {
      const { code, message, hint } = error;
      // Coming late to a lesson is no fault of anybody; and who was removed sees that, after a reload too.
      if (code === 'lesson_ended') this.finish({ kind: 'ended' });
      else if (code === 'kicked') this.finish({ kind: 'kicked' });
      else this.finish({ kind: 'refused', code, message, hint });
    } else if (error.request !== undefined) {
      this.settle(error.request)?.reject(new RequestError(error.code, error.message, error.hint));
    } else if (this.state.get().phase === 'connecting') {
      // Refused for now (busy, lesson not open yet): keep the reason for the page and try again.
      this.lastError = error;
      this.lost();
    } else {
      this.options.onMessage(error);
    }
  }

  private beat(): void {
    if (Date.now() - this.lastHeard > SILENCE_MS) this.lost();
    else this.ping();
  }

  private ping(): void {
    this.send({ type: 'ping', sent: now() });
  }

  private lost(): void {
    this.drop('the connection broke');
    if (this.state.get().phase !== 'over') this.retry();
  }

  private move(): void {
    this.drop('the server stops');
    this.retry(MOVE_WITHIN_MS * this.random());
  }

  private random(): number {
    return (this.options.random ?? Math.random)();
  }

  private retry(after?: number): void {
    this.attempt += 1;
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this.attempt - 1, 10));
    const jitter = 0.7 + 0.6 * this.random();
    this.state.set({
      phase: 'connecting',
      attempt: this.attempt,
      before: this.joinedBefore,
      error: this.lastError,
    });
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.connect(), after ?? wait * jitter);
  }

  private finish(end: End): void {
    if (this.state.get().phase === 'over') return;
    this.state.set({ phase: 'over', end });
    clearTimeout(this.retryTimer);
    this.drop('the lesson is over for this page');
  }

  private drop(why: string): void {
    clearTimeout(this.joinTimer);
    clearTimeout(this.nudgeTimer);
    clearInterval(this.pingTimer);
    this.nudgeTimer = undefined;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    for (const request of Array.from(this.pending.keys())) {
      this.settle(request)?.reject(new RequestError('connection_lost', why));
    }
  }

  private settle(request: number): Pending | undefined {
    const pending = this.pending.get(request);
    this.pending.delete(request);
    if (pending) clearTimeout(pending.timer);
    return pending;
  }
}

function now(): number {
  return performance.now();
}
