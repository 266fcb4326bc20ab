/**
 * Which operators have an int8 form, and what it asks of the scales of its operands:
 *
 *   product   weights int8 by output channel, bias int32 on sₓ·s_w, output on its own scale
 *   own       every operand on its own scale
 *   same      output and data operands on one scale: nothing is calculated but choices and means of stored numbers
 *   fixed     output on the scale that the integer kernel is written for
 *   index     reads int8, gives positions
 *   float     no int8 form, or none worth having
 *
 * These are TensorFlow Lite's rules, so that what is quantised here can be written as a TFLite file.
 * Source: TensorFlow Lite 8-bit quantization specification; tensorflow/lite/tools/optimize/operator_property.cc.
 */
import type { Node, Value } from '../graph/ir.ts';
import type { Quantization } from '../tensor.ts';
import { isLayer } from './layer-matrix.ts';
import { oneScale } from './range.ts';

export type Form =
  | { readonly kind: 'product' | 'own' | 'index' }
  /** `data`: how many of the first inputs are on the scale; the others are indices. */
  | { readonly kind: 'same'; readonly data: number }
  | { readonly kind: 'fixed'; readonly quantization: Quantization }
  | { readonly kind: 'float'; readonly reason: string };

const own: Form = { kind: 'own' };
const float = (reason: string): Form => ({ kind: 'float', reason });
const same = (data: number): Form => ({ kind: 'same', data });
const fixed = (scale: number, zeroPoint: number): Form => ({
  kind: 'fixed',
  quantization: oneScale(scale, zeroPoint),
});

export function formOf(node: Node, values: readonly Value[]): Form {
  const { op, inputs, output } = node;
  const real = [...inputs, output].map((id) => values[id]);
  const [x] = real;
  const result = values[output];
  if (op.kind === 'argMax') return x.dtype === 'f32' ? { kind: 'index' } : float('');
  if (result.dtype !== 'f32') return float(`its result is ${result.dtype}`);
  if (x.dtype !== 'f32') return float(`it reads ${x.dtype}`);
  switch (op.kind) {
    case 'conv2d':
    case 'depthwiseConv2d':
    case 'transposedConv2d':
    case 'dense': {
      const bias = inputs[2] === undefined ? null : values[inputs[2]];
      if (!isLayer(node, values)) return float('its weights are not constant');
      return bias && !bias.data ? float('its bias is not constant') : { kind: 'product' };
    }
    case 'maxPool2d':
    case 'averagePool2d':
    case 'reshape':
    case 'transpose':
    case 'slice':
    case 'pad':
    case 'mirrorPad':
    case 'resize':
    case 'gather':
    case 'gatherElements':
    case 'gatherNd':
      return same(1);
    case 'concat':
      return same(inputs.length);
    case 'binary':
      if (real.some(({ dtype }) => dtype !== 'f32')) return float('its operands are of several types');
      if (op.fn === 'min' || op.fn === 'max') return same(2);
      return op.fn === 'add' || op.fn === 'sub' || op.fn === 'mul'
        ? own
        : float(`${op.fn} has no int8 form here`);
    case 'clamp':
      return own;
    case 'prelu':
      return values[inputs[1]].data ? own : float('its slopes are not constant');
    case 'reduce':
      if (op.fn === 'max' || op.fn === 'min') return same(1);
      return op.fn === 'mean' || op.fn === 'sum' ? own : float(`${op.fn} has no int8 form here`);
    case 'softmax':
      return op.log ? float('a logarithm of softmax has no int8 form here') : fixed(1 / 256, -128);
    case 'l2Normalize':
      return fixed(1 / 128, 0);
    case 'unary':
      switch (op.fn) {
        case 'logistic':
          return fixed(1 / 256, -128);
        case 'tanh':
          return fixed(1 / 128, 0);
        case 'abs':
        case 'hardSwish':
        case 'leakyRelu':
        case 'elu':
          return own;
        default:
          return float(`256 numbers are too few for ${op.fn}`);
      }
    default:
      return float(`${op.kind} has no int8 form here`);
  }
}
