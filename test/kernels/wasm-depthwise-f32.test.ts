/** depthwise-f32-*-wasm within its bound of reference, with and without fused multiplication. */
import { describe, expect, it } from 'vitest';
import { type Following, noClamp } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { expectWithin, kernelOf } from './compare.ts';
import { floatCall, type Product, pad, shapesOf, windows } from './products.ts';
import { integers, random, type TestCall } from './run-call.ts';

const kind = 'depthwiseConv2d';
const relu = { min: 0, max: Number.POSITIVE_INFINITY };

describe.each([
  { label: 'relaxed', set: wasmKernels() },
  { label: 'plain', set: wasmKernels({ relaxed: false }) },
])('depthwise-f32, $label', ({ set }) => {
  const within = (product: Product, clamp = noClamp, seed = 1, choice?: string): void => {
    const call = floatCall(product, clamp, seed);
    expect(kernelOf(set, call)).toMatch(/-wasm$/);
    const where = `${choice ?? ''} ${JSON.stringify(product)}`;
    expectWithin(set, call, shapesOf(product).terms + 2, where, choice === undefined ? {} : { choice });
  };

  it.each(windows)('$label', (window) => {
    for (const outC of [1, 3, 4]) within({ ...window, kind, outC });
  });

  it.each(Array.from({ length: 9 }, (_, i) => i + 1))('%i channels, rows of 1 to 15 pixels', (c) => {
    for (let w = 1; w <= 15; w++)
      for (const stride of [1, 2])
        within({
          label: '',
          kind,
          x: [1, 3, w, c],
          outC: 1,
          kernel: [3, 3],
          pad: 'same',
          stride: [stride, stride],
        });
  });

  it.each(['1x2', '1x3', '1x4', '1x5', '1x6', '1x8'])('tile %s', (choice) => {
    for (const kernel of [3, 5, 7] as const)
      for (const stride of [1, 2] as const)
        within(
          {
            label: '',
            kind,
            x: [1, 4, 19, 6],
            outC: 1,
            kernel: [kernel, kernel],
            pad: 'same',
            stride: [stride, stride],
          },
          relu,
          1,
          choice,
        );
  });

  it.each([
    { label: 'one channel with 64 outputs', x: [1, 12, 5, 1], outC: 64, kernel: [10, 4], pad: 'same' },
    { label: 'one channel with 7 outputs', x: [2, 5, 5, 1], outC: 7, kernel: [3, 3], pad: 'same' },
    { label: '3 channels with 8 outputs each', x: [2, 5, 5, 3], outC: 8, kernel: [3, 3], pad: 'same' },
    { label: '3 channels with 6 outputs each', x: [1, 5, 5, 3], outC: 6, kernel: [3, 3], pad: 'same' },
    { label: 'a kernel too wide for the registers', x: [1, 3, 20, 5], outC: 1, kernel: [2, 17], pad: 'same' },
    { label: '512 channels', x: [1, 3, 7, 512], outC: 1, kernel: [3, 3], pad: 'same' },
    { label: '1024 channels', x: [1, 2, 4, 1024], outC: 1, kernel: [3, 3], pad: 'same' },
  ] satisfies Omit<Product, 'kind'>[])('$label', (product) => {
    within({ ...product, kind });
    within({ ...product, kind, stride: [2, 2], bias: false }, relu);
  });

  it.each([
    { label: 'relu', clamp: relu },
    { label: 'relu6', clamp: { min: 0, max: 6 } },
    { label: '−1…1', clamp: { min: -1, max: 1 } },
    { label: 'at most 2', clamp: { min: Number.NEGATIVE_INFINITY, max: 2 } },
  ])('clamp: $label', ({ clamp }) => {
    for (const kernel of [3, 5] as const)
      within({ label: '', kind, x: [1, 6, 5, 7], outC: 1, kernel: [kernel, kernel], pad: 'same' }, clamp);
  });

  it('what is not finite', () => {
    const call = floatCall({ label: '', kind, x: [1, 4, 9, 5], outC: 1, kernel: [3, 3], pad: 'same' }, relu);
    const { data } = call.inputs[0];
    for (const [i, value] of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].entries())
      data[17 + 31 * i] = value;
    expectWithin(set, call, 11);
  });

  it('hardSwish behind it', () => {
    const call = floatCall({ label: '', kind, x: [1, 4, 9, 6], outC: 1, kernel: [3, 3], pad: 'same' });
    const following: Following[] = [
      {
        arithmetic: { kind: 'unary', fn: 'hardSwish', alpha: 0 },
        x: { ...call.output, data: null },
        position: 0,
        others: 0,
        output: { ...call.output, data: null },
      },
    ];
    expectWithin(set, { ...call, following }, 15);
  });

  it('80 random shapes', () => {
    const next = random(8);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 80; i++) within(randomProduct(between), { min: 0, max: between(1, 9) }, i);
  });

  it('leaves weights that are not constant to the next set', () => {
    const call = floatCall({ label: '', kind, x: [1, 3, 3, 2], outC: 1, kernel: [3, 3] });
    const changing: TestCall = {
      ...call,
      inputs: call.inputs.map((input) => ({ ...input, constant: false })),
    };
    expect(kernelOf(set, changing)).toBeUndefined();
  });
});

function randomProduct(between: (lo: number, hi: number) => number): Product {
  for (;;) {
    const isSquare = between(0, 1) === 0;
    const product: Product = {
      label: '',
      kind,
      x: [between(1, 2), between(1, 8), between(1, 14), between(1, 13)],
      outC: between(0, 3) === 0 ? between(2, 8) : 1,
      kernel: isSquare ? [3, 3] : [between(1, 5), between(1, 7)],
      stride: [between(1, 3), between(1, 3)],
      dilation: between(0, 2) === 0 ? [between(1, 3), between(1, 3)] : [1, 1],
      pad: pad(between(0, 3), between(0, 3), between(0, 3), between(0, 3)),
      bias: between(0, 4) > 0,
    };
    const [, h, w] = shapesOf(product).y;
    if (h > 0 && w > 0) return product;
  }
}
