/**
 * Does this page's loudspeaker get into its own microphone? Pure: sound in, a verdict out.
 *
 * What is played and what is taken up are compared (`Likeness`). Once one delay stands out, and what comes
 * back is loud enough to be heard by the others, there is one question left: is it the loudspeaker, or a
 * television with the same programme as the teacher's? So the page turns its loudspeaker down for a moment.
 * What comes out of it falls by as much; a programme does not, and is then known by its delay.
 */
import { HOP, Likeness, RATE, type Share } from './likeness';

/** What the loudspeaker is turned down to: −14 dB, a voice that can still be followed. */
export const TURNED_DOWN = 0.2;
/**
 * Height of a peak that deserves a look (standard deviations), and on how many looks in a row. Then most of what the
 * microphone takes up has to come from the loudspeaker, as a correlation: two tones that happen to fit have high
 * peaks too, but little in common. Where its own people drown it, only a very high peak will do.
 */
const STANDS_OUT = 8;
const LOOKS = 2;
const IN_COMMON = 0.38;
const FAR_OUT = 35;
const LEAST_IN_COMMON = 0.05;
/** A delay is the same as long as it moves by less, samples (2 ms). */
const SAME = 16;
/** Returned at less than this, it is not heard: a canceller did its work. */
const LEAST_GAIN = 0.025;
/** Turned down, an echo keeps less than this of its gain. */
const FALLS = 0.6;
/** Blocks with sound that are enough to say that it fell, and that it did not; and how many to wait for them. */
const ENOUGH = 4;
const AT_MOST = 7;
const PATIENCE = RATE / HOP;
/** So many samples later than its delay, what is taken up was played after the loudspeaker was turned. */
const SLACK = HOP;
/** Blocks whose gain is what it was before, at most. */
const MEMORY = 8;
/** What did not fall is let be for so many blocks, the next time for twice as many; at most so often. */
const LET_BE = (2.5 * RATE) / HOP;
const DOUBLED = 5;
/** After an echo was found and nobody closed the microphone, it is not looked for again for so many blocks. */
const REST = (20 * RATE) / HOP;

/** The loudspeaker is turned down. */
interface Trial {
  lag: number;
  /** Before it. */
  gain: number;
  /** Samples since the loudspeaker was turned, less what it takes until that is heard. */
  heard: number;
  /** What that takes, blocks: also when it is turned up again. */
  echoes: number;
  /** Blocks since then. */
  age: number;
  shares: Share[];
}

/** What sounds like an echo and did not fall; or did, once since. */
interface Programme {
  lag: number;
  times: number;
  until: number;
  fell: boolean;
}

export class Ear {
  private readonly likeness = new Likeness();
  private suspect: { lag: number; looks: number } | null = null;
  private trial: Trial | null = null;
  /** Whatever did not fall when it was tried. */
  private readonly programmes: Programme[] = [];
  private blocks = 0;
  private restsUntil = 0;
  /** Blocks since the loudspeaker is heard as it was, or anything else changed; before that negative. */
  private since = 0;

  /** `turn` sets the loudspeaker: 1 or `TURNED_DOWN`. */
  constructor(private readonly turn: (volume: number) => void) {}

  /**
   * The next `HOP` samples at `RATE` of what is played and what is taken up, which ended `late` samples ago.
   * True: an echo.
   */
  hear(played: Float32Array, own: Float32Array, late = 0): boolean {
    this.blocks += 1;
    this.since += 1;
    const sounds = this.likeness.push(played, own);
    if (this.trial) return this.judge(this.trial, sounds);
    if (sounds && this.since > 0 && this.blocks >= this.restsUntil) this.look(late);
    return false;
  }

  /** The microphone was closed, or is another one. */
  forget(): void {
    this.restsUntil = 0;
    this.programmes.length = 0;
    this.begin();
  }

  private begin(): void {
    this.since = 0;
    if (this.trial) {
      this.since = -this.trial.echoes;
      this.turn(1);
    }
    this.trial = null;
    this.suspect = null;
    this.likeness.forget();
  }

  private look(late: number): void {
    const peak = this.likeness.peak();
    if (!peak || !(peak.height >= STANDS_OUT) || (this.programmeAt(peak.lag)?.until ?? 0) > this.blocks) {
      this.suspect = null;
      return;
    }
    const { lag } = peak;
    const same = this.suspect !== null && Math.abs(this.suspect.lag - lag) < SAME;
    this.suspect = { lag, looks: same ? (this.suspect?.looks ?? 0) + 1 : 1 };
    const share = this.likeness.shareAt(lag, Math.min(MEMORY, this.since));
    const gain = gainOf([share]);
    const common = share.both / Math.sqrt(share.played * share.own + Number.MIN_VALUE);
    const standsOut = common > IN_COMMON || (peak.height > FAR_OUT && common > LEAST_IN_COMMON);
    if (!standsOut || this.suspect.looks < LOOKS || gain < LEAST_GAIN) return;
    const takes = lag + SLACK + late;
    this.trial = { lag, gain, heard: -takes, echoes: Math.ceil(takes / HOP), age: 0, shares: [] };
    this.turn(TURNED_DOWN);
  }

  private judge(trial: Trial, sounds: boolean): boolean {
    trial.age += 1;
    if (sounds && trial.heard >= 0) trial.shares.push(this.likeness.shareAt(trial.lag, 1));
    trial.heard += HOP;
    const waited = trial.age > PATIENCE + trial.echoes;
    if (trial.shares.length < ENOUGH) {
      // Too little was to be heard, for whatever reason.
      if (waited) this.begin();
      return false;
    }
    const fell = gainOf(trial.shares) < trial.gain * FALLS;
    if (!fell && trial.shares.length < AT_MOST && !waited) return false;
    this.begin();
    const echo = this.fell(trial.lag, fell);
    if (echo) this.restsUntil = this.blocks + REST;
    return echo;
  }

  /** A programme may pause just then: what once did not fall has to fall twice in a row. */
  private fell(lag: number, fell: boolean): boolean {
    const known = this.programmeAt(lag);
    if (fell && (!known || known.fell)) return true;
    const programme = known ?? { lag, times: 0, until: 0, fell };
    if (!known) this.programmes.push(programme);
    programme.fell = fell;
    if (fell) return false;
    programme.until = this.blocks + LET_BE * 2 ** Math.min(programme.times, DOUBLED);
    programme.times += 1;
    return false;
  }

  private programmeAt(lag: number): Programme | undefined {
    return this.programmes.find((one) => Math.abs(one.lag - lag) < SAME);
  }
}

function gainOf(shares: readonly Share[]): number {
  const sum = (pick: (share: Share) => number) => shares.reduce((all, one) => all + pick(one), 0);
  return sum((one) => one.both) / (sum((one) => one.played) + Number.MIN_VALUE);
}
