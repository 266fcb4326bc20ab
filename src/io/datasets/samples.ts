/**
 * Items of a data set on their way into a network in training: what never changes is computed once and kept, what an
 * augmentation changes is computed at every draw.
 *
 *   picture    ─ size, channels, scaling ─ kept ─ augmentation → input
 *   recording  ─ mono, rate ─ kept ─ augmentation ─ front-end ─ masks → input
 */
import { VireoError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import { elementCount, showShape, type TensorInfo } from '../../tensor.ts';
import { planFrontEnd } from '../audio/front-ends.ts';
import { planPictureAugmentation } from '../augment/picture.ts';
import { planSoundAugmentation } from '../augment/sound.ts';
import { type InputSource, planInput, planRate } from '../cards/prepare.ts';
import type { Recipe } from '../recipes/recipe.ts';

export interface SamplePlan {
  /** A picture as the input's numbers, or a recording's samples at the front-end's rate. */
  readonly keep: (source: InputSource) => Float32Array;
  /** Into `out`, of the input's length. Without `random` as it is, without augmentation. */
  readonly draw: (kept: Float32Array, out: Float32Array, random: Random | null) => void;
}

export function planSamples({
  shape,
  input,
  augment,
}: Pick<Recipe, 'shape' | 'input' | 'augment'>): SamplePlan {
  const info: TensorInfo = { dtype: 'f32', shape: [1, ...shape] };
  const length = elementCount(shape);
  if (augment.kind === 'picture') {
    const { prepare } = planInput(input, info);
    const change = planPictureAugmentation(augment.options, shape, background(input));
    return {
      keep: (source) => prepare(source) as Float32Array, // the info asks for f32
      draw: (kept, out, random) => {
        if (random) change(kept, random, out);
        else out.set(kept);
      },
    };
  }
  if (input.kind !== 'audio' || input.window !== undefined)
    throw new VireoError('unsupported', 'a recipe for sound needs an input of kind "audio" without windows');
  const frontEnd = planFrontEnd(input.frontEnd, input.parameters);
  const atRate = planRate(frontEnd);
  const change = planSoundAugmentation(augment.options, frontEnd.sampleRate);
  return {
    keep: (source) => {
      if (source.kind !== 'recording')
        throw new VireoError('bad-input', `the network takes a recording, got a ${source.kind}`);
      return atRate(source.recording);
    },
    draw: (kept, out, random) => {
      const features = frontEnd.compute(random ? change.waveform(kept, random) : kept);
      if (features.data.length !== length)
        throw new VireoError(
          'bad-input',
          `${input.frontEnd} gives ${showShape(features.shape)} features, the network takes ${showShape(shape)}`,
        );
      out.set(features.data);
      if (random) change.features(out, [shape[0], elementCount(shape) / shape[0]], random);
    },
  };
}

/** What a black pixel becomes, for each channel. */
function background(input: Recipe['input']): number[] {
  if (input.kind !== 'image' || input.scaling.kind !== 'real') return [0];
  const { mean, std } = input.scaling;
  return mean.map((value, i) => -value / std[i % std.length]!);
}
