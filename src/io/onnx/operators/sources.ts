/** What comes from nothing but attributes and shapes: constants, ranges, shapes as numbers. */
import { VireoError } from '../../../errors.ts';
import { checkTensorSize } from '../../../graph/limits.ts';
import { byteLength, type DType, elementCount, isBig, viewOf } from '../../../tensor.ts';
import type { Operand } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import { fileType } from '../tensors.ts';
import type { Converters } from './index.ts';

function constantOf(op: Operator): Operand {
  const whole = op.attribute('value');
  if (whole?.tensor) {
    const { dtype, shape, data } = op.importer.tensor(whole.tensor);
    return op.constant(dtype, shape, data);
  }
  const f = op.attribute('value_float');
  if (f) return op.scalar('f32', f.f ?? 0);
  const i = op.attribute('value_int');
  if (i) return op.scalar('i64', i.i ?? 0);
  const floats = op.floats('value_floats');
  if (floats) return op.numbers('f32', [floats.length], floats);
  const ints = op.ints('value_ints');
  if (ints) return op.numbers('i64', [ints.length], ints);
  return op.unsupported('a constant that is no tensor of numbers');
}

const rangeTypes: ReadonlySet<DType> = new Set(['f32', 'f64', 'i16', 'i32', 'i64']);

export const sources: Converters = {
  Constant: (op) => op.done(constantOf(op)),

  ConstantOfShape(op) {
    const shape = op.integers(0, 'the shape');
    if (shape.some((extent) => extent < 0)) op.fail(`extents expect at least 0, got [${shape.join(', ')}]`);
    const record = op.attribute('value')?.tensor;
    const value = record && op.importer.tensor(record);
    if (value && value.data.length !== 1) op.fail(`the value has ${value.data.length} elements, expected 1`);
    const dtype = value?.dtype ?? 'f32';
    checkTensorSize(op.label, dtype, shape, op.builder.limits);
    const one = value?.data[0] ?? 0;
    const data = viewOf(dtype, new ArrayBuffer(byteLength(dtype, shape)), 0, elementCount(shape));
    if (isBig(data)) data.fill(BigInt(one));
    else data.fill(Number(one));
    op.done(op.constant(dtype, shape, data));
  },

  Shape(op) {
    const { shape } = op.x(0);
    const rank = shape.length;
    const place = (name: string, missing: number): number => {
      const at = op.int(name, missing);
      return Math.min(rank, Math.max(0, at < 0 ? at + rank : at));
    };
    const part = op.version < 15 ? shape : shape.slice(place('start', 0), place('end', rank));
    op.done(op.numbers('i64', [part.length], part));
  },

  Size: (op) => op.done(op.scalar('i64', elementCount(op.x(0).shape))),

  /** start, start + delta, … as long as it has not reached limit */
  Range(op) {
    const { dtype } = op.x(0);
    if (!rangeTypes.has(dtype)) op.unsupported(`${fileType(dtype)} input`);
    const start = op.real(0, 'the start');
    const limit = op.real(1, 'the limit');
    const delta = op.real(2, 'the step');
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    if (!Number.isFinite(count)) op.fail(`${start} to ${limit} by ${delta} has no end`);
    checkTensorSize(op.label, dtype, [count], op.builder.limits);
    const data = viewOf(dtype, new ArrayBuffer(byteLength(dtype, [count])), 0, count);
    if (isBig(data)) for (let i = 0; i < count; i++) data[i] = BigInt(start + i * delta);
    else for (let i = 0; i < count; i++) data[i] = start + i * delta;
    op.done(op.constant(dtype, [count], data));
  },

  /** Only where the condition is known: then its branch stands in place of the node. */
  If(op) {
    const isTrue = op.real(0, 'the condition') !== 0;
    const [yes, no] = [op.attribute('then_branch')?.graph, op.attribute('else_branch')?.graph];
    const branch = isTrue ? yes : no;
    if (!branch) throw new VireoError('bad-file', `ONNX If "${op.label}": a branch is missing`);
    op.importer.inline(branch, op.outputs);
  },
};
