/**
 * How alike the sound that a page plays is to what its microphone takes up, delay by delay: generalised
 * cross-correlation with phase transform (Knapp and Carter 1976), block by block and added up with a memory
 * of about a second. What counts is the phase of each frequency alone, so that neither a loud voice beside
 * the echo nor the tones of a song say more than they know. People who say or sing the same words together
 * with a loudspeaker never have its phases; what comes out of it has.
 */
import { type ComplexArray, fft, ifft } from '@thi.ng/dsp';

/** Samples a second of all that is compared here. */
export const RATE = 8_000;
/** Samples of microphone in a block, and from one block to the next. */
const BLOCK = 2_048;
export const HOP = 1_024;
const SIZE = 8_192;
/** Samples that are kept for `shareAt`. */
const PAST = 2 * SIZE;
/** Delays that are compared, samples: all that a block and what was played before it allow. */
const LAGS = SIZE - BLOCK;
/** Loudspeaker, air, microphone and their buffers take so long, samples: 10 to 600 ms. */
const LEAST_LAG = 80;
const MOST_LAG = 4_800;
/** Hz. Below is hum, above what small loudspeakers and 8 kHz leave out. */
const LOWEST = 200;
const HIGHEST = 3_600;
/** Share of what was found that the next block keeps. */
const KEPT = 0.88;
/** Mean square of what is not quite silence: −60 dB of full scale. */
const SILENCE = 1e-6;

/** The delay at which both are most alike. */
export interface Peak {
  /** Samples. */
  lag: number;
  /** In standard deviations of all delays; what has nothing in common reaches about four. */
  height: number;
}

/** What was played and what came back at one delay, both without their lows: sums of squares and products. */
export interface Share {
  played: number;
  own: number;
  both: number;
}

export class Likeness {
  private readonly played = new Float64Array(PAST);
  private readonly own = new Float64Array(PAST);
  private readonly sum = new Float64Array(LAGS);
  private blocks = 0;

  /** Takes the next `HOP` samples of both. Says whether there was anything to compare. */
  push(played: Float32Array, own: Float32Array): boolean {
    slide(this.played, played);
    slide(this.own, own);
    if (power(this.played, PAST - 3 * BLOCK) < SILENCE) return false;
    if (power(this.own, PAST - BLOCK) < SILENCE / 10) return false;
    // One transform for both: what was played is the real part, the newest block of the microphone the other.
    const both: ComplexArray = [this.played.slice(PAST - SIZE), new Float64Array(SIZE)];
    for (let i = 0; i < BLOCK; i++) {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / BLOCK);
      both[1][SIZE - BLOCK + i] = (this.own[PAST - BLOCK + i] ?? 0) * hann;
    }
    this.add(fft(both));
    return true;
  }

  peak(): Peak | null {
    if (this.blocks < 2) return null;
    let [lag, highest, squares] = [0, 0, 0];
    for (let i = 0; i < LAGS; i++) {
      const value = this.sum[i] ?? 0;
      squares += value * value;
      if (value > highest && i >= LEAST_LAG && i < MOST_LAG) [lag, highest] = [i, value];
    }
    return { lag, height: highest / Math.sqrt(squares / LAGS + Number.MIN_VALUE) };
  }

  /** Of so many of the newest blocks (`HOP`) of the microphone, as far as they are kept. */
  shareAt(lag: number, blocks: number): Share {
    const share = { played: 0, own: 0, both: 0 };
    for (let i = Math.max(lag + 1, PAST - blocks * HOP); i < PAST; i++) {
      const p = (this.played[i - lag] ?? 0) - 0.9 * (this.played[i - lag - 1] ?? 0);
      const o = (this.own[i] ?? 0) - 0.9 * (this.own[i - 1] ?? 0);
      share.played += p * p;
      share.own += o * o;
      share.both += o * p;
    }
    return share;
  }

  /** What was found so far is of other sound than what comes now. */
  forget(): void {
    this.sum.fill(0);
    this.blocks = 0;
  }

  private add(spectrum: ComplexArray): void {
    const cross: ComplexArray = [new Float64Array(SIZE), new Float64Array(SIZE)];
    this.eachBin(spectrum, (bin, re, im) => {
      const size = Math.hypot(re, im) + Number.MIN_VALUE;
      cross[0][bin] = re / size;
      cross[1][bin] = im / size;
      cross[0][SIZE - bin] = re / size;
      cross[1][SIZE - bin] = -im / size;
    });
    const found = ifft(cross)[0];
    for (let i = 0; i < LAGS; i++) this.sum[i] = (this.sum[i] ?? 0) * KEPT + (found[i] ?? 0);
    this.blocks += 1;
  }

  /** The microphone's spectrum times the conjugate of what was played. */
  private eachBin([a, b]: ComplexArray, visit: (bin: number, re: number, im: number) => void): void {
    for (let k = Math.ceil((LOWEST * SIZE) / RATE); k < (HIGHEST * SIZE) / RATE; k++) {
      const [ar, ai] = [a[k] ?? 0, b[k] ?? 0];
      const [cr, ci] = [a[SIZE - k] ?? 0, b[SIZE - k] ?? 0];
      // Both were real: the even part of the spectrum is the one, the odd part the other.
      const [pr, pi] = [(ar + cr) / 2, (ai - ci) / 2];
      const [or, oi] = [(ai + ci) / 2, (cr - ar) / 2];
      visit(k, or * pr + oi * pi, oi * pr - or * pi);
    }
  }
}

function slide(line: Float64Array, newest: Float32Array): void {
  line.copyWithin(0, newest.length);
  const from = line.length - newest.length;
  newest.forEach((sample, i) => {
    line[from + i] = Number.isFinite(sample) ? sample : 0;
  });
}

function power(line: Float64Array, from: number): number {
  let sum = 0;
  for (let i = from; i < line.length; i++) sum += (line[i] ?? 0) ** 2;
  return sum / (line.length - from);
}
