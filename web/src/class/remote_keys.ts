/**
 * A remote control's Back, and what else may lie under a thumb. Back closes what is open on the board and
 * never leaves the lesson: browsers take it for "the page before", so a page of ours stands before this
 * one. Digits, letters and media keys do nothing here. Arrows and OK: `ui/arrow_keys`.
 */
import { useLayoutEffect, useRef } from 'preact/hooks';

const BACK_KEYS = ['Escape', 'Backspace', 'GoBack', 'BrowserBack', 'BrowserForward', 'BrowserHome'];
const MARK = 'zhuandi.board';

/** What Back closes, the newest last. */
const closers: (() => void)[] = [];

/** While `active`, Back calls `close`. */
export function useBack(active: boolean, close: () => void): void {
  const newest = useRef(close);
  newest.current = close;
  // With the row that it closes: a key may come before the browser has painted it.
  useLayoutEffect(() => {
    if (!active) return;
    const closer = () => newest.current();
    closers.push(closer);
    return () => {
      closers.splice(closers.indexOf(closer), 1);
    };
  }, [active]);
}

/** Follows the keys of this page; the result ends that. */
export function followRemote(): () => void {
  const back = () => closers[closers.length - 1]?.();
  const press = (event: KeyboardEvent) => {
    if (!BACK_KEYS.includes(event.key) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (!event.repeat) back();
  };
  const popped = () => {
    if (history.state === MARK) return;
    history.pushState(MARK, '');
    back();
  };
  if (history.state !== MARK) history.pushState(MARK, '');
  document.addEventListener('keydown', press);
  window.addEventListener('popstate', popped);
  return () => {
    document.removeEventListener('keydown', press);
    window.removeEventListener('popstate', popped);
  };
}
