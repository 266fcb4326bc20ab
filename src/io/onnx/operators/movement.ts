/** Operators that move numbers about unchanged. */
import { elementCount, type Shape, showShape } from '../../../tensor.ts';
import { type Operand, range, splitAt } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import { fileType } from '../tensors.ts';
import type { Converters } from './index.ts';

/** Elements begin, begin + step, … of one axis, numpy's rule for ends that lie outside. */
interface Range {
  readonly begin: number;
  readonly size: number;
  readonly step: number;
}

function sliceRange(extent: number, start: number, end: number, step: number): Range {
  const clamp = (at: number, low: number, high: number) => Math.min(high, Math.max(low, at));
  const from = start < 0 ? start + extent : start;
  const to = end < 0 ? end + extent : end;
  const begin = step > 0 ? clamp(from, 0, extent) : clamp(from, -1, extent - 1);
  const stop = step > 0 ? clamp(to, 0, extent) : clamp(to, -1, extent - 1);
  return { begin, size: Math.max(0, Math.ceil((stop - begin) / step)), step };
}

function slices(op: Operator, x: Operand, ranges: readonly Range[]): Operand {
  const isEmpty = ranges.some((r) => r.size === 0);
  return op.slice(
    x,
    ranges.map((r) => (isEmpty && r.size === 0 ? 0 : r.begin)),
    ranges.map((r) => r.size),
    ranges.map((r) => (r.size <= 1 ? 1 : r.step)),
  );
}

function splitSizes(op: Operator, x: Operand, axis: number): readonly number[] {
  const extent = x.shape[axis]!;
  const given = op.integersSince(13, 'split', 1);
  if (given) return given;
  const parts = op.version >= 18 ? op.int('num_outputs', op.outputs.length) : op.outputs.length;
  if (parts < 1 || parts > 4096) op.fail(`${parts} outputs`);
  const size = Math.ceil(extent / parts);
  return range(0, parts).map((i) => Math.max(0, Math.min(size, extent - i * size)));
}

/** One `0` copies the input's extent, one `−1` is what is left. */
function reshaped(op: Operator, x: Operand, given: readonly number[], zeroIsZero: boolean): Shape {
  const shape = given.map((extent, i) =>
    extent === 0 && !zeroIsZero
      ? (x.shape[i] ?? op.fail(`extent ${i} copies from ${showShape(x.shape)}`))
      : extent,
  );
  const open = shape.indexOf(-1);
  if (open < 0) return shape;
  const rest = elementCount(shape.filter((_, i) => i !== open));
  const count = elementCount(x.shape);
  if (rest === 0 || count % rest !== 0) op.fail(`cannot see ${showShape(x.shape)} as ${showShape(given)}`);
  return shape.map((extent, i) => (i === open ? count / rest : extent));
}

function blocks(op: Operator): { x: Operand; n: number; c: number; h: number; w: number; b: number } {
  const x = op.x(0);
  const [n, c, h, w] = x.shape;
  if (x.shape.length !== 4 || n === undefined || c === undefined || h === undefined || w === undefined)
    return op.fail(`expected rank 4, got ${showShape(x.shape)}`);
  const b = op.int('blocksize');
  if (b < 1) op.fail(`block ${b}`);
  return { x, n, c, h, w, b };
}

export const movement: Converters = {
  Reshape(op) {
    const x = op.x(0);
    const given = op.integersSince(5, 'shape', 1) ?? op.fail('expected a shape');
    const zeroIsZero = op.version >= 14 && op.flag('allowzero');
    op.done(op.reshape(x, reshaped(op, x, given, zeroIsZero)));
  },

  Flatten(op) {
    const x = op.x(0);
    const given = op.int('axis', 1);
    const rank = x.shape.length;
    op.done(op.reshape(x, splitAt(x.shape, given === rank ? rank : op.axis(given, rank))));
  },

  Squeeze(op) {
    const x = op.x(0);
    const given = op.integersSince(13, 'axes', 1);
    const axes = given
      ? op.axes(given, x.shape.length)
      : range(0, x.shape.length).filter((i) => x.shape[i] === 1);
    for (const a of axes)
      if (x.shape[a] !== 1) op.fail(`axis ${a} of ${showShape(x.shape)} is not 1 and cannot go`);
    op.done(op.drop(x, axes));
  },

  Unsqueeze(op) {
    const x = op.x(0);
    const given = op.integersSince(13, 'axes', 1) ?? op.fail('expected axes');
    const rank = x.shape.length + given.length;
    const axes = op.axes(given, rank);
    if (axes.length !== given.length) op.fail(`axes ${showShape(given)} name one twice`);
    const kept = [...x.shape];
    op.done(
      op.reshape(
        x,
        range(0, rank).map((i) => (axes.includes(i) ? 1 : kept.shift()!)),
      ),
    );
  },

  Transpose(op) {
    const x = op.x(0);
    const perm = op.ints('perm') ?? range(0, x.shape.length).reverse();
    if (perm.length !== x.shape.length || !x.shape.every((_, i) => perm.includes(i)))
      op.fail(`${showShape(perm)} is no order of the axes of ${showShape(x.shape)}`);
    op.done(op.transpose(x, perm));
  },

  Concat(op) {
    const parts = op.all();
    const [first] = parts;
    const axis = op.axis(op.int('axis', op.version < 4 ? 1 : undefined), first!.shape.length);
    for (const part of parts)
      if (part.dtype !== first!.dtype)
        op.fail(`inputs of types ${fileType(first!.dtype)} and ${fileType(part.dtype)}`);
    const same = parts.every((part) => sameNumbers(part, first!));
    op.done(op.concat(same ? parts : parts.map((part) => op.plain(part)), axis));
  },

  Split(op) {
    const x = op.x(0);
    const axis = op.axis(op.int('axis', 0), x.shape.length);
    const sizes = splitSizes(op, x, axis);
    const sum = sizes.reduce((a, b) => a + b, 0);
    if (sum !== x.shape[axis] || sizes.length < op.outputs.length || sizes.some((n) => n < 0))
      op.fail(`sizes ${showShape(sizes)} do not fit axis ${axis} of ${showShape(x.shape)}`);
    let at = 0;
    op.outputs.forEach((_, i) => {
      if (op.wants(i)) op.done(op.cut(x, axis, at, sizes[i]!), i);
      at += sizes[i]!;
    });
  },

  Slice(op) {
    const x = op.x(0);
    const rank = x.shape.length;
    const inputs = op.version >= 10;
    const starts = (inputs ? op.integers(1, 'starts') : op.ints('starts')) ?? op.fail('expected starts');
    const ends = (inputs ? op.integers(2, 'ends') : op.ints('ends')) ?? op.fail('expected ends');
    const axes = op.integersSince(10, 'axes', 3) ?? range(0, starts.length);
    const steps = inputs && op.has(4) ? op.integers(4, 'steps') : starts.map(() => 1);
    if (ends.length !== starts.length || axes.length !== starts.length || steps.length !== starts.length)
      op.fail(`${starts.length} starts, ${ends.length} ends, ${axes.length} axes, ${steps.length} steps`);
    const ranges = x.shape.map((extent): Range => ({ begin: 0, size: extent, step: 1 }));
    axes.forEach((given, i) => {
      const a = op.axis(given, rank);
      if (steps[i] === 0) op.fail('a step of 0');
      ranges[a] = sliceRange(x.shape[a]!, starts[i]!, ends[i]!, steps[i]!);
    });
    op.done(slices(op, x, ranges));
  },

  /** To the shape that both broadcast to. */
  Expand(op) {
    const x = op.x(0);
    const wanted = op.integers(1, 'the shape');
    const rank = Math.max(x.shape.length, wanted.length);
    const shape = range(0, rank).map((i) => {
      const have = x.shape[x.shape.length - rank + i] ?? 1;
      const want = wanted[wanted.length - rank + i] ?? 1;
      if (have !== want && have !== 1 && want !== 1)
        op.fail(`${showShape(x.shape)} does not broadcast to ${showShape(wanted)}`);
      return have === 1 ? want : have;
    });
    op.done(op.expand(x, shape));
  },

  Tile(op) {
    let y = op.x(0);
    const repeats =
      op.version >= 6
        ? op.integers(1, 'repeats')
        : tilesOf(op, y, op.integer(1, 'tiles'), op.integer(2, 'axis'));
    if (repeats.length !== y.shape.length || repeats.some((n) => n < 0))
      op.fail(`repeats ${showShape(repeats)} do not fit ${showShape(y.shape)}`);
    repeats.forEach((count, axis) => {
      const extent = y.shape[axis]!;
      if (count !== 1)
        y = op.pick(
          y,
          axis,
          range(0, count * extent).map((i) => i % extent),
        );
    });
    op.done(y);
  },

  /** DCR: channels are (b, b, c); CRD: (c, b, b) */
  DepthToSpace(op) {
    const { x, n, c: depth, h, w, b } = blocks(op);
    const c = depth / (b * b);
    if (!Number.isInteger(c)) op.fail(`block ${b} does not divide ${depth} channels`);
    const mode = op.version < 11 ? 'DCR' : op.text('mode', 'DCR');
    if (mode !== 'DCR' && mode !== 'CRD') op.unsupported(`mode ${mode.slice(0, 40)}`);
    const split = op.reshape(x, mode === 'DCR' ? [n, b, b, c, h, w] : [n, c, b, b, h, w]);
    const moved = op.transpose(split, mode === 'DCR' ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]);
    op.done(op.reshape(moved, [n, c, h * b, w * b]));
  },

  /** x (n, c, h, w)  ⇒  (n, c, h/b, b, w/b, b)  ⇒  (n, b, b, c, h/b, w/b)  ⇒  (n, b·b·c, h/b, w/b) */
  SpaceToDepth(op) {
    const { x, n, c, h, w, b } = blocks(op);
    if (h % b !== 0 || w % b !== 0) op.fail(`block ${b} does not divide ${h}×${w}`);
    const split = op.reshape(x, [n, c, h / b, b, w / b, b]);
    op.done(op.reshape(op.transpose(split, [0, 3, 5, 1, 2, 4]), [n, b * b * c, h / b, w / b]));
  },
};

function tilesOf(op: Operator, x: Operand, tiles: number, axis: number): number[] {
  const a = op.axis(axis, x.shape.length);
  return x.shape.map((_, i) => (i === a ? tiles : 1));
}

/** Whether stored integers of both mean the same real numbers. */
function sameNumbers(a: Operand, b: Operand): boolean {
  const [p, q] = [a.quantization, b.quantization];
  if (!p || !q) return p === q;
  return (
    p.scale.length === 1 &&
    q.scale.length === 1 &&
    p.scale[0] === q.scale[0] &&
    p.zeroPoint[0] === q.zeroPoint[0]
  );
}
