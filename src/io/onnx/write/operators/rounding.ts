/**
 * Dynamic fake quantisation (kernels/reference/fake-quantize.ts), spelled out: scale and zero point of each slice
 * from its extremes, then y = s·(clamp(round(z + x·r)) − z). Halves go away from zero, which no ONNX operator does.
 */
import type { Tensor } from '../emission.ts';
import { axesIn } from '../layout.ts';
import type { NodeWriter } from '../node-writer.ts';
import type { Writers } from './index.ts';
import { reduced } from './reductions.ts';

/** Below it 127/max|x| is infinite; there is nothing to round in such a slice. */
const least = 4e-37;

/** sign(x)·(⌊|x|⌋ + (|x| − ⌊|x|⌋ ≥ ½)), exact */
function roundAway(n: NodeWriter, x: Tensor): Tensor {
  const size = n.emit('Abs', [x]);
  const whole = n.emit('Floor', [size]);
  const isUp = n.pair('GreaterOrEqual', n.emit('Sub', [size, whole]), n.scalar(x.dtype, 0.5), 'bool');
  return n.emit('Mul', [n.emit('Sign', [x]), n.emit('Add', [whole, n.cast(isUp, x.dtype)])]);
}

/** In f64: −128 − low or 127 − high, whichever has the smaller terms, within −128…127 and whole. */
function zeroPoint(n: NodeWriter, min: Tensor, max: Tensor): Tensor {
  const number = (value: number) => n.scalar('f64', value);
  const [a, b] = [n.cast(min, 'f64'), n.cast(max, 'f64')];
  const scale = n.emit('Max', [n.emit('Div', [n.emit('Sub', [b, a]), number(255)]), number(least)]);
  const [low, high] = [n.emit('Div', [a, scale]), n.emit('Div', [b, scale])];
  const terms = (x: Tensor, offset: number) => n.emit('Add', [n.emit('Abs', [x]), number(offset)]);
  const isLow = n.pair('Less', terms(low, 128), terms(high, 127), 'bool');
  const choice = n.emit(
    'Where',
    [
      isLow,
      n.emit('Sub', [number(-128), low], { shape: low.shape }),
      n.emit('Sub', [number(127), high], { shape: high.shape }),
    ],
    {
      shape: low.shape,
      dtype: 'f64',
    },
  );
  return n.cast(roundAway(n, n.emit('Clip', [choice, number(-128), number(127)])), 'f32');
}

export const rounding: Writers<'fakeQuantize'> = {
  fakeQuantize(n, { batchDims, symmetric }) {
    const perm = n.layout(0);
    const x = n.number(0, perm);
    const number = (value: number) => n.scalar('f32', value);
    const axes = axesIn(perm.map((_, j) => j).slice(batchDims), perm);
    if (symmetric) {
      const most = n.emit('Max', [reduced(n, 'max', n.emit('Abs', [x]), axes), number(least)]);
      const inverse = n.emit('Div', [number(127), most], { shape: most.shape });
      const steps = n.emit('Clip', [roundAway(n, n.emit('Mul', [x, inverse])), number(-127), number(127)]);
      return n.done(n.emit('Mul', [steps, n.emit('Div', [most, number(127)])]), perm);
    }
    const min = n.emit('Min', [reduced(n, 'min', x, axes), number(0)]);
    const max = n.emit('Max', [reduced(n, 'max', x, axes), number(0)]);
    const scale = n.emit('Max', [n.emit('Div', [n.emit('Sub', [max, min]), number(255)]), number(least)]);
    const inverse = n.emit('Reciprocal', [scale]);
    const zero = zeroPoint(n, min, max);
    const level = roundAway(n, n.emit('Add', [n.emit('Mul', [x, inverse]), zero]));
    const steps = n.emit('Sub', [n.emit('Clip', [level, number(-128), number(127)]), zero]);
    n.done(n.emit('Mul', [steps, scale]), perm);
  },
};
