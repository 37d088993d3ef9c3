// Debian's Chromium, driven by playwright-core. No browser is ever downloaded.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { until } from "./wait.mjs";

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
 * Starts a browser on a profile that stays on the disk, as a board's does. Gives its one context, and `kill()`, which is
 * its power cut: SIGKILL for all of it.
 */
export async function launchProfile(profile, { args = KIOSK, executable = EXECUTABLE, ...options } = {}) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable, headless: true, args: [...FLAGS, ...OWN_PAGES, ...args], bypassCSP: true, locale: "zh-CN", ...options,
  });
  for (const path of PAGE_SCRIPTS) await context.addInitScript({ path });
  await takePages(context);
  return { context, kill };

  async function kill() {
    // Nothing else has this profile in its command line, or a parent that has.
    const own = processesOf(profile);
    for (const pid of own) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It went with another.
      }
    }
    await until("the browser is no more", () => processesOf(profile).length === 0);
    await context.close().catch(() => {});
  }
}

/** Process ids of a browser by its profile, with all their children. */
function processesOf(profile) {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      // After the program's name, which may hold spaces: state, then the parent.
      const [state, parent] = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1).split(" ");
      return state === "Z" ? [] : [{ pid: Number(name), parent: Number(parent), is: words.includes(`--user-data-dir=${profile}`) }];
    } catch {
      return [];
    }
  });
  const own = new Set(all.filter(({ is }) => is).map(({ pid }) => pid));
  for (let grown = true; grown;) {
    const children = all.filter(({ pid, parent }) => own.has(parent) && !own.has(pid));
    for (const { pid } of children) own.add(pid);
    grown = children.length > 0;
  }
  return [...own];
}

/**
 * A context whose pages have the fake camera (`fake=ID` in the address) and the observers. The
 * observers load an audio worklet, which the server's content policy rightly forbids to strangers,
 * hence `bypassCSP`; a test of the policy itself passes `observed: false`.
 */
export async function newContext(browser, { observed = true, ...options } = {}) {
  const context = await browser.newContext({ bypassCSP: observed, locale: "zh-CN", ...options });
  if (observed) for (const path of PAGE_SCRIPTS) await context.addInitScript({ path });
  await takePages(context);
  return context;
}

async function takePages(context) {
  if (PAGES) await context.route(/^http[^?#]*\/(teach|class|observe|admin|phone|assets\/[\w.-]+)([?#]|$)/, fromFolder);
}

function fromFolder(route) {
  const path = new URL(route.request().url()).pathname.slice(1);
  return route.fulfill({ path: join(PAGES, path.startsWith("assets/") ? path : `${path}.html`) });
}

/** A page in a context, and so a window, of its own: tabs behind another get one frame a second. */
export async function newWindow(browser, options) {
  return (await newContext(browser, options)).newPage();
}
