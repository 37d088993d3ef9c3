// `zhuandi demo`, as somebody sees it who starts it for the first time and opens the printed links.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launchChromium, newContext } from "./harness/chromium.mjs";
import { figurePath, record } from "./harness/figures.mjs";
import { enter, stateIs, statsOf } from "./harness/lesson.mjs";
import { BINARY, freePorts } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

let child, output = "", data, browser, context, startedAt;
before(async () => {
  data = mkdtempSync(join(tmpdir(), "zhuandi-demo-"));
  const [http, ops, media] = await freePorts();
  startedAt = Date.now();
  child = spawn(BINARY, ["demo"], {
    cwd: data,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      HOME: data,
      ZHUANDI_HTTP__LISTEN: `127.0.0.1:${http}`,
      ZHUANDI_OPS__LISTEN: `127.0.0.1:${ops}`,
      ZHUANDI_MEDIA__PORT: String(media),
    },
  });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { output += chunk; });
  browser = await launchChromium();
  context = await newContext(browser, { viewport: { width: 1920, height: 1080 } });
});
after(async () => {
  await browser?.close();
  child.kill("SIGTERM");
  await Promise.race([new Promise((resolve) => child.once("exit", resolve)), sleep(5000)]);
  child.kill("SIGKILL");
  rmSync(data, { recursive: true, force: true });
});

/** The printed link of a page. */
const link = (page) => until(`a link for /${page} in the output:\n${output}`, () =>
  output.match(new RegExp(`https?://\\S+/${page}(\\?\\S*)?#\\S+`))?.[0], 20_000);

test("the printed board link shows and plays the synthetic teacher", async (t) => {
  const address = await link("class");
  record(t, "demo ready after start", Date.now() - startedAt, "ms");
  const board = await context.newPage();
  await board.goto(address);
  await stateIs(board, "live");
  const lead = board.getByTestId("lead-video");
  const first = await until("the picture moves", () => lead.evaluate((video) =>
    video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 10 && video.videoWidth));
  assert.ok(first >= 160);
  const was = await statsOf(board);
  await sleep(4000);
  const is = await statsOf(board);
  const frames = ({ video }) => video.reduce((sum, one) => sum + (one.frames ?? 0), 0);
  const energy = ({ audio }) => audio.reduce((sum, one) => sum + (one.energy ?? 0), 0);
  assert.ok(frames(is) - frames(was) >= 20, `${frames(is) - frames(was)} frames in 4 s`);
  assert.ok(energy(is) > energy(was), "no sound");
  await board.bringToFront();
  await board.screenshot({ path: figurePath("demo-class.png") });
});

test("the printed lead link teaches the two synthetic classrooms", async () => {
  const teacher = await context.newPage();
  await teacher.setViewportSize({ width: 1366, height: 768 });
  await teacher.goto(await link("teach"));
  await enter(teacher);
  const moving = await until("two classrooms move on the wall", () => teacher.getByTestId("wall-tile").evaluateAll((tiles) => {
    const shown = tiles.filter((tile) => tile.dataset.covered === "false"
      && tile.querySelector("video")?.getVideoPlaybackQuality().totalVideoFrames > 10);
    return shown.length >= 2 && shown.length;
  }));
  assert.ok(moving >= 2);
  await teacher.bringToFront();
  await teacher.screenshot({ path: figurePath("demo-teach.png") });
});

test("the printed administrator link shows the lesson with its people", async () => {
  const admin = await context.newPage();
  await admin.setViewportSize({ width: 1366, height: 768 });
  await admin.goto(await link("admin"));
  await admin.getByTestId("lesson-row").first().waitFor({ timeout: 10_000 });
  await sleep(2500);
  await admin.screenshot({ path: figurePath("demo-admin.png") });
});
