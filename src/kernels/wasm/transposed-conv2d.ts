/**
 * y[n,oh,ow,oc] = clamp(bias[oc] + Σ x[n,ih,iw,ic]·w[oc,kh,kw,ic])      transposed-conv2d-f32-<mh>x<mw>x<nr>-wasm
 * over the taps with oh = ih·strideH − padTop + kh and ow = iw·strideW − padLeft + kw
 *
 * Outputs a stride apart see the same taps: those with kh ≡ oh + padTop (mod strideH). So there are strideH·strideW
 * plain convolutions of stride 1, one for each phase of the output, whose outputs lie a stride apart. Along an axis,
 * with stride 2 and 3 taps:
 *
 *   x        0     1     2          y even   x[t−1]·w[2] + x[t]·w[0]
 *   y      0  1  2  3  4  5  6      y odd    x[t]·w[1]
 *
 * Constant weights. Exact: see direct-conv-f32.ts; K counts the taps of a phase.
 */
import type { EmittedOffer, KernelCall, Pad, Place } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import type { Steps, Taps } from './direct-conv-f32.ts';
import { residualOf } from './epilogue-conv-f32.ts';
import { framedBytes } from './frame-conv-f32.ts';
import { packBias, packWeights } from './pack-f32.ts';
import type { Target } from './target.ts';
import { chooseTiling, type Extents } from './tiles-conv-f32.ts';
import { type Call, directCall, framedInput, layerOf, stepsOf } from './window-conv-f32.ts';

export function offerTransposedConv2d(
  call: KernelCall,
  target: Target,
  _choice?: string,
): EmittedOffer | null {
  const { arithmetic: op } = call;
  const layer = op.kind === 'transposedConv2d' ? layerOf(call, op.clamp) : null;
  if (!layer) return null;
  const { epilogue, w, bias } = layer;
  const g = windowGeometry(call);
  const down = phases(g.outH, g.inH, g.kH, g.strideH, g.padTop);
  const along = phases(g.outW, g.inW, g.kW, g.strideW, g.padLeft);
  const border = borderOf(down, along);
  const { shape } = call.inputs[0]!;
  const most = chooseTiling(extentsOf(g, down[0]!, along[0]!), target);
  return {
    kernel: `transposed-conv2d-f32-${most.name}-wasm`,
    strided: true,
    ...(border && { border, scratch: (ready: boolean) => (ready ? 0 : framedBytes(shape, border)) }),
    emit: (program, places, output, scratch) => {
      const calls: Call[] = [];
      const x = framedInput(program, places[0]!, shape, border, scratch, calls);
      const residual = residualOf(epilogue, places);
      const [, xRow, xPixel] = x.strides as [number, number, number];
      for (const h of down)
        for (const v of along) {
          const tiling = chooseTiling(extentsOf(g, h, v), target);
          const packed = { groups: 1, channels: g.outC, depth: depthOf(g, h, v), blocks: tiling.channels };
          const to = (place: Place): number =>
            place.address + 4 * (h.output * place.strides[1]! + v.output * place.strides[2]!);
          const window = {
            pictures: g.n,
            rows: h.count,
            columns: v.count,
            x: stepsOf(x, 0),
            y: apart(output, g),
            residual: residual && apart(residual, g),
            ...tapsOf(g, x, h, v),
          };
          const addresses = [
            x.address + 4 * (h.input * xRow + v.input * xPixel),
            packWeights(program, weightsOf(w, g, h, v), packed),
            packBias(program, bias, packed),
            to(output),
            residual ? to(residual) : 0,
          ];
          const { stages } = epilogue;
          calls.push(
            directCall(program, {
              madd: target.madd,
              window,
              tiling,
              groups: 1,
              channels: g.outC,
              stages,
              addresses,
            }),
          );
        }
      program.step(...calls);
    },
  };
}

/** Outputs a stride apart, along one axis. */
export interface Phase {
  /** The first output, and how many there are. */
  readonly output: number;
  readonly count: number;
  /** The input under the first tap of the first output; may lie outside. */
  readonly input: number;
  /** Taps in the order of the input. */
  readonly taps: readonly number[];
  readonly before: number;
  readonly after: number;
}

export function phases(out: number, size: number, kernel: number, stride: number, pad: number): Phase[] {
  return Array.from({ length: Math.min(stride, out) }, (_, output) => {
    const count = Math.ceil((out - output) / stride);
    const taps: number[] = [];
    for (let tap = (output + pad) % stride; tap < kernel; tap += stride) taps.unshift(tap);
    if (taps.length === 0) return { output, count, input: 0, taps, before: 0, after: 0 };
    const input = (output + pad - taps[0]!) / stride;
    const end = input + count - 1 + taps.length;
    return { output, count, input, taps, before: Math.max(0, -input), after: Math.max(0, end - size) };
  });
}

export function borderOf(down: readonly Phase[], along: readonly Phase[]): Pad | undefined {
  const most = (of: readonly Phase[], side: 'before' | 'after') =>
    Math.max(...of.map((phase) => phase[side]));
  const top = most(down, 'before');
  const left = most(along, 'before');
  const bottom = most(down, 'after');
  const right = most(along, 'after');
  return top + left + bottom + right === 0 ? undefined : { top, left, bottom, right };
}

export function depthOf(g: WindowGeometry, h: Phase, v: Phase): number {
  return h.taps.length * v.taps.length * g.inC;
}

export function extentsOf(g: WindowGeometry, h: Phase, v: Phase): Extents {
  return { rows: h.count, columns: v.count, vectors: Math.ceil(g.outC / 4), depth: depthOf(g, h, v) };
}

export function tapsOf(g: WindowGeometry, x: Place, h: Phase, v: Phase): { taps: Taps[]; run: number } {
  const [, xRow, xPixel] = x.strides as [number, number, number];
  if (depthOf(g, h, v) === 0) return { taps: [], run: 0 };
  const sideBySide = xPixel === g.inC;
  const taps = [
    { count: h.taps.length, step: 4 * xRow },
    { count: sideBySide ? 1 : v.taps.length, step: 4 * xPixel },
  ];
  return {
    taps: taps.filter(({ count }) => count > 1),
    run: sideBySide ? v.taps.length * g.inC : g.inC,
  };
}

/** Bytes between the outputs of a phase. */
export function apart(place: Place, g: WindowGeometry): Steps {
  const { picture, row, pixel } = stepsOf(place, 0);
  return { picture, row: g.strideH * row, pixel: g.strideW * pixel, group: 0 };
}

/** The taps of a phase: (outC, kH, kW, inC) ⇒ (outC, taps down, taps along, inC). */
function weightsOf(w: Float32Array, g: WindowGeometry, h: Phase, v: Phase): Float32Array {
  const part = new Float32Array(g.outC * depthOf(g, h, v));
  let at = 0;
  for (let oc = 0; oc < g.outC; oc++)
    for (const kh of h.taps)
      for (const kw of v.taps) {
        const from = ((oc * g.kH + kh) * g.kW + kw) * g.inC;
        part.set(w.subarray(from, from + g.inC), at);
        at += g.inC;
      }
  return part;
}
