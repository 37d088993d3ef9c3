/** The whole screen is the button: the one tap that a browser may demand before it plays sound. */
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../i18n';
import { SoundIcon } from '../ui/icons';

export function SoundPrompt(props: { onTap: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <button
      ref={button}
      type="button"
      class="cover-button sound-prompt"
      data-testid="sound-prompt"
      onClick={props.onTap}
    >
      <SoundIcon />
      <span class="sound-title">{t('tapForSound')}</span>
      <span class="sound-text">{t('tapForSoundText')}</span>
    </button>
  );
}
