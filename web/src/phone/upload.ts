/**
 * Sends one photo, with progress. `XMLHttpRequest`, because `fetch` does not tell how much has gone. What
 * may be the line's fault is tried three times by itself; what the server refuses is said in its words.
 */
export type UploadProblem =
  /** The line; trying again may help. */
  | 'line'
  /** This server takes no photos. */
  | 'not-there'
  /** The server says why. */
  | 'refused';

export type UploadResult = { ok: true } | { ok: false; problem: UploadProblem; message: string };

export interface UploadOptions {
  lesson: string;
  token: string;
  language: string;
  image: Blob;
  /** Called with the share that has gone, 0–1. */
  onProgress: (share: number) => void;
  /** The photo was put away: nothing more of it leaves. */
  signal?: AbortSignal;
  createRequest?: () => XMLHttpRequest;
  wait?: (ms: number) => Promise<void>;
}

const PAUSES_MS = [1_000, 3_000];
/** A line that takes nothing for so long will not take the rest either. */
const STALL_MS = 60_000;

export async function upload(options: UploadOptions): Promise<UploadResult> {
  const wait = options.wait ?? ((ms: number) => new Promise((resolve) => setTimeout(resolve, ms)));
  let result = await once(options);
  for (const pause of PAUSES_MS) {
    if (result.ok || result.problem !== 'line' || options.signal?.aborted) break;
    await wait(pause);
    if (options.signal?.aborted) break;
    result = await once(options);
  }
  return result;
}

function once(options: UploadOptions): Promise<UploadResult> {
  const request = options.createRequest?.() ?? new XMLHttpRequest();
  return new Promise((resolve) => {
    const failed = () => resolve({ ok: false, problem: 'line', message: '' });
    request.open('POST', `/api/v1/lessons/${encodeURIComponent(options.lesson)}/photos`);
    request.setRequestHeader('Authorization', `Bearer ${options.token}`);
    request.setRequestHeader('Accept-Language', options.language);
    request.setRequestHeader('Content-Type', 'image/jpeg');
    let stall: ReturnType<typeof setTimeout> | undefined;
    const moves = () => {
      clearTimeout(stall);
      stall = setTimeout(() => request.abort(), STALL_MS);
    };
    moves();
    request.onloadend = () => clearTimeout(stall);
    options.signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.upload.onprogress = (event) => {
      moves();
      if (event.lengthComputable) options.onProgress(event.loaded / event.total);
    };
    request.onerror = failed;
    request.onabort = failed;
    request.onload = () => resolve(judge(request.status, request.responseText));
    request.send(options.image);
  });
}

/** What the server's answer means. */
export function judge(status: number, body: string): UploadResult {
  if (status >= 200 && status < 300) return { ok: true };
  const { code, message } = parsed(body);
  // Of an address that this server has, 404 says what is not found.
  if (status === 405 || (status === 404 && (code === '' || code === 'not_found'))) {
    return { ok: false, problem: 'not-there', message: '' };
  }
  const passing = status >= 500 || status === 408 || status === 429 || status === 0;
  return { ok: false, problem: passing ? 'line' : 'refused', message };
}

function parsed(body: string): { code: string; message: string } {
  try {
    const { code, message } = JSON.parse(body) as { code?: unknown; message?: unknown };
    return {
      code: typeof code === 'string' ? code : '',
      message: typeof message === 'string' ? message : '',
    };
  } catch {
    return { code: '', message: '' };
  }
}
