/**
 * Where the file holds each value of the network: in which tensors, in which orders of the axes, and as what.
 *
 *   stored   the numbers as the network stores them
 *   real     the real numbers that quantised integers stand for, f32
 *
 * A tensor in another layout, or the real numbers of integers, is made when somebody asks for it, once. So a
 * transpose costs nothing until its order is needed, and two that undo each other leave no trace.
 */
import { VireoError } from '../../../errors.ts';
import { sameQuantization } from '../../../graph/build.ts';
import { evaluate } from '../../../graph/evaluate.ts';
import type { Graph, Value, ValueId } from '../../../graph/ir.ts';
import { elementCount, isBig, type Quantization, type Shape, type TensorData } from '../../../tensor.ts';
import type { Emission, Tensor } from './emission.ts';
import { inLayout, isStraight, keepsOrder, type Perm, samePerm, straight, turn } from './layout.ts';

export type What = 'stored' | 'real';

interface Placed {
  readonly perm: Perm;
  readonly tensor: Tensor;
}

/** The numbers of another value: axis j of this one is axis perm[j] of that one. */
interface View {
  readonly id: ValueId;
  readonly what: What;
  readonly perm: Perm;
}

interface Entry {
  /** What the node that made it gave; the other is derived. */
  primary: What;
  readonly stored: Placed[];
  readonly real: Placed[];
  view: View | null;
}

/** Integers that stand for real numbers. An i32 with a scale counts as plain, as in the kernels. */
export function isQuantized({ dtype, quantization }: Value): boolean {
  return quantization !== null && (dtype === 'i8' || dtype === 'u8');
}

export class Values {
  readonly #graph: Graph;
  readonly #emission: Emission;
  /** Constants become real numbers at once, so that none is left to dequantise. */
  readonly #isFloat: boolean;
  readonly #entries = new Map<ValueId, Entry>();
  readonly #constants = new Map<string, Tensor>();

  constructor(graph: Graph, emission: Emission, isFloat: boolean) {
    this.#graph = graph;
    this.#emission = emission;
    this.#isFloat = isFloat;
  }

  value(id: ValueId): Value {
    return this.#graph.values[id]!;
  }

  define(id: ValueId, what: What, tensor: Tensor, perm: Perm): void {
    const entry: Entry = { primary: what, stored: [], real: [], view: null };
    entry[what].push({ perm, tensor });
    this.#entries.set(id, entry);
  }

  defineView(id: ValueId, of: ValueId, what: What, perm: Perm): void {
    this.#entries.set(id, { primary: 'stored', stored: [], real: [], view: { id: of, what, perm } });
  }

  /** What its maker gave: real numbers only in a network of floats. */
  primary(id: ValueId): What {
    const { data } = this.value(id);
    if (data) return this.#isFloat && isQuantized(this.value(id)) ? 'real' : 'stored';
    const { primary, view } = this.#entry(id);
    return view && this.#sharesReals(id, view) ? this.primary(view.id) : primary;
  }

  get(what: What, id: ValueId, perm: Perm): Tensor {
    return what === 'real' ? this.real(id, perm) : this.stored(id, perm);
  }

  stored(id: ValueId, perm: Perm): Tensor {
    const value = this.value(id);
    if (value.data) return this.constant(id, value.shape, perm, 'stored');
    const { view, stored, real } = this.#entry(id);
    if (view) return this.get(view.what, view.id, through(view.perm, perm));
    if (stored.length > 0) return this.#arranged(stored, perm, value.name);
    const tensor = this.quantize(this.#arranged(real, perm, `${value.name}/real`), value, perm, value.name);
    stored.push({ perm, tensor });
    return tensor;
  }

  /** f32; of a value that is not quantised, the value itself. */
  real(id: ValueId, perm: Perm): Tensor {
    const value = this.value(id);
    if (!isQuantized(value)) return this.stored(id, perm);
    if (value.data) return this.constant(id, value.shape, perm, 'real');
    const { view, real, primary } = this.#entry(id);
    if (view && this.#sharesReals(id, view)) return this.real(view.id, through(view.perm, perm));
    if (primary === 'real') return this.#arranged(real, perm, `${value.name}/real`);
    const known = real.find((placed) => samePerm(placed.perm, perm));
    if (known) return known.tensor;
    const tensor = this.dequantize(this.stored(id, perm), value.quantization!, perm, `${value.name}/real`);
    real.push({ perm, tensor });
    return tensor;
  }

  /** A constant seen with another shape (as many elements), its axes in the order `perm`. */
  constant(id: ValueId, shape: Shape, perm: Perm, what: What): Tensor {
    const value = this.value(id);
    const key = `${id} ${what} ${shape.join()} ${perm.join()}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const tensor = this.#makeConstant(value, shape, perm, what);
    this.#constants.set(key, tensor);
    return tensor;
  }

  #makeConstant(value: Value, shape: Shape, perm: Perm, what: What): Tensor {
    const { name, dtype, quantization: q } = value;
    const missing = shape.length - value.shape.length;
    const axis = q && q.scale.length > 1 ? q.axis + missing : 0;
    if (what === 'stored' || !isQuantized(value) || !q) {
      const data = permutedData({ ...value, shape }, perm);
      return this.#emission.constant(name, dtype, inLayout(shape, perm), data);
    }
    if (this.#isFloat) {
      const data = dequantized(value.data!, shape, { ...q, axis });
      const floats: Value = { ...value, dtype: 'f32', shape, quantization: null, data };
      return this.#emission.constant(name, 'f32', inLayout(shape, perm), permutedData(floats, perm));
    }
    const integers = this.#makeConstant(value, shape, perm, 'stored');
    return this.dequantize(integers, { ...q, axis }, perm, `${name}/real`);
  }

  /** `axis` of the parameters is the value's; `perm` says where the tensor has it. */
  dequantize(x: Tensor, q: Quantization, perm: Perm, label: string): Tensor {
    return this.#emission.node('DequantizeLinear', [x, ...this.parameters(x, q)], label, {
      dtype: 'f32',
      shape: x.shape,
      attributes: q.scale.length > 1 ? { axis: { i: perm[q.axis]! } } : {},
    });
  }

  quantize(x: Tensor, { dtype, quantization: q }: Value, perm: Perm, label: string): Tensor {
    if (!q) throw new VireoError('bad-graph', `"${label}" has no scale`);
    return this.#emission.node('QuantizeLinear', [x, ...this.parameters({ ...x, dtype }, q)], label, {
      dtype,
      shape: x.shape,
      attributes: q.scale.length > 1 ? { axis: { i: perm[q.axis]! } } : {},
    });
  }

  /** Scale and zero point. int32 has no zero point in ONNX. */
  parameters({ dtype }: Tensor, { scale, zeroPoint }: Quantization): Tensor[] {
    const shape = scale.length === 1 ? [] : [scale.length];
    const scales = this.#emission.numbers('scale', 'f32', shape, scale);
    if (dtype !== 'i32') return [scales, this.#emission.numbers('zero_point', dtype, shape, zeroPoint)];
    if (zeroPoint.some((z) => z !== 0)) throw new VireoError('unsupported', 'int32 with a zero point');
    return [scales];
  }

  // Layouts

  /** The order in which most of these values lie already; those that follow suit cost nothing. */
  layoutOf(ids: readonly ValueId[], rank: number): Perm {
    const whole = ids.filter((id) => !this.value(id).data && this.value(id).shape.length === rank);
    let best = straight(rank);
    let least = Number.POSITIVE_INFINITY;
    for (const candidate of whole.map((id) => this.#ownLayout(id))) {
      const cost = whole.reduce((sum, id) => sum + this.#cost(id, candidate), 0);
      if (cost < least) [best, least] = [candidate, cost];
    }
    return best;
  }

  #ownLayout(id: ValueId): Perm {
    const { view, primary, stored, real } = this.#entry(id);
    if (!view) return (primary === 'stored' ? stored : real)[0]!.perm;
    const own = this.value(view.id).data ? straight(view.perm.length) : this.#ownLayout(view.id);
    return view.perm.map((axis) => own[axis]!);
  }

  /** Elements that have to change places. */
  #cost(id: ValueId, perm: Perm): number {
    const { view, primary, stored, real } = this.#entry(id);
    if (view) return this.value(view.id).data ? 0 : this.#cost(view.id, through(view.perm, perm));
    const isThere = (primary === 'stored' ? stored : real).some(({ tensor, perm: has }) =>
      keepsOrder(tensor.shape, turn(has, perm)),
    );
    return isThere ? 0 : elementCount(this.value(id).shape);
  }

  #arranged(placed: Placed[], perm: Perm, label: string): Tensor {
    const known = placed.find((one) => samePerm(one.perm, perm));
    if (known) return known.tensor;
    const isNear = ({ tensor, perm: has }: Placed) => keepsOrder(tensor.shape, turn(has, perm));
    const { tensor, perm: from } = placed.find(isNear) ?? placed[0]!;
    const result = this.#emission.transpose(tensor, turn(from, perm), `${label}/transposed`);
    placed.push({ perm, tensor: result });
    return result;
  }

  #entry(id: ValueId): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw new VireoError('bad-graph', `"${this.value(id).name}" is used before it is made`);
    return entry;
  }

  /** Both values mean the same real numbers by the same integers, or the view is of the real numbers alone. */
  #sharesReals(id: ValueId, { id: source, what }: View): boolean {
    const [a, b] = [this.value(id), this.value(source)];
    return (
      what === 'stored' &&
      a.dtype === b.dtype &&
      a.quantization?.scale.length === 1 &&
      sameQuantization(a.quantization, b.quantization)
    );
  }
}

/** The layout of a view's source in which the view itself has the layout `perm`. */
function through(view: Perm, perm: Perm): Perm {
  return inLayout(perm, view);
}

function permutedData(value: Value, perm: Perm): TensorData {
  const { data, shape } = value;
  if (!data) throw new VireoError('bad-graph', `"${value.name}" is no constant`);
  const transpose = turn(straight(perm.length), perm);
  if (isStraight(perm) || keepsOrder(shape, transpose)) return data;
  const output: Value = { ...value, shape: inLayout(shape, perm), data: null };
  const moved = evaluate({ kind: 'transpose', perm: transpose }, [value], output);
  if (!moved) throw new VireoError('unsupported', `a constant of ${value.dtype} with its axes permuted`);
  return moved;
}

/** scale·(q − zeroPoint), rounded to f32. */
function dequantized(data: TensorData, shape: Shape, { scale, zeroPoint, axis }: Quantization): Float32Array {
  if (isBig(data)) throw new VireoError('unsupported', 'quantised 64-bit integers');
  const inner = elementCount(shape.slice(axis + 1));
  const channel = (i: number): number => (scale.length === 1 ? 0 : Math.floor(i / inner) % scale.length);
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const c = channel(i);
    result[i] = Math.fround(scale[c]!) * (data[i]! - zeroPoint[zeroPoint.length === 1 ? 0 : c]!);
  }
  return result;
}
