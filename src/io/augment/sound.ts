/**
 * Random changes of recordings, and of the features made of them, that leave the words as they are, for training.
 *
 *   samples   speed, shift → gain → noise
 *   features  stretching and shifting of frames → of bands → gain of bands → masks of frames → masks of bands
 *
 * What is drawn depends on the stream alone; the order of the draws is part of the contract, and what is not asked for
 * draws nothing:
 *
 *   samples   speed · shift · gain · noise: whether, then the ratio, then one number a sample
 *   features  frameStretch · frameShift · bandStretch · bandShift · bandGain, one number a knot · each time mask: width,
 *             start · each frequency mask: width, start
 *
 * Gain and noise are as exact as the engine's powers of ten; the rest is the same on every machine.
 *
 * Sources: Ko et al. 2015, "Audio augmentation for speech recognition" (speed); Jaitly and Hinton 2013, "Vocal tract
 * length perturbation improves speech recognition" (other voices by other frequencies); Nam et al. 2022,
 * arXiv:2110.03282 (FilterAugment, the gain of bands); Park et al. 2019, arXiv:1904.08779 (SpecAugment, the masks).
 */

import { VireoError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import type { Place } from '../cards/json.ts';
import { fieldsOf, isGiven, mistake, numbersOf } from '../cards/json.ts';
import { amountOf, countOf, numberFrom, spread } from './options.ts';

/** Every amount is the most that is drawn, to either side, uniformly; 0 or nothing leaves the change out. */
export interface SoundAugmentation {
  /** Share, at most 0.5: played 1 − speed to 1 + speed times as fast; pitch and length change together. */
  readonly speed?: number;
  /** Seconds; the length stays, silence moves in, what moves out is lost. */
  readonly shift?: number;
  /** Decibels. */
  readonly gain?: number;
  /** White noise, with this probability; `snr` is the range of the ratio of signal to noise, in decibels. */
  readonly noise?: { readonly snr: readonly [low: number, high: number]; readonly probability: number };
  /** Share, at most 0.5: the course of the frames becomes 1 − s to 1 + s times as long, about the middle. */
  readonly frameStretch?: number;
  /** Frames and fractions of frames. */
  readonly frameShift?: number;
  /** Share, at most 0.5: bands are moved away from band 0, or towards it, by 1 − s to 1 + s: another vocal tract. */
  readonly bandStretch?: number;
  /** Bands and fractions of bands: another voice. */
  readonly bandShift?: number;
  /** In the features' unit: bands are raised and lowered, alike in all frames, by a line through four values: another microphone. */
  readonly bandGain?: number;
  /** Each of `count` masks covers 0 to `width` frames; what it covers becomes the mean of the features. */
  readonly timeMask?: Mask;
  /** The same over bands. */
  readonly frequencyMask?: Mask;
}

export interface Mask {
  readonly count: number;
  readonly width: number;
}

export interface SoundAugmenter {
  /**
   * One channel. The result lies in a buffer that the next call overwrites, or is `samples` itself when nothing is
   * asked; it has ⌊samples/speed + ½⌋ values, one at least unless there are none.
   */
  readonly waveform: (samples: Float32Array, random: Random) => Float32Array;
  /** f32 [frames, bands] or [frames, bands, 1], changed in place; at the ends of both axes the last value continues. */
  readonly features: (x: Float32Array, shape: readonly number[], random: Random) => void;
}

/** Options from a recipe, complete; a mistake is a VireoError `bad-file` that names the place. */
export function parseSoundAugmentation(place: Place): Required<SoundAugmentation> {
  const given = fieldsOf(place, [
    'speed',
    'shift',
    'gain',
    'noise',
    'frameStretch',
    'frameShift',
    'bandStretch',
    'bandShift',
    'bandGain',
    'timeMask',
    'frequencyMask',
  ]);
  return {
    speed: amountOf(given.speed, 0.5),
    shift: amountOf(given.shift, 60),
    gain: amountOf(given.gain, 60),
    noise: noiseOf(given.noise),
    frameStretch: amountOf(given.frameStretch, 0.5),
    frameShift: amountOf(given.frameShift, 1024),
    bandStretch: amountOf(given.bandStretch, 0.5),
    bandShift: amountOf(given.bandShift, 1024),
    bandGain: amountOf(given.bandGain, 1e6),
    timeMask: maskOf(given.timeMask),
    frequencyMask: maskOf(given.frequencyMask),
  };
}

function noiseOf(place: Place): Required<SoundAugmentation>['noise'] {
  if (!isGiven(place)) return { snr: [0, 0], probability: 0 };
  const given = fieldsOf(place, ['snr', 'probability']);
  const [low, high, ...rest] = numbersOf(given.snr, 2);
  if (rest.length > 0 || low < -60 || low > high || high > 120) {
    throw mistake(given.snr, 'two ratios in decibels, -60 <= low <= high <= 120');
  }
  return {
    snr: [low, high],
    probability: isGiven(given.probability) ? numberFrom(given.probability, 0, 1) : 1,
  };
}

function maskOf(place: Place): Mask {
  if (!isGiven(place)) return { count: 0, width: 0 };
  const given = fieldsOf(place, ['count', 'width']);
  return { count: countOf(given.count, 64), width: countOf(given.width, 1024) };
}

/** `sampleRate` in samples a second. */
export function planSoundAugmentation(options: SoundAugmentation, sampleRate: number): SoundAugmenter {
  const all = parseSoundAugmentation({ value: options, path: 'sound augmentation' });
  if (!Number.isInteger(sampleRate) || sampleRate < 1) {
    throw new VireoError('bad-input', `sound augmentation: ${sampleRate} samples a second`);
  }
  return { waveform: planWaveform(all, sampleRate), features: planFeatures(all) };
}

function planWaveform(
  { speed, shift, gain, noise }: Required<SoundAugmentation>,
  sampleRate: number,
): SoundAugmenter['waveform'] {
  const asked = speed > 0 || shift > 0 || gain > 0 || noise.probability > 0;
  let buffer = new Float32Array(0);
  return (samples, random) => {
    if (!asked || samples.length === 0) return samples;
    const rate = speed > 0 ? 1 + spread(random, speed) : 1;
    const delay = shift > 0 ? Math.round(spread(random, shift) * sampleRate) : 0;
    const length = Math.max(1, Math.floor(samples.length / rate + 0.5));
    if (buffer.length < length) buffer = new Float32Array(length);
    const out = buffer.subarray(0, length);
    play(samples, out, rate, delay);
    if (gain > 0) amplify(out, 10 ** (spread(random, gain) / 20));
    if (noise.probability > 0 && random.uniform() < noise.probability) {
      const [low, high] = noise.snr;
      addNoise(out, low + random.uniform() * (high - low), random);
    }
    return out;
  };
}

/**
 * out[i] = x((i − delay)·rate), between samples by the cubic through four of them; silence beyond the ends.
 * Source: Keys 1981, "Cubic convolution interpolation for digital image processing", eq. 15 (a = −½).
 */
function play(x: Float32Array, out: Float32Array, rate: number, delay: number): void {
  const last = x.length - 1;
  for (let i = 0; i < out.length; i++) {
    const position = (i - delay) * rate;
    const n = Math.floor(position);
    const t = position - n;
    const a = n >= 1 && n <= last + 1 ? x[n - 1] : 0;
    const b = n >= 0 && n <= last ? x[n] : 0;
    const c = n >= -1 && n < last ? x[n + 1] : 0;
    const d = n >= -2 && n < last - 1 ? x[n + 2] : 0;
    out[i] = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  }
}

function amplify(x: Float32Array, factor: number): void {
  for (let i = 0; i < x.length; i++) x[i] *= factor;
}

/** Uniform in ±√3·σ, which has deviation σ; silence stays silence. */
function addNoise(x: Float32Array, decibels: number, random: Random): void {
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += x[i] * x[i];
  const range = Math.sqrt((3 * squares) / x.length / 10 ** (decibels / 10));
  for (let i = 0; i < x.length; i++) x[i] += spread(random, range);
}

function planFeatures(all: Required<SoundAugmentation>): SoundAugmenter['features'] {
  let scratch = new Float32Array(0);
  return (x, shape, random) => {
    const [frames, bands, one = 1] = shape;
    if (shape.length < 2 || shape.length > 3 || one !== 1 || frames * bands !== x.length) {
      throw new VireoError(
        'bad-input',
        `sound augmentation: expected features [frames, bands] or [frames, bands, 1], got ${x.length} values of shape [${shape.join(', ')}]`,
      );
    }
    if (x.length === 0) return;
    if (scratch.length < Math.max(frames, bands)) scratch = new Float32Array(Math.max(frames, bands));
    if (all.frameStretch > 0 || all.frameShift > 0) {
      const factor = all.frameStretch > 0 ? 1 + spread(random, all.frameStretch) : 1;
      const way = all.frameShift > 0 ? spread(random, all.frameShift) : 0;
      moveAlong(x, bands, 1, frames, bands, (frames - 1) / 2, factor, way, scratch);
    }
    if (all.bandStretch > 0 || all.bandShift > 0) {
      const factor = all.bandStretch > 0 ? 1 + spread(random, all.bandStretch) : 1;
      const way = all.bandShift > 0 ? spread(random, all.bandShift) : 0;
      moveAlong(x, frames, bands, bands, 1, 0, factor, way, scratch);
    }
    if (all.bandGain > 0) raiseBands(x, bands, all.bandGain, random);
    if (all.timeMask.count + all.frequencyMask.count > 0) {
      const mean = meanOf(x);
      for (let m = 0; m < all.timeMask.count; m++) {
        const width = random.below(Math.min(all.timeMask.width, frames) + 1);
        const start = random.below(frames - width + 1);
        x.fill(mean, start * bands, (start + width) * bands);
      }
      for (let m = 0; m < all.frequencyMask.count; m++) {
        const width = random.below(Math.min(all.frequencyMask.width, bands) + 1);
        const start = random.below(bands - width + 1);
        for (let t = 0; t < frames; t++) x.fill(mean, t * bands + start, t * bands + start + width);
      }
    }
  };
}

/** Every line l, its elements x[l·line + i·step]: x′[i] = x(fixed + (i − fixed − way)/factor), linearly between elements. */
function moveAlong(
  x: Float32Array,
  lines: number,
  line: number,
  length: number,
  step: number,
  fixed: number,
  factor: number,
  way: number,
  old: Float32Array,
): void {
  for (let l = 0; l < lines; l++) {
    const first = l * line;
    for (let i = 0; i < length; i++) old[i] = x[first + i * step];
    for (let i = 0; i < length; i++) {
      const place = Math.min(length - 1, Math.max(0, fixed + (i - fixed - way) / factor));
      const low = Math.floor(place);
      const share = place - low;
      const high = Math.min(length - 1, low + 1);
      x[first + i * step] = (1 - share) * old[low] + share * old[high];
    }
  }
}

const knots = 4;

/** Adds to every frame the polygon through `knots` values, which lie evenly over the bands. */
function raiseBands(x: Float32Array, bands: number, most: number, random: Random): void {
  let low = spread(random, most);
  for (let knot = 1; knot < knots; knot++) {
    const high = spread(random, most);
    const from = Math.ceil(((knot - 1) * (bands - 1)) / (knots - 1));
    const end = knot === knots - 1 ? bands : Math.ceil((knot * (bands - 1)) / (knots - 1));
    for (let band = from; band < end; band++) {
      const share = bands === 1 ? 0 : (band * (knots - 1)) / (bands - 1) - (knot - 1);
      const gain = low + share * (high - low);
      for (let i = band; i < x.length; i += bands) x[i] += gain;
    }
    low = high;
  }
}

function meanOf(x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i];
  return sum / x.length;
}
