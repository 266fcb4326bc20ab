/** Functions of one, two and three numbers, element by element. They follow the layout of their operands. */
import { sameQuantization } from '../../../../graph/build.ts';
import type { BinaryFn, UnaryFn } from '../../../../kernels/call.ts';
import type { Tensor } from '../emission.ts';
import { straight } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import { isQuantized } from '../values.ts';
import type { Writers } from './index.ts';

const unaryTypes: Partial<Record<UnaryFn, string>> = {
  abs: 'Abs',
  neg: 'Neg',
  sign: 'Sign',
  floor: 'Floor',
  ceil: 'Ceil',
  round: 'Round',
  sqrt: 'Sqrt',
  reciprocal: 'Reciprocal',
  exp: 'Exp',
  log: 'Log',
  sin: 'Sin',
  cos: 'Cos',
  erf: 'Erf',
  not: 'Not',
  logistic: 'Sigmoid',
  tanh: 'Tanh',
  hardSwish: 'HardSwish',
  softplus: 'Softplus',
  softsign: 'Softsign',
};

const binaryTypes: Readonly<Record<BinaryFn, string>> = {
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  min: 'Min',
  max: 'Max',
  pow: 'Pow',
  mod: 'Mod',
  fmod: 'Mod',
  equal: 'Equal',
  less: 'Less',
  lessOrEqual: 'LessOrEqual',
  greater: 'Greater',
  greaterOrEqual: 'GreaterOrEqual',
  and: 'And',
  or: 'Or',
  xor: 'Xor',
};

const comparisons: ReadonlySet<BinaryFn> = new Set([
  'equal',
  'less',
  'lessOrEqual',
  'greater',
  'greaterOrEqual',
]);
const undefinedBelowZero: ReadonlySet<UnaryFn> = new Set(['sqrt', 'rsqrt', 'log']);

function unary(n: NodeWriter, x: Tensor, fn: UnaryFn, alpha: number): Tensor {
  switch (fn) {
    case 'square':
      return n.emit('Mul', [x, x]);
    case 'rsqrt':
      return n.emit('Reciprocal', [n.emit('Sqrt', [x])]);
    case 'elu':
      return n.emit('Elu', [x], { attributes: { alpha: { f: alpha } } });
    case 'leakyRelu':
      return n.emit('LeakyRelu', [x], { attributes: { alpha: { f: alpha } } });
    default:
      return n.emit(unaryTypes[fn] ?? n.fail(`function ${fn}`), [x]);
  }
}

/** A floating remainder with the sign of the divisor: fmod(fmod(a, b) + b, b). */
function floatingMod(n: NodeWriter, a: Tensor, b: Tensor, shape: Tensor['shape']): Tensor {
  const options = { shape, attributes: { fmod: { i: 1 } } };
  const rest = n.emit('Mod', [a, b], options);
  return n.emit('Mod', [n.emit('Add', [rest, b], { shape }), b], options);
}

export const elementwise: Writers<'binary' | 'where' | 'unary' | 'clamp' | 'prelu' | 'cast' | 'convert'> = {
  binary(n, { fn, clamp }) {
    const rank = n.output.shape.length;
    const perm = n.commonLayout();
    const shape = n.shapeIn(perm);
    const isPower = fn === 'pow';
    const a = n.wide(n.broadcast(0, rank, perm));
    const exponent = n.broadcast(1, rank, perm);
    const b = isPower ? exponent : n.wide(exponent);
    const isFloat = a.dtype === 'f32' || a.dtype === 'f64';
    if (fn === 'mod' && isFloat) return n.done(floatingMod(n, a, b, shape), perm, clamp);
    const y = n.emit(binaryTypes[fn], [a, b], {
      shape,
      dtype: comparisons.has(fn) ? 'bool' : a.dtype,
      attributes: fn === 'fmod' ? { fmod: { i: 1 } } : {},
    });
    n.done(y, perm, clamp);
  },

  /** The stored integers, whatever they stand for, are what is chosen. */
  where(n) {
    const rank = n.output.shape.length;
    const perm = n.commonLayout();
    const what = n.movable([1, 2]);
    const condition = n.broadcast(0, rank, perm);
    const [a, b] = [1, 2].map((i) => n.wide(n.broadcast(i, rank, perm, what)));
    const y = n.emit('Where', [condition, a!, b!], { shape: n.shapeIn(perm), dtype: a!.dtype });
    n.moved(what, what === 'stored' ? n.cast(y, n.output.dtype) : y, perm);
  },

  unary(n, { fn, alpha }) {
    const perm = n.layout(0);
    let x = n.wide(n.number(0, perm));
    // Integer kernels take what has no root or logarithm as 0.
    if (n.isQuantized(0) && undefinedBelowZero.has(fn)) x = n.emit('Relu', [x]);
    n.done(unary(n, x, fn, alpha), perm);
  },

  clamp(n, { clamp }) {
    const perm = n.layout(0);
    const isSame =
      n.value(0).dtype === n.output.dtype && sameQuantization(n.value(0).quantization, n.output.quantization);
    if (isQuantized(n.output) && isSame && n.values.primary(n.id(0)) === 'stored')
      return n.quantized(n.stored(0, perm), perm, clamp);
    n.done(n.number(0, perm), perm, clamp);
  },

  prelu(n) {
    const rank = n.rank(0);
    const perm = n.layout(0);
    n.done(n.emit('PRelu', [n.number(0, perm), n.broadcast(1, rank, perm)]), perm);
  },

  /** The number itself, whatever it stands for. */
  cast(n) {
    const perm = n.layout(0);
    if (n.value(0).dtype === n.output.dtype)
      return n.values.defineView(n.node.output, n.id(0), 'stored', straight(n.rank(0)));
    n.moved('stored', n.cast(n.stored(0, perm), n.output.dtype), perm);
  },

  /** Quantise, dequantise, requantise, as the dtypes say. */
  convert(n) {
    const x = n.value(0);
    const { output } = n;
    const same = straight(n.rank(0));
    if (output.quantization && !isQuantized(output))
      n.fail(`quantises to ${output.dtype}; QuantizeLinear of opset 14 knows int8 and uint8`);
    const isPlain = x.dtype === output.dtype && sameQuantization(x.quantization, output.quantization);
    if (isPlain) return n.values.defineView(n.node.output, n.id(0), 'stored', same);
    if (!isQuantized(output) && isQuantized(x))
      return n.values.defineView(n.node.output, n.id(0), 'real', same);
    const perm = n.layout(0);
    if (isQuantized(output)) return n.done(n.number(0, perm), perm);
    const q = x.quantization ?? n.fail(`dequantises ${x.dtype} without a scale`);
    if (x.dtype !== 'i32')
      n.fail(`dequantises ${x.dtype}; DequantizeLinear of opset 14 knows int8, uint8, int32`);
    n.moved('stored', n.values.dequantize(n.stored(0, perm), q, perm, n.label), perm);
  },
};
