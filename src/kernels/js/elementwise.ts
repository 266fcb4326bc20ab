/**
 * Element by element: one operand (clamp, unary, convert) or two, broadcast.
 *
 * Loops are collapsed to as few axes as the strides allow (views.ts), usually one.
 *
 *   map-f32-js     y = f(x)                            as reference, in f64, rounded once
 *   table-i8-js    y = table[x]                        256 entries made by the reference function: exact
 *   binary-f32-js  y = clamp(a ∘ b), ∘ in + − · / min max pow
 *   sum-i8-js      a ± b through two tables of the rescaled terms; the sum is requantised in f64, proven
 *                  exact for every pair of bytes when the kernel is made
 *   pair-table-i8-js  with halves to even and many elements: 65,536 entries made by the reference function
 *   pair-i8-js     any other int8 function of two numbers, by the reference function
 */

import { denseStrides, elementCount, type Shape } from '../../tensor.ts';
import type { BinaryFn, Clamp, KernelCall, Offer, Step, UnaryFn, View } from '../call.ts';
import { broadcastStrides } from '../geometry.ts';
import { int8PairFunction } from '../reference/binary.ts';
import { int8Function } from '../reference/int8-function.ts';
import {
  isQuantized8,
  multiplyByQuantizedMultiplier,
  quantizedBounds,
  roundHalfAway,
  roundsToEven,
  scaleOf,
  sumMultipliers,
  zeroPointOf,
} from '../requantize.ts';
import { evenMagic } from './requantize-f64.ts';
import { bytesOf, collapse, flipOf, floatsOf, isEmpty, isFloat, type Nest } from './views.ts';

export function offerElementwise(call: KernelCall): Offer | null {
  if (isEmpty(call)) return null;
  if (call.arithmetic.kind === 'binary') return offerBinary(call, call.arithmetic.fn, call.arithmetic.clamp);
  return offerTable(call) ?? offerMap(call) ?? offerDequantize(call) ?? offerQuantize(call);
}

/** Strides of a broadcast operand along the output's axes, from the view it is bound to. */
function alongOutput(view: View, shape: Shape, outShape: Shape): number[] {
  const missing = outShape.length - shape.length;
  return broadcastStrides(shape, outShape).map((stride, axis) =>
    stride === 0 ? 0 : view.strides[axis - missing],
  );
}

/** Calls `run` with the first element of every operand, for each of the outer three axes of the nest. */
function overRows(
  nest: Nest,
  offsets: readonly number[],
  run: (count: number, a: number, b: number, c: number) => void,
): Step {
  const { extents, strides } = nest;
  if (extents.length > 4) throw new RangeError('an elementwise kernel takes four axes that do not collapse');
  const [d0, d1, d2, count] = extents;
  const [[a0, a1, a2], [b0, b1, b2], [c0, c1, c2]] = [strides[0], strides[1], strides[2] ?? strides[1]];
  const [a, b, c] = [offsets[0], offsets[1], offsets[2] ?? offsets[1]];
  return () => {
    for (let i = 0; i < d0; i++)
      for (let j = 0; j < d1; j++)
        for (let k = 0; k < d2; k++)
          run(
            count,
            a + i * a0 + j * a1 + k * a2,
            b + i * b0 + j * b1 + k * b2,
            c + i * c0 + j * c1 + k * c2,
          );
  };
}

function offerTable(call: KernelCall): Offer | null {
  const f = int8Function(call);
  if (!f) return null;
  const { shape } = call.output;
  const table = new Uint8Array(256);
  const isSigned = call.inputs[0].dtype === 'i8';
  for (let byte = 0; byte < 256; byte++) table[byte] = f(isSigned ? (byte << 24) >> 24 : byte);
  return {
    kernel: 'table-i8-js',
    strided: true,
    overwrites: [0],
    packedBytes: 256,
    bind: ([a], out) => {
      const x = bytesOf(a);
      const y = bytesOf(out);
      const nest = collapse(shape, [a.strides, out.strides], 4);
      const [sx, sy] = [nest.strides[0][3], nest.strides[1][3]];
      return overRows(nest, [a.offset, out.offset], (count, i, o) => {
        for (let n = 0; n < count; n++) y[o + n * sy] = table[x[i + n * sx]];
      });
    },
  };
}

function offerMap(call: KernelCall): Offer | null {
  const { arithmetic: op, output } = call;
  if (!isFloat(call) || (op.kind !== 'clamp' && op.kind !== 'unary')) return null;
  const loop = op.kind === 'unary' ? mapLoops[op.fn] : null;
  if (loop === undefined) return null;
  return {
    kernel: 'map-f32-js',
    strided: true,
    overwrites: [0],
    bind: ([a], out) => {
      const x = floatsOf(a);
      const y = floatsOf(out);
      const nest = collapse(output.shape, [a.strides, out.strides], 4);
      const [sx, sy] = [nest.strides[0][3], nest.strides[1][3]];
      if (op.kind === 'clamp') {
        const { min, max } = op.clamp;
        return overRows(nest, [a.offset, out.offset], (count, i, o) => {
          for (let n = 0; n < count; n++) y[o + n * sy] = Math.min(Math.max(x[i + n * sx], min), max);
        });
      }
      const { alpha } = op;
      return overRows(nest, [a.offset, out.offset], (count, i, o) => loop!(x, i, sx, y, o, sy, count, alpha));
    },
  };
}

type MapLoop = (
  x: Float32Array,
  i: number,
  sx: number,
  y: Float32Array,
  o: number,
  sy: number,
  count: number,
  alpha: number,
) => void;

/**
 * The functions of reference/unary.ts, each in a loop of its own: a call that takes or returns a double would
 * allocate one.
 */
const mapLoops: Partial<Record<UnaryFn, MapLoop>> = {
  abs: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = Math.abs(x[i + n * sx]);
  },
  neg: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = -x[i + n * sx];
  },
  exp: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = Math.exp(x[i + n * sx]);
  },
  log: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = Math.log(x[i + n * sx]);
  },
  sqrt: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = Math.sqrt(x[i + n * sx]);
  },
  rsqrt: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = 1 / Math.sqrt(x[i + n * sx]);
  },
  square: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = x[i + n * sx] * x[i + n * sx];
  },
  floor: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = Math.floor(x[i + n * sx]);
  },
  logistic: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = 1 / (1 + Math.exp(-x[i + n * sx]));
  },
  tanh: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) y[o + n * sy] = Math.tanh(x[i + n * sx]);
  },
  hardSwish: (x, i, sx, y, o, sy, count) => {
    for (let n = 0; n < count; n++) {
      const value = x[i + n * sx];
      y[o + n * sy] = (value * Math.min(Math.max(value + 3, 0), 6)) / 6;
    }
  },
  leakyRelu: (x, i, sx, y, o, sy, count, alpha) => {
    for (let n = 0; n < count; n++) {
      const value = x[i + n * sx];
      y[o + n * sy] = value > 0 ? value : value * alpha;
    }
  },
};

/** i8 or u8 → f32, one scale: 256 possible results. */
function offerDequantize(call: KernelCall): Offer | null {
  const [x] = call.inputs;
  const { output } = call;
  if (call.arithmetic.kind !== 'convert' || !isQuantized8(x) || output.dtype !== 'f32') return null;
  const table = new Float32Array(256);
  const zeroPoint = zeroPointOf(x);
  for (let byte = 0; byte < 256; byte++)
    table[byte] = scaleOf(x) * ((x.dtype === 'i8' ? (byte << 24) >> 24 : byte) - zeroPoint);
  return {
    kernel: 'dequantize-js',
    strided: true,
    packedBytes: 1024,
    bind: ([a], out) => {
      const from = bytesOf(a);
      const y = floatsOf(out);
      const nest = collapse(output.shape, [a.strides, out.strides], 4);
      const [sx, sy] = [nest.strides[0][3], nest.strides[1][3]];
      return overRows(nest, [a.offset, out.offset], (count, i, o) => {
        for (let n = 0; n < count; n++) y[o + n * sy] = table[from[i + n * sx]];
      });
    },
  };
}

/** f32 → i8 or u8, one scale: z + round(x / s) in f32, halves as `rounding` says. */
function offerQuantize(call: KernelCall): Offer | null {
  const { output } = call;
  const [x] = call.inputs;
  if (call.arithmetic.kind !== 'convert' || x.dtype !== 'f32' || !isQuantized8(output)) return null;
  const even = roundsToEven(call);
  const { lo, hi } = quantizedBounds(
    { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY },
    output,
  );
  const scale = scaleOf(output);
  const zeroPoint = zeroPointOf(output);
  return {
    kernel: 'quantize-js',
    strided: true,
    bind: ([a], out) => {
      const x = floatsOf(a);
      const y = bytesOf(out);
      const nest = collapse(output.shape, [a.strides, out.strides], 4);
      const [sx, sy] = [nest.strides[0][3], nest.strides[1][3]];
      if (even)
        return overRows(nest, [a.offset, out.offset], (count, i, o) => {
          for (let n = 0; n < count; n++) {
            const steps = Math.min(Math.max(Math.fround(x[i + n * sx] / scale), -1024), 1024);
            const q = zeroPoint + ((steps + evenMagic - evenMagic) | 0); // NaN: the zero point
            y[o + n * sy] = q < lo ? lo : q > hi ? hi : q;
          }
        });
      return overRows(nest, [a.offset, out.offset], (count, i, o) => {
        for (let n = 0; n < count; n++) {
          const q = zeroPoint + (roundHalfAway(Math.fround(x[i + n * sx] / scale)) || 0); // NaN: the zero point
          y[o + n * sy] = q < lo ? lo : q > hi ? hi : q;
        }
      });
    },
  };
}

function offerBinary(call: KernelCall, fn: BinaryFn, clamp: Clamp): Offer | null {
  const { inputs, output } = call;
  const [p, q] = inputs;
  // Where the shapes broadcast in a way that leaves more than four axes, the reference serves.
  const dense = inputs.map((operand) => broadcastStrides(operand.shape, output.shape));
  if (collapse(output.shape, [...dense, denseStrides(output.shape)], 4).extents.length > 4) return null;
  const isSame = (shape: Shape) =>
    shape.length === output.shape.length && shape.every((e, i) => e === output.shape[i]);
  const common = {
    strided:
      [p, q].every((operand) => operand.data !== null || isSame(operand.shape)) && output.shape.length === 4,
    overwrites: [0, 1].filter((i) => isSame(inputs[i].shape)),
  };
  if (isFloat(call)) {
    const loop = floatLoops[fn];
    if (!loop) return null;
    const { min, max } = clamp;
    return {
      kernel: `${fn}-f32-js`,
      ...common,
      bind: ([a, b], out) => {
        const nest = collapse(
          output.shape,
          [alongOutput(a, p.shape, output.shape), alongOutput(b, q.shape, output.shape), out.strides],
          4,
        );
        const [sa, sb, so] = nest.strides.map((s) => s[3]);
        const [x, z, y] = [floatsOf(a), floatsOf(b), floatsOf(out)];
        return overRows(nest, [a.offset, b.offset, out.offset], (count, i, j, o) =>
          loop(x, i, sa, z, j, sb, y, o, so, count, min, max),
        );
      },
    };
  }
  const f = int8PairFunction(call);
  if (!f) return null;
  const bindWith =
    (make: (x: Uint8Array, sx: number, z: Uint8Array, sz: number, y: Uint8Array, sy: number) => RowI8) =>
    ([a, b]: readonly View[], out: View): Step => {
      const nest = collapse(
        output.shape,
        [alongOutput(a, p.shape, output.shape), alongOutput(b, q.shape, output.shape), out.strides],
        4,
      );
      const [sa, sb, so] = nest.strides.map((s) => s[3]);
      return overRows(
        nest,
        [a.offset, b.offset, out.offset],
        make(bytesOf(a), sa, bytesOf(b), sb, bytesOf(out), so),
      );
    };
  const even = roundsToEven(call);
  const sum = !even && (fn === 'add' || fn === 'sub') ? sumRow(call, fn, clamp) : null;
  if (sum) return { kernel: 'sum-i8-js', ...common, packedBytes: 2048, bind: bindWith(sum) };
  const unsign = (operand: { dtype: string }) => (operand.dtype === 'i8' ? 24 : 0);
  const [ps, qs] = [unsign(p), unsign(q)];
  if (even && elementCount(output.shape) >= leastForTable) {
    const table = new Uint8Array(65536);
    for (let pair = 0; pair < 65536; pair++)
      table[pair] = f(((pair >> 8) << ps) >> ps, ((pair & 0xff) << qs) >> qs);
    return {
      kernel: 'pair-table-i8-js',
      ...common,
      packedBytes: 65536,
      bind: bindWith((x, sx, z, sz, y, sy) => (count, i, j, o) => {
        for (let n = 0; n < count; n++) y[o + n * sy] = table[(x[i + n * sx] << 8) | z[j + n * sz]];
      }),
    };
  }
  return {
    kernel: 'pair-i8-js',
    ...common,
    bind: bindWith((x, sx, z, sz, y, sy) => (count, i, j, o) => {
      for (let n = 0; n < count; n++)
        y[o + n * sy] = f((x[i + n * sx] << ps) >> ps, (z[j + n * sz] << qs) >> qs);
    }),
  };
}

/** From this many elements on, a table of every pair is made. */
const leastForTable = 4096;

type RowI8 = (count: number, i: number, j: number, o: number) => void;

/**
 * Both terms come from tables of 256; their sum is requantised in f64 (requantize-f64.ts). f64 may be wrong
 * where the exact result is within a hair of an integer, so every pair of bytes that comes that close is
 * checked here. Null where one fails.
 */
function sumRow(call: KernelCall, fn: 'add' | 'sub', clamp: Clamp) {
  const [p, q] = call.inputs;
  const m = sumMultipliers(fn, p, q, call.output);
  const { multiplier, shift } = m.output;
  if (shift > 0) return null;
  const { lo, hi } = quantizedBounds(clamp, call.output);
  const zeroPoint = zeroPointOf(call.output);
  const term = (operand: typeof p, by: typeof m.a, sign: number) =>
    Int32Array.from({ length: 256 }, (_, byte) => {
      const value = (byte ^ flipOf(operand.dtype)) - flipOf(operand.dtype);
      const x = (value - zeroPointOf(operand)) << m.leftShift;
      return sign * multiplyByQuantizedMultiplier(x, by.multiplier, by.shift);
    });
  const nudge = shift === 0 ? 0 : 2 ** (shift - 1);
  const table: SumTable = {
    left: term(p, m.a, 1),
    right: term(q, m.b, fn === 'add' ? 1 : -1),
    scale: multiplier * 2 ** (shift - 31),
    half: Float64Array.of(0.5 + nudge, 0.5 - nudge),
    shiftUp: zeroPoint - lo,
    lo,
    most: hi - lo,
  };
  if (!isExact(table, multiplier, shift)) return null;
  return (x: Uint8Array, sx: number, z: Uint8Array, sz: number, y: Uint8Array, sy: number): RowI8 =>
    (count, i, j, o) =>
      sumLoop(table, count, x, i, sx, z, j, sz, y, o, sy);
}

interface SumTable {
  readonly left: Int32Array; // (256)
  readonly right: Int32Array; // (256)
  readonly scale: number;
  readonly half: Float64Array; // (2) for sums ≥ 0 and < 0
  readonly shiftUp: number;
  readonly lo: number;
  readonly most: number;
}

function isExact({ left, right, scale, half }: SumTable, multiplier: number, shift: number): boolean {
  for (const a of left)
    for (const b of right) {
      const sum = (a + b) | 0;
      const real = sum * scale + half[sum >>> 31];
      const whole = Math.floor(real);
      const rest = real - whole;
      if (rest > 2 ** -32 && rest < 1 - 2 ** -32) continue; // f64 is off by less than 2⁻⁴⁰ here
      if (Math.abs(whole) < 1024 && whole !== multiplyByQuantizedMultiplier(sum, multiplier, shift))
        return false;
    }
  return true;
}

function sumLoop(
  table: SumTable,
  count: number,
  x: Uint8Array,
  i: number,
  sx: number,
  z: Uint8Array,
  j: number,
  sz: number,
  y: Uint8Array,
  o: number,
  sy: number,
): void {
  const { left, right, scale, half, shiftUp, lo, most } = table;
  for (let n = 0; n < count; n++, i += sx, j += sz, o += sy) {
    const sum = (left[x[i]] + right[z[j]]) | 0;
    // Branches on data are mispredicted: the bounds are met by masks, max(q, 0) = q & ~(q >> 31).
    let q = (Math.floor(sum * scale + half[sum >>> 31]) | 0) + shiftUp;
    q &= ~(q >> 31);
    const over = most - q;
    y[o] = lo + q + (over & (over >> 31));
  }
}

type LoopF32 = (
  a: Float32Array,
  i: number,
  sa: number,
  b: Float32Array,
  j: number,
  sb: number,
  y: Float32Array,
  o: number,
  so: number,
  count: number,
  min: number,
  max: number,
) => void;

/**
 * One loop a function, so that each stays monomorphic. Bounds by Math.min and Math.max: of a choice between a
 * bound, which is an object here, and a sum, the engine would make an object too.
 */
const floatLoops: Partial<Record<BinaryFn, LoopF32>> = {
  add: (a, i, sa, b, j, sb, y, o, so, count, min, max) => {
    for (let n = 0; n < count; n++)
      y[o + n * so] = Math.min(Math.max(a[i + n * sa] + b[j + n * sb], min), max);
  },
  sub: (a, i, sa, b, j, sb, y, o, so, count, min, max) => {
    for (let n = 0; n < count; n++)
      y[o + n * so] = Math.min(Math.max(a[i + n * sa] - b[j + n * sb], min), max);
  },
  mul: (a, i, sa, b, j, sb, y, o, so, count, min, max) => {
    for (let n = 0; n < count; n++)
      y[o + n * so] = Math.min(Math.max(a[i + n * sa] * b[j + n * sb], min), max);
  },
  div: (a, i, sa, b, j, sb, y, o, so, count, min, max) => {
    for (let n = 0; n < count; n++)
      y[o + n * so] = Math.min(Math.max(a[i + n * sa] / b[j + n * sb], min), max);
  },
  min: (a, i, sa, b, j, sb, y, o, so, count, min, max) => {
    for (let n = 0; n < count; n++)
      y[o + n * so] = Math.min(Math.max(Math.min(a[i + n * sa], b[j + n * sb]), min), max);
  },
  max: (a, i, sa, b, j, sb, y, o, so, count, min, max) => {
    for (let n = 0; n < count; n++)
      y[o + n * so] = Math.min(Math.max(Math.max(a[i + n * sa], b[j + n * sb]), min), max);
  },
  pow: (a, i, sa, b, j, sb, y, o, so, count, min, max) => {
    for (let n = 0; n < count; n++)
      y[o + n * so] = Math.min(Math.max(a[i + n * sa] ** b[j + n * sb], min), max);
  },
};
