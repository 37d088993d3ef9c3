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

export class EchoListener {
  private context: AudioContext | null = null;
  private tap: AudioWorkletNode | null = null;
  private sources: { track: MediaStreamTrack; side: number; node: MediaStreamAudioSourceNode }[] = [];
  private mic: MediaStreamTrack | null = null;
  private played: readonly MediaStreamTrack[] = [];
  private readonly ear: Ear;
  private turn = Promise.resolve();
  /** Where the browser has no such thing, or it failed once. */
  private unable = typeof AudioWorkletNode === 'undefined';

  constructor(private readonly listens: Listens) {
    this.ear = new Ear((volume) => listens.turn(volume));
  }

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
    // A context that is to stop and to go on at once may stop for good: one after the other.
    this.turn = this.turn.then(() => this.follow());
  }

  /** Runs while there is a microphone: a weak board shall not calculate for nothing. */
  private async follow(): Promise<void> {
    if (this.unable) return;
    try {
      if (this.mic) {
        this.context ??= new AudioContext();
        this.tap ??= await this.makeTap(this.context);
        await this.context.resume();
        this.connect();
      } else {
        await this.context?.suspend();
      }
    } catch {
      this.unable = true;
    }
  }

  private async makeTap(context: AudioContext): Promise<AudioWorkletNode> {
    await context.audioWorklet.addModule(tapUrl);
    const tap = new AudioWorkletNode(context, 'tap', {
      numberOfInputs: 2,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    const rates = [new Resampler(context.sampleRate, RATE), new Resampler(context.sampleRate, RATE)] as const;
    const [played, own]: [number[], number[]] = [[], []];
    const next = (waiting: number[]) => Float32Array.from(waiting.splice(0, HOP));
    tap.port.onmessage = ({ data }: MessageEvent<Piece>) => {
      rates[0].push(data.played, (sample) => played.push(sample));
      rates[1].push(data.own, (sample) => own.push(sample));
      while (played.length >= HOP && own.length >= HOP) {
        const [before, after] = [next(played), next(own)];
        const late = (context.currentTime - data.end) * RATE + played.length;
        if (this.mic && this.ear.hear(before, after, Math.max(0, late))) this.listens.found();
      }
    };
    return tap;
  }

  /** Brings the sources of the tap in line with what is played and said. */
  private connect(): void {
    const { context, tap } = this;
    if (!context || !tap) return;
    const wanted = this.mic
      ? [...this.played.map((track) => ({ track, side: 0 })), { track: this.mic, side: 1 }]
      : [];
    this.sources = this.sources.filter((source) => {
      const kept = wanted.some((one) => one.track === source.track && one.side === source.side);
      if (!kept) source.node.disconnect();
      return kept;
    });
    for (const { track, side } of wanted) {
      if (this.sources.some((source) => source.track === track && source.side === side)) continue;
      const node = context.createMediaStreamSource(new MediaStream([track]));
      node.connect(tap, 0, side);
      this.sources.push({ track, side, node });
    }
  }
}
