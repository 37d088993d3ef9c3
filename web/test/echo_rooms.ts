/**
 * Made-up classrooms for the ear, as waveforms at 8 kHz: what a page plays and what its microphone takes up.
 *
 * Voices are pulses through formants, children have smaller mouths and higher pitch; songs are harmonics
 * on a beat; rooms are Schroeder's reverberators with a direct sound; a loudspeaker bends what is loud. Then
 * what the browser makes of the microphone: a canceller that leaves a residue in gusts, band by band, gain
 * control, noise suppression. A seed gives a case. Sound is made in steps, because the loudspeaker may be
 * turned down while it plays.
 */

export const RATE = 8_000;

/** What a classroom does with what it plays, and what else it hears. */
export const ECHOES = [
  /** Loudspeaker and microphone without any canceller. */
  'plain',
  /** The same among fans, chairs and children. */
  'noisy',
  /** What a canceller leaves, in gusts. */
  'residue',
  /** Its own people speak too, a third of the time. */
  'voices',
  /** The lead plays or sings. */
  'music',
  /** A bad line (what is played has holes), a gain control that pumps, a sound card that stumbles. */
  'bad-line',
] as const;

export const INNOCENT = [
  /** A full class and a good canceller. */
  'room',
  /** Both ends talk at once. */
  'double-talk',
  /** Question and answer. */
  'dialogue',
  /** Sentences said after the teacher. */
  'repeating',
  /** Text read aloud together with the loudspeaker. */
  'reading-along',
  /** A choir that sings what it hears, as it hears it. */
  'choir',
  /** Clapping to the music that it hears. */
  'clapping',
  /** The same programme on a television at both ends, up to 3 s apart; people speak a third of the time. */
  'programme',
  /** The same, and at a distance that an echo can have. */
  'near-programme',
] as const;

export type Kind = (typeof ECHOES)[number] | (typeof INNOCENT)[number];

export interface Room {
  /** The next samples; `volume` is the loudspeaker's. */
  step(samples: number, volume: number): { played: Float32Array; own: Float32Array };
  /** Whether its own people speak now or did half a second ago. */
  talks(): boolean;
}

/** A classroom of this kind for so many seconds. */
export function room(kind: Kind, seed: number, seconds: number): Room {
  const rng = new Rng(seed * 31 + 7 * [...ECHOES, ...INNOCENT].indexOf(kind) + 1);
  const n = seconds * RATE;
  const loud = -rng.between(16, 32);
  const lead = new Float32Array(n);
  const own = new Float32Array(n);
  /** Level of what comes back, dB; `null`: nothing. */
  let returns: number | null = null;
  let cancels = false;
  let voices: Float32Array | null = null;
  const delay = rng.between(0.05, 0.4);
  switch (kind) {
    case 'plain':
    case 'bad-line':
      add(lead, speech(rng, n, loud, adult(rng)));
      returns = -rng.between(0, 20);
      break;
    case 'noisy':
      add(lead, speech(rng, n, loud, adult(rng)));
      returns = -rng.between(3, 15);
      add(own, noise(rng, n, loud + returns - rng.between(8, 20)));
      add(own, chairs(rng, n, loud + returns - 6));
      break;
    case 'residue':
      add(lead, speech(rng, n, loud, adult(rng)));
      returns = -rng.between(6, 20);
      cancels = true;
      break;
    case 'voices':
      add(lead, speech(rng, n, loud, adult(rng)));
      returns = -rng.between(0, 12);
      voices = nowAndThen(rng, n, loud + returns + rng.between(-6, 6), 0.33);
      add(own, voices);
      break;
    case 'music':
      add(lead, new Song(rng, n).played(rng, n, loud));
      returns = -rng.between(0, 15);
      break;
    case 'room': {
      add(lead, speech(rng, n, loud, adult(rng)));
      returns = -rng.between(40, 50);
      cancels = true;
      const level = rng.between(-50, -35);
      add(own, noise(rng, n, level - 10));
      add(own, chairs(rng, n, level + 10));
      for (let i = 0; i < 4; i++) add(own, nowAndThen(rng, n, level - 6, 0.3));
      break;
    }
    case 'double-talk':
      add(lead, speech(rng, n, loud, adult(rng)));
      add(own, speech(rng, n, loud + rng.between(-10, 6), adult(rng)));
      break;
    case 'dialogue':
    case 'repeating': {
      const [teacher, pupil] = [adult(rng), child(rng)];
      let t = 0;
      while (t < seconds) {
        const length = rng.between(0.5, 2.6);
        const text = new Text(rng, length, true);
        place(lead, t, text.said(rng, loud, teacher));
        t += length + delay + rng.between(-0.1, 0.5);
        if (kind === 'repeating') place(own, t, chorus(rng, text, loud));
        else place(own, t, new Text(rng, length, false).said(rng, loud + rng.between(-6, 6), pupil));
        t += length + rng.between(-0.1, 0.6);
      }
      break;
    }
    case 'reading-along': {
      const text = new Text(rng, seconds, true);
      add(lead, text.said(rng, loud, adult(rng)));
      place(own, Math.max(0, delay + rng.between(-0.06, 0.25)), chorus(rng, text, loud));
      break;
    }
    case 'choir':
    case 'clapping': {
      const song = new Song(rng, n);
      add(lead, song.played(rng, n, loud));
      const late = delay + rng.between(-0.06, kind === 'choir' ? 0.25 : 0.04);
      place(own, Math.max(0, late), kind === 'choir' ? song.sung(rng, n, loud) : song.clapped(rng, n, loud));
      break;
    }
    case 'programme':
    case 'near-programme': {
      const whole = speech(rng, n + 6 * RATE, loud, adult(rng));
      if (rng.chance(0.5))
        add(whole, new Song(rng, whole.length).played(rng, whole.length, loud - rng.between(4, 15)));
      const apart = kind === 'programme' ? rng.between(-3, 3) : rng.between(0.05, 0.5);
      const at = (late: number) =>
        whole.subarray(Math.round((3 - late) * RATE), Math.round((3 - late) * RATE) + n);
      add(lead, reverberated(rng, at(-apart / 2)));
      add(own, reverberated(rng, at(apart / 2)));
      add(lead, nowAndThen(rng, n, loud + rng.between(-4, 8), 0.33));
      add(own, nowAndThen(rng, n, loud + rng.between(-4, 8), 0.33));
      break;
    }
  }
  if (kind.startsWith('repeating') || kind === 'reading-along' || kind === 'choir' || kind === 'clapping')
    own.set(new Hall(rng, 0.7, 0).all(own));
  // No room is silent.
  add(lead, noise(rng, n, rng.between(-72, -52)));
  add(own, noise(rng, n, rng.between(-72, -52)));
  if (kind !== 'room') {
    add(lead, chairs(rng, n, rng.between(-60, -42)));
    add(own, chairs(rng, n, rng.between(-60, -42)));
  }
  const bad = kind === 'bad-line';
  if (bad) holes(rng, lead);
  return new Made(lead, own, voices, {
    path: returns === null ? null : new Path(rng, delay, returns, bad, loud),
    canceller: cancels ? new Canceller(rng) : null,
    suppressor: bad || rng.chance(0.5) ? new Suppressor(rng) : null,
    gain: bad || rng.chance(0.5) ? new GainControl(rng, bad) : null,
  });
}

interface Chain {
  path: Path | null;
  canceller: Canceller | null;
  suppressor: Suppressor | null;
  gain: GainControl | null;
}

class Made implements Room {
  private at = 0;

  constructor(
    private readonly lead: Float32Array,
    private readonly near: Float32Array,
    private readonly voices: Float32Array | null,
    private readonly chain: Chain,
  ) {}

  step(samples: number, volume: number): { played: Float32Array; own: Float32Array } {
    const played = this.lead.slice(this.at, this.at + samples);
    const own = this.near.slice(this.at, this.at + samples);
    const { path, canceller, suppressor, gain } = this.chain;
    for (let i = 0; i < own.length; i++) {
      let back = path ? path.next((played[i] ?? 0) * volume) : 0;
      if (canceller) back = canceller.next(back);
      let sample = (own[i] ?? 0) + back;
      if (suppressor) sample = suppressor.next(sample);
      if (gain) sample = gain.next(sample);
      own[i] = Math.max(-1, Math.min(1, sample));
    }
    this.at += samples;
    return { played, own };
  }

  talks(): boolean {
    const { voices } = this;
    if (!voices) return false;
    return voices.subarray(Math.max(0, this.at - RATE / 2), this.at).some((sample) => sample !== 0);
  }
}

/** Small and always the same (SplitMix32). */
export class Rng {
  constructor(private state: number) {}

  unit(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 4294967296;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  chance(p: number): boolean {
    return this.unit() < p;
  }

  normal(sigma: number): number {
    let sum = 0;
    for (let i = 0; i < 6; i++) sum += this.unit();
    return (sum - 3) * Math.SQRT2 * sigma;
  }
}

const amplitude = (db: number) => 10 ** (db / 20);

function add(to: Float32Array, sound: Float32Array): void {
  const n = Math.min(to.length, sound.length);
  for (let i = 0; i < n; i++) to[i] = (to[i] ?? 0) + (sound[i] ?? 0);
}

function place(to: Float32Array, seconds: number, sound: Float32Array): void {
  const from = Math.round(seconds * RATE);
  if (from < to.length) add(to.subarray(from), sound);
}

/** Two poles: a formant, or a band. */
class Resonator {
  private a = 0;
  private b = 0;
  private gain = 1;
  private y1 = 0;
  private y2 = 0;

  tune(frequency: number, width: number): this {
    const r = Math.exp((-Math.PI * width) / RATE);
    this.a = 2 * r * Math.cos((2 * Math.PI * frequency) / RATE);
    this.b = -r * r;
    this.gain = 1 - r;
    return this;
  }

  next(x: number): number {
    const y = this.gain * x + this.a * this.y1 + this.b * this.y2;
    this.y2 = this.y1;
    this.y1 = y;
    return y;
  }
}

/** A person: pitch (Hz) and how long the mouth is (1: a man's). */
interface Voice {
  pitch: number;
  mouth: number;
}

const adult = (rng: Rng): Voice =>
  rng.chance(0.5) ? { pitch: rng.between(95, 140), mouth: 1 } : { pitch: rng.between(180, 240), mouth: 0.86 };
const child = (rng: Rng): Voice => ({ pitch: rng.between(230, 330), mouth: rng.between(0.68, 0.78) });

const VOWELS = [
  [800, 1200, 2500],
  [350, 2200, 2900],
  [350, 700, 2500],
  [550, 1800, 2500],
  [500, 900, 2400],
  [450, 1400, 2300],
] as const;

interface Syllable {
  at: number;
  length: number;
  loud: number;
  vowel: number;
  hiss: boolean;
  /** Of four: how the pitch goes. */
  tone: number;
}

/** Syllables in phrases; a teacher pauses to think, a text is read line by line. */
class Text {
  readonly syllables: Syllable[] = [];

  constructor(
    rng: Rng,
    readonly seconds: number,
    reading: boolean,
  ) {
    let t = rng.between(0, 0.3);
    while (t < seconds) {
      const end = t + (reading ? rng.between(1.2, 2.5) : rng.between(0.7, 3));
      const period = rng.between(0.17, 0.32);
      let loud = rng.normal(1.5);
      while (t < end && t < seconds) {
        const lasts = period * rng.between(0.7, 1.35);
        this.syllables.push({
          at: t,
          length: lasts * rng.between(0.45, 0.8),
          loud: loud + rng.normal(3),
          vowel: Math.floor(rng.between(0, VOWELS.length)),
          hiss: rng.chance(0.6),
          tone: Math.floor(rng.between(0, 4)),
        });
        loud -= 0.4;
        t += lasts;
      }
      const thinks = !reading && rng.chance(0.15);
      t += thinks ? rng.between(0.8, 1.8) : reading ? rng.between(0.3, 0.6) : rng.between(0.2, 0.7);
    }
  }

  /** By this voice; `unsteady`: s by which each syllable comes early or late. */
  said(rng: Rng, level: number, voice: Voice, unsteady = 0): Float32Array {
    const out = new Float32Array(Math.round((this.seconds + 0.6) * RATE));
    const formants = [new Resonator(), new Resonator(), new Resonator()];
    let phase = rng.unit();
    for (const { at, length, loud, vowel, hiss, tone } of this.syllables) {
      const begin = Math.max(0, at + (unsteady ? rng.normal(unsteady) : 0));
      (VOWELS[vowel] ?? VOWELS[0]).forEach((f, i) => {
        formants[i]?.tune((f / voice.mouth) * (1 + rng.normal(0.03)), 70 + 30 * i);
      });
      const peak = amplitude(level + loud);
      if (hiss) {
        const quieter = amplitude(level + loud - rng.between(8, 22));
        const long = Math.round(rng.between(0.02, 0.07) * RATE);
        const from = Math.round(begin * RATE) - long;
        let before = 0;
        for (let i = Math.max(0, -from); i < long && from + i < out.length; i++) {
          const white = rng.between(-1, 1);
          out[from + i] = (out[from + i] ?? 0) + (white - before) * 1.2 * quieter;
          before = white;
        }
      }
      const rise = rng.between(0.01, 0.04);
      const fades = rng.between(0.03, 0.08);
      const whole = Math.round((length + fades) * RATE);
      const from = Math.round(begin * RATE);
      for (let i = 0; i < whole && from + i < out.length; i++) {
        const s = i / RATE;
        const bend = [0, 0.25, -0.1, -0.3][tone] ?? 0;
        const pitch = voice.pitch * (1 + bend * (s / length - 0.5) + rng.normal(0.01));
        phase += pitch / RATE;
        const pulse = phase >= 1 ? 1 : 0;
        if (pulse) phase -= 1;
        // About as loud as full scale at 0 dB: a pulse has the energy of its whole period.
        const source = pulse * Math.sqrt(RATE / voice.pitch) * 3 + rng.between(-0.15, 0.15);
        let sample = 0;
        for (const formant of formants) sample += formant.next(source);
        const shape = Math.min(1, s / rise) * (s < length ? 1 : 1 - (s - length) / fades);
        out[from + i] = (out[from + i] ?? 0) + sample * shape * peak;
      }
    }
    return out;
  }
}

function speech(rng: Rng, n: number, level: number, voice: Voice): Float32Array {
  const out = new Float32Array(n);
  add(out, new Text(rng, n / RATE, false).said(rng, level, voice));
  return out;
}

/** The same words by a class: all a little unsteady, each child for itself. */
function chorus(rng: Rng, text: Text, level: number): Float32Array {
  const children = 6;
  const out = new Float32Array(Math.round((text.seconds + 0.6) * RATE));
  const apart = rng.between(0.02, 0.06);
  for (let i = 0; i < children; i++)
    add(out, text.said(rng, level - 10 * Math.log10(children), child(rng), apart));
  return out;
}

/** Speech in turns of 1–4 s that take this share of the time; the first turn may be at once. */
function nowAndThen(rng: Rng, n: number, level: number, share: number): Float32Array {
  const out = speech(rng, n, level, rng.chance(0.5) ? adult(rng) : child(rng));
  let on = !rng.chance(share);
  let left = 0;
  for (let i = 0; i < n; i++) {
    if (left-- <= 0) {
      on = !on;
      left = rng.between(1, 4) * RATE * (on ? 1 : (1 - share) / share);
    }
    if (!on) out[i] = 0;
  }
  return out;
}

/** Notes of a pentatonic tune on a beat. */
class Song {
  private readonly notes: { at: number; length: number; loud: number; pitch: number }[] = [];
  private readonly beat: number;

  constructor(rng: Rng, n: number) {
    this.beat = 60 / rng.between(70, 140);
    const root = rng.between(220, 330);
    let t = rng.between(0, this.beat);
    let step = 0;
    let passed = 0;
    while (t < n / RATE) {
      const lasts = [0.5, 0.5, 1, 1, 1, 1.5, 2][Math.floor(rng.between(0, 7))] ?? 1;
      step = Math.max(-3, Math.min(6, step + Math.floor(rng.between(-2, 3))));
      const tone = [0, 2, 4, 7, 9][((step % 5) + 5) % 5] ?? 0;
      const pitch = root * 2 ** ((tone + 12 * Math.floor(step / 5)) / 12);
      const breath = passed % 16 >= 14.5 && rng.chance(0.7);
      if (!breath) this.notes.push({ at: t, length: this.beat * lasts, loud: rng.normal(2), pitch });
      t += this.beat * lasts;
      passed += lasts;
    }
  }

  /** By a piano, which dies away, or by a voice or organ, which stands. */
  played(rng: Rng, n: number, level: number): Float32Array {
    return this.by(rng, n, level, rng.chance(0.5) ? { dies: rng.between(2, 6) } : { dies: 0 }, 0, 1);
  }

  sung(rng: Rng, n: number, level: number): Float32Array {
    const out = new Float32Array(n);
    const children = 8;
    const apart = rng.between(0.025, 0.07);
    for (let i = 0; i < children; i++) {
      const detuned = 2 ** (rng.normal(20) / 1200);
      add(out, this.by(rng, n, level - 10 * Math.log10(children), { dies: 0 }, apart, detuned));
    }
    return out;
  }

  clapped(rng: Rng, n: number, level: number): Float32Array {
    const out = new Float32Array(n);
    for (let t = this.notes[0]?.at ?? 0; t < n / RATE; t += this.beat) {
      for (let child = 0; child < 12; child++)
        place(out, Math.max(0, t + rng.normal(0.03)), burst(rng, level - 6, 0.012));
    }
    return out;
  }

  private by(
    rng: Rng,
    n: number,
    level: number,
    { dies }: { dies: number },
    apart: number,
    detuned: number,
  ): Float32Array {
    const out = new Float32Array(n);
    const vibrato = dies ? 0 : rng.between(0.002, 0.012);
    const wobble = rng.between(4.5, 6.5);
    const parts = [1, 2, 3, 4, 5, 6, 7, 8].map((k) => ({
      k,
      loud: amplitude(-6 * Math.log2(k) + rng.normal(4)),
    }));
    for (const note of this.notes) {
      const from = Math.round(
        Math.max(0, note.at + rng.normal(0.008) + (apart ? rng.normal(apart) : 0)) * RATE,
      );
      const whole = Math.round(note.length * rng.between(0.8, 1) * RATE);
      const pitch = note.pitch * detuned * 2 ** (rng.normal(4) / 1200);
      let phase = rng.unit();
      for (let i = 0; i < whole && from + i < n; i++) {
        const s = i / RATE;
        phase += (pitch * (1 + vibrato * Math.sin(2 * Math.PI * wobble * s))) / RATE;
        let sample = 0;
        for (const { k, loud } of parts) {
          if (k * pitch < RATE / 2) sample += loud * Math.sin(2 * Math.PI * k * phase);
        }
        const ends = Math.min(1, (whole - i) / (0.05 * RATE));
        const shape = Math.min(1, s / (dies ? 0.008 : 0.05)) * ends * Math.exp(-dies * s);
        out[from + i] = (out[from + i] ?? 0) + sample * shape * amplitude(level + note.loud);
      }
    }
    return out;
  }
}

function burst(rng: Rng, level: number, seconds: number): Float32Array {
  const out = new Float32Array(Math.round(6 * seconds * RATE));
  for (let i = 0; i < out.length; i++)
    out[i] = rng.between(-1.7, 1.7) * amplitude(level) * Math.exp(-i / (seconds * RATE));
  return out;
}

/** Fans and street: more low than high. */
function noise(rng: Rng, n: number, level: number): Float32Array {
  const out = new Float32Array(n);
  let low = 0;
  for (let i = 0; i < n; i++) {
    low = 0.8 * low + rng.between(-1, 1);
    out[i] = low * 1.04 * amplitude(level);
  }
  return out;
}

/** Chairs, coughs, doors. */
function chairs(rng: Rng, n: number, level: number): Float32Array {
  const out = new Float32Array(n);
  for (let t = rng.between(0, 4); t < n / RATE; t += rng.between(0.5, 6))
    place(out, t, burst(rng, level + rng.normal(4), rng.between(0.01, 0.1)));
  return out;
}

/** Lost packets: 20 ms each, now and then several. */
function holes(rng: Rng, sound: Float32Array): void {
  const loss = rng.between(0.01, 0.06);
  for (let i = 0; i < sound.length; i += 160) if (rng.chance(loss)) sound.fill(0, i, i + 160);
}

/** A room: a direct sound and Schroeder's reverberator; `direct` dB of the one over the other. */
class Hall {
  private readonly combs: { line: Float32Array; at: number; back: number; low: number }[];
  private readonly passes: { line: Float32Array; at: number }[];
  private readonly early: number;
  private readonly late: number;

  constructor(rng: Rng, t60: number, direct: number) {
    this.combs = [0.0297, 0.0371, 0.0411, 0.0437].map((base) => {
      const delay = base * rng.between(0.8, 1.25);
      return {
        line: new Float32Array(Math.round(delay * RATE)),
        at: 0,
        back: 10 ** ((-3 * delay) / t60),
        low: 0,
      };
    });
    this.passes = [0.005, 0.0017].map((base) => {
      return { line: new Float32Array(Math.round(base * rng.between(0.8, 1.25) * RATE)), at: 0 };
    });
    const share = 10 ** (direct / 10) / (1 + 10 ** (direct / 10));
    this.early = Math.sqrt(share);
    // So that the reverberation of steady noise has its share of the power.
    const back = 10 ** ((-3 * 0.0379) / t60);
    this.late = Math.sqrt((1 - share) * (1 - back * back)) / 2;
  }

  next(x: number): number {
    let late = 0;
    for (const comb of this.combs) {
      const out = comb.line[comb.at] ?? 0;
      comb.low = 0.8 * out + 0.2 * comb.low;
      comb.line[comb.at] = x + comb.low * comb.back;
      comb.at = (comb.at + 1) % comb.line.length;
      late += out;
    }
    for (const pass of this.passes) {
      const out = pass.line[pass.at] ?? 0;
      const y = out - 0.7 * late;
      pass.line[pass.at] = late + 0.7 * y;
      pass.at = (pass.at + 1) % pass.line.length;
      late = y;
    }
    return this.early * x + this.late * late;
  }

  all(sound: Float32Array): Float32Array {
    return sound.map((x) => this.next(x));
  }
}

function reverberated(rng: Rng, sound: Float32Array): Float32Array {
  return new Hall(rng, rng.between(0.3, 0.9), rng.between(-3, 3)).all(sound);
}

/** From the page to its microphone: buffers, a loudspeaker that bends, the room; and clocks that differ. */
class Path {
  private readonly line = new Float32Array(2 * RATE);
  private at = 0;
  private late: number;
  private readonly drift: number;
  private readonly hall: Hall;
  private readonly gain: number;
  private readonly bends: number;

  constructor(
    private readonly rng: Rng,
    delay: number,
    level: number,
    private readonly stumbles: boolean,
    loud: number,
  ) {
    this.late = delay * RATE;
    this.drift = rng.between(-80e-6, 80e-6);
    this.hall = new Hall(rng, rng.between(0.3, 1.1), rng.between(-4, 6));
    this.gain = amplitude(level);
    this.bends = rng.chance(0.5) ? 1 / amplitude(loud + 12) : 0;
  }

  next(x: number): number {
    this.line[this.at % this.line.length] = x;
    this.at += 1;
    this.late += this.drift;
    if (this.stumbles && this.rng.chance(1 / (5 * RATE))) this.late += this.rng.between(-0.01, 0.01) * RATE;
    const place = Math.max(0, this.at - 1 - this.late);
    const whole = Math.floor(place);
    const part = place - whole;
    const length = this.line.length;
    const heard =
      (this.line[whole % length] ?? 0) * (1 - part) + (this.line[(whole + 1) % length] ?? 0) * part;
    const bent = this.bends ? Math.tanh(heard * this.bends) / this.bends : heard;
    return this.hall.next(bent) * this.gain;
  }
}

/** Bands of an octave or less, each with a gain of its own. */
class Bands {
  private readonly filters: Resonator[];

  constructor(private readonly centres: readonly number[]) {
    this.filters = centres.map((f) => new Resonator().tune(f, f * 0.5));
  }

  next(x: number, gains: Float64Array): number {
    let rest = x;
    for (let i = 0; i < this.centres.length; i++) {
      const band = (this.filters[i]?.next(x) ?? 0) * 1.5;
      rest += band * ((gains[i] ?? 1) - 1);
    }
    return rest;
  }
}

const CENTRES = [300, 550, 900, 1400, 2100, 3000] as const;

/** What a canceller lets through: its suppression wanders in each band, and now and then takes all. */
class Canceller {
  private readonly bands = new Bands(CENTRES);
  private readonly gains = new Float64Array(CENTRES.length).fill(1);
  private readonly wander = new Float64Array(CENTRES.length);
  private readonly sigma: number;
  private readonly often: number;
  private shut = 0;
  private count = 0;

  constructor(private readonly rng: Rng) {
    this.sigma = rng.between(3, 6);
    this.often = rng.between(0.1, 0.5);
  }

  next(x: number): number {
    // Each 4 ms; wanders within half a second (Ornstein-Uhlenbeck).
    if (this.count++ % 32 === 0) {
      const common = this.rng.normal(this.sigma * 0.09);
      for (let i = 0; i < this.gains.length; i++) {
        const w = this.wander[i] ?? 0;
        this.wander[i] = w - w / 125 + common + this.rng.normal(this.sigma * 0.09);
        this.gains[i] = amplitude(Math.min(3, this.wander[i] ?? 0));
      }
      if (this.shut > 0) this.shut -= 1;
      else if (this.rng.chance(this.often / 250)) this.shut = Math.round(this.rng.between(20, 90));
    }
    return this.bands.next(x, this.gains) * (this.shut > 0 ? 0.056 : 1);
  }
}

/** In each band what is near its floor sinks. */
class Suppressor {
  private readonly bands = new Bands(CENTRES);
  private readonly probes = CENTRES.map((f) => new Resonator().tune(f, f * 0.5));
  private readonly gains = new Float64Array(CENTRES.length).fill(1);
  private readonly power = new Float64Array(CENTRES.length);
  private readonly floor = new Float64Array(CENTRES.length).fill(1e-6);
  private readonly by: number;
  private count = 0;

  constructor(rng: Rng) {
    this.by = rng.between(6, 15);
  }

  next(x: number): number {
    for (let i = 0; i < this.power.length; i++) {
      const band = this.probes[i]?.next(x) ?? 0;
      this.power[i] = (this.power[i] ?? 0) * 0.995 + band * band * 0.005;
    }
    if (this.count++ % 32 === 0) {
      for (let i = 0; i < this.gains.length; i++) {
        const [p, f] = [this.power[i] ?? 0, this.floor[i] ?? 0];
        this.floor[i] = p < f ? f + (p - f) * 0.2 : f * 1.002;
        const above = Math.max(0, Math.min(1, (10 * Math.log10((p + 1e-12) / (f + 1e-12))) / 8));
        this.gains[i] = amplitude(-this.by * (1 - above));
      }
    }
    return this.bands.next(x, this.gains);
  }
}

/** Brings speech to about −20 dB of full scale: fast down, slowly up. */
class GainControl {
  private gain = 0;
  private heard = -60;
  private power = 0;
  private count = 0;
  private factor = 1;
  private readonly aim: number;
  private readonly up: number;

  constructor(rng: Rng, pumps: boolean) {
    this.aim = rng.between(-26, -18);
    this.up = (pumps ? 6 : rng.between(1, 5)) / 1000;
  }

  next(x: number): number {
    this.power = this.power * 0.98 + x * x * 0.02;
    if (this.count++ % 8 === 0) {
      const level = 10 * Math.log10(this.power + 1e-12);
      this.heard += (level - this.heard) * (level > this.heard ? 0.05 : 0.002);
      if (this.heard + this.gain > this.aim) this.gain -= this.up * 8;
      else if (this.heard > -55 && this.gain < 20) this.gain += this.up;
      this.factor = amplitude(this.gain);
    }
    return x * this.factor;
  }
}
