/** One graph for each operator that has a gradient: what it makes of random parameters. */
import type { ValueId } from '../../src/graph/ir.ts';
import type { Op } from '../../src/graph/ops.ts';
import { samePad } from '../../src/graph/shapes.ts';
import type { TrainingBuilder } from '../../src/graph/train/builder.ts';
import { crossEntropy, distillation, meanSquaredError } from '../../src/graph/train/losses.ts';
import { type ArithmeticFn, noClamp, noPad, type Pad, type UnaryFn } from '../../src/kernels/call.ts';
import type { Shape } from '../../src/tensor.ts';

export interface Maker {
  readonly b: TrainingBuilder;
  /** A parameter of random numbers in lo … hi, −1 … 1 by default. */
  readonly p: (shape: Shape, lo?: number, hi?: number) => ValueId;
  /** A constant of random numbers. */
  readonly c: (shape: Shape, lo?: number, hi?: number) => ValueId;
  /** A whole number. */
  readonly int: (lo: number, hi: number) => number;
}

export interface GradientCase {
  readonly label: string;
  readonly make: (m: Maker) => ValueId;
}

const relu = { min: 0, max: Number.POSITIVE_INFINITY };
const pads: Readonly<Record<string, Pad>> = {
  none: noPad,
  'all sides': { top: 1, left: 1, bottom: 1, right: 1 },
  uneven: { top: 0, left: 2, bottom: 1, right: 1 },
};
type Window = Omit<Extract<Op, { kind: 'conv2d' }>, 'kind' | 'clamp'>;

const window = (change: Partial<Window> = {}): Window => ({
  stride: [1, 1],
  dilation: [1, 1],
  pad: noPad,
  groups: 1,
  ...change,
});

function conv(
  label: string,
  change: Partial<Window>,
  clamp = noClamp,
  size: [number, number] = [3, 3],
): GradientCase {
  return {
    label: `conv2d ${label}`,
    make: ({ b, p, int }) => {
      const op = window(change);
      const c = int(1, 3);
      const x = p([2, int(6, 8), int(6, 8), c * op.groups]);
      const outC = int(1, 3) * op.groups;
      return b.add({ kind: 'conv2d', ...op, clamp }, [x, p([outC, ...size, c]), p([outC])]);
    },
  };
}

function depthwise(label: string, change: Partial<Window>, multiplier: number): GradientCase {
  return {
    label: `depthwiseConv2d ${label}`,
    make: ({ b, p, int }) => {
      const { groups: _, ...op } = window(change);
      const c = int(2, 4);
      const w = p([1, 3, 2, c * multiplier]);
      return b.add({ kind: 'depthwiseConv2d', ...op, clamp: noClamp }, [
        p([2, 6, 7, c]),
        w,
        p([c * multiplier]),
      ]);
    },
  };
}

function transposed(label: string, stride: [number, number], pad: Pad, extra: number): GradientCase {
  return {
    label: `transposedConv2d ${label}`,
    make: ({ b, p, int }) => {
      const [h, w, inC, outC] = [int(2, 4), int(2, 4), int(1, 3), int(1, 3)];
      const shape = [
        2,
        (h - 1) * stride[0] + 3 - pad.top - pad.bottom + extra,
        (w - 1) * stride[1] + 3 - pad.left - pad.right + extra,
        outC,
      ];
      return b.add(
        { kind: 'transposedConv2d', stride, pad, clamp: noClamp },
        [p([2, h, w, inC]), p([outC, 3, 3, inC]), p([outC])],
        { shape },
      );
    },
  };
}

function pool(kind: 'maxPool2d' | 'averagePool2d', label: string, stride: number, pad: Pad): GradientCase {
  return {
    label: `${kind} ${label}`,
    make: ({ b, p, int }) =>
      b.add({ kind, kernel: [3, 2], stride: [stride, stride], pad, clamp: noClamp }, [
        p([2, int(5, 8), int(5, 8), int(1, 4)]),
      ]),
  };
}

function binary(fn: ArithmeticFn, label: string, a: Shape, b: Shape, lo = -1, hi = 1): GradientCase {
  return {
    label: `${fn} ${label}`,
    make: (m) => m.b.add({ kind: 'binary', fn, clamp: noClamp }, [m.p(a), m.p(b, lo, hi)]),
  };
}

function unary(fn: UnaryFn, lo = -2, hi = 2, alpha = 0): GradientCase {
  return { label: fn, make: ({ b, p }) => b.add({ kind: 'unary', fn, alpha }, [p([3, 5], lo, hi)]) };
}

const onP = (label: string, op: Op, shape: Shape): GradientCase => ({
  label,
  make: ({ b, p }) => b.add(op, [p(shape)]),
});

export const gradientCases: readonly GradientCase[] = [
  conv('stride 1, no padding', {}),
  conv('padding on all sides', { pad: pads['all sides']! }),
  conv('uneven padding', { pad: pads['uneven']! }),
  conv('stride 2', { stride: [2, 2] }),
  conv('stride 2 × 3, SAME', { stride: [2, 3], pad: samePad([7, 7], [3, 3], [2, 3]) }),
  conv('dilation 2', { dilation: [2, 1], pad: pads['all sides']! }),
  conv('stride and dilation', { stride: [1, 2], dilation: [2, 2], pad: pads['uneven']! }),
  conv('three groups', { groups: 3, pad: pads['all sides']! }),
  conv('two groups, stride 2', { groups: 2, stride: [2, 2] }),
  conv('1 × 1', {}, noClamp, [1, 1]),
  conv('1 × 1, stride 2', { stride: [2, 2] }, noClamp, [1, 1]),
  conv('with a bound', { pad: pads['all sides']! }, relu),
  depthwise('padded', { pad: pads['all sides']! }, 1),
  depthwise('stride 2', { stride: [2, 2] }, 1),
  depthwise('two outputs a channel, dilation 2', { dilation: [2, 2] }, 2),
  transposed('stride 1', [1, 1], noPad, 0),
  transposed('stride 2, cells left over', [2, 2], pads['all sides']!, 1),
  transposed('stride 3, windows apart', [3, 3], noPad, 2),
  transposed('uneven padding', [2, 1], { top: 1, left: 0, bottom: 0, right: 1 }, 0),
  {
    label: 'dense, rows',
    make: ({ b, p }) => b.add({ kind: 'dense', clamp: noClamp }, [p([4, 6]), p([5, 6]), p([5])]),
  },
  {
    label: 'dense, leading axes and a bound',
    make: ({ b, p }) => b.add({ kind: 'dense', clamp: relu }, [p([2, 3, 6]), p([5, 6]), p([5])]),
  },
  { label: 'matmul', make: ({ b, p }) => b.add({ kind: 'matmul' }, [p([3, 4]), p([4, 5])]) },
  {
    label: 'matmul, batches broadcast',
    make: ({ b, p }) => b.add({ kind: 'matmul' }, [p([2, 1, 3, 4]), p([3, 4, 2])]),
  },
  pool('maxPool2d', 'stride 2', 2, noPad),
  pool('maxPool2d', 'windows overlap, padded', 1, { top: 1, left: 1, bottom: 2, right: 0 }),
  pool('averagePool2d', 'stride 2', 2, noPad),
  pool('averagePool2d', 'windows overlap, padded', 1, { top: 1, left: 1, bottom: 2, right: 0 }),
  pool('averagePool2d', 'stride 3, cells between', 3, noPad),
  {
    label: 'batchNorm, pictures',
    make: ({ b, p }) => scaled(b, b.batchNorm('bn', p([3, 4, 5, 3]))),
  },
  { label: 'batchNorm, rows', make: ({ b, p }) => scaled(b, b.batchNorm('bn', p([9, 4], 2, 4))) },
  binary('add', 'same shape', [2, 3, 4], [2, 3, 4]),
  binary('add', 'a channel each', [2, 3, 4], [4]),
  binary('sub', 'both repeat', [2, 1, 4], [3, 1]),
  binary('mul', 'same shape', [5, 3], [5, 3]),
  binary('mul', 'one number', [5, 3], [1]),
  binary('div', 'a channel each', [5, 3], [3], 0.5, 2),
  binary('min', 'same shape', [6, 3], [6, 3]),
  binary('max', 'a row each', [6, 3], [6, 1]),
  {
    label: 'mul of itself',
    make: ({ b, p }) => {
      const x = p([3, 4]);
      return b.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [x, x]);
    },
  },
  {
    label: 'add with a bound',
    make: ({ b, p }) => b.add({ kind: 'binary', fn: 'add', clamp: relu }, [p([3, 4]), p([3, 4])]),
  },
  onP('clamp, both bounds', { kind: 'clamp', clamp: { min: -0.5, max: 0.4 } }, [4, 6]),
  unary('abs'),
  unary('neg'),
  unary('square'),
  unary('sqrt', 0.5, 2),
  unary('rsqrt', 0.5, 2),
  unary('reciprocal', 0.5, 2),
  unary('exp'),
  unary('log', 0.5, 2),
  unary('sin'),
  unary('cos'),
  unary('erf'),
  unary('logistic'),
  unary('tanh'),
  unary('softplus'),
  unary('softsign'),
  unary('leakyRelu', -2, 2, 0.1),
  unary('hardSwish', -5, 5),
  unary('elu', -2, 2, 0.7),
  { label: 'prelu', make: ({ b, p }) => b.add({ kind: 'prelu' }, [p([2, 3, 4]), p([4])]) },
  {
    label: 'where',
    make: ({ b, p, c }) => {
      const condition = b.add({ kind: 'binary', fn: 'less', clamp: noClamp }, [c([3, 4]), c([3, 4])], {
        dtype: 'bool',
      });
      return b.add({ kind: 'where' }, [condition, p([3, 4]), p([4])], { dtype: 'f32' });
    },
  },
  onP('softmax', { kind: 'softmax', beta: 1, log: false }, [3, 5]),
  onP('softmax, beta 2', { kind: 'softmax', beta: 2, log: false }, [3, 5]),
  onP('log softmax, beta ½', { kind: 'softmax', beta: 0.5, log: true }, [3, 5]),
  onP('l2Normalize', { kind: 'l2Normalize' }, [3, 5]),
  onP('sum', { kind: 'reduce', fn: 'sum', axes: [0, 2] }, [3, 2, 4]),
  onP('mean over the picture', { kind: 'reduce', fn: 'mean', axes: [1, 2] }, [2, 3, 4, 2]),
  onP('reshape', { kind: 'reshape', shape: [4, 6] }, [2, 3, 4]),
  onP('transpose', { kind: 'transpose', perm: [2, 0, 1] }, [2, 3, 4]),
  onP('slice', { kind: 'slice', begin: [1, 0], size: [2, 3], step: [1, 1] }, [4, 5]),
  onP('pad', { kind: 'pad', before: [1, 0], after: [0, 2], value: 3 }, [2, 3]),
  {
    label: 'concat, one of them twice',
    make: ({ b, p }) => {
      const x = p([2, 3]);
      return b.add({ kind: 'concat', axis: 1 }, [x, p([2, 2]), x]);
    },
  },
  {
    label: 'cross-entropy',
    make: ({ b, p, c }) => crossEntropy(b, p([4, 5], -3, 3), probabilities(b, c([4, 5]))),
  },
  {
    label: 'cross-entropy, smoothed labels',
    make: ({ b, p, c }) => crossEntropy(b, p([4, 5], -3, 3), probabilities(b, c([4, 5])), { smoothing: 0.1 }),
  },
  { label: 'mean squared error', make: ({ b, p, c }) => meanSquaredError(b, p([4, 5]), c([4, 5])) },
  {
    label: 'distillation',
    make: ({ b, p, c }) => distillation(b, p([4, 5], -3, 3), c([4, 5], -3, 3), { temperature: 4 }),
  },
];

/** Behind a normalisation every constant weight has gradients near 0: squares do not. */
function scaled(b: TrainingBuilder, x: ValueId): ValueId {
  return b.add({ kind: 'unary', fn: 'square', alpha: 0 }, [x]);
}

function probabilities(b: TrainingBuilder, x: ValueId): ValueId {
  return b.add({ kind: 'softmax', beta: 5, log: false }, [x]);
}
