/**
 * y[m,n] = requantize(Σₖ x[m,k]·w[n,k] + init[n])          conv2d-i8-3x8-js
 *
 *   x     i8 or u8, NHWC, read as bytes 0…255 (views.ts), in place or through im2col (pixels.ts)
 *   w     f64 [outC/8, K, 4], two weights to a double (pack-i8.ts)
 *   init  f64 [outC]          bias with the input's zero point folded in
 *   y     i8 or u8, NHWC
 *
 * Order: 3 pixels m, n by 8, runs of k innermost; the 12 double sums (24 results) stay in locals.
 * Exact: equal to reference, by the bounds in pack-i8.ts and requantize-f64.ts.
 * Sources: Jacob et al. 2018, arXiv:1712.05877, §2.3 (zero points); docs/kernels.md (two lanes).
 */
import type { KernelCall, Offer, Step, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { channelMultipliers, isQuantizedProduct, multiplyByQuantizedMultiplier } from '../requantize.ts';
import { im2col } from './im2col.ts';
import { laneScale, type PackedI8, packI8, roundMagic } from './pack-i8.ts';
import { hasBorder, type Runs, runsInPlace, tilePixels, walkPixels, wantedBorder } from './pixels.ts';
import { type ChannelRequantizer, channelRequantizer } from './requantize-f64.ts';
import { bytesOf, flipOf, isEmpty, numbersOf } from './views.ts';

export function offerConv2dI8(call: KernelCall): Offer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'conv2d' || !isQuantizedProduct(call) || isEmpty(call)) return null;
  if (!numbersOf(inputs[1]) || (inputs[2] && !numbersOf(inputs[2]))) return null;
  const g = windowGeometry(call);
  const depth = g.inC / g.groups;
  const perGroup = g.outC / g.groups;
  const taps = g.kH * g.kW * depth;
  const { multipliers, shifts } = channelMultipliers(call);
  const groups = Array.from({ length: g.groups }, (_, i): Group => {
    const from = i * perGroup;
    const packed = packI8(call, g.outC, taps, from, from + perGroup);
    const requantizer = channelRequantizer(
      multipliers.slice(from, from + perGroup),
      shifts.slice(from, from + perGroup),
      packed.reach,
      op.clamp,
      call.output,
    );
    return { packed, requantizer, firstIn: i * depth, firstOut: from };
  });
  const border = wantedBorder(g);
  return {
    kernel: `conv2d-i8-3x${4 * groups[0].packed.lanes}-js`,
    strided: true,
    ...(border && { border }),
    scratch: (granted) => (border && !granted ? tilePixels * taps : 0),
    packedBytes: groups.reduce((sum, group) => sum + group.packed.weights.byteLength, 0),
    bind: ([x], y, scratch) =>
      bindConv(
        x,
        y,
        scratch,
        g,
        groups,
        depth,
        flipOf(inputs[0].dtype),
        inputs[0].quantization!.zeroPoint[0],
      ),
  };
}

interface Group {
  readonly packed: PackedI8;
  readonly requantizer: ChannelRequantizer;
  readonly firstIn: number;
  readonly firstOut: number;
}

function bindConv(
  x: View,
  y: View,
  scratch: Uint8Array,
  g: WindowGeometry,
  groups: readonly Group[],
  depth: number,
  flip: number,
  zeroPoint: number,
): Step {
  const walk = walkPixels(x, y, g);
  const direct = hasBorder(x.border, g);
  const taps = g.kH * g.kW * depth;
  const runs: Runs = direct ? runsInPlace(x, g, depth) : { offsets: new Int32Array(1), length: taps };
  const input = bytesOf(x);
  const output = bytesOf(y);
  const source = direct ? input : scratch;
  const fromScratch = Int32Array.from({ length: tilePixels }, (_, j) => j * taps);
  const sums = new Int32Array(tilePixels * 8);
  const { at } = walk;
  return () => {
    walk.reset();
    for (let t = 0; t < walk.tiles; t++) {
      walk.next();
      for (let i = 0; i < groups.length; i++) {
        const group = groups[i];
        if (!direct) im2col(input, scratch, x, g, depth, group.firstIn, walk, zeroPoint & 0xff);
        const starts = direct ? at : fromScratch;
        const first = direct ? group.firstIn : 0;
        panel(source, starts, first, runs, flip, group, output, at, sums);
      }
    }
  };
}

/** All output channels of one group for one tile of pixels. */
function panel(
  x: Uint8Array,
  starts: Int32Array,
  first: number,
  runs: Runs,
  flip: number,
  group: Group,
  y: Uint8Array,
  at: Int32Array,
  sums: Int32Array,
): void {
  const { offsets, length } = runs;
  const { packed, requantizer } = group;
  const { weights, blocks, lanes, init } = packed;
  const p0 = starts[0] + first;
  const p1 = starts[1] + first;
  const p2 = starts[2] + first;
  const count = init.length;
  const nr = 4 * lanes;
  let w = 0;
  for (let block = 0; block < blocks; block++) {
    let c00 = 0,
      c01 = 0,
      c02 = 0,
      c03 = 0;
    let c10 = 0,
      c11 = 0,
      c12 = 0,
      c13 = 0;
    let c20 = 0,
      c21 = 0,
      c22 = 0,
      c23 = 0;
    for (let r = 0; r < offsets.length; r++) {
      const offset = offsets[r];
      let i1 = p1 + offset;
      let i2 = p2 + offset;
      for (let i0 = p0 + offset, end = i0 + length; i0 < end; i0++, i1++, i2++, w += 4) {
        const w0 = weights[w];
        const w1 = weights[w + 1];
        const w2 = weights[w + 2];
        const w3 = weights[w + 3];
        const x0 = x[i0] ^ flip;
        c00 += x0 * w0;
        c01 += x0 * w1;
        c02 += x0 * w2;
        c03 += x0 * w3;
        const x1 = x[i1] ^ flip;
        c10 += x1 * w0;
        c11 += x1 * w1;
        c12 += x1 * w2;
        c13 += x1 * w3;
        const x2 = x[i2] ^ flip;
        c20 += x2 * w0;
        c21 += x2 * w1;
        c22 += x2 * w2;
        c23 += x2 * w3;
      }
    }
    if (lanes === 2) {
      takeApart(sums, 0, c00, c01, c02, c03);
      takeApart(sums, 8, c10, c11, c12, c13);
      takeApart(sums, 16, c20, c21, c22, c23);
    } else {
      keep(sums, 0, c00, c01, c02, c03);
      keep(sums, 4, c10, c11, c12, c13);
      keep(sums, 8, c20, c21, c22, c23);
    }
    const n = block * nr;
    const channels = Math.min(nr, count - n);
    for (let j = 0; j < tilePixels; j++)
      store(sums, j * nr, init, n, channels, requantizer, y, at[tilePixels + j] + group.firstOut + n);
  }
}

/** sum = low + high·2²⁶ with |low| < 2²⁵. */
function takeApart(sums: Int32Array, at: number, s0: number, s1: number, s2: number, s3: number): void {
  let high = s0 / laneScale + roundMagic - roundMagic;
  sums[at] = s0 - high * laneScale;
  sums[at + 1] = high;
  high = s1 / laneScale + roundMagic - roundMagic;
  sums[at + 2] = s1 - high * laneScale;
  sums[at + 3] = high;
  high = s2 / laneScale + roundMagic - roundMagic;
  sums[at + 4] = s2 - high * laneScale;
  sums[at + 5] = high;
  high = s3 / laneScale + roundMagic - roundMagic;
  sums[at + 6] = s3 - high * laneScale;
  sums[at + 7] = high;
}

function keep(sums: Int32Array, at: number, s0: number, s1: number, s2: number, s3: number): void {
  sums[at] = s0;
  sums[at + 1] = s1;
  sums[at + 2] = s2;
  sums[at + 3] = s3;
}

/** y[to + i] = clamp(zeroPoint + requantize(sums[from + i] + init[n + i])) for i < channels. */
function store(
  sums: Int32Array,
  from: number,
  init: Float64Array,
  n: number,
  channels: number,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  to: number,
): void {
  const { scale, half, slow, zeroPoint, lo, hi } = requantizer;
  for (let i = 0; i < channels; i++) {
    const sum = (sums[from + i] + init[n + i]) | 0;
    let q =
      slow !== null && slow[n + i] === 1
        ? multiplyByQuantizedMultiplier(sum, requantizer.multipliers[n + i], requantizer.shifts[n + i])
        : Math.floor(sum * scale[n + i] + half[2 * (n + i) + (sum >>> 31)]);
    q += zeroPoint;
    y[to + i] = q < lo ? lo : q > hi ? hi : q;
  }
}
