// A picture never stands under another classroom's name.
//
// Boards come and go, so that the teacher's slots are fed by one classroom after the other; at every
// displayed frame of her page, each uncovered tile is compared with the id painted in its picture.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { addBoard, BOARD_CAMERA, boards, CLASSROOMS, stageShows, teach, TEACHER_ID, wallOf } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-names";
const NAMES = Array.from({ length: 16 }, (_, index) => CLASSROOMS[index] ?? `第${index}教学点`);
const EXPECTED = Object.fromEntries(NAMES.map((name, index) => [name, index + 1]));
const PRESENT = 4;

let server, browser;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("names and pictures agree while slots change hands", async (t) => {
  const teacher = await teach(server, browser, LESSON, { camera: "320x180@5" });
  const { page } = await boards(server, browser, LESSON, NAMES.slice(0, PRESENT));
  await wallComplete(teacher, NAMES.slice(0, PRESENT));

  // The check itself can fail: told the wrong names, it must object.
  const swapped = { ...EXPECTED, [NAMES[0]]: 2, [NAMES[1]]: 1 };
  assert.ok((await checkNames(teacher, swapped, () => sleep(1000))).wrong.length > 0, "the check sees nothing");

  const result = await checkNames(teacher, EXPECTED, async () => {
    for (let next = PRESENT; next < NAMES.length; next++) {
      const gone = next - PRESENT;
      // Alternately: the new one comes first, and takes another slot; or the old one goes first,
      // and its slot is used again.
      if (next % 2) await close(page, gone);
      const link = await server.link("receiver", {
        lesson: LESSON, name: NAMES[next], query: { fake: next + 1, camera: BOARD_CAMERA },
      });
      await addBoard(page, link, next);
      if (next % 2 === 0) await close(page, gone);
      await wallComplete(teacher, NAMES.slice(gone + 1, next + 1));
    }
  });
  assert.deepEqual(result.wrong, []);
  assert.ok(result.looked > 100, `only ${result.looked} pictures compared`);
  record(t, "pictures under a wrong name", result.wrong.length, `of ${result.looked}`, "<= 0");
});

test("the board's two pictures never change places", async (t) => {
  const lesson = `${LESSON}-board`;
  const teacher = await teach(server, browser, lesson, { camera: "320x180@10" });
  const { frames: [board] } = await boards(server, browser, lesson, NAMES.slice(0, 1));
  await board.evaluate(() => {
    window.misplaced = [];
    window.compared = 0;
    const look = () => {
      for (const kind of ["lead", "content"]) {
        const video = document.querySelector(`[data-testid="${kind}-video"]`);
        const seen = video && barcode.read(video);
        if (!seen) continue;
        window.compared += 1;
        if ((seen.kind === "content") !== (kind === "content")) window.misplaced.push({ kind, seen });
      }
      requestAnimationFrame(look);
    };
    look();
  });
  for (let round = 0; round < 4; round++) {
    await teacher.getByTestId("share").click();
    await stageShows(board, "content");
    await sleep(700);
    await teacher.getByTestId("stop-share").click();
    await stageShows(board, "lead");
    await sleep(300);
  }
  const { misplaced, compared } = await board.evaluate(() => ({ misplaced, compared }));
  assert.deepEqual(misplaced, []);
  assert.ok(compared > 50, `only ${compared} pictures compared`);
  record(t, "board pictures in the wrong place", misplaced.length, `of ${compared}`, "<= 0");
  assert.equal(TEACHER_ID, await teacher.evaluate(() => fake.id));
});

async function checkNames(teacher, expected, act) {
  await teacher.evaluate((names) => observe.names(names), expected);
  await act();
  return teacher.evaluate(() => observe.stopNames());
}

const wallComplete = (teacher, names) => until(`on the wall: ${names}`, async () => {
  const shown = (await wallOf(teacher)).filter((tile) => !tile.covered && tile.id !== null).map(({ name }) => name);
  return names.every((name) => shown.includes(name));
});

const close = (page, index) => page.evaluate((name) => document.querySelector(`iframe[name="${name}"]`).remove(), `board-${index}`);

