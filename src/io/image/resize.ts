/**
 * Bilinear resizing with a filter that widens as the picture shrinks, as Pillow does it, to the byte.
 *
 * Output pixel i of n, from an input of N pixels, along one axis:
 *
 *   scale  = N/n                         support = max(1, scale)
 *   centre = (i + ½)·scale               half-pixel centres
 *   w[x]   = max(0, 1 − |x + ½ − centre| / support)      ⌊centre − support + ½⌋ ≤ x < ⌊centre + support + ½⌋,
 *                                                        cut at the borders; the weights are divided by their sum
 *
 * When enlarging that is the common bilinear interpolation with half-pixel centres; when shrinking every input pixel
 * counts, so nothing aliases. Rows first, then columns. Bytes are rounded to bytes after each direction, with weights
 * rounded to 22 fractional bits; real pixels are not rounded in between.
 *
 * Source: python-pillow/Pillow, `src/libImaging/Resample.c` (precompute_coeffs, normalize_coeffs_8bpc,
 * ImagingResampleHorizontal_8bpc), which `Image.resize(size, Image.BILINEAR)` calls.
 */

import { VireoError } from '../../errors.ts';
import type { Picture } from './picture.ts';

/** Fractional bits of a weight: 32 less 8 for the byte and 2 for sign and overflow. */
const precision = 22;

/** The inputs of output i are first[i] … first[i] + count[i] − 1, with weights from weight[i·taps]. */
interface Taps {
  readonly taps: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weight: Float64Array;
}

/** A new picture of width x height; the same picture if it has that size already. */
export function resizeBilinear(picture: Picture, width: number, height: number): Picture {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new VireoError('usage', `resize: expected a size of whole pixels, got ${width}x${height}`);
  }
  const { channels } = picture;
  let { data } = picture;
  if (width !== picture.width) {
    const taps = planAxis(picture.width, width);
    data = alongRows(data, picture.height, picture.width, width, channels, taps);
  }
  if (height !== picture.height) {
    data = alongColumns(data, picture.height, height, width * channels, planAxis(picture.height, height));
  }
  return data === picture.data ? picture : { width, height, channels, data };
}

function planAxis(inSize: number, outSize: number): Taps {
  const scale = inSize / outSize;
  const support = Math.max(1, scale);
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weight = new Float64Array(outSize * taps); // (outSize, taps)
  for (let i = 0; i < outSize; i++) {
    const centre = (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(inSize, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let x = from; x < to; x++) {
      const distance = Math.abs((x - centre + 0.5) * (1 / support));
      const value = distance < 1 ? 1 - distance : 0;
      weight[i * taps + x - from] = value;
      sum += value;
    }
    for (let t = 0; t < to - from; t++) weight[i * taps + t] /= sum;
    first[i] = from;
    count[i] = to - from;
  }
  return { taps, first, count, weight };
}

/** Weights as integers with `precision` fractional bits. */
function fixedPoint(weight: Float64Array): Int32Array {
  return Int32Array.from(weight, (value) => Math.trunc(value * (1 << precision) + 0.5));
}

/** data (rows, inW, c) → (rows, outW, c) */
function alongRows(
  data: Picture['data'],
  rows: number,
  inW: number,
  outW: number,
  channels: number,
  { taps, first, count, weight }: Taps,
): Picture['data'] {
  const bytes = data instanceof Uint8Array;
  const out = bytes ? new Uint8Array(rows * outW * channels) : new Float32Array(rows * outW * channels);
  const factor = bytes ? fixedPoint(weight) : weight;
  const half = bytes ? 1 << (precision - 1) : 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < outW; x++) {
      const from = (y * inW + first[x]) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = half;
        for (let t = 0; t < count[x]; t++) sum += data[from + t * channels + c] * factor[x * taps + t];
        out[(y * outW + x) * channels + c] = bytes ? sum >> precision : sum;
      }
    }
  }
  return out;
}

/** data (inH, columns) → (outH, columns) */
function alongColumns(
  data: Picture['data'],
  inH: number,
  outH: number,
  columns: number,
  { taps, first, count, weight }: Taps,
): Picture['data'] {
  if (data.length !== inH * columns) throw new VireoError('bad-input', 'resize: rows of unequal length');
  const bytes = data instanceof Uint8Array;
  const out = bytes ? new Uint8Array(outH * columns) : new Float32Array(outH * columns);
  const factor = bytes ? fixedPoint(weight) : weight;
  const half = bytes ? 1 << (precision - 1) : 0;
  for (let y = 0; y < outH; y++) {
    const from = first[y] * columns;
    for (let x = 0; x < columns; x++) {
      let sum = half;
      for (let t = 0; t < count[y]; t++) sum += data[from + t * columns + x] * factor[y * taps + t];
      out[y * columns + x] = bytes ? sum >> precision : sum;
    }
  }
  return out;
}
