// The people of a lesson as tests speak of them: a teaching page, a page of boards, what they show.
//
// Page objects hold no measuring of their own; that is done in the page by page/observe.js.

import { newWindow } from "./chromium.mjs";
import { until } from "./wait.mjs";

/** The teacher's camera in tests: three layers still, and two cores can encode and show it. */
export const TEACHER_CAMERA = process.env.E2E_TEACHER_CAMERA ?? "960x540@15";
export const BOARD_CAMERA = process.env.E2E_BOARD_CAMERA ?? "320x180@10";
/** Classrooms of DOMAIN.md's example community; a name's index + 1 is the id in its picture. */
export const CLASSROOMS = ["东片小学 四(1)", "西片小学 四年级", "南片小学 四年级", "北片小学 四年级", "滨海小学 复式", "河东教学点"];
export const TEACHER_ID = 20;
const TEACHER = "王老师";

/** Opens the teaching page and begins the lesson. */
export async function teach(server, browser, lesson, { id = TEACHER_ID, name = TEACHER, camera = TEACHER_CAMERA } = {}) {
  const page = await newWindow(browser, { viewport: { width: 1366, height: 768 } });
  collectErrors(page);
  await page.goto(await server.link("lead", { lesson, name, query: { fake: id, camera } }));
  await enter(page);
  return page;
}

/** Taps 上课 and waits until the page teaches. */
export async function enter(page) {
  await page.getByTestId("enter").click();
  await stateIs(page, "live");
}

/** Waits for the page's state (the contract's `data-state`). */
export async function stateIs(page, wanted, limit = 15_000) {
  let state;
  try {
    await until("", async () => (state = await stateOf(page)) === wanted, limit);
  } catch {
    throw new Error(`not within ${limit} ms: state ${wanted}; it is ${state}; errors: ${errorsOf(page).join(" | ")}`);
  }
}

export const stateOf = (frame) => frame.locator("main[data-state]").first().getAttribute("data-state", { timeout: 5000 });

/**
 * One page with a board in each of `names.length` frames, tiled. Returns the page and its board
 * frames, in order of the names.
 */
export async function boards(server, browser, lesson, names = CLASSROOMS, { camera = BOARD_CAMERA, firstId = 1 } = {}) {
  const page = await newWindow(browser);
  collectErrors(page);
  const links = [];
  for (const [index, name] of names.entries()) {
    links.push(await server.link("receiver", { lesson, name, query: { fake: firstId + index, camera } }));
  }
  // Same origin as the pages, so that they share one secure context; the server knows no such page.
  const address = `${server.url}/boards-of-a-test`;
  await page.route(address, (route) => route.fulfill({ contentType: "text/html", body: FRAMES }));
  await page.goto(address);
  for (const [index, link] of links.entries()) await addBoard(page, link, index);
  return { page, frames: await boardFrames(page, names.length) };
}

// All of them in view, or browsers save themselves the frames.
const FRAMES = `<!doctype html><meta charset="utf-8"><title>boards</title>
  <style>body{margin:0;display:grid;grid-template-columns:repeat(3,1fr)}iframe{border:0;width:100%;height:48vh}</style>`;

/** Adds one more board to a page of boards. */
export async function addBoard(page, link, index) {
  await page.evaluate(([address, name]) => {
    const frame = Object.assign(document.createElement("iframe"), { src: address, name, allow: "camera; microphone; autoplay; display-capture" });
    document.body.append(frame);
  }, [link, `board-${index}`]);
}

export async function boardFrames(page, count) {
  return until(`${count} board frames`, () => {
    const frames = Array.from({ length: count }, (_, index) => page.frame({ name: `board-${index}` }));
    return frames.every(Boolean) && frames;
  });
}

/** Which of the board's pictures: "lead" or "content". */
export const boardVideo = (frame, which) => frame.getByTestId(`${which}-video`);

/** Waits until a board's stage shows "content", "lead" or "none". */
export async function stageShows(frame, what, limit = 15_000) {
  await until(`stage shows ${what}`, async () =>
    (await frame.getByTestId("stage").getAttribute("data-showing", { timeout: 1000 })) === what, limit)
    .catch(withState(frame));
}

/** Waits until a picture of `id` is on the board; returns what its strip says. */
export async function boardShows(frame, which, id, limit = 15_000) {
  return until(`board shows ${which} of ${id}`, async () => {
    const seen = await boardVideo(frame, which).evaluate((video) => barcode.read(video), undefined, { timeout: 1000 });
    return seen?.id === id && seen;
  }, limit).catch(withState(frame));
}

// A failed wait alone tells little: what does the page think, and what does it receive?
const withState = (frame) => async (error) => {
  const state = await frame.evaluate(async () => ({
    state: document.querySelector("main")?.dataset.state,
    feeds: window.zhuandi?.feeds(),
    video: zhuandi.pc() && (await observe.stats(zhuandi.pc())).video.filter(({ packets }) => packets > 0),
    roster: zhuandi.room()?.roster.map(({ name, presence, sources }) => ({ name, presence, sources })),
  })).catch((reason) => reason.message);
  throw new Error(`${error.message}\n${JSON.stringify(state)}`);
};

/** What each tile of the teacher's wall shows: {name, participant, covered, id}. */
export const wallOf = (page) => page.getByTestId("wall-tile").evaluateAll((tiles) => tiles.map((tile) => ({
  name: tile.dataset.name,
  participant: tile.dataset.participant,
  covered: tile.dataset.covered === "true",
  id: tile.querySelector("video") ? barcode.read(tile.querySelector("video"))?.id ?? null : null,
})));

/** Page figures: how often it joined, how many peer connections it made. */
export const joinsOf = (frame) => frame.evaluate(() => ({ joins: zhuandi.joins, peers: zhuandi.peers }));

/** getStats() of the page's own connection, summed up. */
export const statsOf = (frame) => frame.evaluate(() => observe.stats(zhuandi.pc()));

/** Console errors and thrown errors of a page; a test may assert that there are none. */
export const errorsOf = (page) => page.seenErrors ?? [];
function collectErrors(page) {
  page.seenErrors = [];
  page.on("pageerror", (error) => page.seenErrors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") page.seenErrors.push(message.text());
  });
}
