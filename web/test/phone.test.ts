/** The phone page without a phone: sizes, what an answer means, when a photo is sent again. */
import { describe, expect, test } from 'vitest';
import { fitted } from '../src/capture/photo';
import { judge, type UploadResult, upload } from '../src/phone/upload';

test.each([
  [4000, 3000, 2560, 1920],
  [3000, 4000, 1920, 2560],
  [2560, 1440, 2560, 1440],
  [640, 480, 640, 480],
  [30_000, 3, 2560, 1],
])('%i × %i is sent as %i × %i', (width, height, wide, high) => {
  expect(fitted(width, height)).toEqual({ width: wide, height: high });
});

describe('what the server answers', () => {
  const body = (code: string, message = '') => JSON.stringify({ code, message, hint: '' });
  const table: [number, string, UploadResult][] = [
    [201, '{"id":"p1","url":"/p1"}', { ok: true }],
    [404, body('not_found', '没有这个地址。'), { ok: false, problem: 'not-there', message: '' }],
    [404, '<html>', { ok: false, problem: 'not-there', message: '' }],
    [405, body('method_not_allowed'), { ok: false, problem: 'not-there', message: '' }],
    [
      404,
      body('unknown_lesson', '没有找到这节课。'),
      { ok: false, problem: 'refused', message: '没有找到这节课。' },
    ],
    [403, body('forbidden', '不能。'), { ok: false, problem: 'refused', message: '不能。' }],
    [413, body('body_too_large', '太大。'), { ok: false, problem: 'refused', message: '太大。' }],
    [503, body('busy', '正忙。'), { ok: false, problem: 'line', message: '正忙。' }],
    [502, '', { ok: false, problem: 'line', message: '' }],
  ];
  test.each(table)('%i %s', (status, text, expected) => expect(judge(status, text)).toEqual(expected));
});

describe('sending', () => {
  /** A request that ends as it is told: a status, or 0 for a broken line. */
  class Request {
    upload: { onprogress: ((event: object) => void) | null } = { onprogress: null };
    onload: (() => void) | null = null;
    onerror: (() => void) | null = null;
    headers: Record<string, string> = {};
    path = '';
    status = 0;
    responseText = '';
    constructor(private readonly end: number) {}
    open(_method: string, path: string) {
      this.path = path;
    }
    setRequestHeader(name: string, value: string) {
      this.headers[name] = value;
    }
    send() {
      this.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 4 });
      this.status = this.end;
      if (this.end === 0) this.onerror?.();
      else this.onload?.();
    }
  }

  const send = async (ends: number[]) => {
    const made: Request[] = [];
    const waits: number[] = [];
    const shares: number[] = [];
    const result = await upload({
      lesson: 'a b',
      token: 'x.y.z',
      language: 'en',
      image: new Blob(['x']),
      onProgress: (share) => shares.push(share),
      createRequest: () => {
        const request = new Request(ends[made.length] ?? 0);
        made.push(request);
        return request as unknown as XMLHttpRequest;
      },
      wait: async (ms) => void waits.push(ms),
    });
    return { result, made, waits, shares };
  };

  test('goes to its lesson with the token, and tells how far it is', async () => {
    const { result, made, shares } = await send([201]);
    expect(result).toEqual({ ok: true });
    expect(made[0]?.path).toBe('/api/v1/lessons/a%20b/photos');
    expect(made[0]?.headers).toMatchObject({ Authorization: 'Bearer x.y.z', 'Content-Type': 'image/jpeg' });
    expect(shares).toEqual([0.25]);
  });

  test.each<[string, number[], boolean, number]>([
    ['a broken line twice, then through', [0, 503, 201], true, 3],
    ['broken for good', [0, 0, 0, 201], false, 3],
    ['refused is refused', [403, 201], false, 1],
    ['no such address', [404, 201], false, 1],
  ])('%s', async (_name, ends, ok, tries) => {
    const { result, made, waits } = await send(ends);
    expect([result.ok, made.length, waits.length]).toEqual([ok, tries, tries - 1]);
  });
});
