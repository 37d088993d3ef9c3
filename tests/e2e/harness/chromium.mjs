// Debian's Chromium, driven by playwright-core. No browser is ever downloaded.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const EXECUTABLE = process.env.E2E_CHROMIUM ?? "/usr/bin/chromium";
/** Pages from this folder (web/dist) in place of those in the binary: to try one without building the server. */
const PAGES = process.env.E2E_PAGES;

/** Scripts that run in every page and frame before its own; see their heads. */
export const PAGE_SCRIPTS = ["barcode", "camera", "observe", "voice"].map((name) =>
  fileURLToPath(new URL(`../page/${name}.js`, import.meta.url)),
);

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-ui-for-media-stream",
  "--use-fake-device-for-media-stream=fps=30",
];
// Such a page is no page of this machine to Chromium, which then shuts it out of the local network.
const OWN_PAGES = PAGES ? ["--disable-features=LocalNetworkAccessChecks"] : [];
/** A board is set up so that sound starts by itself (docs/OPERATIONS.md). */
export const KIOSK = ["--autoplay-policy=no-user-gesture-required"];

/** Starts a browser with an empty profile; `executable`: one that starts it somewhere else. */
export async function launchChromium({ args = KIOSK, executable = EXECUTABLE } = {}) {
  if (!existsSync(executable)) throw new Error(`${executable} is missing; \`make e2e\` installs it`);
  return chromium.launch({ executablePath: executable, headless: true, args: [...FLAGS, ...OWN_PAGES, ...args] });
}

/**
 * A context whose pages have the fake camera (`fake=ID` in the address) and the observers. The
 * observers load an audio worklet, which the server's content policy rightly forbids to strangers,
 * hence `bypassCSP`; a test of the policy itself passes `observed: false`.
 */
export async function newContext(browser, { observed = true, ...options } = {}) {
  const context = await browser.newContext({ bypassCSP: observed, locale: "zh-CN", ...options });
  if (observed) for (const path of PAGE_SCRIPTS) await context.addInitScript({ path });
  if (PAGES) await context.route(/^http[^?#]*\/(teach|class|observe|admin|phone|assets\/[\w.-]+)([?#]|$)/, fromFolder);
  return context;
}

function fromFolder(route) {
  const path = new URL(route.request().url()).pathname.slice(1);
  return route.fulfill({ path: join(PAGES, path.startsWith("assets/") ? path : `${path}.html`) });
}

/** A page in a context, and so a window, of its own: tabs behind another get one frame a second. */
export async function newWindow(browser, options) {
  return (await newContext(browser, options)).newPage();
}
