/** Where a pasted link or bare token leads: a page of this server, or nowhere. */
import { looksLikeToken, readToken } from '../client/token';

const PAGES = {
  lead: '/teach',
  receiver: '/class',
  observer: '/observe',
  admin: '/admin',
  companion: '/phone',
} as const;

export function where(pasted: string): string | null {
  const text = pasted.trim();
  const link = /(\/(?:teach|class|observe|admin|phone))(\?[^#\s]*)?#(\S+)$/.exec(text);
  if (link) {
    const [, page, query, token] = link;
    return token && looksLikeToken(token) ? `${page}${query ?? ''}#${token}` : null;
  }
  const role = readToken(text)?.role;
  return role ? `${PAGES[role]}#${text}` : null;
}
