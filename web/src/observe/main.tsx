import './look';
import { boot } from '../page/boot';
import { playSlots } from '../page/sound_of_slots';
import { SoundOutput } from '../ui/sound_output';
import { ObservePage } from './observe_page';

boot('observe', (client) => {
  const sound = new SoundOutput();
  playSlots(client, sound);
  // Observers send nothing: only receiving slots are offered.
  client.setDevices({ mic: false, cameraWidth: null });
  return <ObservePage client={client} sound={sound} />;
});
