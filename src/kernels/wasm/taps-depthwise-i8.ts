/**
 * A depthwise window of any kind, one output pixel and up to eight channels at a time.
 *
 *   sum = start
 *   for each 4 taps (i16: 2):   sum += dot(weights, their cells side by side)
 *
 * Up to `mostUnrolled` taps are one list, cut into fours; a larger window is a loop over its rows with a loop over
 * fours of each row inside.
 */
import type { Pair } from '../call.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import { Epilogue, type EpilogueSpec, groupBytes } from './epilogue-i8.ts';
import { laneLoader } from './lanes-depthwise-i8.ts';
import { type LaneTaps, vectorsOf } from './pack-depthwise-i8.ts';
import type { Parameters } from './program.ts';
import type { Target } from './target.ts';

const mostUnrolled = 32;

export interface TapsSpec {
  readonly [key: string]: unknown;
  readonly dot: Target['dot'];
  readonly kernel: Pair;
  readonly out: Pair;
  readonly channels: number;
  /** Bytes from tap to tap, and from window to window. */
  readonly tapRow: number;
  readonly tapPixel: number;
  readonly inStep: number;
  readonly inPixelStep: number;
  readonly outRow: number;
  readonly outPixel: number;
  /** As in pack-depthwise-i8.ts; in a loop all vectors are in it equally often. */
  readonly over: readonly number[];
  readonly epilogue: EpilogueSpec;
}

const isUnrolled = ([kH, kW]: Pair): boolean => kH * kW <= mostUnrolled;

export function tapsTaps(dot: Target['dot'], kernel: Pair): LaneTaps {
  const [kH, kW] = kernel;
  const lanes = dot === 'u8' ? 4 : 2;
  const [runs, length] = isUnrolled(kernel) ? [1, kH * kW] : [kH, kW];
  const taps: number[][] = [];
  for (let run = 0; run < runs; run++)
    for (let first = 0; first < length; first += lanes)
      taps.push(
        Array.from({ length: lanes }, (_, lane) =>
          first + lane < length ? run * length + first + lane : -1,
        ),
      );
  return taps;
}

/** What does not fit, as the code for this window takes it. */
export function tapsOver(kernel: Pair, taps: LaneTaps, over: readonly number[]): readonly number[] {
  if (isUnrolled(kernel)) return over;
  const times = Math.max(0, ...over.map((v) => over.filter((other) => other === v).length));
  return Array.from({ length: times * taps.length }, (_, i) => i % taps.length);
}

export function buildTaps(
  f: FunctionBuilder,
  spec: TapsSpec,
  [x, y, channels, weights, blocks]: Parameters,
): void {
  const { dot, kernel, out, over } = spec;
  const [kH, kW] = kernel;
  const lanes = dot === 'u8' ? 4 : 2;
  const groups = spec.channels > 4 ? 2 : 1;
  const taps = tapsTaps(dot, kernel);
  const channelBytes = 16 + groupBytes(spec.epilogue.form);
  const weightBytes = 16 * (taps.length + over.length);
  const [rowX, rowY, blockX, blockY, atX, atY, atC, atW, tapX, tapRow, tapW, left] = f.locals('i32', 12);
  const epilogue = new Epilogue(f, spec.epilogue);
  const sums = f.locals('v128', groups);
  const cells = f.locals('v128', groups);
  const unrolled = isUnrolled(kernel);
  const load = laneLoader(f, dot, groups, unrolled ? atX : tapX);

  const dots = (from: Local<'i32'>, offsets: readonly number[]): void => {
    sums.forEach((sum, g) => {
      for (const offset of offsets) {
        const weight = () => f.load('v128.load', f.get(from), offset + g * weightBytes);
        f.set(
          sum,
          dot === 'u8'
            ? f.op('i32x4.relaxed_dot_i8x16_i7x16_add_s', weight(), f.get(cells[g]), f.get(sum))
            : f.op('i32x4.add', f.get(sum), f.op('i32x4.dot_i16x8_s', weight(), f.get(cells[g]))),
        );
      }
    });
  };
  const sumUnrolled = (): void => {
    taps.forEach((lanesOf, v) => {
      const offsets = lanesOf
        .filter((tap) => tap >= 0)
        .map((tap) => Math.floor(tap / kW) * spec.tapRow + (tap % kW) * spec.tapPixel);
      load(offsets, cells);
      dots(
        atW,
        vectorsOf(v, taps, over).map((vector) => 16 * vector),
      );
    });
  };
  const sumInLoops = (): void => {
    const offsets = Array.from({ length: 1 + over.length / taps.length }, (_, i) => 16 * i * taps.length);
    const group = (count: number): void => {
      load(
        Array.from({ length: count }, (_, i) => i * spec.tapPixel),
        cells,
      );
      dots(tapW, offsets);
      f.advance(tapW, 16);
    };
    f.set(tapRow, f.get(atX));
    f.set(tapW, f.get(atW));
    f.repeat(kH, () => {
      f.set(tapX, f.get(tapRow));
      f.repeat(Math.floor(kW / lanes), () => {
        group(lanes);
        f.advance(tapX, lanes * spec.tapPixel);
      });
      if (kW % lanes > 0) group(kW % lanes);
      f.advance(tapRow, spec.tapRow);
    });
  };

  f.set(rowX, f.get(x!));
  f.set(rowY, f.get(y!));
  f.repeat(out[0], () => {
    f.set(blockX, f.get(rowX));
    f.set(blockY, f.get(rowY));
    f.set(atC, f.get(channels!));
    f.set(atW, f.get(weights!));
    f.set(left, f.get(blocks!));
    f.loop((again) => {
      f.set(atX, f.get(blockX));
      f.set(atY, f.get(blockY));
      f.repeat(out[1], () => {
        sums.forEach((sum, g) => {
          f.set(sum, f.load('v128.load', f.get(atC), g * channelBytes));
        });
        if (unrolled) sumUnrolled();
        else sumInLoops();
        sums.forEach((sum, g) => {
          epilogue.requantize(sum, atC, g * channelBytes + 16);
        });
        epilogue.store(sums, spec.channels, () => f.get(atY), 0);
        f.advance(atX, spec.inPixelStep);
        f.advance(atY, spec.outPixel);
      });
      f.advance(blockX, spec.channels * (dot === 'u8' ? 1 : 2));
      f.advance(blockY, spec.channels * (spec.epilogue.wide ? 2 : 1));
      f.advance(atC, groups * channelBytes);
      f.advance(atW, groups * weightBytes);
      f.brIf(again, f.tee(left, f.op('i32.sub', f.get(left), f.i32(1))));
    });
    f.advance(rowX, spec.inStep);
    f.advance(rowY, spec.outRow);
  });
}
