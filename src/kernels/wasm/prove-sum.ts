/**
 * The sum or difference of two 8-bit tensors in f32 lanes:
 *
 *   q = lo + clamp(trunc([[x₁·a] + [[x₂·b] + g]]), 0, hi − lo)
 *
 *   x₁, x₂   stored integers less `origin`, as f32
 *   [·]      rounds to f32; fused, [x₂·b] and [x₁·a] are left as they are
 *
 * The exact function is monotone in x₁ and so is this one: for each x₂ it is right everywhere if it is right on
 * both sides of every step. The steps of all 256 rows are listed once; then g is put in the middle of what they
 * leave it, and all of them are evaluated. TensorFlow Lite's fixed-point sum and ONNX's f32 sum alike.
 */

import type { Clamp, KernelCall } from '../call.ts';
import {
  isQuantized8,
  multiplyByQuantizedMultiplier,
  quantizedBounds,
  type Range,
  rangeOf,
  roundHalfEven,
  roundsToEven,
  scaleOf,
  sumMultipliers,
  zeroPointOf,
} from '../requantize.ts';
import { leastSum } from './double-rounding.ts';
import { edges, ulpsAway } from './fit-line.ts';

const { fround } = Math;

export interface SumConstants {
  readonly a: number;
  readonly b: number;
  readonly g: number;
  readonly lo: number;
  readonly hi: number;
}

/**
 * For `add` or `sub` of two tensors and an output of one 8-bit type. With `fused`, the constants hold if both
 * products go unrounded into their additions as well as if both are rounded first. Null where none are found.
 */
export function proveSum(
  call: KernelCall,
  fused: boolean,
  origin: readonly [number, number] = [0, 0],
): SumConstants | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary' || (op.fn !== 'add' && op.fn !== 'sub')) return null;
  if (!isQuantized8(output) || !inputs.every((x) => isQuantized8(x) && x.dtype === output.dtype)) return null;
  const [p, q] = inputs;
  const sign = op.fn === 'add' ? 1 : -1;
  const bounds = quantizedBounds(op.clamp, output, roundsToEven(call) ? roundHalfEven : undefined);
  const table = roundsToEven(call)
    ? evenTable(call, op.clamp, sign, bounds)
    : fixedPointTable(call, op.fn, bounds);
  if (table === null) return null;
  const least = rangeOf(output.dtype).lo;
  const steps = listSteps(table, bounds.hi - bounds.lo, least - origin[0], least - origin[1]);
  const a = fround(scaleOf(p) / scaleOf(output));
  const b = fround((sign * scaleOf(q)) / scaleOf(output));
  for (let i = 0; i < neighbours.length; i += 2) {
    const g = fitSum(steps, ulpsAway(a, neighbours[i]), ulpsAway(b, neighbours[i + 1]), fused);
    if (!Number.isNaN(g))
      return { a: ulpsAway(a, neighbours[i]), b: ulpsAway(b, neighbours[i + 1]), g, ...bounds };
  }
  return null;
}

/** What is tried beside the nearest a and b, in ulps. */
const neighbours = Int8Array.of(
  ...[0, 0, 1, 0, 0, 1, -1, 0, 0, -1, 1, 1, -1, -1, 1, -1, -1, 1],
  ...[2, 0, 0, 2, -2, 0, 0, -2, 2, 1, 1, 2, -2, -1, -1, -2, 2, -1, -1, 2, -2, 1, 1, -2, 2, 2, -2, -2],
);

/** table[256·j + i] = q − lo of the i-th value of the first tensor and the j-th of the second. */
function fixedPointTable(call: KernelCall, fn: 'add' | 'sub', { lo, hi }: Range): Uint8Array | null {
  const [p, q] = call.inputs;
  const m = sumMultipliers(fn, p, q, call.output);
  const { multiplier, shift } = m.output;
  if (shift > 0) return null;
  const sign = fn === 'add' ? 1 : -1;
  const least = rangeOf(p.dtype).lo;
  const left = new Int32Array(256);
  const right = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    const x = (least + i - zeroPointOf(p)) << m.leftShift;
    const y = (least + i - zeroPointOf(q)) << m.leftShift;
    left[i] = multiplyByQuantizedMultiplier(x, m.a.multiplier, m.a.shift);
    right[i] = sign * multiplyByQuantizedMultiplier(y, m.b.multiplier, m.b.shift);
  }
  const most = hi - lo;
  const at = new Float64Array(most + 2).fill(Number.POSITIVE_INFINITY); // the least sum with k or more
  for (let k = 1; k <= most; k++) at[k] = leastSum(k + lo - zeroPointOf(call.output), multiplier, shift);
  const table = new Uint8Array(65536);
  for (let j = 0; j < 256; j++) {
    const term = right[j];
    for (let i = 0, k = 0; i < 256; i++) {
      const sum = left[i] + term;
      while (sum >= at[k + 1]) k++;
      table[256 * j + i] = k;
    }
  }
  return table;
}

/** Both made real, summed, clamped and quantised in f32, halves to even (reference/binary.ts). */
function evenTable(
  { inputs, output }: KernelCall,
  clamp: Clamp,
  sign: number,
  { lo, hi }: Range,
): Uint8Array {
  const { min, max } = clamp;
  const [p, q] = inputs;
  const least = rangeOf(p.dtype).lo;
  const scale = scaleOf(output);
  const zeroPoint = zeroPointOf(output);
  const left = new Float32Array(256);
  const right = new Float32Array(256);
  for (let i = 0; i < 256; i++) {
    left[i] = scaleOf(p) * (least + i - zeroPointOf(p));
    right[i] = sign * fround(scaleOf(q) * (least + i - zeroPointOf(q)));
  }
  const table = new Uint8Array(65536);
  for (let j = 0; j < 256; j++) {
    const term = right[j];
    for (let i = 0; i < 256; i++) {
      const real = fround(Math.min(Math.max(left[i] + term, min), max));
      const rounded = roundHalfEven(fround(real / scale)) + zeroPoint;
      table[256 * j + i] = Math.min(Math.max(rounded, lo), hi) - lo;
    }
  }
  return table;
}

/** Where rows rise: from `to` on at x₁, below `under` at x₁ − 1; 0 where a row begins or ends without a step. */
interface Steps {
  readonly x1: Int16Array;
  readonly x2: Int16Array;
  readonly to: Uint8Array;
  readonly under: Uint8Array;
  readonly count: number;
}

function listSteps(table: Uint8Array, most: number, least1: number, least2: number): Steps {
  const x1 = new Int16Array(257 * 256);
  const x2 = new Int16Array(257 * 256);
  const to = new Uint8Array(257 * 256);
  const under = new Uint8Array(257 * 256);
  let count = 0;
  for (let j = 0; j < 256; j++) {
    let before = -1;
    for (let i = 0; i < 256; i++) {
      const value = table[256 * j + i];
      if (value === before) continue;
      x1[count] = least1 + i;
      x2[count] = least2 + j;
      to[count] = value;
      under[count++] = before + 1;
      before = value;
    }
    if (before === most) continue;
    x1[count] = least1 + 256;
    x2[count] = least2 + j;
    under[count++] = before + 1;
  }
  return { x1, x2, to, under, count };
}

const lowEdges = edges.slice(0, 256).fill(Number.NEGATIVE_INFINITY, 0, 1);
const highEdges = edges.slice(0, 256).fill(Number.POSITIVE_INFINITY, 0, 1);

/** Where g may lie between the bounds that the steps leave it in exact numbers, in eighths. */
const places = Int8Array.of(4, 5, 3, 6, 2, 7, 1);

/** g, or NaN where none of those tried is right everywhere. */
function fitSum({ x1, x2, to, under, count }: Steps, a: number, b: number, fused: boolean): number {
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const y = x1[i] * a + x2[i] * b;
    low = Math.max(low, lowEdges[to[i]] - y);
    high = Math.min(high, highEdges[under[i]] - (y - a));
  }
  if (low === Number.NEGATIVE_INFINITY) low = high - 1;
  if (high === Number.POSITIVE_INFINITY) high = low + 1;
  if (!(low < high)) return Number.NaN;
  const steps = { x1, x2, to, under, count };
  for (let i = 0; i < places.length; i++) {
    const g = fround(low + ((high - low) * places[i]) / 8);
    if (isExact(steps, a, b, g, false) && (!fused || isExact(steps, a, b, g, true))) return g;
  }
  return Number.NaN;
}

function isExact(
  { x1, x2, to, under, count }: Steps,
  a: number,
  b: number,
  g: number,
  fused: boolean,
): boolean {
  for (let i = 0; i < count; i++) {
    const right = fused ? fusedAdd(x2[i] * b, g) : fround(fround(x2[i] * b) + g);
    const above = fused ? x1[i] * a : fround(x1[i] * a);
    const below = fused ? (x1[i] - 1) * a : fround((x1[i] - 1) * a);
    // These sums are rounded to doubles: one that meets its edge might be on either side.
    if (!(above + right > lowEdges[to[i]] && below + right < highEdges[under[i]])) return false;
  }
  return true;
}

/** product + g rounded to f32 once, or NaN where the double between them might tip it. */
function fusedAdd(product: number, g: number): number {
  const sum = product + g;
  const taken = sum - product;
  const isWhole = product === sum - taken && g === taken; // Knuth's two-sum
  const margin = isWhole ? 0 : Math.abs(sum) * 2 ** -52;
  const result = fround(sum + margin);
  return result === fround(sum - margin) ? result : Number.NaN;
}
