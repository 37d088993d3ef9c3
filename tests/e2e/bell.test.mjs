// The bell rings: twenty boards join within a second of each other while a browser teaches.
//
// What must hold: all get her picture. How few key frames she was asked for, and how soon the first
// picture stood, are recorded.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { boards, boardShows, statsOf, teach, TEACHER_ID } from "./harness/lesson.mjs";
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
  const { frames: [first] } = await boards(server, browser, LESSON, ["先到的教室"], { camera: "off" });
  await boardShows(first, "lead", TEACHER_ID);
  await sleep(5000);

  const names = Array.from({ length: BOARDS }, (_, index) => `第${index + 1}教学点`);
  const tokens = await Promise.all(names.map((name) => server.token("receiver", { lesson: LESSON, name })));
  const page = await newWindow(browser);
  // Any page of the server will do; without a token it does nothing of its own.
  await page.goto(`${server.url}/class`);
  await page.addScriptTag({ path: fileURLToPath(new URL("page/light_board.js", import.meta.url)) });

  const before = asked(await statsOf(teacher));
  const waits = await page.evaluate(([all, id]) => Promise.all(all.map(async (token, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * 1000 / all.length));
    return lightBoard(token, id);
  })), [tokens, TEACHER_ID]);
  await sleep(1000);
  const requests = asked(await statsOf(teacher)) - before;

  assert.ok(waits.every(Boolean), `${waits.filter(Boolean).length} of ${BOARDS} boards show her`);
  waits.sort((a, b) => a - b);
  record(t, `key frames asked of the teacher while ${BOARDS} boards joined`, requests, "", "<= 2");
  record(t, `first picture of ${BOARDS} boards after joining, p50`, waits[BOARDS / 2], "ms");
  record(t, `first picture of ${BOARDS} boards after joining, p95`, waits[Math.ceil(BOARDS * 0.95) - 1], "ms");
});

/** Key-frame requests so far, in the layer that was asked most. */
const asked = ({ sent }) => Math.max(0, ...sent.map(({ plis }) => plis ?? 0));
