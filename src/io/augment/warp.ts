/**
 * One bilinear resampling of a picture, whatever moves it: an affine map and a field of displacements.
 *
 *   out[y, x] = in[v, u]      u = m₀·x + m₁·y + m₂ + bendX[y, x]
 *                             v = m₃·x + m₄·y + m₅ + bendY[y, x]
 *
 * Pixels are points at whole coordinates. A map of whole numbers moves values without changing them.
 *
 * Elastic distortion: displacements uniform in [−1, 1), blurred by a Gaussian of deviation sigma (its weights sum to 1,
 * it ends at 3·sigma, beyond the picture nothing moves), times alpha.
 * Source: Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied to visual document
 * analysis", ICDAR 2003, §2; the scaling of the blur is that of the usual implementations (alpha 34, sigma 4).
 */

import type { Random } from '../../random.ts';

export interface PictureShape {
  readonly h: number;
  readonly w: number;
  readonly c: number;
}

/** Displacements of every pixel in pixels, f32 [h, w] each. */
export interface Bend {
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/**
 * `x`, `out`: f32 [h, w, c]. Beyond the picture `empty` holds (one value a channel), or with `empty` null the picture
 * mirrored at the centres of its outermost pixels: … 2 1 | 0 1 2 … n−1 | n−2 ….
 */
export function warp(
  x: Float32Array,
  out: Float32Array,
  { h, w, c }: PictureShape,
  map: Float64Array, // (6)
  bend: Bend | null,
  empty: Float32Array | null, // (c)
): void {
  for (let j = 0, at = 0; j < h; j++) {
    for (let i = 0; i < w; i++, at += c) {
      let u = map[0] * i + map[1] * j + map[2];
      let v = map[3] * i + map[4] * j + map[5];
      if (bend !== null) {
        u += bend.x[j * w + i];
        v += bend.y[j * w + i];
      }
      const left = Math.floor(u);
      const top = Math.floor(v);
      const fu = u - left;
      const fv = v - top;
      const u0 = empty === null ? mirrored(left, w) : inside(left, w);
      const u1 = empty === null ? mirrored(left + 1, w) : inside(left + 1, w);
      const v0 = empty === null ? mirrored(top, h) : inside(top, h);
      const v1 = empty === null ? mirrored(top + 1, h) : inside(top + 1, h);
      for (let k = 0; k < c; k++) {
        const ground = empty === null ? 0 : empty[k];
        const a = u0 < 0 || v0 < 0 ? ground : x[(v0 * w + u0) * c + k];
        const b = u1 < 0 || v0 < 0 ? ground : x[(v0 * w + u1) * c + k];
        const d = u0 < 0 || v1 < 0 ? ground : x[(v1 * w + u0) * c + k];
        const e = u1 < 0 || v1 < 0 ? ground : x[(v1 * w + u1) * c + k];
        out[at + k] = (1 - fv) * ((1 - fu) * a + fu * b) + fv * ((1 - fu) * d + fu * e);
      }
    }
  }
}

/** i, or −1 beyond the picture. */
function inside(i: number, size: number): number {
  return i >= 0 && i < size ? i : -1;
}

function mirrored(i: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const place = Math.abs(i) % period;
  return place < size ? place : period - place;
}

/** Fills `bend`: draws 2·h·w numbers, the x of all pixels row by row, then the y. */
export function planElastic(
  { h, w }: PictureShape,
  alpha: number,
  sigma: number,
): { readonly bend: Bend; readonly draw: (random: Random) => void } {
  const radius = Math.ceil(3 * sigma);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (let i = 0; i < weights.length; i++) weights[i] /= sum;
  const bend: Bend = { x: new Float32Array(h * w), y: new Float32Array(h * w) };
  const row = new Float32Array(h * w);
  const fill = (field: Float32Array, random: Random): void => {
    for (let i = 0; i < field.length; i++) field[i] = (2 * random.uniform() - 1) * alpha;
    blur(field, row, h, w, 1, w, weights, radius);
    blur(row, field, w, h, w, 1, weights, radius);
  };
  return {
    bend,
    draw: (random) => {
      fill(bend.x, random);
      fill(bend.y, random);
    },
  };
}

/** out[l, i] = Σₜ weights[t]·x[l, i + t − radius] along lines of `length` whose elements lie `step` apart. */
function blur(
  x: Float32Array,
  out: Float32Array,
  lines: number,
  length: number,
  step: number,
  line: number,
  weights: Float64Array,
  radius: number,
): void {
  for (let l = 0; l < lines; l++) {
    for (let i = 0; i < length; i++) {
      const first = i - radius;
      const end = Math.min(weights.length, length - first);
      let sum = 0;
      for (let t = Math.max(0, -first); t < end; t++) sum += weights[t] * x[l * line + (first + t) * step];
      out[l * line + i * step] = sum;
    }
  }
}
