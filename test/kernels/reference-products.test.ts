/** conv2d, depthwiseConv2d, transposedConv2d, dense: against a second way to compute each. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic, Pad, Pair } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { channelMultipliers } from '../../src/kernels/requantize.ts';
import {
  activation,
  constant,
  integers,
  operandsOf,
  perChannel,
  perTensor,
  random,
  runCall,
  type TestCall,
} from './run-call.ts';

const relu6 = { min: 0, max: 6 };

/** Requantisation by its definition, in whole numbers. */
function requantized(sum: number, multiplier: number, shift: number): number {
  const product = (BigInt(sum) << BigInt(Math.max(shift, 0))) * BigInt(multiplier);
  const high = (product + (product >= 0n ? 1n << 30n : 1n - (1n << 30n))) / (1n << 31n);
  const right = BigInt(Math.max(-shift, 0));
  const size = ((high < 0n ? -high : high) * 2n + (1n << right)) / (2n << right);
  return Number(high < 0n ? -size : size);
}

interface Window {
  readonly label: string;
  readonly x: readonly [n: number, h: number, w: number, c: number];
  readonly outC: number;
  readonly kernel: Pair;
  readonly stride?: Pair;
  readonly dilation?: Pair;
  readonly pad?: Pad;
  readonly groups?: number;
}

const convolutions: readonly Window[] = [
  { label: '1×1', x: [1, 3, 4, 5], outC: 6, kernel: [1, 1] },
  { label: '3×3, two pictures', x: [2, 5, 4, 3], outC: 4, kernel: [3, 3] },
  { label: 'padded alike', x: [1, 4, 4, 2], outC: 3, kernel: [3, 3], pad: pad(1, 1, 1, 1) },
  {
    label: 'padded unlike, stride 2',
    x: [1, 6, 5, 2],
    outC: 3,
    kernel: [3, 3],
    pad: pad(0, 0, 1, 1),
    stride: [2, 2],
  },
  { label: 'pad wider than kernel', x: [1, 2, 2, 1], outC: 2, kernel: [2, 2], pad: pad(3, 4, 3, 4) },
  { label: 'strides unlike', x: [1, 7, 9, 1], outC: 2, kernel: [3, 2], stride: [3, 2] },
  { label: 'dilated', x: [1, 9, 8, 2], outC: 2, kernel: [3, 3], dilation: [3, 2], pad: pad(2, 1, 2, 1) },
  { label: 'two groups', x: [1, 4, 4, 6], outC: 4, kernel: [3, 3], groups: 2 },
  { label: 'as many groups as channels', x: [1, 4, 3, 3], outC: 6, kernel: [2, 2], groups: 3 },
  { label: 'kernel as large as the picture', x: [1, 4, 10, 1], outC: 3, kernel: [4, 10] },
];

function pad(top: number, left: number, bottom: number, right: number): Pad {
  return { top, left, bottom, right };
}

/** Sums of a convolution the other way round: every input cell and tap adds to the output it reaches. */
function scatter(
  c: Window,
  x: readonly number[],
  w: (oc: number, kh: number, kw: number, ic: number) => number,
  outH: number,
  outW: number,
): number[] {
  const [n, h, width, inC] = c.x;
  const { stride = [1, 1], dilation = [1, 1], groups = 1, pad: p = noPad } = c;
  const sums = new Array<number>(n * outH * outW * c.outC).fill(0);
  for (let b = 0; b < n; b++)
    for (let ih = 0; ih < h; ih++)
      for (let iw = 0; iw < width; iw++)
        for (let kh = 0; kh < c.kernel[0]; kh++)
          for (let kw = 0; kw < c.kernel[1]; kw++) {
            const oh = (ih + p.top - kh * dilation[0]) / stride[0];
            const ow = (iw + p.left - kw * dilation[1]) / stride[1];
            if (oh % 1 !== 0 || ow % 1 !== 0 || oh < 0 || ow < 0 || oh >= outH || ow >= outW) continue;
            for (let oc = 0; oc < c.outC; oc++)
              for (let ic = 0; ic < inC / groups; ic++) {
                const group = Math.floor(oc / (c.outC / groups));
                const cell = x[((b * h + ih) * width + iw) * inC + group * (inC / groups) + ic];
                sums[((b * outH + oh) * outW + ow) * c.outC + oc] += cell * w(oc, kh, kw, ic);
              }
          }
  return sums;
}

function outExtent(c: Window, axis: 0 | 1): number {
  const { stride = [1, 1], dilation = [1, 1], pad: p = noPad } = c;
  const padding = axis === 0 ? p.top + p.bottom : p.left + p.right;
  return Math.floor((c.x[1 + axis] + padding - dilation[axis] * (c.kernel[axis] - 1) - 1) / stride[axis]) + 1;
}

function conv2d(c: Window, clamp = noClamp): Arithmetic {
  const { stride = [1, 1], dilation = [1, 1], pad: p = noPad, groups = 1 } = c;
  return { kind: 'conv2d', stride, dilation, pad: p, groups, clamp };
}

describe('conv2d', () => {
  it.each(convolutions)('f32: $label', (c) => {
    const next = random(1);
    const depth = c.x[3] / (c.groups ?? 1);
    const [outH, outW] = [outExtent(c, 0), outExtent(c, 1)];
    const x = integers(next, c.x[0] * c.x[1] * c.x[2] * c.x[3], -9, 9);
    const w = integers(next, c.outC * c.kernel[0] * c.kernel[1] * depth, -9, 9);
    const bias = integers(next, c.outC, -50, 50);
    const at = (oc: number, kh: number, kw: number, ic: number) =>
      w[((oc * c.kernel[0] + kh) * c.kernel[1] + kw) * depth + ic];
    const expected = scatter(c, x, at, outH, outW).map((sum, i) => sum + bias[i % c.outC]);
    const y = runCall(reference, {
      arithmetic: conv2d(c),
      inputs: [
        activation('f32', c.x, x),
        constant('f32', [c.outC, ...c.kernel, depth], w),
        constant('f32', [c.outC], bias),
      ],
      output: { dtype: 'f32', shape: [c.x[0], outH, outW, c.outC], quantization: null },
    });
    expect([...y]).toEqual(expected); // whole numbers: exact
  });

  it.each(
    convolutions.flatMap((c) => [
      { ...c, label: `i8 per channel: ${c.label}`, dtype: 'i8' as const, legacy: false },
      { ...c, label: `u8 legacy: ${c.label}`, dtype: 'u8' as const, legacy: true },
    ]),
  )('$label', (c) => {
    const next = random(2);
    const depth = c.x[3] / (c.groups ?? 1);
    const [outH, outW] = [outExtent(c, 0), outExtent(c, 1)];
    const [lo, hi] = c.dtype === 'i8' ? [-128, 127] : [0, 255];
    const [zx, zw, zy] = c.legacy ? [117, 140, 12] : [-7, 0, 5];
    const x = integers(next, c.x[0] * c.x[1] * c.x[2] * c.x[3], lo, hi);
    const w = integers(
      next,
      c.outC * c.kernel[0] * c.kernel[1] * depth,
      c.legacy ? 0 : -127,
      c.legacy ? 255 : 127,
    );
    const bias = integers(next, c.outC, -5000, 5000);
    const call: TestCall = {
      arithmetic: conv2d(c, relu6),
      inputs: [
        activation(c.dtype, c.x, x, perTensor(0.02, zx)),
        constant(
          c.dtype,
          [c.outC, ...c.kernel, depth],
          w,
          c.legacy
            ? perTensor(0.01, zw)
            : perChannel(
                Array.from({ length: c.outC }, () => 0.002 + next() * 0.02),
                0,
              ),
        ),
        constant('i32', [c.outC], bias),
      ],
      output: { dtype: c.dtype, shape: [c.x[0], outH, outW, c.outC], quantization: perTensor(0.05, zy) },
    };
    const { multipliers, shifts } = channelMultipliers(operandsOf(call));
    const at = (oc: number, kh: number, kw: number, ic: number) =>
      w[((oc * c.kernel[0] + kh) * c.kernel[1] + kw) * depth + ic] - zw;
    const sums = scatter(
      c,
      x.map((q) => q - zx),
      at,
      outH,
      outW,
    );
    const expected = sums.map((sum, i) => {
      const oc = i % c.outC;
      const q = requantized(sum + bias[oc], multipliers[oc], shifts[oc]) + zy;
      return Math.min(Math.max(q, zy), Math.min(hi, zy + 120)); // relu6 at scale 0.05
    });
    expect([...runCall(reference, call)]).toEqual(expected);
  });

  it.each([
    { label: 'saturates at −128', x: -100, w: 127, is: -128 },
    { label: 'saturates at 127', x: 100, w: 127, is: 127 },
    { label: 'rounds 1/2 up', x: 1, w: 2, is: 1 },
    { label: 'rounds −1/2 away from zero', x: -1, w: 2, is: -1 },
    { label: 'rounds 1/4 twice: first to 1/2, then to 1', x: 1, w: 1, is: 1 },
    { label: 'rounds −1/4 twice: first to 0', x: -1, w: 1, is: 0 },
    { label: 'rounds −3/4 down', x: -1, w: 3, is: -1 },
  ])('$label', ({ x, w, is }) => {
    const y = runCall(reference, {
      arithmetic: conv2d({ label: '', x: [1, 1, 1, 1], outC: 1, kernel: [1, 1] }),
      inputs: [
        activation('i8', [1, 1, 1, 1], [x], perTensor(0.5, 0)),
        constant('i8', [1, 1, 1, 1], [w], perTensor(0.5, 0)),
      ],
      output: { dtype: 'i8', shape: [1, 1, 1, 1], quantization: perTensor(1, 0) },
    });
    expect([...y]).toEqual([is]);
  });

  it('takes weights and bias that are not constant', () => {
    const y = runCall(reference, {
      arithmetic: conv2d({ label: '', x: [1, 1, 1, 2], outC: 1, kernel: [1, 1] }),
      inputs: [
        activation('f32', [1, 1, 1, 2], [2, 3]),
        activation('f32', [1, 1, 1, 2], [5, 7]),
        activation('f32', [1], [1]),
      ],
      output: { dtype: 'f32', shape: [1, 1, 1, 1], quantization: null },
    });
    expect([...y]).toEqual([32]);
  });

  it('is not offered for int8 without quantisation, nor for a float bias under int8', () => {
    const c = { label: '', x: [1, 1, 1, 1], outC: 1, kernel: [1, 1] } as const;
    const plain = constant('i8', [1, 1, 1, 1], [1]);
    const quantized = constant('i8', [1, 1, 1, 1], [1], perTensor(1, 0));
    const bias = constant('f32', [1], [1]);
    const output = { dtype: 'i8', shape: [1, 1, 1, 1], quantization: perTensor(1, 0) } as const;
    const offered = (inputs: TestCall['inputs']) =>
      reference.offer(operandsOf({ arithmetic: conv2d(c), inputs, output }));
    expect(offered([plain, plain])).toBeNull();
    expect(offered([quantized, quantized, bias])).toBeNull();
    expect(offered([quantized, quantized])).not.toBeNull();
  });
});

describe('depthwiseConv2d', () => {
  const cases: readonly Window[] = [
    { label: 'one output a channel', x: [2, 5, 4, 3], outC: 3, kernel: [3, 3], pad: pad(1, 1, 1, 1) },
    { label: 'two outputs a channel', x: [1, 5, 5, 3], outC: 6, kernel: [3, 2], stride: [2, 2] },
    { label: 'one channel in, eight out', x: [1, 8, 4, 1], outC: 8, kernel: [5, 4], pad: pad(2, 1, 2, 2) },
    { label: 'dilated', x: [1, 7, 7, 2], outC: 2, kernel: [3, 3], dilation: [2, 2], pad: pad(2, 2, 2, 2) },
  ];
  const arithmetic = (c: Window): Arithmetic => {
    const { stride = [1, 1], dilation = [1, 1], pad: p = noPad } = c;
    return { kind: 'depthwiseConv2d', stride, dilation, pad: p, clamp: noClamp };
  };

  /** It is a convolution with as many groups as input channels. */
  it.each(cases)('f32: $label', (c) => {
    const next = random(3);
    const [outH, outW] = [outExtent(c, 0), outExtent(c, 1)];
    const x = integers(next, c.x[0] * c.x[1] * c.x[2] * c.x[3], -9, 9);
    const w = integers(next, c.kernel[0] * c.kernel[1] * c.outC, -9, 9);
    const at = (oc: number, kh: number, kw: number) => w[(kh * c.kernel[1] + kw) * c.outC + oc];
    const y = runCall(reference, {
      arithmetic: arithmetic(c),
      inputs: [activation('f32', c.x, x), constant('f32', [1, ...c.kernel, c.outC], w)],
      output: { dtype: 'f32', shape: [c.x[0], outH, outW, c.outC], quantization: null },
    });
    expect([...y]).toEqual(scatter({ ...c, groups: c.x[3] }, x, at, outH, outW));
  });

  it.each(cases)('i8 per channel: $label', (c) => {
    const next = random(4);
    const [outH, outW] = [outExtent(c, 0), outExtent(c, 1)];
    const x = integers(next, c.x[0] * c.x[1] * c.x[2] * c.x[3], -128, 127);
    const w = integers(next, c.kernel[0] * c.kernel[1] * c.outC, -127, 127);
    const bias = integers(next, c.outC, -3000, 3000);
    const scales = Array.from({ length: c.outC }, () => 0.002 + next() * 0.02);
    const call: TestCall = {
      arithmetic: arithmetic(c),
      inputs: [
        activation('i8', c.x, x, perTensor(0.03, 11)),
        constant('i8', [1, ...c.kernel, c.outC], w, perChannel(scales, 3)),
        constant('i32', [c.outC], bias),
      ],
      output: { dtype: 'i8', shape: [c.x[0], outH, outW, c.outC], quantization: perTensor(0.1, -4) },
    };
    const { multipliers, shifts } = channelMultipliers(operandsOf(call));
    const at = (oc: number, kh: number, kw: number) => w[(kh * c.kernel[1] + kw) * c.outC + oc];
    const shifted = x.map((q) => q - 11);
    const expected = scatter({ ...c, groups: c.x[3] }, shifted, at, outH, outW).map((sum, i) => {
      const oc = i % c.outC;
      return Math.min(Math.max(requantized(sum + bias[oc], multipliers[oc], shifts[oc]) - 4, -128), 127);
    });
    expect([...runCall(reference, call)]).toEqual(expected);
  });
});

describe('transposedConv2d', () => {
  const cases = [
    { label: 'stride 1', x: [1, 3, 3, 2], outC: 2, kernel: [3, 3], stride: [1, 1], pad: noPad, out: [5, 5] },
    {
      label: 'stride 2, padded',
      x: [2, 3, 2, 2],
      outC: 3,
      kernel: [3, 3],
      stride: [2, 2],
      pad: pad(0, 0, 1, 1),
      out: [6, 4],
    },
    {
      label: 'kernel smaller than the stride',
      x: [1, 2, 3, 1],
      outC: 1,
      kernel: [1, 2],
      stride: [3, 3],
      pad: noPad,
      out: [4, 8],
    },
    {
      label: 'pad at the front',
      x: [1, 3, 3, 1],
      outC: 2,
      kernel: [4, 4],
      stride: [2, 2],
      pad: pad(1, 1, 1, 1),
      out: [6, 6],
    },
  ] as const;

  /** The scatter that defines it: every input cell adds its kernel to the output. */
  function spread(c: (typeof cases)[number], x: readonly number[], w: readonly number[]): number[] {
    const [n, h, width, inC] = c.x;
    const [outH, outW] = c.out;
    const [kH, kW] = c.kernel;
    const sums = new Array<number>(n * outH * outW * c.outC).fill(0);
    for (let b = 0; b < n; b++)
      for (let ih = 0; ih < h; ih++)
        for (let iw = 0; iw < width; iw++)
          for (let kh = 0; kh < kH; kh++)
            for (let kw = 0; kw < kW; kw++) {
              const oh = ih * c.stride[0] - c.pad.top + kh;
              const ow = iw * c.stride[1] - c.pad.left + kw;
              if (oh < 0 || ow < 0 || oh >= outH || ow >= outW) continue;
              for (let oc = 0; oc < c.outC; oc++)
                for (let ic = 0; ic < inC; ic++)
                  sums[((b * outH + oh) * outW + ow) * c.outC + oc] +=
                    x[((b * h + ih) * width + iw) * inC + ic] * w[((oc * kH + kh) * kW + kw) * inC + ic];
            }
    return sums;
  }

  it.each(cases)('f32 and i8: $label', (c) => {
    const next = random(5);
    const [n, h, width, inC] = c.x;
    const x = integers(next, n * h * width * inC, -128, 127);
    const w = integers(next, c.outC * c.kernel[0] * c.kernel[1] * inC, -127, 127);
    const bias = integers(next, c.outC, -500, 500);
    const shape = [n, ...c.out, c.outC];
    const arithmetic: Arithmetic = { kind: 'transposedConv2d', stride: c.stride, pad: c.pad, clamp: noClamp };
    const float = runCall(reference, {
      arithmetic,
      inputs: [
        activation('f32', c.x, x),
        constant('f32', [c.outC, ...c.kernel, inC], w),
        constant('f32', [c.outC], bias),
      ],
      output: { dtype: 'f32', shape, quantization: null },
    });
    expect([...float]).toEqual(spread(c, x, w).map((sum, i) => sum + bias[i % c.outC]));

    const scales = Array.from({ length: c.outC }, () => 0.005 + next() * 0.02);
    const call: TestCall = {
      arithmetic,
      inputs: [
        activation('i8', c.x, x, perTensor(0.04, -20)),
        constant('i8', [c.outC, ...c.kernel, inC], w, perChannel(scales, 0)),
        constant('i32', [c.outC], bias),
      ],
      output: { dtype: 'i8', shape, quantization: perTensor(0.15, 3) },
    };
    const { multipliers, shifts } = channelMultipliers(operandsOf(call));
    const shifted = x.map((q) => q + 20);
    const expected = spread(c, shifted, w).map((sum, i) => {
      const oc = i % c.outC;
      return Math.min(Math.max(requantized(sum + bias[oc], multipliers[oc], shifts[oc]) + 3, -128), 127);
    });
    expect([...runCall(reference, call)]).toEqual(expected);
  });
});

describe('dense', () => {
  it.each([
    { label: 'one row', x: [1, 7], N: 5 },
    { label: 'leading axes', x: [2, 3, 4], N: 3 },
    { label: 'a vector', x: [6], N: 2 },
    { label: 'a picture flattened', x: [2, 2, 2, 3], N: 4, K: 12 },
  ])('f32 and i8: $label', ({ x: shape, N, K = shape[shape.length - 1] }) => {
    const next = random(6);
    const count = shape.reduce((a, b) => a * b, 1);
    const M = count / K;
    const x = integers(next, count, -128, 127);
    const w = integers(next, N * K, -127, 127);
    const bias = integers(next, N, -500, 500);
    const sums = (zx: number) =>
      Array.from({ length: M * N }, (_, i) => {
        const [m, n] = [Math.floor(i / N), i % N];
        return bias[n] + w.slice(n * K, n * K + K).reduce((s, v, k) => s + v * (x[m * K + k] - zx), 0);
      });
    const out = [M, N];
    const float = runCall(reference, {
      arithmetic: { kind: 'dense', clamp: { min: -1000, max: 1000 } },
      inputs: [activation('f32', shape, x), constant('f32', [N, K], w), constant('f32', [N], bias)],
      output: { dtype: 'f32', shape: out, quantization: null },
    });
    expect([...float]).toEqual(sums(0).map((sum) => Math.min(Math.max(sum, -1000), 1000)));

    const call: TestCall = {
      arithmetic: { kind: 'dense', clamp: noClamp },
      inputs: [
        activation('i8', shape, x, perTensor(0.05, 9)),
        constant('i8', [N, K], w, perTensor(0.013, 0)),
        constant('i32', [N], bias),
      ],
      output: { dtype: 'i8', shape: out, quantization: perTensor(0.4, -1) },
    };
    const { multipliers, shifts } = channelMultipliers(operandsOf(call));
    const expected = sums(9).map((sum, i) =>
      Math.min(Math.max(requantized(sum, multipliers[i % N], shifts[i % N]) - 1, -128), 127),
    );
    expect([...runCall(reference, call)]).toEqual(expected);
  });

  it('sums f32 in f64 and rounds once', () => {
    const x = [2 ** 24, 1, 1, -(2 ** 24)];
    const y = runCall(reference, {
      arithmetic: { kind: 'dense', clamp: noClamp },
      inputs: [activation('f32', [1, 4], x), constant('f32', [1, 4], [1, 1, 1, 1])],
      output: { dtype: 'f32', shape: [1, 1], quantization: null },
    });
    expect([...y]).toEqual([2]); // f32 sums would give 0
  });
});
