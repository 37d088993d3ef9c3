/**
 * A track that goes on with the last picture of another one. The still is sent as pictures, a few in a
 * second at most, so everybody keeps it, and who joins late or lost a packet gets it like any other: no
 * page and no server has to know that content is paused.
 */

/** A hidden page's timers turn once a second, which is enough. */
const EVERY_MS = 500;
/** A captured window that stands still gives no picture by itself for a while. */
const FIRST_MS = 1_500;

export interface Still {
  track: MediaStreamTrack;
  stop(): void;
}

type Painting = MediaStreamTrack & { requestFrame?: () => void };

/** `null`: no picture of it is to be had. */
export async function still(track: MediaStreamTrack): Promise<Still | null> {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = new MediaStream([track]);
  const ready = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(video.videoWidth > 0), FIRST_MS);
    video.onloadeddata = () => {
      clearTimeout(timer);
      resolve(true);
    };
    video.play().catch(() => undefined);
  });
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const context = canvas.getContext('2d', { alpha: false });
  if (!ready || !context || canvas.width === 0) return null;
  context.drawImage(video, 0, 0);
  video.srcObject = null;
  const stream = canvas.captureStream(0) as MediaStream & { requestFrame?: () => void };
  const copy = stream.getVideoTracks()[0] as Painting | undefined;
  if (!copy) return null;
  copy.contentHint = 'detail';
  const send = () => {
    // A canvas that nobody painted on gives no new frame.
    context.drawImage(canvas, 0, 0);
    // On the track as the standard says, on the stream in Firefox.
    if (copy.requestFrame) copy.requestFrame();
    else stream.requestFrame?.();
  };
  send();
  const timer = setInterval(send, EVERY_MS);
  return {
    track: copy,
    stop() {
      clearInterval(timer);
      copy.stop();
    },
  };
}
