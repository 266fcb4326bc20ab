/**
 * y[m,n] = clamp(Σₖ x[m,k]·w[n,k] + bias[n])              conv2d-f32-3x4-js
 *
 *   x     f32, NHWC, in place or through im2col (pixels.ts)
 *   w     f32 [outC/4, K, 4]  packed, the last block filled with zeros
 *   y     f32, NHWC
 *
 * Order: 3 pixels m, n by 4, runs of k innermost; the 12 sums stay in locals.
 * Sums are f64, as in reference, and start from the bias: they differ from it by at most K·2⁻⁵³·Σ|x·w|
 * before the one rounding to f32.
 */
import type { BoundOffer, Clamp, KernelCall, Step, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { im2col } from './im2col.ts';
import { hasBorder, type Runs, runsInPlace, tilePixels, walkPixels, wantedBorder } from './pixels.ts';
import { floatsOf, isEmpty, isFloat, numbersOf } from './views.ts';

export function offerConv2dF32(call: KernelCall): BoundOffer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'conv2d' || !isFloat(call) || isEmpty(call)) return null;
  const w = numbersOf(inputs[1]);
  const bias = inputs[2] ? numbersOf(inputs[2]) : new Float32Array(inputs[1].shape[0]);
  if (!w || !bias) return null;
  const g = windowGeometry(call);
  const depth = g.inC / g.groups;
  const perGroup = g.outC / g.groups;
  const taps = g.kH * g.kW * depth;
  const groups = Array.from({ length: g.groups }, (_, i): Group => {
    const from = i * perGroup;
    return {
      weights: packF32(w, from, perGroup, taps),
      bias: Float64Array.from({ length: perGroup + 3 }, (_, n) => (n < perGroup ? bias[from + n] : 0)),
      count: perGroup,
      firstIn: i * depth,
      firstOut: from,
    };
  });
  const border = wantedBorder(g);
  return {
    kernel: 'conv2d-f32-3x4-js',
    strided: true,
    ...(border && { border }),
    scratch: (granted) => (border && !granted ? 4 * tilePixels * taps : 0),
    packedBytes: groups.reduce((sum, group) => sum + group.weights.byteLength, 0),
    bind: ([x], y, scratch) => bindConv(x, y, scratch, g, groups, depth, op.clamp),
  };
}

interface Group {
  readonly weights: Float32Array;
  readonly bias: Float64Array;
  readonly count: number;
  readonly firstIn: number;
  readonly firstOut: number;
}

function packF32(w: ArrayLike<number>, from: number, count: number, depth: number): Float32Array {
  const packed = new Float32Array(Math.ceil(count / 4) * depth * 4);
  for (let n = 0; n < count; n++) {
    const column = (n >> 2) * depth * 4 + (n & 3);
    for (let k = 0; k < depth; k++) packed[column + k * 4] = w[(from + n) * depth + k];
  }
  return packed;
}

function bindConv(
  x: View,
  y: View,
  scratch: Uint8Array,
  g: WindowGeometry,
  groups: readonly Group[],
  depth: number,
  clamp: Clamp,
): Step {
  const walk = walkPixels(x, y, g);
  const direct = hasBorder(x.border, g);
  const taps = g.kH * g.kW * depth;
  const runs: Runs = direct ? runsInPlace(x, g, depth) : { offsets: new Int32Array(1), length: taps };
  const input = floatsOf(x);
  const output = floatsOf(y);
  const col = direct ? input : new Float32Array(scratch.buffer, scratch.byteOffset, tilePixels * taps);
  const fromScratch = Int32Array.from({ length: tilePixels }, (_, j) => j * taps);
  const { at } = walk;
  return () => {
    walk.reset();
    for (let t = 0; t < walk.tiles; t++) {
      walk.next();
      for (let i = 0; i < groups.length; i++) {
        const group = groups[i];
        if (!direct) im2col(input, col, x, g, depth, group.firstIn, walk);
        const starts = direct ? at : fromScratch;
        const first = direct ? group.firstIn : 0;
        panel(col, starts, first, runs, group, output, at, clamp);
      }
    }
  };
}

/** All output channels of one group for one tile of pixels. */
function panel(
  x: Float32Array,
  starts: Int32Array,
  first: number,
  runs: Runs,
  group: Group,
  y: Float32Array,
  at: Int32Array,
  clamp: Clamp,
): void {
  const { offsets, length } = runs;
  const { weights, bias, count } = group;
  const { min, max } = clamp;
  const rectify = min === 0;
  const p0 = starts[0] + first;
  const d1 = starts[1] - starts[0];
  const d2 = starts[2] - starts[0];
  const o0 = at[tilePixels] + group.firstOut;
  const o1 = at[tilePixels + 1] + group.firstOut;
  const o2 = at[tilePixels + 2] + group.firstOut;
  let w = 0;
  for (let n = 0; n < count; n += 4) {
    let c00 = bias[n],
      c01 = bias[n + 1],
      c02 = bias[n + 2],
      c03 = bias[n + 3];
    let c10 = c00,
      c11 = c01,
      c12 = c02,
      c13 = c03;
    let c20 = c00,
      c21 = c01,
      c22 = c02,
      c23 = c03;
    for (let r = 0; r < offsets.length; r++) {
      for (let i0 = p0 + offsets[r], end = i0 + length; i0 < end; i0++, w += 4) {
        const x0 = x[i0];
        const x1 = x[i0 + d1];
        const x2 = x[i0 + d2];
        const w0 = weights[w];
        c00 += x0 * w0;
        c10 += x1 * w0;
        c20 += x2 * w0;
        const w1 = weights[w + 1];
        c01 += x0 * w1;
        c11 += x1 * w1;
        c21 += x2 * w1;
        const w2 = weights[w + 2];
        c02 += x0 * w2;
        c12 += x1 * w2;
        c22 += x2 * w2;
        const w3 = weights[w + 3];
        c03 += x0 * w3;
        c13 += x1 * w3;
        c23 += x2 * w3;
      }
    }
    const left = count - n;
    // A branch on the sign is mispredicted: max(v, 0) = (v + |v|)/2, exactly.
    if (rectify) {
      c00 = (c00 + Math.abs(c00)) * 0.5;
      c01 = (c01 + Math.abs(c01)) * 0.5;
      c02 = (c02 + Math.abs(c02)) * 0.5;
      c03 = (c03 + Math.abs(c03)) * 0.5;
      c10 = (c10 + Math.abs(c10)) * 0.5;
      c11 = (c11 + Math.abs(c11)) * 0.5;
      c12 = (c12 + Math.abs(c12)) * 0.5;
      c13 = (c13 + Math.abs(c13)) * 0.5;
      c20 = (c20 + Math.abs(c20)) * 0.5;
      c21 = (c21 + Math.abs(c21)) * 0.5;
      c22 = (c22 + Math.abs(c22)) * 0.5;
      c23 = (c23 + Math.abs(c23)) * 0.5;
    } else if (min > Number.NEGATIVE_INFINITY) {
      if (c00 < min) c00 = min;
      if (c01 < min) c01 = min;
      if (c02 < min) c02 = min;
      if (c03 < min) c03 = min;
      if (c10 < min) c10 = min;
      if (c11 < min) c11 = min;
      if (c12 < min) c12 = min;
      if (c13 < min) c13 = min;
      if (c20 < min) c20 = min;
      if (c21 < min) c21 = min;
      if (c22 < min) c22 = min;
      if (c23 < min) c23 = min;
    }
    y[o0 + n] = c00 > max ? max : c00;
    y[o1 + n] = c10 > max ? max : c10;
    y[o2 + n] = c20 > max ? max : c20;
    if (left > 1) {
      y[o0 + n + 1] = c01 > max ? max : c01;
      y[o1 + n + 1] = c11 > max ? max : c11;
      y[o2 + n + 1] = c21 > max ? max : c21;
    }
    if (left > 2) {
      y[o0 + n + 2] = c02 > max ? max : c02;
      y[o1 + n + 2] = c12 > max ? max : c12;
      y[o2 + n + 2] = c22 > max ? max : c22;
    }
    if (left > 3) {
      y[o0 + n + 3] = c03 > max ? max : c03;
      y[o1 + n + 3] = c13 > max ? max : c13;
      y[o2 + n + 3] = c23 > max ? max : c23;
    }
  }
}
