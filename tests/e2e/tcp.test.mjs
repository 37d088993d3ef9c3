// A network that lets no UDP through: media goes by TCP, from the beginning or from mid-lesson on, and back
// to UDP when that works again. The firewall is the binary's own relay.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ownAddress } from "./harness/addresses.mjs";
import { BROWSERS } from "./harness/browsers.mjs";
import { launchChromium } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { TEACHER_ID } from "./harness/lesson.mjs";
import { BOARD_ID, boardLink, bothMove, goesOn, joinBoard, teachAt, wayOf } from "./harness/path_faults.mjs";
import { startRelay } from "./harness/relay.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-tcp";
// Firefox uses no loopback addresses.
const address = ownAddress();

let server, chromium, teacher;
before(async () => {
  [server, chromium] = await Promise.all([startServer({ env: { ZHUANDI_MEDIA__ADDRESSES: address } }), launchChromium()]);
  teacher = await teachAt(server, chromium, LESSON);
});
after(async () => {
  await chromium?.close();
  await server?.stop();
});

for (const { name, launch } of BROWSERS) {
  test(`${name}: UDP is blocked in mid-lesson, and later it works again`, async (t) => {
    const browser = await launch();
    t.after(() => browser.close());
    const relay = await startRelay(server, [], { tcp: true, address });
    t.after(() => relay.stop());
    const board = await browser.page({ scripts: [relay.script] });
    await joinBoard(board, await boardLink(server, LESSON), teacher);
    const seen = { teacher, board };
    assert.equal(await wayOf(board), "udp");
    await sleep(1500);
    const blocked = Date.now();
    await relay.order("udp off");
    const gap = await goesOn("UDP blocked", seen, blocked);
    record(t, `${name}: UDP blocked in mid-lesson, longest gap in what it receives`, gap.down, "ms", "<= 8000");
    record(t, `${name}: UDP blocked in mid-lesson, longest gap in what it sends`, gap.up, "ms", "<= 8000");
    assert.deepEqual(gap.ids, [[String(TEACHER_ID)], [String(BOARD_ID)]]);
    assert.equal(gap.joins, 1, "it joined again");
    assert.equal(await wayOf(board), "tcp");
    await relay.order("udp on");
    const restarted = Date.now();
    await board.evaluate(() => {
      const pc = zhuandi.pc();
      Object.defineProperty(pc, "connectionState", { value: "disconnected", configurable: true });
      pc.onconnectionstatechange(new Event("connectionstatechange"));
      delete pc.connectionState;
    });
    await until("media goes by UDP", async () => (await wayOf(board)) === "udp");
    const back = await goesOn("UDP again", seen, restarted);
    record(t, `${name}: UDP works again, longest gap in what it receives`, back.down, "ms");
    await board.close();
  });

  test(`${name}: UDP is blocked from the beginning`, async (t) => {
    const browser = await launch();
    t.after(() => browser.close());
    const relay = await startRelay(server, [], { tcp: true, address });
    t.after(() => relay.stop());
    await relay.order("udp off");
    const board = await browser.page({ scripts: [relay.script] });
    const took = await joinBoard(board, await boardLink(server, LESSON), teacher);
    record(t, `${name}: UDP blocked, page loaded until the first picture`, took, "ms", "<= 10000");
    assert.equal(await wayOf(board), "tcp");
    const from = Date.now();
    await until("the pictures go on", () => bothMove({ teacher, board }, from));
    await board.close();
  });
}
