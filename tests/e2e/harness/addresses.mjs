// Addresses of this machine that media can go to.

import { execFileSync } from "node:child_process";
import { networkInterfaces } from "node:os";

/** This machine's address in its network, or the loopback one if it has no network. */
export function ownAddress() {
  return all().find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}

/**
 * An IPv6 address of this machine that is neither loopback nor link-local, and `release` for when it is
 * not needed any more: a machine without one gets one of its own (RFC 4193) for so long, which needs root.
 */
export function ownAddress6() {
  const own = all().find(({ family, internal, address }) => family === "IPv6" && !internal && !address.startsWith("fe80:"));
  if (own) return { address: own.address, release: () => {} };
  const address = "fd5a:6875:616e:6469::1";
  const [device, ip] = ["zd-e2e", (...words) => execFileSync("ip", words, { encoding: "utf8" })];
  try {
    ip("link", "add", device, "type", "veth", "peer", "name", `${device}-far`);
    for (const end of [device, `${device}-far`]) ip("link", "set", end, "up");
    ip("address", "add", `${address}/64`, "dev", device, "nodad");
  } catch (error) {
    throw new Error(`this machine has no IPv6 address and none could be added (root, and a kernel with IPv6): ${error.message}`);
  }
  return { address, release: () => ip("link", "delete", device) };
}

const all = () => Object.values(networkInterfaces()).flat();
