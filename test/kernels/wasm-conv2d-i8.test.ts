/** conv2d-i8-*-wasm equal to reference, with and without the relaxed dot product. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { byReference, expectSame, kernelOf } from './compare.ts';
import { byteCall, byteNumbers, type Numbers, type Product, pad, shapesOf, windows } from './products.ts';
import { integers, operandsOf, random, runCall, type TestCall } from './run-call.ts';

const sets = [
  { label: 'as the machine can', set: wasmKernels() },
  { label: 'without relaxed SIMD', set: wasmKernels({ relaxed: false }) },
];

const u8: Numbers = { label: 'u8', dtypes: ['u8', 'u8', 'u8'] };
const i8: Numbers = { label: 'i8', perChannel: true };
/** Weights that reach too far from their zero point for s8. */
const lopsided: Numbers = { ...u8, zero: [3, 255, 7] };

const shapes: readonly Product[] = [
  {
    label: '3×3 over three channels, stride 2',
    x: [1, 12, 32, 3],
    outC: 8,
    kernel: [3, 3],
    stride: [2, 2],
    pad: pad(0, 0, 1, 1),
  },
  {
    label: '10×4 over one channel',
    x: [1, 49, 10, 1],
    outC: 16,
    kernel: [10, 4],
    stride: [2, 2],
    pad: pad(4, 1, 5, 1),
  },
  { label: '3×3, runs of 12 groups', x: [1, 4, 32, 16], outC: 16, kernel: [3, 3], pad: 'same' },
  { label: '3×3, runs with a rest', x: [1, 8, 8, 25], outC: 20, kernel: [3, 3], pad: 'same' },
  { label: '3×3, rows of 7, two pictures', x: [2, 7, 7, 12], outC: 24, kernel: [3, 3], pad: 'same' },
  { label: '1×1, rows of 14', x: [1, 14, 14, 24], outC: 33 },
  { label: '1×1, 3×3 pixels', x: [1, 3, 3, 64], outC: 40 },
  { label: '1×1, one pixel', x: [1, 1, 1, 130], outC: 101 },
  { label: '1×1, two pixels', x: [1, 1, 2, 130], outC: 101 },
  { label: '1×1, two pictures', x: [2, 5, 5, 16], outC: 24 },
  { label: '1×1, stride 2', x: [1, 16, 16, 32], outC: 24, stride: [2, 2] },
  { label: 'more weights than a near cache holds', x: [1, 2, 2, 700], outC: 400 },
];

describe.each(sets)('conv2d-i8 on wasm, $label', ({ set }) => {
  it.each(Array.from({ length: 13 }, (_, i) => i + 1))(
    '%i output channels, every remainder of pixels and of k',
    (outC) => {
      for (const pixels of [1, 2, 3, 4, 5, 6, 7, 11, 13])
        for (const depth of [1, 2, 5, 11, 16, 37, 40]) {
          const call = byteCall({ label: '', x: [1, 1, pixels, depth], outC }, i8, outC);
          expectSame(set, call, `${pixels} pixels, depth ${depth}`, ['dense']);
        }
    },
  );

  it.each(windows)('$label', (window) => {
    for (const outC of [3, 8, 9])
      for (const numbers of [i8, u8])
        expectSame(set, byteCall({ ...window, outC }, numbers), `${numbers.label}, ${outC} out`);
  });

  it.each(shapes)('$label', (product) => {
    for (const numbers of [i8, u8, lopsided]) expectSame(set, byteCall(product, numbers));
  });

  it('whatever the tuner may choose', () => {
    for (const product of shapes) {
      const call = byteCall(product, i8);
      const expected = byReference(call);
      for (const choice of set.offer(operandsOf(call))!.choices!)
        expect(runCall(set, call, 'dense', 'encoded', choice)).toEqual(expected);
    }
  });

  it('leaves groups, what follows, and weights that are not constant to the next set', () => {
    const call = byteCall({ label: '', x: [1, 1, 1, 2], outC: 2 }, { label: '' });
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
    expect(kernelOf(set, { ...call, following: [] })).toBeUndefined();
    expect(kernelOf(set, byteCall({ label: '', x: [1, 1, 1, 4], outC: 4, groups: 2 }, i8))).toBeUndefined();
  });
});

describe.each(
  sets.flatMap((set) => [
    { ...set, rounded: 'TFLite', rounding: {} },
    { ...set, rounded: 'ONNX', rounding: { rounding: 'even' } },
  ]),
)('conv2d-i8 on wasm, $label, rounded as in $rounded', ({ set, rounding }) => {
  const rounded = (call: TestCall): TestCall => ({
    ...call,
    arithmetic: { ...call.arithmetic, ...rounding } as Arithmetic,
  });

  describe.each([
    { label: '3×3', x: [1, 3, 4, 5], outC: 9, kernel: [3, 3], pad: 'same' },
    { label: '1×1 deep', x: [1, 2, 2, 700], outC: 5 },
  ] satisfies Product[])('$label', (product) => {
    it.each(byteNumbers)('$label', (numbers) => expectSame(set, rounded(byteCall(product, numbers))));
  });

  it('100 random shapes and numbers', () => {
    const next = random(2024);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 100; i++) {
      const product = randomProduct(between);
      const numbers = byteNumbers[between(0, byteNumbers.length - 1)];
      const where = `${numbers.label} ${JSON.stringify(product)}`;
      expectSame(set, rounded(byteCall(product, numbers, i)), where);
    }
  });
});

function randomProduct(between: (lo: number, hi: number) => number): Product {
  for (;;) {
    const product: Product = {
      label: '',
      x: [between(1, 2), between(1, 7), between(1, 9), between(1, 20)],
      outC: between(1, 21),
      kernel: [between(1, 4), between(1, 4)],
      stride: [between(1, 3), between(1, 3)],
      dilation: between(0, 2) === 0 ? [between(1, 3), between(1, 3)] : [1, 1],
      pad: pad(between(0, 3), between(0, 3), between(0, 3), between(0, 3)),
      bias: between(0, 4) > 0,
    };
    const [, h, w] = shapesOf(product).y;
    if (h > 0 && w > 0) return product;
  }
}
