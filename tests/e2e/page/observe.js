// Measures what a page really shows and plays. Runs in the page before its own scripts.
//
// `observe.video(element)` notes every presented frame (time, gap, what its strip says);
// `observe.audio(track)` notes when each beep is heard; `observe.stats(pc)` sums up getStats();
// `observe.control(options)` makes a plain RTCPeerConnection pair in this page that sends the same
// kind of stream to itself: the yardstick that is printed beside every figure.

(() => {
  const observe = { watched: new Map() };
  window.observe = observe;

  /** Starts noting the frames of a <video> under a name; again under the same name starts anew. */
  observe.video = (name, element) => {
    const record = { frames: [], element, running: true };
    observe.watched.get(name)?.stop();
    record.stop = () => { record.running = false; };
    observe.watched.set(name, record);
    const onFrame = () => {
      if (!record.running) return;
      const seen = barcode.read(element);
      record.frames.push({ at: barcode.now(), ...seen });
      element.requestVideoFrameCallback(onFrame);
    };
    element.requestVideoFrameCallback(onFrame);
  };

  /** The frames noted since `from` (ms since the epoch), summed up. */
  observe.summary = (name, from = 0) => {
    const record = observe.watched.get(name);
    const frames = record ? record.frames.filter((frame) => frame.at >= from) : [];
    const gaps = frames.slice(1).map((frame, i) => frame.at - frames[i].at);
    const read = frames.filter((frame) => frame.id !== undefined);
    const delays = read.map((frame) => frame.delay).sort((a, b) => a - b);
    return {
      frames: frames.length,
      read: read.length,
      ids: [...new Set(read.map((frame) => `${frame.id}${frame.kind === "content" ? "c" : ""}`))],
      longestGap: Math.max(0, ...gaps),
      delay50: delays[Math.floor(delays.length / 2)] ?? null,
      delay95: delays[Math.floor(delays.length * 0.95)] ?? null,
      firstAt: frames[0]?.at ?? null,
      lastAt: frames.at(-1)?.at ?? null,
    };
  };

  /**
   * When the video that `find` gives first shows a frame that `fits`; ms since the epoch, null after
   * `limit` ms. Each frame is read once: reading costs as much as showing.
   */
  const firstFrame = (find, fits, limit) => new Promise((resolve) => {
    const end = barcode.now() + limit;
    let video = null, isNew = false;
    const follow = (one) => one?.requestVideoFrameCallback(() => {
      if (video !== one) return;
      isNew = true;
      follow(one);
    });
    const look = () => {
      const found = find();
      if (found !== video) {
        video = found;
        isNew = true;
        follow(video);
      }
      const seen = video && isNew && barcode.read(video);
      isNew = false;
      const now = barcode.now();
      if (seen && fits(seen, now)) { video = null; resolve(now); }
      else if (now > end) { video = null; resolve(null); }
      else requestAnimationFrame(look);
    };
    look();
  });

  /**
   * When the element with this test id first shows a frame of `id` and `kind` that was painted at
   * `since` or later; ms since the epoch, null after `limit` ms.
   */
  observe.firstShown = ({ testId, id, kind, since = 0, limit = 15_000 }) => firstFrame(
    () => document.querySelector(`video[data-testid="${testId}"], [data-testid="${testId}"] video`),
    (seen, now) => seen.id === id && seen.kind === kind && now - seen.delay >= since,
    limit,
  );

  /** When the lead's picture, of `id`, is the big one again; ms since the epoch. */
  observe.bigIs = (id, limit = 10_000) =>
    firstFrame(() => document.querySelector(".lead-place.area-main video"), (seen) => seen.id === id, limit);

  /** When `count` elements match; ms since the epoch. Looks at every displayed frame. */
  observe.appears = (selector, count = 1, limit = 10_000) => new Promise((resolve) => {
    const end = barcode.now() + limit;
    const look = () => {
      const now = barcode.now();
      if (document.querySelectorAll(selector).length >= count) resolve(now);
      else if (now > end) resolve(null);
      else requestAnimationFrame(look);
    };
    look();
  });

  /** When no element of the page plays any of these audio lines any more; ms since the epoch. */
  observe.unplayed = (mids, limit = 10_000) => new Promise((resolve) => {
    const end = barcode.now() + limit;
    const tracks = zhuandi.pc().getTransceivers().filter(({ mid }) => mids.includes(mid)).map(({ receiver }) => receiver.track.id);
    const look = () => {
      const now = barcode.now();
      const playing = [...document.querySelectorAll("audio")].some((audio) =>
        !audio.paused && audio.srcObject?.getTracks().some(({ id }) => tracks.includes(id)));
      if (!playing) resolve(now);
      else if (now > end) resolve(null);
      else requestAnimationFrame(look);
    };
    look();
  });

  /**
   * Compares, at every displayed frame, what each tile of the wall shows with the name on it.
   * `expected`: name to id. A covered tile shows nobody. Ends by calling the returned function.
   */
  observe.names = (expected) => {
    const result = { looked: 0, covered: 0, unreadable: 0, wrong: [] };
    let running = true;
    const look = () => {
      if (!running) return;
      for (const tile of document.querySelectorAll('[data-testid="wall-tile"]')) {
        const { name, covered } = tile.dataset;
        if (covered === "true") { result.covered += 1; continue; }
        const video = tile.querySelector("video");
        const seen = video && barcode.read(video);
        if (!seen) { result.unreadable += 1; continue; }
        result.looked += 1;
        if (seen.id !== expected[name] && result.wrong.length < 20) {
          result.wrong.push({ name, shown: seen.id, painted: seen.delay, at: Math.round(performance.now()) });
        }
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    observe.stopNames = () => { running = false; return result; };
  };

  const WORKLET = `
    registerProcessor("onset", class extends AudioWorkletProcessor {
      quietUntil = 0; blocks = 0;
      process([input]) {
        const samples = input[0];
        if (this.blocks++ % 8 === 0) this.port.postMessage({ clock: currentTime });
        if (!samples) return true;
        for (let i = 0; i < samples.length; i++) {
          if (Math.abs(samples[i]) < 0.15) continue;
          const at = currentTime + i / sampleRate;
          if (at > this.quietUntil) this.port.postMessage({ onset: at });
          this.quietUntil = at + 0.3;
        }
        return true;
      }
    });`;

  /** Starts noting when beeps are heard on an audio track. */
  observe.audio = async (name, track) => {
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" })));
    const onset = new AudioWorkletNode(context, "onset");
    context.createMediaStreamSource(new MediaStream([track])).connect(onset);
    const record = { onsets: [], offset: Infinity, context };
    onset.port.onmessage = ({ data }) => {
      // The audio clock against the machine's: the message that waited least tells best.
      if (data.clock !== undefined) record.offset = Math.min(record.offset, barcode.now() - data.clock * 1000);
      if (data.onset !== undefined) record.onsets.push(data.onset * 1000);
    };
    observe.watched.set(name, record);
    await context.resume();
  };

  /** Delays of the beeps heard since `from`, ms: they are sent at full seconds. */
  observe.beeps = (name, from = 0) => {
    const record = observe.watched.get(name);
    const heard = record.onsets.map((onset) => onset + record.offset).filter((at) => at >= from);
    return heard.map((at) => at % 1000);
  };

  observe.stats = async (pc) => {
    const sums = { sent: [], video: [], audio: [], rtt: null, pair: null };
    const report = await pc.getStats();
    for (const entry of report.values()) {
      if (entry.type === "outbound-rtp" && entry.kind === "video") {
        sums.sent.push({
          mid: entry.mid, rid: entry.rid, frames: entry.framesSent ?? 0, height: entry.frameHeight,
          bytes: entry.bytesSent, codec: report.get(entry.codecId)?.mimeType, limited: entry.qualityLimitationReason,
          keyFrames: entry.keyFramesEncoded, plis: entry.pliCount,
        });
      } else if (entry.type === "inbound-rtp") {
        sums[entry.kind].push({
          mid: entry.mid, frames: entry.framesDecoded, received: entry.framesReceived,
          height: entry.frameHeight, freezes: entry.freezeCount, frozen: entry.totalFreezesDuration,
          energy: entry.totalAudioEnergy, seconds: entry.totalSamplesDuration,
          concealed: entry.concealedSamples, samples: entry.totalSamplesReceived,
          waited: entry.jitterBufferDelay, emitted: entry.jitterBufferEmittedCount,
          lost: entry.packetsLost, packets: entry.packetsReceived, codec: report.get(entry.codecId)?.mimeType,
        });
      } else if (entry.type === "candidate-pair" && entry.nominated) {
        sums.rtt = entry.currentRoundTripTime;
        sums.pair = `${report.get(entry.localCandidateId)?.protocol} ${entry.state}`;
      }
    }
    return sums;
  };

  /** The candidates of the path in use, as getStats() has them: {local, remote}. */
  observe.path = async (pc) => {
    const report = await pc.getStats();
    // After a change of path the older ones stay nominated; which is in use, each browser says elsewhere.
    const all = [...report.values()];
    const transport = all.find(({ type, selectedCandidatePairId }) => type === "transport" && selectedCandidatePairId);
    const pairs = all.filter(({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded");
    const pair = report.get(transport?.selectedCandidatePairId) ?? pairs.find(({ selected }) => selected) ?? pairs[0];
    const candidate = ({ address, port, protocol, candidateType } = {}) => ({ address, port, protocol, candidateType });
    return pair && { local: candidate(report.get(pair.localCandidateId)), remote: candidate(report.get(pair.remoteCandidateId)) };
  };

  /** What seals the media of a connection, where the browser says so. */
  observe.cipher = async (pc) => {
    const report = await pc.getStats();
    return [...report.values()].find(({ type }) => type === "transport")?.srtpCipher ?? null;
  };

  /** A sending and a receiving connection in this page; the received picture is watched as "control". */
  observe.control = async ({ width, height, rate, codec }) => {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: true, video: { width, height, frameRate: rate },
    });
    const sender = new RTCPeerConnection();
    const receiver = new RTCPeerConnection();
    sender.onicecandidate = ({ candidate }) => receiver.addIceCandidate(candidate);
    receiver.onicecandidate = ({ candidate }) => sender.addIceCandidate(candidate);
    const video = document.body.appendChild(document.createElement("video"));
    video.autoplay = true;
    video.style.width = "320px";
    const remote = new MediaStream();
    receiver.ontrack = ({ track }) => {
      remote.addTrack(track);
      video.srcObject = remote;
      if (track.kind === "audio") void observe.audio("control-sound", track);
    };
    for (const track of stream.getTracks()) sender.addTrack(track, stream);
    if (codec) {
      const transceiver = sender.getTransceivers().find(({ sender: { track } }) => track?.kind === "video");
      const all = RTCRtpSender.getCapabilities("video").codecs;
      transceiver.setCodecPreferences(all.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`));
    }
    await sender.setLocalDescription();
    await receiver.setRemoteDescription(sender.localDescription);
    await receiver.setLocalDescription();
    await sender.setRemoteDescription(receiver.localDescription);
    observe.video("control", video);
    Object.assign(observe, { controlSender: sender, controlReceiver: receiver, controlVideo: video });
  };
})();
