/**
 * Turns the operators of a TFLite subgraph into nodes, one after another in the file's order, and
 * gathers everything that is not supported into one error before anything has run.
 *
 * An operator that cannot be converted leaves its outputs unknown; what depends on them is passed over,
 * but still named if its own kind is not supported.
 */
import { VireoError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/build.ts';
import type { Graph, ValueId } from '../../graph/ir.ts';
import type { Limits } from '../../graph/limits.ts';
import { elementCount, type Shape, showShape } from '../../tensor.ts';
import type { FlatFile, Table, TableVector } from './flatbuffer.ts';
import { type Importer, type Operand, Operator, operandOf } from './operator.ts';
import { converters, manyOutputs } from './operators/index.ts';
import * as schema from './schema.ts';
import { constantData, dequantize, type TensorRecord, Tensors } from './tensors.ts';

export interface ImportOptions {
  readonly name: string;
  readonly limits: Partial<Limits>;
  readonly shapes: Readonly<Record<string, Shape>>;
  readonly hybrid: 'as-tflite' | 'float';
}

interface Bound {
  readonly id: ValueId;
  readonly complex: boolean;
}

export class SubgraphImporter implements Importer {
  readonly builder: GraphBuilder;
  readonly #file: FlatFile;
  readonly #tensors: Tensors;
  readonly #codes: readonly string[];
  readonly #bound = new Map<number, Bound>();
  readonly #unknown = new Set<number>();
  readonly #dequantized = new Map<number, ValueId>();
  readonly #hybrid: ImportOptions['hybrid'];
  readonly #hybridInputs = new Map<string, ValueId>();
  readonly #problems = new Problems();
  #hybridLayers = 0;
  #widened = 0;

  constructor(file: FlatFile, model: Table, subgraph: Table, options: ImportOptions) {
    this.#file = file;
    this.builder = new GraphBuilder(options.name, options.limits);
    this.#hybrid = options.hybrid;
    this.#codes = readCodes(model.tables(schema.model.operatorCodes));
    const buffers = model.tables(schema.model.buffers);
    this.#tensors = new Tensors(file, subgraph.tables(schema.subgraph.tensors), buffers);
  }

  import(subgraph: Table, shapes: Readonly<Record<string, Shape>>): Graph {
    this.#bindInputs(subgraph.ints(schema.subgraph.inputs), shapes);
    const operators = subgraph.tables(schema.subgraph.operators);
    const { nodes } = this.builder.limits;
    if (operators.length > nodes)
      throw new VireoError('too-large', `TFLite: ${operators.length} operators, the limit is ${nodes}`);
    for (let i = 0; i < operators.length; i++) this.#convert(operators.at(i), i);
    const outputs = this.#outputs(subgraph.ints(schema.subgraph.outputs));
    this.#problems.throwIfAny();
    this.#addNotes();
    return this.builder.finish(outputs);
  }

  tensor(index: number): TensorRecord {
    return this.#tensors.at(index);
  }

  operand(index: number): Operand {
    const bound = this.#bound.get(index);
    if (bound) return operandOf(this.builder, bound.id, bound.complex);
    const record = this.#tensors.at(index);
    const { name, dtype, shape, quantization } = record;
    if (record.unsupported !== '') throw new VireoError('unsupported', record.unsupported);
    if (!record.bytes) {
      if (record.isVariable) throw new VireoError('unsupported', `the state kept in tensor "${name}"`);
      if (elementCount(shape) !== 0)
        this.#file.fail(`tensor "${name}" is read before any operator has written it`);
    }
    if (record.type === 'float16') this.#widened++;
    const id = this.builder.constant(name, dtype, shape, constantData(record), quantization);
    this.#bound.set(index, { id, complex: false });
    return operandOf(this.builder, id, false);
  }

  bind(index: number, id: ValueId, complex: boolean): void {
    if (this.#bound.has(index)) this.#file.fail(`tensor "${this.tensor(index).name}" is written twice`);
    this.#bound.set(index, { id, complex });
  }

  dequantized(index: number): ValueId {
    const known = this.#dequantized.get(index);
    if (known !== undefined) return known;
    const { value } = this.operand(index);
    const { name, shape, data, quantization } = value;
    if (!data || !quantization) return this.#file.fail(`tensor "${name}" is no quantised constant`);
    const numbers = dequantize(data, shape, quantization);
    const id = this.builder.constant(`${name}/f32`, 'f32', shape, numbers);
    this.#dequantized.set(index, id);
    return id;
  }

  hybridInput(id: ValueId, batchDims: number, symmetric: boolean): ValueId {
    this.#hybridLayers++;
    if (this.#hybrid === 'float') return id;
    const key = `${id} ${batchDims} ${symmetric}`;
    const known = this.#hybridInputs.get(key);
    if (known !== undefined) return known;
    const name = `${this.builder.value(id).name}/int8`;
    const rounded = this.builder.add({ kind: 'fakeQuantize', batchDims, symmetric }, [id], { name });
    this.#hybridInputs.set(key, rounded);
    return rounded;
  }

  #bindInputs(inputs: readonly number[], shapes: Readonly<Record<string, Shape>>): void {
    const names = inputs.map((index) => this.tensor(index).name);
    const stranger = Object.keys(shapes).find((name) => !names.includes(name));
    if (stranger !== undefined)
      throw new VireoError(
        'usage',
        `shapes: there is no input "${stranger}"; the inputs are ${names.map((n) => `"${n}"`).join(', ')}`,
      );
    let open = 0;
    for (const index of inputs) {
      const { name, type, dtype, shape: declared, signature, quantization, unsupported } = this.tensor(index);
      if (unsupported !== '' || type === 'float16') {
        this.#problems.add(`input "${name}"`, unsupported || 'float16 data');
        this.#unknown.add(index);
        continue;
      }
      const given = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
      if (!given && signature.includes(-1) && open++ < shownPlaces)
        this.builder.note(
          `Input "${name}" leaves extents open, ${showShape(signature)}; they are taken as ${showShape(declared)}.`,
        );
      const shape = given ?? declared;
      if (!shape.every((extent) => Number.isInteger(extent) && extent >= 1))
        throw new VireoError(
          given ? 'usage' : 'bad-file',
          `input "${name}": extents expect positive whole numbers, got ${showShape(shape)}`,
        );
      this.bind(index, this.builder.input(name, dtype, shape, quantization), false);
    }
  }

  #convert(table: Table, index: number): void {
    const code = table.u32(schema.operator.code);
    const name = this.#codes[code];
    if (name === undefined)
      this.#file.fail(`operator ${index} has code ${code}; there are ${this.#codes.length}`);
    const inputs = table.ints(schema.operator.inputs);
    const outputs = table.ints(schema.operator.outputs);
    const converter = converters.get(name);
    if (!converter) this.#problems.add(name, '', index);
    if (!converter || inputs.some((i) => this.#unknown.has(i))) {
      for (const output of outputs) this.#unknown.add(output);
      return;
    }
    const op = new Operator(this, index, name, inputs, outputs, (union) =>
      this.#options(table, union, index),
    );
    if (outputs.length !== 1 && !manyOutputs.has(name)) op.fail(`expected 1 output, got ${outputs.length}`);
    try {
      converter(op);
    } catch (error) {
      if (!(error instanceof VireoError) || error.code !== 'unsupported') throw error;
      this.#problems.add(name, error.message, index);
      for (const output of outputs) if (!this.#bound.has(output)) this.#unknown.add(output);
    }
  }

  #options(table: Table, union: number, index: number): Table {
    const found = table.u8(schema.operator.optionsType);
    if (found !== 0 && found !== union)
      this.#file.fail(`operator ${index}: expected options of kind ${union}, got ${found}`);
    return table.table(schema.operator.options) ?? this.#file.emptyTable();
  }

  /** An output may also be an input, or a constant. */
  #outputs(indices: readonly number[]): ValueId[] {
    if (indices.length === 0) this.#file.fail('the network has no output');
    const ids: ValueId[] = [];
    for (const index of indices) {
      if (this.#unknown.has(index)) continue; // its reason is listed already
      const { id, complex } = this.operand(index);
      if (complex) this.#problems.add(`output "${this.tensor(index).name}"`, 'complex64 data');
      ids.push(id);
    }
    return ids;
  }

  #addNotes(): void {
    if (this.#dequantized.size > 0)
      this.builder.note(
        `Integer constants under float activations became float32 at import: ${this.#dequantized.size} tensors.`,
      );
    if (this.#hybridLayers > 0)
      this.builder.note(
        this.#hybrid === 'float'
          ? `Hybrid layers (float activations, integer weights) keep their input in float32: ${this.#hybridLayers} layers. TensorFlow Lite rounds it to int8.`
          : `Hybrid layers (float activations, integer weights) round their input to int8 in each inference, as TensorFlow Lite does: ${this.#hybridLayers} layers.`,
      );
    if (this.#widened > 0)
      this.builder.note(`float16 constants became float32 at import: ${this.#widened} tensors.`);
  }
}

/** What each operator code means; the number has two places, one of them a byte from older days. */
function readCodes(codes: TableVector): string[] {
  const names: string[] = [];
  for (let i = 0; i < codes.length; i++) {
    const table = codes.at(i);
    const code = Math.max(
      table.i8(schema.operatorCode.deprecatedBuiltinCode),
      table.i32(schema.operatorCode.builtinCode),
    );
    names.push(
      code === schema.customOperator
        ? `CUSTOM:${table.string(schema.operatorCode.customCode).slice(0, 80)}`
        : (schema.operatorNames[code] ?? `operator code ${code}`),
    );
  }
  return names;
}

const shownPlaces = 6;
const shownKinds = 60;
const shownLength = 200;

/** What is not supported: once for each kind and reason, with the operators' numbers. */
class Problems {
  readonly #places = new Map<string, { count: number; first: number[] }>();
  #count = 0;

  add(what: string, reason: string, index?: number): void {
    const key = (reason === '' ? what : `${what}: ${reason}`).slice(0, shownLength);
    const entry = this.#places.get(key) ?? { count: 0, first: [] };
    this.#places.set(key, entry);
    entry.count++;
    this.#count++;
    if (index !== undefined && entry.first.length < shownPlaces) entry.first.push(index);
  }

  throwIfAny(): void {
    if (this.#count === 0) return;
    const lines = [...this.#places].slice(0, shownKinds).map(([key, { count, first }]) => {
      const more = count > first.length && first.length > 0 ? ` and ${count - first.length} more` : '';
      return first.length > 0 ? `${key} (operator ${first.join(', ')}${more})` : key;
    });
    if (this.#places.size > shownKinds) lines.push(`and ${this.#places.size - shownKinds} kinds more`);
    throw new VireoError('unsupported', `TFLite: not supported:\n  ${lines.join('\n  ')}`);
  }
}
