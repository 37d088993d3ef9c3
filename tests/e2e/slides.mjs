// Whether a slide can be read at the end of a thin line: 300 kbit/s down and 100 up, real Chromium at
// both ends, text of 12 points on a slide 1920 pixels wide (24 pixels), read by a recogniser from the
// frame that the board shows. `make slides` runs it.
//
// Told are the share of characters that were read right from the slide as it was drawn (what the
// recogniser can do) and from the frame that was received, and how long a turned page takes to be
// readable. Speech must go on meanwhile.

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launchChromium, newContext, newWindow } from "./harness/chromium.mjs";
import { figurePath, record } from "./harness/figures.mjs";
import { BOARD_CAMERA, boardShows, CLASSROOMS, enter, stateIs, statsOf, TEACHER_CAMERA, TEACHER_ID } from "./harness/lesson.mjs";
import { startRelay } from "./harness/relay.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep } from "./harness/wait.mjs";

const PAGES = [
  ["第三单元 大自然的声音", "大自然有许多美妙的声音。", "风是大自然的音乐家，他会在森林里演奏他的手风琴。",
    "当他翻动树叶，树叶便像歌手一样，唱出各种不同的歌曲。", "不一样的树叶，有不一样的声音。", "不一样的季节，有不一样的音乐。",
    "水也是大自然的音乐家。下雨的时候，他喜欢玩打击乐器。", "Unit 3 Sounds of nature", "The wind is a musician of the forest.",
    "Every leaf sings its own song in every season.", "When it rains, water plays the drums."],
  ["练习 两位数乘两位数", "学校图书馆有十二个书架，每个书架放二十四本书。", "请先估一估，再算一算，一共可以放多少本书。",
    "小明每天读八页，这本书有一百六十页，他要读多少天。", "把你的想法说给同桌听，再写在练习本上。", "完成以后请举手，老师会请一个教室来回答。",
    "Exercise on page forty two", "Twelve shelves hold twenty four books each.", "First make a guess and then count.",
    "Tell your neighbour how you found the answer."],
];

/** In the teacher's page: a screen that shows one of the pages, turned by `slides.turn()`. */
function screen(pages) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1920, height: 1080 });
  const context = canvas.getContext("2d", { alpha: false });
  let page = 0;
  const paint = () => {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, 1920, 1080);
    context.fillStyle = "#1f4e79";
    context.fillRect(0, 0, 1920, 90);
    context.fillStyle = "#111";
    context.font = "24px 'Noto Sans CJK SC', sans-serif";
    pages[page].forEach((line, n) => context.fillText(line, 160, 200 + n * 66));
  };
  window.slides = {
    turn() { page += 1; paint(); },
    drawn: () => canvas.toDataURL("image/png"),
  };
  navigator.mediaDevices.getDisplayMedia = async () => {
    paint();
    const stream = canvas.captureStream(0);
    const [track] = stream.getVideoTracks();
    setInterval(() => { paint(); track.requestFrame(); }, 200);
    return stream;
  };
}

const folder = join(figurePath("slides"), "..", "slides");
mkdirSync(folder, { recursive: true });

/** Characters read right, of all: 1 less the edit distance, without spaces and punctuation. */
function readShare(name, png, page) {
  const file = join(folder, `${name}.png`);
  writeFileSync(file, Buffer.from(png.split(",")[1], "base64"));
  const read = execFileSync("tesseract", [file, "-", "-l", "chi_sim+eng", "--psm", "6"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const plain = (text) => [...text.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")];
  const [wanted, got] = [plain(page.join("")), plain(read)];
  let row = [...Array(got.length + 1).keys()];
  for (const [i, a] of wanted.entries()) {
    const next = [i + 1];
    for (const [j, b] of got.entries()) next.push(Math.min(row[j] + (a === b ? 0 : 1), row[j + 1] + 1, next[j] + 1));
    row = next;
  }
  return 1 - row[got.length] / wanted.length;
}

const shown = (board) => board.getByTestId("content-video").evaluate((video) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/png");
});

const t = { name: "slides", diagnostic: (line) => console.log(line) };
const browser = await launchChromium();
const server = await startServer();
const relay = await startRelay(server, ["--profile", "thin"]);
try {
  const context = await newContext(browser);
  const teacher = await context.newPage();
  await teacher.addInitScript(screen, PAGES);
  const query = { fake: TEACHER_ID, camera: TEACHER_CAMERA };
  await teacher.goto(await server.link("lead", { lesson: "slides", name: "王老师", query }));
  await enter(teacher);
  await stateIs(teacher, "live");
  const board = await newWindow(browser);
  await board.addInitScript(relay.script);
  await board.goto(await server.link("receiver", { lesson: "slides", name: CLASSROOMS[0], query: { fake: 1, camera: BOARD_CAMERA } }));
  await boardShows(board, "lead", TEACHER_ID);
  await teacher.getByTestId("share").click();
  const before = (await statsOf(board)).audio.reduce((s, a) => ({ c: s.c + a.concealed, n: s.n + a.samples }), { c: 0, n: 0 });
  for (const [n, page] of PAGES.entries()) {
    const turned = Date.now();
    const drawn = readShare(`page${n + 1}-drawn`, await teacher.evaluate(() => slides.drawn()), page);
    let share = 0, readable = null;
    while (Date.now() - turned < 20_000) {
      await sleep(500);
      const at = Date.now();
      const png = await shown(board).catch(() => null);
      share = png ? readShare(`page${n + 1}-received`, png, page) : 0;
      readable ??= share >= 0.95 ? (at - turned) / 1000 : null;
    }
    record(t, `slide ${n + 1} at 300/100 kbit/s: characters read from what was drawn`, 100 * drawn, "%");
    record(t, `slide ${n + 1} at 300/100 kbit/s: characters read from the received frame`, 100 * share, "%", ">= 95");
    record(t, `slide ${n + 1} at 300/100 kbit/s: time until 95 % can be read`, readable ?? -1, "s");
    if (n + 1 < PAGES.length) await teacher.evaluate(() => slides.turn());
  }
  const after = (await statsOf(board)).audio.reduce((s, a) => ({ c: s.c + a.concealed, n: s.n + a.samples }), { c: 0, n: 0 });
  record(t, "slides at 300/100 kbit/s: sound concealed", (100 * (after.c - before.c)) / (after.n - before.n), "%", "<= 2");
  const size = await board.getByTestId("content-video").evaluate((v) => [v.videoWidth, v.videoHeight]);
  console.log(`received ${size.join(" × ")}`);
} finally {
  await relay.stop();
  await server.stop();
  await browser.close();
}
