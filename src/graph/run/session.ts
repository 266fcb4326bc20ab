/**
 * A compiled network: one arena, one list of steps, live views on what goes in and comes out.
 */
import { VireoError } from '../../errors.ts';
import { bindBorder } from '../../kernels/border.ts';
import type { KernelSet, Step } from '../../kernels/call.ts';
import { js } from '../../kernels/js/index.ts';
import { reference } from '../../kernels/reference/index.ts';
import {
  type DataOf,
  type DType,
  elementCount,
  isBig,
  type NumberData,
  type Quantization,
  type TensorInfo,
} from '../../tensor.ts';
import { graphMacs, graphWork } from '../cost/macs.ts';
import type { Graph, Value, ValueId } from '../ir.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { optimize } from '../optimize.ts';
import { storedValue } from '../plan/lower.ts';
import { constantView, makePlan, type Plan } from '../plan/plan.ts';
import { verify } from '../verify.ts';

export interface CompileOptions {
  /** Asked in order for each layer. Default: `[js, reference]`. */
  readonly kernels?: readonly KernelSet[];
  readonly limits?: Partial<Limits>;
}

/** An input or output of a session. */
export interface NamedTensor extends TensorInfo {
  readonly name: string;
  readonly quantization: Quantization | null;
}

/** Bytes. */
export interface MemoryReport {
  /** Constants of the network. */
  readonly weights: number;
  /** Copies of them that kernels packed for themselves. */
  readonly packed: number;
  /** All activations, borders and scratch: one allocation, made by `compile`. */
  readonly arena: number;
  /** The most that is needed at one step; no arena can be smaller. */
  readonly lowerBound: number;
}

/** One entry of the list that `run` walks; running one alone is what a benchmark of a layer does. */
export interface SessionStep {
  readonly node: string;
  readonly kernel: string;
  readonly run: Step;
}

export interface Session {
  readonly graph: Graph;
  readonly inputs: readonly NamedTensor[];
  readonly outputs: readonly NamedTensor[];
  readonly memory: MemoryReport;
  readonly macs: number;
  readonly plan: Plan;
  readonly steps: readonly SessionStep[];
  /**
   * The live, dense, row-major array of an input, by position or name. A run leaves it as fed.
   * Name the dtype to have it checked and typed; i64 and u64 tensors must be asked for as such.
   */
  input<D extends DType>(key: number | string, dtype: D): DataOf[D];
  input(key: number | string): NumberData;
  /** The live array of an output: overwritten by the next run, so copy it to keep it. */
  output<D extends DType>(key: number | string, dtype: D): DataOf[D];
  output(key: number | string): NumberData;
  /** One inference. Synchronous, allocates nothing. */
  run(): void;
}

export function compile(source: Graph, options: CompileOptions = {}): Session {
  const limits = { ...defaultLimits, ...options.limits };
  verify(source, limits);
  const work = graphWork(source);
  if (work > limits.work)
    throw new VireoError(
      'too-large',
      `graph "${source.name}": ${work} loop steps, the limit is ${limits.work}`,
    );
  const { graph } = optimize(source);
  const plan = makePlan(graph, options.kernels ?? [js, reference], limits);
  const arena = new ArrayBuffer(plan.arenaBytes);
  const steps = bindSteps(plan, arena);
  const ends = (ids: readonly ValueId[], what: string) => openEnds(plan, arena, ids, what);
  const input = ends(graph.inputs, 'input');
  const output = ends(graph.outputs, 'output');
  const constants = new Set(graph.nodes.flatMap((node) => node.inputs).map((id) => graph.values[id].data));
  let weights = 0;
  for (const data of constants) weights += data?.byteLength ?? 0;
  return {
    graph,
    inputs: graph.inputs.map((id) => infoOf(graph.values[id])),
    outputs: graph.outputs.map((id) => infoOf(graph.values[id])),
    memory: {
      weights,
      packed: plan.steps.reduce((sum, step) => sum + (step.call.offer.packedBytes ?? 0), 0),
      arena: plan.arenaBytes,
      lowerBound: plan.lowerBound,
    },
    macs: graphMacs(graph),
    plan,
    steps,
    input,
    output,
    run: () => {
      for (let i = 0; i < steps.length; i++) steps[i].run();
    },
  };
}

function bindSteps(plan: Plan, arena: ArrayBuffer): SessionStep[] {
  const { values } = plan.graph;
  const steps: SessionStep[] = [];
  const viewOf = (id: ValueId) => {
    const { data, shape } = values[id];
    return data ? constantView(data, shape) : plan.viewIn(arena, id)!;
  };
  for (const { call, borders, scratch } of plan.steps) {
    const node = call.node.name;
    for (const id of borders)
      steps.push({
        node,
        kernel: 'border',
        run: bindBorder(viewOf(id), values[id].shape, storedValue(0, values[id])),
      });
    const room = scratch ? new Uint8Array(arena, scratch.offset, scratch.bytes) : new Uint8Array(0);
    steps.push({
      node,
      kernel: call.offer.kernel,
      run: call.offer.bind(call.inputs.map(viewOf), viewOf(call.output), room),
    });
  }
  return steps;
}

function infoOf({ name, dtype, shape, quantization }: Value): NamedTensor {
  return { name, dtype, shape, quantization };
}

/** Looks up the live arrays of a session's inputs or outputs. */
function openEnds(plan: Plan, arena: ArrayBuffer, ids: readonly ValueId[], what: string) {
  const { values } = plan.graph;
  const arrays = ids.map((id) => {
    const { data, shape } = values[id];
    if (data) return data.slice();
    const view = plan.viewIn(arena, id)!;
    return view.data.subarray(view.offset, view.offset + elementCount(shape));
  });
  return (key: number | string, dtype?: DType) => {
    const index = typeof key === 'number' ? key : ids.findIndex((id) => values[id].name === key);
    const array = arrays[index];
    if (!array) {
      const names = ids.map((id) => JSON.stringify(values[id].name)).join(', ');
      throw new VireoError('usage', `no ${what} ${JSON.stringify(key)}: there are ${ids.length} (${names})`);
    }
    const actual = values[ids[index]].dtype;
    if (actual !== (dtype ?? actual) || (isBig(array) && !dtype))
      throw new VireoError('usage', `${what} ${JSON.stringify(key)} is ${actual}: ask for it as '${actual}'`);
    // The check above is what ties the array to the type the overload promises.
    return array as never;
  };
}
