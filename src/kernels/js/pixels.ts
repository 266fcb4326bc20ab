/**
 * How a float convolution walks its input: where each output pixel's window starts, and the contiguous runs
 * inside a window.
 *
 *   direct   the window is read where it lies; the border is in memory, so no tap needs a check
 *            runs: kH rows of kW·inC elements (or kH·kW pixels of inC where rows are not contiguous)
 *   im2col   the windows of one tile are first copied side by side into scratch, taps outside the
 *            picture as 0: one run of kH·kW·inC
 */
import type { Pad, View } from '../call.ts';
import type { WindowGeometry } from '../geometry.ts';

export interface Runs {
  readonly offsets: Int32Array; // from the first tap of a window, in elements
  readonly length: number;
}

/** Pixels that a tile computes side by side. */
export const tilePixels = 3;

export function hasBorder(border: Pad, g: WindowGeometry): boolean {
  const bottom = (g.outH - 1) * g.strideH + (g.kH - 1) * g.dilationH + 1 - g.inH - g.padTop;
  const right = (g.outW - 1) * g.strideW + (g.kW - 1) * g.dilationW + 1 - g.inW - g.padLeft;
  return (
    border.top >= g.padTop && border.left >= g.padLeft && border.bottom >= bottom && border.right >= right
  );
}

/** The border that lets windows be read in place, or `undefined` where none sticks out. */
export function wantedBorder(g: WindowGeometry): Pad | undefined {
  const bottom = Math.max(0, (g.outH - 1) * g.strideH + (g.kH - 1) * g.dilationH + 1 - g.inH - g.padTop);
  const right = Math.max(0, (g.outW - 1) * g.strideW + (g.kW - 1) * g.dilationW + 1 - g.inW - g.padLeft);
  if (g.padTop + g.padLeft + bottom + right === 0) return undefined;
  return { top: g.padTop, left: g.padLeft, bottom, right };
}

/** The runs of one window in place, for `depth` channels of a pixel. */
export function runsInPlace(view: View, g: WindowGeometry, depth: number): Runs {
  const [, sH, sW] = view.strides;
  if (g.dilationW === 1 && depth === sW) {
    const offsets = new Int32Array(g.kH);
    for (let ky = 0; ky < g.kH; ky++) offsets[ky] = ky * g.dilationH * sH;
    return { offsets, length: g.kW * depth };
  }
  const offsets = new Int32Array(g.kH * g.kW);
  for (let ky = 0; ky < g.kH; ky++)
    for (let kx = 0; kx < g.kW; kx++) offsets[ky * g.kW + kx] = ky * g.dilationH * sH + kx * g.dilationW * sW;
  return { offsets, length: depth };
}

/** Walks the output pixels of all pictures, row by row, a tile at a time. */
export interface Walk {
  /** First tap of each pixel's window, then where each pixel goes: (2, tilePixels) offsets in elements. */
  readonly at: Int32Array;
  /** Row and column of each pixel's window relative to the picture, before the border: (tilePixels, 3) n, y, x. */
  readonly window: Int32Array;
  readonly reset: () => void;
  /** Fills `at` and `window` for the next pixels; past the end the last pixel repeats. */
  readonly next: () => void;
  readonly tiles: number;
}

export function walkPixels(input: View, output: View, g: WindowGeometry): Walk {
  const at = new Int32Array(2 * tilePixels);
  const window = new Int32Array(3 * tilePixels);
  const [inN, inH, inW] = input.strides;
  const [outN, outH, outW] = output.strides;
  const start = input.offset - g.padTop * inH - g.padLeft * inW;
  const pixels = g.n * g.outH * g.outW;
  let n = 0;
  let y = 0;
  let x = 0;
  let done = 0;
  return {
    at,
    window,
    tiles: Math.ceil(pixels / tilePixels),
    reset: () => {
      n = 0;
      y = 0;
      x = 0;
      done = 0;
    },
    next: () => {
      for (let j = 0; j < tilePixels; j++) {
        at[j] = start + n * inN + y * g.strideH * inH + x * g.strideW * inW;
        at[tilePixels + j] = output.offset + n * outN + y * outH + x * outW;
        window[3 * j] = n;
        window[3 * j + 1] = y * g.strideH - g.padTop;
        window[3 * j + 2] = x * g.strideW - g.padLeft;
        if (++done >= pixels) continue;
        if (++x < g.outW) continue;
        x = 0;
        if (++y < g.outH) continue;
        y = 0;
        n++;
      }
    },
  };
}
