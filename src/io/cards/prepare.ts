/**
 * A picture, a recording or a raw tensor into the numbers that a network's input takes, as its card says.
 */

import { VireoError } from '../../errors.ts';
import type { Quantization, Tensor, TensorData, TensorInfo } from '../../tensor.ts';
import type { FrontEnd } from '../audio/front-end.ts';
import { planFrontEnd } from '../audio/front-ends.ts';
import type { Recording } from '../audio/recording.ts';
import { toMono } from '../audio/recording.ts';
import { planResampler } from '../audio/resample.ts';
import type { Picture } from '../image/picture.ts';
import { toInput } from '../image/to-input.ts';
import type { InputCard } from './network-card.ts';
import type { Rounding } from './store.ts';
import { itemLength, readReal, storeReal } from './store.ts';

export type InputSource =
  | { readonly kind: 'picture'; readonly picture: Picture }
  | { readonly kind: 'recording'; readonly recording: Recording }
  | { readonly kind: 'tensor'; readonly tensor: Tensor; readonly quantization?: Quantization | null };

/** What goes into the network in one run. */
export interface PreparedWindow {
  readonly data: TensorData;
  /** Where in the recording it starts; 0 for everything else. */
  readonly startSeconds: number;
}

/** An input with its front-end planned, for many sources. */
export interface InputPlan {
  /** The numbers for one run, ready for `session.input(i).set(…)`; of a recording with windows, the first. */
  prepare(source: InputSource): TensorData;
  /** One for each window of a recording, else just one. */
  windows(source: InputSource): Generator<PreparedWindow>;
}

export function prepareInput(input: InputCard, info: TensorInfo, source: InputSource): TensorData {
  return planInput(input, info).prepare(source);
}

export function planInput(input: InputCard, info: TensorInfo): InputPlan {
  const hear = input.kind === 'audio' ? planHearing(input, info) : undefined;
  function* windows(source: InputSource): Generator<PreparedWindow> {
    if (source.kind === 'tensor') {
      const rounding = input.kind === 'raw' ? 'nearest' : input.rounding;
      yield { data: fromTensor(source.tensor, source.quantization ?? null, info, rounding), startSeconds: 0 };
    } else if (source.kind === 'picture' && input.kind === 'image') {
      yield { data: toInput(source.picture, input, info), startSeconds: 0 };
    } else if (source.kind === 'recording' && hear !== undefined) {
      yield* hear(source.recording);
    } else {
      const wanted = { image: 'a picture', audio: 'a recording', raw: 'a raw tensor' }[input.kind];
      throw new VireoError('bad-input', `the network takes ${wanted}, got a ${source.kind}`);
    }
  }
  return {
    windows,
    prepare(source) {
      for (const { data } of windows(source)) return data;
      throw new VireoError('bad-input', 'the recording gives no window');
    },
  };
}

/** Mono, the front-end's rate, features, windows of them, the input's data type. */
function planHearing(
  input: InputCard & { readonly kind: 'audio' },
  info: TensorInfo,
): (recording: Recording) => Generator<PreparedWindow> {
  const frontEnd = planFrontEnd(input.frontEnd, input.parameters);
  const atRate = planRate(frontEnd);
  const where = `recording, ${input.frontEnd}`;

  return function* hear(recording) {
    let samples = atRate(recording);
    const { window } = input;
    if (window === undefined) {
      const { data } = frontEnd.compute(samples);
      yield { data: storeReal(data, info, input.rounding, where), startSeconds: 0 };
      return;
    }
    const least = frontEnd.samplesFor(window.frames);
    if (samples.length < least) {
      const padded = new Float32Array(least); // silence at the end
      padded.set(samples);
      samples = padded;
    }
    const { shape, data } = frontEnd.compute(samples);
    const width = data.length / shape[0];
    const secondsPerFrame = (frontEnd.samplesFor(2) - frontEnd.samplesFor(1)) / frontEnd.sampleRate;
    for (let first = 0; first + window.frames <= shape[0]; first += window.step) {
      const features = data.subarray(first * width, (first + window.frames) * width);
      yield { data: storeReal(features, info, input.rounding, where), startSeconds: first * secondsPerFrame };
    }
  };
}

/** Recordings as one channel at the front-end's rate. */
export function planRate(frontEnd: FrontEnd): (recording: Recording) => Float32Array {
  const resamplers = new Map<number, (samples: Float32Array) => Float32Array>();
  return (recording) => {
    let change = resamplers.get(recording.sampleRate);
    if (change === undefined) {
      change = planResampler(recording.sampleRate, frontEnd.sampleRate);
      resamplers.set(recording.sampleRate, change);
    }
    return change(toMono(recording));
  };
}

/**
 * Numbers that are already features. They pass as they are when the input stores them the same way; else they are
 * read as real numbers (with their own quantisation) and stored anew (with the network's).
 */
function fromTensor(
  tensor: Tensor,
  quantization: Quantization | null,
  info: TensorInfo,
  rounding: Rounding,
): TensorData {
  const expected = itemLength(info.shape);
  if (tensor.data.length !== expected) {
    throw new VireoError(
      'bad-input',
      `tensor: the network takes ${expected} values, got ${tensor.data.length}`,
    );
  }
  const same = quantization === null || alike(quantization, info.quantization ?? null);
  if (tensor.dtype === info.dtype && same) return tensor.data.slice();
  if (tensor.dtype !== 'f32' && info.dtype !== 'f32' && (quantization === null || !info.quantization)) {
    throw new VireoError(
      'bad-input',
      `tensor: ${tensor.dtype} values for an ${info.dtype} input; say how they are quantised`,
    );
  }
  return storeReal(readReal(tensor.data, quantization), info, rounding, 'tensor');
}

/** Scales written in decimal differ from the file's f32 in the last digits. */
function alike(a: Quantization, b: Quantization | null): boolean {
  return (
    b !== null &&
    a.zeroPoint[0] === b.zeroPoint[0] &&
    Math.abs(a.scale[0] - b.scale[0]) <= 1e-6 * Math.abs(a.scale[0])
  );
}
