/** Sums, extremes and norms over axes, and the places of extremes. */
import type { ReduceFn } from '../../../kernels/call.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import type { Converters } from './index.ts';

/** What is done before and after the reduction itself. */
interface Shape {
  readonly before?: (op: Operator, x: Operand) => Operand;
  readonly fn: ReduceFn;
  readonly after?: (op: Operator, y: Operand) => Operand;
}

const square = (op: Operator, x: Operand): Operand => op.binary('mul', x, x);

/** The axes are an attribute until opset 18 (ReduceSum: 13), an input since; none means all, or nothing at all. */
function axesOf(op: Operator, x: Operand, since: number): number[] {
  const rank = x.shape.length;
  const isNothing = op.version >= since && op.flag('noop_with_empty_axes');
  const given = op.integersSince(since, 'axes', 1);
  if (given && given.length > 0) return op.axes(given, rank);
  return isNothing ? [] : range(0, rank);
}

function reduceWith(op: Operator, { before, fn, after }: Shape, since = 18): void {
  const x = op.x(0);
  const keep = op.flag('keepdims', true);
  const axes = axesOf(op, x, since);
  const inner = before ? before(op, x) : x;
  let y: Operand;
  if (inner.dtype === 'bool') y = op.cast(op.reduce(fn, op.cast(inner, 'u8'), axes, keep), 'bool');
  else y = op.reduce(fn, inner, axes, keep);
  op.done(after ? after(op, y) : y);
}

const reduce =
  (shape: Shape, since?: number) =>
  (op: Operator): void =>
    reduceWith(op, shape, since);

const argExtreme = (least: boolean) => (op: Operator) => {
  const x = op.plain(op.x(0));
  const axis = op.axis(op.int('axis', 0), x.shape.length);
  const keep = op.flag('keepdims', true);
  const last = op.version >= 12 && op.flag('select_last_index');
  const y = op.node({ kind: 'argMax', axis, least, last }, [x], { dtype: 'i64' });
  op.done(
    keep
      ? op.reshape(
          y,
          x.shape.map((extent, i) => (i === axis ? 1 : extent)),
        )
      : y,
  );
};

export const reductions: Converters = {
  ReduceSum: reduce({ fn: 'sum' }, 13),
  ReduceMean: reduce({ fn: 'mean' }),
  ReduceMax: reduce({ fn: 'max' }),
  ReduceMin: reduce({ fn: 'min' }),
  ReduceProd: reduce({ fn: 'prod' }),
  ReduceL1: reduce({ before: (op, x) => op.unary('abs', x), fn: 'sum' }),
  ReduceL2: reduce({ before: square, fn: 'sum', after: (op, y) => op.unary('sqrt', y) }),
  ReduceSumSquare: reduce({ before: square, fn: 'sum' }),
  ReduceLogSum: reduce({ fn: 'sum', after: (op, y) => op.unary('log', y) }),

  /** m + log Σ e^(x − m) with m = max x, kept finite so that x − m is a number */
  ReduceLogSumExp(op) {
    const x = op.float(0);
    const keep = op.flag('keepdims', true);
    const axes = axesOf(op, x, 18);
    const most = x.dtype === 'f32' ? 3.4028234663852886e38 : Number.MAX_VALUE;
    const m = op.clamp(op.reduce('max', x, axes), -most, most);
    const sum = op.reduce('sum', op.unary('exp', op.binary('sub', x, m)), axes);
    const y = op.binary('add', op.unary('log', sum), m);
    op.done(keep ? y : op.drop(y, axes));
  },

  ArgMax: argExtreme(false),
  ArgMin: argExtreme(true),
};
