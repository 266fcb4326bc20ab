/** Rectangles over a picture, to show where something is. */
import type { Picture } from './picture.ts';

/** In pixels; the right and the bottom edge belong to it. */
export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const colour = [0, 255, 0] as const;

/** A copy in colour, without alpha. Lines grow inwards; what lies outside of the picture is not drawn. */
export function drawRectangles(picture: Picture, rectangles: readonly Rectangle[], line = 2): Picture {
  const { width, height, channels } = picture;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++)
      data[3 * i + c] = Math.round(picture.data[i * channels + (channels < 3 ? 0 : c)]);

  const fill = (left: number, top: number, right: number, bottom: number): void => {
    for (let y = Math.max(0, top); y <= Math.min(height - 1, bottom); y++)
      for (let x = Math.max(0, left); x <= Math.min(width - 1, right); x++)
        data.set(colour, 3 * (y * width + x));
  };
  for (const { left, top, right, bottom } of rectangles) {
    fill(left, top, right, Math.min(bottom, top + line - 1));
    fill(left, Math.max(top, bottom - line + 1), right, bottom);
    fill(left, top, Math.min(right, left + line - 1), bottom);
    fill(Math.max(left, right - line + 1), top, right, bottom);
  }
  return { width, height, channels: 3, data };
}
