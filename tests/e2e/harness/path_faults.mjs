// What tests of a broken path have in common: a teacher at the server, a board behind something that
// breaks, and how long their pictures paused.

import { CLASSROOMS, joinsOf, teach, TEACHER_ID } from "./lesson.mjs";
import { until } from "./wait.mjs";

export const BOARD_ID = 3;
export const NAME = CLASSROOMS[0];

/** Opens a board in `page` and waits until both see each other. Gives how long that took, ms. */
export async function joinBoard(page, link, teacher, limit = 40_000) {
  const began = Date.now();
  await page.goto(link);
  await watch({ teacher, board: page }, limit);
  const first = await page.evaluate(() => observe.summary("lead").firstAt);
  await until("pictures both ways", () => bothMove({ teacher, board: page }, began), limit);
  return Math.round((first ?? Date.now()) - began);
}

/** A link of the same participant at every visit. */
export const boardLink = (server, lesson) =>
  server.link("receiver", { lesson, name: NAME, query: { fake: BOARD_ID, camera: "320x180@10" }, more: ["--sub", "board"] });

/** A teacher who teaches, at the server itself. */
export const teachAt = (server, browser, lesson) => teach(server, browser, lesson, { camera: "640x360@15" });

export async function watch({ teacher, board }, limit = 30_000) {
  await until("the board has a picture of the teacher", () => board.evaluate((id) => {
    const video = document.querySelector('[data-testid="lead-video"]');
    const shown = video && barcode.read(video)?.id === id;
    if (shown) observe.video("lead", video);
    return shown;
  }, TEACHER_ID), limit);
  await until("the teacher has a picture of the board", () => teacher.evaluate((id) => {
    const shown = [...document.querySelectorAll('[data-testid="wall-tile"] video')].find((video) => barcode.read(video)?.id === id);
    if (shown) observe.video("wall", shown);
    return Boolean(shown);
  }, BOARD_ID), limit);
}

export const summaries = ({ teacher, board }, since) => Promise.all([
  board.evaluate((from) => observe.summary("lead", from), since),
  teacher.evaluate((from) => observe.summary("wall", from), since),
]);

export async function bothMove(seen, since) {
  const [down, up] = await summaries(seen, since);
  return down.read > 5 && up.read > 5;
}

/** How media of a page travels: "udp", "tcp" or "relay". */
export const wayOf = (page) => page.evaluate(async () => {
  const pair = await observe.path(zhuandi.pc());
  return pair && (pair.local.candidateType === "relay" ? "relay" : pair.local.protocol);
});

/**
 * Waits until pictures go both ways after `began`; gives the longest gaps, ms, and how often the board's
 * page joined and connected by then.
 */
export async function goesOn(what, seen, began, limit = 40_000) {
  await until(`${what}: pictures both ways`, () => bothMove(seen, began + 300), limit);
  const [down, up] = await summaries(seen, began - 1000);
  const { joins, peers } = await joinsOf(seen.board);
  return { down: Math.round(down.longestGap), up: Math.round(up.longestGap), joins, peers, ids: [down.ids, up.ids] };
}
