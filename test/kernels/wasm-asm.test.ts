/**
 * The assembler of the WebAssembly kernels: every row of the opcode table is executed by the engine and compared
 * with what the specification says, written down here in JavaScript. Integers are bigints, so that nothing
 * depends on the width the engine works in.
 */
import { describe, expect, it } from 'vitest';
import { Bytes } from '../../src/kernels/wasm/asm/bytes.ts';
import type { FunctionBuilder, Local } from '../../src/kernels/wasm/asm/function.ts';
import { ModuleBuilder } from '../../src/kernels/wasm/asm/module.ts';
import { type Opcode, opcodes, type Typed, type ValueType } from '../../src/kernels/wasm/asm/opcodes.ts';
import { webAssembly } from '../../src/kernels/wasm/web-assembly.ts';
import { random } from './run-call.ts';

// Running code.

type Run = (...parameters: (number | bigint)[]) => number | bigint | undefined;

/** The builder without its types: here the names of instructions are data. */
interface Loose {
  op(name: string, ...operands: unknown[]): Typed<ValueType>;
  load(name: string, ...operands: unknown[]): Typed<ValueType>;
  lane(name: string, lane: number, ...operands: unknown[]): Typed<ValueType>;
  memoryLane(name: string, lane: number, ...operands: unknown[]): Typed<ValueType>;
}

const inputs = 0;
const output = 4096;

interface Machine {
  readonly memory: Uint8Array;
  readonly exports: Readonly<Record<string, Run>>;
}

function start(module: ModuleBuilder): Machine {
  const api = webAssembly();
  const memory = new api.Memory({ initial: 1, maximum: 1 });
  const bytes = module.bytes({ module: 'vireo', name: 'memory', pages: 1 });
  const { exports } = new api.Instance(new api.Module(bytes), { vireo: { memory } });
  return { memory: new Uint8Array(memory.buffer), exports: exports as Machine['exports'] };
}

/** Several functions without parameters in one module, named by their position. */
function startAll(builds: readonly ((f: FunctionBuilder) => void)[]): Machine {
  const module = new ModuleBuilder();
  builds.forEach((build, i) => {
    module.export(`${i}`, module.function({ parameters: [] }, build));
  });
  return start(module);
}

function runOnce(build: (f: FunctionBuilder) => void): Uint8Array {
  const { memory, exports } = startAll([build]);
  exports['0']();
  return memory;
}

// Values: bigint for integers, number for floats, 16 bytes for vectors.

type Value = bigint | number | Uint8Array;
type LaneType = 'i8' | 'i16' | 'i32' | 'i64' | 'f32' | 'f64';
type Lane = bigint | number;

const letters: Readonly<Record<string, ValueType>> = { i: 'i32', l: 'i64', f: 'f32', d: 'f64', v: 'v128' };
const sizes: Readonly<Record<LaneType, number>> = { i8: 1, i16: 2, i32: 4, i64: 8, f32: 4, f64: 8 };

function getLane(bytes: Uint8Array, type: LaneType, at: number): Lane {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'i8':
      return BigInt(view.getInt8(at));
    case 'i16':
      return BigInt(view.getInt16(at, true));
    case 'i32':
      return BigInt(view.getInt32(at, true));
    case 'i64':
      return view.getBigInt64(at, true);
    case 'f32':
      return view.getFloat32(at, true);
    case 'f64':
      return view.getFloat64(at, true);
  }
}

function setLane(bytes: Uint8Array, type: LaneType, at: number, value: Lane): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === 'f32') view.setFloat32(at, Number(value), true);
  else if (type === 'f64') view.setFloat64(at, Number(value), true);
  else {
    const bits = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < sizes[type]; i++) bytes[at + i] = Number((bits >> BigInt(8 * i)) & 0xffn);
  }
}

function lanesOf(vector: Uint8Array, type: LaneType): Lane[] {
  return Array.from({ length: 16 / sizes[type] }, (_, i) => getLane(vector, type, i * sizes[type]));
}

function vectorOf(type: LaneType, lanes: readonly Lane[]): Uint8Array {
  const vector = new Uint8Array(16);
  lanes.forEach((lane, i) => {
    setLane(vector, type, i * sizes[type], lane);
  });
  return vector;
}

const width = (type: LaneType): number => 8 * sizes[type];
const unsigned = (type: LaneType, x: bigint): bigint => BigInt.asUintN(width(type), x);
const wrap = (type: LaneType, x: bigint): bigint => BigInt.asIntN(width(type), x);
const isFloat = (type: LaneType): boolean => type === 'f32' || type === 'f64';
const rounded = (type: LaneType, x: number): number => (type === 'f32' ? Math.fround(x) : x);

// Numbers at the edges.

function integersOf(type: LaneType): bigint[] {
  const top = 1n << BigInt(width(type) - 1);
  const some = [0n, 1n, -1n, 2n, -2n, 3n, -top, 1n - top, top - 1n, top - 2n, top / 2n, -top / 2n, 85n, -86n];
  if (width(type) > 8) some.push(128n, 127n, 255n, -128n, -129n, 0x80n << BigInt(width(type) - 16));
  if (width(type) > 16) some.push(32767n, -32768n, 32768n, -32769n, 65535n, 1234567n);
  if (width(type) > 32) some.push(0x7fffffffn, -0x80000000n, 0x80000000n, 0xffffffffn);
  return some.map((x) => wrap(type, x));
}

const infinity = Number.POSITIVE_INFINITY;
const floats = [
  ...[
    0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -1.5, -2.5, 3.5, 0.49999997, -0.3, 7.25, 1e-40, -1e-45, 3.4e38, -3e38,
  ],
  ...[8388607.5, 8388608.5, 16777217, -2147483648, 2147483647, 2147483648, -2147483904, 1e10, -1e10, 1 / 3],
  ...[infinity, -infinity, Number.NaN],
];
const doubles = [...floats, 2 ** 52 + 0.5, -(2 ** 31) - 1, -(2 ** 31) - 0.5, 2 ** 31 - 0.5, 1e300, 5e-324];

function edgesOf(type: LaneType): Lane[] {
  if (type === 'f64') return doubles;
  return type === 'f32' ? floats.map(Math.fround) : integersOf(type);
}

/** Every pair of edges, and random bits. */
function pairsOf(a: LaneType, b: LaneType = a): [Lane, Lane][] {
  const next = random(3);
  const any = (type: LaneType): Lane => {
    const bits = Uint8Array.from({ length: 8 }, () => next() * 256);
    return getLane(bits, type, 0);
  };
  const pairs = edgesOf(a).flatMap((p) => edgesOf(b).map((q): [Lane, Lane] => [p, q]));
  for (let i = 0; i < 64; i++) pairs.push([any(a), any(b)]);
  return pairs;
}

/** Numbers side by side in as many vectors as it takes, the last one filled up with the first. */
function vectorsOf(type: LaneType, numbers: readonly Lane[]): Uint8Array[] {
  const lanes = 16 / sizes[type];
  return Array.from({ length: Math.ceil(numbers.length / lanes) }, (_, v) =>
    vectorOf(
      type,
      Array.from({ length: lanes }, (_, i) => numbers[(v * lanes + i) % numbers.length]),
    ),
  );
}

function vectorPairs(type: LaneType): Uint8Array[][] {
  const pairs = pairsOf(type);
  const [a, b] = [0, 1].map((side) =>
    vectorsOf(
      type,
      pairs.map((pair) => pair[side]),
    ),
  );
  return a.map((vector, i) => [vector, b[i]]);
}

// What instructions do.

/** One instruction without immediates: operands to try, and whether a result is right. */
interface Case {
  readonly operands: readonly (readonly Value[])[];
  /** How the result is compared: by lanes of this type, any NaN being as good as another. */
  readonly result: LaneType;
  /** What may come of it; for a vector all its lanes. More than one for relaxed instructions. */
  readonly expected: (...operands: Value[]) => readonly (Lane | readonly Lane[])[];
}

type Of<T extends Lane> = (a: T, b: T) => T;

function halfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const whole = up ? floor + 1 : floor;
  return whole === 0 && (x < 0 || Object.is(x, -0)) ? -0 : whole;
}

const floatOf: Readonly<Record<string, (a: number, b: number) => number>> = {
  abs: (a) => Math.abs(a),
  neg: (a) => -a,
  ceil: (a) => Math.ceil(a),
  floor: (a) => Math.floor(a),
  trunc: (a) => Math.trunc(a),
  nearest: halfToEven,
  sqrt: (a) => Math.sqrt(a),
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: (a, b) => Math.min(a, b),
  max: (a, b) => Math.max(a, b),
  pmin: (a, b) => (b < a ? b : a),
  pmax: (a, b) => (a < b ? b : a),
};

const comparisonOf: Readonly<Record<string, (a: Lane, b: Lane) => boolean>> = {
  eqz: (a) => a === 0n,
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

/** On numbers as their suffix says, with results of any size. */
const integerOf: Readonly<Record<string, Of<bigint>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  rem: (a, b) => a % b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  abs: (a) => (a < 0n ? -a : a),
  neg: (a) => -a,
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
  avgr: (a, b) => (a + b + 1n) / 2n,
};

const shiftOf: Readonly<Record<string, (a: bigint, count: bigint) => bigint>> = {
  shl: (a, count) => a << count,
  shr: (a, count) => a >> count,
};

const counts = [0n, 1n, 5n, 7n, 8n, 15n, 16n, 31n, 32n, 33n, 63n, 64n, -1n];

function saturated(type: LaneType, sign: string, x: bigint): bigint {
  const bits = BigInt(width(type));
  const [lo, hi] = sign === 'u' ? [0n, (1n << bits) - 1n] : [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n];
  return x < lo ? lo : x > hi ? hi : x;
}

/** x as an integer of `type`, cut off and saturated; NaN is 0. */
function cutOff(type: LaneType, x: number): bigint {
  if (Number.isNaN(x)) return 0n;
  if (!Number.isFinite(x)) return saturated(type, 's', x > 0 ? 1n << 70n : -(1n << 70n));
  return saturated(type, 's', BigInt(Math.trunc(x)));
}

const big = (value: Value): bigint => value as bigint;
const real = (value: Value): number => value as number;
const bytesOf = (value: Value): Uint8Array => value as Uint8Array;

/** Instructions on numbers, from the parts of their name: type.verb_sign or type.verb_type_sign. */
function scalarCase(type: LaneType, verb: string): Case | undefined {
  const [, name, sign] = /^(\w+?)(?:_([su]))?$/.exec(verb)!;
  const asSaid = (x: Value): bigint => (sign === 'u' ? unsigned(type, big(x)) : big(x));
  const integral = !isFloat(type);
  const unary = edgesOf(type).map((x) => [x]);
  const binary = pairsOf(type);
  const operands = ['eqz', 'abs', 'neg', 'ceil', 'floor', 'trunc', 'nearest', 'sqrt'].includes(name)
    ? unary
    : binary;
  if (name in comparisonOf)
    return {
      operands,
      result: 'i32',
      expected: (a, b) => {
        const truth = integral
          ? comparisonOf[name](asSaid(a), b === undefined ? 0n : asSaid(b))
          : comparisonOf[name](real(a), real(b));
        return [BigInt(truth)];
      },
    };
  if (!integral && name in floatOf)
    return { operands, result: type, expected: (a, b) => [rounded(type, floatOf[name](real(a), real(b)))] };
  if (integral && name in shiftOf) {
    const mask = BigInt(width(type) - 1);
    return {
      operands: integersOf(type).flatMap((x) => counts.map((count) => [x, wrap(type, count)])),
      result: type,
      expected: (a, b) => [wrap(type, shiftOf[name](asSaid(a), big(b) & mask))],
    };
  }
  if (integral && name in integerOf) {
    const traps = ([a, b]: readonly Lane[]): boolean =>
      b === 0n || (verb === 'div_s' && b === -1n && a === wrap(type, 1n << BigInt(width(type) - 1)));
    return {
      operands: name === 'div' || name === 'rem' ? operands.filter((pair) => !traps(pair)) : operands,
      result: type,
      expected: (a, b) => [wrap(type, integerOf[name](asSaid(a), asSaid(b)))],
    };
  }
  if (verb === 'clz')
    return {
      operands: unary,
      result: type,
      expected: (a) => {
        const bits = unsigned(type, big(a)).toString(2);
        return [BigInt(big(a) === 0n ? width(type) : width(type) - bits.length)];
      },
    };
  const extend = /^extend(8|16)_s$/.exec(verb);
  if (extend)
    return { operands: unary, result: type, expected: (a) => [BigInt.asIntN(Number(extend[1]), big(a))] };
  const conversion = /^(\w+?)_([if](?:32|64))(?:_([su]))?$/.exec(verb);
  if (!conversion) return undefined;
  const [, how, from, fromSign] = conversion as unknown as [string, string, LaneType, string | undefined];
  const convert: Readonly<Record<string, (x: Value) => Lane>> = {
    wrap: (x) => wrap(type, big(x)),
    extend: (x) => (fromSign === 'u' ? unsigned(from, big(x)) : big(x)),
    convert: (x) => rounded(type, Number(big(x))),
    demote: (x) => Math.fround(real(x)),
    promote: (x) => real(x),
    trunc_sat: (x) => cutOff(type, real(x)),
    reinterpret: (x) => getLane(vectorOf(from, [x as Lane]), type, 0),
  };
  if (!(how in convert)) return undefined;
  const numbers = edgesOf(from).filter((x) => how !== 'reinterpret' || !Number.isNaN(Number(x)));
  if (how === 'reinterpret' && from === 'i32') numbers.push(0x3f800000n, -0x40800000n);
  return { operands: numbers.map((x) => [x]), result: type, expected: (x) => [convert[how](x)] };
}

/** Instructions on vectors, from the parts of their name. */
function vectorCase(type: LaneType, verb: string): Case | undefined {
  const [, name, sign] = /^(\w+?)(?:_([su]))?$/.exec(verb)!;
  const single = vectorsOf(type, edgesOf(type)).map((vector) => [vector]);
  const pairs = vectorPairs(type);
  const asSaid = (x: Lane): bigint => (sign === 'u' ? unsigned(type, x as bigint) : (x as bigint));
  const zip = (f: (a: Lane, b: Lane) => Lane, operands: readonly (readonly Value[])[] = pairs): Case => ({
    operands,
    result: type,
    expected: (a, b) => {
      const right = b === undefined ? [] : lanesOf(bytesOf(b), type);
      return [lanesOf(bytesOf(a), type).map((lane, i) => f(lane, right[i]))];
    },
  });
  if (verb === 'splat') {
    const scalar: LaneType = width(type) < 32 ? 'i32' : type;
    const count = 16 / sizes[type];
    return {
      operands: edgesOf(scalar).map((x) => [x]),
      result: type,
      expected: (x) => [new Array<Lane>(count).fill(isFloat(type) ? real(x) : wrap(type, big(x)))],
    };
  }
  if (verb === 'swizzle')
    return {
      operands: [
        [vectorOf('i8', integersOf('i8').concat(5n, 6n)), Uint8Array.from({ length: 16 }, (_, i) => 15 - i)],
        [
          Uint8Array.from({ length: 16 }, (_, i) => i + 100),
          Uint8Array.of(16, 255, 128, 15, 0, 0, 3, 17, 31, 14, 2, 127, 1, 129, 9, 8),
        ],
      ],
      result: type,
      expected: (a, b) => [
        lanesOf(bytesOf(b), type).map((_, i) => {
          const from = bytesOf(b)[i];
          return from < 16 ? lanesOf(bytesOf(a), type)[from] : 0n;
        }),
      ],
    };
  if (name in comparisonOf) {
    // A mask has all bits set, which is no float: compared as integers.
    const result: LaneType = isFloat(type) ? (type === 'f32' ? 'i32' : 'i64') : type;
    return {
      operands: pairs,
      result,
      expected: (a, b) => {
        const right = lanesOf(bytesOf(b), type);
        const masks = lanesOf(bytesOf(a), type).map((lane, i) =>
          comparisonOf[name](
            isFloat(type) ? lane : asSaid(lane),
            isFloat(type) ? right[i] : asSaid(right[i]),
          ),
        );
        return [masks.map((mask) => (mask ? -1n : 0n))];
      },
    };
  }
  if (isFloat(type) && name in floatOf) {
    const isUnary = ['abs', 'neg', 'ceil', 'floor', 'trunc', 'nearest', 'sqrt'].includes(name);
    return zip((a, b) => rounded(type, floatOf[name](a as number, b as number)), isUnary ? single : pairs);
  }
  if (name in shiftOf) {
    const mask = BigInt(width(type) - 1);
    return {
      operands: single.flatMap(([vector]) => counts.map((count) => [vector, wrap('i32', count)])),
      result: type,
      expected: (a, count) => [
        lanesOf(bytesOf(a), type).map((x) => wrap(type, shiftOf[name](asSaid(x), big(count) & mask))),
      ],
    };
  }
  if (name === 'add_sat' || name === 'sub_sat') {
    const f = integerOf[name.slice(0, 3)];
    return zip((a, b) => wrap(type, saturated(type, sign, f(asSaid(a), asSaid(b)))));
  }
  if (name in integerOf) {
    const isUnary = name === 'abs' || name === 'neg';
    return zip(
      (a, b) => wrap(type, integerOf[name](asSaid(a), isUnary ? 0n : asSaid(b))),
      isUnary ? single : pairs,
    );
  }
  return betweenTypes(type, verb) ?? relaxedCase(type, verb);
}

/** Instructions whose operands have lanes of another type: type.verb[_low|_high|…]_shape[_sign]. */
function betweenTypes(type: LaneType, verb: string): Case | undefined {
  const parts =
    /^(narrow|extend_low|extend_high|extadd_pairwise|extmul_low|extmul_high|dot|trunc_sat|convert|convert_low|demote|promote_low)_([if]\d+)x\d+(?:_([su]))?(?:_zero)?$/.exec(
      verb,
    );
  if (!parts) return undefined;
  const [, how, from, sign] = parts as unknown as [string, string, LaneType, string];
  const asSaid = (x: Lane): bigint => (sign === 'u' ? unsigned(from, x as bigint) : (x as bigint));
  const single = vectorsOf(from, edgesOf(from)).map((vector) => [vector]);
  const count = 16 / sizes[type];
  const high = how.endsWith('high') ? count : 0;
  const make = (
    operands: Case['operands'],
    f: (a: readonly Lane[], b: readonly Lane[], i: number) => Lane,
  ): Case => ({
    operands,
    result: type,
    expected: (a, b) => {
      const [p, q] = [a, b].map((x) => (x === undefined ? [] : lanesOf(bytesOf(x), from)));
      return [Array.from({ length: count }, (_, i) => f(p, q, i))];
    },
  });
  switch (how) {
    case 'narrow':
      return make(vectorPairs(from), (a, b, i) => {
        const x = (i < count / 2 ? a[i] : b[i - count / 2]) as bigint;
        return wrap(type, saturated(type, sign, x));
      });
    case 'extend_low':
    case 'extend_high':
      return make(single, (a, _, i) => asSaid(a[high + i]));
    case 'extadd_pairwise':
      return make(
        vectorPairs(from).map(([a]) => [a]),
        (a, _, i) => wrap(type, asSaid(a[2 * i]) + asSaid(a[2 * i + 1])),
      );
    case 'extmul_low':
    case 'extmul_high':
      return make(vectorPairs(from), (a, b, i) => wrap(type, asSaid(a[high + i]) * asSaid(b[high + i])));
    case 'dot': {
      const lowest = vectorOf(from, new Array<bigint>(8).fill(-32768n));
      return make([...vectorPairs(from), [lowest, lowest]], (a, b, i) =>
        wrap(type, asSaid(a[2 * i]) * asSaid(b[2 * i]) + asSaid(a[2 * i + 1]) * asSaid(b[2 * i + 1])),
      );
    }
    case 'trunc_sat':
      return make(single, (a, _, i) => (i < a.length ? cutOff(type, a[i] as number) : 0n));
    case 'convert':
    case 'convert_low':
      return make(single, (a, _, i) => rounded(type, Number(a[i])));
    case 'demote':
      return make(single, (a, _, i) => (i < a.length ? Math.fround(a[i] as number) : 0));
    default:
      return make(single, (a, _, i) => a[i]);
  }
}

/** a·b + c rounded to f32 once: the product is exact in f64, the sum is rounded to odd there. */
function fused(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  if (!Number.isFinite(sum)) return Math.fround(sum);
  const back = sum - product;
  const rest = product - (sum - back) + (c - back);
  if (rest === 0) return Math.fround(sum);
  const bits = vectorOf('f64', [sum]);
  if ((bits[0] & 1) === 0) {
    const towards = rest > 0 === sum > 0 ? 1n : -1n;
    setLane(bits, 'i64', 0, (getLane(bits, 'i64', 0) as bigint) + towards);
  }
  return Math.fround(getLane(bits, 'f64', 0) as number);
}

/** Each lane may be one of several: the specification leaves the choice to the machine. */
function relaxedCase(type: LaneType, verb: string): Case | undefined {
  const choices = (
    operands: Case['operands'],
    f: (i: number, ...vectors: Lane[][]) => Lane[],
    from: LaneType = type,
  ): Case => ({
    operands,
    result: type,
    expected: (...vectors) => {
      const lanes = vectors.map((vector, v) => lanesOf(bytesOf(vector), v === 2 ? type : from));
      const allowed = Array.from({ length: 16 / sizes[type] }, (_, i) => f(i, ...lanes));
      const most = Math.max(...allowed.map((list) => list.length));
      return Array.from({ length: most }, (_, k) => allowed.map((list) => list[k % list.length]));
    },
  });
  const triples = vectorPairs(type).map(([a, b], i, all) => [a, b, all[(i * 7 + 3) % all.length][0]]);
  switch (verb) {
    case 'relaxed_trunc_f32x4_s':
      return choices(
        vectorsOf('f32', edgesOf('f32')).map((v) => [v]),
        (i, a) => [cutOff('i32', a[i] as number), ...outside(a[i] as number)],
        'f32',
      );
    case 'relaxed_madd':
    case 'relaxed_nmadd': {
      const sign = verb === 'relaxed_madd' ? 1 : -1;
      return choices(triples, (i, ...v) => {
        const [a, b, c] = v.map((lanes) => lanes[i] as number);
        return [Math.fround(Math.fround(sign * a * b) + c), fused(sign * a, b, c)];
      });
    }
    case 'relaxed_laneselect':
      return choices(triples, (i, ...v) => {
        const [a, b, mask] = v.map((lanes) => lanes[i] as bigint);
        return [(a & mask) | (b & ~mask), mask < 0n ? a : b];
      });
    case 'relaxed_min':
    case 'relaxed_max':
      return choices(vectorPairs(type), (i, ...v) => {
        const [a, b] = v.map((lanes) => lanes[i] as number);
        if (Number.isNaN(a + b) && (Number.isNaN(a) || Number.isNaN(b))) return [Number.NaN, a, b];
        if (a === 0 && b === 0) return [a, b];
        return [verb === 'relaxed_min' ? Math.min(a, b) : Math.max(a, b)];
      });
    case 'relaxed_dot_i8x16_i7x16_add_s':
      return choices(
        vectorPairs('i8').map(([a, b], i) => [
          a,
          i % 2 === 0 ? b : b.map((x) => x & 0x7f),
          triples[i % triples.length][2],
        ]),
        (i, a, b, c) =>
          dots(a.slice(4 * i, 4 * i + 4) as bigint[], b.slice(4 * i, 4 * i + 4) as bigint[], c[i] as bigint),
        'i8',
      );
    default:
      return undefined;
  }
}

function outside(x: number): bigint[] {
  return x >= -(2 ** 31) && x < 2 ** 31 ? [] : [-(2n ** 31n)];
}

/** The second factor with or without a sign; sums of two in 16 bits, saturated or not, or in 32. */
function dots(a: readonly bigint[], b: readonly bigint[], c: bigint): bigint[] {
  const sums: bigint[] = [];
  for (const factor of [b, b.map((x) => unsigned('i8', x))])
    for (const pair of [
      (x: bigint) => x,
      (x: bigint) => saturated('i16', 's', x),
      (x: bigint) => wrap('i16', x),
    ]) {
      const two = [0, 2].map((i) => pair(a[i] * factor[i] + a[i + 1] * factor[i + 1]));
      sums.push(wrap('i32', two[0] + two[1] + c));
    }
  return sums;
}

function bitsCase(verb: string): Case | undefined {
  const any = vectorPairs('i8').map(([a, b], i, all) => [a, b, all[(i * 5 + 1) % all.length][1]]);
  const f: Readonly<Record<string, (a: bigint, b: bigint, mask: bigint) => bigint>> = {
    not: (a) => ~a,
    and: (a, b) => a & b,
    andnot: (a, b) => a & ~b,
    or: (a, b) => a | b,
    xor: (a, b) => a ^ b,
    bitselect: (a, b, mask) => (a & mask) | (b & ~mask),
  };
  if (verb === 'any_true')
    return {
      operands: [
        [new Uint8Array(16)],
        ...Array.from({ length: 16 }, (_, i) => [new Uint8Array(16).fill(128, i, i + 1)]),
      ],
      result: 'i32',
      expected: (a) => [BigInt(bytesOf(a).some((byte) => byte !== 0))],
    };
  if (!(verb in f)) return undefined;
  const operands = verb === 'bitselect' ? 3 : verb === 'not' ? 1 : 2;
  return {
    operands: any.map((list) => list.slice(0, operands)),
    result: 'i8',
    expected: (...vectors) => {
      const [a, b = [], mask = []] = vectors.map((vector) => lanesOf(bytesOf(vector), 'i8') as bigint[]);
      return [a.map((x, i) => f[verb](x, b[i] ?? 0n, mask[i] ?? 0n))];
    },
  };
}

function caseOf(name: string): Case | undefined {
  const [, type, count, verb] = /^([vif]\d+)(?:x(\d+))?\.(\w+)$/.exec(name)!;
  if (type === 'v128') return bitsCase(verb);
  return count ? vectorCase(type as LaneType, verb) : scalarCase(type as LaneType, verb);
}

// Comparing.

function sameLane(actual: Lane, expected: Lane): boolean {
  return Object.is(actual, expected);
}

function laneAt(bytes: Uint8Array, type: LaneType, i: number): Lane {
  return getLane(bytes, type, i * sizes[type]);
}

const show = (value: Value): string =>
  value instanceof Uint8Array
    ? Buffer.from(value).toString('hex')
    : Object.is(value, -0)
      ? '-0'
      : String(value);

function expectResult(name: string, test: Case, operands: readonly Value[], result: Uint8Array): void {
  const allowed = test.expected(...operands);
  const lanes = typeof allowed[0] === 'object' ? allowed[0].length : 1;
  for (let i = 0; i < lanes; i++) {
    const actual = laneAt(result, test.result, i);
    const choices = allowed.map((value) => (typeof value === 'object' ? value[i] : value));
    if (!choices.some((choice) => sameLane(actual, choice)))
      expect.fail(
        `${name}(${operands.map(show).join(', ')}) lane ${i}: ${show(actual)}, expected ${choices.map(show).join(' or ')}`,
      );
  }
}

// Making operands.

const loads: Readonly<Record<ValueType, string>> = {
  i32: 'i32.load',
  i64: 'i64.load',
  f32: 'f32.load',
  f64: 'f64.load',
  v128: 'v128.load',
};

function constantIn(f: FunctionBuilder, type: ValueType, value: Value): Typed<ValueType> {
  switch (type) {
    case 'i32':
      return f.i32(Number(value));
    case 'i64':
      return f.i64(big(value));
    case 'f32':
      return f.f32(real(value));
    case 'f64':
      return f.f64(real(value));
    case 'v128':
      return f.v128(bytesOf(value));
  }
}

function storeTo(f: FunctionBuilder, type: ValueType, address: number, value: () => Typed<ValueType>): void {
  (f as unknown as Loose).load(`${type}.store`, f.i32(address), value());
}

function poke(memory: Uint8Array, at: number, type: ValueType, value: Value): void {
  if (type === 'v128') memory.set(bytesOf(value), at);
  else setLane(memory, type as LaneType, at, value as Lane);
}

function signatureOf(name: Opcode): { operands: ValueType[]; result: ValueType | null } {
  const [operands, result] = opcodes[name][1].split(':');
  return { operands: [...operands].map((letter) => letters[letter]), result: letters[result] ?? null };
}

/** Operands from memory, so that nothing is folded, and for some of them as constants too. */
function runPlain(name: Opcode): void {
  const test = caseOf(name);
  expect(test, `${name} has no case`).toBeDefined();
  if (!test) return;
  expect(test.operands.length).toBeGreaterThan(0);
  const { operands, result } = signatureOf(name);
  const step = Math.ceil(test.operands.length / 24);
  const fixed = test.operands.filter((_, i) => i % step === 0);
  const { memory, exports } = startAll([
    (f) =>
      storeTo(f, result!, output, () => {
        operands.forEach((type, i) => {
          (f as unknown as Loose).load(loads[type], f.i32(inputs), 16 * i);
        });
        return (f as unknown as Loose).op(name);
      }),
    ...fixed.map((values) => (f: FunctionBuilder) => {
      storeTo(f, result!, output, () => {
        operands.forEach((type, i) => {
          constantIn(f, type, values[i]);
        });
        return (f as unknown as Loose).op(name);
      });
    }),
  ]);
  const check = (values: readonly Value[], run: Run): void => {
    memory.fill(0x5a, output, output + 16);
    run();
    expectResult(name, test, values, memory.slice(output, output + 16));
  };
  for (const values of test.operands) {
    operands.forEach((type, i) => {
      poke(memory, inputs + 16 * i, type, values[i]);
    });
    check(values, exports['0']);
  }
  fixed.forEach((values, i) => {
    check(values, exports[`${i + 1}`]);
  });
}

// Loads and stores.

const offsets = [0, 1, 3, 8, 127, 128, 1000, 16384];

/** Atomics take only addresses that their operand divides. */
function placesOf(name: Opcode): { readonly base: number; readonly offsets: readonly number[] } {
  return name.includes('atomic')
    ? { base: 512, offsets: offsets.filter((offset) => offset % 4 === 0) }
    : { base: 513, offsets };
}

function noise(memory: Uint8Array): void {
  for (let i = 0; i < memory.length; i++) memory[i] = (i * 157 + (i >> 8) * 31 + 0x80) & 0xff;
}

/** Without a matcher, which takes long over so many bytes. */
function expectMemory(actual: Uint8Array, expected: Uint8Array, where: string): void {
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  if (at !== -1) expect.fail(`${where}: byte ${at} is ${actual[at]}, expected ${expected[at]}`);
}

/** What a load gives, as 16 bytes of which the result takes the first. */
function loaded(name: string, memory: Uint8Array, at: number): Uint8Array {
  const result = new Uint8Array(16);
  const [, type, verb] = /^(\w+)\.([\w.]+)$/.exec(name)!;
  const scalar = /^(?:atomic\.)?load(?:(8|16)_([su]))?$/.exec(verb);
  if (scalar && type === 'v128') return memory.slice(at, at + 16);
  if (scalar) {
    const lane = scalar[1] ? (`i${scalar[1]}` as LaneType) : (type as LaneType);
    const value = getLane(memory, lane, at);
    setLane(result, type as LaneType, 0, scalar[2] === 'u' ? unsigned(lane, value as bigint) : value);
    return result;
  }
  const extended = /^load(\d+)x(\d)_([su])$/.exec(verb);
  if (extended) {
    const from = `i${extended[1]}` as LaneType;
    const to = `i${2 * Number(extended[1])}` as LaneType;
    for (let i = 0; i < Number(extended[2]); i++) {
      const value = getLane(memory, from, at + i * sizes[from]) as bigint;
      setLane(result, to, i * sizes[to], extended[3] === 'u' ? unsigned(from, value) : value);
    }
    return result;
  }
  const [, bits, how] = /^load(\d+)_(splat|zero)$/.exec(verb)!;
  const size = Number(bits) / 8;
  for (let i = 0; i < (how === 'splat' ? 16 : size); i++) result[i] = memory[at + (i % size)];
  return result;
}

function runLoad(name: Opcode): void {
  const { base, offsets } = placesOf(name);
  const { result } = signatureOf(name);
  const { memory, exports } = startAll(
    offsets.map((offset) => (f: FunctionBuilder) => {
      storeTo(f, result!, 60000, () => (f as unknown as Loose).load(name, f.i32(base), offset));
    }),
  );
  const { memory: without, exports: plain } = startAll([
    (f) => storeTo(f, result!, 60000, () => (f as unknown as Loose).load(name, f.i32(base))),
  ]);
  const bytes = result === 'v128' ? 16 : sizes[result as LaneType];
  noise(memory);
  noise(without);
  plain['0']();
  expect(without.slice(60000, 60000 + bytes)).toEqual(loaded(name, without, base).slice(0, bytes));
  offsets.forEach((offset, i) => {
    exports[`${i}`]();
    const expected = loaded(name, memory, base + offset).slice(0, bytes);
    expect(memory.slice(60000, 60000 + bytes), `offset ${offset}`).toEqual(expected);
  });
}

function runStore(name: Opcode): void {
  const { base, offsets } = placesOf(name);
  const type = signatureOf(name).operands[1];
  const [, bits] = /store(\d*)$/.exec(name)!;
  const bytes = bits ? Number(bits) / 8 : type === 'v128' ? 16 : sizes[type as LaneType];
  const source = new Uint8Array(16);
  for (let i = 0; i < 16; i++) source[i] = 0x83 + 17 * i;
  const value: Value = type === 'v128' ? source : getLane(source, type as LaneType, 0);
  const { memory, exports } = startAll(
    offsets.map((offset) => (f: FunctionBuilder) => {
      f.i32(base);
      constantIn(f, type, value);
      (f as unknown as Loose).load(name, null, null, offset);
    }),
  );
  offsets.forEach((offset, i) => {
    noise(memory);
    const expected = memory.slice();
    expected.set(source.subarray(0, bytes), base + offset);
    exports[`${i}`]();
    expectMemory(memory, expected, `offset ${offset}`);
  });
}

function runMemoryLane(name: Opcode): void {
  const [, how, bits] = /(load|store)(\d+)_lane$/.exec(name)!;
  const bytes = Number(bits) / 8;
  const vector = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 - 9 * i);
  const ways = offsets.flatMap((offset) =>
    Array.from({ length: 16 / bytes }, (_, lane) => ({ offset, lane })),
  );
  const { memory, exports } = startAll(
    ways.map(({ offset, lane }) => (f: FunctionBuilder) => {
      const loose = f as unknown as Loose;
      if (how === 'store') {
        f.i32(513);
        f.v128(vector);
        loose.memoryLane(name, lane, null, null, offset);
      } else
        storeTo(f, 'v128', 60000, () => {
          f.i32(513);
          f.v128(vector);
          return loose.memoryLane(name, lane, null, null, offset);
        });
    }),
  );
  ways.forEach(({ offset, lane }, i) => {
    noise(memory);
    const expected = memory.slice();
    if (how === 'store') expected.set(vector.subarray(lane * bytes, (lane + 1) * bytes), 513 + offset);
    else {
      expected.set(vector, 60000);
      expected.copyWithin(60000 + lane * bytes, 513 + offset, 513 + offset + bytes);
    }
    exports[`${i}`]();
    expectMemory(memory, expected, `lane ${lane}, offset ${offset}`);
  });
}

function runLane(name: Opcode): void {
  const [, prefix, how, sign] = /^(\w\d+)x\d+\.(extract|replace)_lane(?:_([su]))?$/.exec(name)!;
  const type = prefix as LaneType;
  const { operands, result } = signatureOf(name);
  const count = 16 / sizes[type];
  const scalar = (how === 'replace' ? operands[1] : result) as LaneType;
  const given = edgesOf(scalar).filter((x) => !Number.isNaN(Number(x)));
  const vectors = vectorsOf(
    type,
    edgesOf(type).filter((x) => !Number.isNaN(Number(x))),
  );
  const ways = Array.from({ length: count }, (_, lane) => lane).flatMap((lane) =>
    vectors.map((vector, i) => ({ lane, vector, value: given[(i + lane) % given.length] })),
  );
  const { memory, exports } = startAll(
    ways.map(({ lane, vector, value }) => (f: FunctionBuilder) => {
      storeTo(f, result!, output, () => {
        f.v128(vector);
        if (how === 'replace') constantIn(f, scalar as ValueType, value);
        return (f as unknown as Loose).lane(name, lane);
      });
    }),
  );
  ways.forEach(({ lane, vector, value }, i) => {
    const expected = new Uint8Array(16);
    if (how === 'replace') {
      expected.set(vector);
      setLane(expected, type, lane * sizes[type], value);
    } else {
      const x = laneAt(vector, type, lane);
      setLane(expected, scalar, 0, sign === 'u' ? unsigned(type, x as bigint) : x);
    }
    memory.fill(0, output, output + 16);
    exports[`${i}`]();
    expect(memory.slice(output, output + 16), `lane ${lane}`).toEqual(expected);
  });
}

function runShuffle(): void {
  const a = Uint8Array.from({ length: 16 }, (_, i) => i * 3 + 1);
  const b = Uint8Array.from({ length: 16 }, (_, i) => 200 - i * 7);
  const both = [...a, ...b];
  const next = random(9);
  const ways = [
    Array.from({ length: 16 }, (_, i) => i),
    Array.from({ length: 16 }, (_, i) => 31 - i),
    Array.from({ length: 16 }, (_, i) => (i >> 1) + 16 * (i & 1)),
    Array.from({ length: 16 }, (_, i) => 4 * (i >> 2)),
    new Array<number>(16).fill(31),
    ...Array.from({ length: 20 }, () => Array.from({ length: 16 }, () => Math.floor(next() * 32))),
  ];
  for (const lanes of ways) {
    const memory = runOnce((f) =>
      f.store('v128.store', f.i32(output), f.shuffle(lanes, f.v128(a), f.v128(b))),
    );
    expect([...memory.slice(output, output + 16)]).toEqual(lanes.map((lane) => both[lane]));
  }
}

/** On a shared memory with 7 at 520; nobody else is there to wake or to be woken by. */
function runWaiting(name: 'memory.atomic.notify' | 'memory.atomic.wait32'): void {
  const module = new ModuleBuilder();
  const run = module.function({ parameters: ['i32', 'i32'], results: ['i32'] }, (f, p) => {
    const [at, value] = p as readonly [Local<'i32'>, Local<'i32'>];
    if (name === 'memory.atomic.notify') f.load(name, f.get(at), f.get(value), 8);
    else f.load(name, f.get(at), f.get(value), f.i64(1000n), 8); // nanoseconds
  });
  module.export('run', run);
  const api = webAssembly();
  const memory = new api.Memory({ initial: 1, maximum: 1, shared: true });
  const bytes = module.bytes({ module: 'vireo', name: 'memory', pages: 1, shared: true });
  const { exports } = new api.Instance(new api.Module(bytes), { vireo: { memory } });
  new Int32Array(memory.buffer)[130] = 7;
  const call = exports['run'] as Run;
  if (name === 'memory.atomic.notify')
    expect(call(512, 1)).toBe(0); // woken
  else expect([call(512, 6), call(512, 7)]).toEqual([1, 2]); // another value there, out of time
}

function runRow(name: Opcode): void {
  const immediate = (opcodes[name] as readonly unknown[])[2] as string | undefined;
  if (name === 'memory.atomic.notify' || name === 'memory.atomic.wait32') runWaiting(name);
  else if (immediate === undefined) runPlain(name);
  else if (immediate === 'lane') runLane(name);
  else if (immediate === 'shuffle') runShuffle();
  else if (immediate.endsWith('lane')) runMemoryLane(name);
  else if (signatureOf(name).result) runLoad(name);
  else runStore(name);
}

function hasRelaxed(): boolean {
  try {
    runOnce((f) => f.set(f.local('v128'), f.op('f32x4.relaxed_madd', f.f32x4(1), f.f32x4(2), f.f32x4(3))));
    return true;
  } catch {
    return false;
  }
}

describe('every row of the opcode table', () => {
  const relaxed = hasRelaxed();
  const names = Object.keys(opcodes) as Opcode[];
  for (const name of names) it.skipIf(name.includes('relaxed') && !relaxed)(name, () => runRow(name));

  it('has no opcode twice', () => {
    const codes = names.map((name) => opcodes[name][0]);
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('notices a wrong result', () => {
    const sum = caseOf('i32.add')!;
    expect(() => expectResult('i32.add', sum, [1n, 2n], vectorOf('i32', [4n]))).toThrow('expected 3');
    expect(caseOf('i32.unheard_of')).toBeUndefined();
  });
});

describe('division', () => {
  it.each(['i32.div_s', 'i32.div_u', 'i32.rem_s', 'i32.rem_u'] as const)('%s by 0 traps', (name) => {
    const { exports } = startAll([(f) => f.set(f.local('i32'), f.op(name, f.i32(1), f.i32(0)))]);
    expect(() => exports['0']()).toThrow();
  });
});

describe('constants', () => {
  const stored = (type: ValueType, value: Value): Uint8Array =>
    runOnce((f) => storeTo(f, type, output, () => constantIn(f, type, value))).slice(output, output + 16);

  it('i32 and i64 of every length', () => {
    for (let bits = 0n; bits < 64n; bits++)
      for (const x of [1n << bits, -(1n << bits), (1n << bits) - 1n, (1n << bits) + 1n]) {
        const long = wrap('i64', x);
        expect(getLane(stored('i64', long), 'i64', 0), `${long}`).toBe(long);
        if (bits < 32n) expect(getLane(stored('i32', wrap('i32', x)), 'i32', 0)).toBe(wrap('i32', x));
      }
  });

  it('f32 and f64', () => {
    for (const x of floats) expect(getLane(stored('f32', x), 'f32', 0)).toBe(Math.fround(x));
    for (const x of doubles) expect(getLane(stored('f64', x), 'f64', 0)).toBe(x);
  });

  it('vectors of one number', () => {
    const memory = runOnce((f) => {
      f.store('v128.store', f.i32(0), f.i8x16(-3));
      f.store('v128.store', f.i32(16), f.i16x8(-300));
      f.store('v128.store', f.i32(32), f.i32x4(-70000));
      f.store('v128.store', f.i32(48), f.f32x4(0.1));
      f.store('v128.store', f.i32(64), f.v128([1, 2, 3, -4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 256]));
    });
    expect(new Int8Array(memory.buffer, 0, 16)).toEqual(new Int8Array(16).fill(-3));
    expect(new Int16Array(memory.buffer, 16, 8)).toEqual(new Int16Array(8).fill(-300));
    expect(new Int32Array(memory.buffer, 32, 4)).toEqual(new Int32Array(4).fill(-70000));
    expect(new Float32Array(memory.buffer, 48, 4)).toEqual(new Float32Array(4).fill(0.1));
    expect([...memory.slice(64, 80)]).toEqual([1, 2, 3, 252, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0]);
  });
});

describe('structure', () => {
  /** Calls f with parameters; its result is what it stored at 0 as an i32. */
  const result = (parameters: number[], build: (f: FunctionBuilder, p: readonly Local<'i32'>[]) => void) => {
    const module = new ModuleBuilder();
    const types = parameters.map(() => 'i32' as const);
    module.export(
      'run',
      module.function({ parameters: types }, (f, p) => build(f, p as Local<'i32'>[])),
    );
    const { memory, exports } = start(module);
    exports['run'](...parameters);
    return Number(getLane(memory, 'i32', 0));
  };
  const add = (f: FunctionBuilder, local: Local<'i32'>, amount: number): void => f.advance(local, amount);
  const give = (f: FunctionBuilder, local: Local<'i32'>): void =>
    f.store('i32.store', f.i32(0), f.get(local));

  it.each([-1, 0, 1, 2, 100])('repeat %i times', (times) => {
    const ran = result([], (f) => {
      const count = f.local('i32');
      f.repeat(times, () => f.repeat(3, () => add(f, count, 1)));
      give(f, count);
    });
    expect(ran).toBe(3 * Math.max(0, times));
  });

  it.each([
    [0, 10, 1],
    [0, 10, 3],
    [5, 5, 1],
    [7, 3, 2],
    [-9, -2, 4],
  ])('while %i < %i in steps of %i', (from, to, step) => {
    let expected = 0;
    for (let i = from; i < to; i += step) expected += 1000 + i;
    const body = (end: (p: readonly Local<'i32'>[]) => number | Local<'i32'>) =>
      result([from, to], (f, p) => {
        const sum = f.local('i32');
        f.while(p[0], end(p), step, () => {
          f.set(sum, f.op('i32.add', f.get(sum), f.op('i32.add', f.get(p[0]), f.i32(1000))));
        });
        give(f, sum);
      });
    expect(body((p) => p[1])).toBe(expected);
    expect(body(() => to)).toBe(expected);
  });

  it.each([
    [1, 11],
    [0, 22],
    [-5, 11],
  ])('if %i', (condition, expected) => {
    const one = result([condition], (f, p) => {
      const x = f.local('i32');
      f.if(
        f.get(p[0]),
        () => f.set(x, f.i32(11)),
        () => f.set(x, f.i32(22)),
      );
      give(f, x);
    });
    expect(one).toBe(expected);
    const alone = result([condition], (f, p) => {
      const x = f.local('i32');
      f.if(f.get(p[0]), () => f.set(x, f.i32(11)));
      give(f, x);
    });
    expect(alone).toBe(condition ? 11 : 0);
  });

  it.each([0, 1, 2, 3])('br leaves %i blocks more than the innermost', (levels) => {
    const passed = result([], (f) => {
      const mask = f.local('i32');
      const nest = (depth: number, labels: Parameters<FunctionBuilder['br']>[0][]): void =>
        f.block((label) => {
          const all = [label, ...labels];
          if (depth === 3) f.br(all[levels]);
          else f.if(f.i32(1), () => nest(depth + 1, all));
          add(f, mask, 1 << depth);
        });
      nest(0, []);
      give(f, mask);
    });
    // What follows a block that was left runs; what follows inside it does not.
    let expected = 0;
    for (let depth = 0; depth < 3 - levels; depth++) expected += 1 << depth;
    expect(passed).toBe(expected);
  });

  it('br starts a loop again from inside a block', () => {
    const sum = result([20], (f, p) => {
      const total = f.local('i32');
      f.loop((again) => {
        f.block((skip) => {
          f.set(p[0], f.op('i32.sub', f.get(p[0]), f.i32(1)));
          f.brIf(skip, f.op('i32.and', f.get(p[0]), f.i32(1)));
          f.set(total, f.op('i32.add', f.get(total), f.get(p[0])));
          f.brIf(again, f.get(p[0]));
        });
        f.brIf(again, f.get(p[0]));
      });
      give(f, total);
    });
    expect(sum).toBe(18 + 16 + 14 + 12 + 10 + 8 + 6 + 4 + 2);
  });

  it('calls functions with operands and results, tees, and has more than 127 locals of mixed types', () => {
    const module = new ModuleBuilder();
    const scale = module.function({ parameters: ['i32', 'f32'], results: ['f32'] }, (f, [p, q]) => {
      f.op('f32.mul', f.op('f32.convert_i32_s', f.get(p as Local<'i32'>)), f.get(q as Local<'f32'>));
    });
    const run = module.function({ parameters: ['i32'], results: ['f32'] }, (f, [p]) => {
      const many = f.locals('i32', 70);
      const wide = f.locals('v128', 40);
      const more = f.locals('i32', 70);
      f.set(wide[39], f.i32x4(5));
      f.set(many[69], f.tee(more[69], f.get(p as Local<'i32'>)));
      f.set(many[0], f.lane('i32x4.extract_lane', 2, f.get(wide[39])));
      f.call(
        scale,
        f.op('i32.add', f.op('i32.add', f.get(many[69]), f.get(more[69])), f.get(many[0])),
        f.f32(0.5),
      );
    });
    module.export('run', run);
    module.export('scale', scale);
    const { exports } = start(module);
    expect(exports['run'](21)).toBe(23.5);
    expect(exports['scale'](-3, 1.5)).toBe(-4.5);
  });
});

describe('the binary format', () => {
  const written = (write: (bytes: Bytes) => void): number[] => {
    const bytes = new Bytes(1);
    write(bytes);
    return [...bytes.data];
  };

  it.each([
    [0, [0]],
    [127, [0x7f]],
    [128, [0x80, 1]],
    [16383, [0xff, 0x7f]],
    [16384, [0x80, 0x80, 1]],
    [624485, [0xe5, 0x8e, 0x26]],
    [2 ** 31, [0x80, 0x80, 0x80, 0x80, 8]],
    [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff, 15]],
  ])('u32 %i', (value, expected) => expect(written((b) => b.u32(value))).toEqual(expected));

  it.each([
    [0, [0]],
    [63, [0x3f]],
    [64, [0xc0, 0]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [-123456, [0xc0, 0xbb, 0x78]],
    [8191, [0xff, 0x3f]],
    [8192, [0x80, 0xc0, 0]],
    [2 ** 31 - 1, [0xff, 0xff, 0xff, 0xff, 7]],
    [-(2 ** 31), [0x80, 0x80, 0x80, 0x80, 0x78]],
  ])('s32 and s64 %i', (value, expected) => {
    expect(written((b) => b.s32(value))).toEqual(expected);
    expect(written((b) => b.s64(BigInt(value)))).toEqual(expected);
  });

  it('s64 at the ends', () => {
    const nine = new Array<number>(9);
    expect(written((b) => b.s64(-(2n ** 63n)))).toEqual([...nine.fill(0x80), 0x7f]);
    expect(written((b) => b.s64(2n ** 63n - 1n))).toEqual([...nine.fill(0xff), 0]);
  });

  it('floats, names and sized parts; the array grows', () => {
    expect(written((b) => b.f32(1.5))).toEqual([0, 0, 0xc0, 0x3f]);
    expect(written((b) => b.f64(-2))).toEqual([0, 0, 0, 0, 0, 0, 0, 0xc0]);
    expect(written((b) => b.name('ab'))).toEqual([2, 97, 98]);
    const inner = new Bytes(0);
    for (let i = 0; i < 200; i++) inner.byte(i);
    const all = written((b) => {
      b.byte(9);
      b.sized(inner);
      b.append([1, 2]);
    });
    expect(all).toEqual([9, 0xc8, 1, ...Array.from({ length: 200 }, (_, i) => i), 1, 2]);
  });

  /** Section id → its content. */
  function sectionsOf(bytes: Uint8Array): Map<number, Uint8Array> {
    expect([...bytes.slice(0, 8)]).toEqual([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const sections = new Map<number, Uint8Array>();
    let at = 8;
    while (at < bytes.length) {
      const id = bytes[at++];
      let size = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++];
        size |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      sections.set(id, bytes.slice(at, at + size));
      at += size;
    }
    expect([...sections.keys()]).toEqual([1, 2, 3, 7, 10]);
    return sections;
  }

  it('a module lists each type once, its functions, exports and memory', () => {
    const module = new ModuleBuilder();
    const nothing = (): void => {};
    module.function({ parameters: ['i32'] }, nothing);
    module.function({ parameters: [] }, nothing);
    module.function({ parameters: ['i32'] }, nothing);
    module.function({ parameters: ['v128', 'i64'], results: ['i32'] }, (f) => void f.i32(1));
    module.function({ parameters: [] }, nothing);
    module.export('step0', { index: 3 });
    module.export('x', { index: 1 });
    const memory = { module: 'vireo', name: 'memory', pages: 300 };
    const sections = sectionsOf(module.bytes(memory));
    expect([...sections.get(1)!]).toEqual([3, 0x60, 1, 0x7f, 0, 0x60, 0, 0, 0x60, 2, 0x7b, 0x7e, 1, 0x7f]);
    expect([...sections.get(3)!]).toEqual([5, 0, 1, 0, 2, 1]);
    const text = (s: string) => [s.length, ...Buffer.from(s)];
    expect([...sections.get(7)!]).toEqual([2, ...text('step0'), 0, 3, ...text('x'), 0, 1]);
    expect([...sections.get(2)!]).toEqual([1, ...text('vireo'), ...text('memory'), 2, 0, 0xac, 2]);
    const shared = sectionsOf(module.bytes({ ...memory, shared: true }));
    expect([...shared.get(2)!]).toEqual([1, ...text('vireo'), ...text('memory'), 2, 3, 0xac, 2, 0xac, 2]);
  });

  it('a module works on a shared memory', () => {
    const api = webAssembly();
    const module = new ModuleBuilder();
    const build = (f: FunctionBuilder): void => f.store('i32.store', f.i32(8), f.i32(77));
    module.export('run', module.function({ parameters: [] }, build));
    const bytes = module.bytes({ module: 'vireo', name: 'memory', pages: 2, shared: true });
    const memory = new api.Memory({ initial: 2, maximum: 2, shared: true });
    const { exports } = new api.Instance(new api.Module(bytes), { vireo: { memory } });
    (exports['run'] as Run)();
    expect(new Int32Array(memory.buffer)[2]).toBe(77);
    expect(module.codeBytes).toBeGreaterThan(0);
  });
});
