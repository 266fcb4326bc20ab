/**
 * Change of sampling rate by a windowed sinc.
 *
 *   y[i] = Σₙ x[n]·h(i·from/to − n)
 *   h(t) = w(t/width)·sin(π·c·t)/(π·t),   c = 0.95·min(1, to/from),   width = 64/min(1, to/from)
 *   w(u) = I₀(β·√(1−u²))/I₀(β), |u| < 1   Kaiser, β = 10.06
 *
 * Sixty-four zero crossings a side with this β give 100 dB beyond the lower Nyquist frequency and a flat passband
 * up to nine tenths of it. Every set of weights is divided by its sum, so a constant stays what it is. Outside the
 * recording there is silence.
 *
 * The fraction of i·from/to takes at most to/gcd(from, to) values: the weights are tabulated once (polyphase).
 * Above 1024 such phases the weights are interpolated between 1024; the error that adds is below −110 dB.
 *
 * Source: Oppenheim & Schafer, "Discrete-Time Signal Processing", §4.6 (rates), §7.5 (Kaiser's design: β and length).
 */

import { VireoError } from '../../errors.ts';

const zeroCrossings = 64;
/** 0.1102·(A − 8.7) for A = 100 dB. */
const beta = 10.06;
/** The transition takes 2·(A − 8)/(2.285·128)/2π ≈ 0.1 of the band, centred here, so that it ends at Nyquist. */
const rolloff = 0.95;
const maxPhases = 1024;
const maxSamples = 1 << 27;

/** ⌈length·to/from⌉ samples; the input itself when the rates are equal. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  return planResampler(from, to)(samples);
}

/** The same for many recordings: the weights are computed once. */
export function planResampler(from: number, to: number): (samples: Float32Array) => Float32Array {
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 1 || to < 1) {
    throw new VireoError(
      'usage',
      `resample: rates are whole numbers of samples a second, got ${from} and ${to}`,
    );
  }
  if (from === to) return (samples) => samples;
  const common = greatestCommonDivisor(from, to);
  const up = to / common;
  const down = from / common;
  const phases = Math.min(up, maxPhases);
  const filter = planFilter(Math.min(1, up / down), phases);
  return (samples) => {
    const length = Math.ceil((samples.length * up) / down);
    if (length > maxSamples) {
      throw new VireoError(
        'too-large',
        `resample: ${length} samples at ${to} Hz, the limit is ${maxSamples}`,
      );
    }
    const out = new Float32Array(length);
    convolve(samples, out, filter, up, down, phases);
    return out;
  };
}

/** weights (phases + 1, taps): row p serves the fraction p/phases; tap t stands at input ⌊position⌋ − before + t. */
interface Filter {
  readonly taps: number;
  readonly before: number;
  readonly weights: Float64Array;
}

function convolve(
  samples: Float32Array,
  out: Float32Array,
  { taps, before, weights }: Filter,
  up: number,
  down: number,
  phases: number,
): void {
  for (let i = 0; i < out.length; i++) {
    const position = i * down; // in units of 1/up input samples; below 2⁵³
    const whole = Math.floor(position / up);
    const phase = ((position - whole * up) / up) * phases;
    const row = up === phases ? Math.round(phase) : Math.floor(phase);
    const mix = up === phases ? 0 : phase - row;
    const first = whole - before;
    const begin = Math.max(0, -first);
    const end = Math.min(taps, samples.length - first);
    const at = row * taps;
    let sum = 0;
    if (mix === 0) {
      for (let t = begin; t < end; t++) sum += samples[first + t] * weights[at + t];
    } else {
      for (let t = begin; t < end; t++) {
        sum += samples[first + t] * (weights[at + t] * (1 - mix) + weights[at + taps + t] * mix);
      }
    }
    out[i] = sum;
  }
}

function planFilter(band: number, phases: number): Filter {
  const width = zeroCrossings / band;
  const before = Math.ceil(width);
  const taps = 2 * before + 1;
  const weights = new Float64Array((phases + 1) * taps);
  const cutoff = rolloff * band;
  const peak = besselI0(beta);
  for (let p = 0; p <= phases; p++) {
    let sum = 0;
    for (let t = 0; t < taps; t++) {
      const x = p / phases + before - t;
      const u = x / width;
      if (Math.abs(u) >= 1) continue;
      const sinc = x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x);
      const value = (sinc * besselI0(beta * Math.sqrt(1 - u * u))) / peak;
      weights[p * taps + t] = value;
      sum += value;
    }
    for (let t = 0; t < taps; t++) weights[p * taps + t] /= sum;
  }
  return { taps, before, weights };
}

/** I₀(x) = Σₖ ((x/2)ᵏ/k!)² */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
