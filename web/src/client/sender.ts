/**
 * One sending m-line and what its browser may refuse: layers at all, one of them switched off, temporal
 * layers. Nothing here throws because of an old browser: it sends more than is needed then.
 */

/**
 * A browser that takes no layers of one line (before Firefox 110), or not two of the same size, sends the
 * best one alone: then a weak classroom gets all of it or none.
 */
export function orBestAlone(
  add: (encodings: readonly RTCRtpEncodingParameters[]) => RTCRtpTransceiver,
  encodings: readonly RTCRtpEncodingParameters[],
): RTCRtpTransceiver {
  try {
    return add(encodings);
  } catch (error) {
    const best = encodings[encodings.length - 1];
    if (encodings.length < 2 || !best) throw error;
    const { rid: _, ...alone } = best;
    return add([alone]);
  }
}

/** Switches the encodings; at least one goes on. */
export async function activate(sender: RTCRtpSender, layers: readonly number[]): Promise<void> {
  const parameters = sender.getParameters();
  const encodings = parameters.encodings ?? [];
  const on = encodings.map((_, place) => layers.includes(place));
  if (!on.includes(true)) return;
  if (encodings.every((encoding, place) => (encoding.active ?? true) === on[place])) return;
  encodings.forEach((encoding, place) => {
    encoding.active = on[place] ?? true;
  });
  await sender.setParameters(parameters);
}

/**
 * Asks for temporal layers, of which the server leaves the higher ones out where a line is slow. In VP9
 * and AV1 it is needed for more: Chromium sends the encodings of a line as one stream, of which only the
 * first one comes, unless each says how it is made. The codec is known with the answer; a browser that
 * cannot be told stays as it is.
 */
export async function scaleInTime(sender: RTCRtpSender): Promise<void> {
  const parameters: RTCRtpSendParameters & { encodings?: Encoding[] } = sender.getParameters();
  const codec = parameters.codecs?.[0]?.mimeType.toLowerCase() ?? '';
  const mode = SCALABILITY[codec];
  const encodings = parameters.encodings ?? [];
  if (mode === undefined || encodings.length < (codec === 'video/vp8' ? 1 : 2)) return;
  for (const encoding of encodings) encoding.scalabilityMode = mode;
  // Firefox knows no such parameter, and others may refuse the mode.
  await sender.setParameters(parameters).catch(() => undefined);
}

type Encoding = RTCRtpEncodingParameters & { scalabilityMode?: string };

/**
 * H.264 has no number of its temporal layers in its packets. AV1's could not be told apart at the other
 * end, and of VP9 nothing is left out either: there one stream must say how it is made.
 */
const SCALABILITY: Record<string, string> = {
  'video/vp8': 'L1T3',
  'video/vp9': 'L1T3',
  'video/av1': 'L1T1',
};
