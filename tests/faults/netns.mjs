// A classroom's computer in a network namespace of its own, with cables that can be pulled and a firewall.
//
// The server and the teacher stay in the namespace of this machine. Needs root; everything has names of its own
// (zdp…) and is removed at the end.
//
//   root 10.77.0.1, 10.77.0.3 ── zdp-a ═ cable 1 ═ eth-a ── namespace 10.77.0.2
//   root 10.78.0.1            ── zdp-b ═ cable 2 ═ eth-b ── namespace 10.78.0.2

import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const SPACE = "zdp";
/** Media, TURN and proxies listen here; pages on the second. */
export const SERVER = "10.77.0.1";
export const PAGES = "10.77.0.3";

const run = (program, words, options = {}) => execFileSync(program, words, { encoding: "utf8", stdio: ["pipe", "pipe", "pipe"], ...options });
const ip = (...words) => run("ip", words);
const inside = (...words) => run("ip", ["netns", "exec", SPACE, ...words]);

/** Builds it. `chromium`: a program that starts a browser inside. */
export function openNetwork() {
  clear();
  const folder = mkdtempSync(join(tmpdir(), "zhuandi-netns-"));
  ip("netns", "add", SPACE);
  for (const [n, end] of [[77, "a"], [78, "b"]]) {
    ip("link", "add", `zdp-${end}`, "type", "veth", "peer", "name", `eth-${end}`, "netns", SPACE);
    ip("address", "add", `10.${n}.0.1/24`, "dev", `zdp-${end}`);
    ip("link", "set", `zdp-${end}`, "up");
    ip("-n", SPACE, "address", "add", `10.${n}.0.2/24`, "dev", `eth-${end}`);
    ip("-n", SPACE, "link", "set", `eth-${end}`, end === "a" ? "up" : "down");
  }
  ip("address", "add", `${PAGES}/24`, "dev", "zdp-a");
  ip("-n", SPACE, "link", "set", "lo", "up");
  ip("-n", SPACE, "route", "add", "default", "via", "10.77.0.1");
  const chromium = join(folder, "chromium");
  writeFileSync(chromium, `#!/bin/sh\nexec ip netns exec ${SPACE} ${process.env.E2E_CHROMIUM ?? "/usr/bin/chromium"} "$@"\n`);
  chmodSync(chromium, 0o755);
  return { chromium, folder, cable, move, block, open, close };

  /** Pulls the first cable at the classroom's computer, or puts it back. */
  function cable(plugged) {
    ip("-n", SPACE, "link", "set", "eth-a", plugged ? "up" : "down");
    if (plugged) ip("-n", SPACE, "route", "replace", "default", "via", "10.77.0.1");
  }

  /** From one cable (and address) to the other: the first goes when `to` is "b". */
  function move(to) {
    const from = to === "a" ? "b" : "a";
    const net = to === "a" ? 77 : 78;
    ip("-n", SPACE, "link", "set", `eth-${from}`, "down");
    ip("-n", SPACE, "link", "set", `eth-${to}`, "up");
    ip("-n", SPACE, "route", "replace", "default", "via", `10.${net}.0.1`);
  }

  /**
   * Lets out only what `rules` accept (nft's words, such as "tcp dport 443") and its answers; without rules
   * all but UDP.
   */
  function block(...rules) {
    open();
    const accept = rules.map((rule) => `${rule} accept`);
    const out = rules.length > 0 ? ["oifname lo accept", ...accept, "drop"] : ["meta l4proto udp drop"];
    const back = rules.length > 0 ? ["iifname lo accept", "meta l4proto udp drop", "ct state established accept", "drop"] : ["meta l4proto udp drop"];
    const chain = (name, lines) => `chain ${name} { type filter hook ${name} priority 0; ${lines.join("; ")}; }\n`;
    run("ip", ["netns", "exec", SPACE, "nft", "-f", "-"], { input: `table inet zdp {\n${chain("output", out)}${chain("input", back)}}\n` });
  }

  /** No firewall any more. */
  function open() {
    try {
      inside("nft", "delete", "table", "inet", "zdp");
    } catch {
      // There was none.
    }
  }

  function close() {
    clear();
    rmSync(folder, { recursive: true, force: true });
  }
}

function clear() {
  for (const words of [["netns", "delete", SPACE], ["link", "delete", "zdp-a"], ["link", "delete", "zdp-b"]]) {
    try {
      ip(...words);
    } catch {
      // It was not there.
    }
  }
}
