// A box with the self-made certificate authority: what a school meets, from the first plain address
// to a lesson over TLS.

import assert from "node:assert/strict";
import { get } from "node:https";
import { after, before, test } from "node:test";
import { launchChromium, newWindow } from "./harness/chromium.mjs";
import { boardShows, CLASSROOMS, enter, stateIs, TEACHER_ID } from "./harness/lesson.mjs";
import { figurePath } from "./harness/figures.mjs";
import { freePorts, startServer } from "./harness/server.mjs";

let server, browser, secure, authority;
before(async () => {
  const [port] = await freePorts();
  secure = `https://127.0.0.1:${port}`;
  server = await startServer({ env: { ZHUANDI_HTTP__TLS: "self_signed", ZHUANDI_HTTP__TLS_LISTEN: `127.0.0.1:${port}` } });
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("the plain address leads to the secure one, its certificate page is plain", async () => {
  const moved = await fetch(`${server.url}/class?camera=off`, { redirect: "manual" });
  assert.equal(moved.headers.get("location"), `${secure}/class?camera=off`);
  const page = await newWindow(browser, { observed: false });
  await page.goto(`${server.url}/ca`);
  await page.screenshot({ path: figurePath("ca.png"), fullPage: true });
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator('a[href="/ca.crt"]').first().click()]);
  authority = await (await fetch(`${server.url}/ca.crt`)).text();
  assert.equal(download.suggestedFilename(), "zhuandi-ca.crt");
  assert.match(authority, /^-----BEGIN CERTIFICATE-----/);
  await page.close();
});

test("a computer with that certificate trusts the server, another one does not", async () => {
  const status = (options) => new Promise((resolve, reject) => {
    get(`${secure}/class`, options, (response) => { response.resume(); resolve(response.statusCode); }).on("error", reject);
  });
  assert.equal(await status({ ca: authority, agent: false }), 200);
  await assert.rejects(status({ agent: false }));
});

test("a lesson is taught and seen over TLS", async () => {
  // The trust itself is tested above; a browser's own store belongs to the machine.
  const open = async (role, name, id) => {
    const page = await newWindow(browser, { ignoreHTTPSErrors: true });
    const address = await server.link(role, { lesson: "e2e-tls", name, query: { fake: id, camera: "320x180@10" } });
    await page.goto(address.replace(server.url, secure));
    assert.equal(await page.evaluate(() => isSecureContext && location.protocol), "https:");
    return page;
  };
  const teacher = await open("lead", "王老师", TEACHER_ID);
  await enter(teacher);
  const board = await open("receiver", CLASSROOMS[0], 1);
  await stateIs(board, "live");
  await boardShows(board, "lead", TEACHER_ID);
});

test("pages work under their own content policy", async () => {
  // Without the harness in the page: nothing of ours needs what the policy forbids.
  const page = await newWindow(browser, { observed: false, ignoreHTTPSErrors: true });
  const problems = [];
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(error.message));
  for (const [role, state] of [["lead", "preflight"], ["receiver", null], ["observer", null], ["admin", null]]) {
    const address = await server.link(role, { lesson: "e2e-tls-policy", name: "策略" });
    await page.goto(address.replace(server.url, secure));
    await page.locator("main[data-state]").waitFor();
    if (state) await stateIs(page, state);
    await page.waitForTimeout(1500);
  }
  assert.deepEqual(problems, []);
  const policy = (await page.context().request.get(`${secure}/class`)).headers()["content-security-policy"];
  assert.ok(policy && !policy.includes("unsafe"), `policy: ${policy}`);
});
