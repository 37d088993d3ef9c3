// A board whose line loses packets still hears the teacher: the server repeats her sound (RED), and
// Chromium plays what it finds in later packets. Each line once with and once without.
//
// The board is the real page behind harness/forwarder.mjs, which loses packets of all media on their
// way to it; the judge is getStats(): concealed samples of all samples.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { startForwarder } from "./harness/forwarder.mjs";
import { stateIs, statsOf, teach } from "./harness/lesson.mjs";
import { burstLoss, randomLoss } from "./harness/loss.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const SECONDS = Number(process.env.E2E_LOSS_SECONDS ?? 12);
/** The server learns the loss within a second or two. */
const LEARNING = 3000;
// Names, lines, and the most that may be concealed with redundancy (QUALITY.md: 15 % at 30 % of loss).
const LINES = [
  { name: "10 % at random", loses: () => randomLoss(0.1, 1), goal: "<= 2" },
  { name: "30 % at random", loses: () => randomLoss(0.3, 2), goal: "<= 15" },
  { name: "8 % in runs of 2.5", loses: () => burstLoss(0.08, 2.5, 3), goal: "<= 5" },
];

let browser;
before(async () => {
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
});

test("sound goes on over a line that loses packets", async (t) => {
  const seen = {};
  for (const redundancy of ["off", "auto"]) {
    const { server, board, forwarder } = await lesson(t, redundancy);
    seen[redundancy] = [];
    for (const { name, loses } of LINES) {
      Object.assign(forwarder, { loses: loses(), passed: 0, lost: 0 });
      await sleep(LEARNING);
      const begin = await sound(board);
      await sleep(SECONDS * 1000);
      const end = await sound(board);
      const concealed = 100 * (end.concealed - begin.concealed) / (end.samples - begin.samples);
      const wait = 1000 * (end.waited - begin.waited) / (end.emitted - begin.emitted);
      seen[redundancy].push({ concealed, energy: end.energy - begin.energy });
      t.diagnostic(`${name}, redundancy ${redundancy}: ${forwarder.lost} of ${forwarder.passed + forwarder.lost} packets lost, ` +
        `${concealed.toFixed(2)} % concealed, buffer ${wait.toFixed(0)} ms`);
    }
    const counted = (await (await fetch(`${server.ops}/metrics`)).text()).match(/^zhuandi_media_audio_repeated_bytes_total (\d+)/m);
    assert.equal(Number(counted[1]) > 0, redundancy === "auto");
  }
  for (const [index, { name, goal }] of LINES.entries()) {
    const [without, with_] = [seen.off[index], seen.auto[index]];
    record(t, `sound concealed, ${name}, not repeated`, without.concealed, "%");
    record(t, `sound concealed, ${name}, repeated`, with_.concealed, "%", goal);
    assert.ok(with_.energy > 0, `${name}: nothing was heard`);
    assert.ok(with_.concealed < without.concealed * 0.7,
      `${name}: ${with_.concealed} % concealed with redundancy, ${without.concealed} % without`);
  }
});

async function lesson(t, redundancy) {
  const server = await startServer({ env: { ZHUANDI_MEDIA__REDUNDANCY: redundancy } });
  t.after(() => server.stop());
  const forwarder = await startForwarder(server, "127.0.0.1");
  t.after(() => forwarder.stop());
  const id = `e2e-loss-${redundancy}`;
  const teacher = await teach(server, browser, id, { camera: "320x180@10" });
  const board = await newWindow(browser);
  await board.addInitScript(forwarder.script);
  await board.goto(await server.link("receiver", { lesson: id, name: "河东教学点", query: { fake: 1, camera: "320x180@10" } }));
  await stateIs(board, "live");
  await until("the board hears the teacher", async () => (await sound(board))?.packets > 100);
  t.after(() => Promise.all([teacher.context().close(), board.context().close()]));
  return { server, board, forwarder };
}

/** The received sound that has the most packets: the teacher's. */
const sound = async (board) => (await statsOf(board)).audio.reduce((most, one) => (one.packets > (most?.packets ?? 0) ? one : most), null);
