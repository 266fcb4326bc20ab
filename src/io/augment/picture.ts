/**
 * Random changes of pictures that leave their class as it is, for training.
 *
 *   geometry (one bilinear resampling) → brightness, contrast, saturation → cutout
 *
 * They act on a network's input, after scaling. What is drawn depends on the stream alone; the order of the draws is
 * part of the contract, and what is not asked for draws nothing:
 *
 *   shift x, y · crop x, y · drift x, y · rotate · zoom · stretch · shear · flip · elastic (all x, then all y) ·
 *   brightness · contrast · saturation · cutout x, y
 *
 * Rotation, shear and elastic are as exact as the engine's `sin`, `cos`, `tan` and `exp`; the rest is the same on every
 * machine.
 *
 * Sources: Simard et al., ICDAR 2003 (affine and elastic distortions of digits); He et al. 2016, arXiv:1512.03385, §4.2
 * (padding and cropping of CIFAR-10); DeVries and Taylor 2017, arXiv:1708.04552 (cutout).
 */

import { VireoError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import type { Place } from '../cards/json.ts';
import { fieldsOf, isGiven, oneOf } from '../cards/json.ts';
import { amountOf, countOf, flagOf, numberFrom, spread } from './options.ts';
import type { PictureShape } from './warp.ts';
import { planElastic, warp } from './warp.ts';

/** Every amount is the most that is drawn, to either side, uniformly; 0, false or nothing leaves the change out. */
export interface PictureAugmentation {
  /** Whole pixels, along x and y independently. */
  readonly shift?: number;
  /** Whole pixels: pads every side by so many and cuts the size out again at random. The same as a shift, and added to it. */
  readonly crop?: number;
  /** Pixels and fractions of pixels, along x and y independently. */
  readonly drift?: number;
  /** Degrees about the middle, at most 180. */
  readonly rotate?: number;
  /** Share, at most 0.9: everything becomes 1 − zoom to 1 + zoom times as large. */
  readonly zoom?: number;
  /** Share, at most 0.9: s from 1 − stretch to 1 + stretch, width times s and height divided by s. */
  readonly stretch?: number;
  /** Degrees by which verticals slant, at most 60. */
  readonly shear?: number;
  /** Left and right changed with probability ½. */
  readonly flip?: boolean;
  /** Displacement of every pixel: white noise blurred with deviation `sigma` (0.5 to 64 pixels), times `alpha` (pixels). */
  readonly elastic?: { readonly alpha: number; readonly sigma: number };
  /** What moves into the picture: the background, or the picture mirrored at its border. */
  readonly border?: 'background' | 'reflect';
  /** Added to all values, in their own unit; nothing is clamped. */
  readonly brightness?: number;
  /** Share, at most 1: distances from the picture's mean are multiplied by 1 − contrast to 1 + contrast. */
  readonly contrast?: number;
  /** Share, at most 1; three channels: distances from a pixel's mean are multiplied by 1 − saturation to 1 + saturation. */
  readonly saturation?: number;
  /** Side in pixels of a square of background about a random pixel; what of it lies outside falls away. */
  readonly cutout?: number;
}

const mostPixels = 1024;

/** Options from a recipe, complete; a mistake is a VireoError `bad-file` that names the place. */
export function parsePictureAugmentation(place: Place): Required<PictureAugmentation> {
  const given = fieldsOf(place, [
    'shift',
    'crop',
    'drift',
    'rotate',
    'zoom',
    'stretch',
    'shear',
    'flip',
    'elastic',
    'border',
    'brightness',
    'contrast',
    'saturation',
    'cutout',
  ]);
  return {
    shift: countOf(given.shift, mostPixels),
    crop: countOf(given.crop, mostPixels),
    drift: amountOf(given.drift, mostPixels),
    rotate: amountOf(given.rotate, 180),
    zoom: amountOf(given.zoom, 0.9),
    stretch: amountOf(given.stretch, 0.9),
    shear: amountOf(given.shear, 60),
    flip: flagOf(given.flip),
    elastic: elasticOf(given.elastic),
    border: isGiven(given.border) ? oneOf(given.border, ['background', 'reflect']) : 'background',
    brightness: amountOf(given.brightness, 1e6),
    contrast: amountOf(given.contrast, 1),
    saturation: amountOf(given.saturation, 1),
    cutout: countOf(given.cutout, mostPixels),
  };
}

function elasticOf(place: Place): Required<PictureAugmentation>['elastic'] {
  if (!isGiven(place)) return { alpha: 0, sigma: 1 };
  const given = fieldsOf(place, ['alpha', 'sigma']);
  return { alpha: numberFrom(given.alpha, 0, 1e4), sigma: numberFrom(given.sigma, 0.5, 64) };
}

/**
 * A function that reads `x` and writes `out`, both f32 [h, w, c] and apart in memory; a call allocates nothing.
 * `background`: the value that stands for empty, for every channel, or one for all.
 */
export function planPictureAugmentation(
  options: PictureAugmentation,
  shape: readonly [h: number, w: number, c: number],
  background: readonly number[],
): (x: Float32Array, random: Random, out: Float32Array) => void {
  const all = parsePictureAugmentation({ value: options, path: 'picture augmentation' });
  const { brightness, contrast, saturation, cutout } = all;
  const [h, w, c] = shape;
  const size = { h, w, c };
  const empty = emptyOf(size, background);
  if (saturation > 0 && c !== 3) {
    throw new VireoError(
      'bad-input',
      `picture augmentation: saturation needs 3 channels, the input has ${c}`,
    );
  }
  const map = new Float64Array(6);
  const elastic = all.elastic.alpha > 0 ? planElastic(size, all.elastic.alpha, all.elastic.sigma) : null;
  const ground = all.border === 'reflect' ? null : empty;
  const moves =
    elastic !== null ||
    all.flip ||
    [all.shift, all.crop, all.drift, all.rotate, all.zoom, all.stretch, all.shear].some((most) => most > 0);
  return (x, random, out) => {
    if (x.length !== h * w * c || out.length !== x.length || x === out) {
      throw new VireoError(
        'bad-input',
        `picture augmentation: expected two arrays of ${h}x${w}x${c} values, got ${x.length} and ${x === out ? 'the same' : out.length}`,
      );
    }
    if (moves) {
      drawMap(all, size, random, map);
      elastic?.draw(random);
      warp(x, out, size, map, elastic === null ? null : elastic.bend, ground);
    } else {
      out.set(x);
    }
    if (brightness > 0 || contrast > 0) {
      const lift = brightness > 0 ? spread(random, brightness) : 0;
      const factor = contrast > 0 ? 1 + spread(random, contrast) : 1;
      relight(out, lift, factor);
    }
    if (saturation > 0) recolour(out, 1 + spread(random, saturation));
    if (cutout > 0) {
      const left = random.below(w) - (cutout >> 1);
      const top = random.below(h) - (cutout >> 1);
      erase(out, size, left, top, cutout, empty);
    }
  };
}

function emptyOf({ h, w, c }: PictureShape, background: readonly number[]): Float32Array {
  const extents = [h, w, c];
  if (!extents.every((extent) => Number.isInteger(extent) && extent >= 1 && extent <= 1 << 14)) {
    throw new VireoError('bad-input', `picture augmentation: shape [${extents.join(', ')}]`);
  }
  if ((background.length !== 1 && background.length !== c) || !background.every(Number.isFinite)) {
    throw new VireoError(
      'bad-input',
      `picture augmentation: expected a background of 1 or ${c} numbers, got [${background.join(', ')}]`,
    );
  }
  return Float32Array.from({ length: c }, (_, k) => background[k % background.length]);
}

/**
 * map ← where an output pixel comes from, q₀ the picture's middle and t its whole way:
 *
 *   source = q₀ + Z⁻¹·K⁻¹·R⁻¹·(q − q₀ − t)      R turns, K slants, Z enlarges;      a flip: sourceₓ ← w − 1 − sourceₓ
 */
function drawMap(
  all: Required<PictureAugmentation>,
  { h, w }: PictureShape,
  random: Random,
  map: Float64Array,
): void {
  const degree = Math.PI / 180;
  let tx = 0;
  let ty = 0;
  if (all.shift > 0) {
    tx += random.below(2 * all.shift + 1) - all.shift;
    ty += random.below(2 * all.shift + 1) - all.shift;
  }
  if (all.crop > 0) {
    tx += random.below(2 * all.crop + 1) - all.crop;
    ty += random.below(2 * all.crop + 1) - all.crop;
  }
  if (all.drift > 0) {
    tx += spread(random, all.drift);
    ty += spread(random, all.drift);
  }
  const angle = all.rotate > 0 ? spread(random, all.rotate) * degree : 0;
  const zoom = all.zoom > 0 ? 1 + spread(random, all.zoom) : 1;
  const stretch = all.stretch > 0 ? 1 + spread(random, all.stretch) : 1;
  const slant = all.shear > 0 ? Math.tan(spread(random, all.shear) * degree) : 0;
  const sign = all.flip && random.uniform() < 0.5 ? -1 : 1;

  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const x0 = (w - 1) / 2;
  const y0 = (h - 1) / 2;
  map[0] = (sign * (cos + slant * sin)) / (zoom * stretch);
  map[1] = (sign * (sin - slant * cos)) / (zoom * stretch);
  map[3] = (-sin * stretch) / zoom;
  map[4] = (cos * stretch) / zoom;
  map[2] = x0 - map[0] * (x0 + tx) - map[1] * (y0 + ty);
  map[5] = y0 - map[3] * (x0 + tx) - map[4] * (y0 + ty);
}

/** v ← mean + factor·(v − mean) + lift, the mean over all pixels and channels. */
function relight(out: Float32Array, lift: number, factor: number): void {
  let sum = 0;
  for (let i = 0; i < out.length; i++) sum += out[i];
  const mean = sum / out.length;
  for (let i = 0; i < out.length; i++) out[i] = mean + factor * (out[i] - mean) + lift;
}

/** v[c] ← g + factor·(v[c] − g), g the mean of the pixel's three channels. */
function recolour(out: Float32Array, factor: number): void {
  for (let i = 0; i < out.length; i += 3) {
    const grey = (out[i] + out[i + 1] + out[i + 2]) / 3;
    for (let k = i; k < i + 3; k++) out[k] = grey + factor * (out[k] - grey);
  }
}

function erase(
  out: Float32Array,
  { h, w, c }: PictureShape,
  left: number,
  top: number,
  side: number,
  empty: Float32Array,
): void {
  const right = Math.min(w, left + side);
  const bottom = Math.min(h, top + side);
  for (let j = Math.max(0, top); j < bottom; j++) {
    for (let i = Math.max(0, left); i < right; i++) {
      for (let k = 0; k < c; k++) out[(j * w + i) * c + k] = empty[k];
    }
  }
}
