/**
 * Requantisation in f32 lanes against the integer definition: the lanes are emulated here, with the product
 * rounded before the addition and without, on both sides of every step and at random over the reach.
 */
import { describe, expect, it } from 'vitest';
import { optimize } from '../../src/graph/optimize.ts';
import { callsOf } from '../../src/graph/plan/calls.ts';
import { readOnnx } from '../../src/io/onnx/index.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import type { Clamp, KernelCall, Operand, Rounding } from '../../src/kernels/call.ts';
import { noClamp } from '../../src/kernels/call.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reachOf } from '../../src/kernels/js/pack-i8.ts';
import { int8PairFunction } from '../../src/kernels/reference/binary.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import {
  channelEpilogue,
  channelMultipliers,
  clampTo,
  multiplyByQuantizedMultiplier,
  roundHalfAway,
  roundHalfEven,
} from '../../src/kernels/requantize.ts';
import { firstBelow, leastSum } from '../../src/kernels/wasm/double-rounding.ts';
import { type ProvenLine, proveStaircase } from '../../src/kernels/wasm/prove-staircase.ts';
import { proveSum, type SumConstants } from '../../src/kernels/wasm/prove-sum.ts';
import { type F32Requantizer, proveRequantizer } from '../../src/kernels/wasm/requantize-f32.ts';
import { elementCount } from '../../src/tensor.ts';
import { itWithData, readData } from '../data.ts';
import { networkFiles } from '../networks/files.ts';
import { perChannel, perTensor, random } from './run-call.ts';

const { fround, trunc } = Math;
const double = new Float64Array(1);
const bits = new BigInt64Array(double.buffer);

/** a·b + c for f32 numbers, rounded to f32 once: rounding to odd in 53 bits leaves rounding to 24 what it needs. */
function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const product = a * b; // 48 bits, exact
  const sum = product + c;
  const taken = sum - product;
  const error = product - (sum - taken) + (c - taken); // Knuth: sum + error is exact
  if (error === 0) return fround(sum);
  double[0] = sum;
  if ((bits[0] & 1n) === 0n) bits[0] += sum > 0 === error > 0 ? 1n : -1n;
  return fround(double[0]);
}

const multiplyAdd = (a: number, b: number, c: number, fused: boolean): number =>
  fused ? fusedMultiplyAdd(a, b, c) : fround(fround(a * b) + c);

const toInt32 = (x: number): number => Math.min(Math.max(trunc(x), -(2 ** 31)), 2 ** 31 - 1);
const toInt16 = (x: number): number => Math.min(Math.max(x, -32768), 32767);

/** What the lanes of a proven line give. */
function lineLanes(line: ProvenLine, lo: number, hi: number, n: number, fused: boolean): number {
  const { form, scale, bias, negativeBias, start, base } = line;
  const sum = n + start;
  const r = toInt16(
    toInt32(multiplyAdd(fround(sum), scale, form === 'signed' && sum < 0 ? negativeBias : bias, fused)),
  );
  return form === 'linear' ? lo + Math.min(Math.max(r, 0), hi - lo) : clampTo({ lo, hi }, toInt16(base + r));
}

/** What the lanes of channel c give for `sum`. */
function lanes(requantizer: F32Requantizer, c: number, sum: number, fused: boolean): number {
  const { form, multipliers, shifts, base, lo, hi } = requantizer;
  switch (form) {
    case 'even': {
      const r = toInt16(toInt32(roundHalfEven(fround(fround(sum) * requantizer.scale[c]))));
      return clampTo({ lo, hi }, toInt16(base + r));
    }
    case 'integer':
      return clampTo({ lo, hi }, base + multiplyByQuantizedMultiplier(sum, multipliers[c], shifts[c]));
    default: {
      const scale = requantizer.scale[c];
      const bias = requantizer.bias[c];
      const negativeBias = requantizer.negativeBias[c];
      const line: ProvenLine = { form, scale, bias, negativeBias, start: requantizer.start[c], base };
      return lineLanes(line, lo, hi, sum, fused);
    }
  }
}

/** The least sum in from…to that gives q or more, or to + 1. */
function bisect(exact: (sum: number) => number, q: number, from: number, to: number): number {
  let low = from;
  let high = to + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (exact(middle) >= q) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The first sum that channel c gets wrong, or nothing. */
function firstMistake(
  call: KernelCall,
  clamp: Clamp,
  requantizer: F32Requantizer,
  c: number,
  [from, to]: readonly [number, number],
  fused: boolean,
  next: () => number,
  count: number,
): string | null {
  const exact = channelEpilogue(call, clamp);
  const wrong = (sum: number): string | null => {
    if (sum < from || sum > to) return null;
    for (const isFused of fused ? [false, true] : [false]) {
      const is = lanes(requantizer, c, sum, isFused);
      const should = exact(sum, c);
      if (is !== should)
        return `${requantizer.form}, channel ${c}, sum ${sum}${isFused ? ' fused' : ''}: ${is}, not ${should}`;
    }
    return null;
  };
  const q = (sum: number): number => exact(sum, c);
  for (let value = q(from) + 1; value <= q(to); value++) {
    const step = bisect(q, value, from, to);
    for (let sum = step - 2; sum <= step + 2; sum++) {
      const mistake = wrong(sum);
      if (mistake) return mistake;
    }
  }
  for (const sum of [from, from + 1, -1, 0, 1, to - 1, to]) {
    const mistake = wrong(sum);
    if (mistake) return mistake;
  }
  for (let i = 0; i < count; i++) {
    const mistake = wrong(from + Math.floor(next() * (to - from + 1)));
    if (mistake) return mistake;
  }
  return null;
}

interface Layer {
  readonly dtype: 'i8' | 'u8';
  readonly factors: readonly number[]; // real multipliers
  readonly outScale: number;
  readonly zeroPoint: number;
  readonly clamp: Clamp;
  readonly rounding?: Rounding;
}

function denseCall({ dtype, factors, outScale, zeroPoint, clamp, rounding }: Layer): KernelCall {
  const operand = (type: Operand['dtype'], shape: number[], q: Operand['quantization']): Operand => ({
    dtype: type,
    shape,
    quantization: q,
    data: null,
  });
  const outC = factors.length;
  const weightScales = factors.map((factor) => (factor * fround(outScale)) / 0.5);
  return {
    arithmetic: { kind: 'dense', clamp, ...(rounding === 'even' && { rounding }) },
    inputs: [
      operand(dtype, [1, 1], perTensor(0.5, 0)),
      operand('i8', [outC, 1], outC === 1 ? perTensor(weightScales[0], 0) : perChannel(weightScales, 0)),
    ],
    output: operand(dtype, [1, outC], perTensor(outScale, zeroPoint)),
  };
}

const clampsOf = (outScale: number): { label: string; clamp: Clamp }[] => [
  { label: 'none', clamp: noClamp },
  { label: 'relu', clamp: { min: 0, max: Number.POSITIVE_INFINITY } },
  { label: 'relu6', clamp: { min: 0, max: outScale * 93 } },
  { label: '−1…1', clamp: { min: -outScale * 31, max: outScale * 31 } },
];

describe('fusedMultiplyAdd', () => {
  it('equals the rational number rounded once', () => {
    const next = random(1);
    const fraction = (x: number): bigint => BigInt(x * 2 ** 60); // |x| ≥ 2⁻³⁰, 24 bits
    for (let i = 0; i < 20_000; i++) {
      const a = fround((next() * 2 - 1) * 2 ** Math.floor(next() * 20));
      const b = fround(next() + 0.01);
      const c = i % 2 ? fround(next() * 256) : fround(-fround(a * b) + next() * 2 ** -12);
      const exact = fraction(a) * fraction(b) + (fraction(c) << 60n); // ·2¹²⁰
      const is = fusedMultiplyAdd(a, b, c);
      const scaled = BigInt(Math.abs(is) * 2 ** 100) << 20n;
      const off = exact < 0n ? -exact - scaled : exact - scaled;
      const ulp = 2 ** (Math.floor(Math.log2(Math.abs(is))) - 23);
      expect(2n * (off < 0n ? -off : off) <= BigInt(ulp * 2 ** 100) << 20n).toBe(true);
    }
  });
});

describe('firstBelow', () => {
  it.each([
    { sizes: 60, label: 'every circle up to 60' },
    { sizes: 2 ** 31 - 1, label: 'random circles up to 2³¹' },
  ])('$label', ({ sizes }) => {
    const next = random(2);
    for (let i = 0; i < 20_000; i++) {
      const size = 1 + Math.floor(next() * sizes);
      const stride = Math.floor(next() * size);
      const start = Math.floor(next() * size);
      const length = 1 + Math.floor((next() * size) / (i % 2 ? 3 : 100));
      const most = Math.floor(next() * 256);
      let expected = Number.POSITIVE_INFINITY;
      for (let j = 0, place = start; j <= most; j++, place = (place + stride) % size)
        if (place < length) {
          expected = j;
          break;
        }
      expect(firstBelow(length, start, stride, size, most)).toBe(expected);
    }
  });
});

describe('leastSum', () => {
  it('is the first sum that is rounded to v, for every shift', () => {
    const next = random(3);
    for (let shift = -31; shift <= 8; shift++)
      for (let i = 0; i < 200; i++) {
        const multiplier = i === 0 ? 2 ** 30 : 2 ** 30 + Math.floor(next() * 2 ** 30);
        const v = Math.floor(next() * 512) - 256;
        const sum = leastSum(v, multiplier, shift);
        if (Math.abs(sum) * 2 ** Math.max(0, shift) >= 2 ** 30) continue;
        expect(multiplyByQuantizedMultiplier(sum, multiplier, shift)).toBeGreaterThanOrEqual(v);
        expect(multiplyByQuantizedMultiplier(sum - 1, multiplier, shift)).toBeLessThan(v);
      }
  });
});

describe('leastSum, where a double rounds the quotient down to an integer', () => {
  it.each([
    { shift: -22, v: 64, multiplier: 2142453913, sum: 266963574 },
    { shift: -21, v: 62, multiplier: 2136351805, sum: 129646895 },
    { shift: -20, v: 63, multiplier: 2060257945, sum: 68310616 },
  ])('shift $shift, v = $v', ({ shift, v, multiplier, sum }) => {
    expect(multiplyByQuantizedMultiplier(sum, multiplier, shift)).toBe(v);
    expect(multiplyByQuantizedMultiplier(sum - 1, multiplier, shift)).toBe(v - 1);
    expect(leastSum(v, multiplier, shift)).toBe(sum);
  });
});

describe('proveRequantizer on random layers', () => {
  for (const fused of [false, true])
    for (const dtype of ['i8', 'u8'] as const)
      for (let shift = -31; shift <= 8; shift++)
        it(`${dtype}, shift ${shift}${fused ? ', fused' : ''}`, () => {
          const next = random(1000 * shift + (fused ? 77 : 0) + (dtype === 'u8' ? 1 : 0));
          const { lo, hi } = dtype === 'i8' ? { lo: -128, hi: 127 } : { lo: 0, hi: 255 };
          for (let i = 0; i < 40; i++) {
            const isShort = i % 5 === 0; // multipliers of few bits, for ties
            const factor = 2 ** shift * (isShort ? 0.5 + (i % 8) / 16 : 0.5 + next() / 2);
            const zeroPoint = [lo, hi, lo + 128, lo + Math.floor(next() * 256)][i % 4];
            const outScale = isShort ? 1 : fround(0.01 + next());
            const { clamp } = clampsOf(outScale)[(i >> 2) % 4];
            const call = denseCall({ dtype, factors: [factor, factor * 0.75], outScale, zeroPoint, clamp });
            const width = Math.min((2 + 600 * next()) / factor, 2 ** (31 - Math.max(0, shift)));
            const middle = (next() - 0.5) * (i % 3 ? 1 : 4) * Math.min(width, 300 / factor);
            const ends = [Math.floor(middle - width / 2), Math.ceil(middle + width / 2)] as const;
            const requantizer = proveRequantizer(call, Float64Array.of(...ends, ...ends), clamp, fused)!;
            for (const c of [0, 1])
              if (Math.max(-ends[0], ends[1]) < 2 ** 31)
                expect(firstMistake(call, clamp, requantizer, c, ends, fused, next, 50)).toBeNull();
          }
        });

  it('takes the integer form where sums, or sums shifted left, leave int32', () => {
    const layer = (factor: number, most: number) =>
      proveRequantizer(
        denseCall({ dtype: 'i8', factors: [factor], outScale: 1, zeroPoint: 0, clamp: noClamp }),
        Float64Array.of(-5, most),
        noClamp,
        true,
      )!.form;
    expect(layer(2 ** -10, 2 ** 31)).toBe('integer');
    expect(layer(2 ** -10, 2 ** 31 - 1)).toBe('signed');
    expect(layer(24, 2 ** 26)).toBe('integer');
    expect(layer(24, 2 ** 26 - 1)).toBe('signed');
  });

  it('gives constant channels scale 0', () => {
    const relu = { min: 0, max: Number.POSITIVE_INFINITY };
    const call = denseCall({ dtype: 'i8', factors: [1e-9, 0.01], outScale: 1, zeroPoint: -128, clamp: relu });
    const constants = proveRequantizer(call, Float64Array.of(-5e6, 5e6, -900, -400), relu, true)!;
    expect([...constants.scale]).toEqual([0, 0]);
    expect([...constants.bias]).toEqual([0, 0]);
  });

  it('is linear wherever no output lies below the zero point and the scale is above 1/200', () => {
    const next = random(5);
    const relu = { min: 0, max: Number.POSITIVE_INFINITY };
    for (let i = 0; i < 300; i++) {
      const factors = [0, 1, 2, 3].map(() => 0.005 + next() / 10);
      const call = denseCall({ dtype: 'i8', factors, outScale: 1, zeroPoint: -128, clamp: relu });
      const reach = Float64Array.from({ length: 8 }, (_, j) => (j % 2 ? 1e5 : -1e5));
      expect(proveRequantizer(call, reach, relu, true)!.form).toBe('linear');
    }
  });
});

describe('proveRequantizer, halves to even', () => {
  it('has the f32 multipliers, and no answer where one is not a number', () => {
    const next = random(6);
    for (const { clamp } of clampsOf(1))
      for (let i = 0; i < 200; i++) {
        const factors = [2 ** -(i % 20) * (0.5 + next()), 0.25];
        const layer: Layer = { dtype: 'u8', factors, outScale: 1, zeroPoint: i, clamp, rounding: 'even' };
        const call = denseCall(layer);
        const requantizer = proveRequantizer(call, new Float64Array(4), clamp, true)!;
        expect(requantizer.form).toBe('even');
        const ends = [-(2 ** 31), 2 ** 31 - 1] as const;
        for (const c of [0, 1])
          expect(firstMistake(call, clamp, requantizer, c, ends, false, next, 20)).toBeNull();
      }
    const infinite: Layer = { dtype: 'u8', factors: [1], outScale: 1e-45, zeroPoint: 0, clamp: noClamp };
    const call = denseCall({ ...infinite, rounding: 'even' });
    const [x, w] = call.inputs;
    const wide = { ...call, inputs: [x, { ...w, quantization: perTensor(1, 0) }] };
    expect(proveRequantizer(wide, new Float64Array(2), noClamp, true)).toBeNull();
  });
});

describe('proveStaircase', () => {
  const cases = [
    { label: 'i8, sums as stored', lo: -128, hi: 127, zero: 0 },
    { label: 'i8, clamped at 0', lo: 0, hi: 127, zero: 0 },
    { label: 'i8, sums of bytes', lo: -128, hi: 127, zero: 128 },
    { label: 'u8', lo: 0, hi: 255, zero: 0 },
  ];
  it.each(cases)('averages over 1…150 cells: $label', ({ lo, hi, zero }) => {
    for (let count = 1; count <= 150; count++) {
      const exact = (n: number): number => roundHalfAway((n - zero * count) / count);
      const from = Math.min(lo, lo === 0 && hi === 127 ? -128 : lo) + zero;
      const line = proveStaircase(exact, from * count, (hi + zero) * count, 1 / count, { lo, hi }, 0, true);
      expect(line, `${count} cells`).not.toBeNull();
      for (let n = from * count; n <= (hi + zero) * count; n++)
        for (const fused of [false, true])
          if (lineLanes(line!, lo, hi, n, fused) !== clampTo({ lo, hi }, exact(n)))
            expect.fail(`${count} cells, sum ${n}`);
    }
  });

  it('requantises averages, and declines what no line follows', () => {
    const next = random(7);
    const range = { lo: -128, hi: 127 };
    for (let i = 0; i < 200; i++) {
      const slope = (0.2 + next()) / (1 + Math.floor(next() * 64));
      const exact = (n: number): number => roundHalfAway(n * slope) + 3;
      const line = proveStaircase(exact, -8000, 8000, slope, range, 3, true);
      expect(line).not.toBeNull();
      for (let n = -8000; n <= 8000; n++)
        for (const fused of [false, true])
          if (lineLanes(line!, -128, 127, n, fused) !== clampTo(range, exact(n))) expect.fail(`sum ${n}`);
    }
    expect(proveStaircase((n) => n * Math.abs(n), -11, 11, 1, range, 0, true)).toBeNull();
    expect(proveStaircase(() => 5, -9, 9, 1, range, 0, true)).toMatchObject({ scale: 0, bias: 133 });
  });
});

/** The first pair that proven constants get wrong, or nothing. */
function firstWrongPair(
  call: KernelCall,
  constants: SumConstants,
  [o1, o2]: readonly [number, number],
  fused: boolean,
): string | null {
  const { a, b, g, lo, hi } = constants;
  const exact = int8PairFunction(call)!;
  const least = call.output.dtype === 'i8' ? -128 : 0;
  for (let p = least; p < least + 256; p++)
    for (let q = least; q < least + 256; q++)
      for (const isFused of fused ? [false, true] : [false]) {
        const y = multiplyAdd(p - o1, a, multiplyAdd(q - o2, b, g, isFused), isFused);
        const is = lo + Math.min(Math.max(toInt32(y), 0), hi - lo);
        if (is !== exact(p, q)) return `${p}, ${q}${isFused ? ' fused' : ''}: ${is}, not ${exact(p, q)}`;
      }
  return null;
}

describe('proveSum', () => {
  for (const fn of ['add', 'sub'] as const)
    for (const rounding of ['away', 'even'] as const)
      it(`${fn}, halves ${rounding}: what it gives is right for all pairs, and it mostly gives something`, () => {
        const next = random(8);
        let found = 0;
        for (let i = 0; i < 20; i++) {
          const dtype = i % 2 ? 'i8' : 'u8';
          const least = dtype === 'i8' ? -128 : 0;
          const operand = (): Operand => ({
            dtype,
            shape: [1],
            quantization: perTensor(0.02 + next() / 10, least + Math.floor(next() * 256)),
            data: null,
          });
          const { clamp } = clampsOf(0.1)[i % 4];
          const call: KernelCall = {
            arithmetic: { kind: 'binary', fn, clamp, ...(rounding === 'even' && { rounding }) },
            inputs: [operand(), operand()],
            output: operand(),
          };
          const origin = i % 3 ? ([0, 0] as const) : ([least, 5] as const);
          const constants = proveSum(call, i % 4 < 2, origin);
          if (!constants) continue;
          found++;
          expect(firstWrongPair(call, constants, origin, i % 4 < 2)).toBeNull();
        }
        expect(found).toBeGreaterThanOrEqual(15);
      });
});

const onnxFiles = ['ad', 'ic', 'kws', 'mbv1', 'vww'].map((name) => `peer-models/${name}_i8.onnx`);

describe('every layer of the networks at hand', () => {
  for (const path of [...networkFiles(), ...onnxFiles, 'peer-models/mbv2_i8.w8.onnx'])
    itWithData(
      path,
      [path],
      () => {
        const next = random(9);
        const graph = path.endsWith('.onnx') ? readOnnx(readData(path)) : readTflite(readData(path));
        for (const { kernelCall: call } of callsOf(optimize(graph).graph, [js, reference])) {
          const op = call.arithmetic;
          if (op.kind === 'binary' && call.output.quantization)
            for (const fused of [false, true]) {
              const constants = proveSum(call, fused);
              expect(constants).not.toBeNull();
              expect(firstWrongPair(call, constants!, [0, 0], fused)).toBeNull();
            }
          if (op.kind !== 'conv2d' && op.kind !== 'depthwiseConv2d' && op.kind !== 'dense') continue;
          if (!call.output.quantization || !call.inputs[1].data) continue;
          const outC = call.output.shape[call.output.shape.length - 1];
          const depth = elementCount(call.inputs[1].shape) / outC;
          const { ends } =
            op.kind === 'depthwiseConv2d' ? reachOf(call, depth, 1, outC) : reachOf(call, depth, depth, 1);
          for (const fused of [false, true]) {
            const requantizer = proveRequantizer(call, ends, op.clamp, fused)!;
            expect(requantizer.form).not.toBe('integer');
            // Channels with one multiplier have one proof: some of them do.
            const { multipliers } = channelMultipliers(call);
            const stride = multipliers.every((m) => m === multipliers[0]) ? Math.ceil(outC / 4) : 1;
            for (let c = 0; c < outC; c += stride) {
              const reach = [ends[2 * c], ends[2 * c + 1]] as const;
              const mistake = firstMistake(call, op.clamp, requantizer, c, reach, fused, next, 20);
              if (mistake) expect.fail(mistake);
            }
          }
        }
      },
      120_000,
    );
});
