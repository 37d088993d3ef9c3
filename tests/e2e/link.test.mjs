// A bad line, as pages cope with it: unused layers are not sent, the line is told in words, and sound waits
// for what comes late.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newContext } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { startForwarder } from "./harness/forwarder.mjs";
import { boards, boardShows, CLASSROOMS, stageShows, stateIs, statsOf, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { slowLine, unsteadyLine } from "./harness/shape.mjs";
import { sleep, until } from "./harness/wait.mjs";

const HERE = "127.0.0.1";
const [NAME] = CLASSROOMS;
/** In everybody's words: on some lines a few pictures a second find room, on others none. */
const SLOW = /网络(很慢|较慢)|只有声音|只保留声音/;

let server, browser;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a layer that nobody uses is not sent, and comes back when somebody does", async (t) => {
  const lesson = "e2e-layers";
  const teacher = await teach(server, browser, lesson);
  t.after(() => teacher.context().close());
  const { page, frames: [board] } = await boards(server, browser, lesson, [NAME]);
  t.after(() => page.context().close());
  await boardShows(board, "lead", TEACHER_ID);
  await until("three layers of her camera are sent", async () => (await moving(teacher, 540)).size === 3, 30_000);

  // Beside content her camera is small on the board: its largest layer is of no use to anybody.
  const shared = Date.now();
  await teacher.getByTestId("share").click();
  await stageShows(board, "content");
  await until("the largest layer is switched off", async () => `${await active(teacher)}` === "true,true,false", 60_000);
  record(t, "from sharing until the camera's unused layer has stopped", (Date.now() - shared) / 1000, "s", "<= 12");
  await until("it has stopped, and the others have not", async () => `${[...await moving(teacher, 540)].sort()}` === "h,q");
  await boardShows(board, "lead", TEACHER_ID);

  const content = await until("content is sent in two qualities", async () => {
    const sent = (await statsOf(teacher)).sent.filter(({ height, frames }) => height === 720 && frames > 0);
    return sent.length === 2 && sent;
  });
  const before = new Map(content.map((one) => [one.rid, one]));
  await sleep(8000);
  const qualities = (await statsOf(teacher)).sent.filter(({ height }) => height === 720);
  for (const { rid, frames, bytes } of qualities) {
    const was = before.get(rid);
    record(t, `content, layer ${rid}, full resolution: rate`, (bytes - was.bytes) * 8 / 8000, "kbit/s", rid === "q" ? "<= 150" : null);
    record(t, `content, layer ${rid}, full resolution: pictures`, (frames - was.frames) / 8, "frames/s", rid === "q" ? "<= 5.5" : null);
  }
  assert.deepEqual(new Set(qualities.map(({ rid }) => rid)), new Set(["q", "f"]));

  const stopped = Date.now();
  await teacher.getByTestId("stop-share").click();
  await until("the largest layer is back", async () => (await moving(teacher, 540)).has("f"), 30_000, 50);
  record(t, "from the end of sharing until the camera's largest layer is sent again", (Date.now() - stopped) / 1000, "s", "<= 2");
  await until("the board gets it", async () => (await statsOf(board)).video.some(({ height }) => height === 540), 30_000);
});

test("a line too slow for pictures is told at the board, on the lead's wall and to the administrator", async (t) => {
  const lesson = "e2e-slow";
  const line = slowLine(4000);
  const forwarder = await startForwarder(server, HERE, line);
  t.after(() => forwarder.stop());
  const teacher = await teach(server, browser, lesson, { camera: "640x360@15" });
  t.after(() => teacher.context().close());
  const board = await open(t, "receiver", { lesson, name: NAME, query: { fake: 1, camera: "off" } }, forwarder.script);
  await boardShows(board, "lead", TEACHER_ID);
  const status = board.getByTestId("status");
  await until("the line is good", async () => /网络良好/.test(await status.innerText()), 30_000);
  const admin = await open(t, "admin", { lesson, name: "管理员" });
  const tile = teacher.getByTestId("wall-tile");
  await until("the lead's wall says good", async () => (await tile.getAttribute("data-link")) === "good", 20_000);

  // Its voice and hardly more.
  line.kbps = 60;
  await until("the lead's picture stands still and says why", async () =>
    (await board.locator('.lead-place [data-paused="true"] .still-reason').count()) === 1, 40_000);
  assert.match(await board.locator(".lead-place .still-reason").innerText(), /网络.*暂停/);
  await until("the board says so in words", async () => SLOW.test(await status.innerText()), 20_000);
  await until("the lead's wall says so", async () => SLOW.test(await tile.innerText()), 20_000);
  const row = admin.locator(`[data-testid="participant-row"][data-name="${NAME}"]`);
  let read;
  await until("the administrator reads state and reason", async () =>
    SLOW.test(read = await row.innerText()) && /画面(暂停|改为).*：/.test(read), 20_000)
    .catch((error) => assert.fail(`${error.message}: ${read}`));
  await board.screenshot({ path: new URL("../../target/figures/class-sound-only.png", import.meta.url).pathname });

  line.kbps = 4000;
  await until("the picture moves again, without a word over it", async () =>
    (await board.locator('[data-paused="true"]').count()) === 0 && /网络良好/.test(await status.innerText()), 60_000);
  await boardShows(board, "lead", TEACHER_ID);
  await until("the lead's wall says good again", async () => (await tile.getAttribute("data-link")) === "good", 20_000);
});

test("on an unsteady line sound waits longer, and has fewer gaps", async (t) => {
  const lesson = "e2e-unsteady";
  const teacher = await teach(server, browser, lesson, { camera: "320x180@10" });
  t.after(() => teacher.context().close());
  const shares = {};
  const noHint = "delete RTCRtpReceiver.prototype.jitterBufferTarget;";
  await Promise.all([["with", ""], ["without", noHint]].map(async ([how, script]) => {
    const line = unsteadyLine({ delay: 40, hold: 260, every: 9000, seed: 7 });
    const forwarder = await startForwarder(server, HERE, line);
    const board = await open(t, "receiver", { lesson, name: how, query: { fake: 1, camera: "off" } }, `${forwarder.script};${script}`);
    await boardShows(board, "lead", TEACHER_ID);
    if (how === "with") await until("its page has noticed", async () => (await targetOf(board)) >= 150, 60_000, 500);
    else await sleep(10_000); // the browser by itself has met the line
    const began = await heard(board);
    await sleep(40_000);
    const ended = await heard(board);
    shares[how] = (ended.concealed - began.concealed) / (ended.samples - began.samples);
    const delay = 1000 * (ended.waited - began.waited) / (ended.emitted - began.emitted);
    record(t, `unsteady line, ${how} the hint: concealed sound`, 100 * shares[how], "%");
    record(t, `unsteady line, ${how} the hint: sound waits`, delay, "ms");
    if (how === "without") assert.equal(await targetOf(board), null);
    await forwarder.stop();
  }));
  record(t, "unsteady line: concealed sound with the hint, share of that without", shares.with / shares.without, "of 1", "<= 0.5");
});

/** Which encodings of her camera are switched on, smallest first. */
const active = (page) => page.evaluate(() => zhuandi.pc().getSenders()
  .map((sender) => sender.getParameters().encodings).find((encodings) => encodings.length === 3).map((one) => one.active));

/** Layers of her camera (of `height` lines at most) whose frames grow within a quarter of a second. */
async function moving(page, height) {
  const before = await statsOf(page);
  await sleep(250);
  const after = await statsOf(page);
  const grown = after.sent.filter((one) => {
    const was = before.sent.find(({ mid, rid }) => mid === one.mid && rid === one.rid);
    return one.rid && (one.height ?? 0) <= height && one.frames > (was?.frames ?? 0);
  });
  return new Set(grown.map(({ rid }) => rid));
}

const heard = (page) => page.evaluate(async () => {
  const sounds = [...(await zhuandi.pc().getStats()).values()].filter((s) => s.type === "inbound-rtp" && s.kind === "audio");
  const voice = sounds.reduce((most, one) => (one.packetsReceived > most.packetsReceived ? one : most));
  return {
    concealed: voice.concealedSamples, samples: voice.totalSamplesReceived,
    waited: voice.jitterBufferDelay, emitted: voice.jitterBufferEmittedCount,
  };
});

const targetOf = (page) => page.evaluate(() => zhuandi.pc().getTransceivers()
  .map(({ receiver }) => receiver).filter(({ track }) => track.kind === "audio")
  .reduce((most, { jitterBufferTarget }) => Math.max(most ?? 0, jitterBufferTarget ?? 0) || null, null));

async function open(t, role, who, script = "") {
  const context = await newContext(browser, { viewport: { width: 1366, height: 768 } });
  t.after(() => context.close());
  if (script) await context.addInitScript({ content: script });
  const page = await context.newPage();
  await page.goto(await server.link(role, who));
  if (role !== "admin") await stateIs(page, "live");
  return page;
}
