/**
 * Depthwise layers whose weights change, by the kernel of wasm/depthwise-f32.ts, and their gradients:
 *
 *   depthwiseConv2d    its weights packed anew in each run
 *   transposedConvNd   the gradient by the input, where each channel is a group: a depthwise layer for each phase
 *                      (transposed-conv2d.ts), the taps in reverse
 *   conv2dWeights      the gradient by the weights, where each channel is a group:
 *
 *     dw[c,kh,kw] = Σ_p dy[p,c]·x[p + tap,c]                 depthwise-weights-f32-wasm
 *
 *     loop   d = v128.load dy     s0 += d·(v128.load x+tap0)   s1 += d·(v128.load x+tap1)   …     dy, x += pixel
 *
 *     Up to 12 taps × 4 channels in locals; order: pictures, bands of rows that the first cache holds, blocks of
 *     channels, taps, rows, columns. Between bands the sums lie in scratch, [blocks][taps][4].
 *
 * Exact: as in depthwise-f32.ts; gradients by weights |error| ≤ (P + 1)·2⁻²⁴·Σ|dy·x| for P pixels.
 */
import type { EmittedOffer, KernelCall, Pad, Place } from '../../call.ts';
import { type WindowGeometry, windowGeometry } from '../../geometry.ts';
import { isEmpty, isFloat } from '../../js/views.ts';
import type { FunctionBuilder } from '../../wasm/asm/function.ts';
import { borderOf, firstTap } from '../../wasm/conv2d-f32.ts';
import { buildDepthwise, type DepthwiseSpec, specOf, tileWidth } from '../../wasm/depthwise-f32.ts';
import { epilogueOf } from '../../wasm/epilogue-conv-f32.ts';
import { framedBytes } from '../../wasm/frame-conv-f32.ts';
import { addProduct } from '../../wasm/lanes-f32.ts';
import type { Parameters, Program } from '../../wasm/program.ts';
import type { Target } from '../../wasm/target.ts';
import { even, type Segment } from '../../wasm/tiles-conv-f32.ts';
import * as transposed from '../../wasm/transposed-conv2d.ts';
import { type Call, framedInput } from '../../wasm/window-conv-f32.ts';
import { layerGeometry, type TrainingOf } from '../call.ts';
import type { Dimension } from './pack.ts';

const slack = 64;
const packedBytes = (channels: number, taps: number): number =>
  Math.ceil(channels / 4) * 16 * (1 + taps) + slack;

export function offerDepthwise(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d' || !isFloat(call) || isEmpty(call)) return null;
  const epilogue = epilogueOf(call, op.clamp);
  if (!epilogue || epilogue.residual !== -1) return null;
  const g = windowGeometry(call);
  const multiplier = g.outC / g.inC;
  if (multiplier !== 1 && g.inC !== 1 && multiplier % 4 !== 0) return null;
  const { shape } = inputs[0]!;
  const border = borderOf(g);
  const own = packedBytes(g.outC, g.kH * g.kW);
  const width = tileWidth(g, target.madd);
  return {
    kernel: `depthwise-f32-1x${width}-packing-wasm`,
    strided: true,
    ...(border && { border }),
    scratch: (ready) => own + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, [place, w, bias], y, scratch) => {
      const calls: Call[] = [];
      const x = framedInput(program, place!, shape, border, scratch + own, calls);
      const [, row, pixel, channel] = w!.strides.map((stride) => 4 * stride) as [
        number,
        number,
        number,
        number,
      ];
      const taps = [
        { count: g.kH, step: row },
        { count: g.kW, step: pixel },
      ];
      calls.push(
        packCall(program, g.outC, channel, taps, w!.address, scratch, inputs.length > 2 ? bias : null),
      );
      const spec = specOf(g, x, y, target.madd, width, epilogue.stages);
      calls.push([
        program.kernel('depthwise-f32', spec, 3, buildDepthwise),
        firstTap(g, x),
        scratch,
        y.address,
      ]);
      program.step(...calls);
    },
  };
}

interface PackSpec {
  readonly [key: string]: unknown;
  readonly channels: number;
  readonly channelStep: number;
  readonly taps: readonly Dimension[];
  readonly hasBias: boolean;
}

/** w at w + channel·channelStep + Σ index·step  ⇒  [channels/4][1 + taps][4], the bias in front of the taps. */
function packCall(
  program: Program,
  channels: number,
  channelStep: number,
  taps: readonly Dimension[],
  w: number,
  packed: number,
  bias: Place | null | undefined,
): Call {
  const spec: PackSpec = { channels, channelStep, taps, hasBias: !!bias };
  return [program.kernel('pack-depthwise-f32', spec, 3, buildPack), w, bias?.address ?? 0, packed];
}

function buildPack(f: FunctionBuilder, s: PackSpec, [w, bias, to]: Parameters): void {
  const [down, along] = s.taps as [Dimension, Dimension];
  const block = (channels: number): void => {
    f.store('v128.store', f.get(to!), s.hasBias ? f.load('v128.load', f.get(bias!)) : f.f32x4(0));
    f.advance(to!, 16);
    f.repeat(down.count, () => {
      f.repeat(along.count, () => {
        // What lies behind the last channel makes sums that nobody stores.
        if (s.channelStep === 4) f.store('v128.store', f.get(to!), f.load('v128.load', f.get(w!)));
        else
          for (let c = 0; c < channels; c++)
            f.store('f32.store', f.get(to!), f.load('f32.load', f.get(w!), c * s.channelStep), 4 * c);
        f.advance(to!, 16);
        f.advance(w!, along.step);
      });
      f.advance(w!, down.step - along.count * along.step);
    });
    f.advance(w!, 4 * s.channelStep - down.count * down.step);
    f.advance(bias!, 16);
  };
  f.repeat(s.channels >> 2, () => block(4));
  if (s.channels & 3) block(s.channels & 3);
}

export function offerDepthwiseInput(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'transposedConvNd' || following || !isFloat(call) || isEmpty(call)) return null;
  const { shape } = inputs[0]!;
  const [n, inH, inW, c] = shape as [number, number, number, number];
  const [, outH, outW, outC] = output.shape as [number, number, number, number];
  const isDepthwise = shape.length === 4 && inputs.length === 2 && op.groups === c && outC === c;
  if (!isDepthwise || op.dilation.some((d) => d !== 1)) return null;
  const [, kH, kW] = inputs[1]!.shape as [number, number, number];
  const [strideH, strideW] = op.stride as [number, number];
  const [padTop, padLeft] = op.before as [number, number];
  const extents = { n, inH, inW, inC: c, outH, outW, outC: c, kH, kW, padTop, padLeft, groups: 1 };
  const g: WindowGeometry = { ...extents, strideH, strideW, dilationH: 1, dilationW: 1 };
  const down = transposed.phases(outH, inH, kH, strideH, padTop);
  const along = transposed.phases(outW, inW, kW, strideW, padLeft);
  const border: Pad | undefined = transposed.borderOf(down, along);
  const each = packedBytes(c, Math.ceil(kH / strideH) * Math.ceil(kW / strideW));
  const own = Math.ceil(each / 16) * 16 * down.length * along.length;
  return {
    kernel: 'depthwise-input-f32-packing-wasm',
    strided: true,
    ...(border && { border }),
    scratch: (ready) => own + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, [place, w], y, scratch) => {
      const calls: Call[] = [];
      const x = framedInput(program, place!, shape, border, scratch + own, calls);
      const [, xRow, xPixel] = x.strides as [number, number, number];
      const [channel, row, pixel] = w!.strides.map((stride) => 4 * stride) as [number, number, number];
      let at = scratch;
      for (const h of down)
        for (const v of along) {
          const hasTaps = h.taps.length * v.taps.length > 0;
          const taps = [
            { count: hasTaps ? h.taps.length : 0, step: -strideH * row },
            { count: hasTaps ? v.taps.length : 0, step: -strideW * pixel },
          ];
          const first = hasTaps ? w!.address + h.taps[0]! * row + v.taps[0]! * pixel : w!.address;
          calls.push(packCall(program, c, channel, taps, first, at, null));
          const phase: WindowGeometry = {
            ...g,
            ...{ outH: h.count, outW: v.count, kH: taps[0]!.count, kW: taps[1]!.count },
            ...{ strideH: 1, strideW: 1 },
          };
          const [yN, yH, yW] = y.strides as [number, number, number];
          const apart: Place = { ...y, strides: [yN, strideH * yH, strideW * yW, 1] };
          const spec: DepthwiseSpec = specOf(phase, x, apart, target.madd, tileWidth(phase, target.madd), []);
          calls.push([
            program.kernel('depthwise-f32', spec, 3, buildDepthwise),
            x.address + 4 * (h.input * xRow + v.input * xPixel),
            at,
            y.address + 4 * (h.output * yH + v.output * yW),
          ]);
          at += Math.ceil(each / 16) * 16;
        }
      program.step(...calls);
    },
  };
}

const bandBytes = 24 << 10;
const mostTaps = 12;

export function offerDepthwiseWeights(
  call: KernelCall,
  op: TrainingOf<'conv2dWeights'>,
  target: Target,
): EmittedOffer | null {
  const g = layerGeometry(call, op);
  if (isEmpty(call) || g.groups === 1 || g.groups !== g.inC || g.inC !== g.outC) return null;
  const { shape } = call.inputs[0]!;
  const border = borderOf(g);
  const own = Math.ceil(g.outC / 4) * 16 * g.kH * g.kW;
  return {
    kernel: 'depthwise-weights-f32-wasm',
    strided: true,
    ...(border && { border }),
    scratch: (ready) => own + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, [place, dy], dw, scratch) => {
      const calls: Call[] = [];
      const x = framedInput(program, place!, shape, border, scratch + own, calls);
      const kernel = program.kernel(
        'depthwise-weights-f32',
        weightsSpec(g, x, dy!, dw, target),
        4,
        buildWeights,
      );
      calls.push([kernel, firstTap(g, x), dy!.address, scratch, dw.address]);
      program.step(...calls);
    },
  };
}

type Steps = readonly [pixel: number, row: number, picture: number];

interface WeightsSpec {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly pictures: number;
  readonly bands: readonly Segment[];
  readonly columns: number;
  readonly channels: number;
  readonly x: Steps;
  readonly dy: Steps;
  /** Bytes from the first tap to each, in x and in dw. */
  readonly taps: readonly { readonly from: number; readonly to: number }[];
  /** Bytes from channel to channel of dw. */
  readonly channelStep: number;
}

function weightsSpec(g: WindowGeometry, x: Place, dy: Place, dw: Place, target: Target): WeightsSpec {
  const [xN, xH, xW] = x.strides.map((stride) => 4 * stride) as [number, number, number];
  const [dyN, dyH, dyW] = dy.strides.map((stride) => 4 * stride) as [number, number, number];
  const [channelStep, row, pixel] = dw.strides.map((stride) => 4 * stride) as [number, number, number];
  const most = Math.max(1, Math.floor((bandBytes - g.kH * xH) / (g.strideH * xH + dyH)));
  return {
    madd: target.madd,
    pictures: g.n,
    bands: even(g.outH, most),
    columns: g.outW,
    channels: g.outC,
    x: [g.strideW * xW, g.strideH * xH, xN],
    dy: [dyW, dyH, dyN],
    taps: Array.from({ length: g.kH * g.kW }, (_, i) => {
      const [kh, kw] = [Math.floor(i / g.kW), i % g.kW];
      return { from: kh * g.dilationH * xH + kw * g.dilationW * xW, to: kh * row + kw * pixel };
    }),
    channelStep,
  };
}

/** Parameters: addresses of x under the first tap, dy, the sums, dw. */
function buildWeights(f: FunctionBuilder, s: WeightsSpec, [x, dy, sums, dw]: Parameters): void {
  const [xAt, dyAt, sumAt, xPixel, dyPixel] = f.locals('i32', 5);
  const all = f.locals('v128', Math.min(mostTaps, s.taps.length));
  const hand = f.local('v128');
  const blocks = Math.ceil(s.channels / 4);
  const chunks = Array.from({ length: Math.ceil(s.taps.length / mostTaps) }, (_, i) => i * mostTaps);
  f.set(sumAt!, f.get(sums!));
  f.repeat(blocks * s.taps.length, () => {
    f.store('v128.store', f.get(sumAt!), f.f32x4(0));
    f.advance(sumAt!, 16);
  });
  const band = (height: number): void => {
    f.set(xAt!, f.get(x!));
    f.set(dyAt!, f.get(dy!));
    f.set(sumAt!, f.get(sums!));
    f.repeat(blocks, () => {
      for (const first of chunks) {
        const taken = all.slice(0, s.taps.length - first);
        for (const [i, sum] of taken.entries())
          f.set(sum, f.load('v128.load', f.get(sumAt!), 16 * (first + i)));
        f.set(xPixel!, f.get(xAt!));
        f.set(dyPixel!, f.get(dyAt!));
        f.repeat(height, () => {
          f.repeat(s.columns, () => {
            f.set(hand, f.load('v128.load', f.get(dyPixel!)));
            for (const [i, sum] of taken.entries())
              addProduct(f, s.madd, sum, hand, () =>
                f.load('v128.load', f.get(xPixel!), s.taps[first + i]!.from),
              );
            f.advance(xPixel!, s.x[0]);
            f.advance(dyPixel!, s.dy[0]);
          });
          f.advance(xPixel!, s.x[1] - s.columns * s.x[0]);
          f.advance(dyPixel!, s.dy[1] - s.columns * s.dy[0]);
        });
        for (const [i, sum] of taken.entries())
          f.store('v128.store', f.get(sumAt!), f.get(sum), 16 * (first + i));
      }
      f.advance(xAt!, 16);
      f.advance(dyAt!, 16);
      f.advance(sumAt!, 16 * s.taps.length);
    });
    f.advance(x!, height * s.x[1]);
    f.advance(dy!, height * s.dy[1]);
  };
  const rows = s.bands.reduce((sum, { size, count }) => sum + size * count, 0);
  f.repeat(s.pictures, () => {
    for (const { size, count } of s.bands) f.repeat(count, () => band(size));
    f.advance(x!, s.x[2] - rows * s.x[1]);
    f.advance(dy!, s.dy[2] - rows * s.dy[1]);
  });
  const write = (channels: number): void => {
    for (const [i, { to }] of s.taps.entries()) {
      for (let c = 0; c < channels; c++)
        f.store(
          'f32.store',
          f.get(dw!),
          f.load('f32.load', f.get(sums!), 16 * i + 4 * c),
          to + c * s.channelStep,
        );
    }
    f.advance(sums!, 16 * s.taps.length);
    f.advance(dw!, 4 * s.channelStep);
  };
  f.repeat(s.channels >> 2, () => write(4));
  if (s.channels & 3) write(s.channels & 3);
}
