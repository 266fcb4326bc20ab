/** One function of an integer for all channels, as epilogue-i8.ts applies it: constants of one group of four. */
import type { Encoding, Operand } from '../call.ts';
import type { Range } from '../requantize.ts';
import { type EpilogueSpec, epilogueSpec } from './epilogue-i8.ts';
import type { Line } from './fit-line.ts';
import { proveStaircase } from './prove-staircase.ts';
import type { F32Requantizer } from './requantize-f32.ts';
import type { Target } from './target.ts';

export interface LineI8 {
  readonly requantizer: F32Requantizer;
  /** Added to the integer first. */
  readonly start: number;
  /** It holds with f32x4.relaxed_madd. */
  readonly madd: boolean;
  /** All that is truncated is within int32. */
  readonly bounded: boolean;
}

/** As proveStaircase; without relaxed_madd where it holds only so. */
export function proveLine(
  exact: (n: number) => number,
  [from, to]: readonly [number, number],
  slope: number,
  bounds: Range,
  centre: number,
  target: Target,
): LineI8 | null {
  for (const madd of target.madd ? [true, false] : [false]) {
    const line = proveStaircase(exact, from, to, slope, bounds, centre, madd);
    if (!line) continue;
    const farthest = Math.max(Math.abs(from + line.start), Math.abs(to + line.start)) * line.scale;
    return {
      requantizer: requantizerOf(line.form, line.base, bounds, line),
      start: line.start,
      madd,
      bounded: farthest + Math.max(Math.abs(line.bias), Math.abs(line.negativeBias)) < 2 ** 30,
    };
  }
  return null;
}

export function requantizerOf(
  form: F32Requantizer['form'],
  base: number,
  { lo, hi }: Range,
  line?: Pick<Line, 'scale' | 'bias' | 'negativeBias'>,
): F32Requantizer {
  const four = (value: number | undefined): Float32Array => new Float32Array(4).fill(value ?? 0);
  return {
    form,
    scale: four(line?.scale),
    bias: four(line?.bias),
    negativeBias: four(line?.negativeBias),
    start: new Int32Array(4),
    multipliers: new Int32Array(0),
    shifts: new Int32Array(0),
    base,
    lo,
    hi,
  };
}

export function lineSpec(
  { requantizer, madd, bounded }: LineI8,
  output: Operand,
  encoding: Encoding,
  target: Target,
): EpilogueSpec {
  const spec = epilogueSpec(requantizer, output, encoding, { ...target, madd });
  return { ...spec, relaxed: target.madd && bounded };
}
