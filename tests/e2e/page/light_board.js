// A board without its page: joins over the WebSocket, receives one sound and one picture, shows it.
//
// Twenty whole boards are too much for one test machine, and it is the server that is tested here.
// An own, second implementation of docs/PROTOCOL.md, so that pages cannot hide a mistake of it.

(() => {
  /** Resolves with the ms until a frame of `id` was on screen, null after `limit` ms. */
  window.lightBoard = (token, id, limit = 30_000) => new Promise((resolve) => {
    const started = performance.now();
    setTimeout(() => resolve(null), limit);
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);
    const send = (message) => socket.send(JSON.stringify(message));
    socket.onopen = () => send({ type: "join", version: 1, token });

    const pc = new RTCPeerConnection();
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.addTransceiver("video", { direction: "recvonly" });
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { muted: true, autoplay: true, width: 160 });
    pc.ontrack = ({ track }) => {
      if (track.kind === "video") video.srcObject = new MediaStream([track]);
    };
    const onFrame = () => {
      if (barcode.read(video)?.id === id) resolve(performance.now() - started);
      else video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);

    socket.onmessage = async ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "welcome") {
        await pc.setLocalDescription();
        send({ type: "offer", request: 1, sdp: pc.localDescription.sdp, tracks: [] });
      } else if (message.type === "answer") {
        await pc.setRemoteDescription({ type: "answer", sdp: message.sdp });
      } else if (message.type === "error") {
        console.error(`board: ${message.code}`);
      }
    };
  });
})();
