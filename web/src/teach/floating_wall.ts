/**
 * The wall of classrooms in a small window that stays on top while the teacher looks at her slides.
 *
 * Where the browser has windows for documents (Document Picture-in-Picture, Chromium ≥ 116), the wall
 * itself stands in it and can be tapped; else the wall is painted on a canvas whose stream is a video in
 * the picture-in-picture of videos (Chrome ≥ 70). Both open by a tap alone, which is the browser's rule;
 * Chromium ≥ 120 also asks for it by itself when another tab comes to the front. It closes when the
 * teacher is back.
 */
import { signal } from '@preact/signals';
import type { ComponentChild } from 'preact';
import { render } from 'preact';
import { CanvasWall, type Painted } from './canvas_wall';

const WIDTH = 480;
const HEIGHT = 320;
const OPENING_MS = 500;

interface DocumentPip {
  requestWindow(options: { width: number; height: number }): Promise<Window>;
}

export interface FloatingWallOptions {
  /** The wall as markup. */
  show: () => ComponentChild;
  /** The same for the canvas. */
  paint: () => readonly Painted[];
}

export class FloatingWall {
  /** Whether it is open now. */
  readonly open = signal(false);
  private close: (() => void) | null = null;
  /** Whether the teacher has been somewhere else since it was opened. */
  private away = false;
  /** Opening it may take the focus for a moment. */
  private opening = false;

  constructor(private readonly options: FloatingWallOptions) {
    document.addEventListener('visibilitychange', () => this.looked());
    window.addEventListener('focus', () => this.looked());
    window.addEventListener('blur', () => this.looked());
    offerToBrowser(() => void this.tryOpen());
  }

  /** Whether this browser can do it at all. */
  static get possible(): boolean {
    return documentPip() !== null || videoPip();
  }

  toggle(): void {
    if (this.open.value) this.shut();
    else void this.tryOpen();
  }

  /** Opens it if the browser lets it: without a tap it does not. Says whether it is open. */
  async tryOpen(): Promise<boolean> {
    if (this.open.value) return true;
    try {
      const pip = documentPip();
      this.close = pip ? await this.openDocument(pip) : await this.openVideo();
    } catch {
      return false;
    }
    this.away = false;
    this.opening = true;
    this.open.value = true;
    setTimeout(() => {
      this.opening = false;
      // Who went away meanwhile is away.
      this.looked();
    }, OPENING_MS);
    return true;
  }

  shut(): void {
    const { close } = this;
    this.close = null;
    this.open.value = false;
    close?.();
  }

  private async openDocument(pip: DocumentPip): Promise<() => void> {
    const floating = await pip.requestWindow({ width: WIDTH, height: HEIGHT });
    const inside = floating.document;
    inside.documentElement.lang = document.documentElement.lang;
    inside.adoptedStyleSheets = [look(floating)];
    const root = inside.createElement('div');
    root.className = 'dark floating';
    inside.body.append(root);
    render(this.options.show(), root);
    const gone = () => {
      render(null, root);
      if (this.close) this.shut();
    };
    floating.addEventListener('pagehide', gone, { once: true });
    return () => floating.close();
  }

  private async openVideo(): Promise<() => void> {
    const wall = new CanvasWall(this.options.paint);
    wall.video.addEventListener('leavepictureinpicture', () => this.shut(), { once: true });
    try {
      await wall.open();
    } catch (error) {
      wall.close();
      throw error;
    }
    return () => wall.close();
  }

  /** Here, or somewhere else? */
  private looked(): void {
    if (!this.open.value) return;
    const hidden = document.visibilityState === 'hidden';
    const here = !hidden && document.hasFocus();
    // A tap into the small window takes the focus from the page, and is no going away.
    const elsewhere = hidden || (!here && !floatingHasFocus());
    if (elsewhere && !this.opening) this.away = true;
    else if (here && this.away) this.shut();
  }
}

/** The page's own look as one sheet of that window: no file is fetched, and none is written into the page. */
function look(floating: Window): CSSStyleSheet {
  const rules = Array.from(document.styleSheets).flatMap((sheet) => Array.from(sheet.cssRules));
  const sheet = new (floating as unknown as typeof globalThis).CSSStyleSheet();
  sheet.replaceSync(rules.map((rule) => rule.cssText).join('\n'));
  return sheet;
}

function documentPip(): DocumentPip | null {
  return (window as { documentPictureInPicture?: DocumentPip }).documentPictureInPicture ?? null;
}

function floatingHasFocus(): boolean {
  const { window: floating } = (window as { documentPictureInPicture?: { window?: Window | null } })
    .documentPictureInPicture ?? { window: null };
  return floating?.document.hasFocus() ?? false;
}

function videoPip(): boolean {
  return document.pictureInPictureEnabled === true && 'captureStream' in HTMLCanvasElement.prototype;
}

/** Chromium calls this when the tab of a page that uses the camera is left (automatic picture-in-picture). */
function offerToBrowser(open: () => void): void {
  const session = (
    navigator as { mediaSession?: { setActionHandler(action: string, handler: () => void): void } }
  ).mediaSession;
  try {
    session?.setActionHandler('enterpictureinpicture', open);
  } catch {
    // A browser that does not know this action.
  }
}
