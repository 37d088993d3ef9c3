// WHIP and WHEP by nothing but fetch and RTCPeerConnection, as a page from elsewhere does it, and the
// same by the published client whip-whep where the page is given its modules.
//
// `foreign.publish(options)` sends the fake camera and microphone of camera.js; `foreign.play(options)`
// shows what comes and watches it under `name` (observe.js). Both resolve when connected.

(() => {
  const all = new Map();

  // `mode`: how each encoding is made (W3C webrtc-svc). Without it Chromium sends the layers of VP9 and
  // AV1 as one stream. `red`: sound with redundancy first. `through`: a port in the server's place.
  async function publish({ endpoint, token, codec, simulcast = false, mode = null, red = false, through = null, size = [640, 360, 15], by = null }) {
    const [width, height, frameRate] = size;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width, height, frameRate } });
    const pc = new RTCPeerConnection();
    const [sound] = stream.getAudioTracks();
    const [picture] = stream.getVideoTracks();
    const audio = pc.addTransceiver(sound, { direction: "sendonly", streams: [stream] });
    if (red) {
      const offered = RTCRtpSender.getCapabilities("audio").codecs;
      const named = (name) => offered.filter(({ mimeType }) => mimeType.toLowerCase() === `audio/${name}`);
      audio.setCodecPreferences([...named("red"), ...named("opus")]);
    }
    const layers = simulcast
      ? [{ rid: "f" }, { rid: "h", scaleResolutionDownBy: 2 }, { rid: "q", scaleResolutionDownBy: 4 }]
      : [{}];
    const sendEncodings = layers.map((layer) => (mode ? { ...layer, scalabilityMode: mode } : layer));
    const video = pc.addTransceiver(picture, { direction: "sendonly", streams: [stream], sendEncodings });
    prefer(video, RTCRtpSender, codec);
    return start("publisher", pc, { endpoint, token, by, through, does: "publish" });
  }

  async function play({ endpoint, token, name, pictures = 1, codec = null, by = null }) {
    const pc = new RTCPeerConnection();
    pc.addTransceiver("audio", { direction: "recvonly" });
    for (let n = 0; n < pictures; n++) {
      const video = pc.addTransceiver("video", { direction: "recvonly" });
      if (codec) prefer(video, RTCRtpReceiver, codec);
    }
    let shown = 0;
    pc.ontrack = ({ track }) => {
      const element = Object.assign(document.createElement(track.kind), { autoplay: true });
      if (track.kind === "video") {
        element.muted = true;
        element.style.width = "320px";
        observe.video(pictures === 1 ? name : `${name}-${shown++}`, element);
      }
      element.srcObject = new MediaStream([track]);
      document.body.append(element);
    };
    return start(name, pc, { endpoint, token, by, does: "view" });
  }

  async function start(name, pc, { endpoint, token, by, does, through = null }) {
    const one = { pc, token };
    all.set(name, one);
    const connected = new Promise((resolve, reject) => {
      pc.addEventListener("connectionstatechange", () => {
        if (pc.connectionState === "connected") resolve();
        if (pc.connectionState === "failed") reject(new Error("the connection failed"));
      });
    });
    if (by) {
      const module = await import(by);
      one.client = does === "publish" ? new module.WHIPClient() : new module.WHEPClient();
      await one.client[does](pc, endpoint, token);
      one.resource = one.client.resourceURL.href;
    } else {
      await pc.setLocalDescription();
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
      const response = await fetch(endpoint, { method: "POST", headers, body: pc.localDescription.sdp });
      const body = await response.text();
      if (response.status !== 201) throw new Error(`${response.status} ${body}`);
      one.resource = new URL(response.headers.get("Location"), endpoint).href;
      one.tag = response.headers.get("ETag");
      const sdp = through ? body.replace(/(a=candidate:\S+ 1 udp \d+ \S+) \d+/g, `$1 ${through}`) : body;
      await pc.setRemoteDescription({ type: "answer", sdp });
    }
    await connected;
    return one.resource;
  }

  /** DELETE; gives the status. */
  async function stop(name) {
    const { pc, client, resource, token } = all.get(name);
    all.delete(name);
    if (client) return client.stop().then(() => "stopped");
    // In this order: a closed connection ends the resource by itself.
    const { status } = await fetch(resource, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
    pc.close();
    return status;
  }

  function prefer(transceiver, side, codec) {
    if (!codec) return;
    const offered = side.getCapabilities("video").codecs;
    const wanted = offered.filter(({ mimeType }) => [`video/${codec}`, "video/rtx"].includes(mimeType.toLowerCase()));
    transceiver.setCodecPreferences(wanted);
  }

  const of = (name) => all.get(name);
  window.foreign = { publish, play, stop, of };
})();
