/** The operators that backward passes are written in, one short word each. */
import { type ArithmeticFn, noClamp, type Pair, type UnaryFn } from '../../kernels/call.ts';
import type { Training, TrainingFn } from '../../kernels/train/call.ts';
import { elementCount, type Shape, sameShape } from '../../tensor.ts';
import type { GraphBuilder } from '../build.ts';
import type { ValueId } from '../ir.ts';
import type { Op } from '../ops.ts';

export class Emitter<B extends GraphBuilder = GraphBuilder> {
  readonly builder: B;
  /** In front of the names of what is added. */
  prefix = '';

  constructor(builder: B) {
    this.builder = builder;
  }

  shape(id: ValueId): Shape {
    return this.builder.value(id).shape;
  }

  node(op: Op, inputs: readonly ValueId[], shape?: Shape): ValueId {
    const name = `${this.prefix}${op.kind === 'training' ? op.fn : op.kind}`;
    return this.builder.add(op, inputs, { name, dtype: 'f32', ...(shape && { shape }) });
  }

  training<F extends TrainingFn>(fn: F, inputs: readonly ValueId[], shape: Shape): ValueId {
    return this.node({ kind: 'training', ...fn, shape } as Training, inputs);
  }

  filled(shape: Shape, value: number): ValueId {
    const data = new Float32Array(elementCount(shape)).fill(value);
    return this.builder.constant(`${this.prefix}constant`, 'f32', shape, data);
  }

  binary(fn: ArithmeticFn, a: ValueId, b: ValueId): ValueId {
    return this.node({ kind: 'binary', fn, clamp: noClamp }, [a, b]);
  }

  /** x + number */
  plus(x: ValueId, number: number): ValueId {
    return this.add(x, this.filled([1], number));
  }

  /** x·number */
  times(x: ValueId, number: number): ValueId {
    return this.mul(x, this.filled([1], number));
  }

  add(a: ValueId, b: ValueId): ValueId {
    return this.binary('add', a, b);
  }

  sub(a: ValueId, b: ValueId): ValueId {
    return this.binary('sub', a, b);
  }

  mul(a: ValueId, b: ValueId): ValueId {
    return this.binary('mul', a, b);
  }

  div(a: ValueId, b: ValueId): ValueId {
    return this.binary('div', a, b);
  }

  unary(fn: UnaryFn, x: ValueId, alpha = 0): ValueId {
    return this.node({ kind: 'unary', fn, alpha }, [x]);
  }

  clamp(x: ValueId, min: number, max: number): ValueId {
    return this.node({ kind: 'clamp', clamp: { min, max } }, [x]);
  }

  /** dy where min < y < max, else 0. */
  mask(y: ValueId, dy: ValueId, min: number, max = Number.POSITIVE_INFINITY): ValueId {
    return this.training({ fn: 'clamp', bounds: { min, max } }, [y, dy], this.shape(y));
  }

  reshape(x: ValueId, shape: Shape): ValueId {
    return sameShape(this.shape(x), shape) ? x : this.node({ kind: 'reshape', shape }, [x]);
  }

  transpose(x: ValueId, perm: readonly number[]): ValueId {
    return this.node({ kind: 'transpose', perm }, [x]);
  }

  slice(x: ValueId, begin: Shape, size: Shape): ValueId {
    if (sameShape(this.shape(x), size)) return x;
    return this.node({ kind: 'slice', begin, size, step: begin.map(() => 1) }, [x]);
  }

  pad(x: ValueId, before: Shape, after: Shape): ValueId {
    return this.node({ kind: 'pad', before, after, value: 0 }, [x]);
  }

  /** Over some axes, which stay as 1. */
  sum(x: ValueId, axes: readonly number[]): ValueId {
    return axes.length === 0 ? x : this.node({ kind: 'reduce', fn: 'sum', axes }, [x]);
  }

  /** Over the innermost axis. */
  sumLast(x: ValueId): ValueId {
    return this.sum(x, [this.shape(x).length - 1]);
  }

  /** The opposite of broadcasting: the sum over all places to which an element of `shape` was repeated. */
  sumTo(x: ValueId, shape: Shape): ValueId {
    const from = this.shape(x);
    const missing = from.length - shape.length;
    const axes = from.flatMap((extent, i) => (extent !== (i < missing ? 1 : shape[i - missing]) ? [i] : []));
    return this.reshape(this.sum(x, axes), shape);
  }

  broadcast(x: ValueId, shape: Shape): ValueId {
    return sameShape(this.shape(x), shape) ? x : this.add(x, this.filled(shape, 0));
  }

  /** As rows of the innermost axis: (1, 1, rows, c). */
  rows(x: ValueId): ValueId {
    const shape = this.shape(x);
    const c = shape[shape.length - 1]!;
    return this.reshape(x, [1, 1, elementCount(shape) / c, c]);
  }
}

/** Weights with input and output channels exchanged: (o, kH, kW, i) ⇔ (i, kH, kW, o). */
export const exchange: readonly number[] = [3, 1, 2, 0];
export const unit: Pair = [1, 1];
