/** Pad in all modes; a negative padding takes cells away. */
import { checkTensorSize } from '../../../graph/limits.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import type { Converters } from './index.ts';

/** Which cell of 0 … extent − 1 stands at `at` outside of them. */
const places: Readonly<Record<string, (at: number, extent: number) => number>> = {
  edge: (at, extent) => Math.min(extent - 1, Math.max(0, at)),
  wrap: (at, extent) => ((at % extent) + extent) % extent,
  reflect: (at, extent) => {
    const period = Math.max(1, 2 * (extent - 1));
    const i = ((at % period) + period) % period;
    return Math.min(i, period - i) % extent;
  },
};

function amounts(op: Operator, x: Operand): { before: number[]; after: number[] } {
  const rank = x.shape.length;
  const pads = op.version < 2 ? op.ints('paddings') : op.integersSince(11, 'pads', 1);
  if (!pads) return op.fail('expected pads');
  const axes =
    op.version >= 18 && op.has(3) ? op.integers(3, 'axes').map((a) => op.axis(a, rank)) : range(0, rank);
  if (pads.length !== 2 * axes.length) op.fail(`${pads.length} pads for ${axes.length} axes`);
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((a, i) => {
    before[a] = pads[i]!;
    after[a] = pads[axes.length + i]!;
  });
  return { before, after };
}

export const padding: Converters = {
  Pad(op) {
    const x = op.x(0);
    const mode = op.text('mode', 'constant');
    const { before, after } = amounts(op, x);
    const shape = x.shape.map((extent, i) => before[i]! + extent + after[i]!);
    checkTensorSize(op.label, x.dtype, shape, op.builder.limits);
    if (mode === 'constant') {
      let value = 0;
      if (op.version < 11) value = op.number('value', 0);
      else if (op.has(2)) value = op.real(2, 'the padding value');
      // First what goes, then what comes.
      const begin = before.map((p) => Math.max(0, -p));
      const size = x.shape.map((extent, i) => extent - begin[i]! - Math.max(0, -after[i]!));
      if (size.some((extent) => extent < 0)) op.fail('pads take away more than there is');
      const positive = (p: number) => Math.max(0, p);
      op.done(op.pad(op.slice(x, begin, size), before.map(positive), after.map(positive), value));
      return;
    }
    const place = Object.hasOwn(places, mode) ? places[mode] : undefined;
    if (!place) return op.unsupported(`mode ${mode.slice(0, 40)}`);
    let y = x;
    x.shape.forEach((extent, axis) => {
      if (extent === 0 && shape[axis]! > 0) op.fail('there is nothing to pad with');
      const cells = range(0, shape[axis]!).map((i) => place(i - before[axis]!, extent));
      y = op.pick(y, axis, cells);
    });
    op.done(y);
  },
};
