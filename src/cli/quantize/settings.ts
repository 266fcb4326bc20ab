/** What a command line asks of a quantisation. */
import { VireoError } from '../../errors.ts';
import type { Graph, Node } from '../../graph/ir.ts';
import { isMove, type QuantizeOptions, type RangeMethod, rangeMethods } from '../../quant/index.ts';
import type { Given } from '../options.ts';

export interface Settings {
  readonly quantize: QuantizeOptions;
  readonly method: RangeMethod;
  readonly bias: 'mean' | 'measured' | 'none';
  readonly equalize: boolean;
  /** Epochs. */
  readonly fineTune: number;
  readonly samples: number;
  readonly limit: number;
  readonly mostDrop: number;
  readonly shown: Readonly<Record<string, string>>;
}

export function settingsOf(given: Given): Settings {
  const oneOf = <T extends string>(name: string, choices: readonly T[], otherwise: T): T => {
    const text = given.text(name) ?? otherwise;
    const found = choices.find((choice) => choice === text);
    if (found === undefined)
      throw new VireoError('usage', `--${name} expects ${choices.join(', ')}, got ${JSON.stringify(text)}`);
    return found;
  };
  const method = oneOf('method', rangeMethods, 'mse');
  const rounding = oneOf('rounding', ['learned', 'nearest'] as const, 'learned');
  const bias = oneOf('bias', ['mean', 'measured', 'none'] as const, 'mean');
  const io = oneOf('io', ['int8', 'float'] as const, 'int8');
  const text = given.text('max-drop') ?? '0.5';
  const mostDrop = Number(text);
  if (text.trim() === '' || !Number.isFinite(mostDrop))
    throw new VireoError('usage', `--max-drop expects a number of points, got ${JSON.stringify(text)}`);
  const isInt4 = given.flag('int4-weights');
  if (!isInt4 && given.texts('int8').length > 0)
    throw new VireoError('usage', '--int8 is for networks with --int4-weights');
  const fineTune = given.count('fine-tune') ?? 0;
  const isEqualized = given.flag('equalize');
  return {
    quantize: { io, rounding, correctBias: bias !== 'none' },
    method,
    bias,
    equalize: isEqualized,
    fineTune,
    samples: given.count('samples') ?? 500,
    limit: given.count('limit') ?? Number.POSITIVE_INFINITY,
    mostDrop,
    shown: {
      ranges: method,
      rounding,
      bias,
      weights: isInt4 ? '4 bits' : '8 bits',
      ...(fineTune > 0 && { 'fine-tuned': `${fineTune} epochs` }),
      ...(isEqualized && { channels: 'equalized' }),
    },
  };
}

export const showSettings = ({ shown }: Settings): string =>
  Object.entries(shown)
    .map(([what, how]) => `${what} ${how}`)
    .join(', ');

/** `--keep` and `--int8` by the node's name or by its number in the report. */
export function precisionOf(given: Given, float: Graph): Pick<QuantizeOptions, 'keep' | 'weightBits'> {
  const layers = float.nodes.filter(({ op }) => !isMove(op.kind));
  const named = (option: string): ReadonlySet<Node> =>
    new Set(
      given.texts(option).map((text) => {
        const found = layers.find(({ name }) => name === text) ?? layers[Number(text) - 1];
        if (!found)
          throw new VireoError(
            'usage',
            `--${option}: no layer ${JSON.stringify(text)}; expected a name or 1 to ${layers.length}`,
          );
        return found;
      }),
    );
  const [kept, wide] = [named('keep'), named('int8')];
  return {
    keep: (node) => kept.has(node),
    weightBits: (node) => (given.flag('int4-weights') && !wide.has(node) ? 4 : 8),
  };
}
