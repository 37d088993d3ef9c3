/**
 * Plays every audio slot of the page, each in an `<audio>` element of its own.
 *
 * Not in the `<video>` elements: those stay muted, so pictures always may start, and sound does not
 * wait for a first video frame when the teacher's camera is off. Lips stay in step all the same,
 * because the browser synchronises receivers that share an msid, whatever element plays them.
 * If the browser blocks sound, `on` stays false until `unlock` is called from a tap or key.
 */
import { Store } from '../client/store';

export class SoundOutput {
  /** True when all of the page's sound is really playing. */
  readonly on = new Store(false);
  /** True when the browser waits for a tap. */
  readonly blocked = new Store(false);
  private players = new Map<MediaStreamTrack, HTMLAudioElement>();
  /** The tracks that have a player. */
  readonly tracks = new Store<readonly MediaStreamTrack[]>([]);
  private turn = 0;
  private volume = 1;
  private readonly retry = () => void this.play();

  constructor() {
    document.addEventListener('visibilitychange', this.retry);
  }

  /** The tracks to play from now on; others fall silent. */
  setTracks(tracks: readonly MediaStreamTrack[]): void {
    for (const [track, audio] of Array.from(this.players)) {
      if (tracks.includes(track)) continue;
      track.removeEventListener('unmute', this.retry);
      audio.onpause = null;
      audio.pause();
      audio.srcObject = null;
      audio.remove();
      this.players.delete(track);
    }
    for (const track of tracks) {
      if (this.players.has(track)) continue;
      const audio = new Audio();
      audio.hidden = true;
      audio.setAttribute('playsinline', '');
      audio.srcObject = new MediaStream([track]);
      this.setLoudness(audio);
      // Some systems pause media when a device changes or a call comes in.
      audio.onpause = this.retry;
      track.addEventListener('unmute', this.retry);
      document.body.appendChild(audio);
      this.players.set(track, audio);
    }
    void this.play();
    this.tracks.set(tracks);
  }

  /** 0 to 1, of all that is played. */
  setVolume(volume: number): void {
    this.volume = volume;
    for (const audio of Array.from(this.players.values())) this.setLoudness(audio);
  }

  /** From a tap or key: starts what was blocked. */
  unlock(): void {
    void this.play();
  }

  private setLoudness(audio: HTMLAudioElement): void {
    audio.volume = this.volume;
    // Some systems leave the volume to their keys: then it is all or nothing.
    audio.muted = this.volume < 1 && audio.volume !== this.volume;
  }

  private async play(): Promise<void> {
    const turn = ++this.turn;
    const players = Array.from(this.players.values());
    const results = await Promise.all(
      players.map((audio) =>
        audio.paused
          ? audio.play().then(
              () => 'playing',
              (error: unknown) => (error instanceof Error ? error.name : 'failed'),
            )
          : 'playing',
      ),
    );
    if (turn !== this.turn) return;
    this.blocked.set(results.includes('NotAllowedError'));
    this.on.set(players.length > 0 && results.every((result) => result === 'playing'));
  }
}
