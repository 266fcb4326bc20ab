/** depthwise-i8-*-js equal to reference, depthwise-f32-*-js within its bound. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { expectClose, expectSame, kernelOf } from './compare.ts';
import {
  byteNumbers,
  floatCall,
  type Product,
  pad,
  byteCall as productCall,
  shapesOf,
  windows,
} from './products.ts';
import { integers, random, type TestCall } from './run-call.ts';

const kind = 'depthwiseConv2d';
const multipliers = [1, 2, 3];

describe.each([
  { set: js, label: 'TFLite', rounding: {} },
  { set: js, label: 'ONNX', rounding: { rounding: 'even' } },
] as const)('depthwise-i8 on $set.name, rounded as in $label', ({ set, rounding }) => {
  const byteCall = (...of: Parameters<typeof productCall>): TestCall => {
    const call = productCall(...of);
    return { ...call, arithmetic: { ...call.arithmetic, ...rounding } as Arithmetic };
  };

  it.each(windows)('$label', (window) => {
    for (const outC of multipliers) {
      const product: Product = { ...window, kind, outC };
      expectSame(set, byteCall(product, { label: '', perChannel: true }), `i8 × ${outC}`);
      expectSame(set, byteCall(product, { label: '', dtypes: ['u8', 'u8', 'u8'] }), `u8 × ${outC}`);
    }
  });

  it.each(Array.from({ length: 12 }, (_, i) => i + 1))('a row of %i pixels, 1 to 9 channels', (w) => {
    for (let c = 1; c <= 9; c++)
      for (const stride of [1, 2, 3])
        expectSame(
          set,
          byteCall(
            {
              label: '',
              kind,
              x: [1, 3, w, c],
              outC: 1,
              kernel: [3, 3],
              pad: 'same',
              stride: [stride, stride],
            },
            { label: '', perChannel: true },
            w,
          ),
          `${c} channels, stride ${stride}`,
        );
  });

  describe.each([
    { label: '3×3', kind, x: [1, 4, 5, 6], outC: 1, kernel: [3, 3], pad: 'same' },
    { label: '20×20', kind, x: [1, 21, 20, 3], outC: 2, kernel: [20, 20], pad: pad(2, 0, 0, 1) },
  ] satisfies Product[])('$label', (product) => {
    it.each(byteNumbers)('$label', (numbers) => expectSame(set, byteCall(product, numbers)));
  });

  it('a result at the top of int32', () => {
    // 127·255·(23·23 − 11) + 1785 = 2²⁴ − 1, the multiplier just under 2⁷
    for (const last of [1784, 1785, 1786]) {
      const call = byteCall(
        { label: '', kind, x: [1, 23, 23, 1], outC: 1, kernel: [23, 23] },
        { label: '', zero: [-128, 0, 127], values: 'highest', bias: () => last },
      );
      for (let i = 518; i < 23 * 23; i++) {
        call.inputs[0].data[i] = -128;
        call.inputs[1].data[i] = -127;
      }
      const e = 181 * 2 ** -23; // (1 + e)·(1 − e) rounds to 1 − 2⁻³¹
      const scales = [1 + e, 1 - e];
      const inputs = call.inputs.map((input, i) =>
        input.quantization && i < 2
          ? { ...input, quantization: { ...input.quantization, scale: [scales[i]] } }
          : input,
      );
      const output = { ...call.output, quantization: { scale: [2 ** -7], zeroPoint: [127], axis: 0 } };
      expectSame(set, { ...call, inputs, output }, `bias ${last}`);
    }
  });

  it('300 random shapes and numbers', () => {
    const next = random(7);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 300; i++) {
      const product = randomProduct(between);
      const numbers = byteNumbers[between(0, byteNumbers.length - 1)];
      expectSame(set, byteCall(product, numbers, i), `${numbers.label} ${JSON.stringify(product)}`);
    }
  });

  it('leaves weights that are not constant to the next set', () => {
    const call = byteCall({ label: '', kind, x: [1, 3, 3, 2], outC: 1, kernel: [3, 3] }, { label: '' });
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
  });
});

describe.each([js])('depthwise-f32 on $name', (set) => {
  it.each(windows)('$label', (window) => {
    for (const outC of multipliers) {
      const product: Product = { ...window, kind, outC };
      expectClose(set, floatCall(product), shapesOf(product).terms + 1, `× ${outC}`);
    }
  });

  it.each([
    { label: 'relu', clamp: { min: 0, max: Number.POSITIVE_INFINITY } },
    { label: 'relu6', clamp: { min: 0, max: 6 } },
    { label: '−1…1', clamp: { min: -1, max: 1 } },
    { label: 'at most 2', clamp: { min: Number.NEGATIVE_INFINITY, max: 2 } },
  ])('clamp: $label', ({ clamp }) => {
    for (const kernel of [3, 5] as const)
      expectClose(
        set,
        floatCall(
          { label: '', kind, x: [1, 6, 5, 7], outC: 1, kernel: [kernel, kernel], pad: 'same' },
          clamp,
        ),
        kernel * kernel + 1,
      );
  });

  it('100 random shapes', () => {
    const next = random(8);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 100; i++) {
      const product = randomProduct(between);
      const clamp = { min: 0, max: between(1, 9) };
      expectClose(set, floatCall(product, clamp, i), shapesOf(product).terms + 1, JSON.stringify(product));
    }
  });
});

function randomProduct(between: (lo: number, hi: number) => number): Product {
  for (;;) {
    const isSquare = between(0, 1) === 0;
    const product: Product = {
      label: '',
      kind,
      x: [between(1, 2), between(1, 8), between(1, 8), between(1, 9)],
      outC: between(1, 3),
      kernel: isSquare ? [3, 3] : [between(1, 5), between(1, 5)],
      stride: [between(1, 3), between(1, 3)],
      dilation: between(0, 2) === 0 ? [between(1, 3), between(1, 3)] : [1, 1],
      pad: pad(between(0, 3), between(0, 3), between(0, 3), between(0, 3)),
      bias: between(0, 4) > 0,
    };
    const [, h, w] = shapesOf(product).y;
    if (h > 0 && w > 0) return product;
  }
}
