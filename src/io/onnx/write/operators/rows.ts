/** What looks at one row of channels at a time: the innermost axis of the value, wherever the tensor has it. */
import { channelsFirst, straight } from '../layout.ts';
import type { Writers } from './index.ts';

export const rows: Writers<'softmax' | 'l2Normalize' | 'lrn'> = {
  /** e^(βx) / Σ e^(βx); the logarithm of it is βx − log Σ e^(βx) */
  softmax(n, { beta, log }) {
    const perm = n.layout(0);
    const x = n.number(0, perm);
    const scaled = beta === 1 ? x : n.emit('Mul', [x, n.scalar(x.dtype, beta)]);
    const axis = perm[perm.length - 1]!;
    n.done(n.emit(log ? 'LogSoftmax' : 'Softmax', [scaled], { attributes: { axis: { i: axis } } }), perm);
  },

  /** x / max(√Σx², 10⁻⁶) */
  l2Normalize(n) {
    const perm = n.layout(0);
    const x = n.number(0, perm);
    const axis = perm[perm.length - 1]!;
    const shape = x.shape.map((extent, i) => (i === axis ? 1 : extent));
    const length = n.emit('ReduceL2', [x], { shape, attributes: { axes: { ints: [axis] } } });
    const least = n.emit('Max', [length, n.scalar(x.dtype, 1e-6)]);
    n.done(n.emit('Div', [x, least]), perm);
  },

  lrn(n, { size, alpha, beta, bias }) {
    const rank = n.rank(0);
    const attributes = { size: { i: size }, alpha: { f: alpha }, beta: { f: beta }, bias: { f: bias } };
    const perm = rank < 2 ? straight(rank) : channelsFirst(rank);
    const x = n.number(0, perm);
    // A row alone is a picture of one cell.
    const picture = rank < 2 ? n.reshape(x, [1, ...x.shape]) : x;
    n.done(n.reshape(n.emit('LRN', [picture], { attributes }), x.shape), perm);
  },
};
