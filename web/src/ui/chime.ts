/** Sounds of the page itself, made here, so that nothing has to be loaded. */

let context: AudioContext | null = null;

/** Two soft notes: somebody raised a hand. */
export function chime(): void {
  try {
    context ??= new AudioContext();
    void context.resume();
    note(context, 659, 0);
    note(context, 880, 0.16);
  } catch {
    // Without sound the badge is still there.
  }
}

/** 试听: loud enough for a classroom, 2 s. Resolves to whether the browser's clock of sound ran all the time. */
export async function playMelody(): Promise<boolean> {
  try {
    context ??= new AudioContext();
    // A context that waits for a tap never says so by itself.
    await Promise.race([context.resume(), pause(500)]);
    const began = context.currentTime;
    [523, 659, 784, 1047].forEach((frequency, place) => {
      if (context) note(context, frequency, place * 0.4, 0.4);
    });
    await pause(MELODY_MS);
    return context.state === 'running' && context.currentTime - began > MELODY_MS / 2000;
  } catch {
    return false;
  }
}

const MELODY_MS = 2_000;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function note(audio: AudioContext, frequency: number, after: number, loudness = 0.12): void {
  const at = audio.currentTime + after;
  const tone = audio.createOscillator();
  const gain = audio.createGain();
  tone.frequency.value = frequency;
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(loudness, at + 0.02);
  gain.gain.exponentialRampToValueAtTime(0.001, at + 0.5);
  tone.connect(gain).connect(audio.destination);
  tone.start(at);
  tone.stop(at + 0.55);
}
