/** Cards of inputs that are no longer stored as they were. */
import type { InputCard } from '../../io/cards/index.ts';
import type { Quantization } from '../../tensor.ts';

/**
 * The card of an 8-bit input for the same input in real numbers:  s·(pixel + offset − z) = (pixel − mean)/std
 * with mean = z − offset and std = 1/s.
 */
export function realInput(input: InputCard, quantization: Quantization | null): InputCard {
  if (input.kind !== 'image' || input.scaling.kind !== 'stored' || !quantization) return input;
  const mean = quantization.zeroPoint[0] - input.scaling.offset;
  return { ...input, scaling: { kind: 'real', mean: [mean], std: [1 / quantization.scale[0]] } };
}

/** An input's card as `parseNetworkCard` reads it. */
export function writtenInput(input: InputCard): object {
  if (input.kind !== 'image') return input;
  const { scaling, ...rest } = input;
  return scaling.kind === 'stored'
    ? { ...rest, stored: { offset: scaling.offset } }
    : { ...rest, real: { mean: scaling.mean, std: scaling.std } };
}
