// Lessons in VP9 and AV1 through the product's own pages: the lead sends layers that a board can change
// between, and the lead sees the board. And sound with redundancy (RED), over a way that loses packets.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startBlank } from "./harness/blank.mjs";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { lossyWay } from "./harness/lossy.mjs";
import { BOARD_CAMERA, boards, boardShows, CLASSROOMS, errorsOf, stateIs, statsOf, teach, TEACHER_ID, wallOf } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const FOREIGN = fileURLToPath(new URL("page/foreign.js", import.meta.url));

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

test("sound with redundancy is heard although packets of it are lost on the way", async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  const way = await lossyWay(Number(server.environment.ZHUANDI_MEDIA__PORT), { payloadType: 63, instead: 111, n: 5 });
  t.after(() => way.stop());
  const elsewhere = await startBlank();
  t.after(() => elsewhere.stop());
  const lesson = "e2e-red";
  const publisher = await newWindow(chromium);
  await publisher.addInitScript({ path: FOREIGN });
  await publisher.goto(`${elsewhere.url}?fake=${TEACHER_ID}`);
  const token = await server.token("lead", { lesson, name: "编码器" });
  await publisher.evaluate((given) => foreign.publish(given),
    { endpoint: `${server.url}/whip/${lesson}`, token, codec: "vp8", red: true, through: way.port });

  const { frames: [board] } = await boards(server, chromium, lesson, CLASSROOMS.slice(0, 1));
  await boardShows(board, "lead", TEACHER_ID);
  const sound = async () => (await statsOf(board)).audio.reduce((most, one) => (one.packets > most.packets ? one : most));
  const [before, lostBefore] = [await sound(), way.lost];
  await sleep(8000);
  const [end, lost] = [await sound(), way.lost - lostBefore];
  const counted = (await (await fetch(`${server.ops}/metrics`)).text()).match(/^zhuandi_media_audio_recovered_total (\d+)/m);
  const recovered = Number(counted[1]);
  const concealed = (end.concealed - before.concealed) / (end.samples - before.samples);
  record(t, "RED from Chromium, a fifth lost on the way: recovered of the lost", 100 * recovered / way.lost, "%", ">= 90");
  record(t, "RED from Chromium, a fifth lost on the way: concealed at the board", 100 * concealed, "%");
  assert.ok(way.sent > 300 && way.other === 0, `${way.sent} packets of RED, ${way.other} of plain Opus`);
  assert.ok(lost > 60, `${lost} lost`);
  // No two in a row were lost, and each packet repeats the one before it.
  assert.ok(recovered > way.lost * 0.9, `${recovered} of ${way.lost} recovered`);
  assert.ok(end.energy > before.energy, "the board heard nothing");
  assert.equal(end.codec, "audio/opus");
});

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
