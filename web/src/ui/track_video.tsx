/** A muted `<video>` of one track. Sound never plays here (see `sound_output`), so it always may start. */
import { useEffect, useRef } from 'preact/hooks';
import { watchFrames } from './frames';

export interface TrackVideoProps {
  track: MediaStreamTrack | null;
  class?: string;
  testId?: string;
  /** While set, each presented frame's RTP timestamp is reported. */
  watch?: { receiver: RTCRtpReceiver; since: number; onFrame: (rtpTimestamp: number) => void } | null;
}

export function TrackVideo(props: TrackVideoProps) {
  const element = useRef<HTMLVideoElement>(null);
  const { track, watch } = props;

  useEffect(() => {
    const video = element.current;
    if (!video) return;
    video.muted = true;
    video.srcObject = track ? new MediaStream([track]) : null;
    if (!track) return;
    const play = () => {
      if (video.paused) void video.play().catch(() => undefined);
    };
    play();
    track.addEventListener('unmute', play);
    document.addEventListener('visibilitychange', play);
    return () => {
      track.removeEventListener('unmute', play);
      document.removeEventListener('visibilitychange', play);
    };
  }, [track]);

  useEffect(() => {
    const video = element.current;
    if (!video || !watch) return;
    return watchFrames(video, watch.receiver, watch.since, watch.onFrame);
  }, [watch?.receiver, watch?.since, track]);

  return (
    <video ref={element} class={props.class ?? ''} data-testid={props.testId} playsInline autoPlay muted />
  );
}
