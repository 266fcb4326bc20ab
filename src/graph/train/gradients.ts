/**
 * The gradient of each operator: from dy, the gradient of the loss by its output, to those by its inputs.
 *
 *   conv2d            dx = transposedConvNd(dy, w)              dw = conv2dWeights(x, dy)       db = Σ dy
 *   depthwiseConv2d   the same in as many groups as channels
 *   transposedConv2d  dx = conv2d(dy, w exchanged)              dw = conv2dWeights(dy, x) exchanged
 *   dense             dx = dense(dy, wᵀ)                        dw = conv2dWeights of 1×1 over the rows
 *
 * Where two inputs of min or max are equal, and where a bound is just reached, the second input and the bound win.
 */
import { type Clamp, noPad, type Pad } from '../../kernels/call.ts';
import type { Node, ValueId } from '../ir.ts';
import type { Op, OpKind, OpOf } from '../ops.ts';
import { type Emitter, exchange, unit } from './emit.ts';

/** One node going backwards. */
export interface Backward<O extends Op = Op> {
  readonly e: Emitter;
  readonly op: O;
  readonly inputs: Node['inputs'];
  readonly y: ValueId;
  readonly dy: ValueId;
  /** Whether anybody needs the gradient by that input. */
  readonly wants: (input: number) => boolean;
}

/** A gradient for each input; undefined where there is none or nobody wants it. */
type Gradients = readonly (ValueId | undefined)[];
type Rule<O extends Op> = (at: Backward<O>) => Gradients;

const rules: { readonly [K in OpKind]?: Rule<OpOf<K>> } = {
  conv2d: ({ e, op, inputs: [x, w, bias], y, dy, wants }) => {
    const d = unclamped(e, op.clamp, y, dy);
    return [
      wants(0) ? inputOf(e, op, x!, w!, d) : undefined,
      weightsOf(e, op, x!, d, e.shape(w!)),
      biasOf(e, d, bias),
    ];
  },
  depthwiseConv2d: ({ e, op, inputs: [x, w, bias], y, dy, wants }) => {
    const d = unclamped(e, op.clamp, y, dy);
    const grouped = { ...op, groups: e.shape(x!)[3]! };
    const [, kH, kW, outC] = e.shape(w!);
    const dx = wants(0) ? inputOf(e, grouped, x!, e.transpose(w!, exchange), d) : undefined;
    const dw = wants(1)
      ? e.transpose(weightsOf(e, grouped, x!, d, [outC!, kH!, kW!, 1]), exchange)
      : undefined;
    return [dx, dw, biasOf(e, d, bias)];
  },
  transposedConv2d: ({ e, op, inputs: [x, w, bias], y, dy, wants }) => {
    const d = unclamped(e, op.clamp, y, dy);
    const [outC, kH, kW, inC] = e.shape(w!);
    const window = { stride: op.stride, dilation: unit, pad: op.pad, groups: 1 };
    const dw = wants(1)
      ? e.transpose(weightsOf(e, window, d, x!, [inC!, kH!, kW!, outC!]), exchange)
      : undefined;
    return [wants(0) ? transposedInputOf(e, op, x!, w!, d) : undefined, dw, biasOf(e, d, bias)];
  },
  dense: ({ e, op, inputs: [x, w, bias], y, dy, wants }) => {
    const d = unclamped(e, op.clamp, y, dy);
    const [N, K] = e.shape(w!);
    const flat = { stride: unit, dilation: unit, pad: noPad, groups: 1 };
    return [
      wants(0) ? e.node({ ...op, clamp: free }, [d, e.transpose(w!, [1, 0])]) : undefined,
      wants(1) ? e.reshape(weightsOf(e, flat, e.rows(x!), e.rows(d), [N!, 1, 1, K!]), [N!, K!]) : undefined,
      biasOf(e, d, bias),
    ];
  },
  matmul: ({ e, inputs: [a, b], dy, wants }) => {
    const turned = (x: ValueId): ValueId => {
      const axes = e.shape(x).map((_, i) => i);
      const rank = axes.length;
      return e.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
    };
    const product = (x: ValueId, y: ValueId, of: ValueId): ValueId =>
      e.sumTo(e.node({ kind: 'matmul' }, [x, y]), e.shape(of));
    return [
      wants(0) ? product(dy, turned(b!), a!) : undefined,
      wants(1) ? product(turned(a!), dy, b!) : undefined,
    ];
  },
  maxPool2d: pool,
  averagePool2d: pool,
  clamp: ({ e, op, y, dy }) => [unclamped(e, op.clamp, y, dy)],
  binary: ({ e, op, inputs: [a, b], y, dy, wants }) => {
    const d = unclamped(e, op.clamp, y, dy);
    const [da, db] = binaryOf(e, op, a!, b!, d, wants);
    return [da && e.sumTo(da(), e.shape(a!)), db && e.sumTo(db(), e.shape(b!))];
  },
  unary: ({ e, op, inputs: [x], y, dy }) => [unaryRules[op.fn]!(e, x!, y, dy, op.alpha)],
  prelu: ({ e, inputs: [x, slope], dy }) => {
    const above = e.mask(x!, dy, 0);
    const below = e.sub(dy, above);
    return [e.add(above, e.mul(below, slope!)), e.sumTo(e.mul(below, x!), e.shape(slope!))];
  },
  where: ({ e, inputs: [condition, a, b], dy }) => {
    const zero = e.filled([1], 0);
    return [
      undefined,
      e.sumTo(e.node({ kind: 'where' }, [condition!, dy, zero]), e.shape(a!)),
      e.sumTo(e.node({ kind: 'where' }, [condition!, zero, dy]), e.shape(b!)),
    ];
  },
  softmax: ({ e, op, y, dy }) => {
    const inner = op.log
      ? e.sub(dy, e.mul(e.unary('exp', y), e.sumLast(dy)))
      : e.mul(y, e.sub(dy, e.sumLast(e.mul(dy, y))));
    return [op.beta === 1 ? inner : e.times(inner, op.beta)];
  },
  l2Normalize: ({ e, inputs: [x], y, dy }) => {
    const length = e.unary('sqrt', e.sumLast(e.unary('square', x!)));
    return [e.div(e.sub(dy, e.mul(y, e.sumLast(e.mul(dy, y)))), length)];
  },
  reduce: ({ e, op, inputs: [x], dy }) => {
    const shape = e.shape(x!);
    const cells = op.axes.reduce((product, axis) => product * shape[axis]!, 1);
    return [e.broadcast(op.fn === 'mean' && cells !== 1 ? e.times(dy, 1 / cells) : dy, shape)];
  },
  reshape: ({ e, inputs: [x], dy }) => [e.reshape(dy, e.shape(x!))],
  transpose: ({ e, op, dy }) => {
    const back = new Array<number>(op.perm.length);
    op.perm.forEach((axis, i) => {
      back[axis] = i;
    });
    return [e.transpose(dy, back)];
  },
  concat: ({ e, op, inputs, dy, wants }) => {
    let at = 0;
    return inputs.map((id, i) => {
      const shape = e.shape(id);
      const begin = shape.map((_, axis) => (axis === op.axis ? at : 0));
      at += shape[op.axis]!;
      return wants(i) ? e.slice(dy, begin, shape) : undefined;
    });
  },
  slice: ({ e, op, inputs: [x], dy }) => [
    e.pad(
      dy,
      op.begin,
      e.shape(x!).map((extent, i) => extent - op.begin[i]! - op.size[i]!),
    ),
  ],
  pad: ({ e, op, inputs: [x], dy }) => [e.slice(dy, op.before, e.shape(x!))],
  training: ({ e, op, inputs: [x, moments, gamma, beta], dy }) => {
    if (op.fn !== 'batchNorm') return [];
    const { epsilon } = op;
    const [c] = e.shape(gamma!);
    const sums = e.training({ fn: 'batchNormSums', epsilon }, [x!, moments!, dy], [2, c!]);
    const dx = e.training({ fn: 'batchNormInput', epsilon }, [x!, moments!, gamma!, dy, sums], e.shape(x!));
    const row = (i: number, of: ValueId): ValueId => e.reshape(e.slice(sums, [i, 0], [1, c!]), e.shape(of));
    return [dx, undefined, row(1, gamma!), row(0, beta!)]; // what goes through the moments is part of dx
  },
};

/** Whether there is a gradient of this operator. */
export function hasGradient(op: Op): boolean {
  switch (op.kind) {
    case 'unary':
      return op.fn in unaryRules;
    case 'binary':
      return ['add', 'sub', 'mul', 'div', 'min', 'max'].includes(op.fn);
    case 'reduce':
      return op.fn === 'sum' || op.fn === 'mean';
    case 'slice':
      return op.step.every((step) => step === 1);
    case 'training':
      return op.fn === 'batchNorm';
    default:
      return op.kind in rules;
  }
}

/** Whether dy reaches that input. */
export function passesTo(op: Op, input: number): boolean {
  if (op.kind === 'training') return input !== 1;
  return op.kind !== 'where' || input > 0;
}

export function gradientsOf(at: Backward): Gradients {
  // The rule of a kind takes the operators of that kind.
  return (rules[at.op.kind] as Rule<Op>)(at);
}

const free: Clamp = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };

function unclamped(e: Emitter, { min, max }: Clamp, y: ValueId, dy: ValueId): ValueId {
  return min === free.min && max === free.max ? dy : e.mask(y, dy, min, max);
}

type Layer = Pick<OpOf<'conv2d'>, 'stride' | 'dilation' | 'pad' | 'groups'>;

function inputOf(e: Emitter, op: Layer, x: ValueId, w: ValueId, dy: ValueId): ValueId {
  const { stride, dilation, pad, groups } = op;
  const before = [pad.top, pad.left];
  return e.node({ kind: 'transposedConvNd', stride, dilation, before, groups }, [dy, w], e.shape(x));
}

function weightsOf(e: Emitter, op: Layer, x: ValueId, dy: ValueId, shape: readonly number[]): ValueId {
  const { stride, dilation, pad, groups } = op;
  return e.training({ fn: 'conv2dWeights', stride, dilation, pad, groups }, [x, dy], shape);
}

function biasOf(e: Emitter, dy: ValueId, bias: ValueId | undefined): ValueId | undefined {
  if (bias === undefined) return undefined;
  const sums = e.sum(
    dy,
    e
      .shape(dy)
      .slice(0, -1)
      .map((_, axis) => axis),
  );
  return e.reshape(sums, e.shape(bias));
}

/** The outputs that windows over all of x reach: those behind are cut off, those missing are padding. */
function transposedInputOf(
  e: Emitter,
  op: OpOf<'transposedConv2d'>,
  x: ValueId,
  w: ValueId,
  dy: ValueId,
): ValueId {
  const [, kH, kW] = e.shape(w);
  const [n, inH, inW] = e.shape(x);
  const [, outH, outW, outC] = e.shape(dy);
  const { top, left } = op.pad;
  const reachH = (inH! - 1) * op.stride[0] + kH! - top;
  const reachW = (inW! - 1) * op.stride[1] + kW! - left;
  const seen = e.slice(dy, [0, 0, 0, 0], [n!, Math.min(outH!, reachH), Math.min(outW!, reachW), outC!]);
  const pad: Pad = { top, left, bottom: Math.max(0, reachH - outH!), right: Math.max(0, reachW - outW!) };
  const { stride } = op;
  return e.node({ kind: 'conv2d', stride, dilation: unit, pad, groups: 1, clamp: free }, [
    seen,
    e.transpose(w, exchange),
  ]);
}

function pool({ e, op, inputs: [x], y, dy }: Backward<OpOf<'maxPool2d' | 'averagePool2d'>>): Gradients {
  const { kind: fn, kernel, stride, pad } = op;
  const d = unclamped(e, op.clamp, y, dy);
  return [e.training({ fn, kernel, stride, pad }, [x!, d], e.shape(x!))];
}

type Wanted = (() => ValueId) | undefined;

function binaryOf(
  e: Emitter,
  { fn }: OpOf<'binary'>,
  a: ValueId,
  b: ValueId,
  dy: ValueId,
  wants: (input: number) => boolean,
): readonly [Wanted, Wanted] {
  const both = (da: () => ValueId, db: () => ValueId): [Wanted, Wanted] => [
    wants(0) ? da : undefined,
    wants(1) ? db : undefined,
  ];
  switch (fn) {
    case 'sub':
      return both(
        () => dy,
        () => e.unary('neg', dy),
      );
    case 'mul':
      return both(
        () => e.mul(dy, b),
        () => e.mul(dy, a),
      );
    case 'div':
      return both(
        () => e.div(dy, b),
        () => e.unary('neg', e.div(e.mul(dy, a), e.unary('square', b))),
      );
    case 'min':
    case 'max': {
      const first = e.mask(fn === 'max' ? e.sub(a, b) : e.sub(b, a), dy, 0);
      return both(
        () => first,
        () => e.sub(dy, first),
      );
    }
    default:
      return both(
        () => dy,
        () => dy,
      );
  }
}

type UnaryRule = (e: Emitter, x: ValueId, y: ValueId, dy: ValueId, alpha: number) => ValueId;

const unaryRules: Readonly<Record<string, UnaryRule>> = {
  abs: (e, x, _, dy) => e.mul(dy, e.unary('sign', x)),
  neg: (e, _x, _y, dy) => e.unary('neg', dy),
  square: (e, x, _, dy) => e.times(e.mul(dy, x), 2),
  sqrt: (e, _, y, dy) => e.times(e.div(dy, y), 0.5),
  rsqrt: (e, x, y, dy) => e.times(e.div(e.mul(dy, y), x), -0.5),
  reciprocal: (e, _, y, dy) => e.times(e.mul(dy, e.unary('square', y)), -1),
  exp: (e, _, y, dy) => e.mul(dy, y),
  log: (e, x, _, dy) => e.div(dy, x),
  sin: (e, x, _, dy) => e.mul(dy, e.unary('cos', x)),
  cos: (e, x, _, dy) => e.times(e.mul(dy, e.unary('sin', x)), -1),
  erf: (e, x, _, dy) =>
    e.times(e.mul(dy, e.unary('exp', e.unary('neg', e.unary('square', x)))), 2 / Math.sqrt(Math.PI)),
  logistic: (e, _, y, dy) => e.mul(e.mul(dy, y), e.sub(e.filled([1], 1), y)),
  tanh: (e, _, y, dy) => e.sub(dy, e.mul(dy, e.unary('square', y))),
  softplus: (e, x, _, dy) => e.mul(dy, e.unary('logistic', x)),
  softsign: (e, x, _, dy) => e.div(dy, e.unary('square', e.plus(e.unary('abs', x), 1))),
  leakyRelu: (e, x, _, dy, alpha) => e.add(e.times(e.mask(x, dy, 0), 1 - alpha), e.times(dy, alpha)),
  /** x·h/6 with h = clamp(x + 3, 0, 6) */
  hardSwish: (e, x, _, dy) => {
    const h = e.clamp(e.plus(x, 3), 0, 6);
    return e.times(e.add(e.mul(dy, h), e.mask(h, e.mul(dy, x), 0, 6)), 1 / 6);
  },
  /** 1 above 0, below α·eˣ = y + α */
  elu: (e, x, y, dy, alpha) => {
    const above = e.mask(x, dy, 0);
    return e.add(above, e.mul(e.sub(dy, above), e.plus(y, alpha)));
  },
};
