// Chromium and Firefox behind one face, for what must hold in both.
//
// Pages of either have `goto`, `evaluate` with a function and one argument, and `close`; that is what
// such tests use. `page({scripts})`: the fake camera, the observers, then these texts, before the page's own.

import { launchChromium, newWindow } from "./chromium.mjs";
import { launchFirefox, newFirefoxPage } from "./firefox.mjs";

export const BROWSERS = [
  {
    name: "Chromium",
    launch: async () => {
      const browser = await launchChromium();
      return {
        close: () => browser.close(),
        page: async ({ scripts = [] } = {}) => {
          const page = await newWindow(browser);
          for (const content of scripts) await page.addInitScript({ content });
          return page;
        },
      };
    },
  },
  {
    name: "Firefox",
    launch: async () => {
      const browser = await launchFirefox();
      return {
        close: () => browser.close(),
        page: async ({ scripts = [] } = {}) => {
          const page = await newFirefoxPage(browser);
          for (const content of scripts) await page.evaluateOnNewDocument(content);
          return page;
        },
      };
    },
  },
];
