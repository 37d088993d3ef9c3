/**
 * Sharing a screen, window or tab, with its sound where the browser offers it. The browser's own
 * picker asks what; closing it is a decision, not a fault.
 */
export interface Content {
  video: MediaStreamTrack;
  audio: MediaStreamTrack | null;
}

/** What a page on the desk needs: every line of it, and hands that move. */
const DOCUMENT: MediaTrackConstraints = {
  width: { ideal: 1920 },
  height: { ideal: 1080 },
  frameRate: { ideal: 15, max: 15 },
};

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

/** 实物展台: another camera of this computer as content. */
export async function documentCamera(deviceId: string, onEnded: () => void): Promise<Content> {
  const video = { ...DOCUMENT, deviceId: { exact: deviceId } };
  const stream = await navigator.mediaDevices.getUserMedia({ video });
  const track = stream.getVideoTracks()[0];
  if (!track) throw new DOMException('no track', 'NotFoundError');
  track.contentHint = 'detail';
  track.onended = onEnded;
  return { video: track, audio: null };
}

export function stop(content: Content): void {
  content.video.onended = null;
  content.video.stop();
  content.audio?.stop();
}
