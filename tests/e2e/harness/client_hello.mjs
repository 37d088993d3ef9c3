// Reads a browser's first DTLS ClientHello off the wire: in how many pieces it comes, what it offers.
//
// Everything in it is in the clear (RFC 6347 §4.2.2, RFC 8446 §4.1.2). A ClientHello with a post-quantum
// key share does not fit one datagram, so a server that has not put it together sees nothing of it.

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const [SUPPORTED_GROUPS, USE_SRTP, SUPPORTED_VERSIONS, KEY_SHARE] = [10, 14, 43, 51];
/** ML-KEM and its hybrids with a curve (IANA TLS Supported Groups). */
const POST_QUANTUM = { 0x0200: "MLKEM512", 0x0201: "MLKEM768", 0x0202: "MLKEM1024", 0x11eb: "SecP256r1MLKEM768", 0x11ec: "X25519MLKEM768", 0x11ed: "SecP384r1MLKEM1024" };

export class HelloReader {
  /** Of the first ClientHello: each datagram that carried a part, [{bytes, records, fragments: [[offset, length]]}]. */
  datagrams = [];
  /** Bytes of the whole message; its fields once it is complete. */
  length = null;
  offers = null;
  #body = null;
  #missing = 0;

  feed(datagram) {
    if (this.offers) return;
    const seen = { bytes: datagram.length, records: 0, fragments: [] };
    for (let at = 0; at + 13 <= datagram.length;) {
      const end = at + 13 + datagram.readUInt16BE(at + 11);
      if (datagram[at] !== HANDSHAKE || end > datagram.length) break;
      seen.records += 1;
      this.#record(datagram.subarray(at + 13, end), seen);
      at = end;
    }
    if (seen.fragments.length) this.datagrams.push(seen);
    if (this.#body && this.#missing === 0) this.offers = readOffers(this.#body);
  }

  /** The number of datagrams that the first flight took, without repetitions. */
  get flight() {
    const parts = new Set(this.datagrams.map(({ fragments }) => JSON.stringify(fragments)));
    return parts.size;
  }

  #record(record, seen) {
    if (record.length < 12 || record[0] !== CLIENT_HELLO) return;
    const [total, offset, length] = [record.readUIntBE(1, 3), record.readUIntBE(6, 3), record.readUIntBE(9, 3)];
    if (this.length === null) {
      Object.assign(this, { length: total });
      this.#body = Buffer.alloc(total);
      this.#missing = total;
    }
    const known = seen.fragments.concat(...this.datagrams.map(({ fragments }) => fragments));
    if (known.every(([from]) => from !== offset)) this.#missing -= length;
    record.copy(this.#body, offset, 12, 12 + length);
    seen.fragments.push([offset, length]);
  }
}

/** {versions, groups, shares: [[group, bytes]], srtp}: numbers as on the wire, post-quantum groups by name. */
function readOffers(body) {
  let at = 34; // version, random
  at += 1 + body[at]; // session id
  at += 1 + body[at]; // cookie
  at += 2 + body.readUInt16BE(at); // cipher suites
  at += 1 + body[at]; // compression
  const end = at + 2 + body.readUInt16BE(at);
  const offers = { versions: ["fefd"], groups: [], shares: [], srtp: [] };
  for (at += 2; at + 4 <= end;) {
    const [type, length] = [body.readUInt16BE(at), body.readUInt16BE(at + 2)];
    const data = body.subarray(at + 4, at + 4 + length);
    if (type === SUPPORTED_VERSIONS) offers.versions = numbers(data.subarray(1)).map(hex);
    if (type === SUPPORTED_GROUPS) offers.groups = numbers(data.subarray(2)).map(groupName);
    if (type === USE_SRTP) offers.srtp = numbers(data.subarray(2, 2 + data.readUInt16BE(0)));
    if (type === KEY_SHARE) offers.shares = shares(data.subarray(2));
    at += 4 + length;
  }
  return offers;
}

function shares(data) {
  const all = [];
  for (let at = 0; at + 4 <= data.length; at += 4 + data.readUInt16BE(at + 2)) {
    all.push([groupName(data.readUInt16BE(at)), data.readUInt16BE(at + 2)]);
  }
  return all;
}

export const isPostQuantum = (group) => Object.values(POST_QUANTUM).includes(group);
const groupName = (number) => POST_QUANTUM[number] ?? hex(number);
const numbers = (data) => Array.from({ length: data.length >> 1 }, (_, n) => data.readUInt16BE(2 * n));
const hex = (number) => number.toString(16).padStart(4, "0");
