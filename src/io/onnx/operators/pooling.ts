/** Pools, moved to channels-last and back. */
import type { Op } from '../../../graph/ops.ts';
import { noClamp } from '../../../kernels/call.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import { type Windows, windowsOf } from '../windows.ts';
import type { Converters } from './index.ts';

type PoolFn = 'max' | 'average' | 'lp';

interface Pool {
  readonly fn: PoolFn;
  readonly countPad: boolean;
  readonly p: number;
}

const isZero = (v: number): boolean => v === 0;

/** (n, c, …) → (n, …, c) → pool → (n, c, …) */
function pool(op: Operator, x: Operand, windows: Windows, { fn, countPad, p }: Pool): Operand {
  const { kernel, stride, before, after, out, dilation } = windows;
  const [n, c] = [x.shape[0]!, x.shape[1]!];
  const size = x.shape.slice(2);
  const ends = out.map((o, i) => (o - 1) * stride[i]! + (kernel[i]! - 1) * dilation[i]! + 1);
  const isWhole = ends.every((end, i) => end <= before[i]! + size[i]! + after[i]!);
  const simple =
    fn !== 'lp' &&
    size.length <= 2 &&
    isWhole &&
    dilation.every((d) => d === 1) &&
    (fn === 'max' || !countPad || [...before, ...after].every(isZero)) &&
    [...before, ...after].every((pad, i) => pad < kernel[i % kernel.length]!);
  if (!simple) {
    const op2: Op = { kind: 'poolNd', fn, kernel, stride, dilation, before, after, countPad, p };
    const y = op.node(op2, [op.channelsLast(x)], { shape: [n, ...out, c] });
    return op.channelsFirst(y);
  }
  // One spatial axis is two with a height of 1.
  const one = size.length === 1;
  const pair = (list: readonly number[], unit: number): [number, number] =>
    one ? [unit, list[0]!] : [list[0]!, list[1]!];
  const [top, left] = pair(before, 0);
  const [bottom, right] = pair(after, 0);
  const flat = one ? op.reshape(x, [n, c, 1, size[0]!]) : x;
  const y = op.node(
    {
      kind: fn === 'max' ? 'maxPool2d' : 'averagePool2d',
      kernel: pair(kernel, 1),
      stride: pair(stride, 1),
      pad: { top, left, bottom, right },
      clamp: noClamp,
    },
    [op.channelsLast(flat)],
  );
  const back = op.channelsFirst(y);
  // The file's own count of windows: padding at the end may hold room for one more.
  const cut = op.slice(back, [0, 0, 0, 0], [n, c, ...pair(out, 1)]);
  return one ? op.reshape(cut, [n, c, out[0]!]) : cut;
}

/** Bytes without a scale stand for themselves: the kernels want that said. */
function asIs(op: Operator, x: Operand): Operand {
  const isByte = x.dtype === 'i8' || x.dtype === 'u8';
  return isByte && !x.quantization ? op.tagged(x, { scale: [1], zeroPoint: [0], axis: 0 }) : x;
}

const globalPool = (fn: 'max' | 'mean') => (op: Operator) => {
  const x = op.picture(0);
  const last = op.channelsLast(x);
  op.done(op.channelsFirst(op.reduce(fn, last, range(1, x.shape.length - 1))));
};

/** The average of a window, also of quantised numbers. */
export function averagePool(op: Operator, x: Operand): Operand {
  const windows = windowsOf(op, x.shape.slice(2), {
    ceil: op.version >= 10 && op.flag('ceil_mode'),
    dilated: op.version >= 19,
  });
  return pool(op, x, windows, { fn: 'average', countPad: op.flag('count_include_pad'), p: 1 });
}

export const pooling: Converters = {
  MaxPool(op) {
    const x = asIs(op, op.picture(0));
    const windows = windowsOf(op, x.shape.slice(2), {
      ceil: op.version >= 10 && op.flag('ceil_mode'),
      dilated: op.version >= 10,
    });
    const columnMajor = op.flag('storage_order');
    if (op.wants(0)) op.done(pool(op, x, windows, { fn: 'max', countPad: false, p: 1 }));
    if (!op.wants(1)) return;
    const { out, ...window } = windows;
    const indices = op.node(
      { kind: 'maxPoolIndices', ...window, countPad: false, p: 1, columnMajor },
      [op.channelsLast(x)],
      { dtype: 'i64', shape: [x.shape[0]!, ...out, x.shape[1]!] },
    );
    op.done(op.channelsFirst(indices), 1);
  },

  AveragePool: (op) => op.done(averagePool(op, op.plain(op.picture(0)))),

  LpPool(op) {
    const x = op.picture(0);
    const p = op.version < 2 ? op.number('p', 2) : op.int('p', 2);
    const windows = windowsOf(op, x.shape.slice(2), {
      ceil: op.version >= 18 && op.flag('ceil_mode'),
      dilated: op.version >= 18,
    });
    op.done(pool(op, x, windows, { fn: 'lp', countPad: false, p }));
  },

  GlobalAveragePool: globalPool('mean'),
  GlobalMaxPool: globalPool('max'),

  /** (Σ|x|^p)^(1/p) */
  GlobalLpPool(op) {
    const x = op.picture(0);
    const p = op.version < 2 ? op.number('p', 2) : op.int('p', 2);
    const powers = op.withNumber('pow', op.unary('abs', x), p);
    const sum = op.reduce('sum', powers, range(2, x.shape.length));
    op.done(op.withNumber('pow', sum, 1 / p));
  },
};
