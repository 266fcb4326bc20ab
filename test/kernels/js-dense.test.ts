/** dense-i8-*-js equal to reference, dense-f32-*-js within its bound. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { expectClose, expectSame, kernelOf } from './compare.ts';
import { byteNumbers, floatCall, type Product, byteCall as productCall } from './products.ts';
import type { TestCall } from './run-call.ts';

const kind = 'dense';
const rows = [1, 2, 3, 7];
const depths = [1, 2, 5, 64];

describe.each([
  { set: js, label: 'TFLite', rounding: {} },
  { set: js, label: 'ONNX', rounding: { rounding: 'even' } },
] as const)('dense-i8 on $set.name, rounded as in $label', ({ set, rounding }) => {
  const byteCall = (...of: Parameters<typeof productCall>): TestCall => {
    const call = productCall(...of);
    return { ...call, arithmetic: { ...call.arithmetic, ...rounding } as Arithmetic };
  };

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 17])('%i outputs', (outC) => {
    for (const m of rows)
      for (const k of depths) {
        const product: Product = { label: '', kind, x: [m, k], outC };
        expectSame(set, byteCall(product, { label: '' }), `i8 ${m} rows of ${k}`);
        expectSame(set, byteCall(product, { label: '', perChannel: true }), `per channel ${m} rows of ${k}`);
        expectSame(set, byteCall(product, { label: '', dtypes: ['u8', 'u8', 'u8'] }), `u8 ${m} rows of ${k}`);
      }
  });

  describe.each([1, 4])('%i rows of 600', (m) => {
    it.each(byteNumbers)('$label', (numbers) =>
      expectSame(set, byteCall({ label: '', kind, x: [m, 600], outC: 6 }, numbers)),
    );
  });

  it.each([{ x: [12] }, { x: [2, 3, 4] }, { x: [1, 1, 1, 9] }, { x: [2, 2, 2, 5] }])(
    'leading axes: $x',
    ({ x }) => {
      expectSame(set, byteCall({ label: '', kind, x, outC: 5 }, { label: '' }));
      expectSame(set, byteCall({ label: '', kind, x, outC: 5, bias: false }, { label: '' }));
    },
  );

  it('sums that leave int32: K = 70,000 at the ends, as reference wraps them', () => {
    const numbers = { label: '', zero: [-128, 0, 0], values: 'highest', multiplier: 2 ** -26 } as const;
    expectSame(set, byteCall({ label: '', kind, x: [1, 70_000], outC: 2 }, numbers));
  });

  it('leaves weights that are not constant to the next set', () => {
    const call = byteCall({ label: '', kind, x: [1, 2], outC: 2 }, { label: '' });
    const inputs = call.inputs.map((input) => ({ ...input, constant: false }));
    expect(kernelOf(set, { ...call, inputs })).toBeUndefined();
  });
});

describe.each([js])('dense-f32 on $name', (set) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 17])('%i outputs', (outC) => {
    for (const m of rows)
      for (const k of depths) {
        const product: Product = { label: '', kind, x: [m, k], outC };
        expectClose(set, floatCall(product), k + 1, `${m} rows of ${k}`);
        expectClose(set, floatCall({ ...product, bias: false }), k + 1, `${m} rows of ${k} without bias`);
        expectClose(set, floatCall(product, { min: 0, max: 2 }), k + 1, `${m} rows of ${k} clamped`);
      }
  });

  it.each([{ x: [12] }, { x: [2, 3, 4] }, { x: [1, 1, 1, 9] }])('leading axes: $x', ({ x }) =>
    expectClose(set, floatCall({ label: '', kind, x, outC: 5 }), 14),
  );
});
