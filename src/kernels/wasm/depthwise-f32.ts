/**
 * y[n,oh,ow,c] = stages(bias[c] + Σ x[n,ih,iw,⌊c·inC/outC⌋]·w[kh,kw,c])            depthwise-f32-1x<t>-wasm
 *
 *   x   f32, NHWC, every tap of every window inside memory: a border in place, or framed in scratch
 *   w   f32 [outC/4][1 + kH·kW][4]      packed: the bias, then the taps; zeros behind the last channel
 *   y   f32, NHWC
 *
 * A tile is t pixels of a row × 4 channels. Its sums and a row of taps stay in locals, and each column is loaded
 * once for all windows that hold it. For 3×3, stride 1:
 *
 *   loop                                          kH times
 *     w0, w1, w2 = v128.load w, w+16, w+32
 *     a = v128.load x              s0 += a·w0
 *     a = v128.load x+pixel        s0 += a·w1   s1 += a·w0
 *     a = v128.load x+2·pixel      s0 += a·w2   s1 += a·w1   s2 += a·w0
 *     …                            each s(t), for t+kw = column
 *     x += row,  w += 48
 *
 * Taps in a row too many for the registers become a loop as well. Where a channel of x has several outputs, a is
 * v128.load32_splat; multipliers that are no multiple of 4 go to conv2d, a group for each channel.
 *
 * Order: pictures, rows, tiles, blocks of channels: x and y are walked as they lie. Channels outermost, with the
 * taps of a whole picture in locals, is slower beyond the first-level cache (112×112×96: 2 times), and not faster
 * within it.
 * Exact: products are added in f32; |error| ≤ (kH·kW + 2)·2⁻²⁴·(|bias| + Σ|x·w|), fused or not.
 */
import type { EmittedOffer, KernelCall, Operand, Place } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { hasBorder, wantedBorder } from '../js/pixels.ts';
import { isEmpty, isFloat } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import { offerConv2dF32 } from './conv2d-f32.ts';
import { emitStages, epilogueOf, type Stage, storeLanes } from './epilogue-conv-f32.ts';
import { frame, framedBytes } from './frame-conv-f32.ts';
import { addProduct, floatsOf } from './lanes-f32.ts';
import type { Parameters, Program } from './program.ts';
import { maddReason, type Target } from './target.ts';
import { even, type Segment } from './tiles-conv-f32.ts';

export function offerDepthwiseF32(call: KernelCall, target: Target, choice?: string): EmittedOffer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d' || !isFloat(call) || isEmpty(call)) return null;
  const g = windowGeometry(call);
  const multiplier = g.outC / g.inC;
  const w = floatsOf(inputs[1]);
  if (!w) return null;
  if (multiplier !== 1 && g.inC !== 1 && multiplier % 4 !== 0)
    return offerConv2dF32(asConvolution(call, w), target);
  const others = call.following?.reduce((sum, next) => sum + next.others, 0) ?? 0;
  const bias = inputs.length - others > 2 ? floatsOf(inputs[2]) : new Float32Array(g.outC);
  const epilogue = epilogueOf(call, op.clamp);
  if (!bias || !epilogue || epilogue.residual !== -1) return null;
  const { madd } = target;
  const border = wantedBorder(g);
  const { shape } = inputs[0];
  const chosen = Number(choice?.slice(2));
  const width = chosen > 0 ? Math.min(chosen, g.outW) : tileWidth(g, madd);
  return {
    kernel: `depthwise-f32-1x${width}-wasm`,
    reason: maddReason(target),
    choices: ['1x2', '1x3', '1x4', '1x5', '1x6', '1x8'],
    strided: true,
    ...(border && { border, scratch: (ready: boolean) => (ready ? 0 : framedBytes(shape, border)) }),
    emit: (program, [place], y, scratch) => {
      const framed = hasBorder(place!.border, g) ? null : frame(program, place!, shape, border!, scratch);
      const x = framed?.place ?? place!;
      const spec = specOf(g, x, y, madd, width, epilogue.stages);
      const from = x.address - 4 * (g.padTop * x.strides[1] + g.padLeft * x.strides[2]);
      const kernel = program.kernel('depthwise-f32', spec, 3, buildDepthwise);
      const step = [kernel, from, pack(program, g, w, bias), y.address] as const;
      if (framed) program.step(framed.call, step);
      else program.step(step);
    },
  };
}

/** The same layer as a convolution with a group for each input channel. */
function asConvolution(call: KernelCall, w: Float32Array): KernelCall {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d') return call;
  const [, kH, kW, outC] = inputs[1].shape;
  const taps = kH * kW;
  const data = new Float32Array(w.length); // (outC, kH, kW, 1)
  for (let c = 0; c < outC; c++) for (let t = 0; t < taps; t++) data[c * taps + t] = w[t * outC + c];
  const weights: Operand = { ...inputs[1], shape: [outC, kH, kW, 1], data };
  return {
    ...call,
    arithmetic: { ...op, kind: 'conv2d', groups: inputs[0].shape[3] },
    inputs: [inputs[0], weights, ...inputs.slice(2)],
  };
}

/**
 * Wider tiles load less for each product, until V8 runs out of registers (without madd: much earlier). Sums of many
 * products wait for one another unless eight are under way. Pixels whose distance is near a multiple of 4 KiB share
 * few sets of the first-level cache, so a tile must not touch many.
 */
export function tileWidth(g: WindowGeometry, madd: boolean): number {
  const slides = g.strideW === 1;
  const usual = g.kW > 3 ? 8 : madd ? (slides ? 6 : 4) : slides ? 4 : 3;
  const most = g.outW === usual + 1 ? g.outW : usual;
  const sets = Math.max(1, 1024 / (g.inC & -g.inC));
  let width = Math.ceil(g.outW / Math.ceil(g.outW / most));
  const columns = (): number => (width - 1) * g.strideW + (g.kW - 1) * g.dilationW + 1;
  while (width > 2 && g.kH * columns() > 9 + 6 * sets) width--;
  return width;
}

export interface DepthwiseSpec {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly pictures: number;
  readonly rows: number;
  readonly tiles: readonly Segment[];
  /** Channels of x that are walked one by one, each giving `channels` of y; 1: x is walked with y. */
  readonly groups: number;
  readonly channels: number;
  readonly splat: boolean;
  readonly kH: number;
  readonly kW: number;
  /** Bytes from tap to tap, and from pixel to pixel: along columns, rows, pictures. */
  readonly tap: readonly [column: number, row: number];
  readonly x: readonly [column: number, row: number, picture: number];
  readonly y: readonly [column: number, row: number, picture: number];
  readonly stages: readonly Stage[];
}

export function specOf(
  g: WindowGeometry,
  x: Place,
  y: Place,
  madd: boolean,
  width: number,
  stages: readonly Stage[],
): DepthwiseSpec {
  const [xN, xH, xW] = x.strides.map((stride) => 4 * stride);
  const [yN, yH, yW] = y.strides.map((stride) => 4 * stride);
  const splat = g.outC > g.inC;
  return {
    madd,
    pictures: g.n,
    rows: g.outH,
    tiles: even(g.outW, width),
    groups: splat ? g.inC : 1,
    channels: splat ? g.outC / g.inC : g.outC,
    splat,
    kH: g.kH,
    kW: g.kW,
    tap: [g.dilationW * xW, g.dilationH * xH],
    x: [g.strideW * xW, g.strideH * xH, xN],
    y: [yW, yH, yN],
    stages,
  };
}

function pack(program: Program, g: WindowGeometry, w: Float32Array, bias: Float32Array): number {
  const taps = g.kH * g.kW;
  const block = 4 * (1 + taps);
  const floats = Math.ceil(g.outC / 4) * block;
  return program.constant(4 * floats, (bytes) => {
    const packed = new Float32Array(bytes.buffer, bytes.byteOffset, floats);
    for (let c = 0; c < g.outC; c++) {
      const at = (c >> 2) * block + (c & 3);
      packed[at] = bias[c];
      for (let t = 0; t < taps; t++) packed[at + 4 + 4 * t] = w[t * g.outC + c];
    }
  });
}

/** Parameters: addresses of the first tap of the first window, the packed weights, y. */
export function buildDepthwise(f: FunctionBuilder, s: DepthwiseSpec, [x, weights, y]: Parameters): void {
  const w = f.local('i32');
  const tile = new Tile(f, s, x, w, y);
  const channels = (width: number): void => {
    const blocks = s.channels >> 2;
    const lanes = s.channels & 3;
    f.set(w, f.get(weights));
    f.repeat(s.groups, () => {
      f.repeat(blocks, () => {
        tile.emit(width, 4);
        f.advance(w, 16 * (1 + s.kH * s.kW));
        f.advance(y, 16);
        if (!s.splat) f.advance(x, 16);
      });
      if (lanes > 0) {
        tile.emit(width, lanes);
        f.advance(y, 4 * lanes);
        if (!s.splat) f.advance(x, 4 * lanes);
      }
      if (s.splat) f.advance(x, 4);
    });
    f.advance(x, s.x[0] * width - 4 * (s.splat ? s.groups : s.channels));
    f.advance(y, s.y[0] * width - 4 * s.groups * s.channels);
  };
  const columns = s.tiles.reduce((sum, { size, count }) => sum + size * count, 0);
  f.repeat(s.pictures, () => {
    f.repeat(s.rows, () => {
      for (const { size, count } of s.tiles) f.repeat(count, () => channels(size));
      f.advance(x, s.x[1] - s.x[0] * columns);
      f.advance(y, s.y[1] - s.y[0] * columns);
    });
    f.advance(x, s.x[2] - s.x[1] * s.rows);
    f.advance(y, s.y[2] - s.y[1] * s.rows);
  });
}

/** The inner loop: tiles of any width, at the pointers as they stand. */
class Tile {
  readonly #f: FunctionBuilder;
  readonly #s: DepthwiseSpec;
  readonly #x: Local<'i32'>;
  readonly #w: Local<'i32'>;
  readonly #y: Local<'i32'>;
  readonly #tapX: Local<'i32'>;
  readonly #tapW: Local<'i32'>;
  readonly #sums: Local<'v128'>[];
  readonly #row: Local<'v128'>[];
  readonly #a: Local<'v128'>;

  constructor(f: FunctionBuilder, s: DepthwiseSpec, x: Local<'i32'>, w: Local<'i32'>, y: Local<'i32'>) {
    const width = Math.max(...s.tiles.map(({ size }) => size));
    this.#f = f;
    this.#s = s;
    this.#x = x;
    this.#w = w;
    this.#y = y;
    this.#tapX = f.local('i32');
    this.#tapW = f.local('i32');
    this.#sums = f.locals('v128', width);
    this.#row = f.locals('v128', s.kW + width > 13 ? 1 : s.kW);
    this.#a = f.local('v128');
  }

  emit(width: number, lanes: number): void {
    const { stages, kH, y } = this.#s;
    const f = this.#f;
    const sums = this.#sums.slice(0, width);
    f.set(sums[0], f.load('v128.load', f.get(this.#w)));
    for (const sum of sums.slice(1)) f.set(sum, f.get(sums[0]));
    f.set(this.#tapX, f.get(this.#x));
    f.set(this.#tapW, f.get(this.#w));
    f.repeat(kH, () => {
      if (this.#row.length === 1) this.#tapByTap(sums);
      else this.#rowOfTaps(sums);
    });
    emitStages(f, stages, sums, this.#a, () => f.f32x4(0));
    for (const [i, sum] of sums.entries()) storeLanes(f, lanes, this.#y, sum, i * y[0]);
  }

  #loadX(offset: number): void {
    const f = this.#f;
    f.set(this.#a, f.load(this.#s.splat ? 'v128.load32_splat' : 'v128.load', f.get(this.#tapX), offset));
  }

  #rowOfTaps(sums: readonly Local<'v128'>[]): void {
    const { kW, madd, tap, x } = this.#s;
    const f = this.#f;
    for (const [i, w] of this.#row.entries()) f.set(w, f.load('v128.load', f.get(this.#tapW), 16 * (1 + i)));
    const products: (readonly [offset: number, sum: number, tap: number])[] = [];
    for (let i = 0; i < sums.length; i++)
      for (let kw = 0; kw < kW; kw++) products.push([i * x[0] + kw * tap[0], i, kw]);
    products.sort(([a], [b]) => a - b);
    let loaded = -1;
    for (const [offset, i, kw] of products) {
      if (offset !== loaded) this.#loadX(offset);
      loaded = offset;
      addProduct(f, madd, sums[i], this.#a, () => f.get(this.#row[kw]));
    }
    f.advance(this.#tapX, tap[1]);
    f.advance(this.#tapW, 16 * kW);
  }

  #tapByTap(sums: readonly Local<'v128'>[]): void {
    const { kW, madd, tap, x } = this.#s;
    const f = this.#f;
    f.repeat(kW, () => {
      f.set(this.#row[0], f.load('v128.load', f.get(this.#tapW), 16));
      sums.forEach((sum, i) => {
        this.#loadX(i * x[0]);
        addProduct(f, madd, sum, this.#a, () => f.get(this.#row[0]));
      });
      f.advance(this.#tapX, tap[0]);
      f.advance(this.#tapW, 16);
    });
    f.advance(this.#tapX, tap[1] - kW * tap[0]);
  }
}
