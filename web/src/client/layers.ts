/**
 * What each role sends, as encodings of its m-lines. Layers run from small to large, because the
 * server numbers them in that order; rids are `q`, `h`, `f` (quarter, half, full).
 */
import type { Role, SourceKind } from './protocol.gen';

type Encodings = readonly RTCRtpEncodingParameters[];

/** A lead's camera, 1280×720 at 30: three layers of 180, 360 and 720 lines. */
const LEAD_CAMERA: Encodings = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_800_000 },
];

/** A classroom's camera, 640×360 at 15. */
const CLASSROOM_CAMERA: Encodings = [
  { rid: 'q', scaleResolutionDownBy: 2, maxBitrate: 100_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 350_000 },
];

/** A picture too small to be sent in layers. */
const SINGLE: Encodings = [{ maxBitrate: 350_000 }];

/**
 * Browsers encode only as many layers as a picture's size deserves (Chromium: 3 from 960×540, 2 from
 * 480×270) and then keep the smallest ones. Offering no more than that keeps full resolution.
 */
function cameraEncodings(role: Role, width: number): Encodings {
  if (width < 480) return SINGLE;
  if (role !== 'lead') return CLASSROOM_CAMERA;
  return width < 960 ? [{ ...LEAD_CAMERA[1] }, { ...LEAD_CAMERA[2] }] : LEAD_CAMERA;
}

/**
 * Slides and windows: sharpness before motion, never scaled. The smaller layer has fewer pictures and
 * fewer bits, but every line of the text: on the weakest link a page comes late, not blurred.
 */
export const CONTENT: Encodings = [
  { rid: 'q', scaleResolutionDownBy: 1, maxBitrate: 150_000, maxFramerate: 5 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 15 },
];

/** Speech survives when the uplink does not carry everything. */
export const SOUND: readonly RTCRtpEncodingParameters[] = [{ priority: 'high', networkPriority: 'high' }];

export interface SendLine {
  kind: SourceKind;
  media: 'audio' | 'video';
  /** Lines of one group share an msid, so that lips and voice stay together. */
  group: 'person' | 'content';
  encodings: readonly RTCRtpEncodingParameters[];
}

/** What a page can send: a microphone or not, a camera of this capture width (pixels) or none. */
export interface Devices {
  mic: boolean;
  cameraWidth: number | null;
}

/** The sending m-lines of a peer, in the order of the offer. */
export function sendLines(role: Role, has: Devices): SendLine[] {
  const camera = cameraEncodings(role, has.cameraWidth ?? Number.POSITIVE_INFINITY);
  if (role === 'lead') {
    return [
      { kind: 'mic', media: 'audio', group: 'person', encodings: SOUND },
      { kind: 'camera', media: 'video', group: 'person', encodings: camera },
      { kind: 'content', media: 'video', group: 'content', encodings: CONTENT },
      { kind: 'content_audio', media: 'audio', group: 'content', encodings: SOUND },
    ];
  }
  if (role !== 'receiver') return [];
  const lines: SendLine[] = [];
  if (has.mic) lines.push({ kind: 'mic', media: 'audio', group: 'person', encodings: SOUND });
  if (has.cameraWidth !== null)
    lines.push({ kind: 'camera', media: 'video', group: 'person', encodings: camera });
  return lines;
}
