/** conv2d-i8-*-js equal to reference, conv2d-f32-*-js within its bound. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { expectClose, expectSame, kernelOf } from './compare.ts';
import {
  byteNumbers,
  floatCall,
  type Numbers,
  type Product,
  pad,
  byteCall as productCall,
  shapesOf,
  windows,
} from './products.ts';
import { integers, perTensor, random, type TestCall } from './run-call.ts';

describe.each([
  { set: js, label: 'TFLite', rounding: {} },
  { set: js, label: 'ONNX', rounding: { rounding: 'even' } },
] as const)('conv2d-i8 on $set.name, rounded as in $label', ({ set, rounding }) => {
  const byteCall = (...of: Parameters<typeof productCall>): TestCall => {
    const call = productCall(...of);
    return { ...call, arithmetic: { ...call.arithmetic, ...rounding } as Arithmetic };
  };

  it.each(Array.from({ length: 18 }, (_, i) => i + 1))(
    '%i output channels, every remainder of pixels',
    (outC) => {
      for (const pixels of [1, 2, 3, 4, 5, 7])
        for (const depth of [1, 2, 9])
          expectSame(
            set,
            byteCall({ label: '', x: [1, 1, pixels, depth], outC }, { label: '', perChannel: true }, outC),
            `${pixels} pixels, depth ${depth}`,
          );
    },
  );

  it.each(windows)('$label', (window) => {
    for (const outC of [3, 8, 9]) {
      expectSame(set, byteCall({ ...window, outC }, { label: '', perChannel: true }), `i8, ${outC} out`);
      expectSame(
        set,
        byteCall({ ...window, outC }, { label: '', dtypes: ['u8', 'u8', 'u8'] }),
        `u8, ${outC} out`,
      );
    }
  });

  it.each([
    { label: 'two groups of one block', x: [1, 4, 4, 6], outC: 8, kernel: [3, 3], groups: 2, pad: 'same' },
    { label: 'two groups with a block and a rest', x: [1, 3, 5, 4], outC: 22, kernel: [2, 3], groups: 2 },
    { label: 'as many groups as channels', x: [2, 4, 3, 3], outC: 6, kernel: [2, 2], groups: 3 },
    {
      label: 'groups, stride and dilation',
      x: [1, 9, 8, 8],
      outC: 12,
      kernel: [3, 2],
      groups: 4,
      stride: [2, 1],
      dilation: [1, 2],
      pad: 'same',
    },
    { label: 'groups of 1×1', x: [1, 2, 2, 10], outC: 5, groups: 5 },
  ] satisfies Product[])('$label', (product) => {
    expectSame(set, byteCall(product, { label: '', perChannel: true }));
    expectSame(set, byteCall(product, { label: '', dtypes: ['u8', 'u8', 'u8'] }));
  });

  describe.each([
    { label: '3×3', x: [1, 3, 4, 5], outC: 9, kernel: [3, 3], pad: 'same' },
    { label: '1×1 deep', x: [1, 2, 2, 700], outC: 5 },
  ] satisfies Product[])('$label', (product) => {
    it.each(byteNumbers)('$label', (numbers) => expectSame(set, byteCall(product, numbers)));
  });

  // 255·127·K reaches 2²⁵ at K = 1037; |x − zₓ| ≤ 128 at K = 2065.
  it.each([
    { depth: 1036, zero: -128, kernel: 'conv2d-i8-3x8-js' },
    { depth: 1037, zero: -128, kernel: 'conv2d-i8-3x4-js' },
    { depth: 2064, zero: 0, kernel: 'conv2d-i8-3x8-js' },
    { depth: 2065, zero: 0, kernel: 'conv2d-i8-3x4-js' },
  ])('two lanes as far as they carry: K = $depth, zero point $zero', ({ depth, zero, kernel }) => {
    const product: Product = { label: '', x: [1, 1, 7, depth], outC: 9, bias: false };
    for (const values of ['highest', 'ends', 'random'] as const) {
      const numbers: Numbers = { label: '', zero: [zero, 0, 0], values, multiplier: 2 ** -18 };
      const call = byteCall(product, numbers, depth);
      if (values === 'highest') expect(kernelOf(set, call)).toBe(kernel);
      expectSame(set, call, values);
    }
  });

  it('lanes that borrow from each other: every pair of signs at the ends', () => {
    const depth = 1036;
    for (const signs of [0b00, 0b01, 0b10, 0b11]) {
      const call = byteCall(
        { label: '', x: [1, 1, 3, depth], outC: 8, bias: false },
        { label: '', zero: [-128, 0, 0], values: 'highest', multiplier: 2 ** -18 },
      );
      const w = call.inputs[1].data;
      for (let i = 0; i < w.length; i++) {
        const channel = Math.floor(i / depth);
        w[i] = (signs >> (channel & 1)) & 1 ? -127 : 127;
      }
      expectSame(set, call, `signs ${signs}`);
    }
  });

  it.each([1700, 1785, 1786, 2000])('a result at the top of int32: sums up to 2²⁴ − 1786 + %i', (bias) => {
    // 255·127·518 + 1785 = 2²⁴ − 1; the multiplier is (2³¹ − 1)/2²⁴, the largest below 2⁷.
    expectSame(set, atTheTop(byteCall, 518, bias));
  });

  it.each([1, 2, 5, 8, 10, 14, 15])('every sum around the ties of multiplier 2^−%i', (bits) => {
    for (const step of [-2, -1, 0, 1])
      for (const kind of ['conv2d', 'depthwiseConv2d', 'dense'] as const)
        expectSame(set, aroundTies(byteCall, kind, bits, step));
  });

  it('300 random shapes and numbers', () => {
    const next = random(2024);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 300; i++) {
      const product = randomProduct(between);
      const numbers = byteNumbers[between(0, byteNumbers.length - 1)];
      expectSame(set, byteCall(product, numbers, i), `${numbers.label} ${JSON.stringify(product)}`);
    }
  });

  it('leaves weights that are not constant to the next set', () => {
    const call = byteCall({ label: '', x: [1, 1, 1, 2], outC: 2 }, { label: '' });
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
  });
});

describe.each([js])('conv2d-f32 on $name', (set) => {
  it.each(Array.from({ length: 10 }, (_, i) => i + 1))(
    '%i output channels, every remainder of pixels',
    (outC) => {
      for (const pixels of [1, 2, 3, 4, 5, 7])
        for (const depth of [1, 3, 40]) {
          const product: Product = { label: '', x: [1, 1, pixels, depth], outC };
          expectClose(set, floatCall(product), depth + 1, `${pixels} pixels, depth ${depth}`);
        }
    },
  );

  it.each(windows)('$label', (window) => {
    for (const outC of [3, 4, 9]) {
      const product = { ...window, outC };
      expectClose(set, floatCall(product), shapesOf(product).terms + 1, `${outC} out`);
    }
  });

  it.each([
    { label: 'two groups', x: [1, 4, 4, 6], outC: 8, kernel: [3, 3], groups: 2, pad: 'same' },
    { label: 'groups with a rest', x: [1, 3, 5, 4], outC: 14, kernel: [2, 3], groups: 2 },
    { label: 'as many groups as channels', x: [2, 4, 3, 3], outC: 6, kernel: [2, 2], groups: 3 },
  ] satisfies Product[])('$label', (product) =>
    expectClose(set, floatCall(product), shapesOf(product).terms + 1),
  );

  it.each([
    { label: 'relu', clamp: { min: 0, max: Number.POSITIVE_INFINITY } },
    { label: 'relu6', clamp: { min: 0, max: 6 } },
    { label: '−1…1', clamp: { min: -1, max: 1 } },
    { label: 'at most 2', clamp: { min: Number.NEGATIVE_INFINITY, max: 2 } },
    { label: 'at least 1', clamp: { min: 1, max: Number.POSITIVE_INFINITY } },
  ])('clamp: $label', ({ clamp }) => {
    const product: Product = { label: '', x: [1, 4, 5, 3], outC: 6, kernel: [3, 3], pad: pad(1, 1, 1, 1) };
    expectClose(set, floatCall(product, clamp), 28);
  });

  it('100 random shapes', () => {
    const next = random(2025);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 100; i++) {
      const product = randomProduct(between);
      const clamp = { min: 0, max: between(1, 9) };
      expectClose(set, floatCall(product, clamp, i), shapesOf(product).terms + 1, JSON.stringify(product));
    }
  });
});

/** One weight of 1 and all bytes for x, so that sums run through every number around the first halves. */
function aroundTies(
  byteCall: typeof productCall,
  kind: 'conv2d' | 'depthwiseConv2d' | 'dense',
  bits: number,
  lowest: number,
): TestCall {
  const halves = [-1.5, -0.5, 0, 0.5, 1.5, 2.5].map((half) => half * 2 ** bits);
  const outC = halves.length;
  const call = byteCall(
    kind === 'dense' ? { label: '', kind, x: [256, 1], outC } : { label: '', kind, x: [1, 1, 256, 1], outC },
    {
      label: '',
      zero: [0, 0, 0],
      multiplier: 2 ** -bits,
      bias: (c) => halves[c],
      clamp: { min: lowest * 20, max: Number.POSITIVE_INFINITY }, // byteCall's output scale is 1/20
    },
  );
  for (let i = 0; i < 256; i++) call.inputs[0].data[i] = i - 128;
  for (let i = 0; i < outC; i++) call.inputs[1].data[i] = 1;
  const [x, w, b] = call.inputs;
  const exact = { ...w, quantization: perTensor(2 ** -bits, 0) };
  return {
    ...call,
    inputs: [{ ...x, quantization: perTensor(1, 0) }, exact, b],
    output: { ...call.output, quantization: perTensor(1, 0) },
  };
}

/** The sum `bias` + 255·127·depth, which could have been negative, times (2³¹ − 1)/2²⁴, up to zero point 127. */
function atTheTop(byteCall: typeof productCall, depth: number, bias: number): TestCall {
  const taps = depth + 1;
  const call = byteCall(
    { label: '', x: [1, 1, 4, taps], outC: 3 },
    { label: '', zero: [-128, 0, 127], values: 'highest', bias: () => bias },
  );
  for (let i = depth; i < 4 * taps; i += taps) call.inputs[0].data[i] = -128;
  for (let i = depth; i < 3 * taps; i += taps) call.inputs[1].data[i] = -127;
  const e = 181 * 2 ** -23; // (1 + e)·(1 − e) rounds to 1 − 2⁻³¹
  const [x, w, b] = call.inputs;
  return {
    ...call,
    inputs: [{ ...x, quantization: perTensor(1 + e, -128) }, { ...w, quantization: perTensor(1 - e, 0) }, b],
    output: { ...call.output, quantization: perTensor(2 ** -7, 127) },
  };
}

function randomProduct(between: (lo: number, hi: number) => number): Product {
  for (;;) {
    const groups = between(0, 5) === 0 ? between(1, 3) : 1;
    const product: Product = {
      label: '',
      x: [between(1, 2), between(1, 7), between(1, 7), groups * between(1, 9)],
      outC: groups * between(1, 11),
      kernel: [between(1, 4), between(1, 4)],
      stride: [between(1, 3), between(1, 3)],
      dilation: between(0, 2) === 0 ? [between(1, 3), between(1, 3)] : [1, 1],
      pad: pad(between(0, 3), between(0, 3), between(0, 3), between(0, 3)),
      groups,
      bias: between(0, 4) > 0,
    };
    const [, h, w] = shapesOf(product).y;
    if (h > 0 && w > 0) return product;
  }
}
