// Sends a page's media to another port: the server names its own in answers, so the page is told
// otherwise before its own scripts run.

/** A script for the page: what goes to the server's port `from` by UDP (`tcp`: also by TCP) goes to `to`. */
export const redirectScript = (from, to, { tcp = false } = {}) => `(${redirect})(${from}, ${to}, ${tcp})`;

// Runs in the page: candidates of the server get the forwarder's port; those by TCP that nobody forwards are left out.
function redirect(from, to, tcp) {
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  const candidate = new RegExp(`^(a=candidate:\\S+ \\d+ (?:udp|tcp) \\d+ \\S+) ${from} `, "gim");
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const { type, sdp } = description;
    const own = tcp ? sdp : sdp.replace(/^a=candidate:\S+ \d+ tcp .*\r\n/gim, "");
    return set.call(this, { type, sdp: own.replace(candidate, `$1 ${to} `) });
  };
}
