/**
 * One kind of 8-bit numbers through and through, the same real numbers:
 *
 *   uint8 → int8   q′ = q − 128,  z′ = z − 128
 *
 * TensorFlow Lite's layers have int8 activations under symmetric int8 weights, or all uint8 with one scale for the
 * weights. A network from elsewhere that mixes them is turned to int8 as a whole, its inputs and outputs left as they
 * are, with a `convert` behind and before them; if that left weights with a zero point, its weights become uint8.
 */
import { GraphBuilder } from '../../../graph/build.ts';
import type { Graph, Node, Value, ValueId } from '../../../graph/ir.ts';
import type { Rewrite } from '../../../graph/rewrite.ts';
import type { Quantization } from '../../../tensor.ts';
import { unlimited } from './limits.ts';

const layers: readonly string[] = ['conv2d', 'depthwiseConv2d', 'transposedConv2d', 'dense'];

interface Layer {
  readonly x: Value;
  readonly w: Value;
  readonly y: Value;
  readonly weights: ValueId;
}

export const toOneSign: Rewrite<number> = (graph) => {
  const quantized = layersOf(graph).filter(({ x }) => x.quantization !== null);
  if (!quantized.some(mixes)) return { graph, report: 0 };
  const zeroOf = ({ w }: Layer): number[] =>
    (w.quantization?.zeroPoint ?? []).map((z) => z - (w.dtype === 'u8' ? 128 : 0));
  const canBeInt8 = quantized.every((layer) => zeroOf(layer).every((z) => z === 0));
  const canBeUint8 = quantized.every(
    ({ x, w, y }) => x.dtype === 'u8' && y.dtype === 'u8' && w.quantization?.scale.length === 1,
  );
  return !canBeInt8 && canBeUint8 ? withUnsignedWeights(graph) : signed(graph);
};

function layersOf(graph: Graph): Layer[] {
  const at = (id: ValueId): Value => graph.values[id]!;
  return graph.nodes
    .filter(({ op }) => layers.includes(op.kind))
    .map(({ inputs: [x, w], output }) => ({ x: at(x!), w: at(w!), y: at(output), weights: w! }));
}

/** uint8 and int8 numbers in one layer, or uint8 weights with more than one scale. */
function mixes({ x, w, y }: Layer): boolean {
  const types = new Set([x.dtype, w.dtype, y.dtype]);
  return types.has('u8') && (types.size > 1 || (w.quantization?.scale.length ?? 1) > 1);
}

function withUnsignedWeights(graph: Graph): { graph: Graph; report: number } {
  const weights = new Set(layersOf(graph).map((layer) => layer.weights));
  let turned = 0;
  const values = graph.values.map((value, id): Value => {
    const { dtype, data, quantization } = value;
    if (!weights.has(id) || dtype !== 'i8' || !(data instanceof Int8Array)) return value;
    turned++;
    return {
      ...value,
      dtype: 'u8',
      data: asUnsigned(data),
      quantization: shifted(quantization, 128),
    };
  });
  return { graph: { ...graph, values }, report: turned };
}

const isUnsigned = ({ dtype, quantization }: Value): boolean => dtype === 'u8' && quantization !== null;
const isPlain = ({ dtype, quantization }: Value): boolean => dtype === 'u8' && quantization === null;

function signed(graph: Graph): { graph: Graph; report: number } {
  const builder = new GraphBuilder(graph.name, unlimited);
  const at = (id: ValueId): Value => graph.values[id]!;
  const given = new Map<ValueId, ValueId>();
  const ids = new Map<ValueId, ValueId>();
  const toInt8 = (id: ValueId, { name, quantization: q }: Value): ValueId =>
    builder.add({ kind: 'convert', rounding: 'away' }, [id], {
      name: `${name}/int8`,
      dtype: 'i8',
      quantization: shifted(q, -128),
    });
  const toUint8 = (id: ValueId, name: string, { quantization }: Value): ValueId =>
    builder.add({ kind: 'convert', rounding: 'away' }, [id], { name, dtype: 'u8', quantization });
  for (const id of graph.inputs) {
    const { name, dtype, shape, quantization } = at(id);
    const input = builder.input(name, dtype, shape, quantization);
    given.set(id, input);
    ids.set(id, isUnsigned(at(id)) ? toInt8(input, at(id)) : input);
  }
  const idOf = (id: ValueId): ValueId => {
    const known = ids.get(id);
    if (known !== undefined) return known;
    const { name, dtype, shape, quantization, data } = at(id);
    const made =
      isUnsigned(at(id)) && data instanceof Uint8Array
        ? builder.constant(name, 'i8', shape, asSigned(data), shifted(quantization, -128))
        : builder.constant(name, dtype, shape, data!, quantization);
    ids.set(id, made);
    return made;
  };
  const outputs = new Set(graph.outputs);
  let turned = 0;
  for (const node of graph.nodes) {
    const { op, inputs, output } = node;
    const value = at(output);
    if (seesBytes(graph, node)) {
      const from = inputs.map((id) =>
        isUnsigned(at(id)) ? toUint8(idOf(id), `${at(id).name}/uint8`, at(id)) : idOf(id),
      );
      const id = builder.add(op, from, value);
      ids.set(output, isUnsigned(value) ? toInt8(id, value) : id);
      continue;
    }
    const turns = isUnsigned(value);
    if (turns) turned++;
    const name = turns && outputs.has(output) ? `${value.name}/int8` : value.name;
    const stored = turns ? ({ dtype: 'i8', quantization: shifted(value.quantization, -128) } as const) : {};
    ids.set(output, builder.add(op, inputs.map(idOf), { ...value, ...stored, name }));
  }
  const last = new Map<ValueId, ValueId>();
  for (const id of outputs) {
    const input = given.get(id);
    if (input !== undefined) last.set(id, input);
    else last.set(id, isUnsigned(at(id)) ? toUint8(idOf(id), at(id).name, at(id)) : idOf(id));
  }
  return { graph: builder.finish(graph.outputs.map((id) => last.get(id)!)), report: turned };
}

/** The node takes or makes stored numbers, whatever they stand for. */
function seesBytes({ values }: Graph, { op, inputs, output }: Node): boolean {
  return op.kind === 'cast' || [...inputs, output].some((id) => isPlain(values[id]!));
}

function shifted(q: Quantization | null, by: number): Quantization | null {
  return q && { ...q, zeroPoint: q.zeroPoint.map((z) => z + by) };
}

/** The highest bit turned over is 128 added or taken away. */
function flipped(data: Int8Array | Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = data[i]! ^ 0x80;
  return bytes;
}

const asUnsigned = (data: Int8Array): Uint8Array => flipped(data);
const asSigned = (data: Uint8Array): Int8Array => new Int8Array(flipped(data).buffer);
