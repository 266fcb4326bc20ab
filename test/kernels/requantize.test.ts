import { describe, expect, it } from 'vitest';
import type { KernelCall, Operand } from '../../src/kernels/call.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import {
  biasWithInputZeroPoint,
  channelMultipliers,
  meanMultiplier,
  multiplyByQuantizedMultiplier,
  quantizedBounds,
  quantizeMultiplier,
  roundHalfAway,
  roundingDivideByPowerOfTwo,
  saturatingRoundingDoublingHighMul,
  sumMultipliers,
} from '../../src/kernels/requantize.ts';
import type { DType, Quantization, Shape, TensorData } from '../../src/tensor.ts';
import { integers, perChannel, perTensor, random } from './run-call.ts';

/** The definitions, in whole numbers: a·b with 2³⁰ (or 1 − 2³⁰ below zero) added, cut at 31 bits. */
function highMulByDefinition(a: number, b: number): number {
  if (a === b && a === -(2 ** 31)) return 2 ** 31 - 1;
  const product = BigInt(a) * BigInt(b);
  return Number((product + (product >= 0n ? 1n << 30n : 1n - (1n << 30n))) / (1n << 31n));
}

/** x / 2^e: nearest, halves away from zero. */
function divideByDefinition(x: number, exponent: number): number {
  const twice = 2n * BigInt(Math.abs(x));
  const divisor = 1n << BigInt(exponent);
  return Math.sign(x) * Number((twice + divisor) / (2n * divisor)) || 0;
}

function multiplyByDefinition(x: number, multiplier: number, shift: number): number {
  const shifted = Number(BigInt.asIntN(32, BigInt(x) << BigInt(Math.max(shift, 0))));
  return divideByDefinition(highMulByDefinition(shifted, multiplier), Math.max(-shift, 0));
}

const edges = [0, 1, -1, 2 ** 30, -(2 ** 30), 2 ** 31 - 1, -(2 ** 31), 2 ** 16, -(2 ** 16), 65535, 32768];

describe('saturatingRoundingDoublingHighMul', () => {
  it('equals its definition at the edges of int32, and saturates (−2³¹)²', () => {
    for (const a of edges) {
      for (const b of edges) {
        expect([a, b, saturatingRoundingDoublingHighMul(a, b)]).toEqual([a, b, highMulByDefinition(a, b)]);
      }
    }
    expect(saturatingRoundingDoublingHighMul(-(2 ** 31), -(2 ** 31))).toBe(2 ** 31 - 1);
  });

  it('equals its definition on 100,000 random pairs', () => {
    const next = random(1);
    for (let i = 0; i < 100_000; i++) {
      const [a, b] = integers(next, 2, -(2 ** 31), 2 ** 31 - 1);
      const x = a >> Math.floor(next() * 31);
      expect(saturatingRoundingDoublingHighMul(x, b)).toBe(highMulByDefinition(x, b));
    }
  });
});

describe('roundingDivideByPowerOfTwo', () => {
  it.each([
    { x: 3, exponent: 1, is: 2, label: 'half up' },
    { x: -3, exponent: 1, is: -2, label: 'half down below zero' },
    { x: -1, exponent: 1, is: -1, label: '−1/2' },
    { x: 7, exponent: 0, is: 7, label: 'by 1' },
    { x: 2 ** 31 - 1, exponent: 31, is: 1, label: 'by 2³¹' },
    { x: -(2 ** 31), exponent: 31, is: -1, label: '−2³¹ by 2³¹' },
    { x: -(2 ** 31), exponent: 32, is: 0, label: 'everything shifted out' },
  ])('$label', ({ x, exponent, is }) => expect(roundingDivideByPowerOfTwo(x, exponent)).toBe(is));

  it('equals its definition on every exponent, near every tie', () => {
    const next = random(2);
    for (let exponent = 0; exponent <= 31; exponent++) {
      for (const x of [...integers(next, 500, -(2 ** 31), 2 ** 31 - 1), ...edges]) {
        for (const near of [x, (x >> exponent) * 2 ** exponent + 2 ** (exponent - 1)]) {
          for (const nearer of [Math.floor(near) - 1, Math.floor(near), Math.floor(near) + 1]) {
            const int32 = nearer | 0;
            expect(roundingDivideByPowerOfTwo(int32, exponent)).toBe(divideByDefinition(int32, exponent));
          }
        }
      }
    }
  });
});

describe('multiplyByQuantizedMultiplier', () => {
  it('equals its definition on 100,000 random sums, multipliers and shifts', () => {
    const next = random(3);
    for (let i = 0; i < 100_000; i++) {
      const [x] = integers(next, 1, -(2 ** 31), 2 ** 31 - 1);
      const sum = x >> Math.floor(next() * 31);
      const [multiplier] = integers(next, 1, 2 ** 30, 2 ** 31 - 1);
      const [shift] = integers(next, 1, -31, 8);
      const is = multiplyByQuantizedMultiplier(sum, multiplier, shift);
      expect(is).toBe(multiplyByDefinition(sum, multiplier, shift));
    }
  });

  it('equals its definition beside ties of the second rounding', () => {
    const next = random(4);
    for (let i = 0; i < 20_000; i++) {
      const [multiplier] = integers(next, 1, 2 ** 30, 2 ** 31 - 1);
      const [shift, q] = [integers(next, 1, -14, -1)[0], integers(next, 1, -200, 200)[0]];
      const tie = Math.round(((q + 0.5) * 2 ** (31 - shift)) / multiplier);
      for (const sum of [tie - 1, tie, tie + 1]) {
        const is = multiplyByQuantizedMultiplier(sum, multiplier, shift);
        expect(is).toBe(multiplyByDefinition(sum, multiplier, shift));
      }
    }
  });

  it('wraps a left shift that overflows, as int32 does', () => {
    expect(multiplyByQuantizedMultiplier(2 ** 30, 2 ** 30, 2)).toBe(0);
  });
});

describe('quantizeMultiplier', () => {
  it.each([
    { real: 1, multiplier: 2 ** 30, shift: 1, label: '1' },
    { real: 0.5, multiplier: 2 ** 30, shift: 0, label: '1/2' },
    { real: 0.75, multiplier: 3 * 2 ** 29, shift: 0, label: '3/4' },
    { real: 6, multiplier: 3 * 2 ** 29, shift: 3, label: '6' },
    { real: -0.75, multiplier: -3 * 2 ** 29, shift: 0, label: 'negative' },
    { real: 0, multiplier: 0, shift: 0, label: '0' },
    { real: 1 - 2 ** -40, multiplier: 2 ** 30, shift: 1, label: 'rounds up to the next power of two' },
    { real: 2 ** -32, multiplier: 2 ** 30, shift: -31, label: 'the smallest' },
    { real: 2 ** -33, multiplier: 0, shift: 0, label: 'smaller than the smallest' },
    { real: Number.POSITIVE_INFINITY, multiplier: 0, shift: 0, label: 'no number' },
  ])('$label', ({ real, multiplier, shift }) =>
    expect(quantizeMultiplier(real)).toEqual({ multiplier, shift }),
  );

  it('is within half a unit of the real number, normalised, on 10,000 random ones', () => {
    const next = random(5);
    for (let i = 0; i < 10_000; i++) {
      const real = (next() + 1e-6) * 2 ** Math.floor(next() * 30 - 20);
      const { multiplier, shift } = quantizeMultiplier(real);
      expect(multiplier).toBeGreaterThanOrEqual(2 ** 30);
      expect(multiplier).toBeLessThan(2 ** 31);
      expect(Math.abs(multiplier - real * 2 ** (31 - shift))).toBeLessThanOrEqual(0.5);
    }
  });
});

describe('roundHalfAway', () => {
  it.each([
    [0.5, 1],
    [-0.5, -1],
    [1.5, 2],
    [-2.5, -3],
    [0.49999999999999994, 0],
    [2 ** 52 + 1, 2 ** 52 + 1],
  ])('%d → %d', (x, is) => expect(roundHalfAway(x)).toBe(is));
});

function operand(
  dtype: DType,
  shape: Shape,
  quantization: Quantization | null,
  data: TensorData | null = null,
): Operand {
  return { dtype, shape, quantization, data };
}

describe('quantizedBounds', () => {
  it.each([
    { label: 'none', clamp: noClamp, scale: 0.1, zero: 3, is: { lo: -128, hi: 127 } },
    { label: 'relu', clamp: { min: 0, max: Infinity }, scale: 0.1, zero: 3, is: { lo: 3, hi: 127 } },
    { label: 'relu6', clamp: { min: 0, max: 6 }, scale: 0.05, zero: -100, is: { lo: -100, hi: 20 } },
    {
      label: 'relu6 wider than int8',
      clamp: { min: 0, max: 6 },
      scale: 0.01,
      zero: 0,
      is: { lo: 0, hi: 127 },
    },
    {
      label: 'relu −1…1, halves away',
      clamp: { min: -1, max: 1 },
      scale: 0.4,
      zero: 0,
      is: { lo: -3, hi: 3 },
    },
    { label: 'wholly outside', clamp: { min: 50, max: 60 }, scale: 0.1, zero: 0, is: { lo: 127, hi: 127 } },
  ])('$label', ({ clamp, scale, zero, is }) => {
    expect(quantizedBounds(clamp, operand('i8', [1], perTensor(scale, zero)))).toEqual(is);
  });

  it('divides in f32', () => {
    // 6/f32(0.11764706) is 50.99999… in f64 and rounds alike; 1/f32(0.4) is 2.4999999627 in f64, 2.5 in f32
    const bounds = quantizedBounds({ min: -1, max: 1 }, operand('i8', [1], perTensor(0.4, 0)));
    expect(1 / Math.fround(0.4)).toBeLessThan(2.5);
    expect(bounds).toEqual({ lo: -3, hi: 3 });
  });
});

describe('channelMultipliers', () => {
  const conv = (x: Operand, w: Operand, y: Operand): KernelCall => ({
    arithmetic: { kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, groups: 1, clamp: noClamp },
    inputs: [x, w],
    output: y,
  });
  const sx = Math.fround(0.1);
  const sw = Math.fround(0.3);
  const sy = Math.fround(0.7);
  const inF64 = quantizeMultiplier((sx * sw) / sy);
  const inF32 = quantizeMultiplier(Math.fround(sx * sw) / sy);

  it('takes the product in f64 under int8 and in f32 under uint8', () => {
    expect(inF64).not.toEqual(inF32);
    const y = perTensor(sy, 0);
    const int8 = channelMultipliers(
      conv(
        operand('i8', [1, 2, 2, 1], perTensor(sx, 0)),
        operand('i8', [2, 1, 1, 1], perTensor(sw, 0)),
        operand('i8', [1, 2, 2, 2], y),
      ),
    );
    expect([...int8.multipliers]).toEqual([inF64.multiplier, inF64.multiplier]);
    expect([...int8.shifts]).toEqual([inF64.shift, inF64.shift]);
    const uint8 = channelMultipliers(
      conv(
        operand('u8', [1, 2, 2, 1], perTensor(sx, 0)),
        operand('u8', [2, 1, 1, 1], perTensor(sw, 9)),
        operand('u8', [1, 2, 2, 2], y),
      ),
    );
    expect([...uint8.multipliers]).toEqual([inF32.multiplier, inF32.multiplier]);
  });

  it('takes the product in f32 in a dense layer with one scale, in f64 with one a channel', () => {
    const dense = (w: Quantization): KernelCall => ({
      arithmetic: { kind: 'dense', clamp: noClamp },
      inputs: [operand('i8', [1, 1], perTensor(sx, 0)), operand('i8', [2, 1], w)],
      output: operand('i8', [1, 2], perTensor(sy, 0)),
    });
    expect(channelMultipliers(dense(perTensor(sw, 0))).multipliers[1]).toBe(inF32.multiplier);
    const two = channelMultipliers(dense(perChannel([sw, 2 * sw], 0)));
    expect([...two.multipliers]).toEqual([inF64.multiplier, inF64.multiplier]);
    expect([...two.shifts]).toEqual([inF64.shift, inF64.shift + 1]);
  });
});

describe('biasWithInputZeroPoint', () => {
  it('is bias − zₓ·Σ(w − z_w), weights by output channel', () => {
    const call: KernelCall = {
      arithmetic: { kind: 'dense', clamp: noClamp },
      inputs: [
        operand('u8', [1, 3], perTensor(1, 5)),
        operand('u8', [2, 3], perTensor(1, 10), Uint8Array.of(11, 12, 13, 0, 0, 1)),
        operand('i32', [2], null, Int32Array.of(100, -100)),
      ],
      output: operand('u8', [1, 2], perTensor(1, 0)),
    };
    expect([...biasWithInputZeroPoint(call)]).toEqual([100 - 5 * 6, -100 + 5 * 29]);
  });

  it('takes depthwise weights by the innermost axis, and no bias as 0', () => {
    const call: KernelCall = {
      arithmetic: { kind: 'depthwiseConv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, clamp: noClamp },
      inputs: [
        operand('i8', [1, 2, 1, 2], perTensor(1, -3)),
        operand('i8', [1, 2, 1, 2], perTensor(1, 0), Int8Array.of(1, 10, 2, 20)),
      ],
      output: operand('i8', [1, 1, 1, 2], perTensor(1, 0)),
    };
    expect([...biasWithInputZeroPoint(call)]).toEqual([9, 90]);
  });
});

describe('sumMultipliers', () => {
  const a = operand('i8', [1], perTensor(0.1, 0));
  const b = operand('i8', [1], perTensor(0.3, 0));
  const y = operand('i8', [1], perTensor(0.7, 0));

  it('gives the wider term 1/2', () => {
    const m = sumMultipliers('add', a, b, y);
    expect(m.b).toEqual({ multiplier: 2 ** 30, shift: 0 });
    expect(m.a).toEqual(quantizeMultiplier(Math.fround(0.1) / (2 * Math.fround(0.3))));
    expect(m.output).toEqual(quantizeMultiplier((2 * Math.fround(0.3)) / (2 ** 20 * Math.fround(0.7))));
  });

  it('rounds the quotients to f32 for a subtraction', () => {
    const m = sumMultipliers('sub', a, b, y);
    expect(m.a).toEqual(quantizeMultiplier(Math.fround(Math.fround(0.1) / (2 * Math.fround(0.3)))));
    expect(m.a).not.toEqual(sumMultipliers('add', a, b, y).a);
  });
});

describe('meanMultiplier', () => {
  it('is ⌊multiplier·2^k / count⌋ with k = ⌊log₂ count⌋', () => {
    const x = operand('i8', [1], perTensor(0.25, 0));
    expect(meanMultiplier(x, x, 1)).toEqual({ multiplier: 2 ** 30, shift: 1 });
    expect(meanMultiplier(x, x, 4)).toEqual({ multiplier: 2 ** 30, shift: -1 });
    expect(meanMultiplier(x, x, 49)).toEqual({ multiplier: Math.floor(2 ** 35 / 49), shift: -4 });
  });
});
