/**
 * Whether pictures that arrive are really shown. A board whose decoder is stuck, or that is too weak for
 * what it gets, looks well from outside: packets come and go. Twice in a row whole pictures came on a line
 * and none was decoded: then the lead is told.
 */
const EVERY_MS = 2_000;
/** Fewer than this in two seconds is a still slide. */
const FEW = 4;

interface Line {
  received: number;
  decoded: number;
}

export class Playback {
  private lines = new Map<string, Line>();
  private bad = 0;
  private told = false;

  constructor(private readonly tell: (stuck: boolean) => void) {}

  /** Looks from now on; `report` gives the statistics of the connection of the moment. */
  start(report: () => Promise<RTCStatsReport> | null): void {
    setInterval(() => {
      // A hidden page is not given its pictures by the browser, which is no fault.
      if (document.visibilityState === 'hidden') return;
      report()?.then(
        (stats) => this.see(stats as unknown as ReadonlyMap<string, object>),
        () => undefined,
      );
    }, EVERY_MS);
  }

  /** One look at the statistics. */
  see(report: ReadonlyMap<string, object>): void {
    const before = this.lines;
    this.lines = new Map();
    let stuck = false;
    report.forEach((entry) => {
      const line = entry as {
        type: string;
        kind: string;
        id: string;
        framesReceived?: number;
        framesDecoded?: number;
      };
      if (line.type !== 'inbound-rtp' || line.kind !== 'video') return;
      const now = { received: line.framesReceived ?? 0, decoded: line.framesDecoded ?? 0 };
      this.lines.set(line.id, now);
      const was = before.get(line.id);
      if (was && now.received - was.received >= FEW && now.decoded === was.decoded) stuck = true;
    });
    this.bad = stuck ? this.bad + 1 : 0;
    const next = this.bad >= 2;
    if (next !== this.told) {
      this.told = next;
      this.tell(next);
    }
  }
}
