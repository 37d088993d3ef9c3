/**
 * Loudness of a microphone for a meter: 0 to 1 over −60 to 0 dB full scale. Runs only while somebody
 * looks; never on the path of the sound that is sent.
 */
export interface LevelMeter {
  read(): number;
  stop(): void;
}

const FLOOR_DB = -60;

/** `null` where the browser has no Web Audio or will not start it yet. */
export function meter(track: MediaStreamTrack): LevelMeter | null {
  if (typeof AudioContext === 'undefined') return null;
  const context = new AudioContext();
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    read() {
      if (context.state === 'suspended') void context.resume().catch(() => undefined);
      analyser.getFloatTimeDomainData(samples);
      return loudness(samples);
    },
    stop() {
      source.disconnect();
      void context.close().catch(() => undefined);
    },
  };
}

export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  if (rms === 0) return 0;
  const db = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB));
}
