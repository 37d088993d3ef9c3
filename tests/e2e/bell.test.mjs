// The bell rings: twenty boards join within a second of each other while a browser teaches.
//
// What must hold: all get her picture. How few key frames she was asked for, and how soon the first
// picture stood, are recorded.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { boardFrames, boards, boardShows, statsOf, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep } from "./harness/wait.mjs";

const LESSON = "e2e-bell";
const BOARDS = 20;

let server, browser;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test(`${BOARDS} boards join at once`, async (t) => {
  const teacher = await teach(server, browser, LESSON, { camera: "480x270@10" });
  const { page, frames: [first] } = await boards(server, browser, LESSON, ["先到的教室"], { camera: "off", columns: 6 });
  // Each board's page looks by itself, from its start: asking twenty frames takes its time.
  await page.context().addInitScript((id) => {
    if (location.pathname !== "/class") return;
    window.firstPicture = observe.firstShown({ testId: "lead-video", id, kind: "camera", limit: 45_000 })
      .then((at) => at && at - performance.timeOrigin);
  }, TEACHER_ID);
  await boardShows(first, "lead", TEACHER_ID);
  await sleep(5000);

  const names = Array.from({ length: BOARDS }, (_, index) => `第${index + 1}教学点`);
  const links = await Promise.all(names.map((name) =>
    server.link("receiver", { lesson: LESSON, name, query: { camera: "off" } })));
  const before = asked(await statsOf(teacher));
  await page.evaluate((addresses) => {
    for (const [index, src] of addresses.entries()) {
      setTimeout(() => {
        document.body.append(Object.assign(document.createElement("iframe"), { src, name: `board-${index + 1}`, allow: "autoplay" }));
      }, index * 1000 / addresses.length);
    }
  }, links);
  await sleep(1100);
  const frames = (await boardFrames(page, BOARDS + 1)).slice(1);
  const waits = await Promise.all(frames.map((frame) => frame.evaluate(() => window.firstPicture)));
  assert.ok(waits.every(Boolean), `${waits.filter(Boolean).length} of ${BOARDS} boards show her`);
  const after = asked(await statsOf(teacher));
  record(t, `key frames asked of the teacher while ${BOARDS} boards joined, per layer`, after - before, "", "<= 2");
  waits.sort((a, b) => a - b);
  record(t, `first picture of ${BOARDS} boards after opening the page, p95`, waits[Math.ceil(BOARDS * 0.95) - 1], "ms");
});

/** Key-frame requests in the layer that was asked most. */
const asked = ({ sent }) => Math.max(0, ...sent.map(({ plis }) => plis ?? 0));
