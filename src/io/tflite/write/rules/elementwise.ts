/**
 * Operators that calculate each number by itself, or along one axis.
 *
 * What TensorFlow Lite has no operator for is composed of those that it has:
 *
 *   1/x              1 ÷ x                        softsign(x)    x ÷ (|x| + 1)
 *   elu(x; α)        relu(x) + α·elu(min(x, 0))   softplus(x)    relu(x) + log(exp(−|x|) + 1)
 *
 * What it has for float only is calculated between DEQUANTIZE and QUANTIZE.
 */
import type { ValueId } from '../../../../graph/ir.ts';
import type { Op, OpOf } from '../../../../graph/ops.ts';
import { noClamp, type UnaryFn } from '../../../../kernels/call.ts';
import type { DType, Quantization } from '../../../../tensor.ts';
import { isAlike, isByte } from '../fused.ts';
import type { Site } from '../site.ts';
import { bounded, clampTo, isUnbounded } from './bounds.ts';

const relu = { kind: 'clamp', clamp: { min: 0, max: Number.POSITIVE_INFINITY } } as const;
const binaryOp = (fn: OpOf<'binary'>['fn']): OpOf<'binary'> => ({ kind: 'binary', fn, clamp: noClamp });
const unaryOp = (fn: UnaryFn, alpha = 0): OpOf<'unary'> => ({ kind: 'unary', fn, alpha });

/** Functions of quantised numbers that TensorFlow Lite has a kernel for. */
const byteFunctions: Partial<Record<DType, readonly UnaryFn[]>> = {
  i8: ['abs', 'leakyRelu', 'logistic', 'tanh', 'hardSwish', 'elu', 'exp', 'log', 'sqrt', 'rsqrt'],
  u8: ['leakyRelu', 'logistic', 'tanh', 'hardSwish'],
};
const floatFunctions: readonly UnaryFn[] = [
  ...(['abs', 'neg', 'sign', 'floor', 'ceil', 'round', 'square', 'sqrt', 'rsqrt', 'exp', 'log'] as const),
  ...(['sin', 'cos', 'logistic', 'tanh', 'hardSwish', 'elu', 'leakyRelu'] as const),
];

/** The output parameters that TensorFlow Lite fixes, and wants to see. */
function fixedQuantization(fn: UnaryFn, dtype: DType): Quantization | null {
  const low = dtype === 'i8' ? -128 : 0;
  if (fn === 'logistic') return { scale: [1 / 256], zeroPoint: [low], axis: 0 };
  return fn === 'tanh' ? { scale: [1 / 128], zeroPoint: [low + 128], axis: 0 } : null;
}

export function unary(site: Site, op: OpOf<'unary'>): ValueId {
  const { fn, alpha } = op;
  const from = site.value(site.x);
  const { output } = site;
  const { dtype } = output;
  if (isByte(from) && isByte(output)) {
    const hasKernel = from.dtype === dtype && byteFunctions[from.dtype]?.includes(fn);
    if (!hasKernel || (fn === 'elu' && alpha !== 1))
      return throughFloat(site, (x) => realUnary(site, fn, alpha, x[0]!));
    const quantization = fixedQuantization(fn, dtype);
    if (!quantization || isAlike(output, { ...output, quantization })) return site.done(op, [site.x]);
    site.changed('rescaled');
    return site.done({ kind: 'convert', rounding: 'away' }, [
      site.step('fixed', op, [site.x], { quantization }),
    ]);
  }
  if (from.dtype !== dtype) site.unsupported(`${from.dtype} input and ${dtype} output`);
  if (dtype === 'f32') {
    const { op: last, inputs } = realUnary(site, fn, alpha, site.x);
    return site.done(last, inputs);
  }
  if (dtype === 'bool' && fn === 'not') return site.done(op, [site.x]);
  if (dtype !== 'i32' && dtype !== 'i64') return site.unsupported(`${fn} of ${dtype}`);
  if (fn === 'square') return site.done(binaryOp('mul'), [site.x, site.x]);
  if (fn === 'floor' || fn === 'ceil' || fn === 'round') return site.same(site.x);
  if (fn === 'abs' || fn === 'neg' || (fn === 'sign' && dtype === 'i32')) return site.done(op, [site.x]);
  return site.unsupported(`${fn} of ${dtype}`);
}

interface Last {
  readonly op: Op;
  readonly inputs: readonly ValueId[];
}

/** f(x) in float32, up to the operator that ends it. */
function realUnary(site: Site, fn: UnaryFn, alpha: number, x: ValueId): Last {
  const step = (name: string, op: Op, ...inputs: ValueId[]): ValueId => site.real(name, op, inputs);
  const like = { ...site.value(x), quantization: null };
  const one = (): ValueId => site.scalar('one', 1, like);
  switch (fn) {
    case 'reciprocal':
      return { op: binaryOp('div'), inputs: [one(), x] };
    case 'softsign': {
      const size = step('size', unaryOp('abs'), x);
      return { op: binaryOp('div'), inputs: [x, step('over', binaryOp('add'), size, one())] };
    }
    case 'softplus': {
      const power = step(
        'power',
        unaryOp('exp'),
        step('below', unaryOp('neg'), step('size', unaryOp('abs'), x)),
      );
      const log = step('log', unaryOp('log'), step('sum', binaryOp('add'), power, one()));
      return { op: binaryOp('add'), inputs: [step('positive', relu, x), log] };
    }
    case 'elu': {
      if (alpha === 1) return { op: unaryOp('elu', 1), inputs: [x] };
      const negative = step('negative', binaryOp('min'), x, site.scalar('zero', 0, like));
      const scaled = step(
        'scaled',
        binaryOp('mul'),
        step('elu', unaryOp('elu', 1), negative),
        site.scalar('alpha', alpha, like),
      );
      return { op: binaryOp('add'), inputs: [step('positive', relu, x), scaled] };
    }
    default:
      if (!floatFunctions.includes(fn)) site.unsupported(`no operator for ${fn}`);
      return { op: unaryOp(fn, alpha), inputs: [x] };
  }
}

/** DEQUANTIZE  ⇒  f in float  ⇒  QUANTIZE */
function throughFloat(site: Site, f: (inputs: readonly ValueId[]) => Last): ValueId {
  site.changed('float');
  const reals = site.inputs.map((id, i) =>
    site.real(`real ${i}`, { kind: 'convert', rounding: 'away' }, [id]),
  );
  const { op, inputs } = f(reals);
  return site.done({ kind: 'convert', rounding: 'away' }, [site.real('real', op, inputs)]);
}

const comparisons: readonly string[] = ['equal', 'less', 'lessOrEqual', 'greater', 'greaterOrEqual'];

export function binary(site: Site, op: OpOf<'binary'>): ValueId {
  const { fn, clamp } = op;
  const [a, b] = site.inputs.map((id) => site.value(id));
  const { output } = site;
  if (a!.dtype !== b!.dtype) site.unsupported(`${fn} of ${a!.dtype} and ${b!.dtype}`);
  const { dtype } = a!;
  const isQuantized = isByte(a!) && isByte(b!);
  const isNumber = dtype === 'f32' || dtype === 'i32' || dtype === 'i64';
  if (fn === 'and' || fn === 'or' || fn === 'xor') {
    if (dtype !== 'bool') site.unsupported(`${fn} of ${dtype}`);
    return site.done(op, site.inputs);
  }
  if (comparisons.includes(fn)) {
    if (!isNumber && !(isQuantized && isAlike(a!, b!)) && !(dtype === 'bool' && fn === 'equal'))
      site.unsupported(`${fn} of ${dtype}`);
    return site.done(op, site.inputs);
  }
  if (fn === 'fmod') site.unsupported('a remainder with the sign of the dividend');
  if (output.dtype !== dtype || !(isNumber || (isQuantized && isByte(output))))
    site.unsupported(`${fn} of ${dtype}${isNumber || isQuantized ? '' : ' numbers without a scale'}`);
  const plain = { kind: 'binary', fn, clamp } as const;
  if (isQuantized && op.rounding === 'even') site.changed('rounding');
  if (fn === 'add' || fn === 'sub' || fn === 'mul' || fn === 'div') {
    if (fn === 'div' && dtype === 'i64') site.unsupported('div of i64');
    return bounded(site, plain, site.inputs);
  }
  const ends = (inputs: readonly ValueId[]): ValueId =>
    isUnbounded(clamp)
      ? site.done(plain, inputs)
      : clampTo(site, clamp, site.step('unbounded', binaryOp(fn), inputs));
  if (!isQuantized) return ends(site.inputs);
  if (fn === 'min' || fn === 'max') {
    const alike = [a!, b!].every((value) => isAlike(value, output));
    if (alike) return ends(site.inputs);
    site.changed('rescaled');
    return ends(site.inputs.map((id, i) => site.converted(`rescaled ${i}`, id, output)));
  }
  return throughFloat(site, (inputs) => ({ op: plain, inputs }));
}

export function softmax(site: Site, op: OpOf<'softmax'>): ValueId {
  if (!op.log) return site.done(op, site.inputs);
  if (site.output.dtype !== 'f32') site.unsupported(`a logarithm of ${site.output.dtype}`);
  const x = site.x;
  if (op.beta === 1) return site.done(op, [x]);
  const scaled = site.step('scaled', binaryOp('mul'), [x, site.scalar('beta', op.beta, site.value(x))]);
  return site.done({ ...op, beta: 1 }, [scaled]);
}

export function lrn(site: Site, op: OpOf<'lrn'>): ValueId {
  const { shape } = site.value(site.x);
  if (shape.length !== 4) site.unsupported(`rank ${shape.length}`);
  if (op.size % 2 === 0) site.unsupported(`an even number of ${op.size} channels`);
  return site.done(op, [site.x]);
}

export function reduce(site: Site, op: OpOf<'reduce'>): ValueId {
  const from = site.value(site.x);
  const { fn } = op;
  if (op.axes.length === 0) {
    if (isByte(from) && !isAlike(from, site.output))
      return site.done({ kind: 'convert', rounding: 'away' }, [site.x]);
    return site.same(site.x);
  }
  const isNumber = from.dtype === 'f32' || from.dtype === 'i32' || from.dtype === 'i64';
  const takesBytes =
    fn === 'mean' || fn === 'sum' || ((fn === 'max' || fn === 'min') && isAlike(from, site.output));
  if (!isNumber && !(isByte(from) && takesBytes)) site.unsupported(`${fn} of ${from.dtype}`);
  return site.done(op, [site.x]);
}

export function argMax(site: Site, op: OpOf<'argMax'>): ValueId {
  if (op.last) site.unsupported('the last of equals');
  return site.done(op, [site.x]);
}

/** Along the innermost axis and from the largest down; the least are the largest of −x. */
export function topK(site: Site, op: OpOf<'topK'>): ValueId {
  const from = site.value(site.x);
  const rank = from.shape.length;
  const isNumber = from.dtype === 'f32' || from.dtype === 'i32' || from.dtype === 'i64';
  if (!isNumber && !(isByte(from) && op.largest)) site.unsupported(`the least of ${from.dtype}`);
  const last = rank - 1;
  const perm = from.shape.map((_, i) => (i === op.axis ? last : i === last ? op.axis : i));
  const isLast = op.axis === last;
  const own = { dtype: from.dtype, quantization: from.quantization };
  const turned = isLast ? site.x : site.step('turned', { kind: 'transpose', perm }, [site.x], own);
  const x = op.largest ? turned : site.step('negated', unaryOp('neg'), [turned], own);
  const ranked = { ...op, axis: last, largest: true };
  const negate = !op.largest && !op.indices;
  if (isLast && !negate) return site.done(ranked, [x]);
  const y = site.step('ranked', ranked, [x]);
  const signed = negate && !isLast ? site.step('signed', unaryOp('neg'), [y]) : y;
  return isLast ? site.done(unaryOp('neg'), [y]) : site.done({ kind: 'transpose', perm }, [signed]);
}

export function convert(site: Site, op: OpOf<'convert'>): ValueId {
  const from = site.value(site.x);
  const { output } = site;
  if (from.dtype === 'f32' && output.dtype === 'f32') return site.same(site.x);
  for (const value of [from, output]) {
    if (value.dtype === 'f32') continue;
    if (!isByte(value)) site.unsupported(`${value.dtype} numbers`);
    if (value.quantization?.scale.length !== 1) site.unsupported('numbers with a scale for each channel');
  }
  if (op.rounding === 'even' && output.dtype !== 'f32') site.changed('rounding');
  return site.done({ kind: 'convert', rounding: 'away' }, [site.x]);
}
