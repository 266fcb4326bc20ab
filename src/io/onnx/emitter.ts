/**
 * The few steps that every converter is written in: each adds one node (or none, where nothing would
 * change) and hands back what it made. Constants fold at once, so a step on constants costs nothing later.
 */

import { VireoError } from '../../errors.ts';
import { type GraphBuilder, type OutputSpec, sameQuantization } from '../../graph/build.ts';
import type { ValueId } from '../../graph/ir.ts';
import { checkTensorSize } from '../../graph/limits.ts';
import type { Op } from '../../graph/ops.ts';
import type { BinaryFn, Clamp, ReduceFn, UnaryFn } from '../../kernels/call.ts';
import { noClamp } from '../../kernels/call.ts';
import {
  bytesPerElement,
  type DType,
  elementCount,
  isBig,
  type Quantization,
  type Shape,
  sameShape,
  type TensorData,
  viewOf,
} from '../../tensor.ts';

/** A value of the graph being built. */
export interface Operand {
  readonly id: ValueId;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly quantization: Quantization | null;
  readonly data: TensorData | null;
}

const compares: ReadonlySet<BinaryFn> = new Set([
  'equal',
  'less',
  'lessOrEqual',
  'greater',
  'greaterOrEqual',
]);

export class Emitter {
  readonly builder: GraphBuilder;
  /** New values are called `label/kind`. */
  readonly label: string;

  constructor(builder: GraphBuilder, label: string) {
    this.builder = builder;
    this.label = label;
  }

  wrap(id: ValueId): Operand {
    const { dtype, shape, quantization, data } = this.builder.value(id);
    return { id, dtype, shape, quantization, data };
  }

  node(op: Op, inputs: readonly Operand[], output: Omit<OutputSpec, 'name'> = {}): Operand {
    const ids = inputs.map((x) => x.id);
    return this.wrap(this.builder.add(op, ids, { ...output, name: `${this.label}/${op.kind}` }));
  }

  constant(dtype: DType, shape: Shape, data: TensorData): Operand {
    return this.wrap(this.builder.constant(`${this.label}/constant`, dtype, shape, data));
  }

  /** A constant of any dtype from numbers. */
  numbers(dtype: DType, shape: Shape, values: readonly number[]): Operand {
    return this.constant(dtype, shape, dataOf(dtype, values));
  }

  scalar(dtype: DType, value: number): Operand {
    return this.numbers(dtype, [], [value]);
  }

  /** The stored integers alone, whatever they stand for: how ONNX's own operators see them. */
  plain(x: Operand): Operand {
    return x.quantization ? this.tagged(x, null) : x;
  }

  /** The same integers with these parameters; where the numbers lie does not change. */
  tagged(x: Operand, quantization: Quantization | null): Operand {
    if (sameQuantization(x.quantization, quantization)) return x;
    return this.node({ kind: 'reshape', shape: x.shape }, [x], { quantization });
  }

  reshape(x: Operand, shape: Shape): Operand {
    if (sameShape(x.shape, shape)) return x;
    return this.node({ kind: 'reshape', shape }, [x], { quantization: perTensor(x) });
  }

  transpose(x: Operand, perm: readonly number[]): Operand {
    const long = perm.filter((axis) => x.shape[axis] !== 1);
    if (long.every((axis, i) => i === 0 || axis > long[i - 1]!))
      return this.reshape(
        x,
        perm.map((axis) => x.shape[axis]!),
      );
    return this.node({ kind: 'transpose', perm }, [x], { quantization: perTensor(x) });
  }

  /** Swaps two axes. */
  swap(x: Operand, a: number, b: number): Operand {
    const perm = x.shape.map((_, i) => (i === a ? b : i === b ? a : i));
    return this.transpose(x, perm);
  }

  /** (n, c, …) → (n, …, c) */
  channelsLast(x: Operand): Operand {
    const rank = x.shape.length;
    return this.transpose(x, [0, ...range(2, rank), 1]);
  }

  /** (n, …, c) → (n, c, …) */
  channelsFirst(x: Operand): Operand {
    const rank = x.shape.length;
    return this.transpose(x, [0, rank - 1, ...range(1, rank - 1)]);
  }

  slice(x: Operand, begin: Shape, size: Shape, step: Shape = x.shape.map(() => 1)): Operand {
    if (sameShape(x.shape, size) && step.every((s, i) => s > 0 || x.shape[i]! <= 1)) return x;
    return this.node({ kind: 'slice', begin, size, step }, [x], { quantization: perTensor(x) });
  }

  /** Elements `at … at + size − 1` of one axis. */
  cut(x: Operand, axis: number, at: number, size: number): Operand {
    const begin = x.shape.map((_, i) => (i === axis ? at : 0));
    const extent = x.shape.map((e, i) => (i === axis ? size : e));
    return this.slice(x, begin, extent);
  }

  concat(parts: readonly Operand[], axis: number): Operand {
    if (parts.length === 1) return parts[0]!;
    return this.node({ kind: 'concat', axis }, parts, { quantization: perTensor(parts[0]!) });
  }

  /** `value` as it is stored. */
  pad(x: Operand, before: Shape, after: Shape, value: number): Operand {
    if ([...before, ...after].every((p) => p === 0)) return x;
    const real = realOf(x);
    if (real) return this.node({ kind: 'pad', before, after, value: real(value) }, [x]);
    return this.node({ kind: 'pad', before, after, value }, [this.plain(x)]);
  }

  /** x[…, indices, …] along one axis, the indices known. */
  pick(x: Operand, axis: number, indices: readonly number[] | Int32Array): Operand {
    if (indices.length === x.shape[axis] && indices.every((index, i) => index === i)) return x;
    const list = this.constant('i32', [indices.length], Int32Array.from(indices));
    return this.node({ kind: 'gather', axis, batchDims: 0 }, [x, list], { quantization: perTensor(x) });
  }

  /** x repeated to `shape`, to which it broadcasts. */
  expand(x: Operand, shape: Shape): Operand {
    checkTensorSize(this.label, x.dtype, shape, this.builder.limits);
    let y = this.reshape(x, [...shape.slice(x.shape.length).map(() => 1), ...x.shape]);
    shape.forEach((extent, axis) => {
      if (y.shape[axis] !== extent) y = this.pick(y, axis, new Int32Array(checkedCount(extent)));
    });
    return y;
  }

  unary(fn: UnaryFn, x: Operand, alpha = 0): Operand {
    return this.node({ kind: 'unary', fn, alpha }, [this.plain(x)]);
  }

  binary(fn: BinaryFn, a: Operand, b: Operand): Operand {
    const inputs = [this.plain(a), this.plain(b)];
    const op: Op = { kind: 'binary', fn, clamp: noClamp };
    return this.node(op, inputs, compares.has(fn) ? { dtype: 'bool' } : {});
  }

  /** f(x, number) in x's own type. */
  withNumber(fn: BinaryFn, x: Operand, value: number): Operand {
    return this.binary(fn, x, this.scalar(x.dtype, value));
  }

  clamp(x: Operand, min: number, max: number): Operand {
    const bounds: Clamp = { min, max };
    if (x.dtype === 'f32') return this.node({ kind: 'clamp', clamp: bounds }, [x]);
    const low = min === Number.NEGATIVE_INFINITY ? this.plain(x) : this.withNumber('max', x, min);
    return max === Number.POSITIVE_INFINITY ? low : this.withNumber('min', low, max);
  }

  where(condition: Operand, a: Operand, b: Operand): Operand {
    return this.node({ kind: 'where' }, [condition, this.plain(a), this.plain(b)], { dtype: a.dtype });
  }

  /** The axes stay as 1, unless `keep` is false. */
  reduce(fn: ReduceFn, x: Operand, axes: readonly number[], keep = true): Operand {
    const y = axes.length === 0 ? this.plain(x) : this.node({ kind: 'reduce', fn, axes }, [this.plain(x)]);
    return keep ? y : this.drop(y, axes);
  }

  drop(x: Operand, axes: readonly number[]): Operand {
    return this.reshape(
      x,
      x.shape.filter((_, i) => !axes.includes(i)),
    );
  }

  cast(x: Operand, dtype: DType): Operand {
    if (x.dtype === dtype) return this.plain(x);
    return this.node({ kind: 'cast' }, [x], { dtype, quantization: null });
  }

  /** Batched matrix product of operands of rank 2 or more. */
  matmul(a: Operand, b: Operand): Operand {
    return this.node({ kind: 'matmul' }, [this.plain(a), this.plain(b)]);
  }
}

/** What an integer of x stands for; `null` where it is a plain number, or stands for several. */
export function realOf(x: Operand): ((stored: number) => number) | null {
  const q = x.dtype === 'i8' || x.dtype === 'u8' ? perTensor(x) : null;
  return q && ((stored) => q.scale[0]! * (stored - q.zeroPoint[0]!));
}

/** A scale for each index of an axis would not survive what moves data. */
function perTensor({ quantization }: Operand): Quantization | null {
  return quantization?.scale.length === 1 ? quantization : null;
}

/** begin, begin + 1, …, end − 1 */
export function range(begin: number, end: number): number[] {
  return Array.from({ length: checkedCount(Math.max(0, end - begin)) }, (_, i) => begin + i);
}

const mostIndices = 2 ** 22;

/** Lists of indices are made at import, so a file of a few bytes must not ask for one of gigabytes. */
function checkedCount(count: number): number {
  if (count > mostIndices)
    throw new VireoError('too-large', `a list of ${count} indices, the limit is ${mostIndices}`);
  return count;
}

export function dataOf(dtype: DType, values: readonly number[]): TensorData {
  const data = viewOf(dtype, new ArrayBuffer(values.length * bytesPerElement[dtype]), 0, values.length);
  if (isBig(data)) data.set(values.map(BigInt));
  else data.set(values);
  return data;
}

/** One extent a group: axes 0 … axis − 1 together, `axis` … together. */
export function splitAt(shape: Shape, axis: number): [outer: number, inner: number] {
  return [elementCount(shape.slice(0, axis)), elementCount(shape.slice(axis))];
}
