// A camera, a microphone and a screen whose pictures and sound can be recognised at the other end.
//
// Runs in the page before its own scripts, where the address has `fake=ID` (0-31): getUserMedia and
// getDisplayMedia then give canvas and Web Audio streams. Every frame carries the strip of
// barcode.js; the lower part flashes white and a 1 kHz beep of 100 ms sounds at every full second of
// the machine's clock, over a quiet hum. The painter obeys the size and rate that the page asks for,
// and stops when the last track made from it has stopped.
// `window.fake.refuse = "NotAllowedError"`, or `refuse=` in the address, makes requests fail like the
// browser would.

(() => {
  const query = new URLSearchParams(location.search);
  const id = query.get("fake");
  if (id === null || !navigator.mediaDevices) return;
  const fake = { id: Number(id), refuse: query.get("refuse"), sharedAt: null };
  window.fake = fake;

  // Firefox on a machine without a sound card never starts its audio clock: there the browser's own
  // fake microphone (a tone) stands in, and beeps cannot be timed.
  const nativeUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);

  navigator.mediaDevices.getUserMedia = async (constraints = {}) => {
    if (fake.refuse) throw new DOMException("refused by the test", fake.refuse);
    const tracks = [];
    if (constraints.audio) tracks.push(await microphone());
    if (constraints.video) tracks.push(camera(constraints.video, "camera"));
    return new MediaStream(tracks);
  };

  navigator.mediaDevices.getDisplayMedia = async (constraints = {}) => {
    if (fake.refuse) throw new DOMException("refused by the test", fake.refuse);
    fake.sharedAt = barcode.now();
    const screen = { width: 1280, height: 720, frameRate: 5 };
    const tracks = [camera(screen, "content")];
    if (constraints.audio) tracks.push(await microphone());
    return new MediaStream(tracks);
  };

  function camera(wanted, kind) {
    const width = figure(wanted.width, 640);
    const height = figure(wanted.height, 360);
    const rate = figure(wanted.frameRate, 15);
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    const stream = canvas.captureStream(0);
    const track = stream.getVideoTracks()[0];
    // Chromium has it on the track, as the standard says, Firefox on the stream.
    const sendFrame = track.requestFrame?.bind(track) ?? stream.requestFrame.bind(stream);
    const tracks = withClones(track);
    if (kind === "content") track.contentHint = "detail";

    const started = performance.now();
    let frame = 0;
    const paintFrame = () => {
      if (tracks.every((one) => one.readyState === "ended")) return;
      paint(context, width, height, kind, frame);
      sendFrame();
      frame += 1;
      // Against a fixed grid, so that a late timer does not lower the rate.
      const late = performance.now() - started;
      if (late > (frame + 2) * 1000 / rate) frame = Math.floor(late * rate / 1000);
      setTimeout(paintFrame, Math.max(0, (frame + 1) * 1000 / rate - late));
    };
    paintFrame();
    return track;
  }

  function paint(context, width, height, kind, frame) {
    const time = barcode.now();
    const flash = time % 1000 < 100;
    const hue = fake.id * 360 / 13 % 360;
    context.fillStyle = flash ? "#fff" : `hsl(${hue} 45% ${kind === "content" ? 82 : 34}%)`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = `hsl(${hue + 180} 60% 50%)`;
    context.fillRect(frame * width / 60 % width, height * 0.7, width / 12, height * 0.2);
    context.fillStyle = flash || kind === "content" ? "#000" : "#fff";
    context.font = `${Math.round(height / 5)}px sans-serif`;
    context.fillText(`${kind === "content" ? "课件" : "№"} ${fake.id}`, width * 0.05, height * 0.45);
    const clock = new Date(time).toISOString().slice(14, 21);
    context.fillText(clock, width * 0.05, height * 0.65);
    barcode.paint(context, width, height, fake.id, kind === "content" ? 1 : 0, time);
  }

  let sound = null;
  /** What the microphone's sound is made in: {context, bus, beep}; who connects to `bus` is heard. */
  fake.sound = () => (sound ??= startSound());
  async function microphone() {
    const { context, bus } = await fake.sound();
    if (context.state !== "running") return (await nativeUserMedia({ audio: true })).getAudioTracks()[0];
    const destination = context.createMediaStreamDestination();
    bus.connect(destination);
    return destination.stream.getAudioTracks()[0];
  }

  async function startSound() {
    // A loudspeaker's clock, as a real microphone has one: without, the sound comes 10 ms unevenly.
    const context = new AudioContext();
    const bus = context.createGain();
    const hum = oscillator(context, 200 + fake.id * 20, 0.01);
    hum.gain.connect(bus);
    const beep = oscillator(context, 1000, 0);
    beep.gain.connect(bus);
    let next = 0;
    setInterval(() => {
      const time = barcode.now();
      const second = Math.ceil(time / 1000) * 1000;
      if (second === next || second - time > 250) return;
      next = second;
      const at = context.currentTime + (second - time) / 1000;
      beep.gain.gain.setValueAtTime(0.5, at);
      beep.gain.gain.setValueAtTime(0, at + 0.1);
    }, 50);
    await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    return { context, bus, beep };
  }

  function oscillator(context, frequency, level) {
    const source = context.createOscillator();
    source.frequency.value = frequency;
    const gain = context.createGain();
    gain.gain.value = level;
    source.connect(gain);
    source.start();
    return { source, gain };
  }

  // Pages clone tracks for previews; painting goes on until all of them have stopped.
  function withClones(first) {
    const all = [];
    const add = (track) => {
      all.push(track);
      const clone = track.clone.bind(track);
      track.clone = () => add(clone());
      return track;
    };
    add(first);
    return all;
  }

  // A constraint is a number or {exact, ideal, max, min}.
  function figure(constraint, otherwise) {
    if (typeof constraint === "number") return constraint;
    return constraint?.exact ?? constraint?.ideal ?? constraint?.max ?? constraint?.min ?? otherwise;
  }
})();
