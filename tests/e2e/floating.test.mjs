// The wall that stays on top while the teacher looks at her slides: in a window of its own where the
// browser has such, else as a painted video; opened by one tap, closed when she is back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { figurePath } from "./harness/figures.mjs";
import { boards, CLASSROOMS, enter, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-floating";
const NAMES = CLASSROOMS.slice(0, 2);

let server, browser, frames, link;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
  ({ frames } = await boards(server, browser, LESSON, NAMES));
  link = await server.link("lead", { lesson: LESSON, name: "王老师", query: { fake: TEACHER_ID, camera: "320x180@10" } });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("one tap puts the wall into a window on top; a tap there calls on; it closes when she is back", async () => {
  const teacher = await lead();
  await teacher.getByTestId("float").click();
  await until("the window is there", () => teacher.evaluate(() => documentPictureInPicture.window !== null));
  const tiles = () => teacher.evaluate(() => {
    const inside = documentPictureInPicture.window.document;
    return [...inside.querySelectorAll('[data-testid="floating-tile"]')].map((tile) => ({
      name: tile.dataset.name,
      covered: tile.querySelector(".covered") !== null,
      shows: barcode.read(tile.querySelector("video"))?.id ?? null,
      text: tile.innerText,
    }));
  });
  await until("it shows each classroom under its name", async () =>
    (await tiles()).length === 2 && (await tiles()).every(({ name, covered, shows }) => !covered && shows === NAMES.indexOf(name) + 1));
  await until("the lamp says that it hears", async () => /听得清|未开声音/.test((await tiles())[0].text));
  assert.equal(await teacher.evaluate(() => getComputedStyle(documentPictureInPicture.window.document.querySelector(".floating-grid")).display), "grid", "its style sheets are there");

  await frames[0].getByTestId("hand").click();
  await until("the hand is there", () => teacher.evaluate(() => documentPictureInPicture.window.document.querySelector(".tile-hand") !== null));
  await teacher.evaluate((name) => documentPictureInPicture.window.document.querySelector(`[data-name="${name}"] .floating-call`).click(), NAMES[0]);
  await frames[0].getByTestId("turn").waitFor();
  await teacher.getByTestId("release").click();

  await looks(teacher, { here: false });
  await sleep(600); // the focus may wander while it opens
  assert.ok(await teacher.evaluate(() => documentPictureInPicture.window !== null), "it stays while she is away");
  await looks(teacher, { here: true });
  await until("it has closed", () => teacher.evaluate(() => documentPictureInPicture.window === null));
  assert.equal(await teacher.getByTestId("float").getAttribute("aria-pressed"), "false");
  await teacher.context().close();
});

test("a browser without such windows has the wall as a painted video", async () => {
  const teacher = await lead(() => { delete window.documentPictureInPicture; });
  await teacher.getByTestId("float").click();
  await until("the video is on top", () => teacher.evaluate(() => document.pictureInPictureElement?.dataset.testid === "canvas-wall"));
  const painted = await until("classrooms are painted", async () => {
    const image = await teacher.evaluate(() => {
      const video = document.pictureInPictureElement;
      const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
      const context = canvas.getContext("2d");
      context.drawImage(video, 0, 0);
      // In the middle of the first picture, above its name.
      const { data } = context.getImageData(60, 40, 200, 60);
      const colours = new Set();
      for (let i = 0; i < data.length; i += 4) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      return { width: video.videoWidth, height: video.videoHeight, colours: colours.size, picture: canvas.toDataURL("image/png") };
    });
    return image.colours > 20 && image;
  });
  assert.deepEqual([painted.width, painted.height], [640, 180]);
  const { writeFileSync } = await import("node:fs");
  writeFileSync(figurePath("teach-canvas-wall.png"), Buffer.from(painted.picture.split(",")[1], "base64"));
  await looks(teacher, { here: false });
  await sleep(600); // the focus may wander while it opens
  await looks(teacher, { here: true });
  await until("it has closed", () => teacher.evaluate(() => document.pictureInPictureElement === null));
  assert.equal(await teacher.getByTestId("canvas-wall").count(), 0);
  await teacher.context().close();
});

test("who goes to her slides while it still opens is away as well", async () => {
  const teacher = await lead();
  await teacher.getByTestId("float").click();
  await until("the window is there", () => teacher.evaluate(() => documentPictureInPicture.window !== null), 5000, 5);
  await looks(teacher, { here: false });
  await sleep(700);
  await looks(teacher, { here: true });
  await until("it has closed", () => teacher.evaluate(() => documentPictureInPicture.window === null), 5000);
  await teacher.context().close();
});

/** The teacher in her lesson; a page that comes after another one takes over. */
async function lead(script) {
  const page = await newWindow(browser, { viewport: { width: 1366, height: 768 } });
  if (script) await page.addInitScript(script);
  await page.goto(link);
  await enter(page);
  await until("the wall is full", async () => (await page.locator('[data-testid="wall-tile"][data-covered="false"]').count()) === 2);
  return page;
}

/** What the browser says of the page when another window comes to the front, and when it is back. */
const looks = (page, { here }) => page.evaluate((is) => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (is ? "visible" : "hidden") });
  document.hasFocus = () => is;
  document.dispatchEvent(new Event("visibilitychange"));
}, here);
