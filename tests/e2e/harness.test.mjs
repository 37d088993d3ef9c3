// The harness proves itself: without our server, a browser sends the test picture to itself.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newContext } from "./harness/chromium.mjs";
import { launchFirefox, newFirefoxPage } from "./harness/firefox.mjs";
import { startBlank } from "./harness/blank.mjs";
import { record } from "./harness/figures.mjs";
import { sleep } from "./harness/wait.mjs";

let blank, browser;
before(async () => {
  blank = await startBlank();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await blank?.stop();
});

for (const [codec, width, height, rate] of [["vp8", 640, 360, 15], ["h264", 640, 360, 15], ["vp8", 160, 90, 10]]) {
  test(`strip, clock and beeps survive ${codec} at ${width}x${height}`, async (t) => {
    const context = await newContext(browser);
    const page = await context.newPage();
    await page.goto(`${blank.url}?fake=21`);
    await page.evaluate((options) => observe.control(options), { width, height, rate, codec });
    await sleep(2000);
    const from = Date.now();
    await sleep(6000);
    const seen = await page.evaluate((since) => observe.summary("control", since), from);
    const beeps = await page.evaluate((since) => observe.beeps("control-sound", since), from);
    const stats = await page.evaluate(() => observe.stats(observe.controlReceiver));
    assert.equal(stats.video[0].codec.toLowerCase(), `video/${codec}`);
    assert.deepEqual(seen.ids, ["21"]);
    assert.ok(seen.frames > 20, `only ${seen.frames} frames in 6 s`);
    assert.ok(seen.read / seen.frames > 0.95, `${seen.read} of ${seen.frames} frames readable`);
    assert.ok(seen.delay50 < 2000, `delay ${seen.delay50} ms`);
    assert.ok(beeps.length >= 4 && beeps.length <= 7, `${beeps.length} beeps in 6 s`);
    record(t, `control ${codec} ${width}x${height} delay p50`, seen.delay50, "ms");
    record(t, `control ${codec} ${width}x${height} sound delay p50`, median(beeps), "ms");
    await context.close();
  });
}

test("a picture of somebody else, or of nobody, is not taken for ours", async () => {
  const context = await newContext(browser);
  const page = await context.newPage();
  await page.goto(blank.url);
  // The browser's own fake camera carries no strip.
  const readings = await page.evaluate(async () => {
    const video = document.body.appendChild(document.createElement("video"));
    video.muted = true;
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    await video.play();
    const all = [];
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
      all.push(barcode.read(video));
    }
    return all;
  });
  assert.deepEqual([...new Set(readings)], [null]);
  await context.close();
});


test("strip and clock survive in Firefox, which speaks VP8", async (t) => {
  const firefox = await launchFirefox();
  t.after(() => firefox.close());
  const page = await newFirefoxPage(firefox);
  await page.goto(`${blank.url}?fake=9`);
  await page.evaluate((options) => observe.control(options), { width: 640, height: 360, rate: 15 });
  await sleep(2000);
  const from = Date.now();
  await sleep(5000);
  const seen = await page.evaluate((since) => observe.summary("control", since), from);
  const stats = await page.evaluate(() => observe.stats(observe.controlReceiver));
  assert.deepEqual(seen.ids, ["9"]);
  assert.ok(seen.frames > 15, `only ${seen.frames} frames in 5 s`);
  assert.equal(stats.video[0].codec.toLowerCase(), "video/vp8");
  assert.ok(stats.audio[0].energy > 0, "no sound");
  record(t, "control Firefox vp8 640x360 delay p50", seen.delay50, "ms");
});

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
