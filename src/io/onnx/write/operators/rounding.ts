/**
 * Dynamic fake quantisation (kernels/reference/fake-quantize.ts), spelled out: scale and zero point of each slice
 * from its extremes, then y = s·(clamp(round(z + x·r)) − z). Halves go away from zero, which no ONNX operator does.
 */
import type { Tensor } from '../emission.ts';
import { axesIn, type Perm, straight } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import type { Writers } from './index.ts';
import { reduced } from './reductions.ts';

/** Below it 127/max|x| is infinite; there is nothing to round in such a slice. */
const least = 4e-37;

const f32 = (n: NodeWriter, value: number): Tensor => n.scalar('f32', value);
const f64 = (n: NodeWriter, value: number): Tensor => n.scalar('f64', value);

/** sign(x)·(⌊|x|⌋ + (|x| − ⌊|x|⌋ ≥ ½)), exact */
function roundAway(n: NodeWriter, x: Tensor): Tensor {
  const size = n.emit('Abs', [x]);
  const whole = n.emit('Floor', [size]);
  const rest = n.emit('Sub', [size, whole]);
  const isUp = n.emit('GreaterOrEqual', [rest, n.scalar(x.dtype, 0.5)], { dtype: 'bool' });
  return n.emit('Mul', [n.emit('Sign', [x]), n.emit('Add', [whole, n.cast(isUp, x.dtype)])]);
}

/** s = [m/127], r = [127/m], m = max|x| */
function symmetric(n: NodeWriter, x: Tensor, perm: Perm, axes: readonly number[]): void {
  const most = n.emit('Max', [reduced(n, 'max', n.emit('Abs', [x]), axes), f32(n, least)]);
  const scale = n.emit('Div', [most, f32(n, 127)]);
  const inverse = n.emit('Div', [f32(n, 127), most], { shape: most.shape });
  const level = roundAway(n, n.emit('Mul', [x, inverse]));
  n.done(n.emit('Mul', [n.emit('Clip', [level, f32(n, -127), f32(n, 127)]), scale]), perm);
}

/** s = [(b − a)/255], r = [1/s], a = min(x, 0), b = max(x, 0) */
function asymmetric(n: NodeWriter, x: Tensor, perm: Perm, axes: readonly number[]): void {
  const a = n.cast(n.emit('Min', [reduced(n, 'min', x, axes), f32(n, 0)]), 'f64');
  const b = n.cast(n.emit('Max', [reduced(n, 'max', x, axes), f32(n, 0)]), 'f64');
  const unrounded = n.emit('Max', [n.emit('Div', [n.emit('Sub', [b, a]), f64(n, 255)]), f64(n, least)]);
  const scale = n.cast(unrounded, 'f32');
  const zero = n.cast(zeroPoint(n, n.emit('Div', [a, unrounded]), n.emit('Div', [b, unrounded])), 'f32');
  const product = n.emit('Mul', [x, n.emit('Reciprocal', [scale])]);
  const level = roundAway(n, n.emit('Add', [product, zero]));
  const steps = n.emit('Sub', [n.emit('Clip', [level, f32(n, -128), f32(n, 127)]), zero]);
  n.done(n.emit('Mul', [steps, scale]), perm);
}

/** −128 − low where 128 + |low| < 127 + |high|, else 127 − high; within −128…127, and whole */
function zeroPoint(n: NodeWriter, low: Tensor, high: Tensor): Tensor {
  const terms = (x: Tensor, offset: number) => n.emit('Add', [n.emit('Abs', [x]), f64(n, offset)]);
  const from = (offset: number, x: Tensor) => n.emit('Sub', [f64(n, offset), x], { shape: x.shape });
  const isLow = n.emit('Less', [terms(low, 128), terms(high, 127)], { dtype: 'bool' });
  const { shape } = low;
  const choice = n.emit('Where', [isLow, from(-128, low), from(127, high)], { shape, dtype: 'f64' });
  return roundAway(n, n.emit('Clip', [choice, f64(n, -128), f64(n, 127)]));
}

export const rounding: Writers<'fakeQuantize'> = {
  fakeQuantize(n, op) {
    const perm = n.layout(0);
    const axes = axesIn(straight(perm.length).slice(op.batchDims), perm);
    const write = op.symmetric ? symmetric : asymmetric;
    write(n, n.number(0, perm), perm, axes);
  },
};
