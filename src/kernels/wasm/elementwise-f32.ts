/**
 * Element by element on f32: two operands broadcast against each other, one operand, and any of these behind them in
 * the same pass.
 *
 *   y = clamp(fₙ(… f₂(f₁(x, b₁), b₂) …))           each bₖ of y's shape, or repeating along some axes
 *
 *   row:  v128.load x, for each stage (v128.load b, op), v128.store y         4 elements; 16 a turn
 *
 * A bₖ that stands still along the innermost axis is a vector of one number, loaded once a row. Where an operand's
 * innermost elements do not lie side by side, elements go one at a time.
 *
 * Equal to reference: + − · / min max, bounds, abs neg sign floor ceil round square sqrt reciprocal and prelu, with
 * their NaN and ±0, and leakyRelu where alpha is an f32. Relative difference from reference: rsqrt and softsign 2⁻²³,
 * exp 1.25·2⁻²³, hardSwish, logistic, tanh and elu 1.25·2⁻²²; of subnormal results one step.
 */
import { denseStrides, sameShape } from '../../tensor.ts';
import type { Arithmetic, Clamp, EmittedOffer, KernelCall, Place, UnaryFn } from '../call.ts';
import { isEmpty, isFloat, type Nest } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { PlainOpcode, V128 } from './asm/opcodes.ts';
import { ExpF32, expConstants, expMinusOneConstants, Splats } from './exp-f32.ts';
import { byteStrides, emitNest, emitRow, nestOf, placeStrides, storePart } from './nest.ts';
import type { Parameters, Program } from './program.ts';
import type { Target } from './target.ts';

export function offerElementwiseF32(call: KernelCall, target: Target): EmittedOffer | null {
  if (!isFloat(call) || isEmpty(call)) return null;
  const stages = stagesOf(call);
  if (!stages) return null;
  const { inputs, output } = call;
  const name = stages.map((stage) => ('fn' in stage ? stage.fn : stage.kind)).join('-');
  return {
    kernel: `${name}-f32-4-wasm`,
    strided: true,
    overwrites: inputs.flatMap(({ data, shape }, i) => (!data && sameShape(shape, output.shape) ? [i] : [])),
    emit: (program, places, place) => emitChain(program, call, stages, target.madd, places, place),
  };
}

/** What happens to the value of an element; `input` is the operand beside it, counted as the call's inputs are. */
type Stage =
  /** `first`: the value is the first operand. */
  | { readonly kind: 'binary'; readonly fn: BinaryStage; readonly input: number; readonly first: boolean }
  | { readonly kind: 'unary'; readonly fn: UnaryStage; readonly alpha: number }
  | { readonly kind: 'clamp'; readonly min: number | null; readonly max: number | null }
  | { readonly kind: 'prelu'; readonly input: number };

const binaryOps = {
  add: 'f32x4.add',
  sub: 'f32x4.sub',
  mul: 'f32x4.mul',
  div: 'f32x4.div',
  min: 'f32x4.min',
  max: 'f32x4.max',
} as const satisfies Readonly<Record<string, PlainOpcode>>;
type BinaryStage = keyof typeof binaryOps;

/** The functions of one number that are here, and the constants they take. */
const unaryConstants = {
  abs: [],
  neg: [],
  sign: [0, 1, -1],
  floor: [],
  ceil: [],
  round: [],
  square: [],
  sqrt: [],
  rsqrt: [1],
  reciprocal: [1],
  softsign: [1],
  leakyRelu: [0],
  hardSwish: [0, 3, 6, 1 / 6],
  exp: expConstants,
  logistic: [...expConstants, 0],
  tanh: [...expMinusOneConstants, 2],
  elu: [...expMinusOneConstants, 0],
} as const satisfies Partial<Record<UnaryFn, readonly number[]>>;
type UnaryStage = keyof typeof unaryConstants;

const isIn = <K extends string>(table: Readonly<Record<K, unknown>>, name: string): name is K =>
  name in table;

/** The call and what follows it; null where one of them is not for this kernel. */
function stagesOf({ arithmetic, inputs, output, following = [] }: KernelCall): Stage[] | null {
  let next = inputs.length - following.reduce((sum, { others }) => sum + others, 0);
  const head = next <= 2 ? stagesOfOne(arithmetic, 1, true) : null;
  if (!head) return null;
  const stages = [...head];
  for (const { arithmetic: op, x, position, others, output: y } of following) {
    const alike = [x, y].every(({ dtype, shape }) => dtype === 'f32' && sameShape(shape, output.shape));
    const more = alike && others <= 1 ? stagesOfOne(op, next, position === 0) : null;
    if (!more) return null;
    stages.push(...more);
    next += others;
  }
  return stages;
}

function stagesOfOne(op: Arithmetic, input: number, first: boolean): Stage[] | null {
  switch (op.kind) {
    case 'binary': {
      const bounds = boundsOf(op.clamp);
      if (!isIn(binaryOps, op.fn) || !bounds) return null;
      return [{ kind: 'binary', fn: op.fn, input, first }, ...bounds];
    }
    case 'unary':
      return isIn(unaryConstants, op.fn) ? [{ kind: 'unary', fn: op.fn, alpha: op.alpha }] : null;
    case 'clamp':
      return boundsOf(op.clamp);
    case 'prelu':
      return first ? [{ kind: 'prelu', input }] : null;
    default:
      return null;
  }
}

/** Null for bounds that no network has: a lower one of ∞, NaN. */
function boundsOf(clamp: Clamp): Stage[] | null {
  const min = clamp.min === Number.NEGATIVE_INFINITY ? null : clamp.min;
  const max = clamp.max === Number.POSITIVE_INFINITY ? null : clamp.max;
  if (![min ?? 0, max ?? 0].every(Number.isFinite)) return null;
  return min === null && max === null ? [] : [{ kind: 'clamp', min, max }];
}

type ChainSpec = {
  readonly stages: readonly Stage[];
  /** Pointers: the inputs, then the output; strides in bytes. */
  readonly nest: Nest;
  readonly madd: boolean;
};

function emitChain(
  program: Program,
  { inputs, output }: KernelCall,
  stages: readonly Stage[],
  madd: boolean,
  places: readonly (Place | null)[],
  y: Place,
): void {
  const { shape } = output;
  const strides = inputs.map((operand, i) =>
    byteStrides(operand.shape, shape, places[i]?.strides ?? denseStrides(operand.shape), 4),
  );
  const spec: ChainSpec = { stages, nest: nestOf(shape, [...strides, placeStrides(y, 4)]), madd };
  const addresses = inputs.map(({ data }, i) => places[i]?.address ?? program.constantOf(data!));
  const kernel = program.kernel('elementwise-f32', spec, inputs.length + 1, buildChain);
  program.step([kernel, ...addresses, y.address]);
}

function buildChain(f: FunctionBuilder, { stages, nest, madd }: ChainSpec, pointers: Parameters): void {
  const inner = nest.extents.length - 1;
  const steps = nest.strides.map((strides) => strides[inner]);
  const output = pointers.length - 1;
  const lanes = steps.every((step, j) => step === 4 || (step === 0 && j < output)) ? 4 : 1;
  const splats = new Splats(f, stages.flatMap(constantsOf));
  const exp = new ExpF32(f, splats, madd);
  const value = f.local('v128');
  const held = steps.map((step, j) => (step === 0 && j < output ? f.local('v128') : null));
  const operand = (j: number, element: number): V128 => {
    const still = held[j];
    if (still) return f.get(still);
    const load = lanes === 4 ? 'v128.load' : 'v128.load32_splat';
    return f.load(load, f.get(pointers[j]), element * steps[j]);
  };
  const rows = pointers.map((pointer, j) => ({ pointer, bytes: steps[j] }));
  const unroll = lanes === 4 && !stages.some(isLong) ? 4 : 1;
  emitNest(f, nest, pointers, () => {
    held.forEach((still, j) => {
      if (still) f.set(still, f.load('v128.load32_splat', f.get(pointers[j])));
    });
    return emitRow(f, nest.extents[inner], lanes, unroll, rows, (element, stored) => {
      f.set(value, operand(0, element));
      for (const stage of stages) emitStage(f, stage, value, splats, exp, (input) => operand(input, element));
      storePart(f, pointers[output], value, 4 * stored, element * steps[output]);
    });
  });
}

function constantsOf(stage: Stage): readonly number[] {
  if (stage.kind === 'clamp') return [stage.min ?? 0, stage.max ?? 0];
  return stage.kind === 'unary'
    ? [...unaryConstants[stage.fn], stage.alpha]
    : stage.kind === 'prelu'
      ? [0]
      : [];
}

/** Enough instructions to keep the machine busy without a second vector. */
function isLong(stage: Stage): boolean {
  return stage.kind === 'unary' && unaryConstants[stage.fn].length > 4;
}

function emitStage(
  f: FunctionBuilder,
  stage: Stage,
  value: Local<'v128'>,
  splats: Splats,
  exp: ExpF32,
  operand: (input: number) => V128,
): void {
  switch (stage.kind) {
    case 'binary':
      // Operands lie on the stack in the order in which they are written.
      f.set(
        value,
        stage.first
          ? f.op(binaryOps[stage.fn], f.get(value), operand(stage.input))
          : f.op(binaryOps[stage.fn], operand(stage.input), f.get(value)),
      );
      return;
    case 'clamp':
      // a < b ? b : a, as reference has it: NaN and ±0 stay.
      if (stage.min !== null) f.set(value, f.op('f32x4.pmax', f.get(value), splats.get(stage.min)));
      if (stage.max !== null) f.set(value, f.op('f32x4.pmin', f.get(value), splats.get(stage.max)));
      return;
    case 'prelu': {
      const slope = f.local('v128');
      f.set(slope, f.op('f32x4.mul', f.get(value), operand(stage.input)));
      choose(f, value, slope, () => f.op('f32x4.ge', f.get(value), splats.get(0)));
      return;
    }
    case 'unary':
      emitUnary(f, stage.fn, stage.alpha, value, splats, exp);
  }
}

/** value ← mask ? value : other */
function choose(f: FunctionBuilder, value: Local<'v128'>, other: Local<'v128'>, mask: () => V128): void {
  f.set(value, f.op('v128.bitselect', f.get(value), f.get(other), mask()));
}

/** The functions of reference/real-unary.ts. */
function emitUnary(
  f: FunctionBuilder,
  fn: UnaryStage,
  alpha: number,
  value: Local<'v128'>,
  splats: Splats,
  exp: ExpF32,
): void {
  const x = (): V128 => f.get(value);
  const k = (constant: number): V128 => splats.get(constant);
  const other = f.local('v128');
  const o = (): V128 => f.get(other);
  switch (fn) {
    case 'abs':
    case 'neg':
    case 'floor':
    case 'ceil':
    case 'sqrt':
      f.set(value, f.op(`f32x4.${fn}`, x()));
      return;
    case 'round':
      f.set(value, f.op('f32x4.nearest', x()));
      return;
    case 'sign': // ±0 and NaN stay
      f.set(other, f.op('v128.bitselect', k(-1), x(), f.op('f32x4.lt', x(), k(0))));
      f.set(value, f.op('v128.bitselect', k(1), o(), f.op('f32x4.gt', x(), k(0))));
      return;
    case 'square':
      f.set(value, f.op('f32x4.mul', x(), x()));
      return;
    case 'rsqrt':
      f.set(value, f.op('f32x4.div', k(1), f.op('f32x4.sqrt', x())));
      return;
    case 'reciprocal':
      f.set(value, f.op('f32x4.div', k(1), x()));
      return;
    case 'softsign':
      f.set(value, f.op('f32x4.div', x(), f.op('f32x4.add', k(1), f.op('f32x4.abs', x()))));
      return;
    case 'leakyRelu':
      f.set(other, f.op('f32x4.mul', x(), k(alpha)));
      choose(f, value, other, () => f.op('f32x4.gt', x(), k(0)));
      return;
    case 'hardSwish': // x·(min(max(x + 3, 0), 6)/6): the product last, so that it cannot overflow
      f.set(other, f.op('f32x4.pmax', f.op('f32x4.add', x(), k(3)), k(0)));
      f.set(other, f.op('f32x4.mul', f.op('f32x4.pmin', o(), k(6)), k(1 / 6)));
      f.set(value, f.op('f32x4.mul', x(), o()));
      return;
    case 'exp':
      exp.exp(value);
      return;
    case 'logistic': // e = e^−|x|: 1/(1 + e), or e/(1 + e) for x < 0
      f.set(other, f.op('f32x4.neg', f.op('f32x4.abs', x())));
      exp.exp(other);
      f.set(value, f.op('v128.bitselect', o(), k(1), f.op('f32x4.lt', x(), k(0))));
      f.set(value, f.op('f32x4.div', x(), f.op('f32x4.add', o(), k(1))));
      return;
    case 'tanh': // t = e^−2|x| − 1: −t/(2 + t) with the sign of x, the bit in which x and |x| differ
      f.set(other, f.op('f32x4.abs', x()));
      f.set(value, f.op('v128.xor', x(), o()));
      f.set(other, f.op('f32x4.neg', f.op('f32x4.add', o(), o())));
      exp.expMinusOne(other);
      f.set(other, f.op('f32x4.div', f.op('f32x4.neg', o()), f.op('f32x4.add', o(), k(2))));
      f.set(value, f.op('v128.or', x(), f.op('f32x4.abs', o())));
      return;
    case 'elu':
      f.set(other, f.op('f32x4.pmin', x(), k(0)));
      exp.expMinusOne(other);
      f.set(other, f.op('f32x4.mul', o(), k(alpha)));
      f.set(value, f.op('v128.bitselect', o(), x(), f.op('f32x4.lt', x(), k(0))));
  }
}
