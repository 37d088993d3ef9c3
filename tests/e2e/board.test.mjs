// A board has no mouse and nobody who looks after it: keys of a remote control do no harm, sound goes on
// behind another window, a weak machine gets what it can show, and anybody can try the loudspeaker.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { boardShows, CLASSROOMS, joinsOf, stageShows, stateIs, statsOf, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-board";
const [NAME] = CLASSROOMS;

let server, browser, board, teacher;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("waiting: three ticks, and a melody that is really played", async () => {
  board = await newWindow(browser, { viewport: { width: 1920, height: 1080 } });
  // Its decoder is as slow as the test says, however slow the machine is.
  await board.addInitScript(() => {
    window.slowness = 0;
    const real = RTCPeerConnection.prototype.getStats;
    const added = new Map();
    let last = performance.now();
    RTCPeerConnection.prototype.getStats = async function (...of) {
      const report = await real.apply(this, of);
      const seconds = (performance.now() - last) / 1000;
      last = performance.now();
      const changed = new Map();
      for (const [id, entry] of report) {
        if (entry.type !== "inbound-rtp" || entry.kind !== "video") { changed.set(id, entry); continue; }
        added.set(id, (added.get(id) ?? 0) + seconds * window.slowness);
        const quick = (entry.framesDecoded ?? 0) * 0.002;
        changed.set(id, { ...entry, framesDropped: 0, totalDecodeTime: quick + added.get(id) });
      }
      return changed;
    };
  });
  await board.goto(await server.link("receiver", { lesson: LESSON, name: NAME, query: { fake: 1, camera: "320x180@10", ability: "on" } }));
  await stateIs(board, "waiting");
  await until("camera, microphone and network are ticked", async () => (await board.locator(".check.tone-good").count()) >= 3);
  await board.getByTestId("sound-test-play").click();
  await board.locator('[data-testid="sound-test"][data-step="playing"]').waitFor();
  await board.locator('[data-testid="sound-test"][data-step="played"]').waitFor();
  assert.match(await board.getByTestId("sound-test").innerText(), /音量/, "says what to do who heard nothing");
});

test("before the lesson the lead can try her own loudspeaker", async () => {
  const page = await newWindow(browser, { viewport: { width: 1366, height: 768 } });
  await page.goto(await server.link("lead", { lesson: "e2e-board-sound", name: "王老师", query: { fake: TEACHER_ID, camera: "320x180@10" } }));
  await page.getByTestId("sound-test-play").click();
  await page.locator('[data-testid="sound-test"][data-step="played"]').waitFor();
  await page.context().close();
});

test("a remote control: arrows and OK choose, Back closes what is open, nothing leaves the lesson", async () => {
  teacher = await teach(server, browser, LESSON, { camera: "640x360@15" });
  await stateIs(board, "live");
  await boardShows(board, "lead", TEACHER_ID);
  await board.bringToFront();
  const address = board.url();
  await board.evaluate(() => { window.stays = true; });
  const keys = ["0", "1", "5", "9", "a", "q", " ", "Backspace", "Escape", "BrowserBack", "BrowserHome", "F1", "Tab", "MediaPlayPause", "AudioVolumeMute", "PageDown", "Home", "End", "Delete"];
  for (const key of keys) {
    await board.evaluate(() => document.activeElement?.blur());
    // Some of them are no keys of a keyboard.
    await board.evaluate((name) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true })), key);
    if (!/^(Browser|Media|Audio|F1)/.test(key)) await board.keyboard.press(key);
  }
  assert.equal(await board.getByTestId("hand").getAttribute("aria-pressed"), "false");
  assert.equal(await board.getByTestId("mic").getAttribute("aria-pressed"), "false");

  // The first arrow goes to the last button, OK opens it, Back closes it.
  await board.evaluate(() => document.activeElement?.blur());
  await board.keyboard.press("ArrowLeft");
  assert.equal(await focused(), "more");
  await board.keyboard.press("Enter");
  await board.getByTestId("leave").waitFor();
  await board.keyboard.press("Backspace");
  await board.getByTestId("leave").waitFor({ state: "detached" });
  // The browser's own way back, as a remote control's key has it.
  await board.getByTestId("more").click();
  await board.evaluate(() => history.back());
  await board.getByTestId("leave").waitFor({ state: "detached" });
  await board.evaluate(() => history.back());
  await sleep(500);

  // Along the row to the hand.
  await board.getByTestId("more").focus();
  for (let step = 0; step < 6 && (await focused()) !== "hand"; step++) await board.keyboard.press("ArrowLeft");
  assert.equal(await focused(), "hand");
  await board.keyboard.press("Enter");
  await until("the hand is up", async () => (await board.getByTestId("hand").getAttribute("aria-pressed")) === "true");
  await board.keyboard.press("Enter");
  assert.equal(board.url(), address);
  assert.equal(await board.evaluate(() => window.stays), true, "it is the same page still");
  await stateIs(board, "live");
  assert.deepEqual(await joinsOf(board), { joins: 1, peers: 1 });
});

test("behind another window its sound goes on, and the lead knows that it is covered", async () => {
  const energy = async () => Math.max(...(await statsOf(board)).audio.map(({ samples }) => samples ?? 0));
  await board.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await until("the lead is told", async () => /挡住/.test(await tile().innerText()));
  const before = await energy();
  await sleep(1500);
  assert.ok(await energy() > before, "sound is played");
  assert.ok(await board.evaluate(() => [...document.querySelectorAll("audio")].every((one) => !one.paused && !one.muted)));
  assert.ok(await board.evaluate(() => zhuandi.room().own.sound), "and the board says so");
  await board.evaluate(() => {
    delete document.visibilityState;
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await until("the word goes", async () => !/挡住/.test(await tile().innerText()));
});

test("a board whose decoder is too slow asks for a smaller picture, and the lead reads it", async () => {
  await stageShows(board, "lead");
  const height = async () => Math.max(...(await statsOf(board)).video.filter(({ packets }) => packets > 0).map((one) => one.height ?? 0));
  await until("it has the large picture", async () => (await height()) === 360, 20_000);
  await board.evaluate(() => { window.slowness = 1; });
  await until("it has a small one", async () => (await height()) <= 180, 60_000);
  await until("the lead reads it", async () => /大屏较慢/.test(await tile().innerText()));
  await board.evaluate(() => { window.slowness = 0; });
  await boardShows(board, "lead", TEACHER_ID);
});

const tile = () => teacher.locator(`[data-testid="wall-tile"][data-name="${NAME}"]`);
const focused = () => board.evaluate(() => document.activeElement?.dataset?.testid ?? null);
