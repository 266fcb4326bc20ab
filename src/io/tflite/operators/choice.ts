/** Operators that compare and choose, and the product of two matrices. */
import { sameQuantization } from '../../../graph/build.ts';
import type { ValueId } from '../../../graph/ir.ts';
import type { BinaryFn, LogicFn } from '../../../kernels/call.ts';
import { noClamp } from '../../../kernels/call.ts';
import { elementCount, sameShape } from '../../../tensor.ts';
import { fileType, type Operand, type Operator } from '../operator.ts';
import { batchMatMul } from '../schema.ts';

const binaryOp = (fn: BinaryFn) => ({ kind: 'binary', fn, clamp: noClamp }) as const;

/** Two operands of one type; 8-bit numbers stand for the same real ones on both sides. */
function alike(op: Operator): [Operand, Operand] {
  const [a, b] = [op.plain(0), op.plain(1)];
  const [{ dtype, quantization: p }, { dtype: other, quantization: q }] = [a.value, b.value];
  if (dtype !== other) op.fail(`inputs of types ${fileType(dtype)} and ${fileType(other)}`);
  if (dtype === 'i16') op.unsupported('int16 input');
  if ((dtype === 'i8' || dtype === 'u8') && !sameQuantization(p, q))
    op.unsupported(`${fileType(dtype)} inputs with different parameters`);
  return [a, b];
}

function bool(op: Operator, id: ValueId): void {
  if (op.output().dtype !== 'bool') op.unsupported(`${op.output().type} output`);
  op.finish(id);
}

const spec = (op: Operator) => ({ name: op.output().name, dtype: 'bool', quantization: null }) as const;

const compare = (fn: BinaryFn) => (op: Operator) => {
  const [a, b] = alike(op);
  bool(op, op.builder.add(binaryOp(fn), [a.id, b.id], spec(op)));
};

const logic = (fn: LogicFn) => (op: Operator) => {
  const [a, b] = [op.plain(0), op.plain(1)];
  if (a.value.dtype !== 'bool' || b.value.dtype !== 'bool') op.fail('inputs that are not bool');
  bool(op, op.builder.add(binaryOp(fn), [a.id, b.id], spec(op)));
};

const argMax = (least: boolean) => (op: Operator) => {
  const x = op.number(0);
  const axis = op.axis(op.integer(1, 'axis'), x.shape.length);
  const { name, type, dtype } = op.output();
  if (dtype !== 'i32' && dtype !== 'i64') op.unsupported(`${type} output`);
  const arithmetic = { kind: 'argMax', axis, least, last: false } as const;
  op.finish(op.builder.add(arithmetic, [x.id], { name, dtype, quantization: null }));
};

/** `vector`: a condition of rank 1 may also choose whole rows. */
const select = (vector: boolean) => (op: Operator) => {
  const [condition, a, b] = [op.plain(0), op.plain(1), op.plain(2)];
  const { name, type, dtype, quantization } = op.output();
  if (condition.value.dtype !== 'bool') op.fail('a condition that is not bool');
  if (a.value.dtype !== b.value.dtype) op.fail('two choices of different types');
  if (dtype !== a.value.dtype) op.unsupported(`${type} output of ${fileType(a.value.dtype)} input`);
  const q = a.value.quantization;
  if ((dtype === 'i8' || dtype === 'u8') && !sameQuantization(q, b.value.quantization))
    op.unsupported(`${type} inputs with different parameters`);
  if (vector && elementCount(condition.shape) > 1 && !sameShape(condition.shape, a.shape))
    op.unsupported(`a condition that chooses rows`);
  const kept = q && q.scale.length === 1 ? q : null;
  op.finish(
    op.builder.add({ kind: 'where' }, [condition.id, a.id, b.id], {
      name,
      dtype,
      quantization: quantization ?? kept,
    }),
  );
};

export const choice: Readonly<Record<string, (op: Operator) => void>> = {
  EQUAL: compare('equal'),
  LESS: compare('less'),
  LESS_EQUAL: compare('lessOrEqual'),
  GREATER: compare('greater'),
  GREATER_EQUAL: compare('greaterOrEqual'),
  /** Of bool it is xor. */
  NOT_EQUAL(op) {
    const [a, b] = alike(op);
    if (a.value.dtype === 'bool') {
      bool(op, op.builder.add(binaryOp('xor'), [a.id, b.id], spec(op)));
      return;
    }
    const name = `${op.output().name}/equal`;
    const equal = op.builder.add(binaryOp('equal'), [a.id, b.id], { ...spec(op), name });
    bool(op, op.builder.add({ kind: 'unary', fn: 'not', alpha: 0 }, [equal], spec(op)));
  },
  LOGICAL_AND: logic('and'),
  LOGICAL_OR: logic('or'),
  LOGICAL_NOT(op) {
    const x = op.plain(0);
    if (x.value.dtype !== 'bool') op.fail('an input that is not bool');
    bool(op, op.builder.add({ kind: 'unary', fn: 'not', alpha: 0 }, [x.id], spec(op)));
  },

  SELECT: select(true),
  SELECT_V2: select(false),

  ARG_MAX: argMax(false),
  ARG_MIN: argMax(true),

  /** The k largest of the innermost axis, and where they are. */
  TOPK_V2(op) {
    const x = op.number(0);
    const k = op.integer(1, 'k');
    const axis = op.axis(-1, x.shape.length);
    if (op.outputs.length !== 2) op.fail(`expected 2 outputs, got ${op.outputs.length}`);
    if (k < 0 || k > x.shape[axis]!) op.fail(`k ${k} of an axis of ${x.shape[axis]}`);
    const ranked = (indices: boolean) => ({ kind: 'topK', axis, k, largest: true, indices }) as const;
    const own = x.value;
    const [values, places] = [op.output(0), op.output(1)];
    if (values.type !== fileType(own.dtype))
      op.unsupported(`${values.type} output of ${fileType(own.dtype)} input`);
    if (places.dtype !== 'i32') op.unsupported(`${places.type} indices`);
    op.finish(
      op.builder.add(ranked(false), [x.id], {
        name: values.name,
        quantization: values.quantization ?? own.quantization,
      }),
      0,
    );
    const wide = { name: `${places.name}/int64`, dtype: 'i64', quantization: null } as const;
    const index = op.builder.add(ranked(true), [x.id], wide);
    const narrow = { name: places.name, dtype: 'i32', quantization: null } as const;
    op.finish(op.builder.add({ kind: 'cast' }, [index], narrow), 1);
  },

  GATHER_ND(op) {
    const [x, indices] = [op.plain(0), op.plain(1)];
    const { name, quantization, dtype: outType } = op.output();
    const { dtype, data } = indices.value;
    if (dtype !== 'i32' && dtype !== 'i64') op.unsupported('indices that are not int32 or int64');
    if (outType !== x.value.dtype) op.unsupported('an output of another type than the input');
    const depth = indices.shape.at(-1) ?? op.fail('indices expect at least rank 1');
    data?.forEach((index: number | bigint, i: number) => {
      const extent = x.shape[i % depth] ?? 0;
      if (index < 0 || index >= extent) op.fail(`index ${index} is outside an axis of ${extent}`);
    });
    const own = x.value.quantization;
    op.finish(
      op.builder.add({ kind: 'gatherNd', batchDims: 0 }, [x.id, indices.id], {
        name,
        quantization: quantization ?? (own && own.scale.length === 1 ? own : null),
      }),
    );
  },

  /** A·B, each transposed first where the options say so; float only. */
  BATCH_MATMUL(op) {
    const options = op.options(batchMatMul.union);
    const side = (i: number, isTransposed: boolean): Operand => {
      const x = op.plain(i);
      const rank = x.shape.length;
      if (x.value.dtype !== 'f32') op.unsupported('inputs that are not float32');
      if (rank < 2) op.fail(`input ${i} expects at least rank 2, got ${rank}`);
      const axes = x.shape.map((_, axis) => axis);
      return isTransposed ? op.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]) : x;
    };
    const a = side(0, options.bool(batchMatMul.transposeA));
    const b = side(1, options.bool(batchMatMul.transposeB));
    op.compute({ kind: 'matmul' }, [a.id, b.id]);
  },
};
