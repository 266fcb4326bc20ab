/** conv2d-f32-*-wasm within its bound of reference, with and without relaxed SIMD. */
import { describe, expect, it } from 'vitest';
import type { Clamp, Following, Pad } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { wasmKernels } from '../../src/kernels/wasm/index.ts';
import { expectWithin, kernelOf } from './compare.ts';
import { floatCall, type Product, pad, shapesOf, windows } from './products.ts';
import { activation, constant, integers, operandsOf, random, type TestCall } from './run-call.ts';

const sets = [
  { label: 'relaxed', set: wasmKernels() },
  { label: 'plain', set: wasmKernels({ relaxed: false }) },
];

const direct = { choice: 'not Winograd' };

describe.each(sets)('conv2d-f32 on wasm, $label', ({ set }) => {
  const check = (product: Product, clamp: Clamp = noClamp, seed = 1, where = ''): void =>
    expectWithin(set, floatCall(product, clamp, seed), shapesOf(product).terms + 2, where, direct);

  it.each([...Array.from({ length: 20 }, (_, i) => i + 1), 31, 32, 33, 47, 65])(
    '%i output channels, every remainder of pixels',
    (outC) => {
      for (const pixels of [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 17])
        for (const depth of [1, 3, 20])
          check(
            { label: '', x: [1, 1, pixels, depth], outC },
            noClamp,
            outC,
            `${pixels} pixels, depth ${depth}`,
          );
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7])('%i rows, every remainder of columns', (rows) => {
    for (const columns of [1, 2, 3, 4, 5, 6, 7, 9])
      check(
        { label: '', x: [2, rows, columns, 3], outC: 9, kernel: [3, 3], pad: 'same' },
        noClamp,
        1,
        `${columns}`,
      );
  });

  it.each(windows)('$label', (window) => {
    for (const outC of [3, 4, 8, 9, 17]) check({ ...window, outC }, noClamp, 1, `${outC} out`);
  });

  it.each([
    { label: 'two groups', x: [1, 4, 4, 6], outC: 8, kernel: [3, 3], groups: 2, pad: 'same' },
    { label: 'groups with a rest', x: [1, 3, 5, 4], outC: 14, kernel: [2, 3], groups: 2 },
    { label: 'as many groups as channels', x: [2, 4, 3, 3], outC: 6, kernel: [2, 2], groups: 3 },
    { label: 'groups of 1×1, two pictures', x: [2, 3, 3, 12], outC: 27, groups: 3 },
    { label: '1×1, stride 2, pictures of one column', x: [2, 6, 1, 3], outC: 5, stride: [2, 2] },
    { label: '1×1, stride 2, pictures of one row', x: [2, 1, 6, 3], outC: 5, stride: [1, 2] },
  ] satisfies Product[])('$label', (product) => check(product));

  it('weights larger than the cache, few rows: channels outside', () => {
    check({ label: '', x: [1, 2, 3, 300], outC: 130 });
  });

  it('weights and activations larger than the cache', () => {
    check({ label: '', x: [1, 5, 260, 130], outC: 126, kernel: [3, 3], pad: 'same' });
  });

  it.each([
    { label: 'relu', clamp: { min: 0, max: Number.POSITIVE_INFINITY } },
    { label: 'relu6', clamp: { min: 0, max: 6 } },
    { label: '−1…1', clamp: { min: -1, max: 1 } },
    { label: 'at most 2', clamp: { min: Number.NEGATIVE_INFINITY, max: 2 } },
    { label: 'at least 1', clamp: { min: 1, max: Number.POSITIVE_INFINITY } },
  ])('clamp: $label', ({ clamp }) => {
    check({ label: '', x: [1, 4, 5, 3], outC: 6, kernel: [3, 3], pad: pad(1, 1, 1, 1) }, clamp);
  });

  describe.each([
    { label: '1×1', x: [1, 5, 7, 6], outC: 9 },
    { label: '1×1, two pictures', x: [2, 3, 3, 6], outC: 8 },
    { label: '3×3', x: [2, 5, 6, 4], outC: 11, kernel: [3, 3], pad: 'same' },
  ] satisfies Product[])('fused behind $label', (product) => {
    it.each(fusions)('$label', ({ behind }) => {
      expectWithin(set, fused(product, behind), shapesOf(product).terms + 8, '', direct);
    });
  });

  it('100 random shapes', () => {
    const next = random(2026);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 100; i++) {
      const product = randomProduct(between);
      check(product, { min: 0, max: between(1, 9) }, i, JSON.stringify(product));
    }
  });

  it('leaves what it cannot do to the next set', () => {
    const product: Product = { label: '', x: [1, 3, 3, 2], outC: 4 };
    const call = floatCall(product);
    const [x, w, b] = call.inputs;
    expect(kernelOf(set, { ...call, inputs: [x, { ...w, constant: false }, b] })).toBeUndefined();
    expect(kernelOf(set, fused(product, ['tanh']))).toBeUndefined();
    expect(kernelOf(set, fused(product, ['add', 'add']))).toBeUndefined();
    expect(kernelOf(set, fused(product, ['constant']))).toBeUndefined();
  });

  it.each([1, 2])('gives NaN where its terms have one, stride %i', (stride) => {
    const product: Product = {
      label: '',
      x: [1, 4, 4, 4],
      outC: 4,
      kernel: [3, 3],
      stride: [stride, stride],
    };
    const call = floatCall(product, { min: 0, max: 6 });
    (call.inputs[0].data as Float32Array).fill(Number.NaN);
    expectWithin(set, call, 1);
  });
});

describe.each(sets)('conv2d-f32-winograd on wasm, $label', ({ set }) => {
  const check = (
    product: Product,
    behind: readonly Behind[] = [],
    clamp: Clamp = noClamp,
    seed = 1,
  ): void => {
    const call = fused({ ...product, kernel: [3, 3] }, behind, clamp, seed);
    const options = { choice: 'winograd', sizes: winogradSizes(call) };
    expect(set.offer(operandsOf(call), 'winograd')?.kernel).toContain('winograd');
    expectWithin(set, call, product.x[3] + 24, JSON.stringify(product), options);
  };

  it.each([4, 5, 6, 7, 8, 9, 12, 15])('%i rows, columns of every kind', (rows) => {
    for (const columns of [4, 5, 6, 7, 8, 11, 24, 25, 66, 67])
      check({ label: '', x: [1, rows, columns, 4], outC: 4, pad: 'same' });
  });

  it.each([4, 8, 12, 16, 20, 24, 28, 32, 36, 64, 68])('%i channels', (channels) => {
    check({ label: '', x: [1, 4, 6, channels], outC: 8, pad: 'same' });
    check({ label: '', x: [1, 5, 6, 8], outC: channels, pad: 'same' });
  });

  it.each([
    { label: 'no padding', x: [1, 7, 9, 8], outC: 8 },
    { label: 'two pictures', x: [2, 5, 6, 4], outC: 12, pad: 'same' },
    { label: 'padded on one corner', x: [2, 6, 5, 4], outC: 8, pad: pad(2, 0, 0, 1) },
    { label: 'padded by three', x: [1, 3, 3, 4], outC: 4, pad: pad(3, 3, 3, 3) },
    { label: 'without bias', x: [1, 6, 6, 8], outC: 8, pad: 'same', bias: false },
  ] satisfies Product[])('$label', (product) => check(product));

  it.each(fusions)('fused: $label', ({ behind }) => {
    check({ label: '', x: [1, 7, 6, 8], outC: 12, pad: 'same' }, behind, { min: -40, max: 40 });
  });

  it.each([
    { label: 'three rows', x: [1, 3, 6, 8], outC: 8, kernel: [3, 3], pad: 'same' },
    { label: 'stride 2', x: [1, 6, 6, 8], outC: 8, kernel: [3, 3], stride: [2, 2], pad: 'same' },
    { label: 'dilated', x: [1, 6, 6, 8], outC: 8, kernel: [3, 3], dilation: [2, 2], pad: 'same' },
    { label: 'groups', x: [1, 6, 6, 8], outC: 8, kernel: [3, 3], groups: 2, pad: 'same' },
    { label: '5×3', x: [1, 6, 6, 8], outC: 8, kernel: [5, 3], pad: 'same' },
    { label: '6 channels', x: [1, 6, 6, 6], outC: 8, kernel: [3, 3], pad: 'same' },
  ] satisfies Product[])('not for $label', (product) => {
    expect(set.offer(operandsOf(floatCall(product)), 'winograd')?.kernel).not.toContain('winograd');
  });

  it('30 random shapes', () => {
    const next = random(2027);
    const between = (lo: number, hi: number) => integers(next, 1, lo, hi)[0];
    for (let i = 0; i < 30; i++) {
      const around = pad(between(0, 2), between(0, 2), between(0, 2), between(0, 2));
      const x = [between(1, 2), between(6, 20), between(6, 20), 4 * between(1, 9)];
      check({ label: '', x, outC: 4 * between(1, 9), pad: around }, [], { min: 0, max: between(1, 9) }, i);
    }
  });
});

/**
 * |bias| + |Aᵀ|·[ Σ_c (|G|·|g|·|Gᵀ|) ⊙ (|Bᵀ|·|d|·|B|) ]·|A| of every output, and the size of what is added.
 * An output may be any of the 16 of its tile: the largest of them bounds it.
 */
function winogradSizes({ arithmetic, inputs, output }: TestCall): Float64Array {
  const [x, w, ...rest] = inputs.map(({ data }) => (data as Float32Array).map(Math.abs));
  const { top, left } = (arithmetic as { pad: Pad }).pad;
  const [n, inH, inW, inC] = inputs[0].shape;
  const [, outH, outW, outC] = output.shape;
  const bias = inputs[2]?.constant ? rest.shift() : undefined;
  const u = new Float64Array(outC * inC * 36);
  for (let oc = 0; oc < outC; oc++)
    for (let c = 0; c < inC; c++)
      both(G, 3, (i, j) => w[((oc * 3 + i) * 3 + j) * inC + c], u, (oc * inC + c) * 36);
  const sizes = new Float64Array(n * outH * outW * outC);
  const v = new Float64Array(inC * 36);
  const m = new Float64Array(36);
  const tile = new Float64Array(16);
  for (let b = 0; b < n; b++)
    for (let y0 = -3; y0 < outH; y0++)
      for (let x0 = -3; x0 < outW; x0++) {
        for (let c = 0; c < inC; c++) {
          const cell = (i: number, j: number): number => {
            const ih = y0 + i - top;
            const iw = x0 + j - left;
            return ih < 0 || iw < 0 || ih >= inH || iw >= inW ? 0 : x[((b * inH + ih) * inW + iw) * inC + c];
          };
          both(B, 6, cell, v, c * 36);
        }
        for (let oc = 0; oc < outC; oc++) {
          m.fill(0);
          for (let c = 0; c < inC; c++)
            for (let i = 0; i < 36; i++) m[i] += v[c * 36 + i] * u[(oc * inC + c) * 36 + i];
          both(A, 6, (i, j) => m[6 * i + j], tile, 0);
          for (let i = 0; i < 16; i++) {
            const [oh, ow] = [y0 + (i >> 2), x0 + (i & 3)];
            if (oh < 0 || ow < 0 || oh >= outH || ow >= outW) continue;
            const at = ((b * outH + oh) * outW + ow) * outC + oc;
            sizes[at] = Math.max(sizes[at], tile[i] + (bias?.[oc] ?? 0) + (rest[0]?.[at] ?? 0));
          }
        }
      }
  return sizes;
}

/** The matrices of F(4×4, 3×3) without signs, row after row. */
const B = [
  4, 0, 5, 0, 1, 0, 0, 4, 4, 1, 1, 0, 0, 4, 4, 1, 1, 0, 0, 2, 1, 2, 1, 0, 0, 2, 1, 2, 1, 0, 0, 4, 0, 5, 0, 1,
];
const G = [
  1 / 4,
  0,
  0,
  1 / 6,
  1 / 6,
  1 / 6,
  1 / 6,
  1 / 6,
  1 / 6,
  1 / 24,
  1 / 12,
  1 / 6,
  1 / 24,
  1 / 12,
  1 / 6,
  0,
  0,
  1,
];
const A = [1, 1, 1, 1, 1, 0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 4, 4, 0, 0, 1, 1, 8, 8, 1];

/** to = t·v·tᵀ for a matrix t of `columns` columns. */
function both(
  t: readonly number[],
  columns: number,
  v: (i: number, j: number) => number,
  to: Float64Array,
  at: number,
): void {
  const rows = t.length / columns;
  const half = new Float64Array(rows * columns);
  for (let i = 0; i < columns; i++)
    for (let j = 0; j < columns; j++) {
      const value = v(i, j);
      for (let r = 0; r < rows; r++) half[r * columns + j] += t[r * columns + i] * value;
    }
  for (let r = 0; r < rows; r++)
    for (let q = 0; q < rows; q++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += half[r * columns + j] * t[q * columns + j];
      to[at + r * rows + q] = sum;
    }
}

type Behind = 'add' | 'add, x second' | 'add, relu6' | 'clamp' | 'hardSwish' | 'tanh' | 'constant';

const fusions: readonly { readonly label: string; readonly behind: readonly Behind[] }[] = [
  { label: 'addition', behind: ['add'] },
  { label: 'addition, the sum second', behind: ['add, x second'] },
  { label: 'addition with a clamp', behind: ['add, relu6'] },
  { label: 'clamp', behind: ['clamp'] },
  { label: 'addition, then clamp', behind: ['add', 'clamp'] },
  { label: 'hardSwish', behind: ['hardSwish'] },
  { label: 'hardSwish, then addition', behind: ['hardSwish', 'add'] },
];

/** A product with operators behind it. */
function fused(
  product: Product,
  behind: readonly Behind[],
  clamp: Clamp = { min: -40, max: 40 },
  seed = 1,
): TestCall {
  const call = floatCall(product, clamp, seed);
  if (behind.length === 0) return call;
  const { shape } = call.output;
  const x = { dtype: 'f32', shape, quantization: null, data: null } as const;
  const inputs = [...call.inputs];
  const next = random(7);
  const following = behind.map((kind): Following => {
    const lies = { x, output: x, position: 0, others: 0 };
    if (kind === 'clamp') return { ...lies, arithmetic: { kind, clamp: { min: -1, max: 3 } } };
    if (kind === 'hardSwish' || kind === 'tanh')
      return { ...lies, arithmetic: { kind: 'unary', fn: kind, alpha: 0 } };
    const values = Array.from({ length: shape.reduce((a, b) => a * b) }, () => next() * 4 - 2);
    inputs.push((kind === 'constant' ? constant : activation)('f32', shape, values));
    const bounds = kind === 'add, relu6' ? { min: 0, max: 6 } : noClamp;
    return {
      ...lies,
      position: kind === 'add, x second' ? 1 : 0,
      others: 1,
      arithmetic: { kind: 'binary', fn: 'add', clamp: bounds },
    };
  });
  return { ...call, inputs, following };
}

function randomProduct(between: (lo: number, hi: number) => number): Product {
  for (;;) {
    const groups = between(0, 5) === 0 ? between(1, 3) : 1;
    const product: Product = {
      label: '',
      x: [between(1, 2), between(1, 9), between(1, 9), groups * between(1, 9)],
      outC: groups * between(1, 27),
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
