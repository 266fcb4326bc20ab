/** Pools, resizing, spectra. */
import { describe, expect, it } from 'vitest';
import type { Arithmetic, Pad, Pair } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { DType } from '../../src/tensor.ts';
import { activation, integers, operandsOf, perTensor, random, runCall } from './run-call.ts';

describe('pools', () => {
  const pool = (kind: 'maxPool2d' | 'averagePool2d', kernel: Pair, stride: Pair, pad: Pad, clamp = noClamp) =>
    ({ kind, kernel, stride, pad, clamp }) satisfies Arithmetic;
  const one: Pad = { top: 1, left: 1, bottom: 1, right: 1 };
  const x = [1, 2, 3, 4, 5, 6, 7, 8, 9]; // 3 × 3

  it.each([
    { label: 'max', kind: 'maxPool2d', pad: noPad, stride: [1, 1], is: [5, 6, 8, 9] },
    { label: 'max, padded', kind: 'maxPool2d', pad: one, stride: [2, 2], is: [1, 3, 7, 9] },
    { label: 'mean', kind: 'averagePool2d', pad: noPad, stride: [1, 1], is: [3, 4, 6, 7] },
    {
      label: 'mean over cells inside',
      kind: 'averagePool2d',
      pad: one,
      stride: [2, 2],
      is: [1, 2.5, 5.5, 7],
    },
  ] as const)('f32: $label', ({ kind, pad, stride, is }) => {
    const y = runCall(reference, {
      arithmetic: pool(kind, [2, 2], stride, pad),
      inputs: [activation('f32', [1, 3, 3, 1], x)],
      output: { dtype: 'f32', shape: [1, 2, 2, 1], quantization: null },
    });
    expect([...y]).toEqual(is);
  });

  it.each([
    { label: 'half away from zero', values: [1, 2, 1, 2], is: 2 },
    { label: 'half away from zero below it', values: [-1, -2, -1, -2], is: -2 },
    { label: 'a quarter', values: [1, 1, 1, 2], is: 1 },
    { label: 'a quarter below zero', values: [-1, -1, -1, -2], is: -1 },
    { label: 'the least', values: [-128, -128, -128, -128], is: -128 },
  ])('i8 mean: $label', ({ values, is }) => {
    const y = runCall(reference, {
      arithmetic: pool('averagePool2d', [2, 2], [1, 1], noPad),
      inputs: [activation('i8', [1, 2, 2, 1], values, perTensor(0.1, 7))],
      output: { dtype: 'i8', shape: [1, 1, 1, 1], quantization: perTensor(0.1, 7) },
    });
    expect([...y]).toEqual([is]);
  });

  it('keeps channels and pictures apart, clamps in stored integers', () => {
    const y = runCall(reference, {
      arithmetic: pool('maxPool2d', [2, 1], [2, 1], noPad, { min: 0, max: 6 }),
      inputs: [activation('u8', [2, 2, 1, 2], [10, 200, 20, 100, 0, 1, 2, 255], perTensor(0.1, 5))],
      output: { dtype: 'u8', shape: [2, 1, 1, 2], quantization: perTensor(0.1, 5) },
    });
    expect([...y]).toEqual([20, 65, 5, 65]);
  });
});

describe('resize', () => {
  const resize = (mode: 'nearest' | 'bilinear', how: '' | 'aligned' | 'half', size: Pair): Arithmetic => ({
    kind: 'resize',
    mode,
    size,
    alignCorners: how === 'aligned',
    halfPixelCenters: how === 'half',
  });
  const run = (dtype: DType, arithmetic: Arithmetic, x: readonly number[], to: number) => {
    const quantization = dtype === 'f32' ? null : perTensor(0.1, 0);
    const y = runCall(reference, {
      arithmetic,
      inputs: [activation(dtype, [1, 1, x.length, 1], x, quantization)],
      output: { dtype, shape: [1, 1, to, 1], quantization },
    });
    return [...y];
  };

  it.each([
    { how: '', to: 5, is: [10, 10, 20, 20, 30] },
    { how: 'aligned', to: 5, is: [10, 20, 20, 30, 30] },
    { how: 'half', to: 5, is: [10, 10, 20, 30, 30] },
    { how: '', to: 2, is: [10, 20] },
    { how: 'half', to: 2, is: [10, 30] },
    { how: 'aligned', to: 1, is: [10] },
  ] as const)('nearest, 3 → $to "$how"', ({ how, to, is }) => {
    expect(run('i8', resize('nearest', how, [1, to]), [10, 20, 30], to)).toEqual(is);
    expect(run('f32', resize('nearest', how, [1, to]), [10, 20, 30], to)).toEqual(is);
  });

  it.each([
    { how: '', to: 4, is: [10, 15, 20, 20] },
    { how: 'aligned', to: 3, is: [10, 15, 20] },
    { how: 'half', to: 4, is: [10, 12.5, 17.5, 20] },
    { how: 'half', to: 1, is: [15] },
  ] as const)('bilinear f32, 2 → $to "$how"', ({ how, to, is }) => {
    expect(run('f32', resize('bilinear', how, [1, to]), [10, 20], to)).toEqual(is);
  });

  it.each([
    { dtype: 'i8', x: [-11, -20], how: 'half', to: 4, is: [-11, -13, -18, -20], label: '−13.25, −17.75' },
    { dtype: 'i8', x: [-1, 0], how: '', to: 4, is: [-1, -1, 0, 0], label: '−1/2 goes away from zero' },
    { dtype: 'i8', x: [0, 1], how: '', to: 4, is: [0, 1, 1, 1], label: '1/2 goes away from zero' },
    { dtype: 'u8', x: [0, 255], how: 'aligned', to: 3, is: [0, 128, 255], label: '127.5 + 1/2, cut' },
    { dtype: 'u8', x: [10, 20], how: 'half', to: 4, is: [10, 13, 18, 20], label: '12.5 and 17.5' },
  ] as const)('bilinear $dtype: $label', ({ dtype, x, how, to, is }) => {
    expect(run(dtype, resize('bilinear', how, [1, to]), x, to)).toEqual(is);
  });

  it('i8 counts in 1/1024 of a cell: 3 → 7 is 439/1024', () => {
    const scale = Math.floor((1024 * 3 + 3) / 7); // 439
    const x = [0, 100, -100];
    const expected = Array.from({ length: 7 }, (_, o) => {
      const at = o * scale;
      const lower = Math.floor(at / 1024);
      const upper = Math.min(Math.ceil(at / 1024), 2);
      const sum = x[lower] * (1024 - (at - lower * 1024)) + x[upper] * (at - lower * 1024);
      return Math.sign(sum) * Math.floor(Math.abs(sum) / 1024 + 0.5);
    });
    expect(run('i8', resize('bilinear', '', [1, 7]), x, 7)).toEqual(expected);
  });

  it('weighs rows and columns, channels apart', () => {
    const y = runCall(reference, {
      arithmetic: resize('bilinear', 'aligned', [3, 3]),
      inputs: [activation('f32', [1, 2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7])],
      output: { dtype: 'f32', shape: [1, 3, 3, 2], quantization: null },
    });
    expect([...y]).toEqual([0, 1, 1, 2, 2, 3, 2, 3, 3, 4, 4, 5, 4, 5, 5, 6, 6, 7]);
  });

  it('is not offered bilinear for i32', () => {
    const call = {
      arithmetic: resize('bilinear', '', [1, 7]),
      inputs: [activation('i32', [1, 1, 1, 1], [1])],
      output: { dtype: 'i32', shape: [1, 1, 1, 1], quantization: null },
    } as const;
    expect(reference.offer(operandsOf(call))).toBeNull();
  });
});

describe('rfft2d', () => {
  /** The double sum of the definition. */
  function transform(x: readonly number[], H: number, W: number, fH: number, fW: number): number[] {
    const y: number[] = [];
    for (let u = 0; u < fH; u++)
      for (let v = 0; v <= fW / 2; v++) {
        let [re, im] = [0, 0];
        for (let h = 0; h < Math.min(H, fH); h++)
          for (let w = 0; w < Math.min(W, fW); w++) {
            const angle = -2 * Math.PI * ((u * h) / fH + (v * w) / fW);
            re += x[h * W + w] * Math.cos(angle);
            im += x[h * W + w] * Math.sin(angle);
          }
        y.push(re, im);
      }
    return y;
  }

  it.each([
    { label: 'one row', H: 1, W: 8, fH: 1, fW: 8 },
    { label: 'padded with zeros', H: 1, W: 6, fH: 1, fW: 16 },
    { label: 'cut', H: 3, W: 9, fH: 2, fW: 4 },
    { label: 'rows and columns', H: 4, W: 8, fH: 4, fW: 8 },
    { label: 'a single sample', H: 1, W: 1, fH: 1, fW: 2 },
  ])('$label', ({ H, W, fH, fW }) => {
    const x = integers(random(7), 2 * H * W, -100, 100);
    const y = runCall(reference, {
      arithmetic: { kind: 'rfft2d', length: [fH, fW] },
      inputs: [activation('f32', [2, H, W], x)],
      output: { dtype: 'f32', shape: [2, fH, fW / 2 + 1, 2], quantization: null },
    });
    const expected = [
      ...transform(x.slice(0, H * W), H, W, fH, fW),
      ...transform(x.slice(H * W), H, W, fH, fW),
    ];
    [...y].forEach((value, i) => {
      expect(Number(value)).toBeCloseTo(expected[i], 3);
    });
  });

  it('complexAbs is the length of a pair', () => {
    const y = runCall(reference, {
      arithmetic: { kind: 'complexAbs' },
      inputs: [activation('f32', [3, 2], [3, 4, -5, 12, 0, -2])],
      output: { dtype: 'f32', shape: [3], quantization: null },
    });
    expect([...y]).toEqual([5, 13, 2]);
  });
});
