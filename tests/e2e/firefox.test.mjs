// A board with Firefox, which here speaks VP8 alone, joins a lesson taught from Chromium.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ownAddress } from "./harness/addresses.mjs";
import { launchChromium } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { launchFirefox, newFirefoxPage } from "./harness/firefox.mjs";
import { boards, boardShows, CLASSROOMS, joinsOf, statsOf, teach, TEACHER_ID, wallOf } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-firefox";

// Firefox sends no media from a network's address to the loopback one, Chromium does.
const REACHABLE = { ZHUANDI_MEDIA__ADDRESSES: ownAddress() };

let chromium, firefox;
before(async () => {
  [chromium, firefox] = await Promise.all([launchChromium(), launchFirefox()]);
});
after(async () => {
  await chromium?.close();
  await firefox?.close();
});

test("Firefox sees, hears and is seen", async (t) => {
  const server = await startServer({ env: REACHABLE });
  t.after(() => server.stop());
  const teacher = await teach(server, chromium, LESSON, { camera: "640x360@15" });
  const { frames: [board] } = await boards(server, chromium, LESSON, CLASSROOMS.slice(0, 1));
  await boardShows(board, "lead", TEACHER_ID);

  const page = await newFirefoxPage(firefox);
  const [, name] = CLASSROOMS;
  const joined = Date.now();
  await page.goto(await server.link("receiver", { lesson: LESSON, name, query: { fake: 2, camera: "320x180@10" } }));
  const first = await page.evaluate((what) => observe.firstShown(what),
    { testId: "lead-video", id: TEACHER_ID, kind: "camera", limit: 20_000 });
  assert.ok(first, `Firefox shows no lead; state ${await page.$eval("main", (main) => main.dataset.state)}`);
  record(t, "first picture in Firefox after opening the page", first - joined, "ms");

  await page.evaluate(() => observe.video("lead", document.querySelector('[data-testid="lead-video"]')));
  const from = Date.now();
  const before = await statsOf(page);
  await sleep(8000);
  const [seen, end] = [await page.evaluate((since) => observe.summary("lead", since), from), await statsOf(page)];
  assert.deepEqual(seen.ids, [String(TEACHER_ID)]);
  assert.ok(seen.frames > 20, `only ${seen.frames} frames in 8 s`);
  assert.deepEqual(new Set(end.video.filter((one) => one.frames > 0).map((one) => one.codec.toLowerCase())), new Set(["video/vp8"]));
  assert.ok(energy(end) > energy(before), "Firefox heard nothing");
  assert.deepEqual(await joinsOf(page), { joins: 1, peers: 1 });
  record(t, "frames/s in Firefox (sent at 15)", seen.frames / 8, "frames/s");

  await until(`${name} is on the teacher's wall`, async () =>
    (await wallOf(teacher)).some((tile) => tile.name === name && !tile.covered && tile.id === 2));
  await boardShows(board, "lead", TEACHER_ID); // and the first board goes on, whatever the codec became
});

test("a lesson in H.264 moves to VP8 when a board without H.264 joins", async (t) => {
  const server = await startServer({ env: { ...REACHABLE, ZHUANDI_LESSON__VIDEO_CODEC: "h264" } });
  t.after(() => server.stop());
  const lesson = `${LESSON}-codec`;
  const teacher = await teach(server, chromium, lesson, { camera: "640x360@15" });
  const { frames: [board] } = await boards(server, chromium, lesson, CLASSROOMS.slice(0, 1));
  await boardShows(board, "lead", TEACHER_ID);
  assert.deepEqual(await codecsSent(teacher), ["video/h264"]);

  const page = await newFirefoxPage(firefox);
  const joined = Date.now();
  await page.goto(await server.link("receiver", { lesson, name: CLASSROOMS[1], query: { fake: 2, camera: "320x180@10" } }));
  const first = await page.evaluate((what) => observe.firstShown(what),
    { testId: "lead-video", id: TEACHER_ID, kind: "camera", limit: 25_000 });
  assert.ok(first, "Firefox shows no lead");
  record(t, "first picture in Firefox in a lesson that had to change its codec", first - joined, "ms");
  // Her page keeps the old connection until the new one has proved itself.
  await until("the teacher sends VP8 alone", async () => `${await codecsSent(teacher)}` === "video/vp8");
  await boardShows(board, "lead", TEACHER_ID);
  assert.equal((await joinsOf(board)).joins, 1);
});

const codecsSent = async (page) => [...new Set((await statsOf(page)).sent
  .filter(({ frames, codec }) => frames > 0 && codec).map(({ codec }) => codec.toLowerCase()))];
const energy = (stats) => stats.audio.reduce((sum, { energy: one }) => sum + (one ?? 0), 0);
