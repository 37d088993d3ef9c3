/**
 * Plays the audio slots of whatever peer the client has now, and tells the lesson whether it sounds.
 * The first slot always has its player, so that a browser which blocks sound is found out before
 * anybody speaks; the others get one while somebody feeds them, because each costs a weak board.
 */
import type { LessonClient } from '../client/lesson_client';
import type { SoundOutput } from '../ui/sound_output';

export function playSlots(client: LessonClient, sound: SoundOutput): void {
  let playing = '';
  const follow = () => {
    const peer = client.media.peer.get();
    const audio = client.media.slots.get().filter((slot) => slot.media === 'audio');
    const tracks = audio.flatMap((slot, index) => {
      const track = index === 0 || slot.feed ? peer?.receiver(slot.mid)?.track : undefined;
      return track ? [track] : [];
    });
    const next = tracks.map((track) => track.id).join(' ');
    if (next === playing) return;
    playing = next;
    sound.setTracks(tracks);
  };
  client.media.peer.subscribe(follow);
  client.media.slots.subscribe(follow);
  sound.on.subscribe((on) => client.setOwnState({ sound: on }));
}
