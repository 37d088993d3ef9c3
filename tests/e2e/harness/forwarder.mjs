// A UDP forwarder in front of the server's media port: the NAT of a school, as far as the server sees.
//
// Each browser socket gets a socket of its own towards the server. `move()` replaces those by fresh
// ones, as a NAT does that lost its table: the server meets the same participants at other addresses,
// and the browsers notice nothing. What passes is looked at on the way: connectivity checks (STUN) and
// the handshake's datagrams (DTLS) of the browsers are noted in `checks` and `hellos`.
//
// `loses` makes the way to the browsers a bad one: their media gets lost as it says.
// What the server sends can be made to suffer: `down(datagram, pass)` is called for each datagram and
// passes it on, later or not at all (see shape.mjs).
//
// The server names its own port in answers, so a page that shall come this way runs `script` first.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { HelloReader } from "./client_hello.mjs";
import { redirectScript } from "./redirect.mjs";

/** `server` as of startServer; `address` of this machine, one that the server names in its answers. */
export async function startForwarder(server, address, { down = (datagram, pass) => pass(datagram) } = {}) {
  const ways = new Map(); // by the browser's address and port
  const checks = [];
  const hellos = [];
  let stopped = false;
  const forwarder = {
    /** {at, way (the browser's address), ufrag (the server's), nominates} of every check, oldest first. */
    checks,
    /** One HelloReader for each browser socket that began a handshake. */
    hellos,
    /** Pages that run this first send to the forwarder in place of the server. */
    script: "",
    /** Asked for each packet of media on its way to a browser: is it lost? `passed` and `lost` count them. */
    loses: null,
    passed: 0,
    lost: 0,
    move,
    stop,
  };

  const front = createSocket("udp4").bind(0, address);
  await once(front, "listening");
  const { port } = front.address();
  forwarder.script = redirectScript(server.mediaPort, port);
  front.on("message", (datagram, from) => {
    const name = `${from.address}:${from.port}`;
    const way = ways.get(name) ?? { name, from };
    if (!ways.has(name)) {
      ways.set(name, way);
      renew(way);
    }
    note(way, datagram);
    if (way.connected) way.back.send(datagram);
    else way.waiting.push(datagram);
  });

  function renew(way) {
    way.back?.close();
    const back = createSocket("udp4");
    Object.assign(way, { back, connected: false, waiting: [] });
    back.on("error", () => {}); // the server may have ended
    const pass = (datagram) => !stopped && front.send(datagram, way.from.port, way.from.address);
    back.on("message", (datagram) => {
      if (!isLost(datagram)) down(datagram, pass);
    });
    back.connect(server.mediaPort, address, () => {
      way.connected = true;
      for (const datagram of way.waiting.splice(0)) back.send(datagram);
    });
  }

  // RTCP has 192-223 in the second byte (RFC 5761); a report goes through.
  function isLost(datagram) {
    const media = datagram[0] >> 6 === 2 && !(datagram[1] >= 192 && datagram[1] <= 223);
    if (!media || !forwarder.loses) return false;
    const lost = forwarder.loses();
    forwarder[lost ? "lost" : "passed"] += 1;
    return lost;
  }

  function note(way, datagram) {
    const first = datagram[0];
    if (first <= 3) {
      const check = readCheck(datagram);
      if (check) checks.push({ at: Date.now(), way: way.name, ...check });
    } else if (first >= 20 && first <= 63) {
      if (!way.hello) hellos.push(way.hello = new HelloReader());
      way.hello.feed(datagram);
    }
  }

  /** From now on everything reaches the server from other ports, and what it sends to the old ones is lost. */
  function move() {
    for (const way of ways.values()) renew(way);
    return Date.now();
  }

  async function stop() {
    stopped = true;
    for (const way of ways.values()) way.back.close();
    front.close();
    await once(front, "close");
  }
  return forwarder;
}

/** A binding request (RFC 8489): which of the server's user fragments, and whether it nominates. */
function readCheck(datagram) {
  const [REQUEST, USERNAME, USE_CANDIDATE] = [0x0001, 0x0006, 0x0025];
  if (datagram.length < 20 || datagram.readUInt16BE(0) !== REQUEST) return null;
  const check = { ufrag: null, nominates: false };
  for (let at = 20; at + 4 <= datagram.length;) {
    const [type, length] = [datagram.readUInt16BE(at), datagram.readUInt16BE(at + 2)];
    if (type === USERNAME) [check.ufrag] = datagram.toString("utf8", at + 4, at + 4 + length).split(":");
    if (type === USE_CANDIDATE) check.nominates = true;
    at += 4 + length + (4 - length % 4) % 4;
  }
  return check;
}
