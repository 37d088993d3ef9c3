import { language, setLanguage, t } from '../i18n';

/** Names the other language in its own words, so that who cannot read this one finds it. */
export function LanguageSwitch() {
  const other = language.value === 'en' ? 'zh-CN' : 'en';
  return (
    <button
      type="button"
      class="button quiet language"
      lang={other}
      aria-label={`${t('language')}: ${other === 'en' ? 'English' : '中文'}`}
      onClick={() => setLanguage(other)}
    >
      {other === 'en' ? 'English' : '中文'}
    </button>
  );
}
