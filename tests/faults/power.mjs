// A board loses its power in mid-lesson: no goodbye of any kind, and everything in it begins anew.

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { launchProfile } from "../e2e/harness/chromium.mjs";
import { joinsOf, teach } from "../e2e/harness/lesson.mjs";
import { boardLink, joinBoard } from "../e2e/harness/path_faults.mjs";
import { sleep, until } from "../e2e/harness/wait.mjs";

/** How long the power is away, ms: noticed by nobody but the wall, nearly all of the server's patience, and more than that. */
const AWAY = [8_000, 20_000, 40_000];

/**
 * Cuts a board's power `times` times. Gives, in ms, how long until the teacher's wall said so, and from the opening of
 * the page to its first picture; and how far attendance is from what really was, s.
 */
export async function powerCuts({ server, network, browser, args, times, chance }) {
  const lesson = "power";
  const teacher = await teach(server, browser, lesson, { camera: "640x360@15" });
  const profile = mkdtempSync(join(network.folder, "board-"));
  const start = () => launchProfile(profile, { args, executable: network.chromium, ignoreHTTPSErrors: true });
  // A board opens the same address every time.
  const link = await boardLink(server, lesson);
  const measured = { offline: [], back: [] };
  let board = await start();
  try {
    const truth = [[Date.now(), null]];
    await joinBoard(board.context.pages()[0], link, teacher);
    for (let n = 0; n < times; n++) {
      await sleep(2500 + 2500 * chance());
      network.cable(false);
      const cut = Date.now();
      truth.at(-1)[1] = cut;
      await board.kill();
      await until("the teacher's wall says so", () => isLost(teacher), 60_000, 50);
      measured.offline.push(Date.now() - cut);
      await sleep(Math.max(0, AWAY[n % AWAY.length] - (Date.now() - cut)));
      network.cable(true);
      board = await start();
      const page = board.context.pages()[0];
      const opened = Date.now();
      measured.back.push(await joinBoard(page, link, teacher));
      truth.push([opened, null]);
      const { joins, peers } = await joinsOf(page);
      if (joins !== 1 || peers !== 1) throw new Error(`it joined ${joins} times, connected ${peers} times`);
    }
    await board.context.close();
    truth.at(-1)[1] = Date.now();
    const off = await attendanceOff(server, lesson, teacher, truth).catch((error) => (console.error(error.message), Infinity));
    return { ...measured, off };
  } finally {
    await board.kill();
    network.cable(true);
    await teacher.close();
  }
}

/** Whether the wall says that the classroom is away, or that it gets nothing. */
const isLost = (teacher) => teacher.evaluate(() => [...document.querySelectorAll('[data-testid="wall-tile"]')].some((tile) =>
  tile.classList.contains("away") || tile.dataset.link === "silent"));

/** The largest difference of any end of any interval, s. */
async function attendanceOff(server, lesson, teacher, truth) {
  const token = await server.token("admin", { lesson, name: "office" });
  let rows;
  await until("it is all noted", async () => {
    // In a page, which trusts the server's certificate.
    const answer = await teacher.evaluate(async ([path, bearer]) =>
      (await fetch(path, { headers: { authorization: `Bearer ${bearer}` } })).json(), [`/api/v1/lessons/${lesson}/attendance`, token]);
    const board = answer.runs[0].participants.find(({ role }) => role === "receiver");
    rows = board.intervals.map(({ openedAt, presentMs, closedAt }) => [openedAt, openedAt + presentMs, closedAt]);
    return answer.complete && rows.every(([, , closed]) => closed !== null);
  }, 60_000, 500);
  if (rows.length !== truth.length) throw new Error(`${rows.length} intervals, really ${truth.length}: ${JSON.stringify({ rows, truth })}`);
  return Math.max(...rows.flatMap(([from, to], n) => [Math.abs(from - truth[n][0]), Math.abs(to - truth[n][1])])) / 1000;
}
