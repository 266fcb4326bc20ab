/** What a front-end is: the step from samples to the features that a network hears. */

import type { Shape } from '../../tensor.ts';

export interface Features {
  readonly shape: Shape;
  /** Row-major; valid until the same front-end computes again. */
  readonly data: Float32Array;
}

/** Planned once; `compute` reuses its buffers as long as the recordings have the same length. */
export interface FrontEnd {
  readonly name: string;
  readonly description: string;
  /** The rate that `compute` expects, samples a second. */
  readonly sampleRate: number;
  /** Samples (one channel, −1 … 1, at `sampleRate`) to features. */
  compute(samples: Float32Array): Features;
  /** Samples that give this many frames (or, without frames, this many values). */
  samplesFor(frames: number): number;
}

/** A buffer of `length`, the old one when it fits. */
export function sized(buffer: Float32Array, length: number): Float32Array {
  return buffer.length === length ? buffer : new Float32Array(length);
}
