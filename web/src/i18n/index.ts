/**
 * The page's language: `?lang=`, else what was chosen before, else the browser's. `t` reads a signal,
 * so everything that calls it while rendering follows a switch at once.
 */
import { signal } from '@preact/signals';
import { en } from './en';
import { type Key, zh } from './zh';

export type Language = 'zh-CN' | 'en';
export type { Key };

const STORED = 'zhuandi.language';

export const language = signal<Language>(firstLanguage());

export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text: string = (language.value === 'en' ? en : zh)[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

export function setLanguage(next: Language): void {
  language.value = next;
  document.documentElement.lang = next;
  try {
    localStorage.setItem(STORED, next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

export function parseLanguage(text: string | null | undefined): Language | null {
  if (!text) return null;
  if (/^zh/i.test(text)) return 'zh-CN';
  if (/^en/i.test(text)) return 'en';
  return null;
}

function firstLanguage(): Language {
  if (typeof location === 'undefined') return 'zh-CN';
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // Storage may be forbidden.
  }
  const asked = parseLanguage(new URLSearchParams(location.search).get('lang'));
  const browser = /^zh/i.test(navigator.language) ? 'zh-CN' : 'en';
  const chosen = asked ?? parseLanguage(stored) ?? browser;
  document.documentElement.lang = chosen;
  return chosen;
}
