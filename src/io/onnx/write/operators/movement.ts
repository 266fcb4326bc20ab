/** Operators that move numbers about unchanged, integers as integers. */
import { storedValue } from '../../../../graph/plan/lower.ts';
import { sameShape } from '../../../../tensor.ts';
import type { Tensor } from '../emission.ts';
import { inLayout, type Perm, straight } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import type { What } from '../values.ts';
import type { Writers } from './index.ts';

const most = 2 ** 31 - 1;

/** Cells of one axis of a tensor. */
function pick(n: NodeWriter, x: Tensor, axis: number, cells: readonly number[]): Tensor {
  const shape = x.shape.map((extent, i) => (i === axis ? cells.length : extent));
  return n.emit('Gather', [x, n.integers('indices', cells)], { shape, attributes: { axis: { i: axis } } });
}

/** The number that a pad adds, as the moved tensor holds it. */
function padding(n: NodeWriter, x: Tensor, what: What, value: number): Tensor {
  const { quantization: q } = n.output;
  const stored = storedValue(value, n.output);
  const number = what === 'real' && q ? q.scale[0]! * (stored - q.zeroPoint[0]!) : stored;
  return n.scalar(x.dtype, number);
}

export const movement: Writers<
  | 'reshape'
  | 'transpose'
  | 'concat'
  | 'slice'
  | 'pad'
  | 'mirrorPad'
  | 'gather'
  | 'gatherElements'
  | 'gatherNd'
> = {
  /** To the same shape, it is the same tensor, perhaps with another scale. */
  reshape(n, { shape }) {
    if (sameShape(shape, n.value(0).shape)) {
      n.values.defineView(n.node.output, n.id(0), 'stored', straight(shape.length));
      return;
    }
    const what = n.movable();
    const x = n.values.get(what, n.id(0), straight(n.rank(0)));
    n.moved(what, n.reshape(x, shape), straight(shape.length));
  },

  /** No node: the same tensor, seen in another order, until somebody needs that. */
  transpose(n, { perm }) {
    n.values.defineView(n.node.output, n.id(0), 'stored', perm);
  },

  concat(n, { axis }) {
    const what = n.movable(n.node.inputs.map((_, i) => i));
    const perm = n.commonLayout();
    const parts = n.node.inputs.map((id) => n.values.get(what, id, perm));
    const options = { shape: n.shapeIn(perm), attributes: { axis: { i: perm[axis]! } } };
    n.moved(what, n.emit('Concat', parts, options), perm);
  },

  slice(n, { begin, size, step }) {
    const what = n.movable();
    const perm = n.layout(0);
    const x = n.values.get(what, n.id(0), perm);
    const [from, count, by] = [begin, size, step].map((list) => inLayout(list, perm));
    const axes = x.shape.flatMap((extent, axis) => (count![axis] === extent && by![axis]! > 0 ? [] : [axis]));
    if (axes.length === 0) return n.moved(what, x, perm);
    // An end before the first cell cannot be −1, which is the last one.
    const end = (axis: number): number => {
      const at = from![axis]! + count![axis]! * by![axis]!;
      return count![axis] === 0 ? from![axis]! : at < 0 ? -most : at;
    };
    const inputs = [
      x,
      n.integers(
        'starts',
        axes.map((axis) => from![axis]!),
      ),
      n.integers('ends', axes.map(end)),
      n.integers('axes', axes),
      n.integers(
        'steps',
        axes.map((axis) => by![axis]!),
      ),
    ];
    n.moved(what, n.emit('Slice', inputs, { shape: count! }), perm);
  },

  pad(n, { before, after, value }) {
    const what = n.movable();
    const perm = n.layout(0);
    const x = n.values.get(what, n.id(0), perm);
    const pads = [...inLayout(before, perm), ...inLayout(after, perm)];
    const shape = n.shapeIn(perm);
    const y = n.emit('Pad', [x, n.integers('pads', pads), padding(n, x, what, value)], { shape });
    n.moved(what, y, perm);
  },

  /** Pad of opset 14 does not repeat the edge; a Gather of each axis does. */
  mirrorPad(n, { before, after, mode }) {
    const what = n.movable();
    const perm = n.layout(0);
    const x = n.values.get(what, n.id(0), perm);
    const shape = n.shapeIn(perm);
    const [low, high] = [inLayout(before, perm), inLayout(after, perm)];
    if (mode === 'reflect') {
      const pads = n.integers('pads', [...low, ...high]);
      return n.moved(what, n.emit('Pad', [x, pads], { shape, attributes: { mode: { s: 'reflect' } } }), perm);
    }
    let y = x;
    x.shape.forEach((extent, axis) => {
      if (low[axis] === 0 && high[axis] === 0) return;
      const cells = Array.from({ length: shape[axis]! }, (_, i) => {
        const at = i - low[axis]!;
        return at < 0 ? -1 - at : at < extent ? at : 2 * extent - 1 - at;
      });
      y = pick(n, y, axis, cells);
    });
    n.moved(what, y, perm);
  },

  /** Behind batch axes, GatherND with indices of one number each. */
  gather(n, { axis, batchDims }) {
    const what = n.movable();
    const indexRank = n.rank(1);
    if (batchDims > 0) return gatherInBatches(n, what, axis, batchDims);
    const perm = indexRank === 1 ? n.layout(0) : straight(n.rank(0));
    const x = n.values.get(what, n.id(0), perm);
    const shape = indexRank === 1 ? n.shapeIn(perm) : n.output.shape;
    const attributes = { axis: { i: perm[axis]! } };
    const y = n.emit('Gather', [x, n.stored(1)], { shape, attributes });
    n.moved(what, y, indexRank === 1 ? perm : straight(shape.length));
  },

  gatherElements(n, { axis }) {
    const what = n.movable();
    const perm = n.layout(0);
    const x = n.values.get(what, n.id(0), perm);
    const indices = n.stored(1, perm);
    const attributes = { axis: { i: perm[axis]! } };
    n.moved(what, n.emit('GatherElements', [x, indices], { shape: indices.shape, attributes }), perm);
  },

  gatherNd(n, { batchDims }) {
    const what = n.movable();
    const x = n.values.get(what, n.id(0), straight(n.rank(0)));
    const indices = longs(n, n.stored(1));
    const { shape } = n.output;
    const y = n.emit('GatherND', [x, indices], { shape, attributes: { batch_dims: { i: batchDims } } });
    n.moved(what, y, straight(shape.length));
  },
};

/** x (batch…, outer…, A, inner…) as (batch…, A, outer…, inner…)  →  (batch…, J…, outer…, inner…) */
function gatherInBatches(n: NodeWriter, what: What, axis: number, batchDims: number): void {
  const rank = n.rank(0);
  const toFront = straight(rank).map((j) =>
    j === axis ? batchDims : j >= batchDims && j < axis ? j + 1 : j,
  );
  const x = n.values.get(what, n.id(0), toFront);
  const indices = longs(n, n.stored(1));
  const single = n.reshape(indices, [...indices.shape, 1]);
  const outer = axis - batchDims;
  const J = indices.shape.length - batchDims;
  // Where the tensor has the axes of the output: batch, then outer, J, inner.
  const perm: Perm = straight(n.output.shape.length).map((j) => {
    if (j < batchDims || j >= axis + J) return j;
    return j < axis ? j + J : j - outer;
  });
  const shape = n.shapeIn(perm);
  const attributes = { batch_dims: { i: batchDims } };
  n.moved(what, n.emit('GatherND', [x, single], { shape, attributes }), perm);
}

function longs(n: NodeWriter, indices: Tensor): Tensor {
  return n.cast(indices, 'i64');
}
