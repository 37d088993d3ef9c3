/** Plays the audio slots of whatever peer the client has now, and tells the lesson whether it sounds. */
import type { LessonClient } from '../client/lesson_client';
import type { SoundOutput } from '../ui/sound_output';

export function playSlots(client: LessonClient, sound: SoundOutput): void {
  client.media.peer.subscribe((peer) => {
    const slots = peer?.table.slots.get() ?? [];
    const tracks = slots.flatMap((slot) => {
      const track = slot.media === 'audio' ? peer?.receiver(slot.mid)?.track : undefined;
      return track ? [track] : [];
    });
    sound.setTracks(tracks);
  });
  sound.on.subscribe((on) => client.setOwnState({ sound: on }));
}
