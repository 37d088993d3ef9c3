// What a lead shows besides a moving screen: a photo of a classroom's work, content that stands still
// while she looks for the next page, and her pointer. Whom she brings in from the audience, and what a
// board is asked at the end.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { addBoard, boards, boardShows, boardVideo, CLASSROOMS, errorsOf, stageShows, stateIs, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-content";

let server, browser, teacher, page, east, west, eastToken;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
  teacher = await teach(server, browser, LESSON, { camera: "320x180@10" });
  ({ page, frames: [east, west] } = await boards(server, browser, LESSON, CLASSROOMS.slice(0, 2)));
  await Promise.all([east, west].map((frame) => boardShows(frame, "lead", TEACHER_ID)));
  // The assisting teacher's phone has a link of its own.
  eastToken = await server.token("receiver", { lesson: LESSON, name: CLASSROOMS[0] });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a classroom's photo waits for the lead's word, and is then sharp everywhere and for who comes late", async (t) => {
  const made = await send(eastToken, 1200, 900);
  assert.equal(made.status, 201);
  const { id, url } = await made.json();
  const card = teacher.getByTestId("photo-card");
  await card.waitFor();
  assert.match(await card.innerText(), /东片小学 四\(1\) 发来一张照片/);
  assert.equal(await photoOf(east), null, "shown to nobody before she says so");
  const strange = await fetch(server.url + url, { headers: bearer(await server.token("receiver", { lesson: LESSON, name: CLASSROOMS[4] })) });
  assert.equal(strange.status, 404, "and fetched by nobody else");

  const tapped = Date.now();
  await teacher.getByTestId("photo-show").click();
  await Promise.all([east, west].map((frame) => photoIs(frame, id)));
  record(t, "photo: tap to shown in all classrooms", Date.now() - tapped, "ms", "<= 1000");
  assert.deepEqual(await photoOf(west), { id, width: 1200, height: 900 }, "every pixel of it");
  assert.equal(await card.count(), 0);
  await stageShows(west, "photo");
  const late = await lateBoard(3);
  await photoIs(late, id);

  await teacher.getByTestId("photo-away").click();
  await until("it is gone everywhere", async () => (await photoOf(east)) === null && (await photoOf(late)) === null);
  await stageShows(east, "lead");

  const bad = await fetch(`${server.url}/api/v1/lessons/${LESSON}/photos`, {
    method: "POST", headers: { ...bearer(eastToken), "Content-Type": "image/png" }, body: "<svg/>",
  });
  assert.deepEqual([bad.status, (await bad.json()).code], [415, "photo_unreadable"]);
  // Put aside without being shown.
  assert.equal((await send(eastToken, 40, 30)).status, 201);
  await teacher.getByTestId("photo-drop").click();
  await card.waitFor({ state: "detached" });
  assert.equal(await photoOf(west), null);
});

test("the lead's own file is on all boards after one choice, and her pointer on it", async () => {
  await teacher.getByTestId("content-more").click();
  const buffer = Buffer.from(await teacher.evaluate(painted, [1600, 900]), "base64");
  await teacher.getByTestId("photo-file").setInputFiles({ name: "page.png", mimeType: "image/png", buffer });
  await until("shown in the west", async () => (await photoOf(west))?.width === 1600);

  const image = teacher.getByTestId("stage").getByTestId("photo");
  const box = await image.boundingBox();
  // The picture is shown whole in its box: 16 : 9 here, so the margins are above and below.
  const height = box.width * 9 / 16, top = box.y + (box.height - height) / 2;
  for (let step = 0; step <= 10; step++) {
    await teacher.mouse.move(box.x + box.width * (0.2 + step * 0.03), top + height * 0.4);
    await sleep(30);
  }
  for (const frame of [east, west]) {
    const place = await until("the pointer is there", async () => {
      const at = await pointerOf(frame);
      return at && Math.abs(at.x - 0.5) < 0.02 && at;
    });
    assert.ok(Math.abs(place.y - 0.4) < 0.02, `at ${JSON.stringify(place)}`);
  }
  await until("gone after it has stood still", async () => (await pointerOf(east)) === null, 6_000);
  await teacher.getByTestId("photo-away").click();
  await until("gone in the west", async () => (await photoOf(west)) === null);
});

test("paused content stands still for everybody, also for who comes while it does, and goes on", async () => {
  await teacher.getByTestId("share").click();
  await boardShows(east, "content", TEACHER_ID);
  await teacher.getByTestId("pause-content").click();
  await teacher.getByText("已暂停共享").first().waitFor();
  const stopped = await until("the picture stands", async () => {
    const before = await clockOf(east);
    await sleep(700);
    return before !== null && before === (await clockOf(east)) && { clock: before };
  });
  const late = await lateBoard(4);
  await boardShows(late, "content", TEACHER_ID);
  assert.equal(await clockOf(late), stopped.clock, "the same picture");
  assert.equal(await clockOf(west), stopped.clock);
  await sleep(1000);
  assert.equal(await clockOf(east), stopped.clock);

  await teacher.getByTestId("pause-content").click();
  await until("it goes on", async () => (await clockOf(late)) !== stopped.clock);
  await teacher.getByTestId("stop-share").click();
  await stageShows(east, "lead");
  assert.deepEqual(errorsOf(teacher), []);
});

test("one tap brings somebody in from the audience, and another one back", async () => {
  const viewer = await newWindow(browser, { viewport: { width: 1366, height: 768 } });
  await viewer.goto(await server.link("observer", {
    lesson: LESSON, name: "示例县001 教研室", query: { fake: 9, camera: "320x180@10" }, more: ["--unit", "示例县001"],
  }));
  await stateIs(viewer, "live");
  const count = teacher.getByTestId("audience");
  await count.waitFor();
  assert.match(await count.innerText(), /观摩 1 个单位 · 1 人/);
  const tile = teacher.locator('[data-testid="wall-tile"][data-name="示例县001 教研室"]');
  assert.equal(await tile.count(), 0);
  await count.click();
  await teacher.getByTestId("promote").click();
  await until("its picture is on the wall", async () =>
    (await tile.locator("video").evaluate((video) => barcode.read(video)?.id, undefined, { timeout: 1000 })) === 9);
  assert.equal(await viewer.locator("main").getAttribute("data-page"), "class");
  await viewer.getByTestId("hand").waitFor();

  await tile.getByTestId("demote").click();
  await tile.waitFor({ state: "detached" });
  await viewer.locator('main[data-page="observe"][data-state="live"]').waitFor();
  await viewer.context().close();
});

test("after the lesson a board is asked how it was, one tap for each answer", async () => {
  await teacher.getByTestId("end-lesson").click();
  await teacher.getByTestId("confirm-end").click();
  await west.getByTestId("farewell").waitFor();
  for (const answer of ["farewell-headcount", "rate-sound-good", "rate-picture-poor"]) {
    await west.getByTestId(answer).click();
    await west.locator(`[data-testid="${answer}"][aria-pressed="true"]`).waitFor();
  }
  await west.getByText("谢谢，都记下了。").waitFor();
  const admin = bearer(await server.token("admin", { lesson: LESSON, name: "管理员" }));
  const said = await until("it is in the attendance", async () => {
    const told = await (await fetch(`${server.url}/api/v1/lessons/${LESSON}/attendance`, { headers: admin })).json();
    const board = told.runs[0].participants.find((one) => one.name === CLASSROOMS[1]);
    return board?.picture && board;
  });
  assert.deepEqual([said.headcount, said.sound, said.picture], [40, "good", "poor"]);
});

const bearer = (token) => ({ Authorization: `Bearer ${token}` });

/** What a phone does: POST with the token and the image as body. */
async function send(token, width, height) {
  const body = Buffer.from(await teacher.evaluate(painted, [width, height]), "base64");
  return fetch(`${server.url}/api/v1/lessons/${LESSON}/photos`, {
    method: "POST", headers: { ...bearer(token), "Content-Type": "image/png" }, body,
  });
}

/** Runs in a page: a PNG of this size, base64. */
function painted([width, height]) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#123";
  context.font = `${height / 8}px sans-serif`;
  context.fillText("3 × 4 = 12", width * 0.1, height * 0.5);
  return canvas.toDataURL("image/png").split(",")[1];
}

/** The photo on a board's stage: {id, width, height}, null without one. */
const photoOf = (frame) => frame.evaluate(() => {
  const image = document.querySelector('[data-testid="photo"]');
  if (!image || !image.complete || image.naturalWidth === 0) return null;
  const { naturalWidth: width, naturalHeight: height } = image;
  return { id: image.closest("[data-photo]").dataset.photo, width, height };
});

const photoIs = (frame, id) => until(`photo ${id} is shown`, async () => (await photoOf(frame))?.id === id);

/** Where a board shows the lead's pointer, null where it shows none. */
const pointerOf = (frame) => frame.evaluate(() => {
  const mark = document.querySelector('[data-testid="pointer"].on');
  return mark && { x: Number(mark.dataset.x), y: Number(mark.dataset.y) };
});

const clockOf = async (frame) =>
  (await boardVideo(frame, "content").evaluate((video) => barcode.read(video), undefined, { timeout: 1000 }))?.clock ?? null;

async function lateBoard(number) {
  const link = await server.link("receiver", { lesson: LESSON, name: CLASSROOMS[number], query: { fake: number, camera: "320x180@10" } });
  await addBoard(page, link, number);
  const frame = await until("a late board", () => page.frame({ name: `board-${number}` }));
  await stateIs(frame, "live");
  return frame;
}
