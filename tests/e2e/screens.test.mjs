// One picture of every page, kept in target/figures/ for people to look at; and what a program can
// see of a picture: nothing is cut off at the side, no text is smaller than promised.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible } from "./harness/axe.mjs";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { figurePath } from "./harness/figures.mjs";
import { boards, boardShows, CLASSROOMS, enter, stateIs, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-screens";
const TEACHER_SIZE = { width: 1366, height: 768 };
const BOARD_SIZE = { width: 1920, height: 1080 };

let server, browser;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const lang of ["zh-CN", "en"]) {
  test(`every page in ${lang}`, async (t) => {
    const lesson = `${LESSON}-${lang.toLowerCase()}`;
    const at = async (role, name, size, query = {}) => {
      const page = await newWindow(browser, { viewport: size, locale: lang });
      t.after(() => page.context().close());
      await page.goto(await server.link(role, { lesson, name, query: { lang, ...query } }));
      return page;
    };

    const board = await at("receiver", CLASSROOMS[0], BOARD_SIZE, { fake: 1, camera: "320x180@10" });
    await stateIs(board, "waiting");
    await keep(board, `class-waiting-${lang}`, 28);

    const teacher = await at("lead", "王老师", TEACHER_SIZE, { fake: TEACHER_ID, camera: "640x360@15" });
    await stateIs(teacher, "preflight");
    await teacher.getByTestId("level").first().waitFor();
    await sleep(2000); // the link check and the level have something to say
    await keep(teacher, `teach-preflight-${lang}`, 14);
    await enter(teacher);

    await boards(server, browser, lesson, CLASSROOMS.slice(1), { firstId: 2 });
    await boardShows(board, "lead", TEACHER_ID);
    await stateIs(board, "live");
    await until("the wall is full", async () => (await teacher.getByTestId("wall-tile").count()) >= CLASSROOMS.length);
    await sleep(2000);
    await keep(teacher, `teach-live-${lang}`, 14);
    await whole(teacher, ".wall", `six classrooms on ${TEACHER_SIZE.width} × ${TEACHER_SIZE.height} in ${lang}`);
    await keep(board, `class-live-${lang}`, 24);
    // The controls return at a touch, and take their room from the words beside them.
    await board.mouse.move(400, 300);
    await whole(board, ".board-status", `the board's state beside its controls in ${lang}`);

    await teacher.getByTestId("share").click();
    await until("content is on the board", async () => (await board.getByTestId("stage").getAttribute("data-showing")) === "content");
    await boardShows(board, "content", TEACHER_ID);
    await sleep(500);
    await keep(board, `class-content-${lang}`, 24);
    await keep(teacher, `teach-sharing-${lang}`, 14);

    // The floor: hands beside content, somebody called on beside content and without, our own turn.
    await board.getByTestId("hand").click();
    await teacher.getByTestId("hands").waitFor();
    await keep(teacher, `teach-hands-${lang}`, 14);
    await keep(board, `class-hand-${lang}`, 24);
    const other = teacher.getByTestId("wall-tile").filter({ hasNot: teacher.locator(`text=${CLASSROOMS[0]}`) }).first();
    await other.getByTestId("call").click();
    await until("another one is on the board", async () => (await board.getByTestId("side-video").count()) === 1);
    await sleep(1000);
    await keep(board, `class-other-beside-content-${lang}`, 24);
    await keep(teacher, `teach-called-content-${lang}`, 14);
    await teacher.getByTestId("stop-share").click();
    await board.getByTestId("stage-video").waitFor();
    await keep(board, `class-other-speaks-${lang}`, 24);
    await teacher.locator(`[data-testid="wall-tile"][data-name="${CLASSROOMS[0]}"]`).getByTestId("call").click();
    await board.getByTestId("turn").waitFor();
    await sleep(1000);
    await keep(board, `class-turn-${lang}`, 24);
    await keep(teacher, `teach-called-${lang}`, 14);
    await board.mouse.move(500, 300);
    await whole(board, ".board-status", `the board's state in its turn in ${lang}`);
    await teacher.locator(`[data-testid="wall-tile"][data-name="${CLASSROOMS[0]}"]`).getByTestId("hand-over").click();
    await board.locator('[data-testid="turn"][data-turn="lead"]').waitFor();
    await sleep(1500);
    await keep(board, `class-leads-${lang}`, 24);
    await keep(teacher, `teach-led-by-other-${lang}`, 14);
    await teacher.getByTestId("take-lead").click();
    await board.getByTestId("turn").waitFor({ state: "detached" });

    const admin = await at("admin", "管理员", TEACHER_SIZE);
    await admin.getByTestId("lesson-row").first().waitFor();
    await sleep(2500);
    await keep(admin, `admin-${lang}`, 12);

    const observer = await at("observer", "观摩者", TEACHER_SIZE);
    await stateIs(observer, "live");
    await sleep(1500);
    await keep(observer, `observe-${lang}`, 14);
  });
}

/** Nothing of this element is cut off or must be scrolled to. */
async function whole(page, selector, what) {
  const hidden = await page.locator(selector).evaluate((e) => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]);
  assert.deepEqual(hidden, [0, 0], `pixels cut off: ${what}`);
}

/** Saves the picture; then no sideways scrolling, and no visible text below `smallest` pixels. */
async function keep(page, name, smallest) {
  await page.bringToFront();
  await page.screenshot({ path: figurePath(`${name}.png`) });
  const { wide, small } = await page.evaluate((limit) => {
    const small = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!/[\p{L}\p{N}]/u.test(node.data) || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      if (element.getBoundingClientRect().width === 0) continue;
      const size = parseFloat(getComputedStyle(element).fontSize);
      if (size < limit) small.push(`${size}px: ${node.data.trim().slice(0, 30)}`);
    }
    return { wide: document.documentElement.scrollWidth - window.innerWidth, small };
  }, smallest);
  assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
  assert.deepEqual(small.slice(0, 5), [], `${name} has text below ${smallest} pixels`);
  // The same elements in both languages; looking costs seconds while six boards run.
  if (name.endsWith("zh-CN")) await accessible(page, name);
}
