/**
 * Everything that is decided before the first run: which kernel computes each step, how each value lies
 * in memory, and at which byte of the one arena.
 */
import { VireoError } from '../../errors.ts';
import { type KernelSet, noPad, type Place, type View } from '../../kernels/call.ts';
import { isReady } from '../../kernels/encoding.ts';
import { denseStrides, elementCount, type TensorData, viewOf } from '../../tensor.ts';
import type { Graph, ValueId } from '../ir.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { align, type Need, place } from './arena.ts';
import { type Call, callsOf, copyCall, type Tuning } from './calls.ts';
import { layOut, offsetInRoot, rootOf, type Storage } from './layout.ts';

/** A stretch of the arena, from the first to the last step that needs it. */
export interface Buffer extends Need {
  readonly offset: number;
  /** What lies in it: values by name, or the scratch of a kernel. */
  readonly holds: readonly string[];
}

export interface PlannedStep {
  readonly call: Call;
  /** Values whose border is written just before this step. */
  readonly borders: readonly ValueId[];
  readonly scratch: Buffer | null;
}

export interface Plan {
  readonly graph: Graph;
  readonly steps: readonly PlannedStep[];
  readonly buffers: readonly Buffer[];
  readonly arenaBytes: number;
  /** The most bytes needed at one step, borders and scratch included: no plan of these buffers is smaller. */
  readonly lowerBound: number;
  /** The place of a value in an arena; `null` for constants. */
  readonly viewIn: (arena: ArrayBuffer, id: ValueId) => View | null;
  /** The same for generated code. */
  readonly placeOf: (id: ValueId) => Place | null;
}

export function makePlan(
  graph: Graph,
  sets: readonly KernelSet[],
  limits: Limits = defaultLimits,
  tuning: Tuning = {},
): Plan {
  const { storageOf, calls: remaining } = layOut(graph, callsOf(graph, sets, tuning));
  const calls = [...remaining, ...updates(graph, sets, storageOf)];
  const lives = new Map<Storage, { start: number; end: number; holds: string[] }>();
  const last = Math.max(0, calls.length - 1);
  const touch = (id: ValueId, step: number): void => {
    const storage = storageOf[id];
    if (!storage) return;
    const root = rootOf(storage);
    const life = lives.get(root) ?? { start: step, end: step, holds: [] };
    life.start = Math.min(life.start, step);
    life.end = Math.max(life.end, step);
    if (!life.holds.includes(graph.values[id].name)) life.holds.push(graph.values[id].name);
    lives.set(root, life);
  };
  // What the caller feeds stays as fed: an input is never overwritten during a run.
  for (const id of graph.inputs)
    [0, last].forEach((step) => {
      touch(id, step);
    });
  calls.forEach((call, step) => {
    for (const id of [...call.inputs, call.output]) touch(id, step);
  });
  for (const id of graph.outputs) {
    touch(id, last);
    if (graph.tasks) touch(id, 0); // what a task gave stays while others run
  }

  const roots = [...lives.keys()];
  const scratchNeeds: Need[] = [];
  const scratchOf = calls.map((call, step) => {
    const storage = storageOf[call.inputs[0] ?? -1];
    const ready = !!storage && isReady(call.offer, call.kernelCall.inputs[0], storage);
    const bytes = call.offer.scratch?.(ready) ?? 0;
    return bytes === 0 ? -1 : scratchNeeds.push({ bytes, start: step, end: step }) - 1;
  });
  const needs: Need[] = [
    ...roots.map((root) => ({ ...lives.get(root)!, bytes: root.bytes })),
    ...scratchNeeds,
  ];
  const total = needs.reduce((sum, need) => sum + align(need.bytes), 0);
  if (!Number.isSafeInteger(total))
    throw new VireoError('too-large', `graph "${graph.name}": activations of ${total} bytes`);
  const placement = place(needs);
  if (placement.bytes > limits.bytes)
    throw new VireoError(
      'too-large',
      `graph "${graph.name}": the arena needs ${placement.bytes} bytes, the limit is ${limits.bytes}`,
    );

  const buffers: Buffer[] = needs.map((need, i) => ({
    ...need,
    offset: placement.offsets[i],
    holds: i < roots.length ? lives.get(roots[i])!.holds : [`scratch of ${calls[need.start].node.name}`],
  }));
  const rootOffset = new Map(roots.map((root, i) => [root, placement.offsets[i]]));
  const borders = bordersOf(calls, storageOf);
  const layout = (id: ValueId, storage: Storage) => {
    const { shape } = graph.values[id];
    const strides = storage.shape === shape ? storage.strides : denseStrides(shape);
    return { strides, border: storage.border };
  };

  return {
    graph,
    steps: calls.map((call, step) => ({
      call,
      borders: borders[step],
      scratch: scratchOf[step] === -1 ? null : buffers[roots.length + scratchOf[step]],
    })),
    buffers,
    arenaBytes: placement.bytes,
    lowerBound: placement.lowerBound,
    viewIn: (arena, id) => {
      const storage = storageOf[id];
      if (!storage) return null;
      const root = rootOf(storage);
      const cells = root.bytes / root.elementBytes;
      const data = viewOf(graph.values[id].dtype, arena, rootOffset.get(root) ?? 0, cells);
      return { data, offset: offsetInRoot(storage), ...layout(id, storage) };
    },
    placeOf: (id) => {
      const storage = storageOf[id];
      if (!storage) return null;
      const address = (rootOffset.get(rootOf(storage)) ?? 0) + offsetInRoot(storage) * storage.elementBytes;
      return { address, encoding: storage.encoding, ...layout(id, storage) };
    },
  };
}

/** Copies into the states that no step leaves in their place. */
function updates(graph: Graph, sets: readonly KernelSet[], storageOf: readonly (Storage | null)[]): Call[] {
  return (graph.states ?? []).flatMap(({ input, output }) => {
    const to = graph.inputs[input];
    const from = output === null ? to : graph.outputs[output];
    const next = storageOf[from];
    return next && rootOf(next) === storageOf[to] ? [] : [copyCall(graph, from, to, sets)];
  });
}

/** For each step, the values whose bordered storage is written there for the first time in a run. */
function bordersOf(calls: readonly Call[], storageOf: readonly (Storage | null)[]): ValueId[][] {
  const idOf = new Map<Storage, ValueId>();
  storageOf.forEach((storage, id) => {
    if (storage && storage.border !== noPad) idOf.set(storage, id);
  });
  const done = new Set<Storage>();
  return calls.map((call) => {
    const first: ValueId[] = [];
    for (let s: Storage | null = storageOf[call.output]; s; s = s.parent) {
      const id = idOf.get(s);
      if (id === undefined || done.has(s)) continue;
      done.add(s);
      first.push(id);
    }
    return first;
  });
}

/** The dense view of a constant. */
export function constantView(data: TensorData, shape: readonly number[]): View {
  if (data.length !== elementCount(shape))
    throw new VireoError('bad-graph', `constant of ${data.length} elements, expected ${elementCount(shape)}`);
  return { data, offset: 0, strides: denseStrides(shape), border: noPad };
}
