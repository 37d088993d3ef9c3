// The simulation's player beside Chromium's (`make player`): the same links in both, what a board makes of
// them in getStats() and what the model makes of them. Prints a table, and keeps it in
// target/figures/player.jsonl. A goal is a ratio within 30 %.
//
// A browser that gets too little of the processor freezes and conceals by itself: the first row is a
// good link (N1), and where that is not whole, or waits for long, the rest is worth nothing. The table
// says how busy the machine was.
//
// The browser's camera is measured first (rate, pictures a second), and the model sends the same. The
// browser's minute is one sample: the model runs ten, so what differs is also chance, most of all in
// freezes, which are few.

import { execFile } from "node:child_process";
import { appendFileSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { figurePath } from "./harness/figures.mjs";
import { BOARD_CAMERA, boardShows, CLASSROOMS, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startRelay } from "./harness/relay.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep } from "./harness/wait.mjs";

const LINKS = process.argv.length > 2 ? process.argv.slice(2) : ["N1", "loss5", "burst10", "N2", "N3", "jitter200"];
/** Small: a machine that is busy encoding and decoding freezes by itself. */
const CAMERA = process.env.E2E_TEACHER_CAMERA ?? "640x360@15";
const SECONDS = Number(process.env.SECONDS ?? 60);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const KINDS = {
  concealed: "sound concealed, %", frozen: "picture frozen, %",
  sound_waits: "sound in the buffer, ms", camera_waits: "picture in the buffer, ms",
};

rmSync(figurePath("player.jsonl"), { force: true });
const browser = await launchChromium();
try {
  console.log("| link | figure | Chromium | model | ratio |\n|---|---|---|---|---|");
  for (const link of LINKS) {
    const seen = await inBrowser(link);
    const model = await inModel(link, seen);
    for (const [key, name] of Object.entries(KINDS)) {
      const ratio = model[key] / seen[key];
      // Where there is nearly nothing of a thing, a ratio says nothing: half a per cent, or 30 ms, a frame's time.
      const little = Math.max(model[key], seen[key]) < (name.endsWith("ms") ? 30 : 0.5);
      const pass = little || (ratio >= 0.7 && ratio <= 1.3);
      console.log(`| ${link} | ${name} | ${seen[key].toFixed(2)} | ${model[key].toFixed(2)} | ${little ? "–" : ratio.toFixed(2)}${pass ? "" : " (off)"} |`);
      keep({ name: `player, ${link}: ${name}`, measured: model[key], unit: "", browser: seen[key], goal: "within 30 %", pass });
    }
    console.log(`| ${link} | camera | ${seen.kbps.toFixed(0)} kbit/s, ${seen.fps.toFixed(1)}/s, ${seen.freezes} freezes, ${seen.plis} key-frame requests; load ${loadavg()[0].toFixed(1)} | the same, ${model.freezes} freezes in ten minutes | |`);
  }
} finally {
  await browser.close();
}

async function inBrowser(link) {
  const server = await startServer();
  const relay = await startRelay(server, ["--profile", link]);
  const teacher = await teach(server, browser, "player", { camera: CAMERA });
  const board = await newWindow(browser);
  try {
    await board.addInitScript(relay.script);
    await board.goto(await server.link("receiver", { lesson: "player", name: CLASSROOMS[0], query: { fake: 1, camera: BOARD_CAMERA } }));
    await boardShows(board, "lead", TEACHER_ID, 60_000);
    await sleep(8000);
    const before = await inbound(board);
    await sleep(1000 * SECONDS);
    const after = await inbound(board);
    const d = Object.fromEntries(Object.keys(after).map((key) => [key, after[key] - before[key]]));
    return {
      concealed: (100 * d.concealed) / d.samples, frozen: (100 * d.frozen) / SECONDS, freezes: d.freezes, plis: d.plis,
      sound_waits: (1000 * d.soundDelay) / d.soundEmitted, camera_waits: (1000 * d.pictureDelay) / d.pictureEmitted,
      kbps: (0.008 * d.bytes) / SECONDS, fps: d.received / SECONDS,
    };
  } finally {
    await board.context().close();
    await teacher.context().close();
    await relay.stop();
    await server.stop();
  }
}

async function inbound(page) {
  return page.evaluate(async () => {
    const sums = { plis: 0, concealed: 0, samples: 0, frozen: 0, freezes: 0, soundDelay: 0, soundEmitted: 0, pictureDelay: 0, pictureEmitted: 0, bytes: 0, received: 0 };
    for (const entry of (await zhuandi.pc().getStats()).values()) {
      if (entry.type !== "inbound-rtp" || !entry.packetsReceived) continue;
      if (entry.kind === "audio") {
        sums.concealed += entry.concealedSamples;
        sums.samples += entry.totalSamplesReceived;
        sums.soundDelay += entry.jitterBufferDelay;
        sums.soundEmitted += entry.jitterBufferEmittedCount;
      } else {
        sums.frozen += entry.totalFreezesDuration;
        sums.freezes += entry.freezeCount;
        sums.plis += entry.pliCount;
        sums.pictureDelay += entry.jitterBufferDelay;
        sums.pictureEmitted += entry.jitterBufferEmittedCount;
        sums.bytes += entry.bytesReceived;
        sums.received += entry.framesReceived;
      }
    }
    return sums;
  });
}

async function inModel(link, { kbps, fps }) {
  const env = { ...process.env, COMPARE: `${link} 600 1 ${kbps.toFixed(0)} ${fps.toFixed(0)}`, CARGO_INCREMENTAL: "1" };
  const args = ["test", "--release", "--test", "sim", "compare::beside_a_browser", "--", "--ignored", "--nocapture"];
  const { stdout } = await promisify(execFile)("cargo", args, { cwd: ROOT, env });
  return JSON.parse(stdout.split("\n").find((line) => line.includes("concealed")).replace(/^[^{]*/, ""));
}

function keep(line) {
  appendFileSync(figurePath("player.jsonl"), `${JSON.stringify(line)}\n`);
}
