/**
 * y[m,n] = requantize(Σₖ x[m,k]·w[n,k] + start[n])          conv2d-i8-6x8-wasm
 *
 *   x      as bytes ('u8') or counted from the zero point in 16 bits ('i16'), NHWC, a border of zero point around it;
 *          where it lies otherwise, each picture is copied first (frame-i8.ts)
 *   w      [outC/nr][kH][kW·inC/kr][nr][kr]           (pack-i8.ts)
 *   start  i32 [outC]     bias with the input's zero point folded in
 *   y      encoded or stored, any strides
 *
 * Order and inner loop: emit-conv-i8.ts. A row of the window is one run of kW·inC activations if they lie side by
 * side, else every cell of it is.
 * Exact: equal to reference. Sums wrap as an int32 does; requantize-f32.ts proves the rest.
 * An addition behind it is left to its own kernel: computed here, in four lanes, it takes longer.
 * Sources: Jacob et al. 2018, arXiv:1712.05877, §2.3 (zero points); docs/kernels.md.
 */
import type { EmittedOffer, KernelCall, Operand, Pad, Place } from '../call.ts';
import { encodedBytes } from '../encoding.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { type Reach, reachOf } from '../js/pack-i8.ts';
import { isEmpty, numbersOf } from '../js/views.ts';
import { isQuantizedProduct } from '../requantize.ts';
import type { FunctionRef } from './asm/function.ts';
import { type ConvSpec, emitConvI8, type Loop, type Order, type Taps } from './emit-conv-i8.ts';
import { epilogueSpec } from './epilogue-i8.ts';
import { framedBytes, frameI8 } from './frame-i8.ts';
import {
  groupsOf,
  packChannels,
  packedBytes,
  packWeights,
  type Runs,
  type WeightCentres,
  weightCentres,
} from './pack-i8.ts';
import type { Program } from './program.ts';
import { type F32Requantizer, proveRequantizer } from './requantize-f32.ts';
import { dotReason, type Target } from './target.ts';
import { emitWindowSums, sumsSlack, type WindowSumsSpec } from './window-sums-i8.ts';

export function offerConv2dI8(call: KernelCall, target: Target, choice?: string): EmittedOffer | null {
  const { arithmetic: op, following } = call;
  const [, w, bias] = call.inputs;
  if (op.kind !== 'conv2d' || op.groups !== 1 || following || isEmpty(call)) return null;
  if (!isQuantizedProduct(call) || !numbersOf(w) || (bias && !numbersOf(bias))) return null;
  const g = windowGeometry(call);
  const depth = g.kH * g.kW * g.inC;
  const weights = weightCentres(call, depth, target);
  if (!weights) return null;
  const reach = reachOf(call, depth, depth, 1);
  const requantizer = proveRequantizer(call, reach.ends, op.clamp, target.madd);
  if (!requantizer) return null;
  const conv: Conv = { call, g, weights, reach, requantizer, target };
  return offerOf(conv, tileOf(conv, choice));
}

/** What is known before there are places. */
interface Conv {
  readonly call: KernelCall;
  readonly g: WindowGeometry;
  readonly weights: WeightCentres;
  readonly reach: Reach;
  readonly requantizer: F32Requantizer;
  readonly target: Target;
}

interface Tile {
  readonly mr: number;
  readonly nr: number;
  readonly order: Order;
}

/** Weights that leave the rest of a near cache to activations, in bytes. */
const manyWeights = 2 ** 18;

/** Shape of the tile as far as the registers reach: 12 sums of 'u8', 8 of 'i16', besides weights and activations. */
function tileOf({ g, target }: Conv, choice: string | undefined): Tile {
  const pixels = g.n * g.outH * g.outW;
  const weights = g.kH * g.kW * g.inC * g.outC;
  const known = choicesOf(target).find((name) => name === choice);
  const [tile, order = weights > manyWeights && weights > pixels * g.outC ? 'channels' : 'pixels'] =
    known?.split('-') ?? [];
  const [mr, nr] = tile?.split('x').map(Number) ?? sizeOf(pixels, target);
  return { mr, nr, order: order as Order };
}

function choicesOf({ dot }: Target): readonly string[] {
  return dot === 'u8' ? ['6x8', '5x8', '4x8', '6x8-channels'] : ['4x8', '3x8', '4x8-channels'];
}

function sizeOf(pixels: number, { dot }: Target): [mr: number, nr: number] {
  if (pixels === 1) return [1, 32];
  if (pixels === 2) return [2, 16];
  return [dot === 'u8' ? 6 : 4, 8];
}

function offerOf(conv: Conv, tile: Tile): EmittedOffer {
  const { call, g, weights, target } = conv;
  const [x] = call.inputs;
  const border = borderOf(g);
  const { top, left, bottom, right } = border;
  const sumsBytes = weights.windowFactor === 0 ? 0 : align(g.n * g.outH * g.outW * 4 + sumsSlack);
  return {
    kernel: `conv2d-i8-${tile.mr}x${tile.nr}-wasm`,
    reason: dotReason(target),
    choices: choicesOf(target),
    strided: true,
    encoding: target.encoding,
    ...(top + left + bottom + right > 0 && { border }),
    scratch: (ready) => sumsBytes + (ready ? 0 : align(framedBytes(x, border, target.encoding))),
    emit: (program, [place], output, scratch) => {
      const windowSums = sumsBytes > 0 ? scratch : null;
      const from = place!;
      if (liesReady(x, from, border, target)) {
        const calls = convCalls(program, conv, tile, g.n, from, output, windowSums);
        program.step(...calls(0));
        return;
      }
      const frame = frameI8(program, x, from, border, target.encoding, scratch + sumsBytes);
      const calls = convCalls(program, conv, tile, 1, frame.place, output, windowSums);
      program.step(...Array.from({ length: g.n }, (_, n) => [frame.call(n), ...calls(n)]).flat());
    },
  };
}

type Call = readonly [FunctionRef, ...number[]];

/** The calls for `pictures` pictures of an input that lies ready, and of the outputs from picture n on. */
function convCalls(
  program: Program,
  { call, g, weights, reach, requantizer, target }: Conv,
  { mr, nr, order }: Tile,
  pictures: number,
  x: Place,
  y: Place,
  windowSums: number | null,
): (n: number) => Call[] {
  const size = encodedBytes(call.inputs[0], target.encoding);
  const { taps, runs } = tapsOf(g, x, size, target);
  const first = x.address - (g.padTop * x.strides[1] + g.padLeft * x.strides[2]) * size;
  const extents = [pictures, g.outH, g.outW];
  const stride = [1, g.strideH, g.strideW];
  const xSteps = extents.map((_, axis) => x.strides[axis] * stride[axis] * size);
  const windowSteps = [g.outH * g.outW * 4, g.outW * 4, 4];
  const operands = [
    { address: first, steps: xSteps, next: 0 },
    operandOf(call.output, y),
    ...(windowSums === null ? [] : [{ address: windowSums, steps: windowSteps, next: 0 }]),
  ];
  const spec: ConvSpec = {
    dot: target.dot,
    loops: loopsOf(
      extents,
      operands.map(({ steps }) => steps),
    ),
    order,
    mr,
    nr,
    outC: g.outC,
    taps,
    windowSums: windowSums !== null,
    epilogue: epilogueSpec(requantizer, call.output, y.encoding, target),
  };
  const packed = program.constant(packedBytes(g.outC, runs, target), (bytes) =>
    packWeights(bytes, call, weights.centres, runs, nr, target),
  );
  const channels = program.constantOf(packChannels(call, reach, requantizer, target));
  const kernel = program.kernel('conv2d-i8', spec, 2 + operands.length, emitConvI8);
  const conv = (n: number): Call => [
    kernel,
    packed,
    channels,
    ...operands.map(({ address, next }) => address + n * next),
  ];
  if (windowSums === null) return (n) => [conv(n)];
  const sums: WindowSumsSpec = {
    loops: loopsOf(extents, [xSteps, windowSteps]),
    taps,
    length: runs.length,
    factor: weights.windowFactor,
  };
  const sumUp = program.kernel('window-sums-i8', sums, 2, emitWindowSums);
  return (n) => [[sumUp, first, windowSums], conv(n)];
}

/** Where a tensor's pixels lie, and how far its pictures are apart. */
function operandOf(operand: Operand, { address, strides, encoding }: Place) {
  const size = encodedBytes(operand, encoding);
  const steps = strides.slice(0, 3).map((stride) => stride * size);
  return { address, steps, next: steps[0] };
}

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Cells that windows reach outside the picture. */
function borderOf(g: WindowGeometry): Pad {
  const { padTop, padLeft } = g;
  const bottom = (g.outH - 1) * g.strideH + (g.kH - 1) * g.dilationH + 1 - padTop - g.inH;
  const right = (g.outW - 1) * g.strideW + (g.kW - 1) * g.dilationW + 1 - padLeft - g.inW;
  return { top: padTop, left: padLeft, bottom: Math.max(0, bottom), right: Math.max(0, right) };
}

function liesReady(x: Operand, { encoding, border }: Place, want: Pad, target: Target): boolean {
  const isEncoded = encoding === target.encoding || (target.dot === 'u8' && x.dtype === 'u8');
  return (
    isEncoded &&
    border.top >= want.top &&
    border.left >= want.left &&
    border.bottom >= want.bottom &&
    border.right >= want.right
  );
}

function tapsOf(
  g: WindowGeometry,
  { strides }: Place,
  size: number,
  target: Target,
): { readonly taps: Taps; readonly runs: Runs } {
  const isRun = g.kW === 1 || (strides[2] === g.inC && g.dilationW === 1);
  const length = isRun ? g.kW * g.inC : g.inC;
  const columns = isRun ? 1 : g.kW;
  const isOne = isRun && strides[1] * g.dilationH === length; // a whole window lies side by side
  const rows = isOne ? 1 : g.kH;
  const runs = { runs: rows * columns, length: isOne ? g.kH * length : length };
  return {
    runs,
    taps: {
      rows,
      rowStep: rows === 1 ? 0 : strides[1] * g.dilationH * size,
      columns,
      columnStep: columns === 1 ? 0 : strides[2] * g.dilationW * size,
      groups: groupsOf(runs, target),
    },
  };
}

/** Loops over output pixels: one round disappears, and two in which all operands move evenly become one. */
function loopsOf(extents: readonly number[], steps: readonly (readonly number[])[]): readonly Loop[] {
  const loops: Loop[] = [];
  extents.forEach((count, axis) => {
    const own = steps.map((operand) => operand[axis]);
    const last = loops[loops.length - 1];
    if (last && count === 1) return;
    if (last && (last.count === 1 || last.steps.every((step, i) => step === own[i] * count)))
      loops[loops.length - 1] = { count: last.count * count, steps: own };
    else loops.push({ count, steps: own });
  });
  return loops;
}
