/** `.vireo` → graph. What the records hold: docs/vireo-format.md. */
import { VireoError } from '../../errors.ts';
import type { Graph, Node, State, Task, Value } from '../../graph/ir.ts';
import { defaultLimits, type Limits } from '../../graph/limits.ts';
import { checkTrainingOperands } from '../../graph/train/operands.ts';
import { verify } from '../../graph/verify.ts';
import { byteLength, type DType, type Shape, type Tensor } from '../../tensor.ts';
import { type Data, type DataRecord, isRecord, show } from './cbor.ts';
import { dequantize, isNarrow } from './constants.ts';
import { dtypeOf, isShape, itemsPerNode, readContainer, readHeader } from './container.ts';
import { readOp } from './operators.ts';
import { readQuantizations } from './quantizations.ts';

export interface ReadVireoOptions {
  readonly limits?: Partial<Limits>;
}

/**
 * Constants are views of `bytes` wherever their alignment allows: keep the bytes unchanged as long as the graph is
 * in use.
 *
 * Throws `VireoError`: 'bad-file' where the bytes break the format, 'bad-graph' where operators and shapes do not
 * fit, 'too-large' over the limits, 'unsupported' for what a later version may write.
 */
export function readVireo(bytes: Uint8Array, options: ReadVireoOptions = {}): Graph {
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const { kind, meta, tensors: named } = readContainer(bytes, limits);
  const network = networkOf(kind, meta);
  const tensors = [...named.values()];
  const values = readValues(network, tensors, limits);
  const nodes = readNodes(network, values, limits);
  const inputs = readIds(network['inputs'], 'inputs');
  const states =
    network['states'] === undefined ? undefined : readStates(network['states'], values, inputs, tensors);
  const graph: Graph = {
    name: readText(network['name'], 'name'),
    values,
    nodes,
    inputs,
    outputs: readIds(network['outputs'], 'outputs'),
    notes: readList(network['notes'] ?? [], 'notes').map((note) => readText(note, 'a note')),
    ...(states && { states }),
    ...(network['tasks'] !== undefined && { tasks: readTasks(network['tasks']) }),
  };
  verify(graph, limits);
  checkTrainingOperands(graph);
  return graph;
}

/** What `writeVireo` was given; empty where it was given nothing. */
export function readVireoMetadata(bytes: Uint8Array): Record<string, string> {
  const { kind, meta } = readHeader(bytes);
  const { metadata = {} } = networkOf(kind, meta);
  if (!isRecord(metadata)) return fail('metadata expects a record of texts');
  return Object.fromEntries(
    Object.entries(metadata).map(([key, text]) => [key, readText(text, `metadata "${key}"`)]),
  );
}

function fail(message: string): never {
  throw new VireoError('bad-file', `.vireo: ${message}`);
}

function networkOf(kind: string, meta: Data): DataRecord {
  if (kind !== 'network') fail(`holds a ${show(kind)}, expected a "network"`);
  return isRecord(meta) ? meta : fail('the network expects a record');
}

const readText = (data: Data | undefined, what: string): string =>
  typeof data === 'string' ? data : fail(`${what} expects text`);

const readList = (data: Data | undefined, what: string): readonly Data[] =>
  Array.isArray(data) ? data : fail(`${what} expects a list`);

const isWhole = (data: Data | undefined): data is number =>
  typeof data === 'number' && Number.isInteger(data) && data >= 0;

const readWhole = (data: Data | undefined, what: string, kind: string): readonly number[] =>
  readList(data, what).map((item) => (isWhole(item) ? item : fail(`${what} expect ${kind}`)));

const readIds = (data: Data | undefined, what: string): readonly number[] =>
  readWhole(data, what, 'numbers of values');

const readPositions = (data: Data | undefined, what: string): readonly number[] =>
  readWhole(data, what, 'positions');

function readValues(network: DataRecord, tensors: readonly Tensor[], limits: Limits): readonly Value[] {
  const mostScales = limits.nodes * itemsPerNode;
  const table = readList(network['quantizations'], 'quantizations');
  const quantizations = readQuantizations(table, tensors, mostScales);
  const values: Value[] = [];
  const constants = new Constants(tensors, limits);
  let scales = 0;
  readList(network['values'], 'values').forEach((data, id) => {
    const record = readList(data, `value ${id}`);
    const name = readText(record[0], `the name of value ${id}`);
    const where = `value "${name}"`;
    // [name, dtype, shape, …] is computed or fed, [name, tensor, …] stored, [name, [value], …] dequantised.
    const [, what, shape] = record;
    const isFed = Array.isArray(shape);
    const index = record[isFed ? 3 : 2];
    const quantization = index === undefined ? null : at(quantizations, index, `${where}: quantisation`);
    scales += quantization?.scale.length ?? 0; // one of many scales may serve many values, and each is checked
    if (scales > mostScales) throw new VireoError('too-large', `.vireo: more than ${mostScales} scales`);
    if (isFed) {
      const dtype = dtypeOf(what) ?? fail(`${where}: dtype ${show(what)} is not known`);
      values.push({
        name,
        dtype,
        shape: isShape(shape) ? shape : fail(`${where}: shape`),
        quantization,
        data: null,
      });
    } else {
      const constant = Array.isArray(what)
        ? constants.dequantized(values, what[0], where)
        : constants.stored(what, where);
      values.push({ name, ...constant, quantization });
    }
  });
  return values;
}

function at<T>(list: readonly T[], index: Data | undefined, what: string): T {
  const item = isWhole(index) ? list[index] : undefined;
  return item ?? fail(`${what} ${show(index)} does not exist; there are ${list.length}`);
}

type Constant = Pick<Value, 'dtype' | 'shape' | 'data'>;

class Constants {
  readonly #tensors: readonly Tensor[];
  readonly #limits: Limits;
  readonly #dequantized = new Map<unknown, Pick<Value, 'quantization' | 'data'>>();
  #bytes = 0;

  constructor(tensors: readonly Tensor[], limits: Limits) {
    this.#tensors = tensors;
    this.#limits = limits;
  }

  stored(index: Data | undefined, where: string): Constant {
    const { dtype, shape, data } = at(this.#tensors, index, `${where}: tensor`);
    this.#count(where, dtype, shape);
    return { dtype, shape, data };
  }

  /** Each tensor in one way only: what is computed is no longer than what the file holds, four bytes for one. */
  dequantized(values: readonly Value[], id: Data | undefined, where: string): Constant {
    const source = at(values, id, `${where}: value before it`);
    if (!isNarrow(source)) fail(`${where}: "${source.name}" is no quantised constant of 8 or 16 bits`);
    const { shape, quantization } = source;
    this.#count(where, 'f32', shape);
    const known = this.#dequantized.get(source.data);
    if (known && known.quantization !== quantization) fail(`${where}: dequantised in two ways`);
    const data = known?.data ?? dequantize(source);
    this.#dequantized.set(source.data, { quantization, data });
    return { dtype: 'f32', shape, data };
  }

  /** Shared ones count each time: what is made of them is made for each. */
  #count(where: string, dtype: DType, shape: Shape): void {
    this.#bytes += byteLength(dtype, shape);
    if (this.#bytes > this.#limits.bytes)
      throw new VireoError(
        'too-large',
        `.vireo: ${where}: all constants together pass ${this.#limits.bytes} bytes`,
      );
  }
}

function readNodes(network: DataRecord, values: readonly Value[], limits: Limits): readonly Node[] {
  const kinds = readList(network['kinds'], 'kinds').map((kind) => readText(kind, 'a kind'));
  const records = readList(network['nodes'], 'nodes');
  if (records.length > limits.nodes)
    throw new VireoError('too-large', `.vireo: ${records.length} nodes, the limit is ${limits.nodes}`);
  return records.map((data, i) => {
    const [kind, given, inputs, id, ...attributes] = readList(data, `node ${i}`);
    const output = at(values, id, `node ${i}: value`);
    const name = given === null ? output.name : readText(given, `the name of node ${i}`);
    const where = `.vireo: node "${name}"`;
    return {
      name,
      op: readOp(at(kinds, kind, `node "${name}": kind`), attributes, where),
      inputs: readIds(inputs, `the inputs of node "${name}"`),
      output: Number(id),
    };
  });
}

function readStates(
  data: Data,
  values: readonly Value[],
  inputs: readonly number[],
  tensors: readonly Tensor[],
): readonly State[] {
  const taken = new Set<number>();
  return readList(data, 'states').map((item, i): State => {
    const [input, output, index] = readList(item, `state ${i}`);
    if (!isWhole(input) || !(output === null || isWhole(output)) || taken.has(input))
      return fail(`state ${i}: expected [input, output or null, tensor], each input once`);
    taken.add(input);
    const value = at(values, inputs[input], `state ${i}: value`);
    const { dtype, data } = at(tensors, index, `state "${value.name}": tensor`);
    if (dtype !== value.dtype) fail(`state "${value.name}": expected ${value.dtype}, got ${dtype}`);
    return { input, output, data };
  });
}

/** Whether the positions exist, and what they may be, is for `verify` to say. */
function readTasks(data: Data): readonly Task[] {
  return readList(data, 'tasks').map((item, i): Task => {
    const [name, inputs, outputs] = readList(item, `task ${i}`);
    const where = `task ${show(name ?? null)}`;
    return {
      name: readText(name, `the name of task ${i}`),
      inputs: readPositions(inputs, `${where}: inputs`),
      outputs: readPositions(outputs, `${where}: outputs`),
    };
  });
}
