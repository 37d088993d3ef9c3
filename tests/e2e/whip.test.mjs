// WHIP and WHEP with clients that know nothing of our signalling: Chromium and Firefox by fetch alone,
// the published client whip-whep, and aiortc where FOREIGN_PYTHON names a Python that has it (see
// tests/foreign/aiortc_client.py), and GStreamer where FOREIGN_GSTREAMER names one (see
// tests/foreign/gstreamer_publish.py; its pictures carry no strip). Each publisher teaches a lesson of its own, and every player who
// has its codec must show it. The pages come from another origin, so CORS is tested along.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ownAddress } from "./harness/addresses.mjs";
import { startBlank } from "./harness/blank.mjs";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { launchFirefox, newFirefoxPage } from "./harness/firefox.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const SECONDS = Number(process.env.E2E_WHIP_SECONDS ?? 6);
const PYTHON = process.env.FOREIGN_PYTHON;
const AIORTC = fileURLToPath(new URL("../foreign/aiortc_client.py", import.meta.url));
const GSTREAMER = process.env.FOREIGN_GSTREAMER;
const GSTREAMER_SCRIPT = fileURLToPath(new URL("../foreign/gstreamer_publish.py", import.meta.url));
const FOREIGN = fileURLToPath(new URL("page/foreign.js", import.meta.url));
const module = (name) => fileURLToPath(new URL(`node_modules/whip-whep/${name}.js`, import.meta.url));
const run = promisify(execFile);

let chromium, firefox, server, elsewhere;
before(async () => {
  // Firefox sends no media from a network's address to the loopback one.
  const env = { ZHUANDI_MEDIA__ADDRESSES: ownAddress() };
  [chromium, firefox, server, elsewhere] = await Promise.all([
    launchChromium(), launchFirefox(), startServer({ env }),
    startBlank({ "/whip.js": module("whip"), "/whep.js": module("whep") }),
  ]);
});
after(async () => {
  await chromium?.close();
  await firefox?.close();
  await server?.stop();
  await elsewhere?.stop();
});

async function chromiumPage(id) {
  const page = await newWindow(chromium);
  await page.addInitScript({ path: FOREIGN });
  await page.goto(`${elsewhere.url}?fake=${id}`);
  return page;
}

async function firefoxPage(id) {
  const page = await newFirefoxPage(firefox);
  await page.evaluateOnNewDocument(readFileSync(FOREIGN, "utf8"));
  await page.goto(`${elsewhere.url}?fake=${id}`);
  return page;
}

const whip = (lesson) => `${server.url}/whip/${lesson}`;
const whep = (lesson) => `${server.url}/whep/${lesson}`;

// Begins to publish; gives what ends it.
const byPage = (open, options) => async (lesson, id) => {
  const page = await open(id);
  const token = await server.token("lead", { lesson, name: "编码器" });
  await page.evaluate((given) => foreign.publish(given), { endpoint: whip(lesson), token, ...options });
  return { page, stop: () => page.close() };
};

const byAiortc = (codec) => async (lesson, id) => {
  const token = await server.token("lead", { lesson, name: "aiortc" });
  const args = [AIORTC, "publish", whip(lesson), token, "--codec", codec, "--id", String(id), "--seconds", String(SECONDS + 9)];
  const ended = run(PYTHON, args);
  await sleep(3000);
  return { stop: () => ended };
};

const byGStreamer = (codec) => async (lesson) => {
  const token = await server.token("lead", { lesson, name: "GStreamer" });
  const ended = run(GSTREAMER, [GSTREAMER_SCRIPT, whip(lesson), token, "--codec", codec, "--seconds", String(SECONDS + 9)]);
  await sleep(3000);
  return { stop: () => ended, ids: [] };
};

const PUBLISHERS = [
  { who: "Chromium, fetch, simulcast", codec: "vp8", begin: byPage(chromiumPage, { codec: "vp8", simulcast: true }) },
  { who: "Chromium, fetch", codec: "h264", begin: byPage(chromiumPage, { codec: "h264" }) },
  { who: "whip-whep 1.2 (npm)", codec: "vp8", begin: byPage(chromiumPage, { codec: "vp8", by: "/whip.js" }) },
  { who: "Firefox, fetch", codec: "vp8", begin: byPage(firefoxPage, { codec: "vp8" }) },
  { who: "Chromium, fetch, simulcast", codec: "vp9", begin: byPage(chromiumPage, { codec: "vp9", simulcast: true, mode: "L1T3" }) },
  // Three spatial layers in one stream go on as they are.
  { who: "Chromium, fetch, SVC", codec: "vp9", begin: byPage(chromiumPage, { codec: "vp9", mode: "L3T3_KEY" }) },
  { who: "Firefox, fetch", codec: "vp9", begin: byPage(firefoxPage, { codec: "vp9" }) },
  { who: "Chromium, fetch, simulcast", codec: "av1", begin: byPage(chromiumPage, { codec: "av1", simulcast: true, mode: "L1T1" }) },
  ...(PYTHON ? ["VP8", "H264"].map((codec) => ({ who: "aiortc", codec: codec.toLowerCase(), begin: byAiortc(codec) })) : []),
  ...(GSTREAMER ? ["VP8", "H264"].map((codec) => ({ who: "GStreamer", codec: codec.toLowerCase(), begin: byGStreamer(codec) })) : []),
];

// Plays for SECONDS; gives {frames, ids, delay}.
const inPage = (open, by = null) => async (lesson, token) => {
  const page = await open(31);
  await page.evaluate((given) => foreign.play(given), { endpoint: whep(lesson), token, name: "lesson", by });
  await until("a first picture", () => page.evaluate(() => observe.summary("lesson").frames > 0));
  const [before, from] = [await decoded(page), Date.now()];
  await sleep(SECONDS * 1000);
  const [end, seen] = [await decoded(page), await page.evaluate((since) => observe.summary("lesson", since), from)];
  const ended = await page.evaluate(() => foreign.stop("lesson"));
  await page.close();
  return { frames: end.frames - before.frames, height: end.height, ids: seen.ids, delay: seen.delay50, ended, codec: end.codec, energy: end.energy };
};

async function decoded(page) {
  // Firefox leaves a stream out of a report now and then, and lists it in the next.
  const { video: [one], audio } = await until("statistics of the picture and the sound", async () => {
    const stats = await page.evaluate(() => observe.stats(foreign.of("lesson").pc));
    return stats.video.length && stats.audio.length && stats;
  });
  return { frames: one.frames ?? 0, height: one.height, codec: one.codec?.toLowerCase(), energy: audio[0].energy };
}

async function inAiortc(lesson, token) {
  const { stdout } = await run(PYTHON, [AIORTC, "play", whep(lesson), token, "--codec", "any", "--seconds", String(SECONDS)]);
  const seen = JSON.parse(stdout);
  return { frames: seen.frames, ids: seen.ids.map(String), delay: seen.delay, ended: seen.deleted, energy: seen.voice };
}

const PLAYERS = [
  { who: "Chromium, fetch", codecs: ["vp8", "h264", "vp9", "av1"], play: inPage(chromiumPage) },
  { who: "whip-whep 1.2 (npm)", codecs: ["vp8", "h264"], play: inPage(chromiumPage, "/whep.js") },
  // No H.264 plug-in here (harness/firefox.mjs). A page behind another one paints once a second, so
  // one Firefox cannot publish and play.
  { who: "Firefox, fetch", codecs: ["vp8", "vp9", "av1"], play: inPage(firefoxPage) },
  ...(PYTHON ? [{ who: "aiortc", codecs: ["vp8", "h264"], play: inAiortc }] : []),
];

for (const [number, { who, codec, begin }] of PUBLISHERS.entries()) {
  test(`${who} publishes ${codec}`, async (t) => {
    const lesson = `whip-${number}`;
    const id = number + 1;
    const publisher = await begin(lesson, id);
    const token = await server.token("observer", { lesson, name: "播放器" });
    const sameWindow = (player) => player.who === who && who.startsWith("Firefox");
    const players = PLAYERS.filter((player) => player.codecs.includes(codec) && !sameWindow(player));
    const results = await Promise.all(players.map(({ play }) => play(lesson, token)));
    for (const [index, seen] of results.entries()) {
      const what = `${who} ${codec} in ${players[index].who}`;
      t.diagnostic(`${what}: ${JSON.stringify(seen)}`);
      assert.ok(seen.frames > SECONDS * 2, `${what}: only ${seen.frames} frames in ${SECONDS} s`);
      assert.deepEqual(seen.ids, publisher.ids ?? [String(id)], what);
      assert.ok(seen.energy > 0, `${what}: no sound`);
      assert.ok([200, "stopped"].includes(seen.ended), `${what}: ${seen.ended}`);
      if (seen.codec) assert.equal(seen.codec, `video/${codec}`, what);
      // More than the smallest of several layers, also of those in one stream.
      if (seen.height) assert.ok(seen.height > 100, `${what}: ${seen.height} lines`);
      record(t, `WHIP ${what}, frames decoded in ${SECONDS} s`, seen.frames, "frames");
      if (seen.ids.length) record(t, `WHIP ${what}, delay p50`, seen.delay, "ms");
    }
    await publisher.stop();
  });
}

test("a published client restarts ICE, and the picture goes on", async (t) => {
  const lesson = "whip-restart";
  const publisher = await byPage(chromiumPage, { codec: "vp8", by: "/whip.js" })(lesson, 9);
  const player = await chromiumPage(31);
  const token = await server.token("observer", { lesson, name: "播放器" });
  await player.evaluate((given) => foreign.play(given), { endpoint: whep(lesson), token, name: "lesson" });
  const shows = (since) => until("the picture moves", () =>
    player.evaluate((from) => observe.summary("lesson", from).read > 10, since));
  await shows(0);
  const [tag, renewed] = await publisher.page.evaluate(async () => {
    const { client } = foreign.of("publisher");
    const before = client.etag;
    await client.restart();
    return [before, client.etag];
  });
  assert.notEqual(renewed, tag);
  // Both sides use the new credentials once a pair with them is nominated.
  await until("connected again", () => publisher.page.evaluate(() =>
    foreign.of("publisher").pc.iceConnectionState === "connected"));
  await shows(Date.now());
  const { longestGap } = await player.evaluate(() => observe.summary("lesson"));
  record(t, "longest gap over an ICE restart by WHIP", longestGap, "ms");
});
