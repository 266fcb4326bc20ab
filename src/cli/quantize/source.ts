/** The network that is to be quantised, in float and as it was given. */
import { VireoError } from '../../errors.ts';
import type { Graph } from '../../graph/ir.ts';
import type { InputCard } from '../../io/cards/index.ts';
import { dequantize, mustBeFloat } from '../../quant/index.ts';
import { findNetworkCard } from '../cards.ts';
import { dataFolder, readNetwork } from '../files.ts';
import { type Given, shapesOf } from '../options.ts';
import { realInput } from './card.ts';

export interface Source {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** What the user has: it is judged against. */
  readonly given: Graph;
  readonly givenInput: InputCard;
  /** The same in float. */
  readonly float: Graph;
  readonly input: InputCard;
  readonly card: ReturnType<typeof findNetworkCard>;
  readonly isClassifier: boolean;
  readonly notes: readonly string[];
}

export function openSource(path: string, given: Given): Source {
  const { bytes, graph } = readNetwork(path, shapesOf(given));
  const again = given.flag('again');
  if (!again) mustBeFloat(graph);
  if (graph.inputs.length !== 1)
    throw new VireoError('usage', `${path}: has ${graph.inputs.length} inputs; a data card feeds one`);
  const card = findNetworkCard(path, bytes, { card: given.text('card'), dataFolder });
  const givenInput: InputCard = card?.card.inputs[0] ?? { kind: 'raw', about: '' };
  const input = graph.values[graph.inputs[0]];
  const kind = card?.card.outputs[0]?.kind ?? 'classification';
  return {
    path,
    bytes,
    given: graph,
    givenInput,
    float: again ? dequantize(graph).graph : graph,
    input: again ? realInput(givenInput, input.quantization) : givenInput,
    card,
    isClassifier: kind === 'classification',
    notes: [...graph.notes, ...(card?.notes ?? [])],
  };
}
