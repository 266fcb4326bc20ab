/** The generated kernels of training against the textbook loops, with and without relaxed SIMD, in every layout. */
import { describe, expect, it } from 'vitest';
import { samePad, windowCount } from '../../src/graph/shapes.ts';
import { type Arithmetic, type KernelSet, noClamp, noPad, type Pair } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { TrainingFn } from '../../src/kernels/train/call.ts';
import { trainReference } from '../../src/kernels/train/reference/index.ts';
import { trainWasmKernels } from '../../src/kernels/train/wasm/index.ts';
import { elementCount, type NumberData, type Shape } from '../../src/tensor.ts';
import { layouts } from './compare.ts';
import { activation, type Input, operandsOf, random, runCall, type TestCall } from './run-call.ts';

const sets = [
  { label: 'relaxed', set: trainWasmKernels() },
  { label: 'plain', set: trainWasmKernels({ relaxed: false }) },
];

const textbook: KernelSet = {
  name: 'textbook',
  offer: (call) => trainReference.offer(call) ?? reference.offer(call),
};

function numbers(shape: Shape, seed: number, lo = -1, hi = 1): Input {
  const next = random(seed);
  return activation(
    'f32',
    shape,
    Array.from({ length: elementCount(shape) }, () => lo + (hi - lo) * next()),
  );
}

const callOf = (arithmetic: Arithmetic, inputs: readonly Input[], shape: Shape): TestCall => ({
  arithmetic,
  inputs,
  output: { dtype: 'f32', shape, quantization: null },
});

const training = (fn: TrainingFn, inputs: readonly Input[], shape: Shape): TestCall =>
  callOf({ kind: 'training', ...fn, shape }, inputs, shape);

/** |a − b| ≤ terms·2⁻²⁴·(what reference makes of the sizes); where that is no bound, of the greatest output. */
function compare(set: KernelSet, call: TestCall, terms: number, isProduct = true, where = ''): void {
  const expected = runCall(textbook, call) as NumberData;
  const abs = ({ data, ...input }: Input): Input => ({
    ...input,
    data: (data as Float32Array).map(Math.abs),
  });
  const sizes = isProduct
    ? (runCall(textbook, {
        ...call,
        arithmetic: {
          ...call.arithmetic,
          ...('clamp' in call.arithmetic && { clamp: noClamp }),
        } as Arithmetic,
        inputs: call.inputs.map(abs),
      }) as NumberData)
    : new Float32Array(expected.length).fill(Math.max(...Array.from(expected, Math.abs)));
  const offer = set.offer(operandsOf(call));
  expect(offer, where).not.toBeNull();
  for (const layout of layouts) {
    if (layout.endsWith('border') && !offer!.border) continue;
    if (layout.startsWith('overwriting') && !offer!.overwrites) continue;
    const actual = runCall(set, call, layout) as NumberData;
    expected.forEach((y, i) => {
      if (!(Math.abs(actual[i]! - y) <= terms * 2 ** -24 * sizes[i]! + 2 ** -149))
        expect.fail(`${where} ${layout}: element ${i} is ${actual[i]}, by reference ${y}`);
    });
  }
}

interface Layer {
  readonly label: string;
  readonly x: readonly [number, number, number, number];
  readonly outC: number;
  readonly kernel?: Pair;
  readonly stride?: Pair;
  readonly dilation?: Pair;
  readonly same?: boolean;
  readonly groups?: number;
}

const layers: readonly Layer[] = [
  { label: '1 × 1', x: [2, 3, 5, 4], outC: 8 },
  { label: '1 × 1, stride 2', x: [2, 5, 6, 3], outC: 5, stride: [2, 2] },
  { label: '3 × 3, SAME', x: [3, 6, 6, 4], outC: 8, kernel: [3, 3], same: true },
  { label: '3 × 3, channels leave a rest', x: [2, 5, 7, 3], outC: 6, kernel: [3, 3], same: true },
  { label: '3 × 3, stride 2, SAME', x: [2, 8, 8, 5], outC: 9, kernel: [3, 3], stride: [2, 2], same: true },
  { label: '5 × 4, stride 3 × 2', x: [1, 11, 9, 2], outC: 7, kernel: [5, 4], stride: [3, 2] },
  { label: 'kernel smaller than the stride', x: [2, 9, 9, 3], outC: 4, kernel: [2, 1], stride: [3, 3] },
  { label: 'one channel', x: [2, 7, 7, 1], outC: 1, kernel: [3, 3] },
  { label: 'rows that leave the first cache', x: [2, 40, 24, 16], outC: 20, kernel: [3, 3], same: true },
  { label: 'many outputs', x: [1, 4, 4, 6], outC: 67, kernel: [2, 2] },
];

const others: readonly Layer[] = [
  { label: 'dilation', x: [2, 9, 8, 3], outC: 5, kernel: [3, 3], dilation: [2, 3], same: true },
  { label: 'two groups', x: [2, 5, 5, 6], outC: 8, kernel: [3, 3], groups: 2, same: true },
  { label: 'groups with a rest', x: [2, 5, 5, 9], outC: 6, kernel: [3, 2], groups: 3, stride: [2, 2] },
  { label: 'as many groups as channels', x: [2, 6, 6, 5], outC: 5, kernel: [3, 3], groups: 5, same: true },
];

function shapesOf({ x, outC, kernel = [1, 1], stride = [1, 1], dilation = [1, 1], same, groups = 1 }: Layer) {
  const [n, h, w, inC] = x;
  const pad = same ? samePad([h, w], kernel, stride, dilation) : noPad;
  const outH = windowCount(h, kernel[0], stride[0], dilation[0], pad.top + pad.bottom);
  const outW = windowCount(w, kernel[1], stride[1], dilation[1], pad.left + pad.right);
  return {
    window: { stride, dilation, pad, groups },
    y: [n, outH, outW, outC],
    w: [outC, ...kernel, inC / groups],
  };
}

describe.each(sets)('layers whose weights change, $label', ({ set }) => {
  it.each([...layers, ...others])('conv2d: $label', (layer) => {
    const { window, y, w } = shapesOf(layer);
    const terms = elementCount(w) / layer.outC + 2;
    const op = { kind: 'conv2d', ...window, clamp: noClamp } as const;
    const [x, weights] = [numbers(layer.x, 1), numbers(w, 2)];
    compare(set, callOf(op, [x, weights], y), terms);
    const relu = { ...op, clamp: { min: 0, max: 6 } };
    compare(set, callOf(relu, [x, weights, numbers([layer.outC], 3)], y), terms);
  });

  it.each(layers)('gradient by the input: $label', (layer) => {
    const { window, y, w } = shapesOf(layer);
    const { stride, dilation, pad, groups } = window;
    const op = { kind: 'transposedConvNd', stride, dilation, before: [pad.top, pad.left], groups } as const;
    compare(set, callOf(op, [numbers(y, 1), numbers(w, 2)], layer.x), elementCount(w) + 2);
  });

  it.each([
    { label: 'extents of whole tiles', x: [2, 16, 16, 16], outC: 16, kernel: [3, 3], same: true },
    { label: 'tiles that overlap', x: [1, 17, 22, 16], outC: 20, kernel: [3, 3], same: true },
    { label: 'no padding', x: [2, 19, 15, 32], outC: 24, kernel: [3, 3] },
  ] satisfies Layer[])('by Winograd: $label', (layer: Layer) => {
    const { window, y, w } = shapesOf(layer);
    const { stride, dilation, pad, groups } = window;
    const op = { kind: 'conv2d', ...window, clamp: noClamp } as const;
    const before = [pad.top, pad.left];
    const back = { kind: 'transposedConvNd', stride, dilation, before, groups } as const;
    const weights = numbers(w, 2);
    for (const call of [
      callOf(op, [numbers(layer.x, 1), weights, numbers([layer.outC], 3)], y),
      callOf(back, [numbers(y, 1), weights], layer.x),
    ]) {
      expect(set.offer(operandsOf(call))!.kernel).toContain('winograd');
      compare(set, call, 100, false); // 6·10⁻⁶ of the greatest output
    }
  });

  it.each([...layers, ...others])('gradient by the weights: $label', (layer) => {
    const { window, y, w } = shapesOf(layer);
    const call = training({ fn: 'conv2dWeights', ...window }, [numbers(layer.x, 1), numbers(y, 2)], w);
    compare(set, call, y[0]! * y[1]! * y[2]! + 2);
  });

  it.each([
    { label: '3 × 3, SAME', x: [2, 6, 7, 8], outC: 8, kernel: [3, 3], same: true },
    {
      label: 'stride 2, channels leave a rest',
      x: [2, 8, 7, 6],
      outC: 6,
      kernel: [3, 3],
      stride: [2, 2],
      same: true,
    },
    { label: 'kernel smaller than the stride', x: [2, 9, 9, 5], outC: 5, kernel: [2, 1], stride: [3, 3] },
    { label: 'more taps than locals', x: [1, 9, 9, 4], outC: 4, kernel: [5, 5], same: true },
    { label: 'several bands of rows', x: [2, 40, 20, 12], outC: 12, kernel: [3, 3], same: true },
    { label: 'four outputs a channel', x: [2, 5, 5, 3], outC: 12, kernel: [3, 3], same: true },
  ] satisfies Layer[])('depthwise: $label', (layer: Layer) => {
    const { window, y } = shapesOf(layer);
    const { groups: _, ...op } = window;
    const inC = layer.x[3];
    const w = [1, ...layer.kernel!, layer.outC];
    const inputs = [numbers(layer.x, 1), numbers(w, 2), numbers([layer.outC], 3)];
    const terms = elementCount(y) / layer.outC + 2;
    for (const operands of [inputs, inputs.slice(0, 2)])
      compare(set, callOf({ kind: 'depthwiseConv2d', ...op, clamp: noClamp }, operands, y), terms);
    if (inC !== layer.outC) return;
    const grouped = [layer.outC, ...layer.kernel!, 1];
    const { stride, dilation, pad } = op;
    const back = {
      kind: 'transposedConvNd',
      stride,
      dilation,
      before: [pad.top, pad.left],
      groups: inC,
    } as const;
    compare(set, callOf(back, [numbers(y, 1), numbers(grouped, 2)], layer.x), 30);
    const weights: TrainingFn = { fn: 'conv2dWeights', ...op, groups: inC };
    compare(set, training(weights, [numbers(layer.x, 1), numbers(y, 2)], grouped), terms);
  });

  it.each([
    [1, 1, 1],
    [4, 7, 9],
    [32, 64, 10],
  ])('dense of %i rows, %i → %i', (rows, depth, units) => {
    const inputs = [numbers([rows, depth], 1), numbers([units, depth], 2), numbers([units], 3)];
    compare(set, callOf({ kind: 'dense', clamp: noClamp }, inputs, [rows, units]), depth + 2);
  });
});

describe.each(sets)('batch normalisation, $label', ({ set }) => {
  it.each([
    [1, 5],
    [7, 1],
    [9, 4],
    [12, 6],
    [1030, 16],
    [600, 17],
    [64, 35],
  ])('%i rows of %i channels', (rows, c) => {
    const x = numbers([rows, c], 1, -1, 2);
    const dy = numbers([rows, c], 2);
    const moments: Input = {
      ...numbers([2, c], 0),
      data: runCall(textbook, training({ fn: 'moments' }, [x, numbers([2, c], 0)], [2, c])),
    };
    const [gamma, beta, sums] = [numbers([c], 4, 0.5, 2), numbers([c], 5), numbers([2, c], 6, 1, 3)];
    const epsilon = 1e-3;
    const check = (fn: TrainingFn, inputs: Input[], shape: Shape) =>
      compare(set, training(fn, inputs, shape), 200, false, fn.fn);
    check({ fn: 'moments' }, [x, numbers([2, c], 0)], [2, c]);
    check({ fn: 'batchNorm', epsilon }, [x, moments, gamma, beta], [rows, c]);
    check({ fn: 'batchNormSums', epsilon }, [x, moments, dy], [2, c]);
    check({ fn: 'batchNormInput', epsilon }, [x, moments, gamma, dy, sums], [rows, c]);
  });

  it('an addition and a bound fused behind it', () => {
    const [rows, c] = [11, 6];
    const inputs = [
      numbers([rows, c], 1),
      numbers([2, c], 2, 0.5, 1),
      numbers([c], 3),
      numbers([c], 4),
      numbers([rows, c], 5),
    ];
    const head = { kind: 'training', fn: 'batchNorm', epsilon: 0.1, shape: [rows, c] } as const;
    const value = { dtype: 'f32', shape: [rows, c], quantization: null, data: null } as const;
    const relu = { min: 0, max: Number.POSITIVE_INFINITY };
    const normalized = runCall(textbook, callOf(head, inputs.slice(0, 4), [rows, c])) as Float32Array;
    const actual = runCall(set, {
      ...callOf(head, inputs, [rows, c]),
      following: [
        {
          arithmetic: { kind: 'binary', fn: 'add', clamp: relu },
          x: value,
          position: 0,
          others: 1,
          output: value,
        },
      ],
    });
    normalized.forEach((v, i) => {
      expect(Number(actual[i])).toBeCloseTo(Math.max(0, v + Number(inputs[4]!.data[i])), 5);
    });
  });
});

describe.each(sets)('masks and pools, $label', ({ set }) => {
  it.each([1, 3, 4, 15, 16, 33, 70])('bounds, %i elements', (length) => {
    const inputs = [numbers([length], 1, -2, 8), numbers([length], 2)];
    for (const bounds of [
      { min: 0, max: Number.POSITIVE_INFINITY },
      { min: 0, max: 6 },
      { min: Number.NEGATIVE_INFINITY, max: 1 },
    ])
      compare(set, training({ fn: 'clamp', bounds }, inputs, [length]), 0);
  });

  it.each([
    { label: 'side by side', kernel: [2, 2], stride: [2, 2], x: [2, 6, 8, 8] },
    { label: 'cells left over', kernel: [2, 2], stride: [2, 2], x: [2, 5, 7, 3] },
    { label: 'windows overlap', kernel: [3, 3], stride: [2, 1], x: [2, 7, 6, 5] },
    { label: 'cells between', kernel: [1, 2], stride: [2, 3], x: [1, 6, 8, 6] },
  ] as const)('maximum, $label', ({ kernel, stride, x }) => {
    const y = [
      x[0],
      windowCount(x[1], kernel[0], stride[0], 1, 0),
      windowCount(x[2], kernel[1], stride[1], 1, 0),
      x[3],
    ];
    const few = numbers(x, 3);
    const equals: Input = { ...few, data: (few.data as Float32Array).map((v) => Math.round(v * 2)) };
    for (const input of [few, equals])
      compare(
        set,
        training({ fn: 'maxPool2d', kernel, stride, pad: noPad }, [input, numbers(y, 4)], x),
        9,
        false,
      );
  });
});
