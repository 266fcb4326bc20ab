/**
 * The distinct quantisations of a network.
 *
 *   [scale, zero point, axis]     axis is left out where it is 0
 *
 *   scale        s          one for the tensor
 *                [t]        those in tensor t, one for each index of the axis
 *                [a, b]     the products of those of entries a and b, rounded to f32: what a bias has
 *   zero point   z          the same for all scales, or a list of as many
 */
import { VireoError } from '../../errors.ts';
import type { Graph, ValueId } from '../../graph/ir.ts';
import { isBig, type Quantization, type Tensor, type TensorData } from '../../tensor.ts';
import { type Data, show } from './cbor.ts';

/** f32(a·b), element by element; of one scale against many, the one with each. */
function products(a: readonly number[], b: readonly number[]): readonly number[] {
  const count = Math.max(a.length, b.length);
  return Array.from({ length: count }, (_, i) =>
    Math.fround(a[a.length === 1 ? 0 : i]! * b[b.length === 1 ? 0 : i]!),
  );
}

const isEqual = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** The same for those that are equal. */
export const keyOf = ({ scale, zeroPoint, axis }: Quantization): string =>
  `${scale.join()}/${zeroPoint.join()}/${axis}`;

/** Stores a list of numbers and says under which index. */
type Store = (scales: Float32Array | Float64Array) => number;

export interface WrittenQuantizations {
  readonly data: readonly Data[];
  readonly indexOf: (quantization: Quantization) => number;
}

export function writeQuantizations(graph: Graph, store: Store): WrittenQuantizations {
  const data: Data[] = [];
  const known = new Map<string, number>();
  const add = (quantization: Quantization, product: readonly [number, number] | null): void => {
    const key = keyOf(quantization);
    if (known.has(key)) return;
    const { scale, zeroPoint, axis } = quantization;
    const scales = product ?? (scale.length === 1 ? scale[0]! : [store(stored(scale))]);
    const zeros = zeroPoint.every((z) => z === zeroPoint[0]) ? (zeroPoint[0] ?? 0) : zeroPoint;
    data.push(axis === 0 ? [scales, zeros] : [scales, zeros, axis]);
    known.set(key, data.length - 1);
  };
  const biases = biasesOf(graph);
  graph.values.forEach(({ quantization }, id) => {
    if (quantization && !biases.has(id)) add(quantization, null);
  });
  for (const [id, [x, w]] of biases) {
    const { quantization } = graph.values[id]!;
    if (!quantization) continue;
    const [a, b] = [x, w].map((factor) => graph.values[factor]!.quantization);
    const [i, j] = [a, b].map((factor) => (factor ? known.get(keyOf(factor)) : undefined));
    const isProduct = a && b && isEqual(products(a.scale, b.scale), quantization.scale);
    add(quantization, isProduct && i !== undefined && j !== undefined ? [i, j] : null);
  }
  return { data, indexOf: (quantization) => known.get(keyOf(quantization))! };
}

/** f32 where it holds every number. */
function stored(numbers: readonly number[]): Float32Array | Float64Array {
  return numbers.every((x) => Math.fround(x) === x) ? Float32Array.from(numbers) : Float64Array.from(numbers);
}

/** The layer's input and weights, by each bias. */
function biasesOf(graph: Graph): ReadonlyMap<ValueId, readonly [ValueId, ValueId]> {
  const found = new Map<ValueId, readonly [ValueId, ValueId]>();
  for (const { op, inputs } of graph.nodes) {
    const [x, w, bias] = inputs;
    const isLayer = ['conv2d', 'depthwiseConv2d', 'transposedConv2d', 'dense', 'convNd'].includes(op.kind);
    if (isLayer && bias !== undefined && !found.has(bias)) found.set(bias, [x!, w!]);
  }
  return found;
}

/** `most`: numbers that all of them may have together, since an entry of few bytes can stand for many. */
export function readQuantizations(
  data: readonly Data[],
  tensors: readonly Tensor[],
  most: number,
): Quantization[] {
  const read: Quantization[] = [];
  let count = 0;
  for (const [i, entry] of data.entries()) {
    const fail = (message: string): never => {
      throw new VireoError('bad-file', `.vireo: quantisation ${i}: ${message}`);
    };
    const [scales, zeros, axis = 0] = Array.isArray(entry) ? entry : [];
    const scale = readScale(scales, tensors, read) ?? fail(`scale ${show(scales)} is not known`);
    count += scale.length;
    if (count > most) throw new VireoError('too-large', `.vireo: more than ${most} scales`);
    const zeroPoint = typeof zeros === 'number' ? scale.map(() => zeros) : zeros;
    if (!isNumbers(zeroPoint) || zeroPoint.length !== scale.length)
      return fail(`expected ${scale.length} zero points`);
    if (typeof axis !== 'number' || !Number.isInteger(axis) || axis < 0) return fail(`axis ${show(axis)}`);
    read.push({ scale, zeroPoint, axis });
  }
  return read;
}

const isNumbers = (data: unknown): data is readonly number[] =>
  Array.isArray(data) && data.every((item) => typeof item === 'number');

function readScale(
  data: Data | undefined,
  tensors: readonly Tensor[],
  before: readonly Quantization[],
): readonly number[] | undefined {
  if (typeof data === 'number') return [data];
  if (!isNumbers(data)) return undefined;
  const [first, second] = data;
  if (data.length === 1) return numbersOf(tensors[first!]?.data);
  const [a, b] = [before[first!]?.scale, before[second!]?.scale];
  const isPair = data.length === 2 && a && b && (a.length === b.length || a.length === 1 || b.length === 1);
  return isPair ? products(a, b) : undefined;
}

const numbersOf = (data: TensorData | undefined): readonly number[] | undefined =>
  data && !isBig(data) ? Array.from(data) : undefined;
