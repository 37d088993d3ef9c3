// A classroom whose microphone sends back what its loudspeaker plays is muted and told why, at both ends;
// one that does not, is not. Voices are syllables made in the page; the echo is the received sound, 150 ms later,
// as loud as the page's own players have it. The page hears it by itself (web/src/ear).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchChromium } from "./harness/chromium.mjs";
import { record } from "./harness/figures.mjs";
import { boards, boardShows, CLASSROOMS, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { sleep, until } from "./harness/wait.mjs";

const LESSON = "e2e-echo";
const [GOOD, BAD] = CLASSROOMS;

let server, browser, teacher, good, bad;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
  teacher = await teach(server, browser, LESSON, { camera: "320x180@10" });
  ({ frames: [good, bad] } = await boards(server, browser, LESSON, [GOOD, BAD]));
  await Promise.all([good, bad].map((frame) => boardShows(frame, "lead", TEACHER_ID)));
  // All beep at the same second, which is no lesson's sound.
  await Promise.all([teacher, good, bad].map((one) => one.evaluate(silenceBeeps)));
  await teacher.evaluate(speak, 1);
  await good.evaluate(speak, 2);
  await bad.evaluate(sendBack, { delay: 0.15, follows: true });
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("who speaks while the teacher speaks keeps the floor", async () => {
  await callButton(GOOD).click();
  await turnIs(good, "floor");
  for (let second = 0; second < 8; second++) {
    await sleep(1000);
    assert.equal(await turnOf(good), "floor", `muted after ${second + 1} s`);
  }
});

test("a television with the same programme is not taken for an echo", async () => {
  assert.equal(await turnOf(good), "floor");
  // What the teacher's television says comes out of this room's own one too, whatever the board does.
  await good.evaluate(sendBack, { delay: 0.2, follows: false });
  for (let second = 0; second < 8; second++) {
    await sleep(1000);
    assert.equal(await turnOf(good), "floor", `muted after ${second + 1} s`);
  }
  const dips = await good.evaluate(() => window.dips);
  assert.ok(dips >= 1 && dips <= 4, `suspected, tried and let be: ${dips}`);
  await good.evaluate(() => window.stopSendingBack());
  await callButton(GOOD).click();
  await turnIs(good, null);
});

test("who sends back what it hears is muted, and both ends are told in words", async (t) => {
  await callButton(BAD).click();
  await turnIs(bad, "floor");
  const began = Date.now();
  await turnIs(bad, null);
  record(t, "echo of 150 ms in Chromium, heard by its page → muted", (Date.now() - began) / 1000, "s", "<= 3");
  await until("the board says why", async () => {
    const told = await bad.locator(".board-notice").innerText();
    return told.includes(BAD) && /静音.*音箱/.test(told);
  });
  await tile(BAD).locator('[data-kind="echo-muted"]').waitFor({ timeout: 5000 });
  await until("the lead is told", async () => (await teacher.locator("body").innerText()).includes(`${BAD}有回声`));
  assert.equal(await tile(GOOD).getByTestId("complaint").count(), 0, "the other one was never meant");
});

test("the lead opens it again, and the third time it is her decision", async () => {
  await callButton(BAD).click();
  await turnIs(bad, "floor");
  await turnIs(bad, null);
  await callButton(BAD).click();
  await turnIs(bad, "floor");
  await tile(BAD).locator('[data-kind="echo"]').waitFor({ timeout: 15_000 });
  assert.equal(await turnOf(bad), "floor");
  await callButton(BAD).click();
  await turnIs(bad, null);
});

const tile = (name) => teacher.locator(`[data-testid="wall-tile"][data-name="${name}"]`);
const callButton = (name) => tile(name).getByTestId("call");
const turnOf = (frame) =>
  frame.evaluate(() => document.querySelector('[data-testid="turn"]')?.getAttribute("data-turn") ?? null);
const turnIs = (frame, wanted) => until(`turn is ${wanted}`, async () => (await turnOf(frame)) === wanted, 30_000);

async function silenceBeeps() {
  (await fake.sound()).beep.gain.disconnect();
}

/** Syllables of random length, pitch and loudness, and pauses; another voice for each seed. */
async function speak(seed) {
  const { context, bus } = await fake.sound();
  let state = seed * 7919;
  const random = (low, high) => {
    state = (state * 16807) % 2147483647;
    return low + (high - low) * (state / 2147483647);
  };
  const pitch = 110 + 40 * seed;
  const voice = new OscillatorNode(context, { type: "sawtooth", frequency: pitch });
  const mouth = new GainNode(context, { gain: 0 });
  voice.connect(mouth).connect(bus);
  voice.start();
  let at = context.currentTime;
  setInterval(() => {
    while (at < context.currentTime + 1) {
      const pause = random(0, 1) < 0.15 ? random(0.3, 0.8) : 0;
      const length = random(0.09, 0.22);
      voice.frequency.setValueAtTime(pitch * random(0.85, 1.1), at);
      voice.frequency.linearRampToValueAtTime(pitch * random(0.9, 1.2), at + length);
      mouth.gain.setTargetAtTime(random(0.05, 0.35), at, 0.01);
      mouth.gain.setTargetAtTime(0, at + length, 0.03);
      at += length + random(0.05, 0.16) + pause;
    }
  }, 200);
}

/**
 * What the page receives goes into its microphone; `follows`: as loud as its players have it. Counts in
 * `dips` how often they were turned down.
 */
async function sendBack({ delay, follows }) {
  const { context, bus } = await fake.sound();
  const late = new DelayNode(context, { delayTime: delay });
  const loudness = new GainNode(context, { gain: 0.5 });
  late.connect(loudness).connect(bus);
  for (const { receiver, direction } of zhuandi.pc().getTransceivers()) {
    if (receiver.track.kind !== "audio" || direction !== "recvonly") continue;
    context.createMediaStreamSource(new MediaStream([receiver.track])).connect(late);
  }
  window.dips = 0;
  let before = 1;
  const timer = setInterval(() => {
    const volume = Math.min(...Array.from(document.querySelectorAll("audio"), (audio) => audio.volume));
    if (volume < before) window.dips += 1;
    before = volume;
    // The loudspeaker is turned down at once; what was played before is still on its way.
    if (follows) loudness.gain.setValueAtTime(0.5 * volume, context.currentTime + delay);
  }, 10);
  window.stopSendingBack = () => {
    clearInterval(timer);
    loudness.disconnect();
  };
}
