/**
 * Tells which frame is really on screen, by RTP timestamp, so that a slot's cover lifts only over the
 * right classroom.
 *
 * Chrome says it with each presented frame. Firefox does not; there the receiver's synchronisation
 * source tells what was last handed to the element, and the frame presented after that is at least as
 * new. Where even that is missing, a picture counts as new one second and three frames after its feed
 * began: longer than any player holds frames back.
 */
const FALLBACK_MS = 1_000;
const FALLBACK_FRAMES = 3;
const POLL_MS = 100;

export function watchFrames(
  video: HTMLVideoElement,
  receiver: RTCRtpReceiver,
  since: number,
  onFrame: (rtpTimestamp: number) => void,
): () => void {
  const begun = performance.now();
  let frames = 0;
  let previous: number | null = null;
  let stopped = false;

  const presented = (rtpTimestamp: number | undefined) => {
    frames += 1;
    if (rtpTimestamp !== undefined) {
      onFrame(rtpTimestamp);
      return;
    }
    const source = receiver.getSynchronizationSources?.()[0]?.rtpTimestamp;
    if (source !== undefined) {
      if (previous !== null) onFrame(previous);
      previous = source;
    } else if (frames >= FALLBACK_FRAMES && performance.now() - begun >= FALLBACK_MS) {
      onFrame(since);
    }
  };

  if (typeof video.requestVideoFrameCallback === 'function') {
    let handle = 0;
    const next = () => {
      handle = video.requestVideoFrameCallback((_now, metadata) => {
        if (stopped) return;
        presented(metadata.rtpTimestamp);
        if (!stopped) next();
      });
    };
    next();
    return () => {
      stopped = true;
      video.cancelVideoFrameCallback(handle);
    };
  }
  let count = total(video);
  const timer = setInterval(() => {
    const now = total(video);
    if (now !== count) presented(undefined);
    count = now;
  }, POLL_MS);
  return () => clearInterval(timer);
}

function total(video: HTMLVideoElement): number {
  return video.getVideoPlaybackQuality().totalVideoFrames;
}
