/**
 * How each value lies in memory, before it is known where.
 *
 *   reshape      the same bytes under another shape
 *   slice        a window of its input: an offset and the input's strides
 *   concat       its inputs become windows of it, where their kernels can write there
 *   border       a value that a convolution reads with padding is laid out with its border in place
 *   in place     an output takes over the bytes of an input that nothing reads later; those of a state only what
 *                it becomes
 *   encoding     8-bit activations lie as all kernels that touch them prefer
 *
 *          ┌───────────────┐ border.top
 *          │ ┌───────────┐ │
 *          │ │ h × w × c │ │     strides[1] = (left + w + right)·c
 *          │ └───────────┘ │
 *          └───────────────┘
 *
 * Values joined by reshapes share one `Storage`. A storage is a root (it gets bytes of its own), a window
 * of another, or the same bytes as another (in place).
 */
import { type Encoding, noPad, type Pad } from '../../kernels/call.ts';
import { encodedBytes, encodingOf, encodingOffset } from '../../kernels/encoding.ts';
import { bytesPerElement, denseStrides, elementCount, type Shape, sameShape } from '../../tensor.ts';
import type { Graph, ValueId } from '../ir.ts';
import { neededBy } from '../tasks.ts';
import type { Call } from './calls.ts';

export interface Storage {
  readonly shape: Shape;
  strides: readonly number[];
  border: Pad;
  /** Where element 0 lies, in elements from element 0 of the parent, or from the first byte of a root. */
  offset: number;
  parent: Storage | null;
  /** Others are windows of this one. */
  hasWindows: boolean;
  /** Seen under a second shape, fed or read by the caller: must be dense. */
  dense: boolean;
  /** Bytes of a root, its border included. */
  bytes: number;
  encoding: Encoding;
  /** What the encoding adds to the stored number (kernels/encoding.ts). */
  encodingOffset: number;
  elementBytes: number;
  /** The tasks that need what lies here, as bits: no bytes are shared between those of different tasks. */
  readonly tasks: number;
}

export interface Layout {
  /** `null` for constants. */
  readonly storageOf: readonly (Storage | null)[];
  /** The calls that remain: copies that a window makes unnecessary are gone. */
  readonly calls: readonly Call[];
}

export function rootOf(storage: Storage): Storage {
  let root = storage;
  while (root.parent) root = root.parent;
  return root;
}

/** Elements from the first byte of the root to element 0 of the storage. */
export function offsetInRoot(storage: Storage): number {
  let offset = 0;
  for (let s: Storage | null = storage; s; s = s.parent) offset += s.offset;
  return offset;
}

export function layOut(graph: Graph, calls: readonly Call[]): Layout {
  const storageOf = shareReshapes(graph, calls);
  encode(graph, calls, storageOf);
  layBorders(graph, calls, storageOf);
  const elided = new Set<Call>();
  const fed = new Set(graph.inputs.map((id) => storageOf[id])); // no step writes them, nor a border around them
  const windows = (kind: 'concat' | 'slice'): Call[] => calls.filter((call) => call.node.op.kind === kind);
  // The outermost concatenation first, so that the strides of a parent are final.
  for (const call of windows('concat').reverse()) {
    const part = storageOf[call.inputs[0]];
    const whole = storageOf[call.output]!;
    const { arithmetic } = call.kernelCall;
    if (!part || arithmetic.kind !== 'copy' || fed.has(part)) continue;
    const shapes = { part: graph.values[call.inputs[0]].shape, whole: graph.values[call.output].shape };
    if (tryWindow(part, whole, shapes, arithmetic.outBegin)) elided.add(call);
  }
  for (const call of windows('slice')) {
    const whole = storageOf[call.inputs[0]];
    const part = storageOf[call.output]!;
    const { op } = call.node;
    if (!whole || op.kind !== 'slice' || op.step.some((step) => step !== 1)) continue;
    const shapes = { part: op.size, whole: graph.values[call.inputs[0]].shape };
    if (tryWindow(part, whole, shapes, op.begin)) elided.add(call);
  }
  const remaining = calls.filter((call) => !elided.has(call));
  reuseInputs(graph, remaining, storageOf);
  return { storageOf, calls: remaining };
}

function shareReshapes(graph: Graph, calls: readonly Call[]): (Storage | null)[] {
  const tasks = neededBy(graph);
  const storageOf: (Storage | null)[] = graph.values.map((value, id) =>
    value.data
      ? null
      : {
          shape: value.shape,
          strides: denseStrides(value.shape),
          border: noPad,
          offset: 0,
          parent: null,
          hasWindows: false,
          dense: value.shape.length !== 4,
          bytes: elementCount(value.shape) * bytesPerElement[value.dtype],
          encoding: 'stored',
          encodingOffset: 0,
          elementBytes: bytesPerElement[value.dtype],
          tasks: tasks[id],
        },
  );
  for (const node of graph.nodes) {
    if (node.op.kind !== 'reshape') continue;
    const shared = storageOf[node.inputs[0]]!;
    shared.dense = true;
    storageOf[node.output] = shared;
  }
  for (const id of [...graph.inputs, ...graph.outputs]) {
    const storage = storageOf[id];
    if (storage) storage.dense = true;
  }
  for (const call of calls) {
    if (call.offer.strided) continue;
    for (const id of [...call.inputs, call.output]) {
      const storage = storageOf[id];
      if (storage) storage.dense = true;
    }
  }
  return storageOf;
}

/**
 * What the caller feeds and reads, and what any kernel wants as stored, stays as stored; so does what is seen under
 * two zero points.
 */
function encode(graph: Graph, calls: readonly Call[], storageOf: readonly (Storage | null)[]): void {
  const wanted = new Map<Storage, Encoding>();
  for (const id of [...graph.inputs, ...graph.outputs]) {
    const storage = storageOf[id];
    if (storage) wanted.set(storage, 'stored');
  }
  for (const { offer, inputs, output } of calls)
    for (const id of [...inputs, output]) {
      const storage = storageOf[id];
      if (!storage) continue;
      const encoding = encodingOf(graph.values[id], offer.encoding);
      wanted.set(storage, (wanted.get(storage) ?? encoding) === encoding ? encoding : 'stored');
    }
  const offsets = new Map<Storage, number>();
  graph.values.forEach((value, id) => {
    const storage = storageOf[id];
    const encoding = storage && wanted.get(storage);
    if (!encoding || encoding === 'stored') return;
    const offset = encodingOffset(value, encoding);
    if ((offsets.get(storage) ?? offset) !== offset) wanted.set(storage, 'stored');
    offsets.set(storage, offset);
  });
  graph.values.forEach((value, id) => {
    const storage = storageOf[id];
    if (!storage) return;
    storage.encoding = wanted.get(storage) ?? 'stored';
    storage.encodingOffset = storage.encoding === 'stored' ? 0 : encodingOffset(value, storage.encoding);
    storage.elementBytes = encodedBytes(value, storage.encoding);
    storage.bytes = elementCount(value.shape) * storage.elementBytes;
  });
}

function layBorders(graph: Graph, calls: readonly Call[], storageOf: readonly (Storage | null)[]): void {
  for (const { offer, inputs } of calls) {
    const storage = storageOf[inputs[0] ?? -1];
    if (!storage || storage.dense || !offer.border) continue;
    const { border } = storage;
    storage.border = {
      top: Math.max(border.top, offer.border.top),
      left: Math.max(border.left, offer.border.left),
      bottom: Math.max(border.bottom, offer.border.bottom),
      right: Math.max(border.right, offer.border.right),
    };
  }
  graph.values.forEach((value, id) => {
    const storage = storageOf[id];
    if (!storage || storage.border === noPad) return;
    const { top, left, bottom, right } = storage.border;
    const [n, h, w, c] = value.shape as [number, number, number, number];
    const row = (left + w + right) * c;
    storage.strides = [(top + h + bottom) * row, row, c, 1];
    storage.offset = top * row + left * c;
    storage.bytes = n * (top + h + bottom) * row * storage.elementBytes;
  });
}

/** Strides that differ only along axes with one element address the same elements in the same order. */
function isDense(strides: readonly number[], shape: Shape): boolean {
  const dense = denseStrides(shape);
  return shape.every((extent, axis) => extent === 1 || strides[axis] === dense[axis]);
}

/** Makes `part` the window of `whole` that starts at `begin`; the shapes are those seen where it is cut. */
function tryWindow(
  part: Storage,
  whole: Storage,
  shapes: { readonly part: Shape; readonly whole: Shape },
  begin: readonly number[],
): boolean {
  if (part.parent || part.border !== noPad || elementCount(shapes.part) === 0) return false;
  if (part.tasks !== whole.tasks) return false;
  if (part.encoding !== whole.encoding || part.encodingOffset !== whole.encodingOffset) return false;
  for (let s: Storage | null = whole; s; s = s.parent) if (s === part) return false;
  const strides = isDense(whole.strides, whole.shape) ? denseStrides(shapes.whole) : whole.strides;
  const dense = isDense(strides, shapes.part);
  if (!dense && part.dense) return false;
  part.parent = whole;
  part.offset = begin.reduce((sum, at, axis) => sum + at * strides[axis], 0);
  if (!dense) part.strides = strides;
  whole.hasWindows = true;
  return true;
}

/** Lets an output take the place of an input that is read for the last time. */
function reuseInputs(graph: Graph, calls: readonly Call[], storageOf: readonly (Storage | null)[]): void {
  const lastRead = new Map<Storage, number>();
  const keep = (id: ValueId, step: number): void => {
    const storage = storageOf[id];
    if (storage) lastRead.set(rootOf(storage), Math.max(step, lastRead.get(rootOf(storage)) ?? -1));
  };
  calls.forEach((call, step) => {
    for (const id of call.inputs) keep(id, step);
  });
  const stateOf = new Map<ValueId, Storage>(); // by what it becomes
  for (const { input, output } of graph.states ?? [])
    if (output !== null) stateOf.set(graph.outputs[output], storageOf[graph.inputs[input]]!);
  const changing = new Set(stateOf.values());
  for (const id of [...graph.inputs, ...graph.outputs])
    if (!changing.has(storageOf[id]!)) keep(id, Number.POSITIVE_INFINITY);
  const alone = (s: Storage): boolean => !s.parent && !s.hasWindows;
  const begun = new Set<ValueId>();
  calls.forEach((call, step) => {
    const output = storageOf[call.output]!;
    const state = stateOf.get(call.output);
    const isFirst = !begun.has(call.output);
    begun.add(call.output);
    if (isFirst && state && alone(state) && (lastRead.get(state) ?? -1) < step) {
      if (!alone(output) || output.border !== noPad || !sameShape(output.strides, state.strides)) return;
      output.parent = state;
      return;
    }
    for (const position of call.offer.overwrites ?? []) {
      const input = storageOf[call.inputs[position]];
      if (!input || input === output || !alone(output) || input.hasWindows) continue;
      if (input.tasks !== output.tasks) continue;
      const root = rootOf(input);
      if (state ? state !== root : changing.has(root)) continue;
      if (root.hasWindows || offsetInRoot(input) !== output.offset || lastRead.get(root) !== step) continue;
      const before = graph.values[call.inputs[position]];
      const after = graph.values[call.output];
      if (input.elementBytes !== output.elementBytes || !sameShape(before.shape, after.shape)) continue;
      if (!sameShape(input.strides, output.strides) || root.bytes !== output.bytes) continue;
      const end = lastRead.get(output) ?? step;
      output.parent = root;
      output.offset -= root.offset;
      lastRead.set(root, end);
      return;
    }
  });
}
