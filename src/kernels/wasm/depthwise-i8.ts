/**
 * y[y,x,c] = requantize(Σ_ky,kx x[y·s+ky, x·s+kx, c]·w[ky,kx,c] + start[c])        multiplier 1
 *
 *   x  (h, w, c)            encoded (call.ts, `Encoding`); its border in place, or a copy in scratch with one
 *   w  (⌈c/4⌉, taps, 4)     bytes, the cells of a dot product side by side (pack-depthwise-i8.ts)
 *   k  (⌈c/4⌉)              [start ×4] and the constants of epilogue-i8.ts
 *   y  (outH, outW, c)      any encoding
 *
 *   u8    start[c] = bias[c] − zₓ′·Σ w[ky,kx,c],  zₓ′ = zₓ as encoded
 *   i16   start[c] = bias[c]
 *
 * Order: rows of outputs, blocks of channels, then along the row: a window's cells are read from rows that are
 * still in cache, and a block's constants once a row.
 *
 *   slide   windows up to 5×5 that touch: cells are put in lanes once for all outputs that see them
 *   taps    any other window
 *
 * With one input channel this is a convolution, and its kernel does it. Other multipliers are left to the next set.
 *
 * Exact: sums wrap in int32 as reference; requantize-f32.ts.
 */

import type { NumberData } from '../../tensor.ts';
import type { EmittedOffer, KernelCall, Place } from '../call.ts';
import { noPad } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { reachOf } from '../js/pack-i8.ts';
import { hasBorder, wantedBorder } from '../js/pixels.ts';
import { isFastProduct } from '../js/requantize-f64.ts';
import { isEmpty, numbersOf } from '../js/views.ts';
import type { FunctionRef } from './asm/function.ts';
import { offerConv2dI8 } from './conv2d-i8.ts';
import { epilogueSpec, groupBytes } from './epilogue-i8.ts';
import { framedBytes, frameI8 } from './frame-i8.ts';
import { packDepthwise, partsOf } from './pack-depthwise-i8.ts';
import { packChannels } from './pack-i8.ts';
import type { Program } from './program.ts';
import { proveRequantizer } from './requantize-f32.ts';
import { buildSlide, type SlideShape, type SlideSpec, slideTaps } from './slide-depthwise-i8.ts';
import { buildTaps, type TapsSpec, tapsOver, tapsTaps } from './taps-depthwise-i8.ts';
import { dotReason, type Target } from './target.ts';

export function offerDepthwiseI8(call: KernelCall, target: Target, choice?: string): EmittedOffer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d' || call.following?.length || !isFastProduct(call) || isEmpty(call))
    return null;
  if (!numbersOf(inputs[1]) || (inputs[2] && !numbersOf(inputs[2]))) return null;
  const g = windowGeometry(call);
  if (g.inC === 1) return offerConv2dI8(asConvolution(call), target, choice);
  if (g.inC !== g.outC) return null;
  const [x] = inputs;
  const border = wantedBorder(g);
  const shape = slideShape(g, target);
  const tile = shape ? `${shape.tile.join('x')}x${shape.block}` : 'taps';
  const liesRight = (place: Place): boolean =>
    encodedBytes(x, place.encoding) === encodedBytes(x, target.encoding) &&
    encodingOffset(x, place.encoding) === encodingOffset(x, target.encoding) &&
    hasBorder(place.border, g);
  return {
    kernel: `depthwise-i8-${g.kH}x${g.kW}-${tile}-wasm`,
    reason: dotReason(target),
    strided: true,
    encoding: target.encoding,
    ...(border && { border }),
    scratch: (ready) => (ready ? 0 : framedBytes(x, border ?? noPad, target.encoding)),
    emit: (program, [place], y, scratch) => {
      const calls: Call[] = [];
      if (liesRight(place!)) {
        const emit = layerCode(program, { call, g, target, shape }, place!, y);
        for (let n = 0; n < g.n; n++) calls.push(...emit(n, n));
      } else {
        const frame = frameI8(program, x, place!, border ?? noPad, target.encoding, scratch);
        const emit = layerCode(program, { call, g, target, shape }, frame.place, y);
        for (let n = 0; n < g.n; n++) calls.push(frame.call(n), ...emit(0, n));
      }
      program.step(...calls);
    },
  };
}

type Call = readonly [FunctionRef, ...number[]];

interface Layer {
  readonly call: KernelCall;
  readonly g: WindowGeometry;
  readonly target: Target;
  /** null: by taps. */
  readonly shape: SlideShape | null;
}

/** How the window slides, or null where it does not. Measured on x86: two rows of outputs pay where dot products take four cells. */
function slideShape(g: WindowGeometry, { dot }: Target): SlideShape | null {
  const { kH, kW, strideH, strideW, outH, outW } = g;
  if (g.dilationW !== 1 || kW > 5 || kH > 5 || strideW > kW || kH * kW === 1) return null;
  const along = { dot, kernel: [kH, kW], stride: [strideH, strideW], transposed: false } as const;
  const pixels = Math.min(outW, 2);
  const keep = kH * kW <= 9;
  if (dot === 'u8') {
    // Of few rows, an odd one computed twice costs more than it saves.
    const rows = strideH === 1 && g.dilationH === 1 && outH > 1 && (outH % 2 === 0 || outH > 5) ? 2 : 1;
    return { ...along, tile: [rows, pixels], block: 8, keep: keep && rows === 1 && strideW === 1 };
  }
  if (strideW > 1 && keep) return { ...along, tile: [1, 1], block: 8, keep };
  // Weights, cells and sums of four channels stay in registers. Short rows waste the columns loaded in front.
  if (outW >= 6 || outH < 2 * outW || g.dilationH > 1) return { ...along, tile: [1, pixels], block: 4, keep };
  return {
    ...along,
    kernel: [kW, kH],
    stride: [strideW, strideH],
    transposed: true,
    tile: [1, 3 - Math.min(strideH, 2)],
    block: 4,
    keep,
  };
}

/** Packs the constants; gives the calls that compute a picture of y from a picture of x. */
function layerCode(
  program: Program,
  { call, g, target, shape }: Layer,
  x: Place,
  y: Place,
): (from: number, to: number) => Call[] {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'depthwiseConv2d') return () => [];
  const taps = shape ? slideTaps(shape) : tapsTaps(target.dot, [g.kH, g.kW]);
  const block = shape?.block ?? 8;
  const reach = reachOf(call, g.kH * g.kW, 1, g.outC);
  const requantizer = proveRequantizer(call, reach.ends, op.clamp, target.madd)!;
  const channelsAt = program.constantOf(packChannels(call, reach, requantizer, target));
  const channelBytes = 16 + groupBytes(requantizer.form);
  const epilogue = epilogueSpec(requantizer, output, y.encoding, target);
  const inBytes = encodedBytes(inputs[0], x.encoding);
  const outBytes = encodedBytes(output, y.encoding);
  const [inPicture, inRow, inPixel] = x.strides.map((stride) => stride * inBytes);
  const [outPicture, outRow, outPixel] = y.strides.map((stride) => stride * outBytes);
  const corner = x.address - g.padTop * inRow - g.padLeft * inPixel;
  const kernelFor = (channels: number, over: readonly number[]): FunctionRef => {
    const common = { channels, over, epilogue };
    if (shape) {
      const turned = shape.transposed;
      const spec: SlideSpec = {
        ...shape,
        ...common,
        out: turned ? [g.outW, g.outH] : [g.outH, g.outW],
        inRow: turned ? inPixel : g.dilationH * inRow,
        inStep: turned ? g.strideW * inPixel : g.strideH * inRow,
        inPixel: turned ? inRow : inPixel,
        outRow: turned ? outPixel : outRow,
        outPixel: turned ? outRow : outPixel,
      };
      return program.kernel('depthwise-i8-slide', spec, 5, buildSlide);
    }
    const spec: TapsSpec = {
      ...common,
      dot: target.dot,
      kernel: [g.kH, g.kW],
      out: [g.outH, g.outW],
      tapRow: g.dilationH * inRow,
      tapPixel: g.dilationW * inPixel,
      inStep: g.strideH * inRow,
      inPixelStep: g.strideW * inPixel,
      outRow,
      outPixel,
    };
    return program.kernel('depthwise-i8-taps', spec, 5, buildTaps);
  };
  const parts = partsOf(call, taps, block, target).map((part) => {
    const over = shape ? part.over : tapsOver([g.kH, g.kW], taps, part.over);
    const weightsAt = program.constantOf(packDepthwise(call, taps, { ...part, over }, target));
    const { first, blocks, channels } = part;
    return { kernel: kernelFor(channels, over), weightsAt, first, blocks };
  });
  return (from, to) =>
    parts.map(({ kernel, weightsAt, first, blocks }) => [
      kernel,
      corner + from * inPicture + first * inBytes,
      y.address + to * outPicture + first * outBytes,
      channelsAt + (first / 4) * channelBytes,
      weightsAt,
      blocks,
    ]);
}

/** One input channel: every output channel reads it whole. */
function asConvolution(call: KernelCall): KernelCall {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'depthwiseConv2d') return call;
  const [x, w, ...bias] = inputs;
  const [, kH, kW, outC] = w.shape as [number, number, number, number];
  const data = numbersOf(w) as NumberData; // (kH·kW, outC)
  const transposed = data.slice(); // (outC, kH·kW)
  const taps = kH * kW;
  for (let t = 0, i = 0; t < taps; t++)
    for (let c = 0; c < outC; c++, i++) transposed[c * taps + t] = data[i];
  const quantization = w.quantization && { ...w.quantization, axis: 0 };
  const weights = { ...w, shape: [outC, kH, kW, 1], quantization, data: transposed };
  return { ...call, arithmetic: { ...op, kind: 'conv2d', groups: 1 }, inputs: [x, weights, ...bias] };
}
