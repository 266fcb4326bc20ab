/** Calls of conv2d, depthwiseConv2d and dense from a line of a table. */
import { samePad, windowCount } from '../../src/graph/shapes.ts';
import type { Arithmetic, Clamp, Pad, Pair } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import type { Quantization, Shape } from '../../src/tensor.ts';
import { elementCount } from '../../src/tensor.ts';
import { activation, constant, type Input, integers, perTensor, random, type TestCall } from './run-call.ts';

export type Byte = 'i8' | 'u8';

export interface Product {
  readonly label: string;
  readonly kind?: 'conv2d' | 'depthwiseConv2d' | 'dense';
  readonly x: Shape;
  /** conv2d, dense: output channels; depthwise: the multiplier. */
  readonly outC: number;
  readonly kernel?: Pair;
  readonly stride?: Pair;
  readonly dilation?: Pair;
  readonly pad?: Pad | 'same';
  readonly groups?: number;
  readonly bias?: boolean;
}

/** The numbers of an integer product. */
export interface Numbers {
  readonly label: string;
  readonly dtypes?: readonly [x: Byte, w: Byte, y: Byte];
  /** Zero points; of the weights only with one scale. */
  readonly zero?: readonly [x: number, w: number, y: number];
  readonly perChannel?: boolean;
  /** sₓ·s_w/s_y; by default what spreads random sums over the range. */
  readonly multiplier?: number;
  /** `ends`: every number is one of the two ends of its range, in long runs. */
  readonly values?: 'random' | 'ends' | 'highest';
  /** By default up to a thousand. */
  readonly bias?: (channel: number) => number;
  /** In steps from the output's zero point. */
  readonly clamp?: Clamp;
}

export function pad(top: number, left: number, bottom: number, right: number): Pad {
  return { top, left, bottom, right };
}

interface Shapes {
  readonly arithmetic: (clamp: Clamp) => Arithmetic;
  readonly w: Shape;
  readonly y: Shape;
  readonly outC: number;
  /** Products in one sum. */
  readonly terms: number;
  /** The axis of the weights with the output channels. */
  readonly axis: number;
}

export function shapesOf(p: Product): Shapes {
  const { kind = 'conv2d', x, kernel = [1, 1], stride = [1, 1], dilation = [1, 1], groups = 1 } = p;
  if (kind === 'dense') {
    const depth = x[x.length - 1];
    return {
      arithmetic: (clamp) => ({ kind, clamp }),
      w: [p.outC, depth],
      y: [...x.slice(0, -1), p.outC],
      outC: p.outC,
      terms: depth,
      axis: 0,
    };
  }
  const around = p.pad === 'same' ? samePad([x[1], x[2]], kernel, stride, dilation) : (p.pad ?? noPad);
  const out = (axis: 0 | 1) =>
    windowCount(
      x[1 + axis],
      kernel[axis],
      stride[axis],
      dilation[axis],
      axis === 0 ? around.top + around.bottom : around.left + around.right,
    );
  const isConv = kind === 'conv2d';
  const outC = isConv ? p.outC : x[3] * p.outC;
  const window = { stride, dilation, pad: around };
  return {
    arithmetic: (clamp) => (isConv ? { kind, ...window, groups, clamp } : { kind, ...window, clamp }),
    w: isConv ? [outC, ...kernel, x[3] / groups] : [1, ...kernel, outC],
    y: [x[0], out(0), out(1), outC],
    outC,
    terms: kernel[0] * kernel[1] * (isConv ? x[3] / groups : 1),
    axis: isConv ? 0 : 3,
  };
}

export function floatCall(p: Product, clamp: Clamp = noClamp, seed = 1): TestCall {
  const next = random(seed);
  const { arithmetic, w, y, outC } = shapesOf(p);
  const floats = (n: number) => Array.from({ length: n }, () => Math.fround((next() * 2 - 1) * 4 ** next()));
  const inputs: Input[] = [
    activation('f32', p.x, floats(elementCount(p.x))),
    constant('f32', w, floats(elementCount(w))),
  ];
  if (p.bias !== false) inputs.push(constant('f32', [outC], floats(outC)));
  return { arithmetic: arithmetic(clamp), inputs, output: { dtype: 'f32', shape: y, quantization: null } };
}

export function byteCall(p: Product, n: Numbers, seed = 1): TestCall {
  const next = random(seed);
  const { arithmetic, w, y, outC, terms, axis } = shapesOf(p);
  const [dx, dw, dy] = n.dtypes ?? ['i8', 'i8', 'i8'];
  const [zx, zw, zy] = n.zero ?? [dx === 'i8' ? -7 : 121, dw === 'i8' ? 0 : 131, dy === 'i8' ? 5 : 100];
  const values = (dtype: Byte, length: number, isWeight: boolean): number[] => {
    const lo = dtype === 'u8' ? 0 : isWeight ? -127 : -128;
    const hi = dtype === 'u8' ? 255 : 127;
    if (n.values === 'highest') return new Array<number>(length).fill(hi);
    if (n.values !== 'ends') return integers(next, length, lo, hi);
    let value = hi;
    return Array.from({ length }, () => {
      if (next() < 0.01) value = value === hi ? lo : hi;
      return value;
    });
  };
  const scaleX = 0.02;
  const scaleY = 0.05;
  const multiplier = n.multiplier ?? 0.012 / Math.sqrt(terms);
  const scaleW = (multiplier * scaleY) / scaleX;
  const quantization: Quantization = n.perChannel
    ? {
        scale: Array.from({ length: outC }, () => Math.fround(scaleW * 2 ** (next() * 2 - 1))),
        zeroPoint: new Array<number>(outC).fill(0),
        axis,
      }
    : perTensor(scaleW, zw);
  const bias = n.bias ?? (() => Math.floor((next() * 2 - 1) * 1000));
  const inputs: Input[] = [
    activation(dx, p.x, values(dx, elementCount(p.x), false), perTensor(scaleX, zx)),
    constant(dw, w, values(dw, elementCount(w), true), quantization),
  ];
  if (p.bias !== false)
    inputs.push(
      constant(
        'i32',
        [outC],
        Array.from({ length: outC }, (_, c) => bias(c)),
      ),
    );
  const { min, max } = n.clamp ?? noClamp;
  return {
    arithmetic: arithmetic({ min: min * scaleY, max: max * scaleY }),
    inputs,
    output: { dtype: dy, shape: y, quantization: perTensor(scaleY, zy) },
  };
}

/** What an integer product may meet, whatever its shape. */
export const byteNumbers: readonly Numbers[] = [
  { label: 'one scale' },
  { label: 'a scale for each channel', perChannel: true },
  { label: 'u8 all through', dtypes: ['u8', 'u8', 'u8'] },
  { label: 'u8, zero points at the ends', dtypes: ['u8', 'u8', 'u8'], zero: [0, 255, 0] },
  { label: 'u8 in, i8 out, a scale for each channel', dtypes: ['u8', 'i8', 'i8'], perChannel: true },
  { label: 'i8 in, u8 out', dtypes: ['i8', 'i8', 'u8'] },
  { label: 'zero point −128', zero: [-128, 0, -128] },
  { label: 'zero point 127', zero: [127, 0, 127] },
  { label: 'clamp from the zero point up', clamp: { min: 0, max: Number.POSITIVE_INFINITY } },
  { label: 'clamp on both sides of the zero point', clamp: { min: -20, max: 30 } },
  { label: 'clamp above the zero point', clamp: { min: 3, max: 60 } },
  { label: 'clamp below the zero point', clamp: { min: -60, max: -3 } },
  { label: 'clamp with only an upper bound', clamp: { min: Number.NEGATIVE_INFINITY, max: 11 } },
  { label: 'a range of one number', clamp: { min: 4, max: 4 } },
  { label: 'zero point −128, clamp from it up', zero: [3, 0, -128], clamp: { min: 0, max: 60 } },
  { label: 'multiplier 1', multiplier: 1 },
  { label: 'multiplier 1/2: sums of halves', multiplier: 0.5 },
  { label: 'multiplier 2⁻⁸: ties at every 128', multiplier: 2 ** -8 },
  { label: 'ties a step below the zero point', multiplier: 2 ** -8, clamp: { min: -1, max: 90 } },
  { label: 'multiplier 2⁻¹⁴: the last shift without integers', multiplier: 2 ** -14, values: 'ends' },
  { label: 'multiplier 2⁻¹⁵', multiplier: 2 ** -15, values: 'ends' },
  { label: 'multiplier 0.9·2⁻¹⁶', multiplier: 0.9 * 2 ** -16, values: 'ends' },
  { label: 'multiplier 0.7·2⁻²⁰', multiplier: 0.7 * 2 ** -20, bias: (c) => ((c % 3) - 1) * 2 ** 26 },
  { label: 'multiplier 2⁻³⁵, which is 0', multiplier: 2 ** -35, bias: () => 2 ** 30 },
  { label: 'multiplier 1.7: shifted left', multiplier: 1.7 },
  { label: 'multiplier 100', multiplier: 100 },
  { label: 'multiplier 3·2²⁰: sums that leave int32 when shifted', multiplier: 3 * 2 ** 20 },
  { label: 'biases near the ends of int32', bias: (c) => (c % 2 === 0 ? 2 ** 31 - 1 : -(2 ** 31)) },
  { label: 'huge biases: each channel constant', bias: (c) => (c % 2 === 0 ? 2 ** 28 : -(2 ** 28)) },
  {
    label: 'some channels constant',
    bias: (c) => (c % 3 === 0 ? 2 ** 28 : c % 3 === 1 ? -(2 ** 28) : 17),
  },
  { label: 'numbers at the ends of their range', values: 'ends' },
];

/** Windows of every kind; for a depthwise layer `outC` is the multiplier. */
export const windows: readonly Omit<Product, 'outC'>[] = [
  { label: '1×1', x: [1, 3, 4, 5] },
  { label: '1×1, stride 2', x: [1, 5, 4, 3], stride: [2, 2] },
  { label: '3×3, two pictures', x: [2, 5, 4, 3], kernel: [3, 3] },
  { label: '3×3 padded alike', x: [1, 5, 6, 2], kernel: [3, 3], pad: 'same' },
  { label: '3×3 padded alike, two pictures', x: [2, 4, 5, 3], kernel: [3, 3], pad: 'same' },
  { label: '3×3 padded unlike, stride 2', x: [1, 6, 8, 3], kernel: [3, 3], pad: 'same', stride: [2, 2] },
  { label: '3×3 padded on one corner', x: [2, 5, 5, 2], kernel: [3, 3], pad: pad(2, 0, 0, 1) },
  { label: '3×3, stride 3', x: [1, 9, 10, 2], kernel: [3, 3], pad: 'same', stride: [3, 3] },
  { label: '3×3, strides unlike', x: [1, 7, 9, 2], kernel: [3, 3], pad: pad(1, 2, 1, 0), stride: [3, 2] },
  { label: '3×3, cells left over', x: [1, 8, 8, 2], kernel: [3, 3], stride: [4, 4] },
  { label: '5×5', x: [1, 7, 6, 2], kernel: [5, 5], pad: 'same' },
  { label: '1×7', x: [1, 3, 9, 2], kernel: [1, 7], pad: 'same' },
  { label: '7×1', x: [2, 9, 2, 2], kernel: [7, 1], pad: 'same' },
  { label: '2×2, even', x: [1, 4, 5, 3], kernel: [2, 2], pad: 'same' },
  { label: 'dilated', x: [1, 9, 8, 2], kernel: [3, 3], dilation: [3, 2], pad: pad(2, 1, 2, 1) },
  { label: 'rows dilated only', x: [1, 9, 6, 2], kernel: [3, 3], dilation: [2, 1], pad: 'same' },
  { label: 'columns dilated only', x: [1, 6, 9, 2], kernel: [3, 3], dilation: [1, 3], pad: 'same' },
  {
    label: 'dilated, stride 2',
    x: [2, 9, 9, 2],
    kernel: [3, 2],
    dilation: [2, 3],
    pad: 'same',
    stride: [2, 2],
  },
  { label: 'pad wider than kernel', x: [1, 2, 2, 3], kernel: [2, 2], pad: pad(3, 4, 3, 4) },
  { label: 'kernel wider than picture', x: [1, 2, 3, 2], kernel: [5, 7], pad: pad(2, 3, 2, 3) },
  { label: 'kernel as large as the picture', x: [1, 4, 10, 1], kernel: [4, 10] },
  { label: 'stride wider than kernel', x: [1, 7, 8, 3], kernel: [2, 2], stride: [3, 4] },
  { label: 'one pixel', x: [1, 1, 1, 8], kernel: [3, 3], pad: 'same' },
  { label: 'without bias', x: [1, 4, 4, 3], kernel: [3, 3], pad: 'same', bias: false },
];
