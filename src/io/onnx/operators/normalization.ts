/** Normalisations, written as the sums and quotients that they are. */
import { elementCount } from '../../../tensor.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import type { Converters } from './index.ts';

/** (C) seen as (1, C, 1, …), to go along axis 1. */
function alongChannels(op: Operator, v: Operand, rank: number): Operand {
  return op.reshape(v, [elementCount(v.shape), ...range(2, rank).map(() => 1)]);
}

interface Centered {
  readonly y: Operand;
  readonly mean: Operand;
  readonly invStdDev: Operand;
}

/** (x − μ)/√(σ² + ε), μ and σ² over `axes` */
function standardized(op: Operator, x: Operand, axes: readonly number[], epsilon: number): Centered {
  const mean = op.reduce('mean', x, axes);
  const centered = op.binary('sub', x, mean);
  const variance = op.reduce('mean', op.binary('mul', centered, centered), axes);
  const deviation = op.unary('sqrt', op.withNumber('add', variance, epsilon));
  const invStdDev = op.unary('reciprocal', deviation);
  return { y: op.binary('mul', centered, invStdDev), mean, invStdDev };
}

export const normalization: Converters = {
  /** x·γ/√(σ² + ε) + (β − μ·γ/√(σ² + ε)), with μ and σ² given */
  BatchNormalization(op) {
    const x = op.x(0);
    const rank = x.shape.length;
    const epsilon = op.number('epsilon', 1e-5);
    if (op.version < 7 && !op.flag('is_test')) op.unsupported('training mode (is_test is 0)');
    if (op.version >= 14 && op.flag('training_mode')) op.unsupported('training mode');
    if (op.outputs.slice(1).some((name) => name !== ''))
      op.unsupported('training mode (more than one output)');
    if (op.version < 9 && !op.flag('spatial', true)) op.unsupported('statistics for each element');
    const [gamma, beta, mean, variance] = [op.x(1), op.x(2), op.x(3), op.x(4)];
    const deviation = op.unary('sqrt', op.withNumber('add', variance, epsilon));
    const factor = op.binary('div', op.cast(gamma, variance.dtype), deviation);
    const offset = op.binary('sub', op.cast(beta, mean.dtype), op.binary('mul', mean, factor));
    const along = (v: Operand) => (rank < 3 ? v : alongChannels(op, v, rank));
    op.done(
      op.binary('add', op.binary('mul', x, op.cast(along(factor), x.dtype)), op.cast(along(offset), x.dtype)),
    );
  },

  /** For each picture and channel. */
  InstanceNormalization(op) {
    const x = op.picture(0);
    const rank = x.shape.length;
    const { y } = standardized(op, x, range(2, rank), op.number('epsilon', 1e-5));
    const scaled = op.binary('mul', y, alongChannels(op, op.x(1), rank));
    op.done(op.binary('add', scaled, alongChannels(op, op.x(2), rank)));
  },

  /** For each picture and group of channels; before opset 21 scale and bias belong to the groups. */
  GroupNormalization(op) {
    const x = op.picture(0, 0);
    const rank = x.shape.length;
    const groups = op.int('num_groups');
    const [n, c] = [x.shape[0]!, x.shape[1]!];
    if (groups < 1 || c % groups !== 0) op.fail(`${c} channels do not divide into ${groups} groups`);
    const cells = elementCount(x.shape.slice(2));
    const grouped = op.reshape(x, [n, groups, (c / groups) * cells]);
    const { y } = standardized(op, grouped, [2], op.number('epsilon', 1e-5));
    if (op.version < 21) {
      const scaled = op.binary('mul', y, op.reshape(op.x(1), [groups, 1]));
      op.done(op.reshape(op.binary('add', scaled, op.reshape(op.x(2), [groups, 1])), x.shape));
      return;
    }
    const scaled = op.binary('mul', op.reshape(y, x.shape), alongChannels(op, op.x(1), rank));
    op.done(op.binary('add', scaled, alongChannels(op, op.x(2), rank)));
  },

  /** Over all axes from `axis` on. */
  LayerNormalization(op) {
    const x = op.float(0);
    const rank = x.shape.length;
    const axes = range(op.axis(op.int('axis', -1), rank), rank);
    const { y, mean, invStdDev } = standardized(op, x, axes, op.number('epsilon', 1e-5));
    const scaled = op.binary('mul', y, op.x(1));
    op.done(op.has(2) ? op.binary('add', scaled, op.x(2)) : scaled);
    op.done(mean, 1);
    op.done(invStdDev, 2);
  },

  /** (x − μ)/(σ + 10⁻⁹) */
  MeanVarianceNormalization(op) {
    const x = op.float(0);
    const axes = op.axes(op.ints('axes') ?? [0, 2, 3], x.shape.length);
    const centered = op.binary('sub', x, op.reduce('mean', x, axes));
    const variance = op.reduce('mean', op.binary('mul', centered, centered), axes);
    op.done(op.binary('div', centered, op.withNumber('add', op.unary('sqrt', variance), 1e-9)));
  },

  /** x/‖x‖ along an axis; where the norm is 0, 0 */
  LpNormalization(op) {
    const x = op.float(0);
    const axis = op.axis(op.int('axis', -1), x.shape.length);
    const p = op.int('p', 2);
    if (p !== 1 && p !== 2) op.unsupported(`p ${p}`);
    const norm =
      p === 1
        ? op.reduce('sum', op.unary('abs', x), [axis])
        : op.unary('sqrt', op.reduce('sum', op.binary('mul', x, x), [axis]));
    const zero = op.scalar(x.dtype, 0);
    op.done(op.where(op.binary('equal', norm, zero), zero, op.binary('div', x, norm)));
  },

  /** x/(bias + α/size·Σ x²)^β, the sum over the channels around each */
  LRN(op) {
    const x = op.picture(0, 0);
    const size = op.int('size');
    if (size < 1) op.fail(`size ${size}`);
    const alpha = op.number('alpha', 1e-4);
    const beta = op.number('beta', 0.75);
    const bias = op.number('bias', 1);
    op.done(op.channelsFirst(op.node({ kind: 'lrn', size, alpha, beta, bias }, [op.channelsLast(x)])));
  },
};
