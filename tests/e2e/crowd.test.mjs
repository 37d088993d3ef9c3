// One who teaches, eight classrooms that may speak, and an audience beside them. However many look on, her
// page must stay as quick as with three of them.
//
// CROWD=300 makes the audience as large as a county's; by itself it is smaller, because it shares two cores
// with nine browsers. The audience are light clients: sound and the smallest pictures, by real connections.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { launchChromium } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { boards, boardShows, CLASSROOMS, errorsOf, teach, TEACHER_ID, wallOf } from "./harness/lesson.mjs";
import { BINARY, startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-crowd";
const CROWD = Number(process.env.CROWD ?? 60);
const SECONDS = 25;
const NAMES = [...CLASSROOMS, "河西教学点", "山前教学点"];

let server, browser, teacher, frames;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
  teacher = await teach(server, browser, LESSON, { camera: "640x360@15" });
  ({ frames } = await boards(server, browser, LESSON, NAMES, { camera: "160x90@5" }));
  for (const frame of frames) await boardShows(frame, "lead", TEACHER_ID, 30_000);
  await until("all are on the wall", async () => (await wallOf(teacher)).filter(({ id }) => id).length === NAMES.length, 30_000);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test(`her page stays quick while ${CROWD} join to look on`, async (t) => {
  await sleep(3000);
  // What measures can see something.
  const seen = longestTask(1000);
  await teacher.evaluate(() => setTimeout(() => {
    const end = performance.now() + 150;
    while (performance.now() < end);
  }, 200));
  assert.ok(await seen >= 140, `a task of 150 ms is seen as ${await seen}`);
  const alone = await longestTask(5000);
  const joining = longestTask(CROWD / 15 * 1000 + 5000);
  const looking = promisify(execFile)(BINARY, [
    "load", "--viewers", "--classrooms", CROWD, "--joins", 15, "--duration", CROWD / 15 + SECONDS,
    "--url", server.url, "--lesson", LESSON, "--pid", server.pid, "--json",
  ].map(String), { env: server.environment, maxBuffer: 1 << 24 });
  const joins = await joining;
  await until("she is told how many look on", async () => (await teacher.getByTestId("audience").innerText()).includes(CROWD), 20_000);
  const steady = await longestTask(8000);
  for (const frame of frames) await boardShows(frame, "lead", TEACHER_ID);
  const report = JSON.parse((await looking).stdout);

  assert.equal(report.connected, CROWD, "all of them");
  assert.ok(report.received > CROWD * 50 * 10, `they hear her: ${report.received} packets`);
  record(t, "lead's page beside eight classrooms: longest task before anybody looks on", alone, "ms");
  record(t, `lead's page: longest task while ${CROWD} join to look on`, joins, "ms", "<= 200");
  record(t, `lead's page: longest task with ${CROWD} who look on`, steady, "ms", "<= 200");
  record(t, `server's CPU for eight classrooms and ${CROWD} who look on`, round(report.server.cores), "cores");
  record(t, "each of them gets", Math.round(report.kbps_per_classroom), "kbit/s");
  record(t, "lost on the way to them", round(100 * report.lost_share), "%", "<= 0.5");
  assert.deepEqual(errorsOf(teacher), []);
});

const round = (number) => Math.round(number * 1000) / 1000;

/** The longest that her page was busy without a break in the next so many milliseconds. */
const longestTask = (ms) => teacher.evaluate((time) => new Promise((resolve) => {
  let longest = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, Math.round(duration));
  });
  observer.observe({ type: "longtask" });
  setTimeout(() => {
    observer.disconnect();
    resolve(longest);
  }, time);
}), ms);
