/**
 * 试听: a melody through this machine's loudspeakers, and whether the browser really played it. What the
 * room hears only its people can tell, so they are told what to do when they hear nothing.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../i18n';
import { playMelody } from './chime';
import { SoundIcon } from './icons';

type Step = 'ready' | 'playing' | 'played' | 'silent';

const WORDS = {
  playing: 'soundTestPlaying',
  played: 'soundTestPlayed',
  silent: 'soundTestSilent',
} as const;

export interface SoundTestProps {
  class?: string;
  /** The tap is one that a browser may have waited for. */
  onTap?: () => void;
}

export function SoundTest(props: SoundTestProps) {
  const [step, setStep] = useState<Step>('ready');
  const shown = useRef(true);
  useEffect(
    () => () => {
      shown.current = false;
    },
    [],
  );
  const play = async () => {
    props.onTap?.();
    setStep('playing');
    const heard = await playMelody();
    if (shown.current) setStep(heard ? 'played' : 'silent');
  };
  return (
    <div class={`sound-test ${props.class ?? ''}`} data-testid="sound-test" data-step={step}>
      <button
        type="button"
        class="button"
        data-testid="sound-test-play"
        disabled={step === 'playing'}
        onClick={() => void play()}
      >
        <SoundIcon />
        {t('soundTest')}
      </button>
      <p role="status">{step === 'ready' ? '' : t(WORDS[step])}</p>
    </div>
  );
}
