/** The front-end of networks that take the samples themselves. */

import { VireoError } from '../../errors.ts';
import type { FrontEnd } from './front-end.ts';
import { sized } from './front-end.ts';

export interface WaveformParameters {
  readonly sampleRate: number;
  /** Exactly this many samples: the end is cut, or padded with silence; 0 for as many as there are. */
  readonly samples: number;
  /** Every sample is multiplied by this. */
  readonly factor: number;
}

export const waveformDefaults: WaveformParameters = { sampleRate: 16000, samples: 0, factor: 1 };

/** Features [samples]. */
export function planWaveform(given: Partial<WaveformParameters>): FrontEnd {
  const { sampleRate, samples: fixed, factor } = { ...waveformDefaults, ...given };
  if (
    !Number.isInteger(fixed) ||
    fixed < 0 ||
    fixed > 1 << 27 ||
    !Number.isInteger(sampleRate) ||
    sampleRate < 1
  ) {
    throw new VireoError('bad-input', `waveform: ${fixed} samples at ${sampleRate} Hz`);
  }
  let data: Float32Array = new Float32Array(0);
  return {
    name: 'waveform',
    description: 'the samples themselves, [samples]',
    sampleRate,
    samplesFor: (count) => (fixed > 0 ? fixed : count),
    compute(samples) {
      data = sized(data, fixed > 0 ? fixed : samples.length);
      data.fill(0);
      const count = Math.min(data.length, samples.length);
      for (let i = 0; i < count; i++) data[i] = samples[i] * factor;
      return { shape: [data.length], data };
    },
  };
}
