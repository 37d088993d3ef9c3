// DOMAIN.md §2: what a person does costs this many taps, counted in the pages as real taps of a finger or
// a mouse. What needs a tap more than before fails here.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { boardShows, CLASSROOMS, stateIs, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { until } from "./harness/wait.mjs";

const LESSON = "e2e-taps";
const [FIRST, SECOND] = CLASSROOMS;
const PUPILS = 27;

/** Before the page's own scripts: every tap that a person makes, and none that a script makes. */
const COUNT = () => {
  window.taps = 0;
  addEventListener("pointerup", ({ isTrusted }) => { window.taps += isTrusted ? 1 : 0; }, true);
  addEventListener("keydown", ({ isTrusted }) => { window.taps += isTrusted ? 1 : 0; }, true);
};

let server, browser, teacher, board, other;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("lead: everything is ready by itself, 上课 is one tap", async () => {
  teacher = await open("lead", "王老师", { viewport: { width: 1366, height: 768 }, query: { fake: TEACHER_ID, camera: "320x180@10" } });
  [board, other] = await Promise.all([FIRST, SECOND].map((name, index) =>
    open("receiver", name, { query: { fake: index + 1, camera: "320x180@10", pupils: PUPILS } })));
  await stateIs(teacher, "preflight");
  await until("both classrooms are listed", async () => (await teacher.getByTestId("waiting-classroom").count()) === 2);
  await tapsOf(teacher, 1, () => teacher.getByTestId("enter").click(), () => stateIs(teacher, "live"));
});

test("board: 0 taps from the link into the lesson, and 0 after its power was cut", async () => {
  for (const one of [board, other]) {
    await stateIs(one, "live");
    await boardShows(one, "lead", TEACHER_ID);
    assert.equal(await one.getByTestId("sound-prompt").count(), 0);
    assert.equal(await taps(one), 0);
  }
  await other.reload();
  await stateIs(other, "live");
  await boardShows(other, "lead", TEACHER_ID);
  await until("its sound plays", () => other.evaluate(() => zhuandi.room().own.sound));
  assert.equal(await taps(other), 0);
});

test("board: the headcount is one tap, its class's usual number stands there", async () => {
  await board.getByTestId("headcount-ok").waitFor();
  await tapsOf(board, 1, () => board.getByTestId("headcount-ok").click(), () =>
    until("the lead sees it", async () => new RegExp(`${PUPILS} 人`).test(await tile(FIRST).innerText())));
});

test("board: hand, 没听清, 看不清 and the class's own microphone are one tap each", async () => {
  const raised = () => teacher.getByTestId("tile-hand").count();
  await tapsOf(board, 1, () => board.getByTestId("hand").click(), () => until("the hand is up", async () => (await raised()) === 1));
  await tapsOf(board, 1, () => board.getByTestId("hand").click(), () => until("the hand is down", async () => (await raised()) === 0));
  for (const [kind, count] of [["cannot_hear", 1], ["cannot_see", 2]]) {
    await tapsOf(board, 1, () => board.getByTestId(kind).click(), () =>
      until(`${kind} is told`, async () => (await tile(FIRST).getByTestId("complaint").count()) === count));
  }
  const kept = (is) => () => until(`kept closed: ${is}`, async () => (await entry(FIRST)).state.micKept === is || (!is && !(await entry(FIRST)).state.micKept));
  await tapsOf(board, 1, () => board.getByTestId("mic").click(), kept(true));
  await tapsOf(board, 1, () => board.getByTestId("mic").click(), kept(false));
});

test("lead: calling on is one tap, back is one tap, and a raised hand is answered with one", async () => {
  const turns = async (one, count) => until(`turn: ${count}`, async () => (await one.getByTestId("turn").count()) === count);
  await tapsOf(teacher, 1, () => tile(FIRST).getByTestId("call").click(), () => turns(board, 1));
  await tapsOf(teacher, 1, () => tile(FIRST).getByTestId("call").click(), () => turns(board, 0));
  await other.getByTestId("hand").click();
  await teacher.getByTestId("hand-call").waitFor();
  await tapsOf(teacher, 1, () => teacher.getByTestId("hand-call").click(), () => turns(other, 1));
});

test("lead: 全体静音 is one tap", async () => {
  await until("the classroom's microphone is open", async () => !(await entry(SECOND)).muted.includes("mic"));
  await tapsOf(teacher, 1, () => teacher.getByTestId("mute-all").click(), () =>
    until("all are closed", async () => (await entry(SECOND)).muted.includes("mic")));
});

test("lead: handing over and taking back, sharing and not, are one tap each", async () => {
  await tapsOf(teacher, 1, () => tile(FIRST).getByTestId("hand-over").click(), () => board.locator('[data-testid="turn"][data-turn="lead"]').waitFor());
  await tapsOf(teacher, 1, () => teacher.getByTestId("take-lead").click(), () => board.getByTestId("turn").waitFor({ state: "detached" }));
  // The browser's own picker takes taps of its own; here it chooses by itself.
  await tapsOf(teacher, 1, () => teacher.getByTestId("share").click(), () => showing("content"));
  await tapsOf(teacher, 1, () => teacher.getByTestId("stop-share").click(), () => showing("lead"));
});

test("observer and administrator: 0 taps to see", async () => {
  const observer = await open("observer", "张教研员", { viewport: { width: 1366, height: 768 } });
  await stateIs(observer, "live");
  await boardShows(observer, "lead", TEACHER_ID);
  await until("both classrooms are listed", async () => (await observer.getByTestId("classroom").count()) === 2);
  assert.equal(await taps(observer), 0);
  const admin = await open("admin", "管理员", { viewport: { width: 1366, height: 768 } });
  await until("who is in the lesson is listed", async () => (await admin.getByTestId("participant-row").count()) >= 3);
  assert.equal(await taps(admin), 0);
  await Promise.all([observer, admin].map((page) => page.context().close()));
});

test("lead: 下课 is one tap, and one more that says yes", async () => {
  // The question is right: what ends for every classroom cannot be taken back, and it stands where the thumb is.
  await tapsOf(teacher, 2, async () => {
    await teacher.getByTestId("end-lesson").click();
    await teacher.getByTestId("confirm-end").click();
  }, () => Promise.all([board, other].map((one) => stateIs(one, "ended"))));
});

async function open(role, name, { query = {}, ...options } = {}) {
  const page = await newWindow(browser, { viewport: { width: 1920, height: 1080 }, ...options });
  await page.addInitScript(COUNT);
  await page.goto(await server.link(role, { lesson: LESSON, name, query }));
  return page;
}

const taps = (page) => page.evaluate(() => taps);

/** `act` is what a person does; after it `done` comes true, and it took `count` taps. */
async function tapsOf(page, count, act, done) {
  const before = await taps(page);
  await act();
  await done();
  assert.equal((await taps(page)) - before, count, "taps");
}

const tile = (name) => teacher.locator(`[data-testid="wall-tile"][data-name="${name}"]`);
const entry = (name) => teacher.evaluate((wanted) => zhuandi.room().roster.find((one) => one.name === wanted), name);
const showing = (what) => until(`the board shows ${what}`, async () => (await board.getByTestId("stage").getAttribute("data-showing")) === what);
