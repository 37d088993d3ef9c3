/**
 * Sharing a screen, window or tab, with its sound where the browser offers it. The browser's own
 * picker asks what; closing it is a decision, not a fault.
 */
export interface Content {
  video: MediaStreamTrack;
  audio: MediaStreamTrack | null;
}

export type ShareResult = { content: Content } | { problem: 'cancelled' | 'refused' | 'unsupported' };

export async function share(onEnded: () => void): Promise<ShareResult> {
  const media = (navigator as { mediaDevices?: MediaDevices }).mediaDevices;
  if (!media || typeof media.getDisplayMedia !== 'function') return { problem: 'unsupported' };
  let stream: MediaStream;
  try {
    stream = await media.getDisplayMedia({
      video: { frameRate: { ideal: 15, max: 15 } },
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    return { problem: name === 'NotAllowedError' || name === 'AbortError' ? 'cancelled' : 'refused' };
  }
  const video = stream.getVideoTracks()[0];
  if (!video) return { problem: 'refused' };
  // Letters must stay sharp; a slide show has no hurry.
  video.contentHint = 'detail';
  video.onended = onEnded;
  return { content: { video, audio: stream.getAudioTracks()[0] ?? null } };
}

export function stop(content: Content): void {
  content.video.onended = null;
  content.video.stop();
  content.audio?.stop();
}
