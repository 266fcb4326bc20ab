/** The card of a network that was made of another: what the first one's says, for the new file. */
import { VireoError } from '../../errors.ts';
import type { FoundCard, InputCard } from '../../io/cards/index.ts';
import type { Quantization } from '../../tensor.ts';
import { diskFiles } from '../cards.ts';

/**
 * The card's text with the new file's hash. Labels that lie in other files are written out, since the new card lies
 * elsewhere; `inputs`, where given, take the place of the old ones.
 */
export function cardFor(found: FoundCard, sha256: string, inputs?: readonly InputCard[]): string {
  const text = diskFiles.read(found.path);
  if (text === undefined) throw new VireoError('io', `${found.path}: has gone`);
  const card = JSON.parse(text) as { readonly outputs: readonly object[] }; // it was parsed with every field checked before
  const outputs = card.outputs.map((output, i) => {
    const described = found.card.outputs[i];
    const names = 'labels' in described ? described.labels.names : [];
    return names.length > 0 ? { ...output, labels: names } : output;
  });
  const given = inputs && { inputs: inputs.map(writtenInput) };
  return `${JSON.stringify({ ...card, sha256: [sha256], outputs, ...given }, null, 2)}\n`;
}

/** An input's card as `parseNetworkCard` reads it. */
function writtenInput(input: InputCard): object {
  if (input.kind !== 'image') return input;
  const { scaling, ...rest } = input;
  return scaling.kind === 'stored'
    ? { ...rest, stored: { offset: scaling.offset } }
    : { ...rest, real: { mean: scaling.mean, std: scaling.std } };
}

/**
 * The card of an 8-bit input for the same input in real numbers:  s·(pixel + offset − z) = (pixel − mean)/std
 * with mean = z − offset and std = 1/s.
 */
export function realInput(input: InputCard, quantization: Quantization | null): InputCard {
  if (input.kind !== 'image' || input.scaling.kind !== 'stored' || !quantization) return input;
  const mean = quantization.zeroPoint[0] - input.scaling.offset;
  return { ...input, scaling: { kind: 'real', mean: [mean], std: [1 / quantization.scale[0]] } };
}
