/**
 * Several networks as one graph, each a task of it; constants that are equal are stored once.
 *
 *   a ─→ f(w₁) ─→ b        image/a ─→ f(w) ─→ image/b     task "image"
 *                      ⇒
 *   c ─→ g(w₂) ─→ d        sound/c ─→ g(w) ─→ sound/d     task "sound"        where w₁ = w₂ to the byte
 *
 * Exact: each task computes what its network did, from the same numbers. Constants of one dtype, shape and content
 * are one array; where their quantisation is the same, too, they are one value. So −0 and 0 stay two numbers.
 */
import { VireoError } from '../../errors.ts';
import { type DType, type Shape, sameShape, type TensorData } from '../../tensor.ts';
import { sameQuantization } from '../build.ts';
import type { Graph, Node, Task, Value, ValueId } from '../ir.ts';
import { mostTasks } from '../tasks.ts';
import { verify } from '../verify.ts';

export interface UnionPart {
  /** Goes before the names of its values and nodes: `image/conv1`. Not empty, without a slash. */
  readonly name: string;
  readonly graph: Graph;
}

/** Constants that became one. */
export interface SharedConstant {
  /** In the parts' order, prefixed as in the union. */
  readonly names: readonly string[];
  readonly dtype: DType;
  readonly shape: Shape;
  /** Of one of them. */
  readonly bytes: number;
}

/** Bytes of the constants that nodes read or outputs are. */
export interface UnionReport {
  /** Of all parts; an array that several values of a part have counts once. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly shared: readonly SharedConstant[];
}

const infinite = Number.POSITIVE_INFINITY;
const noLimits = { bytes: infinite, work: infinite, nodes: infinite };

/**
 * Inputs and outputs follow one another as the parts do. A part becomes the task of its name; one that has tasks
 * keeps them, under `part/task`.
 *
 * Throws `VireoError`: 'usage' for no parts, names that are empty, equal or have a slash, more than 32 tasks, and
 * networks in training; 'bad-graph' where `verify` does.
 */
export function union(parts: readonly UnionPart[]): { readonly graph: Graph; readonly report: UnionReport } {
  checkParts(parts);
  const values: Value[] = [];
  const nodes: Node[] = [];
  const inputs: ValueId[] = [];
  const outputs: ValueId[] = [];
  const tasks: Task[] = [];
  const pool = new ConstantPool(values);
  for (const { name, graph } of parts) {
    const prefixed = <T extends { readonly name: string }>(item: T): T => ({
      ...item,
      name: `${name}/${item.name}`,
    });
    const given = new Set(graph.outputs);
    const read = new Set([...graph.nodes.flatMap((node) => node.inputs), ...given]);
    pool.begin();
    const ids = graph.values.map((value, id): ValueId => {
      const own = prefixed(value);
      // The value of an output keeps its name, so that a session's user finds it.
      return own.data
        ? pool.add(own, own.data, { isRead: read.has(id), isOutput: given.has(id) })
        : values.push(own) - 1;
    });
    const at = (id: ValueId): ValueId => ids[id];
    for (const node of graph.nodes)
      nodes.push({ ...prefixed(node), inputs: node.inputs.map(at), output: at(node.output) });
    const whole: Task = { name, inputs: [...graph.inputs.keys()], outputs: [...graph.outputs.keys()] };
    for (const task of graph.tasks?.map(prefixed) ?? [whole])
      tasks.push({
        name: task.name,
        inputs: task.inputs.map((position) => inputs.length + position),
        outputs: task.outputs.map((position) => outputs.length + position),
      });
    for (const id of graph.inputs) inputs.push(at(id));
    for (const id of graph.outputs) outputs.push(at(id));
  }
  const notes = parts.flatMap(({ name, graph }) => graph.notes.map((note) => `${name}: ${note}`));
  const name = parts.map((part) => part.name).join(' + ');
  return { graph: { name, values, nodes, inputs, outputs, notes, tasks }, report: pool.report() };
}

function checkParts(parts: readonly UnionPart[]): void {
  const fail = (message: string): never => {
    throw new VireoError('usage', `union: ${message}`);
  };
  if (parts.length === 0) fail('expected at least one network');
  const names = new Set<string>();
  let tasks = 0;
  for (const { name, graph } of parts) {
    if (name === '') fail(`the network "${graph.name}" has an empty name here`);
    if (name.includes('/')) fail(`${JSON.stringify(name)}: expected a name without a slash`);
    if (names.has(name)) fail(`two networks are named ${JSON.stringify(name)}`);
    names.add(name);
    if (graph.states?.length) fail(`${JSON.stringify(name)} is in training: expected a frozen network`);
    verify(graph, noLimits);
    if (graph.outputs.length === 0) fail(`${JSON.stringify(name)} has no outputs`);
    tasks += graph.tasks?.length ?? 1;
  }
  if (tasks > mostTasks) fail(`${tasks} tasks, expected at most ${mostTasks}`);
}

/** One array, and the values that have it. */
interface Entry {
  readonly data: TensorData;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly names: string[];
  /** Values that may be taken again. */
  readonly ids: ValueId[];
  isRead: boolean;
}

class ConstantPool {
  readonly #values: Value[];
  readonly #entries = new Map<number, Entry[]>();
  readonly #ofPart = new Set<TensorData>();
  #bytesBefore = 0;

  constructor(values: Value[]) {
    this.#values = values;
  }

  /** A new part. */
  begin(): void {
    this.#ofPart.clear();
  }

  /** The value that stands for this one: one there is, or a new one. */
  add(
    value: Value,
    data: TensorData,
    { isRead, isOutput }: { readonly isRead: boolean; readonly isOutput: boolean },
  ): ValueId {
    const entry = this.#entry(value, data);
    entry.isRead ||= isRead;
    if (isRead) {
      entry.names.push(value.name);
      if (!this.#ofPart.has(data)) this.#bytesBefore += data.byteLength;
      this.#ofPart.add(data);
    }
    const values = this.#values;
    const known = entry.ids.find((id) => sameQuantization(values[id].quantization, value.quantization));
    if (known !== undefined && !isOutput) return known;
    const id = values.push({ ...value, data: entry.data }) - 1;
    if (!isOutput) entry.ids.push(id);
    return id;
  }

  report(): UnionReport {
    const read = [...this.#entries.values()].flat().filter((entry) => entry.isRead);
    return {
      bytesBefore: this.#bytesBefore,
      bytesAfter: read.reduce((sum, { data }) => sum + data.byteLength, 0),
      shared: read
        .filter(({ names }) => names.length > 1)
        .map(({ names, dtype, shape, data }) => ({ names, dtype, shape, bytes: data.byteLength })),
    };
  }

  #entry({ dtype, shape }: Value, data: TensorData): Entry {
    const bytes = bytesOf(data);
    const key = hash(bytes);
    const alike = this.#entries.get(key) ?? [];
    this.#entries.set(key, alike);
    const same = alike.find(
      (entry) =>
        entry.dtype === dtype && sameShape(entry.shape, shape) && sameBytes(bytesOf(entry.data), bytes),
    );
    if (same) return same;
    const entry: Entry = { data, dtype, shape, names: [], ids: [], isRead: false };
    alike.push(entry);
    return entry;
  }
}

const bytesOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** FNV-1a, 32 bits (RFC 9923); only a key, equal bytes are compared. */
function hash(bytes: Uint8Array): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i], 0x01000193);
  return h;
}
