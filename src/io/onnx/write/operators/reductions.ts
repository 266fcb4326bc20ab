/** Sums, means and extremes over axes, and where they lie. */
import type { ReduceFn } from '../../../../kernels/call.ts';
import type { Tensor } from '../emission.ts';
import { axesIn, channelsFirst, type Perm, samePerm, straight, without } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import type { Writers } from './index.ts';

const types: Readonly<Record<ReduceFn, string>> = {
  mean: 'ReduceMean',
  sum: 'ReduceSum',
  max: 'ReduceMax',
  min: 'ReduceMin',
  prod: 'ReduceProd',
};

/** Over all rows and columns of (n, c, …) runtimes have an operator of its own. */
const global: Partial<Record<ReduceFn, string>> = { mean: 'GlobalAveragePool', max: 'GlobalMaxPool' };

/** x with `axes` of the tensor as 1. */
export function reduced(n: NodeWriter, fn: ReduceFn, x: Tensor, axes: readonly number[]): Tensor {
  const shape = x.shape.map((extent, i) => (axes.includes(i) ? 1 : extent));
  if (axes.length === 0) return x;
  if (fn === 'sum') return n.emit('ReduceSum', [x, n.integers('axes', axes)], { shape });
  return n.emit(types[fn], [x], { shape, attributes: { axes: { ints: axes } } });
}

function isGlobal(axes: readonly number[], perm: Perm): boolean {
  const rank = perm.length;
  return rank >= 3 && samePerm(perm, channelsFirst(rank)) && samePerm(axes, straight(rank).slice(1, -1));
}

export const reductions: Writers<'reduce' | 'argMax' | 'topK'> = {
  reduce(n, { fn, axes }) {
    const perm = n.layout(0);
    const x = n.wide(n.number(0, perm));
    const isBool = x.dtype === 'bool';
    const isFloat = x.dtype === 'f32' || x.dtype === 'f64';
    const at = axesIn(axes, perm);
    const type = global[fn];
    if (type && isFloat && isGlobal(axes, perm)) {
      const shape = x.shape.map((extent, i) => (i < 2 ? extent : 1));
      return n.done(n.emit(type, [x], { shape }), perm);
    }
    // Of truths, the sum and the maximum are any, all others all.
    const whole = isBool ? n.cast(x, 'i32') : x;
    const extreme = fn === 'sum' || fn === 'max' ? 'max' : 'min';
    n.done(reduced(n, isBool ? extreme : fn, whole, at), perm);
  },

  argMax(n, { axis, least, last }) {
    const perm = n.layout(0);
    const x = n.wide(n.number(0, perm));
    const at = perm[axis]!;
    const y = n.emit(least ? 'ArgMin' : 'ArgMax', [x], {
      dtype: 'i64',
      shape: x.shape.filter((_, i) => i !== at),
      attributes: { axis: { i: at }, keepdims: { i: 0 }, select_last_index: { i: Number(last) } },
    });
    n.moved('stored', n.cast(y, n.output.dtype), without(perm, axis));
  },

  topK(n, { axis, k, largest, indices }) {
    const perm = n.layout(0);
    const x = n.wide(n.number(0, perm));
    const shape = x.shape.map((extent, i) => (i === perm[axis] ? k : extent));
    const places = { dtype: 'i64', shape } as const;
    const attributes = {
      axis: { i: perm[axis]! },
      largest: { i: Number(largest) },
      sorted: { i: 1 },
    };
    const inputs = [x, n.integers('k', [k])];
    const values = n.emission.node('TopK', inputs, `${n.label}/TopK`, { shape, attributes }, [places]);
    if (indices) n.moved('stored', places, perm);
    else n.done(values, perm);
  },
};
