/**
 * Every operator's attributes, in the order in which a file has them. The whole of it is one table: an operator or
 * an attribute that is missing here, or has another type, does not compile.
 *
 * New attributes go to a row's end, with a usual value: older files then read as before.
 */
import { VireoError } from '../../errors.ts';
import type { Op } from '../../graph/ops.ts';
import type { Training } from '../../kernels/train/call.ts';
import { type Data, show } from './cbor.ts';
import { clamp, type Field, flag, list, oneOf, optional, pad, pair, real, usually, whole } from './fields.ts';

/** The name of its row: what training adds is told apart by `fn`. */
export type RowName = Exclude<Op['kind'], 'training'> | `training.${Training['fn']}`;

type WithKind<T, K> = T extends { readonly kind: infer J } ? (K extends J ? T : never) : never;
type AttributesOf<N extends RowName> = N extends `training.${infer F}`
  ? Omit<Extract<Training, { readonly fn: F }>, 'kind' | 'fn'>
  : Omit<WithKind<Op, N>, 'kind'>;
type Row<T> = {
  readonly [F in keyof T]-?: { [P in F]: T[P] } extends Required<Pick<T, F>>
    ? Field<T[F]>
    : Field<Exclude<T[F], undefined>> & { readonly optional: true };
};

const strides = usually([1, 1], pair(1));
const shape = list(0);
const axis = whole(0);
const rounding = oneOf({ away: 1, even: 1 });
const requantize = { rounding: optional(oneOf({ even: 1 })) };
const window = { stride: strides, dilation: strides, pad };
const windowNd = { stride: list(1), dilation: list(1), before: list(0), after: list(0) };
const poolWindow = { kernel: pair(1), stride: strides, pad };
const pool = { ...poolWindow, clamp, ...requantize };
const poolWindowNd = { kernel: list(1), ...windowNd, countPad: usually(false, flag), p: usually(2, real) };
const groups = usually(1, whole(1));
const epsilon = real;

const rows: { readonly [N in RowName]: Row<AttributesOf<N>> } = {
  conv2d: { ...window, clamp, groups, ...requantize },
  depthwiseConv2d: { ...window, clamp, ...requantize },
  codebookConv2d: { ...window, clamp },
  transposedConv2d: { stride: strides, pad, clamp },
  dense: { clamp, ...requantize },
  matmul: {},
  convNd: { ...windowNd, groups },
  transposedConvNd: { stride: list(1), dilation: list(1), before: list(0), groups },
  maxPool2d: pool,
  averagePool2d: pool,
  poolNd: { fn: oneOf({ max: 1, average: 1, lp: 1 }), ...poolWindowNd },
  maxPoolIndices: { ...poolWindowNd, columnMajor: usually(false, flag) },
  binary: {
    fn: oneOf({
      ...({ add: 1, sub: 1, mul: 1, div: 1, min: 1, max: 1, pow: 1, mod: 1, fmod: 1 } as const),
      ...({ equal: 1, less: 1, lessOrEqual: 1, greater: 1, greaterOrEqual: 1 } as const),
      ...({ and: 1, or: 1, xor: 1 } as const),
    }),
    clamp,
    ...requantize,
  },
  where: {},
  unary: {
    fn: oneOf({
      ...({ abs: 1, neg: 1, sign: 1, floor: 1, ceil: 1, round: 1, square: 1, sqrt: 1, rsqrt: 1 } as const),
      ...({ reciprocal: 1, exp: 1, log: 1, sin: 1, cos: 1, erf: 1, not: 1, logistic: 1, tanh: 1 } as const),
      ...({ hardSwish: 1, elu: 1, leakyRelu: 1, softplus: 1, softsign: 1 } as const),
    }),
    alpha: usually(0, real),
  },
  clamp: { clamp },
  prelu: {},
  softmax: { beta: usually(1, real), log: usually(false, flag) },
  l2Normalize: {},
  lrn: { size: whole(1), alpha: real, beta: real, bias: real },
  reduce: { fn: oneOf({ mean: 1, sum: 1, max: 1, min: 1, prod: 1 }), axes: list(0) },
  argMax: { axis, least: usually(false, flag), last: usually(false, flag) },
  topK: { axis, k: whole(0), largest: flag, indices: flag },
  convert: { rounding },
  cast: {},
  fakeQuantize: { batchDims: whole(0), symmetric: flag },
  gather: { axis, batchDims: usually(0, whole(0)) },
  gatherElements: { axis },
  gatherNd: { batchDims: usually(0, whole(0)) },
  resize: {
    mode: oneOf({ nearest: 1, bilinear: 1 }),
    size: pair(1),
    alignCorners: usually(false, flag),
    halfPixelCenters: usually(false, flag),
  },
  mirrorPad: { before: list(0), after: list(0), mode: oneOf({ reflect: 1, symmetric: 1 }) },
  rfft2d: { length: pair(1) },
  complexAbs: {},
  reshape: { shape },
  transpose: { perm: list(0) },
  concat: { axis },
  slice: { begin: list(0), size: list(0), step: list(Number.MIN_SAFE_INTEGER) },
  pad: { before: list(0), after: list(0), value: usually(0, real) },
  'training.conv2dWeights': { shape, ...window, groups },
  'training.maxPool2d': { shape, ...poolWindow },
  'training.averagePool2d': { shape, ...poolWindow },
  'training.clamp': { shape, bounds: clamp },
  'training.moments': { shape },
  'training.batchNorm': { shape, epsilon },
  'training.batchNormSums': { shape, epsilon },
  'training.batchNormInput': { shape, epsilon },
};

/** The names of all rows and of their attributes, as docs/vireo-format.md lists them. */
export const attributeNames: Readonly<Record<string, readonly string[]>> = /* @__PURE__ */ Object.fromEntries(
  /* @__PURE__ */ Object.entries(rows).map(([name, row]) => [name, Object.keys(row)]),
);

const fieldsOf = (name: RowName): readonly (readonly [string, Field<unknown>])[] =>
  Object.entries(rows[name] as Readonly<Record<string, Field<unknown>>>); // what a row's fields are of differs from row to row

export const rowName = (op: Op): RowName => (op.kind === 'training' ? `training.${op.fn}` : op.kind);

/** Attributes in the row's order: null for the usual ones, those at the end left out. */
export function writeAttributes(op: Op): Data[] {
  const values: Readonly<Record<string, unknown>> = { ...op };
  const data = fieldsOf(rowName(op)).map(([name, { write, usual }]): Data => {
    const value = values[name];
    if (value === undefined) return null;
    const written = write(value);
    return usual !== undefined && isSame(written, write(usual)) ? null : written;
  });
  while (data.length > 0 && data[data.length - 1] === null) data.pop();
  return data;
}

/** Throws `VireoError`, its message starting with `where`. */
export function readOp(name: string, data: readonly Data[], where: string): Op {
  if (!isRowName(name)) throw new VireoError('bad-file', `${where}: operator ${show(name)} is not known`);
  const fields = fieldsOf(name);
  if (data.length > fields.length)
    throw new VireoError('bad-file', `${where}: ${name} has ${fields.length} attributes, got ${data.length}`);
  const [kind, fn] = name.split('.');
  const op: Record<string, unknown> = { kind, ...(fn !== undefined && { fn }) };
  fields.forEach(([attribute, field], i) => {
    const item = data[i] ?? null;
    const fail = (expected: string): never => {
      throw new VireoError(
        'bad-file',
        `${where}: ${name}'s ${attribute} expects ${expected}, got ${show(item)}`,
      );
    };
    if (item !== null) op[attribute] = field.read(item, fail);
    else if (field.usual !== undefined) op[attribute] = field.usual;
    else if (!field.optional) fail('a value');
  });
  return op as unknown as Op; // every attribute of the row is there, and of the type that `rows` holds it to
}

const isRowName = (name: string): name is RowName => Object.hasOwn(rows, name);

const isSame = (a: Data, b: Data): boolean =>
  Array.isArray(a) && Array.isArray(b)
    ? a.length === b.length && a.every((item, i) => isSame(item, b[i]))
    : Object.is(a, b);
