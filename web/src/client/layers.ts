/**
 * What each role sends, as encodings of its m-lines. Layers run from small to large, because the
 * server numbers them in that order; rids are `q`, `h`, `f` (quarter, half, full).
 */
import type { Role, SourceKind } from './protocol.gen';

/** A lead's camera, 1280×720 at 30: three layers of 180, 360 and 720 lines. */
export const LEAD_CAMERA: readonly RTCRtpEncodingParameters[] = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_800_000 },
];

/** A classroom's camera, 640×360 at 15. */
export const CLASSROOM_CAMERA: readonly RTCRtpEncodingParameters[] = [
  { rid: 'q', scaleResolutionDownBy: 2, maxBitrate: 100_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 350_000 },
];

/** Slides and windows: sharpness before motion, never scaled. */
export const CONTENT: readonly RTCRtpEncodingParameters[] = [{ maxBitrate: 2_500_000, maxFramerate: 15 }];

/** Speech survives when the uplink does not carry everything. */
export const SOUND: readonly RTCRtpEncodingParameters[] = [{ priority: 'high', networkPriority: 'high' }];

export interface SendLine {
  kind: SourceKind;
  media: 'audio' | 'video';
  /** Lines of one group share an msid, so that lips and voice stay together. */
  group: 'person' | 'content';
  encodings: readonly RTCRtpEncodingParameters[];
}

/** The sending m-lines of a peer, in the order of the offer. */
export function sendLines(role: Role, has: { mic: boolean; camera: boolean }): SendLine[] {
  if (role === 'lead') {
    return [
      { kind: 'mic', media: 'audio', group: 'person', encodings: SOUND },
      { kind: 'camera', media: 'video', group: 'person', encodings: LEAD_CAMERA },
      { kind: 'content', media: 'video', group: 'content', encodings: CONTENT },
      { kind: 'content_audio', media: 'audio', group: 'content', encodings: SOUND },
    ];
  }
  if (role !== 'receiver') return [];
  const lines: SendLine[] = [];
  if (has.mic) lines.push({ kind: 'mic', media: 'audio', group: 'person', encodings: SOUND });
  if (has.camera)
    lines.push({ kind: 'camera', media: 'video', group: 'person', encodings: CLASSROOM_CAMERA });
  return lines;
}
