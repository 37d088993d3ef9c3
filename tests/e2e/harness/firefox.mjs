// Debian's Firefox ESR, driven over WebDriver BiDi by puppeteer-core. No browser is ever downloaded.

import { existsSync, readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";
import { PAGE_SCRIPTS } from "./chromium.mjs";

const EXECUTABLE = process.env.E2E_FIREFOX ?? "/usr/bin/firefox-esr";

const PREFERENCES = {
  // Devices of its own and no question; the pages' pictures come from camera.js all the same.
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // Test machines may have nothing but the loopback interface.
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // No H.264 plug-in is fetched: Firefox then speaks VP8, like a board without that codec.
  "media.gmp-manager.updateEnabled": false,
  "media.gmp-gmpopenh264.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "services.settings.server": "data:,",
  "intl.accept_languages": "zh-CN, zh",
};

/** Starts Firefox with an empty profile. */
export async function launchFirefox() {
  if (!existsSync(EXECUTABLE)) throw new Error(`${EXECUTABLE} is missing; \`make e2e\` installs it`);
  return puppeteer.launch({
    browser: "firefox",
    executablePath: EXECUTABLE,
    headless: true,
    extraPrefsFirefox: PREFERENCES,
  });
}

/** A page with the fake camera and the observers, like `newContext` of chromium.mjs. */
export async function newFirefoxPage(browser) {
  const page = await browser.newPage();
  for (const path of PAGE_SCRIPTS) await page.evaluateOnNewDocument(readFileSync(path, "utf8"));
  return page;
}
