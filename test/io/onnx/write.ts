/** Writes ONNX files for tests: field numbers as in onnx.proto. */
import protobuf from 'protobufjs/minimal.js';

type Writer = protobuf.Writer;

export const types = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;
export type TypeName = keyof typeof types;

export interface TensorSpec {
  readonly name?: string;
  readonly type: TypeName;
  readonly dims: readonly number[];
  /** Written into the field that the type has for typed data. */
  readonly typed?: readonly (number | bigint)[];
  readonly raw?: Uint8Array;
  readonly external?: Readonly<Record<string, string>>;
}

export type AttributeSpec =
  | { readonly i: number }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly t: TensorSpec }
  | { readonly g: GraphSpec }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly ref: string };

export interface NodeSpec {
  readonly type: string;
  readonly in: readonly string[];
  readonly out: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeSpec>>;
}

export interface ValueSpec {
  readonly name: string;
  readonly type: TypeName;
  readonly shape: readonly (number | string)[];
}

export interface GraphSpec {
  readonly nodes: readonly NodeSpec[];
  readonly initializers?: readonly TensorSpec[];
  readonly inputs?: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
}

export interface FunctionSpec {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: readonly string[];
  readonly nodes: readonly NodeSpec[];
  readonly opset?: number;
}

export interface ModelSpec extends GraphSpec {
  readonly opset?: number;
  readonly opsets?: Readonly<Record<string, number>>;
  readonly functions?: readonly FunctionSpec[];
}

export function writeModel(model: ModelSpec): Uint8Array<ArrayBuffer> {
  const w = protobuf.Writer.create();
  w.uint32(tag(1, 0)).int64(10);
  message(w, 7, () => graph(w, model));
  const opsets = model.opsets ?? { '': model.opset ?? 21 };
  for (const [domain, version] of Object.entries(opsets)) message(w, 8, () => opset(w, domain, version));
  for (const f of model.functions ?? []) message(w, 25, () => fn(w, f));
  return Uint8Array.from(w.finish());
}

/** A tensor alone, as in `input_0.pb`. */
export function writeTensor(spec: TensorSpec): Uint8Array<ArrayBuffer> {
  const w = protobuf.Writer.create();
  tensor(w, spec);
  return Uint8Array.from(w.finish());
}

const tag = (field: number, wire: number): number => (field << 3) | wire;

function message(w: Writer, field: number, body: () => void): void {
  w.uint32(tag(field, 2)).fork();
  body();
  w.ldelim();
}

function text(w: Writer, field: number, value: string | undefined): void {
  if (value !== undefined) w.uint32(tag(field, 2)).string(value);
}

function graph(w: Writer, spec: GraphSpec): void {
  for (const one of spec.nodes) message(w, 1, () => node(w, one));
  text(w, 2, 'test');
  for (const one of spec.initializers ?? []) message(w, 5, () => tensor(w, one));
  for (const one of spec.inputs ?? []) message(w, 11, () => value(w, one));
  for (const one of spec.outputs) message(w, 12, () => value(w, one));
}

function node(w: Writer, spec: NodeSpec): void {
  for (const name of spec.in) text(w, 1, name);
  for (const name of spec.out) text(w, 2, name);
  text(w, 3, spec.name);
  text(w, 4, spec.type);
  for (const [name, one] of Object.entries(spec.attributes ?? {}))
    message(w, 5, () => attribute(w, name, one));
  text(w, 7, spec.domain);
}

function attribute(w: Writer, name: string, spec: AttributeSpec): void {
  text(w, 1, name);
  if ('f' in spec) w.uint32(tag(2, 5)).float(spec.f).uint32(tag(20, 0)).int32(1);
  else if ('i' in spec) w.uint32(tag(3, 0)).int64(spec.i).uint32(tag(20, 0)).int32(2);
  else if ('s' in spec) w.uint32(tag(4, 2)).string(spec.s).uint32(tag(20, 0)).int32(3);
  else if ('t' in spec) message(w, 5, () => tensor(w, spec.t));
  else if ('g' in spec) message(w, 6, () => graph(w, spec.g));
  else if ('floats' in spec) for (const f of spec.floats) w.uint32(tag(7, 5)).float(f);
  else if ('ints' in spec) for (const i of spec.ints) w.uint32(tag(8, 0)).int64(i);
  else text(w, 21, spec.ref);
}

/** Field and wire type of a type's typed data. */
function typedField(type: TypeName): 4 | 5 | 7 | 10 | 11 {
  if (type === 'float') return 4;
  if (type === 'int64') return 7;
  if (type === 'double') return 10;
  return type === 'uint32' || type === 'uint64' ? 11 : 5;
}

function tensor(w: Writer, spec: TensorSpec): void {
  for (const extent of spec.dims) w.uint32(tag(1, 0)).int64(extent);
  w.uint32(tag(2, 0)).int32(types[spec.type]);
  if (spec.typed) {
    const field = typedField(spec.type);
    message(w, field, () => {
      for (const number of spec.typed ?? [])
        if (field === 4) w.float(Number(number));
        else if (field === 10) w.double(Number(number));
        else if (field === 5) w.int32(Number(number));
        else w.raw(varint(BigInt(number)));
    });
  }
  text(w, 8, spec.name);
  if (spec.raw) w.uint32(tag(9, 2)).bytes(spec.raw);
  if (!spec.external) return;
  for (const [key, value] of Object.entries(spec.external))
    message(w, 13, () => {
      text(w, 1, key);
      text(w, 2, value);
    });
  w.uint32(tag(14, 0)).int32(1);
}

function varint(number: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, number);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...bytes, Number(rest)]);
}

function value(w: Writer, { name, type, shape }: ValueSpec): void {
  text(w, 1, name);
  message(w, 2, () =>
    message(w, 1, () => {
      w.uint32(tag(1, 0)).int32(types[type]);
      message(w, 2, () => {
        for (const extent of shape)
          message(w, 1, () => {
            if (typeof extent === 'number') w.uint32(tag(1, 0)).int64(extent);
            else text(w, 2, extent);
          });
      });
    }),
  );
}

function opset(w: Writer, domain: string, version: number): void {
  text(w, 1, domain);
  w.uint32(tag(2, 0)).int64(version);
}

function fn(w: Writer, f: FunctionSpec): void {
  text(w, 1, f.name);
  for (const name of f.inputs) text(w, 4, name);
  for (const name of f.outputs) text(w, 5, name);
  for (const name of f.attributes ?? []) text(w, 6, name);
  for (const one of f.nodes) message(w, 7, () => node(w, one));
  message(w, 9, () => opset(w, '', f.opset ?? 21));
  text(w, 10, f.domain);
}

// Short forms

export function floats(name: string, dims: readonly number[], numbers: readonly number[]): TensorSpec {
  return { name, type: 'float', dims, typed: numbers };
}
export function longs(name: string, numbers: readonly number[], dims = [numbers.length]): TensorSpec {
  return { name, type: 'int64', dims, typed: numbers };
}
export function bytes(
  name: string,
  type: 'uint8' | 'int8',
  dims: readonly number[],
  numbers: readonly number[],
): TensorSpec {
  return { name, type, dims, typed: numbers };
}

/** A file with one node: `x` and `y` at its ends, all other operands initialisers. */
export function oneNode(
  node: Omit<NodeSpec, 'in' | 'out'> & { readonly in?: readonly string[]; readonly out?: readonly string[] },
  x: { readonly type?: TypeName; readonly shape: readonly (number | string)[] },
  options: {
    readonly opset?: number;
    readonly initializers?: readonly TensorSpec[];
    readonly output?: TypeName;
  } = {},
): Uint8Array<ArrayBuffer> {
  const type = x.type ?? 'float';
  const initializers = options.initializers ?? [];
  return writeModel({
    opsets: { '': options.opset ?? 21, 'com.microsoft': 1 },
    inputs: [{ name: 'x', type, shape: x.shape }],
    outputs: (node.out ?? ['y'])
      .filter((name) => name !== '')
      .slice(0, 1)
      .map((name) => ({ name, type: options.output ?? type, shape: [] })),
    initializers,
    nodes: [
      { ...node, in: node.in ?? ['x', ...initializers.map((one) => one.name ?? '')], out: node.out ?? ['y'] },
    ],
  });
}
