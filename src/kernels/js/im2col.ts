/**
 * col[j, (ky, kx, c)] = x[n, y + ky·dilationH, x + kx·dilationW, c], or 0 outside the picture.
 *
 *   col  (tilePixels, kH·kW·depth)   the windows of one tile, side by side
 *
 * Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for Document Processing".
 */
import type { View } from '../call.ts';
import type { WindowGeometry } from '../geometry.ts';
import { tilePixels, type Walk } from './pixels.ts';

export function im2col(
  x: Float32Array,
  col: Float32Array,
  view: View,
  g: WindowGeometry,
  depth: number,
  firstChannel: number,
  walk: Walk,
): void {
  const [sN, sH, sW] = view.strides;
  const { kH, kW, inH, inW, dilationH, dilationW } = g;
  const { window } = walk;
  const rowsAreRuns = dilationW === 1 && depth === sW;
  let to = 0;
  for (let j = 0; j < tilePixels; j++) {
    const picture = view.offset + window[3 * j] * sN + firstChannel;
    const top = window[3 * j + 1];
    const left = window[3 * j + 2];
    for (let ky = 0; ky < kH; ky++) {
      const row = top + ky * dilationH;
      const inside = row >= 0 && row < inH;
      if (inside && rowsAreRuns && left >= 0 && left + kW <= inW) {
        let from = picture + row * sH + left * sW;
        for (const end = to + kW * depth; to < end; to++, from++) col[to] = x[from];
        continue;
      }
      for (let kx = 0; kx < kW; kx++) {
        const column = left + kx * dilationW;
        if (inside && column >= 0 && column < inW) {
          let from = picture + row * sH + column * sW;
          for (const end = to + depth; to < end; to++, from++) col[to] = x[from];
        } else for (const end = to + depth; to < end; to++) col[to] = 0;
      }
    }
  }
}
