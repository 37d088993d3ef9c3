// The real binary on free ports of 127.0.0.1, with tokens and links for its pages.

import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "./wait.mjs";

export const BINARY = process.env.E2E_BINARY ?? fileURLToPath(new URL("../../../target/release/zhuandi", import.meta.url));

/** Page of each role. */
const PAGES = { lead: "teach", receiver: "class", observer: "observe", admin: "admin", companion: "phone" };

/**
 * Starts `zhuandi serve`. `url`: the pages' origin; `ops`: that of the operations listener;
 * `log()`: everything it wrote so far; `link()`: an address with a token; `stop()`: ends it.
 */
export async function startServer({ env = {} } = {}) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing; run \`make build\``);
  const data = mkdtempSync(join(tmpdir(), "zhuandi-e2e-"));
  const [http, ops, media] = await freePorts();
  const environment = {
    PATH: process.env.PATH,
    HOME: data,
    ZHUANDI_HTTP__LISTEN: `127.0.0.1:${http}`,
    ZHUANDI_OPS__LISTEN: `127.0.0.1:${ops}`,
    ZHUANDI_MEDIA__PORT: String(media),
    ZHUANDI_MEDIA__ADDRESSES: "127.0.0.1",
    ZHUANDI_DATA__DIR: data,
    ZHUANDI_AUTH__TOKEN_SECRET: randomBytes(32).toString("hex"),
    ...env,
  };
  const child = spawn(BINARY, ["serve"], { env: environment, cwd: data, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => { output += chunk; });
  child.stderr.on("data", (chunk) => { output += chunk; });
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code)));

  const server = {
    url: `http://${environment.ZHUANDI_HTTP__LISTEN}`,
    ops: `http://${environment.ZHUANDI_OPS__LISTEN}`,
    mediaPort: Number(environment.ZHUANDI_MEDIA__PORT),
    pid: child.pid,
    log: () => output,
    token,
    link,
    stop,
    kill,
    /** Ports and secret, for a server that takes this one's place. */
    environment,
  };

  // The binary ends its last line on stdout with the token alone.
  async function token(role, { lesson, name, ttl = "2h", more = [] }) {
    const args = ["token", "--lesson", lesson, "--role", role, "--name", name, "--ttl", ttl, ...more];
    const { stdout } = await promisify(execFile)(BINARY, args, { env: environment, cwd: data });
    return stdout.trim().split("\n").at(-1).trim();
  }

  /** The address of a role's page: `query` such as {fake: 3, camera: "320x180@10"}. */
  async function link(role, { query = {}, ...who }) {
    // A busy test machine is a weak board, and would get other pictures than the test is about.
    const search = new URLSearchParams({ lang: "zh-CN", ...(role === "receiver" ? { ability: "off" } : {}), ...query });
    return `${server.url}/${PAGES[role]}?${search}#${await token(role, who)}`;
  }

  async function stop() {
    child.kill("SIGTERM");
    const hard = setTimeout(() => child.kill("SIGKILL"), 10_000);
    const how = await ended;
    clearTimeout(hard);
    rmSync(data, { recursive: true, force: true });
    return how;
  }

  /** Ends it as a power cut would. */
  async function kill() {
    child.kill("SIGKILL");
    await ended;
  }

  try {
    await until("the server answers on its port", async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      const page = await fetch(`${server.url}/class`, { redirect: "manual" });
      return (await fetch(`${server.ops}/readyz`)).ok && page.status < 400;
    });
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${output}`);
  }
  return server;
}

/** Two TCP ports, and one that is free by UDP and TCP. Free now, and nobody else on a test machine asks for them in the next moment. */
export async function freePorts() {
  const tcp = await Promise.all([0, 1].map(() => new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => resolve(probe));
  })));
  const media = createServer();
  await new Promise((resolve, reject) => { media.once("error", reject).listen(0, "0.0.0.0", resolve); });
  const { port } = media.address();
  const udp = createSocket("udp4");
  await new Promise((resolve, reject) => { udp.once("error", reject).bind(port, "0.0.0.0", resolve); });
  const ports = [...tcp.map((probe) => probe.address().port), port];
  await Promise.all([...tcp, media, udp].map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}
