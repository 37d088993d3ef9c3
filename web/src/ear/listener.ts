/**
 * Listens to what this page plays and to its open microphone, and says when the one gets into the other
 * (`Ear`). The sound that is sent and the sound that is played go their own ways: this is a tap on both.
 */
import { Ear } from './ear';
import { HOP, RATE } from './likeness';
import { Resampler } from './resample';
import tapUrl from './tap.worklet.js?url';

interface Piece {
  played: Float32Array;
  own: Float32Array;
  /** When its last sample was, on the context's clock, s. */
  end: number;
}

export interface Listens {
  /** Sets the loudspeaker, 0 to 1. */
  turn(volume: number): void;
  /** An echo was found. */
  found(): void;
}

/** A loudspeaker that is turned down is turned up again after this, whatever happens to the sound's clock. */
const NEVER_LONGER_MS = 4_000;
/** A machine that was busy for so long (samples) shall not judge what it has missed. */
const TOO_LATE = RATE;

/** To begin takes an old board some tens of ms, which a class that was just called on needs for its picture. */
const BEGIN_MS = 400;

export class EchoListener {
  private context: AudioContext | null = null;
  private tap: AudioWorkletNode | null = null;
  private sources: { track: MediaStreamTrack; side: number; node: MediaStreamAudioSourceNode }[] = [];
  private mic: MediaStreamTrack | null = null;
  private played: readonly MediaStreamTrack[] = [];
  private readonly ear = new Ear((volume) => this.turn(volume));
  private beginning: ReturnType<typeof setTimeout> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Where the browser has no such thing, or it failed once. */
  private unable = typeof AudioWorkletNode === 'undefined';

  constructor(private readonly listens: Listens) {}

  /** The tracks that are played from now on. */
  setPlayed(tracks: readonly MediaStreamTrack[]): void {
    this.played = tracks;
    this.connect();
  }

  /** The microphone while it is open; `null`: nothing to listen to. */
  setMic(track: MediaStreamTrack | null): void {
    if (track === this.mic) return;
    this.mic = track;
    this.ear.forget();
    this.connect();
    clearTimeout(this.beginning);
    if (track) this.beginning = setTimeout(() => void this.start(), this.context ? 0 : BEGIN_MS);
  }

  /** Sound may start now. */
  wake(): void {
    // Not waited for: as long as the browser wants a tap first, it does not answer.
    if (this.mic) void this.context?.resume().catch(() => undefined);
  }

  /**
   * From the first open microphone on the context runs: suspended and resumed in one breath, some browsers leave it
   * suspended. Without sources the tap hands on nothing, so a closed microphone costs next to nothing.
   */
  private async start(): Promise<void> {
    if (this.unable || this.context) {
      this.wake();
      return;
    }
    try {
      this.context = this.makeContext();
      this.wake();
      this.tap = await this.makeTap(this.context);
      this.connect();
    } catch {
      this.giveUp();
    }
  }

  private makeContext(): AudioContext {
    // It plays nothing and would cost less without a loudspeaker (`sinkId: none`), but then its clock is made up, and a
    // television was taken for an echo.
    const context = new AudioContext();
    // A call that came in, a device that went: what is known of the sound is not true any more.
    context.onstatechange = () => {
      this.ear.forget();
      if (context.state !== 'running') this.wake();
    };
    return context;
  }

  private async makeTap(context: AudioContext): Promise<AudioWorkletNode> {
    await context.audioWorklet.addModule(tapUrl);
    const tap = new AudioWorkletNode(context, 'tap', {
      numberOfInputs: 2,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    tap.onprocessorerror = () => this.giveUp();
    const rates = [new Resampler(context.sampleRate, RATE), new Resampler(context.sampleRate, RATE)] as const;
    const [played, own]: [number[], number[]] = [[], []];
    const next = (waiting: number[]) => Float32Array.from(waiting.splice(0, HOP));
    tap.port.onmessage = ({ data }: MessageEvent<Piece>) => {
      const behind = Math.max(0, (context.currentTime - data.end) * RATE);
      if (behind > TOO_LATE) {
        played.length = 0;
        own.length = 0;
        this.ear.forget();
        return;
      }
      rates[0].push(data.played, (sample) => played.push(sample));
      rates[1].push(data.own, (sample) => own.push(sample));
      while (played.length >= HOP && own.length >= HOP) {
        const [before, after] = [next(played), next(own)];
        if (this.mic && this.ear.hear(before, after, behind + played.length)) this.listens.found();
      }
    };
    return tap;
  }

  private turn(volume: number): void {
    clearTimeout(this.timer);
    this.listens.turn(volume);
    if (volume < 1) this.timer = setTimeout(() => this.ear.forget(), NEVER_LONGER_MS);
  }

  private giveUp(): void {
    this.unable = true;
    this.ear.forget();
  }

  /** Brings the sources of the tap in line with what is played and said. */
  private connect(): void {
    const { context, tap } = this;
    if (!context || !tap) return;
    const listens = this.mic && !this.unable;
    const played = this.played.map((track) => ({ track, side: 0 }));
    const wanted = listens && this.mic ? [...played, { track: this.mic, side: 1 }] : [];
    this.sources = this.sources.filter((source) => {
      const kept = wanted.some((one) => one.track === source.track && one.side === source.side);
      if (!kept) source.node.disconnect();
      return kept;
    });
    for (const { track, side } of wanted) {
      if (this.sources.some((source) => source.track === track && source.side === side)) continue;
      try {
        const node = context.createMediaStreamSource(new MediaStream([track]));
        node.connect(tap, 0, side);
        this.sources.push({ track, side, node });
      } catch {
        // Some browsers refuse a track of another rate.
        this.giveUp();
        return;
      }
    }
  }
}
