/** Arithmetic, comparison and logic, element by element with broadcasting. */
import type { BinaryFn, UnaryFn } from '../../../kernels/call.ts';
import { elementCount } from '../../../tensor.ts';
import { type Operand, range } from '../emitter.ts';
import type { Operator } from '../operator.ts';
import { dtypeOf, fileType } from '../tensors.ts';
import type { Converters } from './index.ts';

const unary = (fn: UnaryFn) => (op: Operator) => op.done(op.unary(fn, op.x(0)));

/** Before opset 7, b stands still unless `broadcast` says otherwise, and `axis` says where it begins. */
function pair(op: Operator): [Operand, Operand] {
  const a = op.x(0);
  const b = op.x(1);
  if (op.version >= 7) return [a, b];
  const axis = op.attribute('axis')?.i;
  if (!op.flag('broadcast') || axis === undefined) return [a, b];
  const rest = a.shape.length - op.axis(axis, a.shape.length) - b.shape.length;
  if (rest < 0) op.fail(`axis ${axis} leaves no room for rank ${b.shape.length}`);
  return [a, op.reshape(b, [...b.shape, ...range(0, rest).map(() => 1)])];
}

function sameType(op: Operator, a: Operand, b: Operand): void {
  if (a.dtype !== b.dtype) op.fail(`inputs of types ${fileType(a.dtype)} and ${fileType(b.dtype)}`);
}

const binary = (fn: BinaryFn) => (op: Operator) => {
  const [a, b] = pair(op);
  sameType(op, a, b);
  op.done(op.binary(fn, a, b));
};

const variadic = (fn: BinaryFn) => (op: Operator) => op.done(joined(op, fn));

function joined(op: Operator, fn: BinaryFn): Operand {
  return op.all().reduce((a, b) => {
    sameType(op, a, b);
    return op.binary(fn, a, b);
  });
}

export const elementwise: Converters = {
  Add: binary('add'),
  Sub: binary('sub'),
  Mul: binary('mul'),
  Div: binary('div'),
  Equal: binary('equal'),
  Less: binary('less'),
  LessOrEqual: binary('lessOrEqual'),
  Greater: binary('greater'),
  GreaterOrEqual: binary('greaterOrEqual'),
  And: binary('and'),
  Or: binary('or'),
  Xor: binary('xor'),
  Max: variadic('max'),
  Min: variadic('min'),
  Sum: variadic('add'),
  Mean: (op) => op.done(op.withNumber('div', joined(op, 'add'), op.count)),

  /** The exponent may have another type. */
  Pow(op) {
    const [a, b] = pair(op);
    op.done(op.binary('pow', a, b));
  },

  /** fmod takes the sign of the dividend, as C does; mod that of the divisor, as Python does. */
  Mod(op) {
    const [a, b] = pair(op);
    sameType(op, a, b);
    op.done(op.binary(op.flag('fmod') ? 'fmod' : 'mod', a, b));
  },

  Abs: unary('abs'),
  Neg: unary('neg'),
  Sign: unary('sign'),
  Floor: unary('floor'),
  Ceil: unary('ceil'),
  Round: unary('round'),
  Sqrt: unary('sqrt'),
  Reciprocal: unary('reciprocal'),
  Exp: unary('exp'),
  Log: unary('log'),
  Sin: unary('sin'),
  Cos: unary('cos'),
  Erf: unary('erf'),
  Not: unary('not'),

  Where(op) {
    const [condition, a, b] = [op.x(0), op.x(1), op.x(2)];
    sameType(op, a, b);
    op.done(op.where(condition, a, b));
  },

  Cast(op) {
    op.flag('saturate', true); // of the 8-bit floats, which are refused
    op.text('round_mode', 'up');
    op.done(op.cast(op.x(0), dtypeOf(castType(op))));
  },
  CastLike(op) {
    op.flag('saturate', true);
    op.text('round_mode', 'up');
    op.done(op.cast(op.x(0), op.x(1).dtype));
  },

  Identity: (op) => op.done(op.x(0)),

  /** In inference the input itself; the mask keeps everything. */
  Dropout(op) {
    const x = op.x(0);
    if (op.version < 12) op.number('ratio', 0.5);
    if (op.version < 7 && op.version > 1) op.flag('is_test');
    else if (op.version === 1) op.flag('is_test', true);
    const training = op.version >= 12 && op.has(2) && op.real(2, 'the training mode') !== 0;
    if (training && (op.has(1) ? op.real(1, 'the ratio') : 0.5) !== 0) op.unsupported('training mode');
    op.done(x);
    if (op.wants(1)) {
      const mask = op.constant('bool', x.shape, new Uint8Array(elementCount(x.shape)).fill(1));
      op.done(op.version < 10 ? op.cast(mask, x.dtype) : mask, 1);
    }
  },
};

/** The first opsets wrote the type's name. */
function castType(op: Operator): number {
  const name = op.version < 6 ? op.text('to', '') : '';
  if (name === '') return op.int('to');
  const types = ['FLOAT', 'UINT8', 'INT8', 'UINT16', 'INT16', 'INT32', 'INT64', 'STRING', 'BOOL', 'FLOAT16'];
  const index = [...types, 'DOUBLE', 'UINT32', 'UINT64'].indexOf(name.toUpperCase());
  return index < 0 ? op.unsupported(`type ${name.slice(0, 40)}`) : index + 1;
}
