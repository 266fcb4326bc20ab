/** dense-f32-*-wasm within its bound of reference, with and without fused multiplication. */
import { describe, expect, it } from 'vitest';
import { type Following, noClamp } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { expectWithin, kernelOf } from './compare.ts';
import { floatCall, type Product, shapesOf } from './products.ts';
import { activation, integers, random, type TestCall } from './run-call.ts';

const kind = 'dense';

describe.each([
  { label: 'relaxed', set: wasmKernels() },
  { label: 'plain', set: wasmKernels({ relaxed: false }) },
])('dense-f32, $label', ({ set }) => {
  const within = (product: Product, clamp = noClamp, seed = 1): void => {
    const call = floatCall(product, clamp, seed);
    expect(kernelOf(set, call)).toMatch(/-wasm$/);
    expectWithin(set, call, shapesOf(product).terms + 2, JSON.stringify(product));
  };

  it.each(Array.from({ length: 18 }, (_, i) => i + 1))('%i outputs', (outC) => {
    for (const depth of [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 21])
      within({ label: '', kind, x: [1, depth], outC });
  });

  it.each([
    { label: '640 → 128', x: [1, 640], outC: 128 },
    { label: '128 → 8', x: [1, 128], outC: 8 },
    { label: '8 → 128', x: [1, 8], outC: 128 },
    { label: '3 → 1001', x: [1, 3], outC: 1001 },
    { label: '1001 → 3, no bias', x: [1, 1001], outC: 3, bias: false },
    { label: 'rank 1', x: [33], outC: 5 },
    { label: 'rank 4', x: [1, 1, 1, 7], outC: 9 },
    { label: 'two rows', x: [2, 9], outC: 6 },
    { label: '3 × 5 rows', x: [3, 5, 13], outC: 11 },
    { label: '64 rows', x: [64, 16], outC: 10, bias: false },
  ] satisfies Omit<Product, 'kind'>[])('$label', (product) => {
    within({ ...product, kind });
    within({ ...product, kind }, { min: 0, max: 6 });
  });

  it('what is not finite, within x and behind it', () => {
    for (const depth of [5, 6, 7, 8]) {
      const call = floatCall({ label: '', kind, x: [1, depth], outC: 7 });
      expectWithin(set, call, depth + 2);
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        call.inputs[0].data[depth - 1] = value;
        expectWithin(set, call, depth + 2);
      }
    }
  });

  it.each([1, 4])('fused behind %i rows: hardSwish, an addition', (rows) => {
    const call = floatCall({ label: '', kind, x: [rows, 9], outC: 10 });
    const output = { ...call.output, data: null };
    const next = { x: output, position: 0, output };
    const hardSwish: Following = {
      ...next,
      arithmetic: { kind: 'unary', fn: 'hardSwish', alpha: 0 },
      others: 0,
    };
    const add: Following = { ...next, arithmetic: { kind: 'binary', fn: 'add', clamp: noClamp }, others: 1 };
    const residual = activation('f32', output.shape, integers(random(2), 10 * rows, -9, 9));
    const fused = (following: Following[], ...others: TestCall['inputs']): void => {
      const long = { ...call, inputs: [...call.inputs, ...others], following };
      expect(kernelOf(set, long)).toMatch(/-wasm$/);
      expectWithin(set, long, 16);
    };
    fused([hardSwish]);
    fused([add], residual);
  });

  it('100 random shapes', () => {
    const next = random(5);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 100; i++)
      within(
        {
          label: '',
          kind,
          x: [between(1, 3), between(1, 70)],
          outC: between(1, 40),
          bias: between(0, 3) > 0,
        },
        { min: -between(0, 3), max: between(1, 9) },
        i,
      );
  });

  it('leaves weights that are not constant to the next set', () => {
    const call = floatCall({ label: '', kind, x: [1, 3], outC: 2 });
    const changing: TestCall = {
      ...call,
      inputs: call.inputs.map((input) => ({ ...input, constant: false })),
    };
    expect(kernelOf(set, changing)).toBeUndefined();
  });
});
