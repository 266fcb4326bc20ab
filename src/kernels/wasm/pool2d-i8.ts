/**
 * y[n,oh,ow,c] = clamp(max or mean of the cells of a window that lie inside the picture)
 *                                                        max-pool-i8-16-wasm, average-pool-i8-16-wasm
 *
 *   x, y   i8 or u8, NHWC, strided, any encoding; stored numbers are compared and averaged as they are
 *
 * Rectangles of outputs whose windows have one size are one call each (pool2d-f32.ts, window-i8.ts).
 * The mean of `count` cells is a staircase in their sum: halves away from zero, or, with halves to even, the real
 * mean quantised again, for which one product in f32 is tried on both sides of every step.
 * Exact: equal to reference.
 */
import type { EmittedOffer, KernelCall, Place } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import { windowGeometry } from '../geometry.ts';
import { isEmpty } from '../js/views.ts';
import {
  clampTo,
  isQuantized8,
  quantize,
  quantizedBounds,
  type Range,
  rangeOf,
  roundHalfEven,
  roundingOf,
  scaleOf,
  zeroPointOf,
} from '../requantize.ts';
import type { FunctionRef } from './asm/function.ts';
import { epilogueConstants } from './epilogue-i8.ts';
import { ulpsAway } from './fit-line.ts';
import { lieOf } from './lanes-i8.ts';
import { type LineI8, lineSpec, proveLine, requantizerOf } from './line-i8.ts';
import { runsOf } from './pool2d-f32.ts';
import type { Program } from './program.ts';
import type { Target } from './target.ts';
import { buildWindowsI8, type ExtremeSpec, type SumSpec, type WindowSpecI8 } from './window-i8.ts';

export function offerPool2dI8(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if ((op.kind !== 'maxPool2d' && op.kind !== 'averagePool2d') || following || isEmpty(call)) return null;
  const [input] = inputs;
  if (!isQuantized8(input) || !isQuantized8(output) || input.dtype !== output.dtype) return null;
  const g = windowGeometry(call);
  const high = runsOf(g.outH, g.strideH, g.padTop, g.kH, g.inH);
  const wide = runsOf(g.outW, g.strideW, g.padLeft, g.kW, g.inW);
  if ([...high, ...wide].some(({ cells }) => cells === 0)) return null;
  const isMax = op.kind === 'maxPool2d';
  const bounds = quantizedBounds(op.clamp, output, roundingOf(op.rounding));
  const counts = new Set(high.flatMap((h) => wide.map((w) => h.cells * w.cells)));
  const means = new Map<number, SumFunction>();
  if (!isMax)
    for (const count of counts) {
      const mean =
        op.rounding === 'even' ? evenMean(call, count, bounds) : roundedMean(call, count, bounds, target);
      if (!mean) return null;
      means.set(count, mean);
    }
  return {
    kernel: `${isMax ? 'max' : 'average'}-pool-i8-16-wasm`,
    strided: true,
    encoding: target.encoding,
    emit: (program, [x], y) => {
      const size = encodedBytes(input, x!.encoding);
      const [xN, xH, xW] = x!.strides.map((stride) => size * stride) as [number, number, number];
      const outSize = encodedBytes(output, y.encoding);
      const [yN, yH, yW] = y.strides.map((stride) => outSize * stride) as [number, number, number];
      const calls: Call[] = [];
      for (const h of high)
        for (const w of wide) {
          const windows = {
            from: lieOf(input, x!.encoding),
            pictures: g.n,
            rows: h.count,
            columns: w.count,
            channels: g.outC,
            kH: h.cells,
            kW: w.cells,
            cell: [xW, xH],
            x: [w.step * xW, h.step * xH, xN],
            y: [yW, yH, yN],
          } as const;
          const from = x!.address + h.from * xH + w.from * xW;
          const to = y.address + h.first * yH + w.first * yW;
          calls.push(
            isMax
              ? extremeCall(program, call, windows, 'max', bounds, x!, y, from, to)
              : sumCall(program, call, windows, means.get(h.cells * w.cells)!, x!, y, target, from, to),
          );
        }
      program.step(...calls);
    },
  };
}

type Call = readonly [kernel: FunctionRef, ...values: number[]];
type Windows = Omit<WindowSpecI8, 'result'>;

export function extremeCall(
  program: Program,
  { inputs: [input], output }: KernelCall,
  windows: Windows,
  fn: 'max' | 'min',
  { lo, hi }: Range,
  x: Place,
  y: Place,
  from: number,
  to: number,
): Call {
  const offset = encodingOffset(input, x.encoding);
  const result: ExtremeSpec = {
    fn,
    lo: lo + offset,
    hi: hi + offset,
    to: lieOf(output, y.encoding),
    add: encodingOffset(output, y.encoding) - offset,
  };
  const spec = { ...windows, result };
  return [program.kernel('windows-i8', spec as WindowSpecI8, 2, buildWindowsI8), from, to];
}

/** What becomes of Σ x over so many cells, x as stored. */
export interface SumFunction extends LineI8 {
  readonly cells: number;
}

export function sumCall(
  program: Program,
  { inputs: [input], output }: KernelCall,
  windows: Windows,
  sum: SumFunction,
  x: Place,
  y: Place,
  target: Target,
  from: number,
  to: number,
): Call {
  const offset = encodingOffset(input, x.encoding);
  const { cells } = sum;
  const { lo, hi } = rangeOf(input.dtype);
  const lie = windows.from as WindowSpecI8['from'];
  // Bytes without a sign fill 16 bits without one.
  const farthest = Math.max((hi + offset) * cells, lie === 'u8' ? 0 : -(lo + offset) * cells);
  const result: SumSpec = {
    fn: 'sum',
    long: farthest > (lie === 'u8' ? 65535 : 32767),
    start: sum.start - offset * cells,
    epilogue: lineSpec(sum, output, y.encoding, target),
  };
  const constants = program.constantOf(epilogueConstants(sum.requantizer, 0, 4));
  const spec = { ...windows, result };
  return [program.kernel('windows-i8', spec as WindowSpecI8, 3, buildWindowsI8), from, to, constants];
}

/** A staircase in the sum of `cells` stored numbers; null where it is too steep for f32. */
export function proveSumFunction(
  { inputs: [input] }: KernelCall,
  cells: number,
  exact: (sum: number) => number,
  slope: number,
  bounds: Range,
  centre: number,
  target: Target,
): SumFunction | null {
  const { lo, hi } = rangeOf(input.dtype);
  const line = proveLine(exact, [lo * cells, hi * cells], slope, bounds, centre, target);
  return line && { ...line, cells };
}

/** sum / count in integers, halves away from zero. */
function roundedMean(call: KernelCall, count: number, bounds: Range, target: Target): SumFunction | null {
  const half = count >> 1;
  const exact = (sum: number): number => Math.trunc((sum > 0 ? sum + half : sum - half) / count);
  return proveSumFunction(call, count, exact, 1 / count, bounds, 0, target);
}

/** z_y + round([sₓ·Σ(x − zₓ)/count] / s_y), halves to even, as one product in f32. */
function evenMean({ inputs: [x], output }: KernelCall, cells: number, bounds: Range): SumFunction | null {
  const base = zeroPointOf(output);
  const zeros = cells * zeroPointOf(x);
  const { lo, hi } = rangeOf(x.dtype);
  const [from, to] = [lo * cells - zeros, hi * cells - zeros];
  const exact = (sum: number): number =>
    quantize((scaleOf(x) * sum) / cells, scaleOf(output), base, bounds, roundHalfEven);
  const slope = scaleOf(x) / (scaleOf(output) * cells);
  for (const ulps of [0, 1, -1, 2, -2]) {
    const scale = ulpsAway(Math.fround(slope), ulps);
    const fast = (sum: number): number =>
      clampTo(bounds, base + roundHalfEven(Math.fround(Math.fround(sum) * scale)));
    if (!agree(exact, fast, from, to, slope)) continue;
    const requantizer = requantizerOf('even', base, bounds, { scale, bias: 0, negativeBias: 0 });
    return { requantizer, start: -zeros, madd: false, bounded: false, cells };
  }
  return null;
}

/** Two monotone functions of from…to are the same if they are on both sides of every step of one. */
function agree(
  exact: (n: number) => number,
  fast: (n: number) => number,
  from: number,
  to: number,
  slope: number,
): boolean {
  const last = exact(to);
  if (fast(from) !== exact(from) || fast(to) !== last) return false;
  for (let n = from, value = exact(from); value < last; ) {
    const before = n;
    n = Math.min(n + Math.floor(1 / slope), to);
    while (exact(n) <= value) n++;
    while (n > before && exact(n - 1) > value) n--;
    value = exact(n);
    if (fast(n) !== value || fast(n - 1) !== exact(n - 1)) return false;
  }
  return true;
}
