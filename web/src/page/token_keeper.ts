/**
 * Where a page's token lives: after `#` in the link (never sent to a server, never logged), then in
 * this tab's session storage so that a reload returns to the same seat. The address bar is cleaned
 * only after the token was really stored, so a board that may not store keeps its link. A page inside
 * a frame keeps its link too: frames of one tab share the storage and would take each other's seat.
 */
export function takeToken(page: string): string | null {
  const key = `zhuandi.token./${page}`;
  const fromLink = location.hash.replace(/^#/, '').trim();
  if (fromLink !== '') {
    if (window.parent !== window) return fromLink;
    try {
      sessionStorage.setItem(key, fromLink);
      if (sessionStorage.getItem(key) === fromLink) {
        history.replaceState(null, '', location.pathname + location.search);
      }
    } catch {
      // The token stays in the address.
    }
    return fromLink;
  }
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

/** A small mark of this tab, for what a reload must know (`teaching`). */
export function mark(name: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(`zhuandi.${name}`);
    else sessionStorage.setItem(`zhuandi.${name}`, value);
  } catch {
    // Then a reload asks once more.
  }
}

export function marked(name: string): string | null {
  try {
    return sessionStorage.getItem(`zhuandi.${name}`);
  } catch {
    return null;
  }
}
