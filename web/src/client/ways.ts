/**
 * Which way media took in the last sessions on this network, so that the next one begins with it.
 *
 * A network whose UDP breaks in mid-lesson would break it in the next lesson too. After two sessions in
 * a row that ended by TCP or through a relay, the next one begins without UDP; some time later it is tried
 * again (`MediaLink`), and one session that ends by UDP is enough to forget all this. The network is the
 * server's word for where this page comes from. Without storage nothing is remembered and nothing lost.
 */
export type Way = 'udp' | 'tcp' | 'relay';

const KEY = 'zhuandi.ways';
/** Sessions that have to agree. */
const SESSIONS = 2;
/** A board stands in one network, a computer is carried between some. */
const NETWORKS = 8;

/** By network, the one used last at the end. */
type Kept = [network: string, ways: Way[]][];

export class Ways {
  private network: string | null = null;
  private before: Way[] = [];
  private noted: Way | null = null;

  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem'> | null = storageOrNone()) {}

  /** Where this page is; known soon after it was opened. */
  enter(network: string): void {
    this.network = network;
    this.before = this.load().find(([known]) => known === network)?.[1] ?? [];
  }

  /** The way to begin with, when it is not UDP. */
  hint(): Exclude<Way, 'udp'> | null {
    // In this session UDP has come to work: the next connection shall have it, too.
    if (this.noted === 'udp') return null;
    if (this.before.length < SESSIONS) return null;
    const last = this.before[this.before.length - 1];
    return this.before.some((way) => way === 'udp') || last === 'udp' || last === undefined ? null : last;
  }

  /** Media takes this way now. What is noted last counts for the session. */
  note(way: Way): void {
    if (this.network === null || way === this.noted) return;
    this.noted = way;
    const others = this.load().filter(([known]) => known !== this.network);
    const kept: Kept = [...others, [this.network, [...this.before, way].slice(-SESSIONS)]];
    try {
      this.storage?.setItem(KEY, JSON.stringify(kept.slice(-NETWORKS)));
    } catch {
      // Storage is full or forbidden.
    }
  }

  private load(): Kept {
    try {
      const value: unknown = JSON.parse(this.storage?.getItem(KEY) ?? '[]');
      return Array.isArray(value) ? value.filter(isEntry) : [];
    } catch {
      return [];
    }
  }
}

/** Asks the server where this page is. */
export async function tellNetwork(ways: Ways): Promise<void> {
  try {
    const answer = await fetch('/api/v1/network');
    const { network } = (await answer.json()) as { network?: unknown };
    if (typeof network === 'string') ways.enter(network);
  } catch {
    // Then nothing is remembered this time.
  }
}

function isEntry(value: unknown): value is Kept[number] {
  if (!Array.isArray(value) || typeof value[0] !== 'string' || !Array.isArray(value[1])) return false;
  return value[1].every((way) => way === 'udp' || way === 'tcp' || way === 'relay');
}

function storageOrNone(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
