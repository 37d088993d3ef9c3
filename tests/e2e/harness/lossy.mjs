// A way to the server's media port that loses sound: a UDP relay for one client on 127.0.0.1.

import { createSocket } from "node:dgram";

/**
 * Relays between its own port (`port`) and `server` (a port), and loses every `n`-th packet of the
 * client's sound that carries `payloadType`. `sent` and `lost` count its packets, `other` those of
 * `instead`.
 */
export async function lossyWay(server, { payloadType, instead, n }) {
  const [near, far] = [createSocket("udp4"), createSocket("udp4")];
  const way = { port: 0, sent: 0, lost: 0, other: 0, stop };
  let client = null;
  near.on("message", (datagram, from) => {
    client = from;
    // RTP headers are not encrypted (RFC 3711), RTCP has 192-223 here (RFC 5761).
    const type = datagram[0] >> 6 === 2 ? datagram[1] & 0x7f : null;
    if (type === instead) way.other += 1;
    if (type === payloadType) {
      way.sent += 1;
      if (way.sent % n === 0) {
        way.lost += 1;
        return;
      }
    }
    far.send(datagram, server, "127.0.0.1");
  });
  far.on("message", (datagram) => client && near.send(datagram, client.port, client.address));
  await Promise.all([near, far].map((socket) => new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve))));
  way.port = near.address().port;
  return way;

  function stop() {
    near.close();
    far.close();
  }
}
