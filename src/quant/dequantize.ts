/**
 * An 8-bit network to a float one that computes the same but for its roundings: the way to quantise it anew.
 *
 *   w i8, s, z  ⇒  w′ f32 = s·(w − z)        b i32  ⇒  b′ f32 = sₓ·s_w·b        convert  ⇒  nothing
 *
 * An 8-bit result also ends where its scale ends, and a network that was trained so relies on it: operators with bounds
 * keep that as a clamp. Inputs and outputs become f32, with their real numbers.
 */
import { VireoError } from '../errors.ts';
import { GraphBuilder } from '../graph/build.ts';
import type { Node, Value, ValueId } from '../graph/ir.ts';
import type { Op } from '../graph/ops.ts';
import type { Rewrite } from '../graph/rewrite.ts';
import { elementCount, isBig, type Quantization } from '../tensor.ts';
import { tasksOf } from './outputs.ts';
import { rangeOfParameters } from './range.ts';

/** The report counts the nodes whose operands were 8-bit. Throws 'unsupported' naming operators that rest on integers. */
export const dequantize: Rewrite<number> = (graph) => {
  const builder = new GraphBuilder(graph.name);
  const ids = new Map<ValueId, ValueId>();
  const isByte = (id: ValueId): boolean => isQuantized8(graph.values[id]);
  for (const id of graph.inputs) {
    const { name, dtype, shape, quantization } = graph.values[id];
    ids.set(
      id,
      isByte(id) ? builder.input(name, 'f32', shape) : builder.input(name, dtype, shape, quantization),
    );
  }
  const constant = (id: ValueId): ValueId => {
    const { name, dtype, shape, data, quantization } = graph.values[id];
    return isByte(id)
      ? builder.constant(name, 'f32', shape, realNumbers(graph.values[id], quantization!))
      : builder.constant(name, dtype, shape, data!, quantization);
  };
  const at = (id: ValueId): ValueId => {
    let found = ids.get(id);
    if (found === undefined) {
      found = constant(id);
      ids.set(id, found);
    }
    return found;
  };
  let changed = 0;
  for (const node of graph.nodes) {
    const { op, inputs, output } = node;
    const bytes = [...inputs, output].some(isByte);
    const inputIds = inputs.map((id, i) =>
      bytes && i === 2 && isProduct(op) ? bias(node, graph.values, builder) : at(id),
    );
    const value = graph.values[output];
    if (!bytes) {
      ids.set(output, builder.add(op, inputIds, value));
      continue;
    }
    changed++;
    if (op.kind === 'cast')
      throw new VireoError(
        'unsupported',
        `cast "${node.name}" reads stored integers; it cannot be dequantised`,
      );
    if (op.kind === 'convert') {
      ids.set(output, inputIds[0]);
      continue;
    }
    const dtype = isByte(output) ? 'f32' : value.dtype;
    const quantization = isByte(output) ? null : value.quantization;
    const real = isByte(output) ? bounded(withoutRounding(op), value) : op;
    ids.set(
      output,
      builder.add(real, inputIds, { name: value.name, dtype, shape: value.shape, quantization }),
    );
  }
  for (const note of graph.notes) builder.note(note);
  return { graph: { ...builder.finish(graph.outputs.map(at)), ...tasksOf(graph) }, report: changed };
};

const isQuantized8 = ({ dtype, quantization }: Value): boolean =>
  (dtype === 'i8' || dtype === 'u8') && quantization !== null;

const isProduct = ({ kind }: Op): boolean =>
  kind === 'conv2d' || kind === 'depthwiseConv2d' || kind === 'transposedConv2d' || kind === 'dense';

function withoutRounding(op: Op): Op {
  if (!('rounding' in op) || op.kind === 'convert') return op;
  const { rounding: _, ...rest } = op;
  return rest as Op; // the same operator without an optional field
}

/** The operator's bounds, drawn in to what the output's scale reaches. Softmax and the like stay inside anyway. */
function bounded(op: Op, { dtype, quantization }: Value): Op {
  if (!('clamp' in op) || quantization!.scale.length > 1) return op;
  const { min, max } = rangeOfParameters(
    quantization!,
    dtype === 'u8' ? 0 : -128,
    dtype === 'u8' ? 255 : 127,
  );
  return { ...op, clamp: { min: Math.max(op.clamp.min, min), max: Math.min(op.clamp.max, max) } };
}

/** b′[r] = sₓ·s_w[r]·b[r] */
function bias({ inputs, name }: Node, values: readonly Value[], builder: GraphBuilder): ValueId {
  const [x, w, b] = inputs.map((id) => values[id]);
  if (!(b.data instanceof Int32Array) || !x.quantization || !w.quantization)
    throw new VireoError('unsupported', `bias of "${name}" is no i32 constant; it cannot be dequantised`);
  const sx = x.quantization.scale[0];
  const { scale } = w.quantization;
  const real = Float32Array.from(b.data, (v, r) => sx * scale[scale.length === 1 ? 0 : r] * v);
  return builder.constant(b.name, 'f32', b.shape, real);
}

function realNumbers({ data, shape, name }: Value, { scale, zeroPoint, axis }: Quantization): Float32Array {
  if (!data || isBig(data)) throw new VireoError('bad-graph', `"${name}" is no 8-bit constant`);
  const inner = elementCount(shape.slice(axis + 1));
  return Float32Array.from(data, (v, i) => {
    const c = scale.length === 1 ? 0 : Math.floor(i / inner) % scale.length;
    return scale[c] * (v - zeroPoint[zeroPoint.length === 1 ? 0 : c]);
  });
}
