/**
 * y[m,n] = requantize(Σₖ x[m,k]·w[n,k] + init[n])          conv2d-i8-3x8-js
 *
 *   x     i8 or u8, NHWC, as bytes 0…255 (views.ts) widened to f64 a block at a time (blocks.ts)
 *   w     f64 [outC/8, K, 4], two weights to a double (pack-i8.ts)
 *   init  f64 [outC]          bias with the input's zero point folded in
 *   y     i8 or u8, NHWC
 *
 * Order: blocks of pixels, 3 pixels m, n by 8, runs of k innermost; the 12 double sums (24 results) stay in locals.
 * Exact: equal to reference, by the bounds in pack-i8.ts and requantize-f64.ts.
 * Sources: Jacob et al. 2018, arXiv:1712.05877, §2.3 (zero points); docs/kernels.md (two lanes).
 */
import type { BoundOffer, KernelCall, Step, View } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { type Blocks, blocksOf, runsInBlock, widen } from './blocks.ts';
import { type PackedI8, packI8, reachOf } from './pack-i8.ts';
import { type Runs, tilePixels } from './pixels.ts';
import {
  type ChannelRequantizer,
  channelRequantizer,
  evenMagic,
  isFastProduct,
  requantizeEven,
  requantizeSlow,
} from './requantize-f64.ts';
import { bytesOf, flipOf, isEmpty, numbersOf } from './views.ts';

export function offerConv2dI8(call: KernelCall): BoundOffer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'conv2d' || !isFastProduct(call) || isEmpty(call)) return null;
  if (!numbersOf(inputs[1]) || (inputs[2] && !numbersOf(inputs[2]))) return null;
  const g = windowGeometry(call);
  const depth = g.inC / g.groups;
  const perGroup = g.outC / g.groups;
  const taps = g.kH * g.kW * depth;
  const reach = reachOf(call, taps, taps, 1);
  const requantizer = channelRequantizer(call, reach.ends, op.clamp);
  const groups = Array.from({ length: g.groups }, (_, i): Group => {
    const firstOut = i * perGroup;
    const packed = packI8(call, taps, firstOut, perGroup, reach, requantizer.isConstant);
    return { packed, firstIn: i * depth, firstOut };
  });
  const blocks = blocksOf(g);
  return {
    kernel: `conv2d-i8-3x${4 * groups[0].packed.lanes}-js`,
    strided: true,
    scratch: () => blocks.inRows * blocks.rowLength * 8,
    packedBytes: groups.reduce((sum, group) => sum + group.packed.weights.byteLength, 0),
    bind: ([x], y, scratch) => {
      const zeroPoint = inputs[0].quantization!.zeroPoint[0];
      return bindConv(x, y, scratch, g, blocks, groups, requantizer, flipOf(inputs[0].dtype), zeroPoint);
    },
  };
}

interface Group {
  readonly packed: PackedI8;
  readonly firstIn: number;
  readonly firstOut: number;
}

function bindConv(
  x: View,
  y: View,
  scratch: Uint8Array,
  g: WindowGeometry,
  blocks: Blocks,
  groups: readonly Group[],
  requantizer: ChannelRequantizer,
  flip: number,
  zeroPoint: number,
): Step {
  const runs = runsInBlock(g, blocks, g.inC / g.groups);
  const input = bytesOf(x);
  const output = bytesOf(y);
  const x64 = new Float64Array(scratch.buffer, scratch.byteOffset, blocks.inRows * blocks.rowLength);
  const zero = (zeroPoint & 0xff) ^ flip;
  const sums = new Float64Array(tilePixels * 8);
  const at = new Int32Array(2 * tilePixels);
  const [outN, outRow, outPixel] = y.strides;
  const down = blocks.strideH * blocks.rowLength;
  const right = blocks.strideW * g.inC;
  return () => {
    for (let n = 0; n < g.n; n++)
      for (let oy = 0; oy < g.outH; oy += blocks.rows) {
        const rows = Math.min(blocks.rows, g.outH - oy);
        for (let ox = 0; ox < g.outW; ox += blocks.columns) {
          const columns = Math.min(blocks.columns, g.outW - ox);
          widen(input, x, g, blocks, x64, flip, zero, n, oy, ox, rows, columns);
          const to = y.offset + n * outN + oy * outRow + ox * outPixel;
          const pixels = rows * columns;
          for (let p = 0, py = 0, px = 0; p < pixels; ) {
            for (let j = 0; j < tilePixels; j++) {
              at[j] = py * down + px * right;
              at[tilePixels + j] = to + py * outRow + px * outPixel;
              if (++p < pixels && ++px === columns) {
                px = 0;
                py++;
              }
            }
            for (let i = 0; i < groups.length; i++)
              panel(x64, at, runs, groups[i], requantizer, output, sums);
          }
        }
      }
  };
}

/** All output channels of one group for one tile of pixels. */
function panel(
  x: Float64Array,
  at: Int32Array,
  runs: Runs,
  group: Group,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  sums: Float64Array,
): void {
  const { offsets, length } = runs;
  const { firstOut } = group;
  const { weights, blocks, lanes, start, outC } = group.packed;
  const p0 = at[0] + group.firstIn;
  const d1 = at[1] - at[0];
  const d2 = at[2] - at[0];
  const nr = 4 * lanes;
  let w = 0;
  for (let block = 0; block < blocks; block++) {
    let c00 = start[4 * block];
    let c01 = start[4 * block + 1];
    let c02 = start[4 * block + 2];
    let c03 = start[4 * block + 3];
    let c10 = c00;
    let c11 = c01;
    let c12 = c02;
    let c13 = c03;
    let c20 = c00;
    let c21 = c01;
    let c22 = c02;
    let c23 = c03;
    for (let r = 0; r < offsets.length; r++) {
      for (let i0 = p0 + offsets[r], end = i0 + length; i0 < end; i0++, w += 4) {
        const w0 = weights[w];
        const w1 = weights[w + 1];
        const w2 = weights[w + 2];
        const w3 = weights[w + 3];
        const x0 = x[i0];
        c00 += x0 * w0;
        c01 += x0 * w1;
        c02 += x0 * w2;
        c03 += x0 * w3;
        const x1 = x[i0 + d1];
        c10 += x1 * w0;
        c11 += x1 * w1;
        c12 += x1 * w2;
        c13 += x1 * w3;
        const x2 = x[i0 + d2];
        c20 += x2 * w0;
        c21 += x2 * w1;
        c22 += x2 * w2;
        c23 += x2 * w3;
      }
    }
    // Spelled out: a call with doubles as arguments would allocate.
    if (lanes === 2) {
      const laneScale = 2 ** 26;
      const perLane = 2 ** -26;
      const roundMagic = 1.5 * 2 ** 52; // x + magic − magic is the nearest integer
      let high = 0;
      high = c00 * perLane + roundMagic - roundMagic;
      sums[0] = c00 - high * laneScale;
      sums[1] = high;
      high = c01 * perLane + roundMagic - roundMagic;
      sums[2] = c01 - high * laneScale;
      sums[3] = high;
      high = c02 * perLane + roundMagic - roundMagic;
      sums[4] = c02 - high * laneScale;
      sums[5] = high;
      high = c03 * perLane + roundMagic - roundMagic;
      sums[6] = c03 - high * laneScale;
      sums[7] = high;
      high = c10 * perLane + roundMagic - roundMagic;
      sums[8] = c10 - high * laneScale;
      sums[9] = high;
      high = c11 * perLane + roundMagic - roundMagic;
      sums[10] = c11 - high * laneScale;
      sums[11] = high;
      high = c12 * perLane + roundMagic - roundMagic;
      sums[12] = c12 - high * laneScale;
      sums[13] = high;
      high = c13 * perLane + roundMagic - roundMagic;
      sums[14] = c13 - high * laneScale;
      sums[15] = high;
      high = c20 * perLane + roundMagic - roundMagic;
      sums[16] = c20 - high * laneScale;
      sums[17] = high;
      high = c21 * perLane + roundMagic - roundMagic;
      sums[18] = c21 - high * laneScale;
      sums[19] = high;
      high = c22 * perLane + roundMagic - roundMagic;
      sums[20] = c22 - high * laneScale;
      sums[21] = high;
      high = c23 * perLane + roundMagic - roundMagic;
      sums[22] = c23 - high * laneScale;
      sums[23] = high;
    } else {
      sums[0] = c00;
      sums[1] = c01;
      sums[2] = c02;
      sums[3] = c03;
      sums[8] = c10;
      sums[9] = c11;
      sums[10] = c12;
      sums[11] = c13;
      sums[16] = c20;
      sums[17] = c21;
      sums[18] = c22;
      sums[19] = c23;
    }
    const n = block * nr;
    const channels = Math.min(nr, outC - n);
    if (requantizer.even) storeEven(sums, firstOut + n, channels, requantizer, y, at);
    else if (requantizer.slow !== null) storeSlow(sums, firstOut + n, channels, requantizer, y, at);
    else if (requantizer.oneSided) storeOneSided(sums, firstOut + n, channels, requantizer, y, at);
    else store(sums, firstOut + n, channels, requantizer, y, at);
  }
}

/**
 * y[at[j] + n + i] = clamp(zeroPoint + requantize(sums[j, i])) for channels n + i of a block, pixels j of a tile.
 *
 * A branch on data is mispredicted every other time, so the bounds are met by masks:
 * max(q, 0) = q & ~(q >> 31), and min(q, most) = q + min(most − q, 0).
 */
function store(
  sums: Float64Array,
  n: number,
  channels: number,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  at: Int32Array,
): void {
  const { scale, half, shiftUp, lo, most } = requantizer;
  const t0 = at[tilePixels] + n;
  const t1 = at[tilePixels + 1] + n;
  const t2 = at[tilePixels + 2] + n;
  for (let i = 0; i < channels; i++) {
    const factor = scale[n + i];
    const sign = 2 * (n + i);
    let sum = sums[i];
    let q = (Math.floor(sum * factor + half[sign + ((sum | 0) >>> 31)]) | 0) + shiftUp;
    q &= ~(q >> 31);
    let over = most - q;
    y[t0 + i] = lo + q + (over & (over >> 31));
    sum = sums[8 + i];
    q = (Math.floor(sum * factor + half[sign + ((sum | 0) >>> 31)]) | 0) + shiftUp;
    q &= ~(q >> 31);
    over = most - q;
    y[t1 + i] = lo + q + (over & (over >> 31));
    sum = sums[16 + i];
    q = (Math.floor(sum * factor + half[sign + ((sum | 0) >>> 31)]) | 0) + shiftUp;
    q &= ~(q >> 31);
    over = most - q;
    y[t2 + i] = lo + q + (over & (over >> 31));
  }
}

/** As `store`, with channels that keep the integer form. Apart, because inlined there it doubles the time of all. */
function storeSlow(
  sums: Float64Array,
  n: number,
  channels: number,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  at: Int32Array,
): void {
  const { scale, half, slow, multipliers, shifts, zeroPoint, lo, hi } = requantizer;
  for (let j = 0; j < tilePixels; j++)
    for (let i = 0; i < channels; i++) {
      const c = n + i;
      const sum = sums[8 * j + i];
      const r =
        slow !== null && slow[c] === 1
          ? requantizeSlow(sum | 0, multipliers[c], shifts[c])
          : Math.floor(sum * scale[c] + half[2 * c + (sum < 0 ? 1 : 0)]);
      const q = r + zeroPoint;
      y[at[tilePixels + j] + c] = q < lo ? lo : q > hi ? hi : q;
    }
}

/** As `store`, where negative sums end at the lower bound whichever way they are rounded. */
function storeOneSided(
  sums: Float64Array,
  n: number,
  channels: number,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  at: Int32Array,
): void {
  const { scale, half, shiftUp, lo, most } = requantizer;
  const t0 = at[tilePixels] + n;
  const t1 = at[tilePixels + 1] + n;
  const t2 = at[tilePixels + 2] + n;
  for (let i = 0; i < channels; i++) {
    const factor = scale[n + i];
    const up = half[2 * (n + i)];
    let q = (Math.floor(sums[i] * factor + up) | 0) + shiftUp;
    q &= ~(q >> 31);
    let over = most - q;
    y[t0 + i] = lo + q + (over & (over >> 31));
    q = (Math.floor(sums[8 + i] * factor + up) | 0) + shiftUp;
    q &= ~(q >> 31);
    over = most - q;
    y[t1 + i] = lo + q + (over & (over >> 31));
    q = (Math.floor(sums[16 + i] * factor + up) | 0) + shiftUp;
    q &= ~(q >> 31);
    over = most - q;
    y[t2 + i] = lo + q + (over & (over >> 31));
  }
}

/** As `store`, with an f32 multiplier and halves to even. */
function storeEven(
  sums: Float64Array,
  n: number,
  channels: number,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  at: Int32Array,
): void {
  const { scale, half, slow, shiftUp, lo, most } = requantizer;
  const { fround } = Math;
  if (slow !== null) {
    storeEvenSlow(sums, n, channels, requantizer, y, at);
    return;
  }
  const t0 = at[tilePixels] + n;
  const t1 = at[tilePixels + 1] + n;
  const t2 = at[tilePixels + 2] + n;
  for (let i = 0; i < channels; i++) {
    const factor = scale[n + i];
    const up = (half[2 * (n + i)] | 0) + shiftUp;
    let q = ((fround(fround(sums[i]) * factor) + evenMagic - evenMagic) | 0) + up;
    q &= ~(q >> 31);
    let over = most - q;
    y[t0 + i] = lo + q + (over & (over >> 31));
    q = ((fround(fround(sums[8 + i]) * factor) + evenMagic - evenMagic) | 0) + up;
    q &= ~(q >> 31);
    over = most - q;
    y[t1 + i] = lo + q + (over & (over >> 31));
    q = ((fround(fround(sums[16 + i]) * factor) + evenMagic - evenMagic) | 0) + up;
    q &= ~(q >> 31);
    over = most - q;
    y[t2 + i] = lo + q + (over & (over >> 31));
  }
}

/** As `storeEven`, where sums may leave int32 or results an 8-bit range by far. */
function storeEvenSlow(
  sums: Float64Array,
  n: number,
  channels: number,
  requantizer: ChannelRequantizer,
  y: Uint8Array,
  at: Int32Array,
): void {
  const { scale, half, zeroPoint, lo, hi } = requantizer;
  for (let j = 0; j < tilePixels; j++)
    for (let i = 0; i < channels; i++) {
      const c = n + i;
      const q = requantizeEven(sums[8 * j + i], scale[c]) + half[2 * c] + zeroPoint;
      y[at[tilePixels + j] + c] = q < lo ? lo : q > hi ? hi : q;
    }
}
