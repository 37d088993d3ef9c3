/**
 * Asks for camera and microphone together where the browser would ask for each: one question for the
 * person instead of two. Where permission is already given this does nothing, so that nobody waits
 * for a camera to be opened twice.
 */
export async function askOnce(wants: { mic: boolean; camera: boolean }): Promise<void> {
  const media = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
  if (!media || !wants.mic || !wants.camera) return;
  if (!((await wouldAsk('camera')) && (await wouldAsk('microphone')))) return;
  try {
    const stream = await media.getUserMedia({ audio: true, video: true });
    for (const track of stream.getTracks()) track.stop();
  } catch {
    // Each device is opened on its own afterwards and reports its own problem.
  }
}

async function wouldAsk(name: 'camera' | 'microphone'): Promise<boolean> {
  try {
    const status = await navigator.permissions.query({ name: name as PermissionName });
    return status.state === 'prompt';
  } catch {
    return false;
  }
}
