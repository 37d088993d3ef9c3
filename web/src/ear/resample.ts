/** Sound at whatever rate a device has, brought to a lower one: each sample is the mean of what it covers. */
export class Resampler {
  /** Of the sample that is being filled: what was added up, and how much of it is there. */
  private sum = 0;
  private filled = 0;
  private readonly covers: number;

  constructor(from: number, to: number) {
    this.covers = from / to;
  }

  /** Calls `put` for each sample that is complete. */
  push(samples: Float32Array, put: (sample: number) => void): void {
    for (const sample of samples) {
      const part = Math.min(1, this.covers - this.filled);
      this.sum += sample * part;
      this.filled += 1;
      if (this.filled < this.covers) continue;
      put(this.sum / this.covers);
      this.filled -= this.covers;
      this.sum = sample * this.filled;
    }
  }
}
