/** The tables of a TFLite file: tensors, their buffers, operators and what stands around them. */
import { VireoError } from '../../../errors.ts';
import type { Quantization, Shape } from '../../../tensor.ts';
import * as s from '../schema.ts';
import {
  bytes,
  encode,
  type Fields,
  floats,
  ints,
  longs,
  type Part,
  string,
  table,
  tables,
} from './flatbuffer.ts';

export interface TensorSpec {
  readonly name: string;
  /** As the schema calls it, in small letters. */
  readonly type: string;
  readonly shape: Shape;
  readonly quantization?: Quantization | null;
  /** Of constants. */
  readonly data?: Uint8Array | null;
}

export interface Options {
  readonly union: number;
  readonly fields: Fields;
}

export interface OperatorSpec {
  /** A name of `operatorNames`. */
  readonly code: string;
  readonly version: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options?: Options | undefined;
}

/** What memory-mapped readers expect. */
const bufferAlignment = 16;

export class Model {
  readonly #tensors: TensorSpec[] = [];
  readonly #tables: Part[] = [];
  readonly #operators: Part[] = [];
  readonly #codes = new Map<string, { readonly index: number; readonly part: Part }>();
  /** Buffer 0 is empty: tensors without data name it. */
  readonly #buffers: Part[] = [table({})];
  readonly #known = new Map<string, { readonly data: Uint8Array; readonly buffer: number }[]>();

  at(index: number): TensorSpec {
    return this.#tensors[index]!;
  }

  tensor(spec: TensorSpec): number {
    const { name, type, shape, quantization, data } = spec;
    this.#tables.push(
      table({
        [s.tensor.shape]: ints(shape),
        [s.tensor.type]: ['i8', s.tensorTypeNumber(type)],
        [s.tensor.buffer]: ['u32', data ? this.buffer(data) : 0],
        [s.tensor.name]: string(name),
        ...(quantization ? { [s.tensor.quantization]: parameters(quantization) } : {}),
        [s.tensor.hasRank]: ['bool', 1],
      }),
    );
    return this.#tensors.push(spec) - 1;
  }

  operator({ code, version, inputs, outputs, options }: OperatorSpec): void {
    this.#operators.push(
      table({
        [s.operator.code]: ['u32', this.#code(code, version)],
        [s.operator.inputs]: ints(inputs),
        [s.operator.outputs]: ints(outputs),
        ...(options
          ? {
              [s.operator.optionsType]: ['u8', options.union],
              [s.operator.options]: table(options.fields),
            }
          : {}),
      }),
    );
  }

  /** The number of the buffer with these bytes, an earlier one where they are equal. */
  buffer(data: Uint8Array): number {
    if (data.length === 0) return this.#buffers.push(table({})) - 1;
    const key = `${data.length} ${hashOf(data)}`;
    const candidates = this.#known.get(key) ?? [];
    this.#known.set(key, candidates);
    const equal = candidates.find((other) => equalBytes(other.data, data));
    if (equal) return equal.buffer;
    const buffer = this.#buffers.push(table({ [s.buffer.data]: bytes(data, bufferAlignment) })) - 1;
    candidates.push({ data, buffer });
    return buffer;
  }

  encode(
    name: string,
    inputs: readonly number[],
    outputs: readonly number[],
    metadata: Readonly<Record<string, string>>,
  ): Uint8Array {
    const entries = Object.entries(metadata).map(([key, text]) =>
      table({
        [s.metadata.name]: string(key),
        [s.metadata.buffer]: ['u32', this.buffer(new TextEncoder().encode(text))],
      }),
    );
    const subgraph = table({
      [s.subgraph.tensors]: tables(this.#tables),
      [s.subgraph.inputs]: ints(inputs),
      [s.subgraph.outputs]: ints(outputs),
      [s.subgraph.operators]: tables(this.#operators),
      [s.subgraph.name]: string(name),
    });
    const root = table({
      [s.model.version]: ['u32', s.schemaVersion],
      [s.model.operatorCodes]: tables([...this.#codes.values()].map(({ part }) => part)),
      [s.model.subgraphs]: tables([subgraph]),
      [s.model.description]: string('vireo-nn'),
      [s.model.buffers]: tables(this.#buffers),
      ...(entries.length > 0 ? { [s.model.metadata]: tables(entries) } : {}),
    });
    return encode(root, s.fileIdentifier);
  }

  #code(code: string, version: number): number {
    const known = this.#codes.get(`${code} ${version}`);
    if (known) return known.index;
    const number = s.operatorNames.indexOf(code);
    if (number < 0) throw new VireoError('usage', `TFLite has no operator ${code}`);
    const part = table({
      // The byte of older days says 127 where the number is larger.
      [s.operatorCode.deprecatedBuiltinCode]: ['i8', Math.min(number, 127)],
      [s.operatorCode.version]: ['i32', version],
      [s.operatorCode.builtinCode]: ['i32', number],
    });
    const index = this.#codes.size;
    this.#codes.set(`${code} ${version}`, { index, part });
    return index;
  }
}

function parameters({ scale, zeroPoint, axis }: Quantization): Part {
  return table({
    [s.quantization.scale]: floats(scale),
    [s.quantization.zeroPoint]: longs(zeroPoint),
    [s.quantization.axis]: ['i32', axis],
  });
}

/** FNV-1a, 32 bits. Source: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm". */
function hashOf(data: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < data.length; i++) hash = Math.imul(hash ^ data[i]!, 0x01000193);
  return hash;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}
