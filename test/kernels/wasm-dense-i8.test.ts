/** dense-i8-*-wasm equal to reference, in both encodings. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic, KernelSet } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { expectSame as expectSameIn, kernelOf } from './compare.ts';
import { byteNumbers, type Numbers, type Product, byteCall as productCall } from './products.ts';
import { integers, random, type TestCall } from './run-call.ts';

const kind = 'dense';
/** Its operands are dense in every layout. */
const expectSame = (set: KernelSet, call: TestCall, where = ''): void =>
  expectSameIn(set, call, where, ['dense']);
const sets = [
  { set: wasmKernels(), label: 'at its best' },
  { set: wasmKernels({ relaxed: false }), label: 'without relaxed SIMD' },
];
const roundings = [
  { label: 'TFLite', rounding: {} },
  { label: 'ONNX', rounding: { rounding: 'even' } },
] as const;

describe.each(
  sets.flatMap(({ set, label }) =>
    roundings.map((r) => ({ set, label: `${label}, rounded as in ${r.label}`, rounding: r.rounding })),
  ),
)('dense-i8 on wasm $label', ({ set, rounding }) => {
  const byteCall = (product: Product, numbers: Numbers, seed?: number): TestCall => {
    const call = productCall(product, numbers, seed);
    return { ...call, arithmetic: { ...call.arithmetic, ...rounding } as Arithmetic };
  };

  it.each([1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 36, 47, 64, 65])('%i outputs', (outC) => {
    for (const m of [1, 2, 3, 4, 7])
      for (const k of m === 1 ? [1, 2, 3, 4, 5, 8, 17, 33, 64] : [3, 18]) {
        const product: Product = { label: '', kind, x: [m, k], outC };
        expectSame(set, byteCall(product, { label: '' }), `i8 ${m} rows of ${k}`);
        if (m > 2) continue;
        expectSame(set, byteCall(product, { label: '', perChannel: true }), `per channel ${m} rows of ${k}`);
        expectSame(set, byteCall(product, { label: '', dtypes: ['u8', 'u8', 'u8'] }), `u8 ${m} rows of ${k}`);
      }
  });

  describe.each([1, 2, 4, 5])('%i rows of 600', (m) => {
    it.each(byteNumbers)('$label', (numbers) =>
      expectSame(set, byteCall({ label: '', kind, x: [m, 600], outC: 35 }, numbers)),
    );
  });

  it.each([{ x: [12] }, { x: [2, 3, 4] }, { x: [1, 1, 1, 9] }, { x: [2, 2, 2, 5] }])(
    'leading axes: $x',
    ({ x }) => {
      expectSame(set, byteCall({ label: '', kind, x, outC: 5 }, { label: '' }));
      expectSame(set, byteCall({ label: '', kind, x, outC: 5, bias: false }, { label: '' }));
    },
  );

  it.each([0, 1, 127, 128, 200, 255])('u8 weights around %i', (zero) => {
    for (const [m, k] of [
      [1, 64],
      [1, 67],
      [3, 21],
      [6, 22],
    ] as const)
      expectSame(
        set,
        byteCall(
          { label: '', kind, x: [m, k], outC: 37 },
          { label: '', dtypes: ['u8', 'u8', 'u8'], zero: [3, zero, 100] },
        ),
      );
  });

  it.each([-128, 3, 127])('i8 weights around %i', (zero) =>
    expectSame(set, byteCall({ label: '', kind, x: [2, 33], outC: 9 }, { label: '', zero: [-7, zero, 5] })),
  );

  it('sums that leave int32: K = 70,000 at the ends, as reference wraps them', () => {
    const numbers = { label: '', zero: [-128, 0, 0], values: 'highest', multiplier: 2 ** -26 } as const;
    expectSame(set, byteCall({ label: '', kind, x: [1, 70_000], outC: 2 }, numbers));
  });

  it('random shapes', () => {
    const next = random(21);
    for (let i = 0; i < 60; i++) {
      const [m, k, n] = [
        integers(next, 1, 1, 9)[0]!,
        integers(next, 1, 1, 90)[0]!,
        integers(next, 1, 1, 90)[0]!,
      ];
      const numbers = byteNumbers[integers(next, 1, 0, byteNumbers.length - 1)[0]!]!;
      expectSame(
        set,
        byteCall({ label: '', kind, x: [m, k], outC: n }, numbers, i),
        `${m}×${k}×${n} ${numbers.label}`,
      );
    }
  });

  it('leaves weights that are not constant to the next set', () => {
    const call = byteCall({ label: '', kind, x: [1, 2], outC: 2 }, { label: '' });
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
  });
});
