/** Capture size of a camera: `1280x720@30`, from the page's address or the role's default. */
export interface CaptureSize {
  width: number;
  height: number;
  fps: number;
}

export const LEAD_SIZE: CaptureSize = { width: 1280, height: 720, fps: 30 };
export const CLASSROOM_SIZE: CaptureSize = { width: 640, height: 360, fps: 15 };

/** `null` for `off`; the fallback when the text is absent or is no size. */
export function parseSize(text: string | null, fallback: CaptureSize): CaptureSize | null {
  if (text === 'off') return null;
  const match = /^(\d{2,4})x(\d{2,4})@(\d{1,2})$/.exec(text ?? '');
  if (!match) return fallback;
  const [width, height, fps] = match.slice(1).map(Number) as [number, number, number];
  return width > 0 && height > 0 && fps > 0 ? { width, height, fps } : fallback;
}

export function cameraConstraints(size: CaptureSize): MediaTrackConstraints {
  return {
    width: { ideal: size.width },
    height: { ideal: size.height },
    frameRate: { ideal: size.fps, max: size.fps },
  };
}

/** A classroom's loudspeakers are in the same room as its microphone: echo must be cancelled. */
export const MIC_CONSTRAINTS: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: { ideal: 1 },
};
