/** Operators that pick elements: by index, by rank, by overlap. */
import { VireoError } from '../../../errors.ts';
import type { Operand } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import { fileType } from '../tensors.ts';
import type { Converters } from './index.ts';
import { nonMaxSuppression } from './non-max-suppression.ts';

/** Constant indices are checked here; others when they are read, by the kernel. */
function indicesOf(op: Operator, i: number, extent: number): Operand {
  const indices = op.x(i);
  if (indices.dtype !== 'i32' && indices.dtype !== 'i64')
    op.unsupported(`indices of type ${fileType(indices.dtype)}`);
  for (const index of indices.data ?? [])
    if (index < -extent || index >= extent) op.fail(`index ${index} is outside an axis of ${extent}`);
  return indices;
}

const mostPairs = 2 ** 26;

export const selection: Converters = {
  Gather(op) {
    const x = op.x(0);
    const axis = op.axis(op.int('axis', 0), x.shape.length);
    const indices = indicesOf(op, 1, x.shape[axis]!);
    op.done(op.node({ kind: 'gather', axis, batchDims: 0 }, [op.plain(x), indices]));
  },

  GatherElements(op) {
    const x = op.x(0);
    const axis = op.axis(op.int('axis', 0), x.shape.length);
    const indices = indicesOf(op, 1, x.shape[axis]!);
    op.done(op.node({ kind: 'gatherElements', axis }, [op.plain(x), indices]));
  },

  GatherND(op) {
    const indices = op.x(1);
    if (indices.dtype !== 'i64' && indices.dtype !== 'i32')
      op.unsupported(`indices of type ${fileType(indices.dtype)}`);
    const batchDims = op.version < 12 ? 0 : op.int('batch_dims', 0);
    op.done(op.node({ kind: 'gatherNd', batchDims }, [op.plain(op.x(0)), indices]));
  },

  /** Always in order, which `sorted` allows either way. */
  TopK(op) {
    const x = op.plain(op.x(0));
    const axis = op.axis(op.int('axis', -1), x.shape.length);
    const k = op.version < 10 ? op.int('k') : op.integer(1, 'k');
    const largest = op.flag('largest', true);
    op.flag('sorted', true);
    if (k < 0 || k > x.shape[axis]!) op.fail(`k ${k} of ${x.shape[axis]}`);
    if (op.wants(0)) op.done(op.node({ kind: 'topK', axis, k, largest, indices: false }, [x]), 0);
    if (op.wants(1))
      op.done(op.node({ kind: 'topK', axis, k, largest, indices: true }, [x], { dtype: 'i64' }), 1);
  },

  /** How many boxes remain depends on the numbers, so they must be known. */
  NonMaxSuppression(op) {
    const boxes = op.fixed(0, 'the boxes');
    const scores = op.fixed(1, 'the scores');
    const [n, count, four] = boxes.shape;
    if (boxes.shape.length !== 3 || scores.shape.length !== 3 || four !== 4)
      op.fail('expected boxes (n, boxes, 4) and scores (n, classes, boxes)');
    if (scores.shape[0] !== n || scores.shape[2] !== count) op.fail('scores and boxes do not go together');
    const most = op.has(2) ? op.real(2, 'the number of boxes') : 0;
    const pairs = n! * scores.shape[1]! * count! * Math.min(count!, Math.max(0, most));
    if (pairs > mostPairs)
      throw new VireoError('too-large', `${pairs} pairs of boxes, the limit is ${mostPairs}`);
    const chosen = nonMaxSuppression({
      boxes: Float64Array.from<number | bigint>(boxes.data!, Number),
      scores: Float64Array.from<number | bigint>(scores.data!, Number),
      batches: n!,
      classes: scores.shape[1]!,
      count: count!,
      centered: op.int('center_point_box', 0) !== 0,
      most,
      overlap: op.has(3) ? op.real(3, 'the overlap') : 0,
      least: op.has(4) ? op.real(4, 'the least score') : Number.NEGATIVE_INFINITY,
    });
    op.done(op.numbers('i64', [chosen.length / 3, 3], chosen));
  },
};
