/**
 * The operators of `com.microsoft` that quantisers and graph optimisers emit.
 *
 * Source: microsoft/onnxruntime, docs/ContribOperators.md.
 */
import type { BinaryFn } from '../../../kernels/call.ts';
import { noClamp } from '../../../kernels/call.ts';
import { elementCount, type Quantization, showShape } from '../../../tensor.ts';
import { convolve } from '../convolution.ts';
import type { Operand } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import { fixedParameters, parametersOf } from '../quantization.ts';
import { windowsOf } from '../windows.ts';
import { fusedActivation } from './activations.ts';
import type { Converters } from './index.ts';
import { dequantizeLinear, quantizeLinear } from './quantized.ts';

/** Input `i` with its scale and zero point behind it. */
function quantizedInput(op: Operator, i: number, what: string): Operand {
  return op.tagged(op.x(i), fixedParameters(op, i + 1, what));
}

/** a, its scale and zero point, b, its scale and zero point, those of the output. */
const binary = (fn: BinaryFn) => (op: Operator) => {
  const a = quantizedInput(op, 0, 'a');
  const b = quantizedInput(op, 3, 'b');
  const quantization = fixedParameters(op, 6, 'the output');
  op.done(op.node({ kind: 'binary', fn, clamp: noClamp, rounding: 'even' }, [a, b], { quantization }));
};

/** Real numbers in between: x → f32 → f → integers again. */
const throughFloats = (f: (op: Operator, x: Operand) => Operand) => (op: Operator) => {
  const x = quantizedInput(op, 0, 'the input');
  const quantization = fixedParameters(op, 3, 'the output');
  const real = op.node({ kind: 'convert', rounding: 'even' }, [x], { dtype: 'f32', quantization: null });
  op.done(op.node({ kind: 'convert', rounding: 'even' }, [f(op, real)], { dtype: x.dtype, quantization }));
};

/** The average of windows in (n, h, w, c), quantised anew. */
function average(op: Operator, isGlobal: boolean): void {
  const x = quantizedInput(op, 0, 'the input');
  const quantization = fixedParameters(op, 3, 'the output');
  const isLast = op.flag('channels_last');
  const picture = isLast ? x : op.channelsLast(x); // (n, h, w, c)
  const size = picture.shape.slice(1, -1);
  if (size.length !== 2) op.unsupported(`${size.length} spatial axes`);
  const pair = (list: readonly number[]): [number, number] => [list[0]!, list[1]!];
  const windows = isGlobal
    ? { kernel: size, stride: [1, 1], before: [0, 0], after: [0, 0] }
    : windowsOf(op, size, { dilated: false, ceil: op.flag('ceil_mode') });
  const { kernel, stride, before, after } = windows;
  const isPadded = [...before, ...after].some((p) => p !== 0);
  if (!isGlobal && op.flag('count_include_pad') && isPadded) op.unsupported('padding that counts as cells');
  const y = op.node(
    {
      kind: 'averagePool2d',
      kernel: pair(kernel),
      stride: pair(stride),
      pad: { top: before[0]!, left: before[1]!, bottom: after[0]!, right: after[1]! },
      clamp: noClamp,
      rounding: 'even',
    },
    [picture],
    { quantization },
  );
  if ('out' in windows && windows.out.some((o, i) => o !== y.shape[i + 1]))
    op.unsupported('windows begun at the edge');
  op.done(isLast ? y : op.channelsFirst(y));
}

/** α·A·B + C in integers; C has the scale α·s_a·s_b. Without an output scale the result is real. */
function qGemm(op: Operator): Operand {
  const a = op.x(0);
  const qa = fixedParameters(op, 1, 'a');
  const scale = op.fixed(4, 'the scale of b');
  const zero = op.has(5) ? op.fixed(5, 'the zero point of b') : undefined;
  const alpha = op.number('alpha', 1);
  const b = op.x(3);
  const isTurned = op.flag('transB');
  const qb =
    parametersOf(op, scale, zero, isTurned ? 0 : 1) ??
    op.unsupported('a scale of b that is no positive number');
  const left = op.flag('transA') ? op.swap(op.plain(a), 0, 1) : op.plain(a);
  const right = isTurned ? op.plain(b) : op.swap(op.plain(b), 0, 1); // (N, K)
  if (left.shape.length !== 2 || right.shape.length !== 2)
    op.fail(`expected matrices, got ${showShape(a.shape)} and ${showShape(b.shape)}`);
  const N = right.shape[0]!;
  const weights: Quantization = { ...qb, scale: qb.scale.map((s) => Math.fround(s * alpha)), axis: 0 };
  const c = op.optional(6);
  if (!op.has(7)) {
    const wide = (x: Operand, q: Quantization): Operand => {
      const real = { ...q, axis: 0 };
      return op.node({ kind: 'convert', rounding: 'even' }, [op.tagged(x, real)], {
        dtype: 'f32',
        quantization: null,
      });
    };
    const product = op.node({ kind: 'dense', clamp: noClamp }, [wide(left, qa), wide(right, weights)]);
    if (!c) return product;
    const scales = op.numbers(
      'f32',
      [weights.scale.length],
      weights.scale.map((s) => s * qa.scale[0]!),
    );
    return op.binary('add', product, op.binary('mul', op.cast(c, 'f32'), scales));
  }
  if (c && elementCount(c.shape) !== N) op.unsupported(`c of shape ${showShape(c.shape)}`);
  const bias = c ? [op.reshape(c, [N])] : [];
  const quantization = fixedParameters(op, 7, 'the output');
  return op.node(
    { kind: 'dense', clamp: noClamp, rounding: 'even' },
    [op.tagged(left, qa), op.tagged(right, weights), ...bias],
    { quantization },
  );
}

export const microsoft: Converters = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  QLinearAdd: binary('add'),
  QLinearMul: binary('mul'),
  QLinearSigmoid: throughFloats((op, x) => op.unary('logistic', x)),
  QLinearLeakyRelu: throughFloats((op, x) => op.unary('leakyRelu', x, op.number('alpha', 0.01))),
  QLinearGlobalAveragePool: (op) => average(op, true),
  QLinearAveragePool: (op) => average(op, false),
  QGemm: (op) => op.done(qGemm(op)),

  /** Scale and zero point of the output, then triples of a part and its own. */
  QLinearConcat(op) {
    const quantization = fixedParameters(op, 0, 'the output');
    const parts: Operand[] = [];
    for (let i = 2; i < op.count; i += 3) {
      const part = quantizedInput(op, i, `input ${(i - 2) / 3}`);
      parts.push(op.node({ kind: 'convert', rounding: 'even' }, [part], { quantization }));
    }
    if (parts.length === 0) op.fail('expected at least 1 part');
    op.done(op.concat(parts, op.axis(op.int('axis'), parts[0]!.shape.length)));
  },

  /** activation(conv + z) */
  FusedConv(op) {
    const y = convolve(op, { x: op.picture(0), w: op.x(1), bias: op.optional(2) });
    const sum = op.has(3) ? op.binary('add', y, op.x(3)) : y;
    op.done(fusedActivation(op, sum, op.text('activation', ''), op.floats('activation_params') ?? []));
  },
};
