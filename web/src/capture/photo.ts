/**
 * A photo from a file or a phone, made ready to be sent: upright, no larger than a board can show, and without
 * what cameras write into their files (place and time). A photo of 12 megapixels has 4 MB and more; on a
 * rural line that is half a minute. Letters of a screenshot stay as they are.
 */

/** Pixels of the longer side: a 4K board shows no more of a workbook page. */
export const LONGEST_SIDE = 2560;
const QUALITY = 0.85;
/** A screenshot below this goes as it is: JPEG would smear its letters. */
const SMALL_PNG = 1_500_000;

/** The size that is sent, of a picture of this size. */
export function fitted(width: number, height: number): { width: number; height: number } {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height, 1));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** `null`: this browser cannot read it as an image. */
export async function preparePhoto(file: Blob): Promise<Blob | null> {
  const picture = await open(file);
  if (!picture) return null;
  const small = Math.max(picture.width, picture.height) <= LONGEST_SIDE && file.size <= SMALL_PNG;
  if (file.type === 'image/png' && small) return file;
  const { width, height } = fitted(picture.width, picture.height);
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  if (!context) return null;
  // What is transparent is paper; in a JPEG it would be black.
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  if ('close' in picture) picture.close();
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
}

async function open(file: Blob): Promise<ImageBitmap | HTMLImageElement | null> {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image' });
  } catch {
    return openAsImage(file);
  }
}

/** Some browsers read more kinds of pictures this way, or know no such option. */
async function openAsImage(file: Blob): Promise<HTMLImageElement | null> {
  const url = URL.createObjectURL(file);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}
