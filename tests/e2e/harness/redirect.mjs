// Sends a page's media to another port: the server names its own in answers, so the page is told
// otherwise before its own scripts run.

/** A script for the page: what goes to the server's port `from` by UDP goes to `to`. */
export const redirectScript = (from, to) => `(${redirect})(${from}, ${to})`;

// Runs in the page: candidates of the server get the forwarder's port.
function redirect(from, to) {
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  const candidate = new RegExp(`^(a=candidate:\\S+ \\d+ udp \\d+ \\S+) ${from} `, "gim");
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const { type, sdp } = description;
    return set.call(this, { type, sdp: sdp.replace(candidate, `$1 ${to} `) });
  };
}
