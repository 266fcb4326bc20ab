/**
 * 8-bit numbers element by element: one operand, or two broadcast against each other, in any encoding.
 *
 *   shift-i8-16-wasm     y = clamp(x + d), where the reference function is no more than that: a clamp
 *   line-i8-16-wasm      y = a staircase that f32 climbs evenly (prove-staircase.ts): a clamp on another scale
 *   table-i8-1-wasm      y = table[x], made by the reference function: any other function of one number
 *   add-, sub-i8-16-wasm   y = trunc(a·A + b·B + G), proven for every pair of bytes (prove-sum.ts)
 *   mul-i8-16-wasm       y = a staircase in the product (a − zₐ)·(b − z_b), an exact integer
 *   max-, min-i8-16-wasm   where all three are quantised alike
 *   …-real-i8-16-wasm    halves to even: + − · / min max in f32 as reference computes them
 *   pair-table-i8-1-wasm   y = table[a, b], made by the reference function: anything else, if there is much of it
 *
 * Exact: equal to reference. The code is in emit-elementwise-i8.ts. Tables are read element by element: 0.2 ns each,
 * for which sixteen swizzles and what joins them leave no room.
 */
import { denseStrides, elementCount, sameShape } from '../../tensor.ts';
import type { EmittedOffer, Encoding, KernelCall, Operand, Place } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import { isEmpty, type Nest, numbersOf } from '../js/views.ts';
import { int8PairFunction } from '../reference/binary.ts';
import { int8Function } from '../reference/int8-function.ts';
import {
  isQuantized8,
  multiplyByQuantizedMultiplier,
  productMultiplier,
  quantizedBounds,
  rangeOf,
  roundsToEven,
  sameQuantization,
  scaleOf,
  zeroPointOf,
} from '../requantize.ts';
import {
  buildElementwiseI8,
  buildPairTableI8,
  buildTableI8,
  type ElementwiseSpec,
  type PairTableSpec,
  type PairwiseStep,
  type RealFn,
  type TableSpec,
} from './emit-elementwise-i8.ts';
import { epilogueConstants, epilogueSpec } from './epilogue-i8.ts';
import { type Lie, lieBytes, lieOf } from './lanes-i8.ts';
import { type LineI8, lineSpec, proveLine, requantizerOf } from './line-i8.ts';
import { byteStrides, nestOf, placeStrides, withRun } from './nest.ts';
import type { Program } from './program.ts';
import { proveSum } from './prove-sum.ts';
import type { Target } from './target.ts';

export function offerElementwiseI8(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (following || isEmpty(call) || !isQuantized8(output) || !inputs.every(isQuantized8)) return null;
  if (inputs.length === 1) return offerFunction(call, target);
  return op.kind === 'binary' && inputs.length === 2 ? offerPair(call, target) : null;
}

/** What is emitted, as far as it depends on how y is encoded. */
interface Plan {
  readonly kernel: string;
  readonly step: (encoding: Encoding) => PairwiseStep;
  /** The stored number that each operand's numbers are counted from. */
  readonly origins: (encoding: Encoding) => readonly number[];
  readonly constants: Uint8Array;
}

function offerOf(call: KernelCall, target: Target, plan: Plan): EmittedOffer {
  const { inputs, output } = call;
  return {
    kernel: plan.kernel,
    ...placing(call, target),
    emit: (program, places, y) => {
      const operands = inputs.map((operand, j) => placeOf(program, operand, places[j] ?? null, target));
      const origins = plan.origins(y.encoding);
      const spec: ElementwiseSpec = {
        nest: nestOver(call, operands, y),
        from: operands.map((place, j) => lieOf(inputs[j], place.encoding)),
        add: operands.map((place, j) => -origins[j] - encodingOffset(inputs[j], place.encoding)),
        to: lieOf(output, y.encoding),
        step: plan.step(y.encoding),
      };
      const constants = plan.constants.length > 0 ? program.constantOf(plan.constants) : 0;
      const addresses = [...operands.map(({ address }) => address), y.address, constants];
      program.step([
        program.kernel('elementwise-i8', spec, addresses.length, buildElementwiseI8),
        ...addresses,
      ]);
    },
  };
}

function placing(
  { inputs, output }: KernelCall,
  { encoding }: Target,
): Omit<EmittedOffer, 'kernel' | 'emit'> {
  const alike = inputs.map(({ shape }) => sameShape(shape, output.shape));
  return {
    strided: true,
    overwrites: inputs.flatMap(({ data }, i) => (!data && alike[i] ? [i] : [])),
    encoding,
  };
}

/** Constants are encoded when they are written. */
function placeOf(program: Program, operand: Operand, place: Place | null, { encoding }: Target): Place {
  if (place) return place;
  const numbers = numbersOf(operand)!;
  const offset = encodingOffset(operand, encoding);
  const codes = new (encoding === 'i16' ? Int16Array : Uint8Array)(numbers.length);
  for (let i = 0; i < codes.length; i++) codes[i] = numbers[i] + offset;
  return {
    address: program.constantOf(codes),
    strides: denseStrides(operand.shape),
    border: { top: 0, left: 0, bottom: 0, right: 0 },
    encoding,
  };
}

function nestOver({ inputs, output }: KernelCall, places: readonly Place[], y: Place): Nest {
  const sizes = places.map((place, j) => encodedBytes(inputs[j], place.encoding));
  const size = encodedBytes(output, y.encoding);
  const strides = places.map((place, j) =>
    byteStrides(inputs[j].shape, output.shape, place.strides, sizes[j]),
  );
  const nest = nestOf(output.shape, [...strides, placeStrides(y, size)]);
  const inner = nest.extents.length - 1;
  const isRun = [...sizes, size].every((bytes, j) => {
    const step = nest.strides[j][inner];
    return step === bytes || (step === 0 && j < sizes.length);
  });
  return isRun ? nest : withRun(nest, [...sizes, size]);
}

function offerFunction(call: KernelCall, target: Target): EmittedOffer | null {
  const exact = int8Function(call);
  if (!exact) return null;
  const [x] = call.inputs;
  const { lo } = rangeOf(x.dtype);
  const values = Float64Array.from({ length: 256 }, (_, i) => exact(lo + i));
  const shift = asShift(values, lo);
  if (shift !== null) {
    const bounds = { lo: Math.min(values[0], values[255]), hi: values[255] };
    return offerOf(call, target, {
      kernel: 'shift-i8-16-wasm',
      step: (encoding) => {
        const offset = encodingOffset(call.output, encoding);
        return { kind: 'shift', lo: bounds.lo + offset, hi: bounds.hi + offset };
      },
      origins: (encoding) => [-shift - encodingOffset(call.output, encoding)],
      constants: new Uint8Array(0),
    });
  }
  const line = asLine(call, exact, target);
  if (line) return offerOf(call, target, linePlan(call, 'line', line, target));
  return offerTable(call, values, target);
}

/** d, where every value is its number plus d, kept between the first value and the last; null where it is not. */
function asShift(values: Float64Array, least: number): number | null {
  const [low, high] = [values[0], values[255]];
  let inside = values.findIndex((value) => value > low && value < high);
  if (inside === -1) inside = values.indexOf(high);
  const shift = values[inside] - (least + inside);
  const isShift = values.every((value, i) => value === Math.min(Math.max(least + i + shift, low), high));
  return isShift ? shift : null;
}

function asLine(
  { arithmetic: op, inputs: [x], output }: KernelCall,
  exact: (q: number) => number,
  target: Target,
): LineI8 | null {
  // Where truncation has to saturate, a table is as fast.
  if (op.kind !== 'clamp' || !target.madd) return null;
  const { lo, hi } = rangeOf(x.dtype);
  const slope = scaleOf(x) / scaleOf(output);
  return proveLine(exact, [lo, hi], slope, quantizedBounds(op.clamp, output), zeroPointOf(output), target);
}

function linePlan(call: KernelCall, kind: 'line' | 'product', line: LineI8, target: Target): Plan {
  const { inputs, output } = call;
  return {
    kernel: `${kind === 'line' ? 'line' : 'mul'}-i8-16-wasm`,
    step: (encoding) => ({
      kind,
      start: line.start,
      epilogue: lineSpec(line, output, encoding, target),
    }),
    origins: () => (kind === 'line' ? [0] : inputs.map(zeroPointOf)),
    constants: epilogueConstants(line.requantizer, 0, 4),
  };
}

function offerTable(call: KernelCall, values: Float64Array, target: Target): EmittedOffer {
  const { inputs, output } = call;
  const [input] = inputs;
  const { lo } = rangeOf(input.dtype);
  return {
    kernel: 'table-i8-1-wasm',
    reason: 'a function of one byte is a table',
    ...placing(call, target),
    emit: (program, [place], y) => {
      const x = place ?? placeOf(program, input, null, target);
      const [from, to] = [lieOf(input, x.encoding), lieOf(output, y.encoding)];
      const bytes = lieBytes(to);
      const table = new (bytes === 2 ? Int16Array : Uint8Array)(256);
      const first = lo + encodingOffset(input, x.encoding); // the least number that x may hold
      for (let i = 0; i < 256; i++)
        table[from === 'i16' ? i : (first + i) & 0xff] = values[i] + encodingOffset(output, y.encoding);
      const spec: TableSpec = { nest: nestOver(call, [x], y), from, to };
      const entry = program.constantOf(table) - (from === 'i16' ? first * bytes : 0);
      program.step([program.kernel('table-i8', spec, 3, buildTableI8), x.address, y.address, entry]);
    },
  };
}

function offerPair(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary' || !inputs.every(({ dtype }) => dtype === output.dtype)) return null;
  if (inputs.some((operand) => operand.data !== null && !numbersOf(operand))) return null;
  const even = roundsToEven(call);
  const plan = pairPlan(call, target, even) ?? (even ? realPlan(call, target) : null);
  return plan ? offerOf(call, target, plan) : offerPairTable(call, target);
}

/** From this many elements on, a table of every pair is made. */
const leastForTable = 4096;

function offerPairTable(call: KernelCall, target: Target): EmittedOffer | null {
  const { inputs, output } = call;
  const exact = elementCount(output.shape) < leastForTable ? null : int8PairFunction(call);
  if (!exact) return null;
  const { lo } = rangeOf(output.dtype);
  return {
    kernel: 'pair-table-i8-1-wasm',
    reason: 'no f32 form was proven: a table of every pair',
    ...placing(call, target),
    emit: (program, places, y) => {
      const operands = inputs.map((operand, j) => placeOf(program, operand, places[j] ?? null, target));
      const from = operands.map((place, j) => lieOf(inputs[j], place.encoding));
      // Signed bytes are read as they lie, other numbers count from the least.
      const [a, b] = operands.map((place, j) => lo + encodingOffset(inputs[j], place.encoding));
      const [first, second] = [from[0] === 'i8' ? 0 : a, from[1] === 'i8' ? 0 : b];
      const numberAt = (index: number, lie: Lie): number => (lie === 'i8' ? (index << 24) >> 24 : lo + index);
      const table = program.constant(65536, (bytes) => {
        for (let i = 0; i < 65536; i++)
          bytes[i] = exact(numberAt(i >> 8, from[0]), numberAt(i & 0xff, from[1])) - lo;
      });
      const spec: PairTableSpec = {
        nest: nestOver(call, operands, y),
        from,
        to: lieOf(output, y.encoding),
        add: lo + encodingOffset(output, y.encoding),
      };
      const kernel = program.kernel('pair-table-i8', spec, 4, buildPairTableI8);
      program.step([
        kernel,
        ...operands.map(({ address }) => address),
        y.address,
        table - 256 * first - second,
      ]);
    },
  };
}

function pairPlan(call: KernelCall, target: Target, even: boolean): Plan | null {
  const { arithmetic: op } = call;
  if (op.kind !== 'binary') return null;
  switch (op.fn) {
    case 'add':
    case 'sub':
      return sumPlan(call, op.fn, target);
    case 'mul':
      return even ? null : productPlan(call, target);
    case 'max':
    case 'min':
      return even ? null : extremePlan(call, op.fn);
    default:
      return null;
  }
}

function sumPlan(call: KernelCall, fn: 'add' | 'sub', target: Target): Plan | null {
  const { inputs, output } = call;
  const encoded = inputs.map((operand) => -encodingOffset(operand, target.encoding));
  // Where rounding finds no room counted from here, it may from there.
  for (const madd of target.madd ? [true, false] : [false])
    for (const origins of [encoded, inputs.map(zeroPointOf), [0, 0]]) {
      const proven = proveSum(call, madd, origins as [number, number]);
      if (!proven) continue;
      const { a, b, g, lo, hi } = proven;
      const farthest = 512 * (Math.abs(a) + Math.abs(b)) + Math.abs(g);
      const requantizer = requantizerOf('linear', lo, { lo, hi });
      return {
        kernel: `${fn}-i8-16-wasm`,
        step: (encoding) => ({
          kind: 'sum',
          relaxed: target.madd && farthest < 2 ** 30,
          epilogue: epilogueSpec(requantizer, output, encoding, { ...target, madd }),
        }),
        origins: () => origins,
        constants: splats([a, b, g]),
      };
    }
  return null;
}

function splats(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from({ length: 4 * values.length }, (_, i) => values[i >> 2]).buffer);
}

/** The product is an exact integer; what becomes of it is a staircase. */
function productPlan(call: KernelCall, target: Target): Plan | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary') return null;
  const [a, b] = inputs;
  const { multiplier, shift } = productMultiplier(a, b, output);
  const ends = inputs.map((operand) => {
    const { lo, hi } = rangeOf(operand.dtype);
    return [lo - zeroPointOf(operand), hi - zeroPointOf(operand)] as const;
  });
  const corners = ends[0].flatMap((p) => ends[1].map((q) => p * q));
  const [from, to] = [Math.min(...corners), Math.max(...corners)];
  if (2 ** 16 * 2 ** Math.max(shift, 0) >= 2 ** 31) return null;
  const zero = zeroPointOf(output);
  const exact = (product: number): number => zero + multiplyByQuantizedMultiplier(product, multiplier, shift);
  const slope = multiplier * 2 ** (shift - 31);
  const line = proveLine(exact, [from, to], slope, quantizedBounds(op.clamp, output), zero, target);
  return line && linePlan(call, 'product', line, target);
}

function extremePlan(call: KernelCall, fn: 'max' | 'min'): Plan | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary' || !inputs.every((operand) => sameQuantization(operand, output))) return null;
  const { lo, hi } = quantizedBounds(op.clamp, output);
  const offset = (encoding: Encoding): number => encodingOffset(output, encoding);
  return {
    kernel: `${fn}-i8-16-wasm`,
    step: (encoding) => ({ kind: 'extreme', fn, lo: lo + offset(encoding), hi: hi + offset(encoding) }),
    origins: (encoding) => [-offset(encoding), -offset(encoding)],
    constants: new Uint8Array(0),
  };
}

const realFns: readonly string[] = ['add', 'sub', 'mul', 'div', 'min', 'max'] satisfies readonly RealFn[];

/** Halves to even: both made real, f, clamped, quantised, every step rounded to f32 (reference/binary.ts). */
function realPlan(call: KernelCall, target: Target): Plan | null {
  const { arithmetic: op, inputs, output } = call;
  if (op.kind !== 'binary' || !realFns.includes(op.fn)) return null;
  const fn = op.fn as RealFn;
  const [a, b] = inputs;
  const { min, max } = op.clamp;
  const scales = [scaleOf(a), scaleOf(b), scaleOf(output)];
  const requantizer = requantizerOf('even', zeroPointOf(output), rangeOf(output.dtype));
  return {
    kernel: `${fn}-real-i8-16-wasm`,
    step: (encoding) => ({
      kind: 'real',
      fn,
      clamps: Number.isFinite(min) || Number.isFinite(max),
      epilogue: epilogueSpec(requantizer, output, encoding, target),
    }),
    origins: () => inputs.map(zeroPointOf),
    constants: splats([...scales, min, max]),
  };
}
