// A lesson as it is held: one teaching page, one page with six boards, in one browser.
//
// The boards must show the right person, moving and with sound, without ever joining again; how
// well they do it is recorded beside a loopback connection of the same browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import {
  boards, boardShows, CLASSROOMS, errorsOf, joinsOf, stageShows, stateIs, statsOf, teach, TEACHER_CAMERA, TEACHER_ID, wallOf,
} from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-lesson";
const SECONDS = 20;

let server, browser, teacher, page, frames;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
  teacher = await teach(server, browser, LESSON);
  ({ page, frames } = await boards(server, browser, LESSON));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("six boards see and hear the teacher", async (t) => {
  await Promise.all(frames.map((frame) => boardShows(frame, "lead", TEACHER_ID)));
  const control = await startControl();
  await sleep(5000); // encoders and jitter buffers find their pace
  for (const frame of frames) {
    await frame.evaluate(() => observe.video("lead", document.querySelector('[data-testid="lead-video"]')));
  }
  await sleep(200);

  const from = Date.now();
  const before = await measure(control);
  await sleep(SECONDS * 1000);
  const end = await measure(control);
  const controlSeen = await control.evaluate((since) => observe.summary("control", since), from);

  const shares = [], arrived = [], freezes = [], delays = [];
  for (const [index, frame] of frames.entries()) {
    const seen = await frame.evaluate((since) => observe.summary("lead", since), from);
    const [was, is] = [leadVideo(before.boards[index]), leadVideo(end.boards[index])];
    assert.deepEqual(seen.ids, [String(TEACHER_ID)], `board ${index} showed ${seen.ids}`);
    assert.ok(is.frames - was.frames > SECONDS, `board ${index} decoded ${is.frames - was.frames} frames`);
    assert.ok(energy(end.boards[index]) > energy(before.boards[index]), `board ${index} heard nothing`);
    assert.deepEqual(await joinsOf(frame), { joins: 1, peers: 1 });
    const sent = sentMeanwhile(before.teacher, end.teacher, was.height === is.height ? is.height : null);
    shares.push(100 * (is.frames - was.frames) / sent);
    arrived.push(100 * (is.received - was.received) / sent);
    freezes.push(is.freezes - was.freezes);
    delays.push(seen.delay50);
  }
  const [controlWas, controlIs] = [leadVideo(before.control), leadVideo(end.control)];
  const controlFreezes = controlIs.freezes - controlWas.freezes;
  record(t, "frames decoded of frames sent, worst of six boards", Math.min(...shares), "%", ">= 95");
  // What arrives is the server's work; a browser short of time decodes less than arrived.
  record(t, "frames arrived of frames sent, worst of six boards", Math.min(...arrived), "%");
  const controlSent = sentMeanwhile(before.controlSender, end.controlSender, controlIs.height);
  record(t, "frames decoded of frames sent, control", 100 * (controlIs.frames - controlWas.frames) / controlSent, "%");
  record(t, "freezes, worst board, beyond the control's", Math.max(...freezes) - controlFreezes, "", "<= 1");
  record(t, "freezes of the control", controlFreezes, "");
  record(t, "delay p50, worst board", Math.max(...delays), "ms");
  record(t, "delay p50, median board", delays.toSorted((a, b) => a - b)[3], "ms");
  record(t, "delay p50 of the control", controlSeen.delay50, "ms");
  await control.context().close();
});

test("the teacher sees six moving pictures under the right names", async (t) => {
  const wall = await until("six pictures on the wall", async () => {
    const tiles = (await wallOf(teacher)).filter((tile) => !tile.covered && tile.id !== null);
    return tiles.length === CLASSROOMS.length && tiles;
  });
  for (const tile of wall) assert.equal(tile.id, CLASSROOMS.indexOf(tile.name) + 1, `wrong picture at ${tile.name}`);
  const from = Date.now();
  await teacher.evaluate(() => {
    for (const tile of document.querySelectorAll('[data-testid="wall-tile"]')) {
      observe.video(tile.dataset.name, tile.querySelector("video"));
    }
  });
  await sleep(4000);
  const rates = [];
  for (const { name } of wall) {
    const seen = await teacher.evaluate(([who, since]) => observe.summary(who, since), [name, from]);
    assert.ok(seen.frames >= 4, `${name} stands still: ${seen.frames} frames in 4 s`);
    rates.push(seen.frames / 4);
  }
  record(t, "slowest of six pictures at the teacher (sent at 10)", Math.min(...rates), "frames/s");
});

test("content reaches all boards, and goes away again", async (t) => {
  const shown = frames.map((frame) => frame.evaluate((what) => observe.firstShown(what),
    { testId: "content-video", id: TEACHER_ID, kind: "content" }));
  await teacher.getByTestId("share").click();
  const times = await Promise.all(shown);
  const sharedAt = await teacher.evaluate(() => fake.sharedAt);
  assert.ok(times.every(Boolean), `content seen on ${times.filter(Boolean).length} of ${times.length} boards`);
  await Promise.all(frames.map((frame) => stageShows(frame, "content")));
  record(t, "content on the last of six boards after sharing", Math.max(...times) - sharedAt, "ms", "<= 1000");

  await teacher.getByTestId("stop-share").click();
  await Promise.all(frames.map((frame) => stageShows(frame, "lead")));
  await Promise.all(frames.map((frame) => boardShows(frame, "lead", TEACHER_ID)));
});

test("a reloaded teacher is back on all boards, and no board joins again", async (t) => {
  const since = Date.now();
  const shown = frames.map((frame) => frame.evaluate((what) => observe.firstShown(what),
    // Frames painted before the reload are still under way for a moment.
    { testId: "lead-video", id: TEACHER_ID, kind: "camera", since: since + 300, limit: 20_000 }));
  await teacher.reload({ waitUntil: "commit" });
  const times = await Promise.all(shown);
  assert.ok(times.every(Boolean), `back on ${times.filter(Boolean).length} of ${times.length} boards`);
  await stateIs(teacher, "live");
  for (const frame of frames) assert.deepEqual(await joinsOf(frame), { joins: 1, peers: 1 });
  record(t, "teacher's picture back on the last of six boards after a reload", Math.max(...times) - since, "ms", "<= 3000");
});

test("a closed board is gone from the wall", async (t) => {
  const name = CLASSROOMS[5];
  await until(`${name} is on the wall`, async () => (await wallOf(teacher)).some((tile) => tile.name === name && !tile.covered));
  const closed = Date.now();
  await page.evaluate(() => document.querySelector('iframe[name="board-5"]').remove());
  await until(`${name}'s picture is gone`, async () =>
    !(await wallOf(teacher)).some((tile) => tile.name === name && !tile.covered));
  record(t, "closed board gone from the wall", Date.now() - closed, "ms", "<= 5000");
});

test("the lesson ends for everybody", async (t) => {
  await teacher.getByTestId("end-lesson").click();
  await teacher.getByTestId("confirm-end").click();
  await stateIs(teacher, "ended");
  for (const frame of frames.slice(0, 5)) await stateIs(frame, "ended");
  for (const line of new Set([...errorsOf(teacher), ...errorsOf(page)])) t.diagnostic(`console: ${line}`);
});

async function startControl() {
  const control = await newWindow(browser);
  const address = `${server.url}/control-of-a-test?fake=${TEACHER_ID}`;
  await control.route(address, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><body></body>" }));
  await control.goto(address);
  const [, width, height, rate] = /^(\d+)x(\d+)@(\d+)$/.exec(TEACHER_CAMERA).map(Number);
  await control.evaluate((options) => observe.control(options), { width, height, rate });
  return control;
}

async function measure(control) {
  const [atTeacher, atControl, controlSender, ...atBoards] = await Promise.all([
    statsOf(teacher), control.evaluate(() => observe.stats(observe.controlReceiver)),
    control.evaluate(() => observe.stats(observe.controlSender)), ...frames.map(statsOf),
  ]);
  return { teacher: atTeacher, control: atControl, controlSender, boards: atBoards };
}


/** The busiest video receiver: a board without content has but one that is fed. */
const leadVideo = (stats) => stats.video.toSorted((a, b) => (b.frames ?? 0) - (a.frames ?? 0))[0];
const energy = (stats) => stats.audio.reduce((sum, { energy: one }) => sum + (one ?? 0), 0);
/**
 * Frames sent meanwhile in the layer of this height; where the board was moved between layers, in
 * the one that sent most.
 */
function sentMeanwhile(before, end, height) {
  const layers = end.sent.map(({ rid, mid, frames, height: own }) =>
    ({ own, count: frames - (before.sent.find((one) => one.rid === rid && one.mid === mid)?.frames ?? 0) }));
  return layers.find(({ own }) => own === height)?.count ?? Math.max(...layers.map(({ count }) => count));
}
