/**
 * The wall painted on a canvas, for browsers whose only window on top is that of a video. Nine classrooms
 * in a grid: picture, name, the lamp's shape and word, a raised hand. Painted a few times a second; a hidden
 * page's timers run once a second, which is enough to see a hand.
 */
export interface Painted {
  name: string;
  /** The lamp: shape, word and colour. */
  shape: string;
  word: string;
  colour: string;
  hand: number | null;
  speaks: boolean;
  /** A picture that may be shown; a covered one may not. */
  video: HTMLVideoElement | null;
}

const CELL_WIDTH = 320;
const CELL_HEIGHT = 180;
const EVERY_MS = 200;

export class CanvasWall {
  readonly video: HTMLVideoElement;
  private readonly canvas = document.createElement('canvas');
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly read: () => readonly Painted[]) {
    this.video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
    this.video.className = 'unseen canvas-wall';
    this.video.dataset.testid = 'canvas-wall';
    // Nothing for people who read by ear: the real wall is on the page.
    this.video.setAttribute('aria-hidden', 'true');
    this.video.tabIndex = -1;
  }

  async open(): Promise<void> {
    this.paint();
    this.video.srcObject = this.canvas.captureStream(5);
    document.body.append(this.video);
    this.timer = setInterval(() => this.paint(), EVERY_MS);
    // The gesture counts for a moment only, so nothing is waited for before the window is asked for.
    void this.video.play();
    if (this.video.readyState < HTMLMediaElement.HAVE_METADATA) {
      await new Promise((resolve) => this.video.addEventListener('loadedmetadata', resolve, { once: true }));
    }
    await this.video.requestPictureInPicture();
  }

  close(): void {
    clearInterval(this.timer);
    if (document.pictureInPictureElement === this.video) {
      void document.exitPictureInPicture().catch(() => undefined);
    }
    for (const track of (this.video.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
    this.video.remove();
  }

  private paint(): void {
    const rooms = this.read();
    const columns = rooms.length > 4 ? 3 : rooms.length > 1 ? 2 : 1;
    const rows = Math.max(1, Math.ceil(rooms.length / columns));
    const [width, height] = [columns * CELL_WIDTH, rows * CELL_HEIGHT];
    // Setting a size clears the canvas, and its stream.
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
    }
    const context = this.canvas.getContext('2d');
    if (!context) return;
    context.fillStyle = '#0e1214';
    context.fillRect(0, 0, width, height);
    rooms.forEach((room, place) => {
      cell(context, room, (place % columns) * CELL_WIDTH, Math.floor(place / columns) * CELL_HEIGHT);
    });
  }
}

function cell(context: CanvasRenderingContext2D, room: Painted, x: number, y: number): void {
  const { video } = room;
  if (video && video.videoWidth > 0) {
    const scale = Math.min(CELL_WIDTH / video.videoWidth, CELL_HEIGHT / video.videoHeight);
    const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
    context.drawImage(video, x + (CELL_WIDTH - w) / 2, y + (CELL_HEIGHT - h) / 2, w, h);
  } else {
    context.fillStyle = '#1b2327';
    context.fillRect(x + 1, y + 1, CELL_WIDTH - 2, CELL_HEIGHT - 2);
  }
  context.fillStyle = 'rgba(8, 11, 12, 0.78)';
  context.fillRect(x, y + CELL_HEIGHT - 52, CELL_WIDTH, 52);
  context.fillStyle = '#ffffff';
  context.font = '600 20px system-ui, "Noto Sans CJK SC", sans-serif';
  context.fillText(room.name, x + 8, y + CELL_HEIGHT - 30, CELL_WIDTH - 16);
  context.fillStyle = room.colour;
  context.font = '17px system-ui, "Noto Sans CJK SC", sans-serif';
  context.fillText(`${room.shape} ${room.word}`, x + 8, y + CELL_HEIGHT - 9, CELL_WIDTH - 16);
  if (room.hand !== null) {
    context.fillStyle = '#ffc24d';
    context.fillRect(x + CELL_WIDTH - 60, y, 60, 40);
    context.fillStyle = '#241800';
    context.font = '600 24px system-ui, sans-serif';
    context.fillText(`✋${room.hand}`, x + CELL_WIDTH - 54, y + 29, 52);
  }
  if (room.speaks) {
    context.strokeStyle = '#62cdbc';
    context.lineWidth = 6;
    context.strokeRect(x + 3, y + 3, CELL_WIDTH - 6, CELL_HEIGHT - 6);
  }
}
