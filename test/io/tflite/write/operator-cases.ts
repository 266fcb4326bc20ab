/** Small networks, one for each thing that the writer has a rule for. */
import { GraphBuilder } from '../../../../src/graph/build.ts';
import type { Graph, ValueId } from '../../../../src/graph/ir.ts';
import type { Op, OpOf } from '../../../../src/graph/ops.ts';
import { samePad } from '../../../../src/graph/shapes.ts';
import { type BinaryFn, type Clamp, noClamp, noPad, type UnaryFn } from '../../../../src/kernels/call.ts';
import { type DType, elementCount, type Quantization, type Shape, viewOf } from '../../../../src/tensor.ts';
import { random } from '../../../kernels/run-call.ts';

export interface WriterCase {
  readonly label: string;
  readonly graph: Graph;
  /** The operators of the file, in order. */
  readonly codes: readonly string[];
  /** How many notes it takes; where there is one, values may be `steps` apart. Default: none. */
  readonly notes?: number;
  readonly steps?: number;
  /** Floats come out within this of the largest. Default: equal. */
  readonly relative?: number;
}

const q = (scale: number, zeroPoint: number): Quantization => ({
  scale: [Math.fround(scale)],
  zeroPoint: [zeroPoint],
  axis: 0,
});

/** A builder that knows a few constants. */
class Net {
  readonly builder: GraphBuilder;
  readonly #next: () => number;

  constructor(name: string) {
    this.builder = new GraphBuilder(name);
    this.#next = random(name.length + 1);
  }

  input(dtype: DType, shape: Shape, quantization: Quantization | null = null): ValueId {
    return this.builder.input('x', dtype, shape, quantization);
  }

  constant(dtype: DType, shape: Shape, quantization: Quantization | null = null, limit = 100): ValueId {
    const count = elementCount(shape);
    const data = viewOf(dtype, new ArrayBuffer(8 * count), 0, count);
    for (let i = 0; i < count; i++) {
      if (data instanceof BigInt64Array || data instanceof BigUint64Array)
        data[i] = BigInt(Math.floor(this.#next() * 4));
      else if (dtype === 'f32') data[i] = this.#next() * 2 - 1;
      else if (dtype === 'bool') data[i] = this.#next() < 0.5 ? 0 : 1;
      else if (dtype === 'u8') data[i] = Math.floor(this.#next() * 256);
      else data[i] = Math.floor((this.#next() * 2 - 1) * limit);
    }
    return this.builder.constant('c', dtype, shape, data, quantization);
  }

  numbers(values: readonly number[], shape: Shape = [values.length]): ValueId {
    return this.builder.constant('n', 'f32', shape, Float32Array.from(values));
  }
}

const nets: WriterCase[] = [];

function add(
  label: string,
  codes: readonly string[],
  build: (net: Net) => ValueId | readonly ValueId[],
  more: Partial<Pick<WriterCase, 'notes' | 'steps' | 'relative'>> = {},
): void {
  const net = new Net(label);
  const outputs = build(net);
  const graph = net.builder.finish(typeof outputs === 'number' ? [outputs] : outputs);
  nets.push({ label, graph, codes, ...more });
}

const relu: Clamp = { min: 0, max: Number.POSITIVE_INFINITY };
const relu6: Clamp = { min: 0, max: 6 };
const below: Clamp = { min: Number.NEGATIVE_INFINITY, max: 0.5 };
const window = { stride: [1, 1], dilation: [1, 1], pad: noPad } as const;
const conv = (more: Partial<OpOf<'conv2d'>> = {}): Op => ({
  kind: 'conv2d',
  ...window,
  groups: 1,
  clamp: noClamp,
  ...more,
});
const depthwise = (more: Partial<OpOf<'depthwiseConv2d'>> = {}): Op => ({
  kind: 'depthwiseConv2d',
  ...window,
  clamp: noClamp,
  ...more,
});
const pool = (
  kind: 'maxPool2d' | 'averagePool2d',
  more: Partial<OpOf<'maxPool2d' | 'averagePool2d'>> = {},
): Op => ({ kind, kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp, ...more });
const binary = (fn: BinaryFn, clamp = noClamp): Op => ({ kind: 'binary', fn, clamp });
const unary = (fn: UnaryFn, alpha = 0): Op => ({ kind: 'unary', fn, alpha });

// Convolutions

const same5 = samePad([5, 5], [3, 3], [2, 2]);
const odd = { top: 1, left: 0, bottom: 2, right: 1 };

add('conv2d VALID, no bias', ['CONV_2D'], (n) =>
  n.builder.add(conv(), [n.input('f32', [1, 5, 5, 2]), n.constant('f32', [3, 3, 3, 2])]),
);
add('conv2d SAME, strided, relu6', ['CONV_2D'], (n) =>
  n.builder.add(conv({ stride: [2, 2], pad: same5, clamp: relu6 }), [
    n.input('f32', [1, 5, 5, 2]),
    n.constant('f32', [3, 3, 3, 2]),
    n.constant('f32', [3]),
  ]),
);
add('conv2d with padding that no window reaches', ['CONV_2D'], (n) =>
  n.builder.add(conv({ stride: [2, 2], pad: { top: 0, left: 0, bottom: 1, right: 1 } }), [
    n.input('f32', [1, 5, 5, 2]),
    n.constant('f32', [3, 3, 3, 2]),
  ]),
);
add('conv2d with padding of its own', ['PAD', 'CONV_2D'], (n) =>
  n.builder.add(conv({ pad: odd, clamp: relu }), [
    n.input('f32', [2, 5, 5, 2]),
    n.constant('f32', [3, 3, 3, 2]),
    n.constant('f32', [1, 3]),
  ]),
);
add('conv2d, groups, dilated, bounds of its own', ['CONV_2D', 'MAXIMUM', 'MINIMUM'], (n) =>
  n.builder.add(conv({ groups: 2, dilation: [2, 1], clamp: { min: -0.5, max: 0.7 } }), [
    n.input('f32', [1, 5, 5, 4]),
    n.constant('f32', [6, 2, 2, 2]),
    n.constant('f32', [6]),
  ]),
);
add('conv2d int8, a scale for each channel, padding of its own', ['PAD', 'CONV_2D'], (n) =>
  n.builder.add(
    conv({ pad: odd, clamp: relu }),
    [
      n.input('i8', [1, 5, 5, 2], q(0.05, -7)),
      n.constant('i8', [3, 3, 3, 2], { scale: [0.01, 0.02, 0.03], zeroPoint: [0, 0, 0], axis: 0 }),
      n.constant('i32', [3]),
    ],
    { quantization: q(0.04, 3) },
  ),
);
add('conv2d int8, bounds beyond what is stored', ['CONV_2D'], (n) =>
  n.builder.add(
    conv({ clamp: { min: 0, max: 1 } }),
    [
      n.input('i8', [1, 3, 3, 2], q(0.05, 0)),
      n.constant('i8', [3, 1, 1, 2], q(0.02, 0)),
      n.constant('i32', [3]),
    ],
    { quantization: q(0.002, -128) },
  ),
);
add('conv2d int8, bounds of its own', ['CONV_2D', 'MINIMUM'], (n) =>
  n.builder.add(
    conv({ clamp: below }),
    [n.input('i8', [1, 3, 3, 2], q(0.05, 0)), n.constant('i8', [3, 1, 1, 2], q(0.02, 0))],
    { quantization: q(0.02, 3) },
  ),
);
add('conv2d uint8', ['CONV_2D'], (n) =>
  n.builder.add(
    conv({ clamp: relu6 }),
    [
      n.input('u8', [1, 3, 3, 2], q(0.05, 120)),
      n.constant('u8', [3, 1, 1, 2], q(0.02, 131)),
      n.constant('i32', [3]),
    ],
    { quantization: q(0.05, 3) },
  ),
);
add('conv2d, uint8 activations under int8 weights', ['QUANTIZE', 'CONV_2D', 'QUANTIZE'], (n) =>
  n.builder.add(
    conv(),
    [
      n.input('u8', [1, 3, 3, 2], q(0.05, 120)),
      n.constant('i8', [3, 1, 1, 2], q(0.02, 0)),
      n.constant('i32', [3]),
    ],
    { dtype: 'u8', quantization: q(0.05, 30) },
  ),
);
add('conv2d, uint8 activations under int8 weights with a zero point', ['CONV_2D'], (n) =>
  n.builder.add(
    conv(),
    [n.input('u8', [1, 3, 3, 2], q(0.05, 120)), n.constant('i8', [3, 1, 1, 2], q(0.02, 4))],
    { dtype: 'u8', quantization: q(0.05, 30) },
  ),
);
add(
  'conv2d of ONNX, halves to even',
  ['CONV_2D'],
  (n) =>
    n.builder.add(
      conv({ rounding: 'even' }),
      [n.input('i8', [1, 5, 5, 2], q(0.05, -7)), n.constant('i8', [3, 3, 3, 2], q(0.02, 0))],
      { quantization: q(0.04, 3) },
    ),
  { notes: 1, steps: 1 },
);
add('depthwiseConv2d SAME, multiplier 2', ['DEPTHWISE_CONV_2D'], (n) =>
  n.builder.add(depthwise({ pad: samePad([5, 5], [3, 3], [1, 1]), clamp: { min: -1, max: 1 } }), [
    n.input('f32', [1, 5, 5, 3]),
    n.constant('f32', [1, 3, 3, 6]),
    n.constant('f32', [6]),
  ]),
);
add('depthwiseConv2d int8, dilated', ['DEPTHWISE_CONV_2D'], (n) =>
  n.builder.add(
    depthwise({ dilation: [2, 2] }),
    [
      n.input('i8', [1, 6, 6, 2], q(0.05, -7)),
      n.constant('i8', [1, 2, 2, 2], { scale: [0.01, 0.02], zeroPoint: [0, 0], axis: 3 }),
      n.constant('i32', [2]),
    ],
    { quantization: q(0.04, 3) },
  ),
);
add('transposedConv2d SAME, relu', ['TRANSPOSE_CONV', 'RELU'], (n) =>
  n.builder.add(
    {
      kind: 'transposedConv2d',
      stride: [2, 2],
      pad: samePad([6, 6], [3, 3], [2, 2]),
      clamp: relu,
    },
    [n.input('f32', [1, 3, 3, 2]), n.constant('f32', [4, 3, 3, 2]), n.constant('f32', [4])],
    { shape: [1, 6, 6, 4] },
  ),
);
add('transposedConv2d VALID int8', ['TRANSPOSE_CONV'], (n) =>
  n.builder.add(
    { kind: 'transposedConv2d', stride: [2, 2], pad: noPad, clamp: noClamp },
    [
      n.input('i8', [1, 3, 3, 2], q(0.05, 1)),
      n.constant('i8', [4, 3, 3, 2], q(0.02, 0)),
      n.constant('i32', [4]),
    ],
    { quantization: q(0.05, 3) },
  ),
);
add('transposedConv2d, padding of its own, bounds', ['TRANSPOSE_CONV', 'SLICE', 'RELU'], (n) =>
  n.builder.add(
    {
      kind: 'transposedConv2d',
      stride: [2, 2],
      pad: { top: 1, left: 2, bottom: 0, right: 0 },
      clamp: relu,
    },
    [n.input('f32', [1, 3, 3, 2]), n.constant('f32', [4, 4, 4, 2])],
    { shape: [1, 6, 5, 4] },
  ),
);
add(
  'transposedConvNd, groups and dilation',
  [...['RESHAPE', 'SLICE', 'TRANSPOSE_CONV', 'SLICE', 'TRANSPOSE_CONV', 'CONCATENATION', 'RESHAPE']],
  (n) =>
    n.builder.add({ kind: 'transposedConvNd', stride: [2, 2], dilation: [1, 2], before: [0, 0], groups: 2 }, [
      n.input('f32', [1, 3, 3, 4]),
      n.constant('f32', [4, 3, 2, 3]),
      n.constant('f32', [6]),
    ]),
);
add('transposedConvNd of one axis', ['RESHAPE', 'TRANSPOSE_CONV', 'RESHAPE'], (n) =>
  n.builder.add(
    { kind: 'transposedConvNd', stride: [2], dilation: [2], before: [1], groups: 1 },
    [n.input('f32', [1, 4, 2]), n.constant('f32', [2, 3, 3])],
    { shape: [1, 8, 3] },
  ),
);
const volume = (more: Partial<OpOf<'convNd'>>): Op => ({
  kind: 'convNd',
  stride: [1, 1, 1],
  dilation: [1, 1, 1],
  before: [0, 0, 0],
  after: [0, 0, 0],
  groups: 1,
  ...more,
});
add('convNd of one axis', ['RESHAPE', 'PAD', 'CONV_2D', 'RESHAPE'], (n) =>
  n.builder.add(volume({ stride: [2], dilation: [1], before: [1], after: [0], groups: 2 }), [
    n.input('f32', [1, 6, 4]),
    n.constant('f32', [2, 2, 2]),
  ]),
);
add('convNd of three axes', ['CONV_3D'], (n) =>
  n.builder.add(volume({ stride: [1, 2, 1] }), [
    n.input('f32', [1, 3, 5, 4, 2]),
    n.constant('f32', [3, 2, 3, 2, 2]),
    n.constant('f32', [3]),
  ]),
);
add('convNd of three axes, SAME', ['CONV_3D'], (n) =>
  n.builder.add(volume({ before: [0, 1, 1], after: [1, 1, 1] }), [
    n.input('f32', [1, 3, 5, 4, 2]),
    n.constant('f32', [3, 2, 3, 3, 2]),
  ]),
);
add('convNd of three axes, padding of its own', ['PAD', 'CONV_3D'], (n) =>
  n.builder.add(volume({ before: [2, 1, 0], after: [0, 1, 0] }), [
    n.input('f32', [1, 3, 5, 4, 2]),
    n.constant('f32', [3, 2, 3, 2, 2]),
  ]),
);
add('dense, keeps its axes', ['FULLY_CONNECTED'], (n) =>
  n.builder.add({ kind: 'dense', clamp: relu }, [
    n.input('f32', [2, 3, 4]),
    n.constant('f32', [5, 4]),
    n.constant('f32', [5]),
  ]),
);
add('dense of one row without a batch', ['FULLY_CONNECTED'], (n) =>
  n.builder.add({ kind: 'dense', clamp: noClamp }, [n.input('f32', [4]), n.constant('f32', [5, 4])]),
);
add('dense int8', ['FULLY_CONNECTED'], (n) =>
  n.builder.add(
    { kind: 'dense', clamp: noClamp },
    [n.input('i8', [2, 4], q(0.05, 3)), n.constant('i8', [5, 4], q(0.02, 0)), n.constant('i32', [5])],
    { quantization: q(0.05, -3) },
  ),
);
add('matmul, batches broadcast', ['BATCH_MATMUL'], (n) =>
  n.builder.add({ kind: 'matmul' }, [n.input('f32', [2, 3, 4]), n.constant('f32', [4, 5])]),
);

// Pools

add('maxPool2d SAME', ['MAX_POOL_2D'], (n) =>
  n.builder.add(pool('maxPool2d', { pad: samePad([5, 5], [2, 2], [2, 2]) }), [n.input('f32', [1, 5, 5, 2])]),
);
add('maxPool2d, padding of its own', ['PADV2', 'MAX_POOL_2D'], (n) =>
  n.builder.add(pool('maxPool2d', { kernel: [3, 3], pad: { top: 1, left: 1, bottom: 1, right: 1 } }), [
    n.input('f32', [1, 6, 6, 2]),
  ]),
);
add('maxPool2d int8, padding of its own', ['PADV2', 'MAX_POOL_2D'], (n) =>
  n.builder.add(
    pool('maxPool2d', { kernel: [3, 3], pad: { top: 1, left: 1, bottom: 1, right: 1 } }),
    [n.input('i8', [1, 6, 6, 2], q(0.05, 9))],
    { quantization: q(0.05, 9) },
  ),
);
add(
  'averagePool2d, padding of its own',
  ['PAD', 'AVERAGE_POOL_2D', 'MUL'],
  (n) =>
    n.builder.add(
      pool('averagePool2d', { kernel: [3, 3], pad: { top: 1, left: 1, bottom: 1, right: 1 }, clamp: relu }),
      [n.input('f32', [1, 6, 6, 2])],
    ),
  { relative: 1e-6 },
);
add(
  'averagePool2d int8, padding of its own',
  ['DEQUANTIZE', 'PAD', 'AVERAGE_POOL_2D', 'MUL', 'QUANTIZE'],
  (n) =>
    n.builder.add(
      pool('averagePool2d', { kernel: [3, 3], pad: { top: 1, left: 1, bottom: 1, right: 1 } }),
      [n.input('i8', [1, 6, 6, 2], q(0.05, 9))],
      { quantization: q(0.05, 9) },
    ),
  { notes: 1, steps: 1 },
);
add('averagePool2d int8, one scale', ['AVERAGE_POOL_2D'], (n) =>
  n.builder.add(pool('averagePool2d'), [n.input('i8', [1, 4, 4, 2], q(0.05, 9))], {
    quantization: q(0.05, 9),
  }),
);
add('averagePool2d int8, scales that the kernels do not look at', ['AVERAGE_POOL_2D', 'RESHAPE'], (n) =>
  n.builder.add(pool('averagePool2d'), [n.input('i8', [1, 4, 4, 2], q(0.05, 9))], {
    quantization: q(0.03, 2),
  }),
);
add(
  'averagePool2d of ONNX over everything, to another scale',
  ['MEAN'],
  (n) =>
    n.builder.add(
      pool('averagePool2d', { kernel: [4, 4], rounding: 'even' }),
      [n.input('i8', [1, 4, 4, 2], q(0.05, 9))],
      { quantization: q(0.03, 2) },
    ),
  { notes: 1, steps: 1 },
);
add(
  'averagePool2d of ONNX, to another scale',
  ['AVERAGE_POOL_2D', 'QUANTIZE'],
  (n) =>
    n.builder.add(pool('averagePool2d', { rounding: 'even' }), [n.input('i8', [1, 4, 4, 2], q(0.05, 9))], {
      quantization: q(0.03, 2),
    }),
  { notes: 2, steps: 2 },
);
const nd = { stride: [2], dilation: [1], before: [1], after: [1], p: 1 } as const;
add('poolNd max of one axis', ['RESHAPE', 'PADV2', 'MAX_POOL_2D', 'RESHAPE'], (n) =>
  n.builder.add({ kind: 'poolNd', fn: 'max', kernel: [3], countPad: false, ...nd }, [
    n.input('f32', [1, 7, 2]),
  ]),
);
add(
  'poolNd average, padding counted, the last window beyond it',
  ['RESHAPE', 'PAD', 'AVERAGE_POOL_2D', 'MUL', 'RESHAPE'],
  (n) =>
    n.builder.add(
      { kind: 'poolNd', fn: 'average', kernel: [3], countPad: true, ...nd },
      [n.input('f32', [1, 8, 2])],
      { shape: [1, 5, 2] },
    ),
  { relative: 1e-6 },
);

// Element by element

for (const [fn, code] of [
  ['add', 'ADD'],
  ['sub', 'SUB'],
  ['mul', 'MUL'],
  ['div', 'DIV'],
] as const) {
  add(`${fn} f32, relu6`, [code], (n) =>
    n.builder.add(binary(fn, relu6), [n.input('f32', [2, 3]), n.constant('f32', [3])]),
  );
  add(`${fn} i32`, [code], (n) =>
    n.builder.add(binary(fn), [n.input('i32', [2, 3]), n.constant('i32', [3])]),
  );
  add(`${fn} int8, three scales`, [code], (n) =>
    n.builder.add(binary(fn), [n.input('i8', [2, 3], q(0.05, 4)), n.constant('i8', [3], q(0.03, -9))], {
      quantization: q(0.04, 1),
    }),
  );
  if (fn !== 'div')
    add(`${fn} i64`, [code], (n) =>
      n.builder.add(binary(fn), [n.input('i64', [2, 3]), n.constant('i64', [3])]),
    );
}
add('add, bounds of its own', ['ADD', 'MAXIMUM'], (n) =>
  n.builder.add(binary('add', { min: 0.25, max: Number.POSITIVE_INFINITY }), [
    n.input('f32', [2, 3]),
    n.constant('f32', [3]),
  ]),
);
for (const [fn, code] of [
  ['min', 'MINIMUM'],
  ['max', 'MAXIMUM'],
] as const) {
  add(`${fn} f32, relu behind`, [code, 'RELU'], (n) =>
    n.builder.add(binary(fn, relu), [n.input('f32', [2, 3]), n.constant('f32', [3])]),
  );
  add(`${fn} int8, one scale`, [code], (n) =>
    n.builder.add(binary(fn), [n.input('i8', [2, 3], q(0.05, 4)), n.constant('i8', [3], q(0.05, 4))], {
      quantization: q(0.05, 4),
    }),
  );
  add(
    `${fn} int8, three scales`,
    ['QUANTIZE', 'QUANTIZE', code],
    (n) =>
      n.builder.add(
        binary(fn),
        [n.input('i8', [2, 3], q(0.05, 4)), n.builder.input('y', 'i8', [3], q(0.03, -9))],
        { quantization: q(0.04, 1) },
      ),
    { notes: 1, steps: 1 },
  );
}
add('pow', ['POW'], (n) => n.builder.add(binary('pow'), [n.input('f32', [2, 3]), n.numbers([2, 3, 1])]));
add('mod', ['FLOOR_MOD'], (n) =>
  n.builder.add(binary('mod'), [n.input('i32', [2, 3]), n.constant('i32', [3])]),
);
add(
  'pow int8',
  ['DEQUANTIZE', 'DEQUANTIZE', 'POW', 'QUANTIZE'],
  (n) =>
    n.builder.add(
      binary('pow'),
      [n.input('i8', [2, 3], q(0.05, -128)), n.builder.input('y', 'i8', [3], q(0.01, 0))],
      { quantization: q(0.04, -128) },
    ),
  { notes: 1, steps: 1 },
);
for (const [fn, code] of [
  ['equal', 'EQUAL'],
  ['less', 'LESS'],
  ['lessOrEqual', 'LESS_EQUAL'],
  ['greater', 'GREATER'],
  ['greaterOrEqual', 'GREATER_EQUAL'],
] as const)
  add(fn, [code], (n) =>
    n.builder.add(binary(fn), [n.input('f32', [2, 3]), n.constant('f32', [3])], { dtype: 'bool' }),
  );
for (const [fn, code] of [
  ['and', 'LOGICAL_AND'],
  ['or', 'LOGICAL_OR'],
  ['xor', 'NOT_EQUAL'],
] as const)
  add(fn, [code], (n) => n.builder.add(binary(fn), [n.input('bool', [2, 3]), n.constant('bool', [3])]));
add('where', ['GREATER', 'SELECT_V2'], (n) => {
  const x = n.input('f32', [2, 3]);
  const above = n.builder.add(binary('greater'), [x, n.constant('f32', [3])], { dtype: 'bool' });
  return n.builder.add({ kind: 'where' }, [above, x, n.constant('f32', [])], { dtype: 'f32' });
});

add('where of int8, stored numbers of another scale', ['RESHAPE', 'SELECT_V2'], (n) =>
  n.builder.add(
    { kind: 'where' },
    [n.constant('bool', [3]), n.input('i8', [3], q(0.05, 1)), n.builder.input('y', 'i8', [3], q(0.04, 2))],
    { dtype: 'i8', quantization: q(0.04, 2) },
  ),
);

for (const [fn, code] of [
  ['abs', 'ABS'],
  ['neg', 'NEG'],
  ['sign', 'SIGN'],
  ['floor', 'FLOOR'],
  ['ceil', 'CEIL'],
  ['round', 'ROUND'],
  ['square', 'SQUARE'],
  ['sqrt', 'SQRT'],
  ['rsqrt', 'RSQRT'],
  ['exp', 'EXP'],
  ['log', 'LOG'],
  ['sin', 'SIN'],
  ['cos', 'COS'],
  ['logistic', 'LOGISTIC'],
  ['tanh', 'TANH'],
  ['hardSwish', 'HARD_SWISH'],
] as const)
  add(`${fn} f32`, [code], (n) => n.builder.add(unary(fn), [n.input('f32', [2, 3])]));
add('elu f32', ['ELU'], (n) => n.builder.add(unary('elu', 1), [n.input('f32', [2, 3])]));
add('leakyRelu f32', ['LEAKY_RELU'], (n) =>
  n.builder.add(unary('leakyRelu', 0.25), [n.input('f32', [2, 3])]),
);
add('not', ['LOGICAL_NOT'], (n) => n.builder.add(unary('not'), [n.input('bool', [4])]));
add('abs i32', ['ABS'], (n) => n.builder.add(unary('abs'), [n.input('i32', [4])]));
add('square i32', ['MUL'], (n) => n.builder.add(unary('square'), [n.input('i32', [4])]));
add('floor i32', ['RESHAPE'], (n) => n.builder.add(unary('floor'), [n.input('i32', [4])]));
const near = { relative: 1e-6 };
add('reciprocal', ['DIV'], (n) => n.builder.add(unary('reciprocal'), [n.input('f32', [2, 3])]), near);
add(
  'softsign',
  ['ABS', 'ADD', 'DIV'],
  (n) => n.builder.add(unary('softsign'), [n.input('f32', [2, 3])]),
  near,
);
add(
  'softplus',
  ['ABS', 'NEG', 'EXP', 'ADD', 'LOG', 'RELU', 'ADD'],
  (n) => n.builder.add(unary('softplus'), [n.input('f32', [2, 3])]),
  near,
);
add(
  'elu with a factor',
  ['MINIMUM', 'ELU', 'MUL', 'RELU', 'ADD'],
  (n) => n.builder.add(unary('elu', 1.7), [n.input('f32', [2, 3])]),
  near,
);
for (const [fn, code, alpha] of [
  ['abs', 'ABS', 0],
  ['leakyRelu', 'LEAKY_RELU', 0.2],
  ['hardSwish', 'HARD_SWISH', 0],
  ['elu', 'ELU', 1],
  ['exp', 'EXP', 0],
  ['log', 'LOG', 0],
  ['sqrt', 'SQRT', 0],
  ['rsqrt', 'RSQRT', 0],
] as const)
  add(`${fn} int8`, [code], (n) =>
    n.builder.add(unary(fn, alpha), [n.input('i8', [64], q(0.05, 4))], { quantization: q(0.04, -9) }),
  );
add('logistic int8', ['LOGISTIC'], (n) =>
  n.builder.add(unary('logistic'), [n.input('i8', [64], q(0.05, 4))], { quantization: q(1 / 256, -128) }),
);
add(
  'tanh int8 of another type',
  ['DEQUANTIZE', 'TANH', 'QUANTIZE'],
  (n) =>
    n.builder.add(unary('tanh'), [n.input('u8', [64], q(0.05, 130))], {
      dtype: 'i8',
      quantization: q(1 / 128, 0),
    }),
  { notes: 1, steps: 1 },
);
add('tanh uint8', ['TANH'], (n) =>
  n.builder.add(unary('tanh'), [n.input('u8', [64], q(0.05, 130))], { quantization: q(1 / 128, 128) }),
);
add(
  'logistic int8 of another scale',
  ['LOGISTIC', 'QUANTIZE'],
  (n) => n.builder.add(unary('logistic'), [n.input('i8', [64], q(0.05, 4))], { quantization: q(0.02, -20) }),
  { notes: 1, steps: 1 },
);
add(
  'neg int8',
  ['DEQUANTIZE', 'NEG', 'QUANTIZE'],
  (n) => n.builder.add(unary('neg'), [n.input('i8', [64], q(0.05, 4))], { quantization: q(0.04, -9) }),
  { notes: 1, steps: 1 },
);

for (const [label, clamp, code] of [
  ['relu', relu, 'RELU'],
  ['relu6', relu6, 'RELU6'],
  ['−1…1', { min: -1, max: 1 }, 'RELU_N1_TO_1'],
  ['0…1', { min: 0, max: 1 }, 'RELU_0_TO_1'],
] as const) {
  add(`clamp ${label} f32`, [code], (n) => n.builder.add({ kind: 'clamp', clamp }, [n.input('f32', [2, 3])]));
  add(`clamp ${label} int8, rescaled`, [code], (n) =>
    n.builder.add({ kind: 'clamp', clamp }, [n.input('i8', [64], q(0.06, 4))], { quantization: q(0.07, -9) }),
  );
}
add('clamp of its own', ['MAXIMUM', 'MINIMUM'], (n) =>
  n.builder.add({ kind: 'clamp', clamp: { min: -0.25, max: 0.5 } }, [n.input('f32', [2, 3])]),
);
add('clamp of its own, int8, rescaled', ['QUANTIZE', 'MAXIMUM', 'MINIMUM'], (n) =>
  n.builder.add({ kind: 'clamp', clamp: { min: -0.25, max: 0.5 } }, [n.input('i8', [64], q(0.05, 4))], {
    quantization: q(0.04, -9),
  }),
);
add('clamp i64', ['MAXIMUM', 'MINIMUM'], (n) =>
  n.builder.add({ kind: 'clamp', clamp: { min: 0.5, max: 2 } }, [n.input('i64', [8])]),
);
add('clamp of nothing', ['RESHAPE'], (n) =>
  n.builder.add({ kind: 'clamp', clamp: noClamp }, [n.input('f32', [2, 3])]),
);
add('prelu', ['PRELU'], (n) =>
  n.builder.add({ kind: 'prelu' }, [n.input('f32', [1, 2, 2, 3]), n.constant('f32', [1, 1, 3])]),
);
add('softmax', ['SOFTMAX'], (n) =>
  n.builder.add({ kind: 'softmax', beta: 2, log: false }, [n.input('f32', [2, 5])]),
);
add('softmax int8', ['SOFTMAX'], (n) =>
  n.builder.add({ kind: 'softmax', beta: 1, log: false }, [n.input('i8', [2, 5], q(0.1, 3))], {
    quantization: q(1 / 256, -128),
  }),
);
add('logarithm of softmax', ['LOG_SOFTMAX'], (n) =>
  n.builder.add({ kind: 'softmax', beta: 1, log: true }, [n.input('f32', [2, 5])]),
);
add(
  'logarithm of softmax with a factor',
  ['MUL', 'LOG_SOFTMAX'],
  (n) => n.builder.add({ kind: 'softmax', beta: 2, log: true }, [n.input('f32', [2, 5])]),
  near,
);
add('l2Normalize', ['L2_NORMALIZATION'], (n) =>
  n.builder.add({ kind: 'l2Normalize' }, [n.input('f32', [2, 5])]),
);
add(
  'lrn',
  ['LOCAL_RESPONSE_NORMALIZATION'],
  (n) =>
    n.builder.add({ kind: 'lrn', size: 3, alpha: 0.3, beta: 0.75, bias: 1 }, [n.input('f32', [1, 2, 2, 5])]),
  near,
);

// Along axes

for (const [fn, code] of [
  ['mean', 'MEAN'],
  ['sum', 'SUM'],
  ['max', 'REDUCE_MAX'],
  ['min', 'REDUCE_MIN'],
  ['prod', 'REDUCE_PROD'],
] as const)
  add(`${fn} f32`, [code], (n) =>
    n.builder.add({ kind: 'reduce', fn, axes: [1, 2] }, [n.input('f32', [2, 3, 4, 2])]),
  );
add('mean without its axes', ['MEAN'], (n) =>
  n.builder.add({ kind: 'reshape', shape: [2, 2] }, [
    n.builder.add({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [n.input('f32', [2, 3, 4, 2])]),
  ]),
);
add('mean without its axes, and with them', ['MEAN', 'RESHAPE'], (n) => {
  const mean = n.builder.add({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [n.input('f32', [2, 3, 4, 2])]);
  return [n.builder.add({ kind: 'reshape', shape: [2, 2] }, [mean]), mean];
});
add('mean int8', ['MEAN'], (n) =>
  n.builder.add({ kind: 'reduce', fn: 'mean', axes: [1] }, [n.input('i8', [2, 5], q(0.05, 4))], {
    quantization: q(0.04, 1),
  }),
);
add('max uint8', ['REDUCE_MAX'], (n) =>
  n.builder.add({ kind: 'reduce', fn: 'max', axes: [1] }, [n.input('u8', [2, 5], q(0.05, 4))], {
    quantization: q(0.05, 4),
  }),
);
add('argMax to i64', ['ARG_MAX'], (n) =>
  n.builder.add({ kind: 'argMax', axis: 1, least: false, last: false }, [n.input('f32', [2, 5])], {
    dtype: 'i64',
  }),
);
add('argMin to i32', ['ARG_MIN'], (n) =>
  n.builder.add({ kind: 'argMax', axis: 0, least: true, last: false }, [n.input('f32', [2, 5])], {
    dtype: 'i32',
  }),
);
const topK = (more: Partial<OpOf<'topK'>>): Op => ({
  kind: 'topK',
  axis: 1,
  k: 2,
  largest: true,
  indices: false,
  ...more,
});
add('topK', ['TOPK_V2'], (n) => n.builder.add(topK({}), [n.input('f32', [2, 5])]));
add('topK, where', ['TOPK_V2', 'CAST'], (n) =>
  n.builder.add(topK({ indices: true }), [n.input('f32', [2, 5])], { dtype: 'i64' }),
);
add('topK, the least of another axis', ['TRANSPOSE', 'NEG', 'TOPK_V2', 'NEG', 'TRANSPOSE'], (n) =>
  n.builder.add(topK({ axis: 0, largest: false }), [n.input('f32', [5, 3])]),
);

// Other types

add('f32 to int8', ['QUANTIZE'], (n) =>
  n.builder.add({ kind: 'convert', rounding: 'away' }, [n.input('f32', [9])], {
    dtype: 'i8',
    quantization: q(0.02, 3),
  }),
);
add('uint8 to f32', ['DEQUANTIZE'], (n) =>
  n.builder.add({ kind: 'convert', rounding: 'away' }, [n.input('u8', [9], q(0.02, 3))], {
    dtype: 'f32',
    quantization: null,
  }),
);
add(
  'int8 to int8, halves to even',
  ['QUANTIZE'],
  (n) =>
    n.builder.add({ kind: 'convert', rounding: 'even' }, [n.input('i8', [64], q(0.02, 3))], {
      quantization: q(0.04, 3),
    }),
  { notes: 1, steps: 1 },
);
for (const [from, to] of [
  ['f32', 'i32'],
  ['i32', 'f32'],
  ['bool', 'f32'],
  ['i32', 'i64'],
] as const)
  add(`cast ${from} to ${to}`, ['CAST'], (n) =>
    n.builder.add({ kind: 'cast' }, [n.input(from, [2, 3])], { dtype: to }),
  );

// Movement

add('reshape to a scalar and back', ['RESHAPE', 'RESHAPE'], (n) =>
  n.builder.add({ kind: 'reshape', shape: [1, 1] }, [
    n.builder.add({ kind: 'reshape', shape: [] }, [n.input('f32', [1])]),
  ]),
);
add('transpose', ['TRANSPOSE'], (n) =>
  n.builder.add({ kind: 'transpose', perm: [0, 3, 1, 2] }, [n.input('f32', [1, 2, 3, 4])]),
);
add('transpose of six axes, two of them neighbours', ['RESHAPE', 'TRANSPOSE', 'RESHAPE'], (n) =>
  n.builder.add({ kind: 'transpose', perm: [0, 1, 3, 2, 4, 5] }, [n.input('f32', [1, 2, 2, 3, 2, 3])]),
);
add('concat', ['CONCATENATION'], (n) =>
  n.builder.add({ kind: 'concat', axis: 1 }, [n.input('f32', [2, 3]), n.constant('f32', [2, 2])]),
);
add('concat int8, stored numbers of another scale', ['RESHAPE', 'CONCATENATION'], (n) =>
  n.builder.add(
    { kind: 'concat', axis: 0 },
    [n.input('i8', [3], q(0.05, 1)), n.builder.input('y', 'i8', [3], q(0.04, 2))],
    { quantization: q(0.05, 1) },
  ),
);
add('slice', ['SLICE'], (n) =>
  n.builder.add({ kind: 'slice', begin: [0, 1], size: [2, 2], step: [1, 1] }, [n.input('f32', [2, 4])]),
);
add('slice backwards to the first, and by twos', ['STRIDED_SLICE'], (n) =>
  n.builder.add({ kind: 'slice', begin: [2, 1], size: [3, 2], step: [-1, 2] }, [n.input('f32', [3, 5])]),
);
add('slice backwards within', ['STRIDED_SLICE'], (n) =>
  n.builder.add({ kind: 'slice', begin: [4], size: [2], step: [-2] }, [n.input('i8', [5], q(0.1, 2))]),
);
add('pad', ['PAD'], (n) =>
  n.builder.add({ kind: 'pad', before: [0, 1], after: [2, 0], value: 0 }, [n.input('i8', [2, 2], q(0.1, 2))]),
);
add('pad with a number', ['PADV2'], (n) =>
  n.builder.add({ kind: 'pad', before: [0, 1], after: [2, 0], value: 0.73 }, [
    n.input('i8', [2, 2], q(0.1, 2)),
  ]),
);
add('pad int64 with a number', ['PADV2'], (n) =>
  n.builder.add({ kind: 'pad', before: [1], after: [0], value: 7 }, [n.input('i64', [2])]),
);
for (const mode of ['reflect', 'symmetric'] as const)
  add(`mirrorPad ${mode}`, ['MIRROR_PAD'], (n) =>
    n.builder.add({ kind: 'mirrorPad', before: [1, 0], after: [1, 2], mode }, [n.input('f32', [2, 3])]),
  );
add('gather, counted from the end', ['GATHER'], (n) =>
  n.builder.add({ kind: 'gather', axis: 1, batchDims: 0 }, [
    n.input('f32', [2, 4]),
    n.builder.constant('i', 'i32', [3], Int32Array.of(0, -1, 2)),
  ]),
);
add('gather in batches', ['GATHER'], (n) =>
  n.builder.add({ kind: 'gather', axis: 1, batchDims: 1 }, [
    n.input('f32', [2, 4]),
    n.builder.constant('i', 'i64', [2, 1], BigInt64Array.of(0n, 3n)),
  ]),
);
add('gatherNd, counted from the end', ['GATHER_ND'], (n) =>
  n.builder.add({ kind: 'gatherNd', batchDims: 0 }, [
    n.input('f32', [2, 4]),
    n.builder.constant('i', 'i32', [2, 2], Int32Array.of(0, -1, 1, 2)),
  ]),
);
for (const [mode, code] of [
  ['nearest', 'RESIZE_NEAREST_NEIGHBOR'],
  ['bilinear', 'RESIZE_BILINEAR'],
] as const)
  for (const [alignCorners, halfPixelCenters] of [
    [false, false],
    [true, false],
    [false, true],
  ] as const)
    add(`resize ${mode}, corners ${alignCorners}, centres ${halfPixelCenters}`, [code], (n) =>
      n.builder.add({ kind: 'resize', mode, size: [5, 7], alignCorners, halfPixelCenters }, [
        n.input('f32', [1, 3, 4, 2]),
      ]),
    );
add('the spectrum', ['RFFT2D', 'RESHAPE', 'COMPLEX_ABS'], (n) => {
  const pairs = n.builder.add({ kind: 'rfft2d', length: [1, 8] }, [n.input('f32', [2, 1, 6])]);
  return n.builder.add({ kind: 'complexAbs' }, [
    n.builder.add({ kind: 'reshape', shape: [2, 5, 2] }, [pairs]),
  ]);
});

// Ends

add('an input as an output, twice, and a constant', [], (n) => {
  const x = n.input('f32', [2]);
  return [x, x, n.constant('f32', [2])];
});

export const writerCases: readonly WriterCase[] = nets;
