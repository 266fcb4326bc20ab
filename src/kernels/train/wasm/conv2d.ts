/**
 * Convolutions whose weights change, by the direct kernel (direct-conv-f32.ts):   conv2d-f32-<mh>x<mw>x<nr>-packing-wasm
 *
 *   conv2d             y = clamp(bias + Σ x·w), any window; dense is one of 1×1 over its rows
 *   transposedConvNd   the gradient of a convolution by its input, of two spatial axes, one group, no dilation:
 *                      the phases of transposed-conv2d.ts, with the weights' axes o and i exchanged while packing
 *
 * 3×3 of stride 1 by Winograd where that is estimated to be faster, as for constant weights (winograd.ts).
 * Weights are packed into scratch at the start of each run: K·outC moves for n·outH·outW·K·outC products.
 * Exact: see direct-conv-f32.ts.
 */
import { elementCount } from '../../../tensor.ts';
import { type EmittedOffer, type KernelCall, noPad, type Operand, type Place } from '../../call.ts';
import { type WindowGeometry, windowGeometry } from '../../geometry.ts';
import { isEmpty, isFloat } from '../../js/views.ts';
import { borderOf, extentsOf, firstTap, isPointwise, windowOf } from '../../wasm/conv2d-f32.ts';
import { epilogueOf, residualOf } from '../../wasm/epilogue-conv-f32.ts';
import { framedBytes } from '../../wasm/frame-conv-f32.ts';
import type { PackedShape } from '../../wasm/pack-f32.ts';
import type { Target } from '../../wasm/target.ts';
import { chooseTiling } from '../../wasm/tiles-conv-f32.ts';
import * as transposed from '../../wasm/transposed-conv2d.ts';
import { type Call, directCall, framedInput, stepsOf } from '../../wasm/window-conv-f32.ts';
import { planWinograd } from '../../wasm/winograd-f32.ts';
import { packCall, packedBytes } from './pack.ts';
import { type Kernels, offerWinograd } from './winograd.ts';

const slack = 64; // bytes behind packed weights, which vectors may cover

/** The choice that is no Winograd. */
const direct = 'direct';

/** Of weights (o, 3, 3, i): those of the layer itself, or of its gradient, where o and i change places. */
function kernelsOf(strides: readonly number[], exchanged: boolean): Kernels {
  const [out, row, pixel, depth] = strides.map((stride) => 4 * stride) as [number, number, number, number];
  const taps = Array.from({ length: 9 }, (_, i) => Math.floor(i / 3) * row + (i % 3) * pixel);
  if (!exchanged) return { channelStep: out, depthStep: depth, taps };
  return { channelStep: depth, depthStep: out, taps: taps.reverse() };
}

export function offerConv2d(call: KernelCall, target: Target, choice?: string): EmittedOffer | null {
  const { arithmetic: op, inputs } = call;
  if (op.kind !== 'conv2d' || !isFloat(call) || isEmpty(call) || inputs[1]!.data) return null;
  const epilogue = epilogueOf(call, op.clamp);
  if (!epilogue) return null;
  const own = inputs.length - (call.following ?? []).reduce((sum, { others }) => sum + others, 0);
  const g = windowGeometry(call);
  const { shape } = inputs[0]!;
  const channels = g.outC / g.groups;
  const depth = (g.kH * g.kW * g.inC) / g.groups;
  const border = borderOf(g);
  const usual = chooseTiling(extentsOf(g), target);
  const plan = planWinograd(g, target);
  if (plan && choice !== direct && plan.cost < 0.9 * g.n * usual.cost) {
    const layer = { g, shape, plan, border, epilogue, hasBias: own > 2, name: 'conv2d-f32' };
    return offerWinograd(layer, target, ({ strides }) => kernelsOf(strides, false));
  }
  // Any tiling's blocks have as many vectors together.
  const lanes = 4 * Math.ceil(channels / 4);
  const weightBytes = g.groups * lanes * depth * 4 + slack;
  const biasBytes = g.groups * lanes * 4 + slack;
  const own16 = Math.ceil((weightBytes + biasBytes) / 16) * 16;
  return {
    kernel: `conv2d-f32-${usual.name}-packing-wasm`,
    strided: true,
    ...(border && { border }),
    scratch: (ready) => own16 + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, places, output, scratch) => {
      const calls: Call[] = [];
      const input = framedInput(program, places[0]!, shape, border, scratch + own16, calls);
      const residual = residualOf(epilogue, places);
      const window = windowOf(g, input, output, residual);
      const isAsThought = !isPointwise(g) || window.rows * window.pictures === 1;
      const { rows, columns } = window;
      const tiling = isAsThought ? usual : chooseTiling({ ...extentsOf(g), rows, columns }, target);
      const packed: PackedShape = { groups: g.groups, channels, depth, blocks: tiling.channels };
      const { address: w, strides } = places[1]!;
      const [wOut, wRow, wPixel, wIn] = strides.map((stride) => 4 * stride) as [
        number,
        number,
        number,
        number,
      ];
      calls.push(
        packCall(
          program,
          packed,
          {
            groupStep: channels * wOut,
            channelStep: wOut,
            dimensions: [
              { count: g.kH, step: wRow },
              { count: g.kW, step: wPixel },
              { count: g.inC / g.groups, step: wIn },
            ],
          },
          w,
          scratch,
        ),
      );
      let bias = scratch + Math.ceil(weightBytes / 16) * 16;
      if (own < 3) bias = program.constantOf(new Float32Array(g.groups * lanes));
      else
        calls.push(
          packCall(
            program,
            { ...packed, depth: 1 },
            { groupStep: 4 * channels, channelStep: 4, dimensions: [] },
            places[2]!.address,
            bias,
          ),
        );
      calls.push(
        directCall(program, {
          madd: target.madd,
          window,
          tiling,
          groups: g.groups,
          channels,
          stages: epilogue.stages,
          addresses: [firstTap(g, input), scratch, bias, output.address, residual?.address ?? 0],
        }),
      );
      program.step(...calls);
    },
  };
}

/** x (…, K) is K channels of M pixels; w (N, K) is N kernels of 1×1. */
export function offerDense(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'dense' || following) return null;
  const [N, K] = inputs[1]!.shape as [number, number];
  const M = elementCount(output.shape) / N;
  const [x, w, ...bias] = inputs as [Operand, Operand, ...Operand[]];
  const offer = offerConv2d(
    {
      arithmetic: { ...op, kind: 'conv2d', stride: [1, 1], dilation: [1, 1], pad: noPad, groups: 1 },
      inputs: [{ ...x, shape: [1, 1, M, K] }, { ...w, shape: [N, 1, 1, K] }, ...bias],
      output: { ...output, shape: [1, 1, M, N] },
    },
    target,
  );
  if (!offer) return null;
  const flat = (place: Place, channels: number, rows = M): Place => ({
    ...place,
    strides: [rows * channels, rows * channels, channels, 1],
  });
  return {
    ...offer,
    strided: false,
    emit: (program, [x, w, ...others], y, scratch) =>
      offer.emit(program, [flat(x!, K), flat(w!, K, 1), ...others], flat(y, N), scratch),
  };
}

export function offerConv2dInput(call: KernelCall, target: Target, choice?: string): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'transposedConvNd' || following || !isFloat(call) || isEmpty(call)) return null;
  if (op.groups !== 1 || output.shape.length !== 4 || op.dilation.some((d) => d !== 1)) return null;
  if (inputs.length > 2) return null;
  const [n, inH, inW, inC] = inputs[0]!.shape as [number, number, number, number];
  const [, outH, outW, outC] = output.shape as [number, number, number, number];
  const [, kH, kW] = inputs[1]!.shape as [number, number, number, number];
  const [strideH, strideW] = op.stride as [number, number];
  const [padTop, padLeft] = op.before as [number, number];
  const extents = { n, inH, inW, inC, outH, outW, outC, kH, kW };
  const g: WindowGeometry = {
    ...extents,
    strideH,
    strideW,
    dilationH: 1,
    dilationW: 1,
    padTop,
    padLeft,
    groups: 1,
  };
  const down = transposed.phases(outH, inH, kH, strideH, padTop);
  const along = transposed.phases(outW, inW, kW, strideW, padLeft);
  const border = transposed.borderOf(down, along);
  const { shape } = inputs[0]!;
  const most = chooseTiling(transposed.extentsOf(g, down[0]!, along[0]!), target);
  if (strideH * strideW === 1 && padTop < kH && padLeft < kW && choice !== direct) {
    const whole = { ...g, padTop: kH - 1 - padTop, padLeft: kW - 1 - padLeft };
    const plan = planWinograd(whole, target);
    if (plan && plan.cost < 0.9 * n * most.cost) {
      const epilogue = { stages: [], residual: -1 };
      const layer = { g: whole, shape, plan, border, epilogue, hasBias: false, name: 'conv2d-input-f32' };
      return offerWinograd(layer, target, ({ strides }) => kernelsOf(strides, true));
    }
  }
  // Each tap is packed once, for its phase.
  const lanes = 4 * Math.ceil(outC / 4);
  const own = Math.ceil((lanes * kH * kW * inC * 4 + slack * (down.length * along.length + 1)) / 16) * 16;
  return {
    kernel: `conv2d-input-f32-${most.name}-packing-wasm`,
    strided: true,
    ...(border && { border }),
    scratch: (ready) => own + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, places, y, scratch) => {
      const calls: Call[] = [];
      const x = framedInput(program, places[0]!, shape, border, scratch + own, calls);
      const [, xRow, xPixel] = x.strides as [number, number, number];
      const { address: w, strides } = places[1]!;
      const [wOut, wRow, wPixel] = strides.map((stride) => 4 * stride) as [number, number, number];
      const bias = program.constantOf(new Float32Array(lanes));
      let at = scratch;
      for (const h of down)
        for (const v of along) {
          const tiling = chooseTiling(transposed.extentsOf(g, h, v), target);
          const depth = transposed.depthOf(g, h, v);
          const packed: PackedShape = { groups: 1, channels: outC, depth, blocks: tiling.channels };
          if (depth > 0) {
            const source = {
              groupStep: 0,
              channelStep: 4,
              dimensions: [
                { count: h.taps.length, step: -strideH * wRow },
                { count: v.taps.length, step: -strideW * wPixel },
                { count: inC, step: wOut },
              ],
            };
            const first = w + h.taps[0]! * wRow + v.taps[0]! * wPixel;
            calls.push(packCall(program, packed, source, first, at));
          }
          const window = {
            pictures: n,
            rows: h.count,
            columns: v.count,
            x: stepsOf(x, 0),
            y: transposed.apart(y, g),
            residual: null,
            ...transposed.tapsOf(g, x, h, v),
          };
          const first = x.address + 4 * (h.input * xRow + v.input * xPixel);
          const to = y.address + 4 * (h.output * y.strides[1]! + v.output * y.strides[2]!);
          calls.push(
            directCall(program, {
              madd: target.madd,
              window,
              tiling,
              groups: 1,
              channels: outC,
              stages: [],
              addresses: [first, at, bias, to, 0],
            }),
          );
          at += Math.ceil((packedBytes(packed) + 16) / 16) * 16;
        }
      program.step(...calls);
    },
  };
}
