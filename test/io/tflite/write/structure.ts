/**
 * A second reader of TFLite files, strict where a runtime's verifier is: every offset points forwards and lies in the
 * file, everything is aligned, strings end in 0. What it finds is plain data for tests to look at.
 *
 * Source: flatbuffers/verifier.h; schema.fbs of TensorFlow Lite.
 */
import * as s from '../../../../src/io/tflite/schema.ts';

export interface FoundTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly buffer: number;
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
}

export interface FoundOperator {
  readonly code: string;
  readonly version: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Its number in the union, 0 where there is none. */
  readonly optionsType: number;
  /** One byte or one i32 of the options, by field number. */
  readonly option: (field: number, kind: 'byte' | 'i32' | 'f32') => number;
}

export interface FoundFile {
  readonly description: string;
  readonly name: string;
  readonly tensors: readonly FoundTensor[];
  readonly operators: readonly FoundOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly buffers: readonly Uint8Array[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** `strict` also asks for what our own writer promises beyond the format. */
export function structureOf(bytes: Uint8Array, strict = true): FoundFile {
  const file = new Verified(bytes);
  const model = file.root();
  if (file.u32(model, s.model.version) !== s.schemaVersion) throw new Error('schema version');
  const codes = file.tables(model, s.model.operatorCodes).map((code) => {
    const deprecated = file.i8(code, s.operatorCode.deprecatedBuiltinCode);
    const number = Math.max(deprecated, file.i32(code, s.operatorCode.builtinCode));
    if (strict && deprecated !== Math.min(number, 127)) throw new Error(`codes ${deprecated} and ${number}`);
    return { name: s.operatorNames[number]!, version: file.i32(code, s.operatorCode.version) || 1 };
  });
  const buffers = file.tables(model, s.model.buffers).map((buffer) => {
    const at = file.vector(buffer, s.buffer.data, 1, strict ? 16 : 1);
    return at === 0 ? new Uint8Array(0) : bytes.subarray(at + 4, at + 4 + file.view.getUint32(at, true));
  });
  if (strict && buffers[0]!.length !== 0) throw new Error('buffer 0 is not empty');
  const subgraphs = file.tables(model, s.model.subgraphs);
  if (subgraphs.length !== 1) throw new Error(`${subgraphs.length} subgraphs`);
  const [subgraph] = subgraphs as [number];
  const tensors = file.tables(subgraph, s.subgraph.tensors).map((tensor): FoundTensor => {
    const buffer = file.u32(tensor, s.tensor.buffer);
    if (buffer >= buffers.length) throw new Error(`buffer ${buffer} of ${buffers.length}`);
    const q = file.table(tensor, s.tensor.quantization);
    return {
      name: file.string(tensor, s.tensor.name),
      type: s.tensorTypes[file.i8(tensor, s.tensor.type)]!,
      shape: file.ints(tensor, s.tensor.shape),
      buffer,
      scale: q ? file.floats(q, s.quantization.scale) : [],
      zeroPoint: q ? file.longs(q, s.quantization.zeroPoint) : [],
    };
  });
  const known = (indices: readonly number[]): readonly number[] => {
    for (const index of indices)
      if (index < -1 || index >= tensors.length) throw new Error(`tensor ${index} of ${tensors.length}`);
    return indices;
  };
  const operators = file.tables(subgraph, s.subgraph.operators).map((operator): FoundOperator => {
    const code = codes[file.u32(operator, s.operator.code)]!;
    const options = file.table(operator, s.operator.options);
    const optionsType = file.i8(operator, s.operator.optionsType);
    if ((optionsType === 0) !== (options === 0)) throw new Error(`options of kind ${optionsType}`);
    return {
      code: code.name,
      version: code.version,
      inputs: known(file.ints(operator, s.operator.inputs)),
      outputs: known(file.ints(operator, s.operator.outputs)),
      optionsType,
      option: (field, kind) =>
        kind === 'byte'
          ? file.i8(options, field)
          : kind === 'i32'
            ? file.i32(options, field)
            : file.f32(options, field),
    };
  });
  const metadata = Object.fromEntries(
    file.tables(model, s.model.metadata).map((entry) => {
      const data = buffers[file.u32(entry, s.metadata.buffer)]!;
      return [file.string(entry, s.metadata.name), new TextDecoder().decode(data)];
    }),
  );
  return {
    description: file.string(model, s.model.description),
    name: file.string(subgraph, s.subgraph.name),
    tensors,
    operators,
    inputs: known(file.ints(subgraph, s.subgraph.inputs)),
    outputs: known(file.ints(subgraph, s.subgraph.outputs)),
    buffers,
    metadata,
  };
}

/** Tables are the bytes at which they begin; 0 is none. */
class Verified {
  readonly view: DataView;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  root(): number {
    if (new TextDecoder().decode(this.#bytes.subarray(4, 8)) !== 'TFL3') throw new Error('identifier');
    return this.#table(this.#follow(0));
  }

  i8(table: number, field: number): number {
    const at = this.#field(table, field, 1);
    return at === 0 ? 0 : this.view.getInt8(at);
  }

  i32(table: number, field: number): number {
    const at = this.#field(table, field, 4);
    return at === 0 ? 0 : this.view.getInt32(at, true);
  }

  f32(table: number, field: number): number {
    const at = this.#field(table, field, 4);
    return at === 0 ? 0 : this.view.getFloat32(at, true);
  }

  u32(table: number, field: number): number {
    return this.i32(table, field) >>> 0;
  }

  table(table: number, field: number): number {
    const at = this.#field(table, field, 4);
    return at === 0 ? 0 : this.#table(this.#follow(at));
  }

  tables(table: number, field: number): number[] {
    return this.#elements(table, field, 4, (at) => this.#table(this.#follow(at)));
  }

  ints(table: number, field: number): number[] {
    return this.#elements(table, field, 4, (at) => this.view.getInt32(at, true));
  }

  floats(table: number, field: number): number[] {
    return this.#elements(table, field, 4, (at) => this.view.getFloat32(at, true));
  }

  longs(table: number, field: number): number[] {
    return this.#elements(table, field, 8, (at) => Number(this.view.getBigInt64(at, true)));
  }

  string(table: number, field: number): string {
    const at = this.vector(table, field, 1, 1);
    if (at === 0) return '';
    const end = at + 4 + this.view.getUint32(at, true);
    if (this.#bytes[end] !== 0) throw new Error(`the string at byte ${at} does not end in 0`);
    return new TextDecoder().decode(this.#bytes.subarray(at + 4, end));
  }

  /** Its elements begin 4 bytes later, at a multiple of `align`. */
  vector(table: number, field: number, elementBytes: number, align: number): number {
    const place = this.#field(table, field, 4);
    if (place === 0) return 0;
    const at = this.#follow(place);
    const length = this.view.getUint32(at, true);
    if ((at + 4) % align !== 0) throw new Error(`the vector at byte ${at} is not aligned to ${align}`);
    if (at + 4 + length * elementBytes > this.#bytes.length) throw new Error(`the vector at byte ${at}`);
    return at;
  }

  #elements<T>(table: number, field: number, size: number, of: (at: number) => T): T[] {
    const at = this.vector(table, field, size, size);
    if (at === 0) return [];
    return Array.from({ length: this.view.getUint32(at, true) }, (_, i) => of(at + 4 + size * i));
  }

  #follow(at: number): number {
    const by = this.view.getUint32(at, true);
    if (by === 0 || at % 4 !== 0 || (at + by) % 4 !== 0 || at + by + 4 > this.#bytes.length)
      throw new Error(`the offset at byte ${at} is ${by}`);
    return at + by;
  }

  #table(at: number): number {
    const vtable = at - this.view.getInt32(at, true);
    if (vtable < 8 || vtable % 2 !== 0) throw new Error(`the vtable of the table at byte ${at}`);
    const [own, size] = [this.view.getUint16(vtable, true), this.view.getUint16(vtable + 2, true)];
    if (own < 4 || own % 2 !== 0 || vtable + own > this.#bytes.length || at + size > this.#bytes.length)
      throw new Error(`the vtable at byte ${vtable}`);
    for (let i = 4; i < own; i += 2)
      if (this.view.getUint16(vtable + i, true) >= size)
        throw new Error(`a field of the table at byte ${at}`);
    return at;
  }

  #field(table: number, field: number, size: number): number {
    const vtable = table - this.view.getInt32(table, true);
    const entry = 4 + 2 * field;
    if (table === 0 || entry >= this.view.getUint16(vtable, true)) return 0;
    const by = this.view.getUint16(vtable + entry, true);
    if (by !== 0 && (table + by) % size !== 0)
      throw new Error(`field ${field} of the table at byte ${table}`);
    return by === 0 ? 0 : table + by;
  }
}
