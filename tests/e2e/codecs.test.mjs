// Lessons in VP9 and AV1 through the product's own pages: the lead sends layers that a board can change
// between, the lead sees the board, and somebody who cannot decode it moves the lesson to VP8.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { BOARD_CAMERA, boardShows, CLASSROOMS, errorsOf, stateIs, statsOf, teach, TEACHER_ID, wallOf } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

let chromium;
before(async () => { chromium = await launchChromium(); });
after(() => chromium?.close());

for (const codec of ["vp9", "av1"]) {
  test(`a lesson in ${codec}`, async (t) => {
    const server = await startServer({ env: { ZHUANDI_LESSON__VIDEO_CODEC: codec } });
    t.after(() => server.stop());
    const lesson = `e2e-${codec}`;
    // Two layers: more would be too much to encode for a test machine.
    const teacher = await teach(server, chromium, lesson, { camera: "640x360@15" });
    const board = await newWindow(chromium);
    await board.addInitScript(keepSockets);
    const [name] = CLASSROOMS;
    await board.goto(await server.link("receiver", { lesson, name, query: { fake: 1, camera: BOARD_CAMERA } }));
    await stateIs(board, "live");
    await boardShows(board, "lead", TEACHER_ID);
    const sent = await until("both layers of the lead's camera are sent", async () => {
      const { sent } = await statsOf(teacher);
      const layers = sent.filter(({ rid, frames }) => rid && frames > 0);
      return layers.length === 2 && layers;
    });
    assert.deepEqual(new Set(sent.map((one) => one.codec.toLowerCase())), new Set([`video/${codec}`]));

    for (let n = 0; n < 6; n++) {
      const [maxLayer, height] = n % 2 ? [2, 360] : [0, 180];
      await board.evaluate(selectLayer, maxLayer);
      await until(`the board decodes ${height} lines`, async () => (await lead(board)).height === height);
      await boardShows(board, "lead", TEACHER_ID);
    }
    await board.evaluate(() => observe.video("lead", document.querySelector('[data-testid="lead-video"]')));
    const [from, start] = [Date.now(), await lead(board)];
    await sleep(6000);
    const [end, seen] = [await lead(board), await board.evaluate((since) => observe.summary("lead", since), from)];
    const frames = end.frames - start.frames;
    record(t, `frames decoded in 6 s of a lesson in ${codec} (15/s sent)`, frames, "frames");
    record(t, `delay p50 in a lesson in ${codec}`, seen.delay50, "ms");
    assert.equal(end.codec.toLowerCase(), `video/${codec}`);
    assert.ok(frames > 40, `only ${frames} frames in 6 s`);
    assert.deepEqual(seen.ids, [String(TEACHER_ID)]);

    await until("the board is on the teacher's wall", async () =>
      (await wallOf(teacher)).some((tile) => tile.name === name && !tile.covered && tile.id === 1));
    const back = (await statsOf(teacher)).video.filter((one) => one.frames > 0);
    assert.deepEqual(back.map((one) => one.codec.toLowerCase()), [`video/${codec}`]);
    assert.deepEqual(errorsOf(teacher), []);
  });
}

/** The received stream that shows the lead. */
async function lead(board) {
  const { video } = await statsOf(board);
  return video.reduce((best, one) => ((one.frames ?? 0) > (best.frames ?? 0) ? one : best), {});
}

// The pages have no control for it: the message goes by the page's own socket.
function keepSockets() {
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...rest) {
      super(...rest);
      window.lessonSocket = this;
    }
  };
}

function selectLayer(maxLayer) {
  const { mid } = zhuandi.feeds().find(({ kind }) => kind === "camera");
  window.layerRequest = (window.layerRequest ?? 900_000) + 1;
  window.lessonSocket.send(JSON.stringify({ type: "select_layer", request: window.layerRequest, mid, maxLayer }));
}
