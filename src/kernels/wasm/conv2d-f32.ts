/**
 * y[n,oh,ow,oc] = clamp(bias[oc] + Σ x[n,ih,iw,g·C+ic]·w[oc,kh,kw,ic])      conv2d-f32-<mh>x<mw>x<nr>-wasm
 *
 * Any window with constant weights, read where it lies in one of two ways:
 *
 *   direct     one product for each tap (direct-conv-f32.ts)
 *   winograd   3×3 of stride 1 with fewer products (winograd-f32.ts), where that is estimated to be faster
 *
 * Without the border in memory that the windows need, the input is copied with one into scratch first. Fused
 * behind it: an addition of a tensor of the output's shape, clamps, hardSwish.
 *
 * Exact: see those files.
 */
import type { EmittedOffer, KernelCall, Pad, Place } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import type { Taps } from './direct-conv-f32.ts';
import { residualOf } from './epilogue-conv-f32.ts';
import { framedBytes } from './frame-conv-f32.ts';
import { packBias, packWeights } from './pack-f32.ts';
import { maddReason, type Target } from './target.ts';
import { chooseTiling, type Extents, type Tiling, tilings } from './tiles-conv-f32.ts';
import {
  type Call,
  directCall,
  flattened,
  framedInput,
  type Layer,
  layerOf,
  stepsOf,
  type Window,
} from './window-conv-f32.ts';
import {
  buildWinograd,
  planWinograd,
  transformWeights,
  type WinogradPlan,
  type WinogradSpec,
  winogradScratch,
} from './winograd-f32.ts';

export function offerConv2dF32(call: KernelCall, target: Target, choice?: string): EmittedOffer | null {
  const { arithmetic: op } = call;
  const layer = op.kind === 'conv2d' ? layerOf(call, op.clamp) : null;
  if (!layer) return null;
  const g = windowGeometry(call);
  const best = tilings(extentsOf(g), target);
  const plan = planWinograd(g, target);
  if (plan && (choice === winograd || (choice === undefined && plan.cost < 0.9 * g.n * best[0]!.cost)))
    return { ...offerWinograd(layer, g, plan, target), choices: best.map(({ name }) => name) };
  const tiling = best.find(({ name }) => name === choice) ?? best[0]!;
  const others = best.filter((other) => other !== tiling).map(({ name }) => name);
  return { ...offerDirect(layer, g, tiling, target), choices: plan ? [winograd, ...others] : others };
}

const winograd = 'winograd';

/** What one picture's tiles cover; 1×1 windows lie side by side, as they nearly always do. */
export function extentsOf(g: WindowGeometry): Extents {
  const isFlat = isPointwise(g);
  return {
    rows: isFlat ? 1 : g.outH,
    columns: isFlat ? g.n * g.outH * g.outW : g.outW,
    vectors: Math.ceil(g.outC / g.groups / 4),
    depth: (g.kH * g.kW * g.inC) / g.groups,
  };
}

export function isPointwise(g: WindowGeometry): boolean {
  return g.kH * g.kW * g.strideH * g.strideW === 1 && !borderOf(g);
}

function offerDirect(
  { call, epilogue, w, bias }: Layer,
  g: WindowGeometry,
  usual: Tiling,
  target: Target,
): EmittedOffer {
  const { shape } = call.inputs[0]!;
  const channels = g.outC / g.groups;
  const depth = (g.kH * g.kW * g.inC) / g.groups;
  const border = borderOf(g);
  return {
    kernel: `conv2d-f32-${usual.name}-wasm`,
    reason: maddReason(target),
    strided: true,
    ...(border && { border, scratch: (ready: boolean) => (ready ? 0 : framedBytes(shape, border)) }),
    emit: (program, places, output, scratch) => {
      const calls: Call[] = [];
      const input = framedInput(program, places[0]!, shape, border, scratch, calls);
      const residual = residualOf(epilogue, places);
      const window = windowOf(g, input, output, residual);
      const isAsThought = !isPointwise(g) || window.rows * window.pictures === 1;
      const { rows, columns } = window;
      const tiling = isAsThought ? usual : chooseTiling({ ...extentsOf(g), rows, columns }, target);
      const packed = { groups: g.groups, channels, depth, blocks: tiling.channels };
      calls.push(
        directCall(program, {
          madd: target.madd,
          window,
          tiling,
          groups: g.groups,
          channels,
          stages: epilogue.stages,
          addresses: [
            firstTap(g, input),
            packWeights(program, w, packed),
            packBias(program, bias, packed),
            output.address,
            residual?.address ?? 0,
          ],
        }),
      );
      program.step(...calls);
    },
  };
}

function offerWinograd(
  { call, epilogue, w, bias }: Layer,
  g: WindowGeometry,
  plan: WinogradPlan,
  target: Target,
): EmittedOffer {
  const { shape } = call.inputs[0]!;
  const border = borderOf(g);
  const own = winogradScratch(plan);
  return {
    kernel: `conv2d-f32-winograd-${plan.tiles[0]!.size}x${4 * plan.blocks[0]!.size}-wasm`,
    reason: '36 products for 16 outputs instead of 144',
    strided: true,
    ...(border && { border }),
    scratch: (ready) => own + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, places, output, scratch) => {
      const calls: Call[] = [];
      const input = framedInput(program, places[0]!, shape, border, scratch + own, calls);
      const residual = residualOf(epilogue, places);
      const spec: WinogradSpec = {
        plan,
        madd: target.madd,
        pictures: g.n,
        x: stepsOf(input, 0),
        y: stepsOf(output, 0),
        residual: residual && stepsOf(residual, 0),
        stages: epilogue.stages,
      };
      const packed = { groups: 1, channels: g.outC, depth: 36 * g.inC, blocks: plan.blocks };
      calls.push([
        program.kernel('winograd-f32', spec, 6, buildWinograd),
        firstTap(g, input),
        packWeights(program, transformWeights(w, g.outC, g.inC), packed),
        packBias(program, bias, packed),
        output.address,
        residual?.address ?? 0,
        scratch,
      ]);
      program.step(...calls);
    },
  };
}

/** The address of the first tap of the first window. */
export function firstTap({ padTop, padLeft }: WindowGeometry, { address, strides }: Place): number {
  return address - 4 * (padTop * strides[1]! + padLeft * strides[2]!);
}

export function windowOf(g: WindowGeometry, x: Place, y: Place, residual: Place | null): Window {
  const depth = g.inC / g.groups;
  const channels = g.outC / g.groups;
  const [xPicture, xRow, xPixel] = x.strides.map((stride) => 4 * stride) as [number, number, number];
  const sideBySide = g.dilationW === 1 && xPixel === 4 * depth;
  const taps: Taps[] = [
    { count: g.kH, step: g.dilationH * xRow },
    { count: sideBySide ? 1 : g.kW, step: g.dilationW * xPixel },
  ];
  const window: Window = {
    pictures: g.n,
    rows: g.outH,
    columns: g.outW,
    x: { picture: xPicture, row: g.strideH * xRow, pixel: g.strideW * xPixel, group: 4 * depth },
    y: stepsOf(y, 4 * channels),
    residual: residual && stepsOf(residual, 4 * channels),
    taps: taps.filter(({ count }) => count > 1),
    run: sideBySide ? g.kW * depth : depth,
  };
  return isPointwise(g) ? flattened(window) : window;
}

/** The cells of windows outside the picture; undefined: none. */
export function borderOf(g: WindowGeometry): Pad | undefined {
  const bottom = Math.max(0, (g.outH - 1) * g.strideH + (g.kH - 1) * g.dilationH + 1 - g.inH - g.padTop);
  const right = Math.max(0, (g.outW - 1) * g.strideW + (g.kW - 1) * g.dilationW + 1 - g.inW - g.padLeft);
  if (g.padTop + g.padLeft + bottom + right === 0) return undefined;
  return { top: g.padTop, left: g.padLeft, bottom, right };
}
