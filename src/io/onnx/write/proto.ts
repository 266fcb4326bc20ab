/**
 * Records → the bytes of an ONNX model. The same records give the same bytes, on every machine.
 *
 * Field numbers: onnx/onnx, onnx/onnx.proto. The encoding is protobufjs' minimal writer: no reflection, no `eval`.
 */
import protobuf from 'protobufjs/minimal.js';
import { VireoError } from '../../../errors.ts';
import { byteLength, type DType, type Shape, type TensorData } from '../../../tensor.ts';
import { typeNumber } from '../tensors.ts';

export type Attribute =
  | { readonly i: number }
  | { readonly f: number }
  | { readonly s: string }
  | { readonly ints: readonly number[] };

export interface NodeSpec {
  readonly name: string;
  readonly type: string;
  /** '' where an optional input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TensorData;
}

export type ValueSpec = Omit<TensorSpec, 'data'>;

export interface ModelSpec {
  readonly irVersion: number;
  readonly opset: number;
  readonly producer: string;
  readonly name: string;
  readonly nodes: readonly NodeSpec[];
  readonly initializers: readonly TensorSpec[];
  readonly inputs: readonly ValueSpec[];
  readonly outputs: readonly ValueSpec[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** A protocol buffer message has at most 2 GiB less one byte. */
const mostBytes = 2 ** 31 - 1;

type Writer = protobuf.Writer;

export function encodeModel(model: ModelSpec): Uint8Array {
  const weights = model.initializers.reduce((sum, { dtype, shape }) => sum + byteLength(dtype, shape), 0);
  checkSize(model, weights);
  const w = new protobuf.Writer();
  integer(w, 1, model.irVersion);
  text(w, 2, model.producer);
  message(w, 7, () => encodeGraph(w, model));
  message(w, 8, () => {
    text(w, 1, '');
    integer(w, 2, model.opset);
  });
  for (const [key, value] of Object.entries(model.metadata))
    message(w, 14, () => {
      text(w, 1, key);
      text(w, 2, value);
    });
  checkSize(model, w.len);
  return w.finish();
}

function checkSize({ name }: ModelSpec, bytes: number): void {
  if (bytes > mostBytes)
    throw new VireoError(
      'too-large',
      `ONNX: "${name}" needs ${bytes} bytes; one file holds at most ${mostBytes}`,
    );
}

function encodeGraph(w: Writer, model: ModelSpec): void {
  for (const node of model.nodes) message(w, 1, () => encodeNode(w, node));
  text(w, 2, model.name);
  for (const tensor of model.initializers) message(w, 5, () => encodeTensor(w, tensor));
  for (const value of model.inputs) message(w, 11, () => encodeValue(w, value));
  for (const value of model.outputs) message(w, 12, () => encodeValue(w, value));
}

function encodeNode(w: Writer, { name, type, inputs, outputs, attributes }: NodeSpec): void {
  for (const input of inputs) text(w, 1, input);
  for (const output of outputs) text(w, 2, output);
  text(w, 3, name);
  text(w, 4, type);
  for (const [key, attribute] of Object.entries(attributes))
    message(w, 5, () => {
      text(w, 1, key);
      encodeAttribute(w, attribute);
    });
}

function encodeAttribute(w: Writer, attribute: Attribute): void {
  let type: number;
  if ('f' in attribute) {
    w.uint32(tag(2, 5)).float(attribute.f);
    type = 1;
  } else if ('i' in attribute) {
    integer(w, 3, attribute.i);
    type = 2;
  } else if ('s' in attribute) {
    text(w, 4, attribute.s);
    type = 3;
  } else {
    for (const one of attribute.ints) integer(w, 8, one);
    type = 7;
  }
  integer(w, 20, type);
}

function encodeTensor(w: Writer, { name, dtype, shape, data }: TensorSpec): void {
  for (const extent of shape) integer(w, 1, extent);
  integer(w, 2, typeNumber(dtype));
  text(w, 8, name);
  bytes(w, 9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function encodeValue(w: Writer, { name, dtype, shape }: ValueSpec): void {
  text(w, 1, name);
  message(w, 2, () =>
    message(w, 1, () => {
      integer(w, 1, typeNumber(dtype));
      message(w, 2, () => {
        for (const extent of shape) message(w, 1, () => integer(w, 1, extent));
      });
    }),
  );
}

const tag = (field: number, wire: number): number => (field << 3) | wire;

function integer(w: Writer, field: number, value: number): void {
  w.uint32(tag(field, 0)).int64(value);
}

function bytes(w: Writer, field: number, value: Uint8Array): void {
  w.uint32(tag(field, 2)).bytes(value);
}

function text(w: Writer, field: number, value: string): void {
  bytes(w, field, new TextEncoder().encode(value));
}

function message(w: Writer, field: number, body: () => void): void {
  w.uint32(tag(field, 2)).fork();
  body();
  w.ldelim();
}
