// The path of a running lesson changes: other ICE credentials, another address, another IP version.
//
// Each in Chromium and in Firefox by the same code. The browser under test is a board (or a WHIP and
// WHEP client, which no page repairs) behind harness/forwarder.mjs; a teacher in Chromium is at the
// server itself. How long pictures pause is recorded in both directions; asserted is that they come back.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { ownAddress, ownAddress6 } from "./harness/addresses.mjs";
import { startBlank } from "./harness/blank.mjs";
import { BROWSERS } from "./harness/browsers.mjs";
import { launchChromium } from "./harness/chromium.mjs";
import { isPostQuantum } from "./harness/client_hello.mjs";
import { record } from "./harness/figures.mjs";
import { startForwarder } from "./harness/forwarder.mjs";
import { CLASSROOMS, joinsOf, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const FOREIGN = readFileSync(new URL("page/foreign.js", import.meta.url), "utf8");
const BOARD_ID = 3;
const [NAME] = CLASSROOMS;
/** SRTP_AEAD_AES_128_GCM and 256 (RFC 7714 §14.2) */
const GCM = [7, 8];
/** Address changes of each client. */
const MOVES = 2;

let chromium, elsewhere;
before(async () => {
  [chromium, elsewhere] = await Promise.all([launchChromium(), startBlank()]);
});
after(async () => {
  await chromium?.close();
  await elsewhere?.stop();
});

for (const { name: browserName, launch } of BROWSERS) {
  describe(browserName, () => {
    let browser;
    before(async () => { browser = await launch(); });
    after(() => browser?.close());

    test("the handshake succeeds whatever the pieces of the first ClientHello", async (t) => {
      const { board, forwarder: { hellos: [hello] } } = await lesson(t, browser);
      const pieces = hello.datagrams.map(({ bytes, records, fragments }) => `${bytes} B in ${records} record(s), fragments ${JSON.stringify(fragments)}`);
      t.diagnostic(`${hello.length} B: ${pieces.join("; ")}`);
      t.diagnostic(`it offers ${JSON.stringify(hello.offers)}`);
      // Pictures are there already; so what passed was a whole ClientHello, and GCM was to be found in it.
      assert.ok(hello.offers, "no complete ClientHello passed");
      assert.ok(hello.offers.srtp.some((profile) => GCM.includes(profile)), `it offers ${hello.offers.srtp}`);
      const cipher = await board.evaluate(() => observe.cipher(zhuandi.pc()));
      assert.match(cipher, /GCM/);
      record(t, `${browserName}: datagrams of the first ClientHello`, hello.flight, "");
      record(t, `${browserName}: bytes of the first ClientHello`, hello.length, "bytes");
      const quantum = hello.offers.shares.filter(([group]) => isPostQuantum(group)).map(([group]) => group).join(" ");
      record(t, `${browserName}: post-quantum key share in it`, quantum || "none", "");
    });

    test("ICE is restarted by the page in mid-lesson", async (t) => {
      const { teacher, board, forwarder } = await lesson(t, browser);
      const old = await remoteUfrag(board);
      await sleep(1000);
      const began = Date.now();
      // What a page sees of a network change; without the outage, so that the gap is the restart's own.
      await board.evaluate(() => {
        const pc = zhuandi.pc();
        Object.defineProperty(pc, "connectionState", { value: "disconnected", configurable: true });
        pc.onconnectionstatechange(new Event("connectionstatechange"));
        delete pc.connectionState;
      });
      const fresh = await until("an answer with other credentials", async () => {
        const now = await remoteUfrag(board);
        return now !== old && now;
      });
      await until("a path with them is nominated", () =>
        forwarder.checks.some(({ ufrag, nominates }) => ufrag === fresh && nominates));
      record(t, `${browserName}: ICE restart until its nomination`,
        forwarder.checks.find(({ ufrag, nominates }) => ufrag === fresh && nominates).at - began, "ms");
      const nominated = Date.now();
      const gaps = await goesOn("ICE restart", { teacher, board }, began);
      record(t, `${browserName}: ICE restart, longest gap in what it receives`, gaps.down, "ms");
      record(t, `${browserName}: ICE restart, longest gap in what it sends`, gaps.up, "ms");
      // The next checks, of whichever rhythm, are of the new credentials.
      await until("a check of the running connection", () => forwarder.checks.at(-1).at > nominated + 3000);
      assert.equal(forwarder.checks.at(-1).ufrag, fresh, "the old credentials are still in use");
      assert.equal(await board.evaluate(() => zhuandi.pc().connectionState), "connected");
      await until("pictures both ways", () => bothMove({ teacher, board }, Date.now() - 3000));
    });

    test("a board's packets come from another address in mid-lesson", async (t) => {
      const seen = await lesson(t, browser);
      const old = await remoteUfrag(seen.board);
      await move(t, `${browserName}: address change of a board`, seen, MOVES);
      // Its page repairs what has been silent for 2 s, if no check came before.
      const repaired = await remoteUfrag(seen.board) !== old;
      t.diagnostic(`ICE was ${repaired ? "" : "not "}restarted by its page`);
    });

    test("a WHIP and WHEP client's packets come from another address, and nobody signals", async (t) => {
      const { server, teacher, id, forwarder } = await lesson(t, browser, { withBoard: false });
      const page = await browser.page({ scripts: [forwarder.script, FOREIGN] });
      t.after(() => page.close());
      await page.goto(`${elsewhere.url}?fake=${BOARD_ID}`);
      const publisher = await server.token("receiver", { lesson: id, name: NAME });
      const player = await server.token("observer", { lesson: id, name: "播放器" });
      await page.evaluate((given) => foreign.play(given), { endpoint: `${server.url}/whep/${id}`, token: player, name: "lead" });
      await page.evaluate((given) => foreign.publish(given),
        { endpoint: `${server.url}/whip/${id}`, token: publisher, codec: "vp8", size: [320, 180, 10] });
      await watch({ teacher });
      const seen = { teacher, board: page, forwarder };
      await until("pictures both ways", () => bothMove(seen, 0));
      await move(t, `${browserName}: address change by WHEP and WHIP`, seen, MOVES);
    });

    test("a lesson over IPv6", async (t) => {
      const { address, release } = await ownAddress6();
      t.after(release);
      const { teacher, board } = await lesson(t, browser, { address, forwarded: false });
      const from = Date.now();
      await sleep(5000);
      assert.ok(await bothMove({ teacher, board }, from));
      const pair = await board.evaluate(() => observe.path(zhuandi.pc()));
      t.diagnostic(JSON.stringify(pair));
      assert.equal(pair.remote.address, address);
      record(t, `${browserName}: pictures in 5 s over IPv6`, (await board.evaluate((since) => observe.summary("lead", since), from)).frames, "frames");
    });
  });
}

// A teacher who teaches, and a board in the browser under test whose pictures are being watched.
async function lesson(t, browser, { address = ownAddress(), withBoard = true, forwarded = true } = {}) {
  const server = await startServer({ env: { ZHUANDI_MEDIA__ADDRESSES: address } });
  t.after(() => server.stop());
  const forwarder = forwarded ? await startForwarder(server, address) : null;
  if (forwarder) t.after(() => forwarder.stop());
  const id = "e2e-paths";
  const teacher = await teach(server, chromium, id, { camera: "640x360@15" });
  t.after(() => teacher.close());
  if (!withBoard) return { server, forwarder, id, teacher };
  const board = await browser.page({ scripts: forwarder ? [forwarder.script] : [] });
  t.after(() => board.close());
  await board.goto(await server.link("receiver", { lesson: id, name: NAME, query: { fake: BOARD_ID, camera: "320x180@10" } }));
  await watch({ teacher, board });
  await until("pictures both ways", () => bothMove({ teacher, board }, 0), 30_000);
  return { server, forwarder, id, teacher, board };
}

async function watch({ teacher, board }) {
  await until("the teacher has a picture of the board", () => teacher.evaluate((id) => {
    const shown = [...document.querySelectorAll('[data-testid="wall-tile"] video')].find((video) => barcode.read(video)?.id === id);
    if (shown) observe.video("wall", shown);
    return Boolean(shown);
  }, BOARD_ID), 30_000);
  if (!board) return;
  await until("the board has a picture of the teacher", () => board.evaluate((id) => {
    const video = document.querySelector('[data-testid="lead-video"]');
    const shown = video && barcode.read(video)?.id === id;
    if (shown) observe.video("lead", video);
    return shown;
  }, TEACHER_ID), 30_000);
}

const summaries = ({ teacher, board }, since) => Promise.all([
  board.evaluate((from) => observe.summary("lead", from), since),
  teacher.evaluate((from) => observe.summary("wall", from), since),
]);

async function bothMove(seen, since) {
  const [down, up] = await summaries(seen, since);
  return down.read > 10 && up.read > 10;
}

// Gives everybody behind the forwarder another address, `times` times; says how long pictures paused.
async function move(t, what, seen, times = 1) {
  const gaps = [];
  for (let n = 0; n < times; n++) {
    await sleep(2000 + 2500 * n); // each at another moment between two checks
    const moved = seen.forwarder.move();
    try {
      gaps.push(await goesOn(what, seen, moved));
    } finally {
      const checks = seen.forwarder.checks.filter(({ at }) => at >= moved);
      t.diagnostic(`${what}, checks after it: ${checks.slice(0, 8).map(({ at, nominates, way }) =>
        `${at - moved} ms from ${way.split(":").at(-1)}${nominates ? " nominating" : ""}`).join(", ")}; gaps ${JSON.stringify(gaps.at(-1))}`);
    }
  }
  record(t, `${what}, longest gap in what it receives`, Math.max(...gaps.map(({ down }) => down)), "ms", "<= 4000");
  record(t, `${what}, longest gap in what it sends`, Math.max(...gaps.map(({ up }) => up)), "ms", "<= 4000");
}

// Pictures go on both ways after `began`, of the right people, on the same connections. Gives the
// longest gaps, ms: {down, up}.
async function goesOn(what, seen, began, limit = 40_000) {
  await until(`${what}: pictures both ways`, () => bothMove(seen, began + 300), limit);
  const [down, up] = await summaries(seen, began - 500);
  assert.deepEqual([down.ids, up.ids], [[String(TEACHER_ID)], [String(BOARD_ID)]]);
  const isPage = await seen.board.evaluate(() => Boolean(window.zhuandi));
  if (isPage) assert.deepEqual(await joinsOf(seen.board), { joins: 1, peers: 1 }, `${what}: connected anew`);
  return { down: Math.round(down.longestGap), up: Math.round(up.longestGap) };
}

const remoteUfrag = (board) => board.evaluate(() => /a=ice-ufrag:(\S+)/.exec(zhuandi.pc().remoteDescription.sdp)[1]);
