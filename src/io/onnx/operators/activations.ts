/** Activations: those without a kernel of their own are composed, with the equation beside them. */
import type { UnaryFn } from '../../../kernels/call.ts';
import { noClamp } from '../../../kernels/call.ts';
import { type Operand, range, realOf, splitAt } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import type { Converters } from './index.ts';

const infinity = Number.POSITIVE_INFINITY;

const unary = (fn: UnaryFn) => (op: Operator) => op.done(op.unary(fn, op.float(0)));

/** max(0, min(1, alpha·x + beta)) */
export function hardSigmoid(op: Operator, x: Operand, alpha: number, beta: number): Operand {
  return op.clamp(op.withNumber('add', op.withNumber('mul', x, alpha), beta), 0, 1);
}

/**
 * Over one axis, moved innermost; before opset 13 over all axes from `axis` on together.
 */
const softmax = (log: boolean) => (op: Operator) => {
  const x = op.float(0);
  const rank = x.shape.length;
  const given = op.int('axis', op.version < 13 ? 1 : -1);
  if (op.version < 13) {
    const axis = given === rank ? rank : op.axis(given, rank);
    const rows = op.reshape(x, splitAt(x.shape, axis));
    op.done(op.reshape(op.node({ kind: 'softmax', beta: 1, log }, [rows]), x.shape));
    return;
  }
  const axis = op.axis(given, rank);
  const moved = op.swap(x, axis, rank - 1);
  op.done(op.swap(op.node({ kind: 'softmax', beta: 1, log }, [moved]), axis, rank - 1));
};

/** Bounds that are not known before it runs are compared element by element. */
function bounded(op: Operator, x: Operand): Operand {
  const [low, high] = [op.optional(1), op.optional(2)];
  const isKnown = (bound: Operand | undefined) => !bound || bound.data?.length === 1;
  const real = realOf(x);
  if ((x.dtype === 'f32' || real) && isKnown(low) && isKnown(high)) {
    const min = Number(low?.data?.[0] ?? -infinity);
    const max = Number(high?.data?.[0] ?? infinity);
    // Integers that stand for real numbers are bounded by those that the bounds stand for.
    if (real)
      return op.node({ kind: 'clamp', clamp: { min: real(Math.min(min, max)), max: real(max) } }, [x]);
    // Where the bounds cross, the upper one wins.
    if (!Number.isNaN(min) && !Number.isNaN(max)) return op.clamp(x, Math.min(min, max), max);
  }
  const above = low ? op.binary('max', x, low) : op.plain(x);
  return high ? op.binary('min', above, high) : above;
}

export const activations: Converters = {
  Relu: (op) => op.done(op.clamp(op.x(0), 0, infinity)),
  Sigmoid: unary('logistic'),
  Tanh: unary('tanh'),
  Softplus: unary('softplus'),
  Softsign: unary('softsign'),
  HardSwish: unary('hardSwish'),
  LeakyRelu: (op) => op.done(op.unary('leakyRelu', op.float(0), op.number('alpha', 0.01))),
  Elu: (op) => op.done(op.unary('elu', op.float(0), op.number('alpha', 1))),

  Clip(op) {
    const x = op.x(0);
    if (op.version >= 11) op.done(bounded(op, x));
    else op.done(op.clamp(x, op.number('min', -infinity), op.number('max', infinity)));
  },

  /** x < 0 ? slope·x : x; before opset 7 the slopes belong to the channels. */
  PRelu(op) {
    const x = op.float(0);
    let slope = op.x(1);
    if (op.version < 7 && slope.shape.length === 1 && x.shape.length > 2)
      slope = op.reshape(slope, [...slope.shape, ...range(2, x.shape.length).map(() => 1)]);
    op.done(op.node({ kind: 'prelu' }, [x, slope]));
  },

  /** γ·elu(x; α) */
  Selu(op) {
    const alpha = op.number('alpha', op.version < 6 ? 1.6732 : 1.6732632423543772);
    const gamma = op.number('gamma', op.version < 6 ? 1.0507 : 1.0507009873554805);
    op.done(op.withNumber('mul', op.unary('elu', op.float(0), alpha), gamma));
  },

  /** max(0, x) + min(0, α·(e^(x/α) − 1)) = α·elu(x/α; 1) */
  Celu(op) {
    const x = op.float(0);
    const alpha = op.number('alpha', 1);
    if (alpha === 1) return op.done(op.unary('elu', x, 1));
    if (alpha <= 0) op.unsupported(`alpha ${alpha}`);
    op.done(op.withNumber('mul', op.unary('elu', op.withNumber('div', x, alpha), 1), alpha));
  },

  HardSigmoid(op) {
    op.done(hardSigmoid(op, op.float(0), op.number('alpha', 0.2), op.number('beta', 0.5)));
  },

  /** x > α ? x : 0 */
  ThresholdedRelu(op) {
    const x = op.float(0);
    const isOver = op.withNumber('greater', x, op.number('alpha', 1));
    op.done(op.where(isOver, x, op.scalar(x.dtype, 0)));
  },

  /** x < −λ: x + bias;  x > λ: x − bias;  else 0 */
  Shrink(op) {
    const x = op.x(0);
    const lambd = op.number('lambd', 0.5);
    const bias = op.number('bias', 0);
    if (x.dtype !== 'f32' && x.dtype !== 'f64' && !(Number.isInteger(lambd) && Number.isInteger(bias)))
      op.unsupported(`lambd ${lambd} and bias ${bias} of whole numbers`);
    const right = op.where(
      op.withNumber('greater', x, lambd),
      op.withNumber('sub', x, bias),
      op.scalar(x.dtype, 0),
    );
    op.done(op.where(op.withNumber('less', x, -lambd), op.withNumber('add', x, bias), right));
  },

  /** x/2 · (1 + erf(x/√2)), or with tanh(√(2/π)·(x + 0.044715·x³)) in place of erf */
  Gelu(op) {
    const x = op.float(0);
    const approximate = op.text('approximate', 'none');
    if (approximate !== 'none' && approximate !== 'tanh') op.unsupported(`approximation ${approximate}`);
    const inner = (): Operand => {
      if (approximate === 'none') return op.unary('erf', op.withNumber('mul', x, Math.SQRT1_2));
      const cube = op.binary('mul', op.binary('mul', x, x), x);
      const sum = op.binary('add', x, op.withNumber('mul', cube, 0.044715));
      return op.unary('tanh', op.withNumber('mul', sum, Math.sqrt(2 / Math.PI)));
    };
    op.done(op.binary('mul', op.withNumber('mul', x, 0.5), op.withNumber('add', inner(), 1)));
  },

  /** x·tanh(softplus(x)) */
  Mish(op) {
    const x = op.float(0);
    op.done(op.binary('mul', x, op.unary('tanh', op.unary('softplus', x))));
  },

  /** x·sigmoid(α·x) */
  Swish(op) {
    const x = op.float(0);
    const alpha = op.number('alpha', 1);
    const inner = alpha === 1 ? x : op.withNumber('mul', x, alpha);
    op.done(op.binary('mul', x, op.unary('logistic', inner)));
  },

  Softmax: softmax(false),
  LogSoftmax: softmax(true),
};

/** The activation that a fused convolution names, with its parameters. */
export function fusedActivation(op: Operator, x: Operand, name: string, params: readonly number[]): Operand {
  switch (name) {
    case '':
      return x;
    case 'Relu':
      return op.clamp(x, 0, infinity);
    case 'Sigmoid':
      return op.unary('logistic', x);
    case 'Tanh':
      return op.unary('tanh', x);
    case 'LeakyRelu':
      return op.unary('leakyRelu', x, params[0] ?? 0.01);
    case 'Clip':
      return op.clamp(x, params[0] ?? noClamp.min, params[1] ?? noClamp.max);
    case 'HardSigmoid':
      return hardSigmoid(op, x, params[0] ?? 0.2, params[1] ?? 0.5);
    default:
      return op.unsupported(`fused activation ${name.slice(0, 40)}`);
  }
}
