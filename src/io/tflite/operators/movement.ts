/** Operators that move numbers about unchanged, composed of reshape, transpose, slice, concat and pad. */
import { elementCount, type Shape, showShape } from '../../../tensor.ts';
import { type Operand, type Operator, resolveShape } from '../operator.ts';
import {
  concatenation,
  depthToSpace,
  gather,
  mirrorPad,
  pack,
  reshape,
  spaceToDepth,
  squeeze,
  unpack,
} from '../schema.ts';
import { stridedSliceOf } from './strided-slice.ts';

const ones = (shape: Shape): number[] => shape.map(() => 1);
const zeros = (shape: Shape): number[] => shape.map(() => 0);

export const movement: Readonly<Record<string, (op: Operator) => void>> = {
  RESHAPE(op) {
    const x = op.operand(0);
    let shape = op.has(1) ? op.integers(1, 'extents') : op.options(reshape.union).ints(reshape.newShape);
    if (!op.has(1) && shape.length === 1 && shape[0] === 0) shape = []; // how old files write a scalar
    op.reshape(x, resolveShape(shape, elementCount(x.shape), message(op)), 0);
  },

  SQUEEZE(op) {
    const x = op.operand(0);
    const given = op.options(squeeze.union).ints(squeeze.axes);
    const axes = given.map((a) => op.axis(a, x.shape.length));
    for (const a of axes)
      if (x.shape[a] !== 1) op.fail(`axis ${a} of ${showShape(x.shape)} is not 1 and cannot go`);
    op.reshape(
      x,
      x.shape.filter((extent, i) => (axes.length > 0 ? !axes.includes(i) : extent !== 1)),
      0,
    );
  },

  EXPAND_DIMS(op) {
    const x = op.operand(0);
    const axis = op.axis(op.integer(1, 'axis'), x.shape.length + 1);
    op.reshape(x, insert(x.shape, axis, 1), 0);
  },

  SHAPE(op) {
    const { shape } = op.operand(0);
    const { name, type, dtype } = op.output();
    if (dtype !== 'i32' && dtype !== 'i64') op.unsupported(`${type} output`);
    const data = dtype === 'i64' ? BigInt64Array.from(shape, BigInt) : Int32Array.from(shape);
    op.finish(op.builder.constant(name, dtype, [shape.length], data));
  },

  TRANSPOSE(op) {
    const x = op.operand(0);
    op.transpose(x, op.integers(1, 'axes'), 0);
  },

  CONCATENATION(op) {
    const options = op.options(concatenation.union);
    if (options.i8(concatenation.activation) !== 0) op.unsupported('a fused activation');
    const parts = op.inputs.map((_, i) => inNumbersOfOutput(op, op.operand(i)));
    const first = parts[0] ?? op.fail('expected at least 1 input');
    op.concat(parts, op.axis(options.i32(concatenation.axis), first.shape.length), 0);
  },

  /** x, y, …  ⇒  each reshaped to have a new axis of 1  ⇒  concat along it */
  PACK(op) {
    const options = op.options(pack.union);
    const inputs = op.inputs.map((_, i) => op.operand(i));
    const first = inputs[0] ?? op.fail('expected at least 1 input');
    if (options.i32(pack.count) !== inputs.length)
      op.fail(`options tell of ${options.i32(pack.count)} inputs, got ${inputs.length}`);
    const axis = op.axis(options.i32(pack.axis), first.shape.length + 1);
    const parts = inputs.map((x) => op.reshape(x, insert(x.shape, axis, 1)));
    op.concat(parts, axis, 0);
  },

  /** x  ⇒  one slice for each index of the axis  ⇒  reshape without it */
  UNPACK(op) {
    const options = op.options(unpack.union);
    const x = op.operand(0);
    const axis = op.axis(options.i32(unpack.axis), x.shape.length);
    if (op.outputs.length !== x.shape[axis])
      op.fail(`axis ${axis} of ${showShape(x.shape)} cannot make ${op.outputs.length} outputs`);
    op.outputs.forEach((_, i) => {
      const part = cut(op, x, axis, i, 1);
      op.reshape(
        part,
        x.shape.filter((_, d) => d !== axis),
        i,
      );
    });
  },

  SPLIT(op) {
    const x = op.operand(1);
    const axis = op.axis(op.integer(0, 'axis'), x.shape.length);
    const size = x.shape[axis]! / op.outputs.length;
    if (!Number.isInteger(size))
      op.fail(`axis ${axis} of ${showShape(x.shape)} does not split into ${op.outputs.length}`);
    op.outputs.forEach((_, i) => {
      cut(op, x, axis, i * size, size, i);
    });
  },

  SPLIT_V(op) {
    const x = op.operand(0);
    const axis = op.axis(op.integer(2, 'axis'), x.shape.length);
    const sizes = [...op.integers(1, 'sizes')];
    const open = sizes.indexOf(-1);
    const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
    if (open >= 0) sizes[open] = x.shape[axis]! - sum(sizes) - 1;
    if (sizes.length !== op.outputs.length || sum(sizes) !== x.shape[axis] || sizes.some((n) => n < 0))
      op.fail(`sizes ${showShape(sizes)} do not fit axis ${axis} of ${showShape(x.shape)}`);
    let at = 0;
    sizes.forEach((size, i) => {
      cut(op, x, axis, at, size, i);
      at += size;
    });
  },

  SLICE(op) {
    const x = op.operand(0);
    const begin = op.integers(1, 'begins');
    const given = op.integers(2, 'sizes');
    const size = given.map((n, i) => (n === -1 ? (x.shape[i] ?? 0) - (begin[i] ?? 0) : n));
    op.slice(x, begin, size, ones(x.shape), 0);
  },

  STRIDED_SLICE(op) {
    const x = op.operand(0);
    const range = stridedSliceOf(op, x.shape);
    op.reshape(op.slice(x, range.begin, range.size, range.step), range.shape, 0);
  },

  GATHER(op) {
    const options = op.options(gather.union);
    const x = op.plain(0);
    const indices = op.plain(1);
    const axis = op.axis(options.i32(gather.axis), x.shape.length);
    const given = options.i32(gather.batchDims);
    const batchDims = given < 0 ? given + indices.shape.length : given;
    const { dtype, data } = indices.value;
    if (dtype !== 'i32' && dtype !== 'i64') op.unsupported('indices that are not int32 or int64');
    if (data)
      for (const index of data)
        if (index < 0 || index >= x.shape[axis]!)
          op.fail(`index ${index} is outside axis ${axis} of ${showShape(x.shape)}`);
    const { name, quantization, dtype: outType } = op.output();
    if (outType !== x.value.dtype) op.unsupported('an output of another type than the input');
    const own = x.value.quantization;
    op.finish(
      op.builder.add({ kind: 'gather', axis, batchDims }, [x.id, indices.id], {
        name,
        quantization: quantization ?? (own && own.scale.length === 1 ? own : null),
      }),
    );
  },

  PAD: (op) => padWith(op, 0),
  PADV2(op) {
    const { value } = op.plain(2);
    const stored = value.data?.[0];
    if (!value.data) op.unsupported('a padding value that is not constant');
    if (stored === undefined || value.data?.length !== 1) op.fail('the padding value expects one number');
    const q = value.quantization;
    const number = Number(stored ?? 0);
    padWith(op, q ? q.scale[0]! * (number - q.zeroPoint[0]!) : number);
  },
  MIRROR_PAD(op) {
    const x = op.plain(0);
    const { before, after } = paddingOf(op, x.shape.length, 1);
    const mode = op.options(mirrorPad.union).i8(mirrorPad.mode) === 0 ? 'reflect' : 'symmetric';
    op.move({ kind: 'mirrorPad', before, after, mode }, [x]);
  },

  /**
   * x (n, h, …)  ⇒  pad  ⇒  (n, h/b, b, …)  ⇒  transpose to (b, n, h/b, …)  ⇒  (b·n, h/b, …)
   * with h, b standing for every spatial axis and its block.
   */
  SPACE_TO_BATCH_ND(op) {
    const x = op.plain(0);
    const block = blockOf(op, x);
    const m = block.length;
    const padding = paddingOf(op, m, 2);
    const rest = x.shape.slice(1 + m);
    const zero = zeros(rest);
    const padded = op.pad(x, [0, ...padding.before, ...zero], [0, ...padding.after, ...zero], 0);
    const cells = block.map((b, i) => padded.shape[1 + i]! / b);
    if (!cells.every(Number.isInteger))
      op.fail(`blocks ${showShape(block)} do not divide ${showShape(padded.shape)}`);
    const split = op.reshape(padded, [x.shape[0]!, ...block.flatMap((b, i) => [cells[i]!, b]), ...rest]);
    const perm = [
      ...block.map((_, i) => 2 + 2 * i),
      0,
      ...block.map((_, i) => 1 + 2 * i),
      ...rest.map((_, i) => 1 + 2 * m + i),
    ];
    const moved = op.transpose(split, perm);
    op.reshape(moved, [x.shape[0]! * elementCount(block), ...cells, ...rest], 0);
  },

  /** x (b·n, h, …)  ⇒  (b, n, h, …)  ⇒  transpose to (n, h, b, …)  ⇒  (n, h·b, …)  ⇒  slice off the crops */
  BATCH_TO_SPACE_ND(op) {
    const x = op.plain(0);
    const block = blockOf(op, x);
    const m = block.length;
    const crops = paddingOf(op, m, 2);
    const cells = x.shape.slice(1, 1 + m);
    const rest = x.shape.slice(1 + m);
    const n = x.shape[0]! / elementCount(block);
    if (!Number.isInteger(n)) op.fail(`blocks ${showShape(block)} do not divide a batch of ${x.shape[0]}`);
    const split = op.reshape(x, [...block, n, ...cells, ...rest]);
    const perm = [m, ...block.flatMap((_, i) => [m + 1 + i, i]), ...rest.map((_, i) => 1 + 2 * m + i)];
    const whole = cells.map((extent, i) => extent * block[i]!);
    const joined = op.reshape(op.transpose(split, perm), [n, ...whole, ...rest]);
    const size = whole.map((extent, i) => extent - crops.before[i]! - crops.after[i]!);
    if (size.some((extent) => extent < 0)) op.fail(`crops are larger than ${showShape(whole)}`);
    op.slice(joined, [0, ...crops.before, ...zeros(rest)], [n, ...size, ...rest], ones(x.shape), 0);
  },

  /** x (n, h, w, b·b·c)  ⇒  (n, h, w, b, b, c)  ⇒  (n, h, b, w, b, c)  ⇒  (n, h·b, w·b, c) */
  DEPTH_TO_SPACE(op) {
    const x = op.plain(0);
    const b = op.options(depthToSpace.union).i32(depthToSpace.blockSize);
    const [n, h, w, depth] = nhwc(op, x);
    const c = depth / (b * b);
    if (b < 1 || !Number.isInteger(c)) op.fail(`block ${b} does not divide ${depth} channels`);
    const split = op.reshape(x, [n, h, w, b, b, c]);
    op.reshape(op.transpose(split, [0, 1, 3, 2, 4, 5]), [n, h * b, w * b, c], 0);
  },

  /** x (n, h, w, c)  ⇒  (n, h/b, b, w/b, b, c)  ⇒  (n, h/b, w/b, b, b, c)  ⇒  (n, h/b, w/b, b·b·c) */
  SPACE_TO_DEPTH(op) {
    const x = op.plain(0);
    const b = op.options(spaceToDepth.union).i32(spaceToDepth.blockSize);
    const [n, h, w, c] = nhwc(op, x);
    if (b < 1 || h % b !== 0 || w % b !== 0) op.fail(`block ${b} does not divide ${h}×${w}`);
    const split = op.reshape(x, [n, h / b, b, w / b, b, c]);
    op.reshape(op.transpose(split, [0, 1, 3, 2, 4, 5]), [n, h / b, w / b, b * b * c], 0);
  },
};

const message =
  (op: Operator) =>
  (text: string): never =>
    op.fail(text);

function insert(shape: Shape, axis: number, extent: number): number[] {
  return [...shape.slice(0, axis), extent, ...shape.slice(axis)];
}

/** Elements `at … at + size − 1` of one axis. */
function cut(op: Operator, x: Operand, axis: number, at: number, size: number, out?: number): Operand {
  const begin = zeros(x.shape);
  begin[axis] = at;
  const extent = x.shape.map((e, i) => (i === axis ? size : e));
  return op.slice(x, begin, extent, ones(x.shape), out);
}

/** Quantised parts of a concatenation are brought to the output's scale first. */
function inNumbersOfOutput(op: Operator, x: Operand): Operand {
  const { dtype, quantization: own } = x.value;
  const wanted = op.output().quantization;
  if ((dtype !== 'i8' && dtype !== 'u8') || !own || !wanted) return x;
  if (own.scale.length > 1 || wanted.scale.length > 1) op.unsupported('data quantised per axis');
  if (own.scale[0] === wanted.scale[0] && own.zeroPoint[0] === wanted.zeroPoint[0]) return x;
  return op.wrap(op.step({ kind: 'convert', rounding: 'away' }, [x.id], wanted));
}

function padWith(op: Operator, value: number): void {
  const x = op.plain(0);
  const { before, after } = paddingOf(op, x.shape.length, 1);
  op.pad(x, before, after, value, 0);
}

/** Operand `i`, (axes, 2): cells before and after each axis. */
function paddingOf(op: Operator, axes: number, i: number): { before: number[]; after: number[] } {
  const pairs = op.integers(i, 'paddings');
  if (pairs.length !== 2 * axes || pairs.some((p) => p < 0))
    op.fail(`expected ${axes} pairs of paddings of at least 0, got ${showShape(pairs)}`);
  return {
    before: pairs.filter((_, j) => j % 2 === 0),
    after: pairs.filter((_, j) => j % 2 === 1),
  };
}

function blockOf(op: Operator, x: Operand): number[] {
  const block = op.integers(1, 'blocks');
  if (block.length < 1 || block.length >= x.shape.length || block.some((b) => b < 1))
    op.fail(`blocks ${showShape(block)} do not fit ${showShape(x.shape)}`);
  return block;
}

function nhwc(op: Operator, x: Operand): readonly [number, number, number, number] {
  const [n, h, w, c] = x.shape;
  if (x.shape.length !== 4 || n === undefined || h === undefined || w === undefined || c === undefined)
    return op.fail(`expected a rank 4 input, got ${showShape(x.shape)}`);
  return [n, h, w, c];
}
