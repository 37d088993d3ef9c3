/** The front door: says who opens what, and takes a pasted link. */
import { useState } from 'preact/hooks';
import { type Key, t } from '../i18n';
import { LanguageSwitch } from '../ui/language_switch';
import { where } from './where';

const ROLES: readonly (readonly [Key, Key])[] = [
  ['roleLeadTitle', 'roleLeadText'],
  ['roleReceiverTitle', 'roleReceiverText'],
  ['roleCompanionTitle', 'roleCompanionText'],
  ['roleObserverTitle', 'roleObserverText'],
  ['roleAdminTitle', 'roleAdminText'],
];

export function StartPage() {
  const [text, setText] = useState('');
  const [bad, setBad] = useState(false);
  const go = (event: Event) => {
    event.preventDefault();
    const target = where(text);
    if (target) location.assign(target);
    else setBad(true);
  };
  document.title = t('startTitle');
  return (
    <main class="fill start" data-page="start">
      <header class="start-head">
        <LanguageSwitch />
      </header>
      <h1>{t('startTitle')}</h1>
      <p class="start-line">{t('startLine')}</p>
      <form class="start-form" onSubmit={go}>
        <label for="link">{t('startPaste')}</label>
        <div class="start-row">
          <input
            id="link"
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={text}
            aria-invalid={bad}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setBad(false);
            }}
          />
          <button type="submit" class="button primary" disabled={text.trim() === ''}>
            {t('startGo')}
          </button>
        </div>
        {bad && (
          <p class="start-bad" role="alert">
            ▲ {t('startBad')}
          </p>
        )}
      </form>
      <ul class="start-roles">
        {ROLES.map(([title, line]) => (
          <li key={title}>
            <h2>{t(title)}</h2>
            <p class="phrases">{t(line)}</p>
          </li>
        ))}
      </ul>
    </main>
  );
}
