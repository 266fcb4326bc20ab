/** Calls of every operator, for the test that watches what kernels allocate. */
import type { Arithmetic, BinaryFn, Clamp, UnaryFn } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { type DType, elementCount, type Quantization, type Shape } from '../../src/tensor.ts';
import { byteCall, floatCall, type Product } from '../kernels/products.ts';
import { activation, constant, integers, perTensor, random, type TestCall } from '../kernels/run-call.ts';

export interface AllocationCase {
  readonly label: string;
  readonly call: TestCall;
}

const relu: Clamp = { min: 0, max: Number.POSITIVE_INFINITY };
const relu6: Clamp = { min: 0, max: 6 };
const both: Clamp = { min: -0.7, max: 0.9 };

const products: readonly Product[] = [
  { label: '3×3', x: [1, 5, 6, 4], outC: 9, kernel: [3, 3], pad: 'same' },
  { label: '1×1', x: [1, 4, 4, 7], outC: 6 },
  { label: 'two groups', x: [1, 4, 4, 6], outC: 6, groups: 2 },
  { label: '3×3', kind: 'depthwiseConv2d', x: [1, 5, 6, 9], outC: 1, kernel: [3, 3], pad: 'same' },
  { label: '5×5', kind: 'depthwiseConv2d', x: [1, 7, 6, 5], outC: 1, kernel: [5, 5], pad: 'same' },
  { label: 'one row', kind: 'dense', x: [1, 40], outC: 11 },
  { label: 'four rows', kind: 'dense', x: [4, 10], outC: 7 },
];

const unaryFns: readonly UnaryFn[] = [
  ...(['abs', 'neg', 'exp', 'log', 'sqrt', 'rsqrt', 'square', 'floor'] as const),
  ...(['logistic', 'tanh', 'hardSwish', 'elu', 'leakyRelu'] as const),
];
const binaryFns: readonly BinaryFn[] = ['add', 'sub', 'mul', 'div', 'min', 'max', 'pow'];

const picture: Shape = [1, 5, 4, 6];

function operand(dtype: DType, shape: Shape, seed: number, quantization: Quantization | null) {
  const next = random(seed);
  const count = elementCount(shape);
  return dtype === 'f32'
    ? activation(
        'f32',
        shape,
        Array.from({ length: count }, () => Math.fround(next() * 4 - 2)),
      )
    : activation(dtype, shape, integers(next, count, 0, 100), quantization);
}

/** One call on `shapes`, all of one dtype. */
function plain(
  label: string,
  dtype: DType,
  arithmetic: Arithmetic,
  shapes: readonly Shape[],
  shape: Shape,
): AllocationCase {
  const quantization = dtype === 'f32' || dtype === 'i32' ? null : perTensor(0.05, 3);
  return {
    label: `${label} ${dtype}`,
    call: {
      arithmetic,
      inputs: shapes.map((s, i) => operand(dtype, s, i, quantization)),
      output: { dtype, shape, quantization },
    },
  };
}

/** Over the innermost axis; what integers come out as is fixed. */
function rows(
  label: string,
  dtype: 'f32' | 'i8',
  arithmetic: Arithmetic,
  scale: number,
  zeroPoint: number,
): AllocationCase {
  const shape = [3, 10];
  const [from, to] = dtype === 'f32' ? [null, null] : [perTensor(0.05, 3), perTensor(scale, zeroPoint)];
  return {
    label: `${label} ${dtype}`,
    call: {
      arithmetic,
      inputs: [operand(dtype, shape, 1, from)],
      output: { dtype, shape, quantization: to },
    },
  };
}

export function allocationCases(): AllocationCase[] {
  const cases: AllocationCase[] = [];
  for (const product of products) {
    const label = `${product.kind ?? 'conv2d'} ${product.label}`;
    for (const clamp of [noClamp, relu, relu6, both])
      cases.push({ label: `${label} f32 ${clamp.min}…${clamp.max}`, call: floatCall(product, clamp) });
    for (const numbers of [
      { label: 'i8', perChannel: true },
      { label: 'u8', dtypes: ['u8', 'u8', 'u8'], clamp: { min: 0, max: 90 } },
      { label: 'in integers', multiplier: 2 ** -16, values: 'ends' },
      { label: 'shifted left', multiplier: 1.7 },
    ] as const)
      cases.push({ label: `${label} ${numbers.label}`, call: byteCall(product, numbers) });
  }
  for (const dtype of ['f32', 'i8'] as const) {
    for (const kind of ['maxPool2d', 'averagePool2d'] as const)
      for (const clamp of [noClamp, relu6])
        cases.push(
          plain(
            `${kind} ${clamp.max}`,
            dtype,
            { kind, kernel: [2, 2], stride: [1, 1], pad: noPad, clamp },
            [picture],
            [1, 4, 3, 6],
          ),
        );
    for (const fn of binaryFns)
      for (const clamp of [noClamp, relu, both]) {
        const arithmetic: Arithmetic = { kind: 'binary', fn, clamp };
        cases.push(plain(`${fn} ${clamp.min}…${clamp.max}`, dtype, arithmetic, [picture, picture], picture));
        cases.push(
          plain(`${fn} ${clamp.min}…${clamp.max}, channels`, dtype, arithmetic, [picture, [6]], picture),
        );
      }
    for (const fn of unaryFns)
      cases.push(plain(fn, dtype, { kind: 'unary', fn, alpha: 0.2 }, [picture], picture));
    for (const clamp of [relu, relu6, both])
      cases.push(
        plain(`clamp ${clamp.min}…${clamp.max}`, dtype, { kind: 'clamp', clamp }, [picture], picture),
      );
    for (const axes of [[1, 2], [3]])
      for (const fn of ['mean', 'sum'] as const)
        cases.push(
          plain(
            `${fn} over ${axes}`,
            dtype,
            { kind: 'reduce', fn, axes },
            [picture],
            picture.map((e, i) => (axes.includes(i) ? 1 : e)),
          ),
        );
    for (const mode of ['nearest', 'bilinear'] as const)
      cases.push(
        plain(
          mode,
          dtype,
          { kind: 'resize', mode, size: [7, 8], alignCorners: false, halfPixelCenters: true },
          [picture],
          [1, 7, 8, 6],
        ),
      );
    cases.push(rows('softmax', dtype, { kind: 'softmax', beta: 1, log: false }, 1 / 256, -128));
    cases.push(rows('l2Normalize', dtype, { kind: 'l2Normalize' }, 1 / 128, 0));
    cases.push(plain('prelu', dtype, { kind: 'prelu' }, [picture, [6]], picture));
    cases.push(
      plain(
        'copy',
        dtype,
        {
          kind: 'copy',
          extent: [1, 4, 6, 5],
          perm: [0, 2, 3, 1],
          begin: [0, 0, 0, 0],
          step: [1, 1, 1, 1],
          outBegin: [0, 0, 0, 0],
        },
        [picture],
        [1, 4, 6, 5],
      ),
    );
    cases.push(plain('fill', dtype, { kind: 'fill', value: 3 }, [], picture));
    cases.push(
      plain(
        'mirrorPad',
        dtype,
        { kind: 'mirrorPad', before: [0, 1, 1, 0], after: [0, 1, 1, 0], mode: 'reflect' },
        [picture],
        [1, 7, 6, 6],
      ),
    );
  }
  const bytes = operand('i8', picture, 1, perTensor(0.1, 3));
  const floats = operand('f32', picture, 2, null);
  const stored = { dtype: 'i8', shape: picture, quantization: perTensor(0.07, -3) } as const;
  const real = { dtype: 'f32', shape: picture, quantization: null } as const;
  cases.push({
    label: 'quantise',
    call: { arithmetic: { kind: 'convert', rounding: 'away' }, inputs: [floats], output: stored },
  });
  cases.push({
    label: 'dequantise',
    call: { arithmetic: { kind: 'convert', rounding: 'away' }, inputs: [bytes], output: real },
  });
  cases.push({
    label: 'requantise',
    call: { arithmetic: { kind: 'convert', rounding: 'away' }, inputs: [bytes], output: stored },
  });
  cases.push({ label: 'cast', call: { arithmetic: { kind: 'cast' }, inputs: [bytes], output: real } });
  cases.push({
    label: 'argMax',
    call: {
      arithmetic: { kind: 'argMax', axis: 3, least: false, last: false },
      inputs: [floats],
      output: { dtype: 'i32', shape: [1, 5, 4], quantization: null },
    },
  });
  cases.push({
    label: 'gather',
    call: {
      arithmetic: { kind: 'gather', axis: 1, batchDims: 0 },
      inputs: [floats, constant('i32', [3], [4, 0, 2])],
      output: { dtype: 'f32', shape: [1, 3, 4, 6], quantization: null },
    },
  });
  cases.push({
    label: 'transposedConv2d f32',
    call: {
      arithmetic: { kind: 'transposedConv2d', stride: [2, 2], pad: noPad, clamp: relu },
      inputs: [floats, constant('f32', [2, 2, 2, 6], new Array(48).fill(0.1))],
      output: { dtype: 'f32', shape: [1, 10, 8, 2], quantization: null },
    },
  });
  cases.push({
    label: 'rfft2d',
    call: {
      arithmetic: { kind: 'rfft2d', length: [1, 16] },
      inputs: [operand('f32', [2, 1, 16], 5, null)],
      output: { dtype: 'f32', shape: [2, 1, 9, 2], quantization: null },
    },
  });
  cases.push({
    label: 'complexAbs',
    call: {
      arithmetic: { kind: 'complexAbs' },
      inputs: [operand('f32', [2, 9, 2], 6, null)],
      output: { dtype: 'f32', shape: [2, 9], quantization: null },
    },
  });
  return cases;
}
