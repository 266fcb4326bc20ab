/** Codebook layers of every kind that a kernel treats apart, and what conv2d with the decoded weights makes of them. */
import { decodeCodebook } from '../../src/graph/passes/decode-codebooks.ts';
import { windowCount } from '../../src/graph/shapes.ts';
import { type Clamp, noPad, type Pad, type Pair } from '../../src/kernels/call.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';
import { activation, constant, integers, random, type TestCall } from './run-call.ts';

export interface CodebookCase {
  readonly label: string;
  readonly n?: number;
  readonly size: Pair;
  readonly M: number;
  readonly K: number;
  readonly r: number;
  readonly outC: number;
  readonly kernel: Pair;
  readonly stride?: Pair;
  readonly dilation?: Pair;
  readonly pad?: Pad;
  readonly bias?: boolean;
}

const around = (cells: number): Pad => ({ top: cells, left: cells, bottom: cells, right: cells });

export const codebookCases: readonly CodebookCase[] = [
  { label: 'same padding', size: [6, 8], M: 2, K: 8, r: 4, outC: 8, kernel: [3, 3], pad: around(1) },
  { label: 'no padding, no bias', size: [6, 8], M: 3, K: 5, r: 2, outC: 5, kernel: [3, 3], bias: false },
  { label: 'one sub-space', size: [5, 5], M: 1, K: 16, r: 3, outC: 4, kernel: [2, 2] },
  { label: 'sub-vectors of 1', size: [4, 5], M: 5, K: 3, r: 1, outC: 3, kernel: [3, 2] },
  { label: 'one codeword', size: [4, 4], M: 2, K: 1, r: 4, outC: 3, kernel: [2, 2] },
  { label: '256 codewords', size: [4, 4], M: 2, K: 256, r: 4, outC: 9, kernel: [2, 2] },
  {
    label: 'stride 2',
    size: [7, 9],
    M: 2,
    K: 7,
    r: 4,
    outC: 6,
    kernel: [3, 3],
    stride: [2, 2],
    pad: around(1),
  },
  { label: 'strides unlike', size: [8, 9], M: 2, K: 7, r: 3, outC: 7, kernel: [2, 3], stride: [1, 3] },
  {
    label: 'stride wider than kernel',
    size: [8, 9],
    M: 1,
    K: 4,
    r: 3,
    outC: 2,
    kernel: [1, 2],
    stride: [3, 4],
  },
  {
    label: 'dilation',
    size: [9, 9],
    M: 2,
    K: 6,
    r: 2,
    outC: 4,
    kernel: [3, 3],
    dilation: [2, 3],
    pad: around(2),
  },
  {
    label: 'dilation and stride',
    ...{ size: [9, 11], M: 2, K: 6, r: 2, outC: 4, kernel: [3, 3], pad: around(3) },
    ...{ dilation: [2, 3], stride: [3, 2] },
  },
  {
    label: 'padding on two sides',
    ...{ size: [5, 6], M: 2, K: 6, r: 4, outC: 5, kernel: [3, 4] },
    pad: { top: 0, left: 0, bottom: 2, right: 3 },
  },
  {
    label: 'more padding than picture',
    size: [1, 2],
    M: 1,
    K: 3,
    r: 2,
    outC: 3,
    kernel: [5, 5],
    pad: around(4),
  },
  { label: '1×1', size: [5, 7], M: 4, K: 9, r: 2, outC: 10, kernel: [1, 1] },
  { label: 'a batch', n: 3, size: [5, 6], M: 2, K: 6, r: 3, outC: 5, kernel: [3, 3], pad: around(1) },
  { label: 'wide rows', size: [3, 37], M: 2, K: 6, r: 3, outC: 5, kernel: [3, 5], pad: around(2) },
  { label: 'dense', size: [1, 1], M: 9, K: 17, r: 4, outC: 10, kernel: [1, 1] },
  { label: 'dense, a batch', n: 5, size: [1, 1], M: 8, K: 32, r: 8, outC: 7, kernel: [1, 1] },
  { label: 'dense, no bias', size: [1, 1], M: 33, K: 256, r: 8, outC: 130, kernel: [1, 1], bias: false },
  { label: 'as in LeNet', size: [8, 8], M: 4, K: 128, r: 8, outC: 16, kernel: [5, 5], pad: around(2) },
];

export function randomCodebookCases(count: number): CodebookCase[] {
  const next = random(1208);
  const one = (lo: number, hi: number): number => integers(next, 1, lo, hi)[0];
  return Array.from({ length: count }, (_, i) => {
    const kernel: Pair = [one(1, 4), one(1, 5)];
    const dilation: Pair = [one(1, 2), one(1, 2)];
    const span = (axis: 0 | 1): number => (kernel[axis] - 1) * dilation[axis] + 1;
    return {
      label: `random ${i}`,
      n: one(1, 2),
      size: [span(0) + one(0, 5), span(1) + one(0, 12)],
      ...{ M: one(1, 5), K: one(1, 20), r: one(1, 9), outC: one(1, 13), kernel, dilation },
      stride: [one(1, 3), one(1, 3)],
      pad: { top: one(0, 3), left: one(0, 3), bottom: one(0, 3), right: one(0, 3) },
      bias: one(0, 1) === 1,
    };
  });
}

export function codebookCall(c: CodebookCase, clamp: Clamp, seed: number): TestCall {
  const { n = 1, size, M, K, r, outC, kernel, stride = [1, 1], dilation = [1, 1], pad = noPad } = c;
  const next = random(seed);
  const floats = (shape: Shape): number[] =>
    Array.from({ length: elementCount(shape) }, () => Math.fround((next() * 2 - 1) * 4 ** next()));
  const out = (axis: 0 | 1, sides: number): number =>
    windowCount(size[axis], kernel[axis], stride[axis], dilation[axis], sides);
  const x = [n, ...size, M * r];
  const indices = [outC, ...kernel, M];
  return {
    arithmetic: { kind: 'codebookConv2d', stride, dilation, pad, clamp },
    inputs: [
      activation('f32', x, floats(x)),
      constant('f32', [M, K, r], floats([M, K, r])),
      constant('u8', indices, integers(next, elementCount(indices), 0, K - 1)),
      ...(c.bias === false ? [] : [constant('f32', [outC], floats([outC]))]),
    ],
    output: {
      dtype: 'f32',
      shape: [n, out(0, pad.top + pad.bottom), out(1, pad.left + pad.right), outC],
      quantization: null,
    },
  };
}

/** Additions and multiplications in one output. */
export const termsOf = ({ M, r, kernel }: CodebookCase): number => kernel[0] * kernel[1] * M * r + 4;

/** The same layer with its weights written out. */
export function decodedCall(call: TestCall): TestCall {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'codebookConv2d') throw new Error('expected a codebook layer');
  const [x, codebook, indices, ...bias] = inputs;
  const [M, K, r] = codebook.shape;
  const weights = decodeCodebook(codebook.data as Float32Array, [M, K, r], indices.data as Uint8Array);
  const shape = [...indices.shape.slice(0, 3), M * r];
  return {
    arithmetic: { ...op, kind: 'conv2d', groups: 1 },
    inputs: [x, constant('f32', shape, weights), ...bias],
    output,
  };
}
