// The machine-readable strip in test pictures: who painted the frame, and when.
//
// Runs in the page, before the page's own scripts (an init script in every frame). The strip covers
// the top sixth of the picture: two rows of 16 black or white cells, so that a cell is still 10
// pixels wide in the smallest layer (160 pixels). Row 0: white black white black, 5 bits id, 1 bit
// kind (0 camera, 1 content), 6 bits check sum. Row 1: milliseconds since the epoch modulo 65 536.
// All tabs of a machine share that clock, so `now - painted` is a true delay between two tabs.
// Read from a frame that carries no strip, the check sum or the first four cells do not fit: null.

(() => {
  const COLUMNS = 16;
  const STRIP = 1 / 6;
  const CELL = 4; // pixels per cell in the reading canvas

  const now = () => performance.timeOrigin + performance.now();

  /** Draws the strip for (id, kind, milliseconds) over the top of a 2D context. */
  function paint(context, width, height, id, kind, milliseconds) {
    const clock = Math.floor(milliseconds) & 0xffff;
    const value = (id & 31) << 1 | kind;
    const rows = [0b1010 << 12 | value << 6 | check(value, clock), clock];
    const cellHeight = height * STRIP / 2;
    rows.forEach((bits, row) => {
      for (let column = 0; column < COLUMNS; column++) {
        context.fillStyle = bits >> (COLUMNS - 1 - column) & 1 ? "#fff" : "#000";
        const left = Math.round(column * width / COLUMNS);
        const right = Math.round((column + 1) * width / COLUMNS);
        context.fillRect(left, row * cellHeight, right - left, Math.ceil(cellHeight));
      }
    });
  }

  const reading = document.createElement("canvas");
  reading.width = COLUMNS * CELL;
  reading.height = 2 * CELL;
  const pixels = reading.getContext("2d", { willReadFrequently: true });

  /** What the video element shows now: {id, kind, clock, delay in ms} or null. */
  function read(video) {
    const { videoWidth, videoHeight } = video;
    if (!videoWidth || video.readyState < 2) return null;
    const { width, height } = reading;
    pixels.drawImage(video, 0, 0, videoWidth, videoHeight * STRIP, 0, 0, width, height);
    const { data } = pixels.getImageData(0, 0, width, height);
    const rows = [0, 0];
    for (let row = 0; row < 2; row++) {
      for (let column = 0; column < COLUMNS; column++) {
        rows[row] = rows[row] << 1 | (cellLuminance(data, width, column, row) > 127 ? 1 : 0);
      }
    }
    const value = rows[0] >> 6 & 63;
    if (rows[0] >> 12 !== 0b1010 || (rows[0] & 63) !== check(value, rows[1])) return null;
    const delay = ((Math.floor(now()) & 0xffff) - rows[1] + 0x10000) % 0x10000;
    return { id: value >> 1, kind: value & 1 ? "content" : "camera", clock: rows[1], delay };
  }

  // The middle of a cell; its border is blurred by scaling and by the codec.
  function cellLuminance(data, width, column, row) {
    let sum = 0;
    for (let y = 1; y < CELL - 1; y++) {
      for (let x = 1; x < CELL - 1; x++) {
        sum += data[((row * CELL + y) * width + column * CELL + x) * 4 + 1];
      }
    }
    return sum / (CELL - 2) ** 2;
  }

  function check(value, clock) {
    const mixed = (value * 0x10001 ^ clock * 0x9e37 ^ 0x2a) >>> 0;
    return (mixed ^ mixed >>> 6 ^ mixed >>> 12 ^ mixed >>> 18) & 63;
  }

  window.barcode = { paint, read, now };
})();
