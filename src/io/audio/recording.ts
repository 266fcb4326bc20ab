/** What a decoded recording is, and the way to one channel. */

import { VireoError } from '../../errors.ts';

export interface Recording {
  /** Samples a second. */
  readonly sampleRate: number;
  /** One array a channel, all of the same length, full scale −1 … 1. */
  readonly channels: readonly Float32Array[];
}

/** mono[i] = mean of channel[i] over all channels; a recording with one channel gives that channel itself. */
export function toMono(recording: Recording): Float32Array {
  const { channels } = recording;
  if (channels.length === 0) throw new VireoError('bad-input', 'recording: no channels');
  if (channels.length === 1) return channels[0];
  const mono = new Float32Array(channels[0].length);
  for (let i = 0; i < mono.length; i++) {
    let sum = 0;
    for (const channel of channels) sum += channel[i];
    mono[i] = sum / channels.length;
  }
  return mono;
}
