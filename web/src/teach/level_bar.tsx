/** A microphone's loudness as a moving bar, and in words whether it was ever heard. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { meter } from '../capture/level';
import { t } from '../i18n';

/** Louder than a quiet room (about −42 dB full scale). */
const HEARD = 0.3;
const EVERY_MS = 80;

export function LevelBar(props: { track: MediaStreamTrack | null; onHeard?: (heard: boolean) => void }) {
  const bar = useRef<HTMLSpanElement>(null);
  const [heard, setHeard] = useState(false);
  const { track, onHeard } = props;

  useEffect(() => {
    setHeard(false);
    onHeard?.(false);
    const source = track ? meter(track) : null;
    if (!source) return;
    let shown = 0;
    const timer = setInterval(() => {
      const level = source.read();
      // Up at once, down slowly: so that the eye can follow speech.
      shown = Math.max(level, shown * 0.85);
      const element = bar.current;
      if (element) {
        element.style.width = `${Math.round(shown * 100)}%`;
        element.parentElement?.setAttribute('data-level', shown.toFixed(2));
      }
      if (level > HEARD) {
        setHeard(true);
        onHeard?.(true);
      }
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
      source.stop();
    };
  }, [track]);

  return (
    <div class="level">
      <div class="level-track" role="img" aria-label={t('levelLabel')} data-testid="level" data-level="0">
        <span ref={bar} class="level-bar" />
      </div>
      <p class="level-word">{t(!track ? 'levelOff' : heard ? 'levelHeard' : 'levelQuiet')}</p>
    </div>
  );
}
