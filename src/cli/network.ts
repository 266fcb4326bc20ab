/** A network ready to run from the command line: compiled, with its card. */
import { VireoError } from '../errors.ts';
import { compile } from '../graph/run/compile.ts';
import type { Session } from '../graph/run/session.ts';
import type { InputCard, NetworkCard, OutputCard } from '../io/cards/index.ts';
import { js } from '../kernels/js/index.ts';
import { reference } from '../kernels/reference/index.ts';
import { wasm } from '../kernels/wasm/index.ts';
import type { BigData } from '../tensor.ts';
import { findNetworkCard } from './cards.ts';
import { dataFolder, readNetwork, readTuning } from './files.ts';
import { type Given, shapesOf } from './options.ts';

export interface Network {
  readonly path: string;
  readonly session: Session;
  readonly kernels: string;
  readonly card: NetworkCard | undefined;
  /** What the reader should know of the card. */
  readonly notes: readonly string[];
  readonly inputCards: readonly InputCard[];
  readonly outputCards: readonly OutputCard[];
}

const sets = { reference: [reference], js: [js, reference], wasm: [wasm, js, reference] };

/** The network at `path`, with the kernels and the card that the command line asks for. */
export function openNetwork(path: string, given: Pick<Given, 'text' | 'texts'>): Network {
  const kernels = given.text('kernels') ?? 'wasm';
  if (kernels !== 'wasm' && kernels !== 'js' && kernels !== 'reference')
    throw new VireoError('usage', `--kernels expects wasm, js or reference, got ${JSON.stringify(kernels)}`);
  const { bytes, graph } = readNetwork(path, shapesOf(given));
  const found = findNetworkCard(path, bytes, { card: given.text('card'), dataFolder });
  const session = compile(graph, {
    kernels: sets[kernels],
    tuning: readTuning(path, given.text('tuning')),
  });
  const card = found?.card;
  if (
    card &&
    (card.inputs.length !== session.inputs.length || card.outputs.length !== session.outputs.length)
  )
    throw new VireoError(
      'bad-input',
      `${found.path}: describes ${card.inputs.length} inputs and ${card.outputs.length} outputs, the network has ${session.inputs.length} and ${session.outputs.length}`,
    );
  return {
    path,
    session,
    kernels,
    card,
    notes: [...graph.notes, ...(found?.notes ?? [])],
    inputCards: card?.inputs ?? session.inputs.map(() => ({ kind: 'raw', about: '' })),
    outputCards: card?.outputs ?? session.outputs.map(() => ({ kind: 'raw', about: '' })),
  };
}

/** Puts the numbers of one input in place; i64 and u64 inputs take bigints. */
export function feed(session: Session, index: number, data: ArrayLike<number> | BigData): void {
  if (data instanceof BigInt64Array) session.input(index, 'i64').set(data);
  else if (data instanceof BigUint64Array) session.input(index, 'u64').set(data);
  else session.input(index).set(data);
}

/** The live data of an output, whatever its dtype. */
export function read(session: Session, index: number) {
  return session.output(index, session.outputs[index].dtype);
}
