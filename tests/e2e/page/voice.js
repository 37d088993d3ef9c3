// When sound begins and ends on each audio slot of a page. Runs in the page before its own scripts.
//
// `observe.voices(pc)` listens to every receiving audio line. A fake microphone hums all the time, so a
// line is loud exactly while somebody's open microphone feeds it. `observe.turns` are {mid, at (ms since
// the epoch), loud} in their order; `observe.longestSilence(from, to)` is the longest time in which no line
// at all was loud.

(() => {
  const observe = window.observe;
  const WORKLET = `
    registerProcessor("loudness", class extends AudioWorkletProcessor {
      lines = []; block = 0;
      process(inputs) {
        if (this.block++ % 40 === 0) this.port.postMessage({ clock: currentTime });
        inputs.forEach(([samples = []], line) => this.listen(samples, line));
        return true;
      }
      listen(samples, line) {
        const state = this.lines[line] ??= { loud: false, since: 0 };
        let sum = 0;
        for (const sample of samples) sum += sample * sample;
        const now = Math.sqrt(sum / Math.max(1, samples.length)) > 0.002;
        if (now === state.loud) state.since = currentTime;
        // Loud at once; silent after 30 ms, because a hum passes through zero.
        else if (now || currentTime - state.since > 0.03) {
          this.port.postMessage({ line, loud: now, at: now ? currentTime : state.since });
          state.loud = now;
          state.since = currentTime;
        }
      }
    });`;

  const turns = [];
  observe.turns = turns;

  observe.voices = async (pc) => {
    // Nothing is played, so it needs no loudspeaker: six boards on one machine would pay for it.
    const context = new AudioContext({ latencyHint: "interactive", sinkId: { type: "none" } });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" })));
    const lines = pc.getTransceivers().filter(({ receiver, direction }) => receiver.track.kind === "audio" && direction === "recvonly");
    const node = new AudioWorkletNode(context, "loudness", { numberOfInputs: lines.length, numberOfOutputs: 0 });
    for (const [line, { receiver }] of lines.entries()) {
      context.createMediaStreamSource(new MediaStream([receiver.track])).connect(node, 0, line);
    }
    // The audio clock against the machine's: of the last two seconds the message that waited least
    // tells best. On a busy machine the audio clock falls behind, so older ones tell nothing.
    const offsets = [];
    node.port.onmessage = ({ data }) => {
      if (data.clock !== undefined) offsets.push(barcode.now() - data.clock * 1000);
      if (offsets.length > 20) offsets.shift();
      if (data.loud !== undefined) turns.push({ mid: lines[data.line].mid, loud: data.loud, at: data.at * 1000 + Math.min(...offsets) });
    };
    await context.resume();
  };

  observe.longestSilence = (from, to) => {
    const loud = new Set();
    let silentSince = null;
    let longest = 0;
    const end = (at) => {
      if (silentSince !== null && at > from) longest = Math.max(longest, Math.min(at, to) - Math.max(silentSince, from));
    };
    for (const turn of [...turns].sort((a, b) => a.at - b.at)) {
      if (turn.at > to) break;
      if (turn.loud) {
        if (loud.size === 0) end(turn.at);
        loud.add(turn.mid);
        silentSince = null;
      } else {
        loud.delete(turn.mid);
        if (loud.size === 0) silentSince = turn.at;
      }
    }
    if (loud.size === 0 && silentSince !== null) end(to);
    return longest;
  };
})();
