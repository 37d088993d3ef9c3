// A bad link between real browsers and the server: the binary's own `relay` (its `--help` says which
// links and orders there are), for pages that run `script` first.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { redirectScript } from "./redirect.mjs";
import { BINARY, freePorts } from "./server.mjs";

/**
 * Starts a relay in front of `server` (as of startServer) with command-line `args` such as
 * `["--profile", "N3"]`. `order("down rate 300")` changes it in mid-run; `figures()` tells what passed.
 * `tcp`: media by TCP goes through it as well, on the same port number. `address`: where it stands.
 */
export async function startRelay(server, args = [], { tcp = false, address = "127.0.0.1" } = {}) {
  if (tcp) {
    const port = (await freePorts())[2];
    args = [...args, "--listen", `${address}:${port}`, "--tcp-listen", `${address}:${port}`, "--tcp-server", `127.0.0.1:${server.mediaPort}`];
  }
  const child = spawn(BINARY, ["relay", "--server", `127.0.0.1:${server.mediaPort}`, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await answers.next();
    if (done) throw new Error(`the relay ended: ${child.exitCode}`);
    return value;
  };
  const port = Number(/:(\d+) ->/.exec(await next())[1]);
  if (tcp) await next();
  return { port, script: redirectScript(server.mediaPort, port, { tcp }), order, figures, stop };

  async function order(line) {
    child.stdin.write(`${line}\n`);
    const answer = await next();
    if (answer.startsWith("error:")) throw new Error(`${line}: ${answer}`);
    return answer;
  }

  async function figures() {
    return JSON.parse(await order("figures"));
  }

  async function stop() {
    if (child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }
}
