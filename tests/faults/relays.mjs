// What stands between a school and the world: a TURN server (Debian's coturn) and an HTTP proxy.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { until } from "../e2e/harness/wait.mjs";

/** coturn on TLS 443 of `address` alone, with a certificate of its own and a secret that both sides share. */
export async function startTurn(address, secret, folder) {
  const [cert, key, config] = ["turn.pem", "turn.key", "turn.conf"].map((name) => join(folder, name));
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=zhuandi test", "-addext", `subjectAltName=IP:${address}`, "-keyout", key, "-out", cert], { stdio: "ignore" });
  writeFileSync(config, [
    `listening-ip=${address}`, "tls-listening-port=443", `relay-ip=${address}`, "min-port=51000", "max-port=51999",
    `cert=${cert}`, `pkey=${key}`, "realm=zhuandi.test", "use-auth-secret", `static-auth-secret=${secret}`,
    "no-udp", "no-tcp", "no-dtls", "no-cli", "fingerprint", "log-file=stdout", "simple-log", `pidfile=${join(folder, "turn.pid")}`,
    `userdb=${join(folder, "turn.db")}`, "",
  ].join("\n"));
  const child = spawn("turnserver", ["-c", config], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stdout.on("data", (chunk) => { log += chunk; });
  child.stderr.on("data", (chunk) => { log += chunk; });
  await until("coturn listens", () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${log}`);
    return new Promise((resolve) => {
      const probe = connect(443, address, () => { probe.destroy(); resolve(true); }).once("error", () => resolve(false));
    });
  });
  return { log: () => log, stop: () => end(child) };
}

/** An HTTP proxy that knows CONNECT alone, towards `ports`; `asked`: what it was asked for. */
export async function startProxy(address, ports) {
  const asked = [];
  const sockets = new Set();
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on("connect", (request, socket) => {
    const [host, port] = request.url.split(":");
    asked.push(request.url);
    if (!ports.includes(Number(port))) {
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
      return;
    }
    const far = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      far.setNoDelay(true);
      socket.setNoDelay(true);
      far.pipe(socket);
      socket.pipe(far);
    });
    for (const [one, other] of [[socket, far], [far, socket]]) {
      sockets.add(one);
      one.on("error", () => other.destroy()).on("close", () => { sockets.delete(one); other.destroy(); });
    }
  });
  await new Promise((resolve) => server.listen(0, address, resolve));
  const stop = () => new Promise((resolve) => {
    for (const socket of sockets) socket.destroy();
    server.close(resolve);
  });
  return { address: `${address}:${server.address().port}`, port: server.address().port, asked, stop };
}

async function end(child) {
  if (child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), 3000);
  await ended;
  clearTimeout(hard);
}
