/**
 * A photo from a file or a phone, made ready to be sent: upright, no larger than a board can show, and without
 * what cameras write into their files (place and time). Letters of a screenshot stay as they are.
 */

/** Pixels of the longer side: a 4K board shows no more of a workbook page. */
const SIDE = 2560;
const QUALITY = 0.85;
/** A screenshot below this goes as it is: JPEG would smear its letters. */
const SMALL_PNG = 1_500_000;

/** `null`: this browser cannot read it as an image. */
export async function preparePhoto(file: Blob): Promise<Blob | null> {
  const image = await decode(file);
  if (!image) return null;
  const side = Math.max(image.width, image.height);
  if (file.type === 'image/png' && side <= SIDE && file.size <= SMALL_PNG) return file;
  const scale = Math.min(1, SIDE / side);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const context = canvas.getContext('2d');
  if (!context) return null;
  // What is transparent is paper.
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image.source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
}

interface Decoded {
  source: CanvasImageSource;
  width: number;
  height: number;
}

/** By an `img`, which turns a photo upright in every browser that we serve. */
function decode(file: Blob): Promise<Decoded | null> {
  const url = URL.createObjectURL(file);
  return new Promise<Decoded | null>((resolve) => {
    const image = new Image();
    image.onload = () =>
      resolve(
        image.naturalWidth > 0
          ? { source: image, width: image.naturalWidth, height: image.naturalHeight }
          : null,
      );
    image.onerror = () => resolve(null);
    image.src = url;
  }).finally(() => setTimeout(() => URL.revokeObjectURL(url), 10_000));
}
