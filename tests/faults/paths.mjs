// What happens to pictures when a classroom's network breaks, or the teacher's page: `make faults-paths`.
//
// Each fault prints one line of JSON on standard output, {fault, seed, measured, goal, pass}, and adds it to
// target/figures/faults.jsonl: measured and goal in ms at the 95th percentile. FAULT=udp,turn runs those whose names
// begin so, TIMES=3 fewer of each, SEED=2 at other moments. A classroom's Chromium runs in a network namespace
// (netns.mjs), so root is needed; the teacher's and the server stay outside.

import { appendFileSync } from "node:fs";
import { KIOSK, launchChromium, newContext } from "../e2e/harness/chromium.mjs";
import { figurePath } from "../e2e/harness/figures.mjs";
import { boards, boardShows, CLASSROOMS, enter, joinsOf, stateIs, stateOf, teach, TEACHER_ID } from "../e2e/harness/lesson.mjs";
import { boardLink, goesOn, joinBoard, wayOf } from "../e2e/harness/path_faults.mjs";
import { startServer } from "../e2e/harness/server.mjs";
import { sleep, until } from "../e2e/harness/wait.mjs";
import { openNetwork, PAGES, SERVER } from "./netns.mjs";
import { powerCuts } from "./power.mjs";
import { startProxy, startTurn } from "./relays.mjs";

const ONLY = (process.env.FAULT ?? "").split(",");
const TIMES = Number(process.env.TIMES ?? 0);
const SEED = Number(process.env.SEED ?? 1);
const LESSON = "faults";
const TURN_SECRET = "a secret of both, for tests of faults";
// The server's certificate and coturn's are their own.
const TRUSTING = [...KIOSK, "--ignore-certificate-errors"];

let random = SEED;
/** From 0 to below 1, the same for the same seed. */
const chance = () => (random = (Math.imul(random, 1664525) + 1013904223) >>> 0) / 2 ** 32;

const network = openNetwork();
process.on("exit", () => network.close());
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));

const server = await startServer({
  env: {
    ZHUANDI_MEDIA__ADDRESSES: SERVER,
    ZHUANDI_HTTP__TLS: "self_signed",
    ZHUANDI_HTTP__TLS_LISTEN: `${PAGES}:443`,
    ZHUANDI_HTTP__TLS_NAMES: PAGES,
    ZHUANDI_MEDIA__TURN_URLS: `turns:${SERVER}:443?transport=tcp`,
    ZHUANDI_MEDIA__TURN_SECRET: TURN_SECRET,
  },
});
server.url = `https://${PAGES}`;
const outside = await launchChromium({ args: TRUSTING });
const teacher = await teach(server, outside, LESSON, { camera: "640x360@15" });
const turn = await startTurn(SERVER, TURN_SECRET, network.folder);
let passed = true;
try {
  for (const [name, run] of Object.entries(faults())) {
    if (!ONLY.some((begin) => name.startsWith(begin))) continue;
    try {
      await run(name);
    } catch (error) {
      report(name, null, null, error.message);
    }
    network.open();
  }
} finally {
  await outside.close();
  await turn.stop();
  await server.stop();
}
process.exit(passed ? 0 : 1);

function faults() {
  return {
    "udp blocked in mid-lesson": (name) => repeat(name, 10, 8000, () => withBoard(async (seen) => {
      await sleep(1500 + 2500 * chance());
      network.block();
      const began = Date.now();
      await until("another way", async () => (await wayOf(seen.board)) !== "udp", 40_000);
      const gap = await goesOn(name, seen, began);
      expect(gap.joins === 1, `joined ${gap.joins} times`);
      return Math.max(gap.down, gap.up);
    })),
    "udp blocked from the beginning, page to first picture": (name) => repeat(name, 5, 10_000, async () => {
      network.block();
      return withBoard(async ({ board, took }) => {
        await notByUdp(board);
        return took;
      });
    }),
    "udp blocked twice: the third lesson begins without, and finds it again": remembered,
    "turn by TLS 443, all else dropped: page to first picture": (name) => repeat(name, 5, 10_000, async () => {
      network.block("tcp dport 443");
      return withBoard(async ({ board, took }) => {
        expect(await wayOf(board) === "relay", `media by ${await wayOf(board)}`);
        return took;
      });
    }),
    "turn by TLS 443, all else dropped in mid-lesson": (name) => repeat(name, 5, 8000, () => withBoard(async (seen) => {
      await sleep(1500 + 2500 * chance());
      network.block("tcp dport 443");
      const began = Date.now();
      await until("the relay", async () => (await wayOf(seen.board)) === "relay", 40_000);
      const gap = await goesOn(name, seen, began);
      return Math.max(gap.down, gap.up);
    })),
    "http proxy that lets 443 out alone: page to first picture": (name) => throughProxy(name, [443], "relay"),
    "http proxy that lets the media port out: page to first picture": (name) => throughProxy(name, [443, server.mediaPort], null),
    "cable pulled for 5 s": (name) => pulled(name, 5, 5),
    "cable pulled for 25 s": (name) => pulled(name, 25, 3),
    "cable pulled for 84 s": (name) => pulled(name, 84, 2),
    "address changed": (name) => repeat(name, 10, 5000, () => withBoard(async (seen) => {
      await sleep(1500 + 2500 * chance());
      const began = Date.now();
      try {
        network.move("b");
        const gap = await goesOn(name, seen, began);
        return Math.max(gap.down, gap.up);
      } finally {
        network.move("a");
      }
    })),
    "power cut of a board": async (name) => {
      const cuts = await powerCuts({ server, network, browser: outside, args: TRUSTING, times: TIMES || 6, chance });
      report(`${name}: until the wall says so`, cuts.offline, 10_000);
      report(`${name}: page to first picture, no tap`, cuts.back, 5000);
      report(`${name}: attendance is off by`, [Math.round(cuts.off * 1000)], 5000);
    },
    "teacher's page reloaded": (name) => teacherReturns(name, async (page) => { await page.reload({ waitUntil: "commit" }); }),
    "teacher's page crashed and opened again": (name) => teacherReturns(name, crashAndReopen),
  };
}

/** Direct by TCP or through the relay: which of them a browser takes when it has both differs. */
async function notByUdp(board) {
  expect((await wayOf(board)) !== "udp", "media by UDP");
}

/** A board inside, with storage of its own; both see each other. */
async function withBoard(use, { args = TRUSTING, context = null } = {}) {
  const browser = context ? null : await launchChromium({ args, executable: network.chromium });
  const own = context ?? await newContext(browser, { ignoreHTTPSErrors: true });
  try {
    const board = await own.newPage();
    const took = await joinBoard(board, await boardLink(server, LESSON), teacher);
    const result = await use({ board, teacher, took });
    await board.close();
    return result;
  } finally {
    network.open();
    await browser?.close();
  }
}

async function remembered(name) {
  const browser = await launchChromium({ args: TRUSTING, executable: network.chromium });
  try {
    const context = await newContext(browser, { ignoreHTTPSErrors: true });
    for (let lesson = 0; lesson < 2; lesson++) {
      await withBoard(async (seen) => {
        network.block();
        await until("another way", async () => (await wayOf(seen.board)) !== "udp", 40_000);
        const kept = () => seen.board.evaluate(() => JSON.parse(localStorage.getItem("zhuandi.ways") ?? "[]").at(-1)?.[1] ?? []);
        await until("it is remembered", async () => (await kept()).filter((way) => way !== "udp").length === lesson + 1, 40_000, 500);
      }, { context });
    }
    await withBoard(async (seen) => {
      await notByUdp(seen.board);
      const began = Date.now();
      await until("UDP is tried and found", async () => (await wayOf(seen.board)) === "udp", 60_000, 500);
      const gap = await goesOn(name, seen, began);
      report(`${name}: gap at the return`, [Math.max(gap.down, gap.up)], 2000);
    }, { context });
  } finally {
    await browser.close();
  }
}

/** `way`: the one that is left; `null`: direct by TCP or by the relay, whichever answers sooner. */
async function throughProxy(name, ports, way) {
  const proxy = await startProxy(SERVER, ports);
  try {
    await repeat(name, 3, 10_000, async () => {
      network.block(`tcp dport ${proxy.port}`);
      const args = [...TRUSTING, `--proxy-server=http://${proxy.address}`];
      return withBoard(async ({ board, took }) => {
        const found = await wayOf(board);
        expect(way ? found === way : found !== "udp", `media by ${found}; asked ${[...new Set(proxy.asked)].join(" ")}`);
        return took;
      }, { args });
    });
  } finally {
    await proxy.stop();
  }
}

/** Measured from when the cable is back. */
function pulled(name, seconds, times) {
  return repeat(name, times, 5000, () => withBoard(async (seen) => {
    await sleep(1500 + 2500 * chance());
    network.cable(false);
    await sleep(seconds * 1000);
    const back = Date.now();
    network.cable(true);
    await goesOn(name, seen, back, 60_000);
    const shown = await Promise.all([[seen.board, "lead"], [teacher, "wall"]].map(([page, what]) =>
      page.evaluate(([watched, since]) => observe.summary(watched, since).firstAt, [what, back])));
    return Math.max(...shown) - back;
  }));
}

/** Four boards and a teacher of their own, outside; `leave` makes her go and come back. */
async function teacherReturns(name, leave) {
  const context = await newContext(outside, { ignoreHTTPSErrors: true, viewport: { width: 1366, height: 768 } });
  const lesson = `teacher-${name.replaceAll(/\W/g, "")}`.slice(0, 60);
  let page = await context.newPage();
  const link = await server.link("lead", { lesson, name: "王老师", query: { fake: TEACHER_ID, camera: "640x360@15" } });
  await page.goto(link);
  await enter(page);
  const { page: room, frames } = await boards(server, outside, lesson, CLASSROOMS.slice(0, 4));
  try {
    for (const frame of frames) await boardShows(frame, "lead", TEACHER_ID);
    await repeat(name, 20, 3000, async () => {
      await sleep(1000 + 1500 * chance());
      let since = Date.now();
      const come = await leave(page, { context, link, frames, leaves: (at) => { since = at; } });
      if (come) page = come;
      const shown = frames.map((frame) => frame.evaluate((what) => observe.firstShown(what),
        // Frames painted before are still under way for a moment.
        { testId: "lead-video", id: TEACHER_ID, kind: "camera", since: since + 300, limit: 20_000 }));
      await until("the teacher's page is back", async () => ["live", "preflight"].includes(await stateOf(page)));
      if (await stateOf(page) === "preflight") await enter(page);
      const times = await Promise.all(shown);
      expect(times.every(Boolean), `back on ${times.filter(Boolean).length} of ${times.length} boards`);
      for (const frame of frames) {
        const { joins, peers } = await joinsOf(frame);
        expect(joins === 1 && peers === 1, `a board joined ${joins} times, connected ${peers} times`);
      }
      return Math.max(...times) - since;
    });
  } finally {
    await room.close();
    await context.close();
  }
}

/** Measured from when her link is opened again; before that every board says that she is coming back. */
async function crashAndReopen(page, { context, link, frames, leaves }) {
  const crashed = page.waitForEvent("crash");
  page.goto("chrome://crash").catch(() => {});
  await crashed;
  for (const frame of frames) {
    await stateIs(frame, "teacher-away");
    expect((await frame.locator("main").innerText()).includes("老师正在重新连接"), "a board does not say it");
    expect(await frame.evaluate(() => document.querySelector('[data-testid="lead-video"]') !== null), "the last picture is gone");
  }
  await page.close();
  const next = await context.newPage();
  leaves(Date.now());
  await next.goto(link, { waitUntil: "commit" });
  return next;
}

async function repeat(name, times, goal, once) {
  const measured = [];
  for (let n = 0; n < (TIMES || times); n++) measured.push(Math.round(await once()));
  report(name, measured, goal);
}

function expect(holds, what) {
  if (!holds) throw new Error(what);
}

function report(fault, all, goal, error = null) {
  const sorted = all && [...all].sort((a, b) => a - b);
  const measured = sorted && sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.95) - 1)];
  const pass = error === null && measured <= goal;
  passed &&= pass;
  const line = JSON.stringify({ fault, seed: SEED, measured, goal, pass, ...(error ? { error } : { unit: "ms", all }) });
  console.log(line);
  appendFileSync(figurePath("faults.jsonl"), `${line}\n`);
}
