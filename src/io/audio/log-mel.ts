/**
 * Logarithmic mel spectrograms, as many networks hear, with every choice that their recipes differ in.
 *
 *   trim → level → pre-emphasis → frames → window → |FFT| → power → mel bands → logarithm → scale, clamp → standardise
 *
 *   x′[i]  = x[i] − a·x[i−1]                                         pre-emphasis, x[−1] = 0
 *   S[t,k] = s·|Σₙ w[n]·x′[t·hop + n]·e^(−2πi·kn/fft)|ᵖ              p = 1 magnitude, 2 power; at least spectrumFloor
 *   M[t,b] = Σₖ S[t,k]·mel[k,b]
 *   F[t,b] = clamp((log(M + floor) + offset)·factor)                 or log(max(M, floor))
 *
 * Frames: ⌊(samples − frame)/hop⌋ + 1, none beyond the end; a recording shorter than a frame is padded to one.
 *
 * Trim: P[j] = Σₙ x[j·s + n]² over frames that start every s = ⌊frame/4⌋ samples; what lies before the first frame of
 * P ≥ max P / 10^(trim/10), and after the last, is cut away.
 */

import { VireoError } from '../../errors.ts';
import { planRealFft } from '../../kernels/js/fft.ts';
import type { FrontEnd } from './front-end.ts';
import { sized } from './front-end.ts';
import type { MelScale } from './mel.ts';
import { gather, planMelBank } from './mel.ts';
import type { WindowName } from './window.ts';
import { windowOf } from './window.ts';

export interface LogMelParameters {
  /** Samples a second. */
  readonly sampleRate: number;
  /** Samples in a frame, and from one frame to the next. */
  readonly frame: number;
  readonly hop: number;
  /** Points of the transform, at least `frame`; default the next power of two. */
  readonly fft: number;
  readonly window: WindowName;
  /** Decibels below the loudest frame's power at which the recording begins and ends; 0 keeps all of it. */
  readonly trim: number;
  /** `max`: divide by the largest sample; `peak`: by the largest absolute one; nothing is done to silence. */
  readonly level: 'none' | 'max' | 'peak';
  /** a in x[i] − a·x[i−1]. */
  readonly preEmphasis: number;
  /** Mirror the recording at both ends, fft/2 samples of it, so that frame t is centred on sample t·hop (librosa's center=True). */
  readonly centre: boolean;
  readonly spectrum: 'magnitude' | 'power';
  readonly spectrumFactor: number;
  readonly spectrumFloor: number;
  readonly mels: number;
  readonly lowHz: number;
  readonly highHz: number;
  readonly melScale: MelScale;
  readonly melSlopes: 'mel' | 'hz';
  readonly melNormalise: 'none' | 'area';
  /** `decibel` is 10·log₁₀. */
  readonly log: 'natural' | 'log10' | 'decibel';
  /** Keeps the logarithm finite: added to every band, or the least that a band counts. */
  readonly floor: number;
  readonly floorBy: 'add' | 'max';
  readonly offset: number;
  readonly factor: number;
  /** Least and largest value after offset and factor; empty for none. */
  readonly clamp: readonly number[];
  /** `recording`: subtract the mean of all values and divide by their standard deviation plus 1e-6. */
  readonly standardise: 'none' | 'recording';
  /** Exactly this many frames: the recording is cut, or padded with silence; 0 for as many as there are. */
  readonly frames: number;
  /** With `frames`: what is cut or padded, the end or both ends alike. */
  readonly fit: 'start' | 'centre';
  /** Frames to leave out at the beginning. */
  readonly skip: number;
}

export const logMelDefaults: LogMelParameters = {
  sampleRate: 16000,
  frame: 400,
  hop: 160,
  fft: 0,
  window: 'hann-periodic',
  trim: 0,
  level: 'none',
  preEmphasis: 0,
  centre: false,
  spectrum: 'power',
  spectrumFactor: 1,
  spectrumFloor: 0,
  mels: 40,
  lowHz: 0,
  highHz: 0,
  melScale: 'htk',
  melSlopes: 'mel',
  melNormalise: 'none',
  log: 'natural',
  floor: 1e-6,
  floorBy: 'add',
  offset: 0,
  factor: 1,
  clamp: [],
  standardise: 'none',
  frames: 0,
  fit: 'start',
  skip: 0,
};

/** Features [frames, mels]. `fft` 0 means the next power of two, `highHz` 0 half the sampling rate. */
export function planLogMel(
  given: Partial<LogMelParameters>,
  name = 'log-mel',
  description = 'logarithmic mel spectrogram, [frames, mels]',
): FrontEnd {
  const parameters = completed(given, name);
  const { sampleRate, frame, hop, fft: fftSize, mels, frames: fixed, skip, centre } = parameters;
  const fft = planRealFft(fftSize);
  const window = windowOf(parameters.window, frame);
  const bank = planMelBank({
    sampleRate,
    fftSize,
    bands: mels,
    lowHz: parameters.lowHz,
    highHz: parameters.highHz,
    scale: parameters.melScale,
    slopes: parameters.melSlopes,
    normalise: parameters.melNormalise,
  });
  const spectrum = new Float64Array(fft.bins);
  const band = new Float64Array(mels);
  const border = centre ? fftSize >> 1 : 0;
  let signal: Float32Array = new Float32Array(0); // levelled, emphasised, cut or padded
  let data: Float32Array = new Float32Array(0);

  /** Samples without the borders that `centre` adds. */
  const samplesFor = (frames: number): number =>
    Math.max(1, (Math.max(1, frames + skip) - 1) * hop + frame - 2 * border);

  return {
    name,
    description,
    sampleRate,
    samplesFor,
    compute(recording) {
      const samples = parameters.trim > 0 ? trimmed(recording, frame, parameters.trim) : recording;
      const length = fixed > 0 ? samplesFor(fixed) : Math.max(samples.length, samplesFor(1));
      signal = sized(signal, length + 2 * border);
      lay(samples, signal, border, length, parameters);
      const frames = fixed > 0 ? fixed : Math.floor((signal.length - frame) / hop) + 1 - skip;
      data = sized(data, frames * mels); // (frames, mels)
      for (let t = 0; t < frames; t++) {
        const from = (t + skip) * hop;
        for (let n = 0; n < frame; n++) fft.input[n] = signal[from + n] * window[n];
        fft.forward();
        measure(fft.re, fft.im, spectrum, parameters);
        gather(bank, spectrum, band, 0);
        compress(band, data, t * mels, parameters);
      }
      if (parameters.standardise === 'recording') standardise(data);
      return { shape: [frames, mels], data };
    },
  };
}

/** The recording without what is `decibels` quieter than its loudest frame at either end; a part of the same memory. */
function trimmed(samples: Float32Array, frame: number, decibels: number): Float32Array {
  const step = Math.max(1, frame >> 2);
  const count = Math.floor((samples.length - frame) / step) + 1;
  if (count <= 1) return samples;
  const power = new Float64Array(count);
  let most = 0;
  for (let j = 0; j < count; j++) {
    let sum = 0;
    for (let i = j * step; i < j * step + frame; i++) sum += samples[i] * samples[i];
    power[j] = sum;
    most = Math.max(most, sum);
  }
  const least = most / 10 ** (decibels / 10);
  let first = 0;
  let last = count - 1;
  while (power[first] < least) first++;
  while (power[last] < least) last--;
  return samples.subarray(first * step, last === count - 1 ? samples.length : last * step + frame);
}

/**
 * signal[j] ← sample j − border + cut of the recording, which is padded with silence to at least `length`, levelled and
 * emphasised; beyond its two ends the recording is mirrored.
 */
function lay(
  samples: Float32Array,
  signal: Float32Array,
  border: number,
  length: number,
  { level, preEmphasis, fit }: LogMelParameters,
): void {
  const spare = fit === 'centre' ? Math.trunc((samples.length - length) / 2) : 0;
  const cut = Math.max(0, spare);
  const silence = Math.max(0, -spare); // before the recording
  const last = Math.max(samples.length, length) - 1;
  const divisor = level === 'none' ? 1 : levelOf(samples, level);
  for (let j = 0; j < signal.length; j++) {
    let i = j - border + cut;
    if (i < 0) i = Math.min(last, -i);
    if (i > last) i = Math.max(0, 2 * last - i);
    i -= silence;
    const now = i >= 0 && i < samples.length ? samples[i] : 0;
    const before = preEmphasis !== 0 && i >= 1 && i <= samples.length ? samples[i - 1] : 0;
    signal[j] = (now - preEmphasis * before) / divisor;
  }
}

/** The largest sample, or the largest absolute one; 1 when that is zero, so that silence stays silence. */
function levelOf(samples: Float32Array, level: 'max' | 'peak'): number {
  let largest = level === 'max' && samples.length > 0 ? samples[0] : 0;
  for (let i = 0; i < samples.length; i++) {
    largest = Math.max(largest, level === 'max' ? samples[i] : Math.abs(samples[i]));
  }
  return largest === 0 ? 1 : largest;
}

function measure(
  re: Float64Array,
  im: Float64Array,
  spectrum: Float64Array,
  { spectrum: kind, spectrumFactor, spectrumFloor }: LogMelParameters,
): void {
  for (let k = 0; k < spectrum.length; k++) {
    const power = re[k] * re[k] + im[k] * im[k];
    const value = (kind === 'power' ? power : Math.sqrt(power)) * spectrumFactor;
    spectrum[k] = Math.max(value, spectrumFloor);
  }
}

/** data[at + b] = clamp((log(band[b]) + offset)·factor) */
function compress(band: Float64Array, data: Float32Array, at: number, parameters: LogMelParameters): void {
  const { log, floor, floorBy, offset, factor, clamp } = parameters;
  const unit = log === 'natural' ? 1 : log === 'log10' ? Math.LOG10E : 10 * Math.LOG10E;
  const [low, high] = clamp.length === 2 ? clamp : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let b = 0; b < band.length; b++) {
    const value = floorBy === 'add' ? band[b] + floor : Math.max(band[b], floor);
    data[at + b] = Math.min(high, Math.max(low, (Math.log(value) * unit + offset) * factor));
  }
}

function standardise(data: Float32Array): void {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i];
  const mean = sum / data.length;
  let squares = 0;
  for (let i = 0; i < data.length; i++) squares += (data[i] - mean) ** 2;
  const deviation = Math.sqrt(squares / data.length) + 1e-6;
  for (let i = 0; i < data.length; i++) data[i] = (data[i] - mean) / deviation;
}

function completed(given: Partial<LogMelParameters>, name: string): LogMelParameters {
  const all = { ...logMelDefaults, ...given };
  let fft = all.fft;
  for (fft ||= 1; all.fft === 0 && fft < all.frame; fft *= 2);
  const highHz = all.highHz === 0 ? all.sampleRate / 2 : all.highHz;
  const demand = (holds: boolean, message: string): void => {
    if (!holds) throw new VireoError('bad-input', `${name}: ${message}`);
  };
  const whole = (key: 'sampleRate' | 'frame' | 'hop' | 'mels', limit: number): void =>
    demand(
      Number.isInteger(all[key]) && all[key] >= 1 && all[key] <= limit,
      `${key} must be a whole number from 1 to ${limit}, got ${all[key]}`,
    );
  whole('sampleRate', 1_000_000);
  whole('frame', 1 << 16);
  whole('hop', 1 << 16);
  whole('mels', 1024);
  demand(
    Number.isInteger(fft) && fft >= all.frame && fft <= 1 << 17,
    `fft ${fft} for frames of ${all.frame}`,
  );
  demand(
    all.lowHz >= 0 && all.lowHz < highHz && highHz <= all.sampleRate / 2,
    `expected 0 <= lowHz < highHz <= ${all.sampleRate / 2}, got ${all.lowHz} and ${highHz}`,
  );
  demand(
    all.clamp.length === 2 || (all.clamp.length === 0 && all.floor > 0),
    'floor must be positive, or clamp must give the least and the largest value',
  );
  demand(all.trim >= 0, `trim must not be negative, got ${all.trim}`);
  demand(Number.isInteger(all.frames) && all.frames >= 0 && all.frames <= 100_000, `${all.frames} frames`);
  demand(Number.isInteger(all.skip) && all.skip >= 0 && all.skip <= 100_000, `skip ${all.skip} frames`);
  return { ...all, fft, highHz };
}
