/** depthwise-i8-*-wasm equal to reference, with either dot product. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { probe } from '../../src/kernels/wasm/target.ts';
import { expectSame, kernelOf } from './compare.ts';
import { byteNumbers, type Product, pad, byteCall as productCall, shapesOf, windows } from './products.ts';
import { integers, type Layout, random, type TestCall } from './run-call.ts';

const kind = 'depthwiseConv2d';

const probed = probe();
const hasBytes = typeof probed !== 'string' && probed.dot === 'u8';
const everyLayout: readonly Layout[] = ['dense', 'strided', 'border', 'wider border', 'tight border'];

const dots = [
  ...(hasBytes ? [{ set: wasmKernels(), dot: 'signed by unsigned bytes' }] : []),
  { set: wasmKernels({ relaxed: false }), dot: 'dot_i16x8_s' },
];
const roundings = [
  { rule: 'TFLite', rounding: {} },
  { rule: 'ONNX', rounding: { rounding: 'even' } },
] as const;

describe.each(dots)('depthwise-i8 with $dot', ({ set }) => {
  const same = (call: TestCall, where: string, tried: readonly Layout[] = everyLayout) => {
    expect(kernelOf(set, call), where).toMatch(/-wasm$/);
    expectSame(set, call, where, tried);
  };

  describe.each(roundings)('rounded as in $rule', ({ rounding }) => {
    const byteCall = (...of: Parameters<typeof productCall>): TestCall => {
      const call = productCall(...of);
      return { ...call, arithmetic: { ...call.arithmetic, ...rounding } as Arithmetic };
    };

    it.each(windows.filter(({ x }) => x[3] > 1))('$label', (window) => {
      for (const channels of [window.x[3], 21]) {
        const [n, h, w] = window.x as [number, number, number];
        const product: Product = { ...window, kind, x: [n, h, w, channels], outC: 1 };
        same(byteCall(product, { label: '', perChannel: true }), `i8, ${channels} channels`);
        same(byteCall(product, { label: '', dtypes: ['u8', 'u8', 'u8'] }), `u8, ${channels} channels`);
      }
    });

    it.each(Array.from({ length: 9 }, (_, i) => i + 1))('a row of %i pixels, 2 to 17 channels', (w) => {
      for (let c = 2; c <= 17; c++)
        for (const stride of [1, 2, 3])
          same(
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
            ['tight border'],
          );
    });

    describe.each([
      { label: '3×3', kind, x: [1, 4, 5, 6], outC: 1, kernel: [3, 3], pad: 'same' },
      {
        label: '3×3, stride 2',
        kind,
        x: [1, 7, 6, 12],
        outC: 1,
        kernel: [3, 3],
        pad: 'same',
        stride: [2, 2],
      },
      { label: '20×19', kind, x: [1, 21, 20, 3], outC: 1, kernel: [20, 19], pad: pad(2, 0, 0, 1) },
    ] satisfies Product[])('$label', (product) => {
      it.each(byteNumbers)('$label', (numbers) => same(byteCall(product, numbers), '', ['tight border']));
    });

    it('100 random shapes and numbers', () => {
      const next = random(7);
      const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
      for (let i = 0; i < 100; i++) {
        const product = randomProduct(between);
        const numbers = byteNumbers[between(0, byteNumbers.length - 1)];
        same(byteCall(product, numbers, i), `${numbers.label} ${JSON.stringify(product)}`);
      }
    });
  });

  it.each([1, 2, 3, 4, 5, 7])('sizes up to 5×5 from windows of width %i', (kW) => {
    for (const kH of [1, 3, 4, 5])
      for (const stride of [1, 2])
        for (const h of [1, 2, 5])
          for (const w of [1, 2, 4, 5]) {
            const x = [1, (h - 1) * stride + kH, (w - 1) * stride + kW, 10];
            const product: Product = {
              label: '',
              kind,
              x,
              outC: 1,
              kernel: [kH, kW],
              stride: [stride, stride],
            };
            same(productCall(product, { label: '' }), JSON.stringify(product), ['dense']);
          }
  });

  it('weights and zero points that do not fit a signed byte', () => {
    for (const kernel of [3, 4, 8] as const)
      for (const zero of [0, 1, 127, 128, 129, 254, 255])
        for (const values of ['random', 'ends', 'highest'] as const) {
          const product: Product = { label: '', kind, x: [1, 8, 9, 9], outC: 1, kernel: [kernel, kernel] };
          same(
            productCall(product, { label: '', dtypes: ['u8', 'u8', 'u8'], zero: [3, zero, 9], values }),
            `${kernel}×${kernel}, zero point ${zero}, ${values}`,
            ['dense'],
          );
        }
  });

  it('a few channels whose weights do not fit', () => {
    for (const kernel of [3, 7])
      for (const wild of [[0], [12], [27], [3, 26], [1, 9, 17, 25]]) {
        const x = [1, 9, 9, 28];
        const product: Product = { label: '', kind, x, outC: 1, kernel: [kernel, kernel], pad: 'same' };
        const call = productCall(product, { label: '', dtypes: ['u8', 'u8', 'u8'], zero: [3, 100, 9] });
        const w = call.inputs[1].data as Uint8Array;
        for (let i = 0; i < w.length; i++) if (!wild.includes(i % 28)) w[i] = w[i] >> 1;
        same(call, `${kernel}×${kernel}, channels ${wild}`, ['dense', 'tight border']);
      }
  });

  it.each([
    {
      label: '10×8 over one channel',
      x: [1, 12, 9, 1],
      outC: 8,
      kernel: [10, 8],
      pad: 'same',
      stride: [2, 2],
    },
    {
      label: '3×3 over one channel, two pictures',
      x: [2, 6, 7, 1],
      outC: 5,
      kernel: [3, 3],
      pad: pad(1, 0, 1, 2),
    },
    { label: '3×3, one channel', x: [1, 5, 5, 1], outC: 1, kernel: [3, 3] },
  ] satisfies Product[])('as a convolution: $label', (product) => {
    for (const numbers of [
      { label: '', perChannel: true },
      { label: '', dtypes: ['u8', 'u8', 'u8'] },
    ] as const)
      same(productCall({ ...product, kind }, numbers), '');
  });

  it('leaves to the next set what it does not do', () => {
    const call = productCall({ label: '', kind, x: [1, 3, 3, 2], outC: 1, kernel: [3, 3] }, { label: '' });
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
    const twice = productCall({ label: '', kind, x: [1, 3, 3, 2], outC: 2, kernel: [3, 3] }, { label: '' });
    expect(kernelOf(set, twice)).toBeUndefined();
  });
});

function randomProduct(between: (lo: number, hi: number) => number): Product {
  for (;;) {
    const isSquare = between(0, 1) === 0;
    const product: Product = {
      label: '',
      kind,
      x: [between(1, 2), between(1, 8), between(1, 8), between(2, 19)],
      outC: 1,
      kernel: isSquare ? [3, 3] : [between(1, 6), between(1, 6)],
      stride: [between(1, 3), between(1, 3)],
      dilation: between(0, 2) === 0 ? [between(1, 3), between(1, 3)] : [1, 1],
      pad: pad(between(0, 3), between(0, 3), between(0, 3), between(0, 3)),
      bias: between(0, 4) > 0,
    };
    const [, h, w] = shapesOf(product).y;
    if (h > 0 && w > 0) return product;
  }
}
