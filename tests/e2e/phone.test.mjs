// The assisting teacher's phone: the code on the board brings it to its classroom, what it says is said for
// the classroom, nobody is replaced by it, and a photo leaves it small and comes through a bad line.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import jsQR from "jsqr";
import { accessible } from "./harness/axe.mjs";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { boardShows, CLASSROOMS, joinsOf, stateIs, teach, TEACHER_ID } from "./harness/lesson.mjs";
import { startServer } from "./harness/server.mjs";
import { until } from "./harness/wait.mjs";

const LESSON = "e2e-phone";
const [NAME] = CLASSROOMS;
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

let server, browser, teacher, board, phone;
before(async () => {
  server = await startServer();
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a phone that comes before its board waits, and joins by itself", async () => {
  // A token of the classroom, as the board will have it.
  const link = await server.link("receiver", { lesson: LESSON, name: NAME, more: ["--sub", "c1"], query: { fake: 1, camera: "320x180@10" } });
  phone = await newWindow(browser, PHONE);
  await phone.goto(await server.link("companion", { lesson: LESSON, name: NAME, more: ["--sub", "c1"] }));
  await until("it says that the board is missing", async () => /大屏还没有进入/.test(await phone.locator("main").innerText()));
  await accessible(phone, "phone before its board");
  board = await newWindow(browser, { viewport: { width: 1920, height: 1080 } });
  await board.goto(link);
  await stateIs(phone, "waiting");
  teacher = await teach(server, browser, LESSON, { camera: "320x180@10" });
  await stateIs(phone, "live");
  await boardShows(board, "lead", TEACHER_ID);
  await phone.context().close();
});

test("the code on the board opens the phone page of its classroom", async () => {
  await board.getByTestId("more").click();
  await board.getByTestId("phone-menu").click();
  await board.locator('[data-testid="invitation"][data-step="shown"]').waitFor();
  // Four pixels for a module, as a phone has them from a step away.
  const { dark, width } = await board.locator('[data-testid="invitation"] svg').evaluate(async (svg) => {
    const width = svg.viewBox.baseVal.width * 4;
    const image = new Image();
    const text = new XMLSerializer().serializeToString(svg).replace("<svg", `<svg width="${width}" height="${width}"`);
    image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
    await image.decode();
    const context = Object.assign(document.createElement("canvas"), { width, height: width }).getContext("2d");
    context.drawImage(image, 0, 0, width, width);
    const { data } = context.getImageData(0, 0, width, width);
    let dark = "";
    for (let i = 0; i < data.length; i += 4) dark += data[i] < 128 ? "1" : "0";
    return { width, dark };
  });
  const pixels = Uint8ClampedArray.from([...dark].flatMap((bit) => (bit === "1" ? [0, 0, 0, 255] : [255, 255, 255, 255])));
  const scanned = jsQR(pixels, width, width);
  assert.ok(scanned, "the code can be read");
  await accessible(board, "board with the code");
  await board.keyboard.press("Escape");
  await board.getByTestId("invitation").waitFor({ state: "detached" });

  phone = await newWindow(browser, PHONE);
  await phone.goto(scanned.data.replace("/phone#", "/phone?lang=zh-CN#"));
  await stateIs(phone, "live");
  assert.equal(await phone.locator("h1").innerText(), NAME);
  assert.equal(await phone.evaluate(() => location.hash), "", "the token does not stay in the address");
  await accessible(phone, "phone in the lesson");
  const sizes = await phone.locator(".phone-button").evaluateAll((all) => all.map((one) => one.getBoundingClientRect()).map(({ width, height, bottom }) => ({ width, height, bottom })));
  for (const { width, height, bottom } of sizes) {
    assert.ok(width >= 150 && height >= 64 && bottom <= 844, `a thumb finds it: ${width} × ${height}, to ${bottom}`);
  }
});

test("hand, microphone and complaints are the classroom's, by one tap each", async () => {
  await phone.getByTestId("hand").tap();
  await until("the lead sees the classroom's hand", async () => (await tile().getByTestId("tile-hand").count()) === 1);
  await until("the phone and the board say so", async () =>
    /第 1 位/.test(await phone.getByTestId("hand").innerText()) && /第 1 位/.test(await board.getByTestId("hand").innerText()));
  await phone.getByTestId("cannot_hear").tap();
  await until("the lead is told", async () => (await tile().getByTestId("complaint").count()) === 1);
  await phone.getByTestId("mic").tap();
  await until("the board keeps its microphone closed", async () => (await board.getByTestId("mic").getAttribute("aria-pressed")) === "true");
  await until("the phone says so", async () => (await phone.getByTestId("mic").getAttribute("aria-pressed")) === "true");
  await phone.getByTestId("mic").tap();
  await until("and not any more", async () => (await board.getByTestId("mic").getAttribute("aria-pressed")) === "false");

  await tile().getByTestId("call").click();
  await until("the phone says whose turn it is", async () => /你们正在发言/.test(await phone.getByTestId("status").innerText()));
  await phone.getByTestId("end-turn").tap();
  await board.getByTestId("turn").waitFor({ state: "detached" });
  assert.deepEqual(await joinsOf(board), { joins: 1, peers: 1 }, "the board was not replaced");
  assert.equal(await teacher.getByTestId("wall-tile").count(), 1, "the phone is nobody on the wall");
  assert.deepEqual(await joinsOf(phone), { joins: 1, peers: 0 }, "and takes no media");
});

test("a photo is made small, sent with progress, and tried again on a bad line", async () => {
  const answers = ["abort", "abort", "abort", { status: 201, json: { id: "p1", url: "/p1" } }, { status: 404, json: { code: "not_found", message: "没有这个地址。", hint: "" } }];
  const seen = [];
  await phone.route("**/api/v1/lessons/*/photos", (route) => {
    seen.push(route.request().headers());
    const answer = answers.shift();
    return answer === "abort" ? route.abort("connectionreset") : route.fulfill({ status: answer.status, contentType: "application/json", body: JSON.stringify(answer.json) });
  });
  await phone.evaluate(() => {
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) { window.sentImage = body; return send.call(this, body); };
  });
  const file = { name: "IMG_1.png", mimeType: "image/png", buffer: await largePicture() };
  const choose = async () => {
    const [chooser] = await Promise.all([phone.waitForEvent("filechooser"), phone.locator(".phone-button.photo").tap()]);
    await chooser.setFiles(file);
  };
  const step = (is) => phone.locator(`[data-testid="photo-panel"][data-step="${is}"]`).waitFor({ timeout: 15_000 });

  await choose();
  await step("sending");
  await step("failed");
  assert.equal(seen.length, 3, "three times by itself");
  assert.match(await phone.getByTestId("photo-panel").innerText(), /没有发出去/);
  await accessible(phone, "phone with a photo that was not sent");
  await phone.getByTestId("photo-retry").tap();
  await step("sent");
  const sent = await phone.evaluate(async () => {
    const { width, height } = await createImageBitmap(sentImage);
    return { type: sentImage.type, width, height };
  });
  assert.deepEqual(sent, { type: "image/jpeg", width: 2560, height: 1920 });
  assert.match(seen[3].authorization, /^Bearer \w+\.[\w-]+\.[\w-]+$/);
  await phone.getByTestId("photo-close").tap();

  await choose();
  await step("failed");
  assert.match(await phone.getByTestId("photo-panel").innerText(), /不收照片/, "a server that takes no photos is told");
  assert.equal(await phone.getByTestId("photo-retry").count(), 0, "and not asked again");
  await phone.getByTestId("photo-close").tap();

  const [chooser] = await Promise.all([phone.waitForEvent("filechooser"), phone.locator(".phone-button.photo").tap()]);
  await chooser.setFiles({ name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await step("failed");
  assert.match(await phone.getByTestId("photo-panel").innerText(), /打不开/);
  await phone.getByTestId("photo-close").tap();
});

test("when the board leaves, its phone says so", async () => {
  await board.getByTestId("more").click();
  await board.getByTestId("leave").click();
  await board.getByText("确定离开").click();
  await stateIs(phone, "ended");
  await accessible(phone, "phone whose board has left");
});

const tile = () => teacher.locator(`[data-testid="wall-tile"][data-name="${NAME}"]`);

/** As a camera makes it: 12 megapixels. */
async function largePicture() {
  const text = await board.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 4000, height: 3000 });
    const context = canvas.getContext("2d");
    context.fillStyle = "#345";
    context.fillRect(0, 0, 4000, 3000);
    return canvas.toDataURL("image/png");
  });
  return Buffer.from(text.split(",")[1], "base64");
}
