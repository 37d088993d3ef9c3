// Every page says what is the matter and what to do: faults of devices and network, a second window,
// being removed, sound that waits for a tap, a server that went away for a moment.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible } from "./harness/axe.mjs";
import { KIOSK, launchChromium, newContext, newWindow } from "./harness/chromium.mjs";
import {
  boards, boardShows, boardVideo, CLASSROOMS, enter, joinsOf, stateIs, stateOf, teach, TEACHER_ID, wallOf,
} from "./harness/lesson.mjs";
import { record } from "./harness/figures.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

let server, browser, context;
before(async () => {
  server = await startServer();
  // `lesson.test` resolves to this machine but is no secure context: what http off localhost is.
  browser = await launchChromium({ args: [...KIOSK, "--host-resolver-rules=MAP lesson.test 127.0.0.1"] });
  context = await newContext(browser);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** What getUserMedia throws, and the problem that the pre-flight page names. */
const DEVICE_PROBLEMS = {
  NotAllowedError: "permission-refused",
  NotReadableError: "device-in-use",
  NotFoundError: "no-device",
};

for (const [error, problem] of Object.entries(DEVICE_PROBLEMS)) {
  test(`pre-flight: ${error} is told as ${problem}, with a remedy`, async () => {
    const page = await open("lead", { query: { refuse: error } });
    const told = page.locator(`[data-testid="preflight-problem"][data-problem="${problem}"]`).first();
    await told.waitFor({ timeout: 10_000 });
    const text = (await told.innerText()).trim();
    assert.match(text, /。/, `no sentence: ${text}`);
    assert.doesNotMatch(text, /Error/, "a code in the sentence");
    await accessible(page, `pre-flight with ${problem}`);
    await page.close();
  });
}

test("pre-flight: a server that does not answer is told", async () => {
  const page = await context.newPage();
  await page.routeWebSocket(/\/ws$/, (socket) => socket.close());
  await page.goto(await link("lead"));
  await page.locator('[data-testid="preflight-problem"][data-problem="server-unreachable"]').first().waitFor({ timeout: 20_000 });
  await accessible(page, "pre-flight without a server");
  await page.close();
});

test("pre-flight: media that cannot pass is told as blocked", async () => {
  // Answers name an address where nobody is (RFC 5737), as behind a firewall.
  const blocked = await startServer({ env: { ZHUANDI_MEDIA__ADDRESSES: "192.0.2.1" } });
  try {
    const page = await context.newPage();
    await page.goto(await blocked.link("lead", { lesson: "e2e-blocked", name: "王老师", query: { fake: TEACHER_ID } }));
    await page.locator('[data-testid="preflight-problem"][data-problem="udp-blocked"]').first().waitFor({ timeout: 45_000 });
    await accessible(page, "pre-flight with media blocked");
    await page.close();
  } finally {
    await blocked.stop();
  }
});

test("http off localhost gets a page that explains, not a broken camera", async () => {
  const page = await context.newPage();
  const address = (await link("lead")).replace("127.0.0.1", "lesson.test");
  await page.goto(address);
  await until("told as insecure", async () =>
    (await stateOf(page)) === "insecure" ||
    (await page.locator('[data-testid="preflight-problem"][data-problem="insecure"]').count()) > 0);
  await accessible(page, "insecure");
  await page.close();
});

test("a page without a token says so", async () => {
  const page = await context.newPage();
  for (const path of ["teach", "class", "observe", "admin", "phone"]) {
    await page.goto(`${server.url}/${path}?lang=zh-CN`);
    await stateIs(page, "no-token");
    await accessible(page, `${path} without a token`);
  }
  await page.goto(`${server.url}/class?lang=zh-CN#nonsense`);
  await stateIs(page, "refused");
  await accessible(page, "refused");
  await page.close();
});

test("a second window of the same seat replaces the first, which stays away", async () => {
  const address = await link("receiver", { name: CLASSROOMS[0] });
  const [first, second] = [await context.newPage(), await context.newPage()];
  await first.goto(address);
  await until("first is in", async () => (await joinsOf(first)).joins === 1);
  await second.goto(address);
  await stateIs(first, "replaced");
  await sleep(3000);
  assert.equal(await stateOf(first), "replaced");
  await accessible(first, "replaced");
  assert.notEqual(await stateOf(second), "replaced");
  await Promise.all([first.close(), second.close()]);
});

test("a board waits, sees the teacher go away and come back, and returns after its own reload", async () => {
  const lesson = "e2e-states";
  const board = await newWindow(browser);
  await board.goto(await server.link("receiver", { lesson, name: CLASSROOMS[0], query: { fake: 1 } }));
  await stateIs(board, "waiting");
  await accessible(board, "board waiting");
  const teacher = await teach(server, browser, lesson, { camera: "320x180@10" });
  await stateIs(board, "live");
  await boardShows(board, "lead", TEACHER_ID);

  await board.reload();
  await stateIs(board, "live");
  await boardShows(board, "lead", TEACHER_ID);

  const address = teacher.url();
  await teacher.goto("about:blank");
  await stateIs(board, "teacher-away");
  await accessible(board, "board without its teacher");
  await teacher.goto(address);
  await until("the teacher is back, or asked to tap", async () => ["live", "preflight"].includes(await stateOf(teacher)));
  if ((await stateOf(teacher)) === "preflight") await enter(teacher);
  await stateIs(board, "live");
  await boardShows(board, "lead", TEACHER_ID);
  assert.deepEqual(await joinsOf(board), { joins: 1, peers: 1 });
  await Promise.all([teacher.close(), board.close()]);
});

test("the teacher goes on at another computer: the first one says so, a board keeps the lesson and its picture", async (t) => {
  const lesson = "e2e-computer";
  const there = 21;
  const address = await server.link("lead", { lesson, name: "王老师", query: { fake: TEACHER_ID, camera: "320x180@10" } });
  const [first, second] = [await newWindow(browser), await newWindow(browser)];
  await first.goto(address);
  await enter(first);
  const { page, frames: [board] } = await boards(server, browser, lesson, CLASSROOMS.slice(0, 1));
  await boardShows(board, "lead", TEACHER_ID);

  await second.goto(address.replace(`fake=${TEACHER_ID}`, `fake=${there}`));
  await stateIs(first, "replaced");
  await sleep(1500);
  const kept = await boardVideo(board, "lead").evaluate((video) => barcode.read(video)?.id);
  assert.equal(kept, TEACHER_ID, "her last picture stays until she is back");
  const tapped = Date.now();
  if ((await stateOf(second)) === "preflight") await enter(second);
  await boardShows(board, "lead", there);
  record(t, "another computer: from the teacher's tap to her picture", (Date.now() - tapped) / 1000, "s", "<= 3");
  await stateIs(board, "live");
  assert.deepEqual(await joinsOf(board), { joins: 1, peers: 1 }, "the board began anew");
  assert.equal(await stateOf(first), "replaced");
  await until("she sees the classroom from there", async () => (await wallOf(second)).some(({ id }) => id === 1));
  await Promise.all([first.close(), second.close(), page.close()]);
});

test("where the browser wants a tap for sound, the whole screen is the button", async (t) => {
  const strict = await launchChromium({ args: ["--autoplay-policy=document-user-activation-required"] });
  t.after(() => strict.close());
  const lesson = "e2e-tap";
  const teacher = await teach(server, browser, lesson, { camera: "320x180@10" });
  const board = await newWindow(strict, { viewport: { width: 1920, height: 1080 } });
  // Without devices: a page that captures may play, so the browser would not ask for a tap.
  await board.goto(await server.link("receiver", { lesson, name: CLASSROOMS[0], query: { fake: 1, refuse: "NotFoundError" } }));
  // Whatever the driver asks a page counts as a gesture: so ask nothing until the page has tried.
  await sleep(6000);
  const prompt = board.getByTestId("sound-prompt");
  await prompt.waitFor({ timeout: 15_000 });
  const box = await prompt.boundingBox();
  assert.ok(box.width >= 1900 && box.height >= 1060, `the button covers only ${box.width}×${box.height}`);
  const heard = () => teacher.evaluate((name) => {
    const room = zhuandi.room();
    const people = Array.isArray(room.roster) ? room.roster : Object.values(room.roster ?? room.participants);
    return people.find((one) => one.name === name)?.state.sound;
  }, CLASSROOMS[0]);
  await accessible(board, "board that waits for a tap");
  await until("the teacher knows that sound is off", async () => (await heard()) === false);
  await prompt.click();
  await prompt.waitFor({ state: "detached" });
  await until("the teacher knows that sound is on", async () => (await heard()) === true);
  await teacher.close();
});

test("when the server comes back, the lesson goes on and nobody taps anything", async (t) => {
  // The same ports, secret and data; the process is new.
  const first = await startServer();
  const lesson = "e2e-restart";
  const teacher = await teach(first, browser, lesson, { camera: "320x180@10" });
  const { page, frames: [board] } = await boards(first, browser, lesson, CLASSROOMS.slice(0, 1));
  await boardShows(board, "lead", TEACHER_ID);
  await first.kill();
  const killed = Date.now();
  await stateIs(board, "reconnecting");
  const second = await startServer({ env: first.environment });
  try {
    await until("the teacher teaches again", async () => (await stateOf(teacher)) === "live", 20_000);
    await until("the board is in the lesson again", async () => (await stateOf(board)) === "live", 20_000);
    await boardShows(board, "lead", TEACHER_ID, 20_000);
    record(t, "killed server: until the board shows the teacher again", (Date.now() - killed) / 1000, "s", "<= 10");
  } finally {
    await Promise.all([teacher.close(), page.close()]);
    await second.stop();
  }
});

const link = (role, { name = "王老师", query = {} } = {}) =>
  server.link(role, { lesson: `e2e-${role}`, name, query: { fake: TEACHER_ID, ...query } });

async function open(role, options) {
  const page = await context.newPage();
  await page.goto(await link(role, options));
  return page;
}
