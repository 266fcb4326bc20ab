/** Choice between two tensors, element by element. */

import { elementCount } from '../../tensor.ts';
import type { KernelCall, Offer, View } from '../call.ts';
import { broadcastStrides, indexOf } from '../geometry.ts';
import { cellsOf, inStep, offer, type Scalar } from './support.ts';

/**
 * y[i] = condition[j] ? a[k] : b[l], where j, k, l follow i with repeated axes standing still
 *
 *   condition  bool      a, b, y  one dtype, any      all three broadcast to y's shape
 *
 * Source: ONNX operator Where.
 */
export function where(call: KernelCall): Offer | null {
  const [condition, a, b] = call.inputs;
  const { dtype, shape } = call.output;
  if (condition.dtype !== 'bool' || a.dtype !== dtype || b.dtype !== dtype) return null;
  const strides = call.inputs.map((operand) => broadcastStrides(operand.shape, shape));
  const count = elementCount(shape);
  const bind = (views: readonly View[], yView: View) => {
    const choices = cellsOf<number>(views[0]);
    const y = cellsOf<Scalar>(yView);
    return () => {
      for (let i = 0; i < count; i++) {
        const side = choices[views[0].offset + indexOf(i, shape, strides[0])] === 0 ? 2 : 1;
        const { data, offset } = views[side];
        y[yView.offset + i] = data[offset + indexOf(i, shape, strides[side])];
      }
    };
  };
  return offer(`where-${dtype}`, bind, inStep(call));
}
