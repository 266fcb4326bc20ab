/**
 * A compiled network: one arena, one list of steps, live views on what goes in and comes out.
 */
import { VireoError } from '../../errors.ts';
import { bindBorder } from '../../kernels/border.ts';
import type { KernelSet, Step, View } from '../../kernels/call.ts';
import { encodedBytes, encodingOffset } from '../../kernels/encoding.ts';
import type { LinkedProgram, Program } from '../../kernels/wasm/program.ts';
import {
  type DataOf,
  type DType,
  elementCount,
  isBig,
  type NumberData,
  type Quantization,
  type TensorData,
  type TensorInfo,
} from '../../tensor.ts';
import { graphMacs, graphWork } from '../cost/macs.ts';
import type { Graph, Value, ValueId } from '../ir.ts';
import { defaultLimits, type Limits } from '../limits.ts';
import { optimize } from '../optimize.ts';
import type { Tuning } from '../plan/calls.ts';
import { storedValue } from '../plan/lower.ts';
import { constantView, makePlan, type Plan, type PlannedStep } from '../plan/plan.ts';
import { neededBy } from '../tasks.ts';
import { verify } from '../verify.ts';

export interface CompileOptions {
  /** Asked in order for each layer. Default: `[wasm, js, reference]`, without wasm behind the door `portable`. */
  readonly kernels?: readonly KernelSet[];
  readonly limits?: Partial<Limits>;
  /** Kernels chosen for this machine, as `vireo tune` writes them. */
  readonly tuning?: Tuning;
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
  /** The node whose value it stores. */
  readonly node: string;
  readonly kernel: string;
  /** The kernel set it comes from. */
  readonly set: string;
  /** Why this kernel, where another was possible. */
  readonly reason?: string;
  readonly run: Step;
}

/** What serves this session. */
export interface SessionInfo {
  /** What a user should know: a kernel set that cannot work here, and why. */
  readonly notices: readonly string[];
  /** The generated WebAssembly module, without weights; null where no step is generated. */
  readonly module: Uint8Array | null;
}

export interface Session {
  readonly graph: Graph;
  readonly inputs: readonly NamedTensor[];
  readonly outputs: readonly NamedTensor[];
  /** What stays from run to run, weights in training for one; not listed among inputs and outputs. */
  readonly states: readonly NamedTensor[];
  readonly memory: MemoryReport;
  readonly macs: number;
  readonly plan: Plan;
  readonly steps: readonly SessionStep[];
  readonly info: SessionInfo;
  /**
   * The live, dense, row-major array of an input, by position or name. A run leaves it as fed.
   * Name the dtype to have it checked and typed; i64 and u64 tensors must be asked for as such.
   */
  input<D extends DType>(key: number | string, dtype: D): DataOf[D];
  input(key: number | string): NumberData;
  /** The live array of an output: overwritten by the next run, so copy it to keep it. */
  output<D extends DType>(key: number | string, dtype: D): DataOf[D];
  output(key: number | string): NumberData;
  /** The live array of a state: a copy of all of them is a checkpoint, writing them back resumes. */
  state(name: string): NumberData;
  /** Names of what `run` can be asked for alone; empty for ordinary networks, and for those in training. */
  readonly tasks: readonly string[];
  /**
   * One inference: all of the network, or only what the outputs of one task need. Synchronous, allocates nothing.
   *
   * A task reads its inputs as last fed, by whomever. It leaves every input as fed, and of the outputs of other tasks
   * those that it need not compute itself; an output that is a value it computes too under another shape goes with it.
   *
   * Throws `VireoError('usage')` for a name that is not in `tasks`.
   */
  run(task?: string): void;
}

export interface Compilers {
  readonly compile: (source: Graph, options?: CompileOptions) => Session;
  /** The same where the engine compiles WebAssembly in the background. */
  readonly compileAsync: (source: Graph, options?: CompileOptions) => Promise<Session>;
}

/** Both ways to compile, with the kernel sets that serve where the caller names none. */
export function compilersWith(kernels: readonly KernelSet[]): Compilers {
  return {
    compile: (source, options) => {
      const prepared = prepare(source, { kernels, ...options });
      return open(prepared, prepared.program?.link(prepared) ?? null);
    },
    compileAsync: async (source, options) => {
      const prepared = prepare(source, { kernels, ...options });
      return open(prepared, (await prepared.program?.linkAsync(prepared)) ?? null);
    },
  };
}

/** Everything that is known before there is memory. */
export interface Prepared {
  readonly plan: Plan;
  readonly notices: readonly string[];
  readonly program: Program | null;
  readonly pending: readonly Pending[];
  /** Generated steps that one call runs, as ranges of indices among generated steps. */
  readonly stretches: readonly (readonly number[])[];
  /** What a run walks: first that of all tasks, then that of each. */
  readonly courses: readonly (readonly Leg[])[];
  readonly tasks: readonly string[];
}

/** One call of a run: a step by its index, or a stretch. */
type Leg = { readonly step: number } | { readonly stretch: number };

/** A step to be: generated already, or a function still to be bound. */
type Pending = Omit<SessionStep, 'run'> & { readonly bind: ((arena: ArrayBuffer) => Step) | null };

export function prepare(
  source: Graph,
  options: CompileOptions & { readonly kernels: readonly KernelSet[] },
): Prepared {
  const limits = { ...defaultLimits, ...options.limits };
  verify(source, limits);
  const work = graphWork(source);
  if (work > limits.work)
    throw new VireoError(
      'too-large',
      `graph "${source.name}": ${work} loop steps, the limit is ${limits.work}`,
    );
  const { graph } = optimize(source);
  const { kernels } = options;
  const plan = makePlan(graph, kernels, limits, options.tuning);
  const generating = plan.steps.find(({ call }) => 'emit' in call.offer)?.call.set;
  const program = generating?.program?.(plan.arenaBytes) ?? null;
  const steps = plan.steps.map((step) => stepsOf(plan, step, program));
  const pending = steps.flat();
  const needed = neededBy(plan.graph);
  const bits = steps.flatMap((own, i) => own.map(() => needed[plan.steps[i].call.output]));
  // States change as a whole: there is no part of a step of training.
  const tasks = plan.graph.states?.length ? [] : (plan.graph.tasks ?? []);
  const stretches: number[][] = [];
  const courses = [
    courseOf(pending, () => true, stretches),
    ...tasks.map((_, t) => courseOf(pending, (i) => ((bits[i] >>> t) & 1) === 1, stretches)),
  ];
  return {
    plan,
    notices: kernels.flatMap(({ notice }) => notice?.() ?? []),
    program,
    pending,
    stretches,
    courses,
    tasks: tasks.map(({ name }) => name),
  };
}

/** The chosen steps in order; generated ones with no others between them become one new stretch. */
function courseOf(
  pending: readonly Pending[],
  isChosen: (i: number) => boolean,
  stretches: number[][],
): Leg[] {
  const legs: Leg[] = [];
  let generated = 0;
  let ranges: number[] | null = null;
  for (let i = 0; i < pending.length; i++) {
    const index = pending[i].bind ? -1 : generated++;
    if (!isChosen(i)) continue;
    if (index === -1) {
      legs.push({ step: i });
      ranges = null;
      continue;
    }
    if (!ranges) {
      ranges = [];
      legs.push({ stretch: stretches.push(ranges) - 1 });
    }
    if (ranges[ranges.length - 1] === index) ranges[ranges.length - 1]++;
    else ranges.push(index, index + 1);
  }
  return legs;
}

function stepsOf(plan: Plan, { call, borders, scratch }: PlannedStep, program: Program | null): Pending[] {
  const { values } = plan.graph;
  const { offer } = call;
  const node = call.node.name;
  const pending: Pending[] = borders.map((id) => {
    const zero = storedValue(0, values[id]);
    if (!program) {
      const bind = (arena: ArrayBuffer) => bindBorder(plan.viewIn(arena, id)!, values[id].shape, zero);
      return { node, kernel: 'border', set: 'js', bind };
    }
    const place = plan.placeOf(id)!;
    const bytes = encodedBytes(values[id], place.encoding);
    const encoded = zero + encodingOffset(values[id], place.encoding);
    program.border(place, values[id].shape, bytes, encoded);
    return { node, kernel: 'border', set: 'wasm', bind: null };
  });
  const reason = offer.reason ?? (call.declined.length > 0 ? `no kernel in ${call.declined.join(', ')}` : '');
  const label = {
    node,
    kernel: offer.kernel,
    set: call.set.name,
    ...(reason && { reason }),
  };
  if ('emit' in offer) {
    const places = call.inputs.map((id) => plan.placeOf(id));
    offer.emit(program!, places, plan.placeOf(call.output)!, scratch?.offset ?? 0);
    return [...pending, { ...label, bind: null }];
  }
  const bind = (arena: ArrayBuffer): Step => {
    const viewOf = (id: ValueId): View => {
      const { data, shape } = values[id];
      return data ? constantView(data, shape) : plan.viewIn(arena, id)!;
    };
    const room = scratch ? new Uint8Array(arena, scratch.offset, scratch.bytes) : new Uint8Array(0);
    return offer.bind(call.inputs.map(viewOf), viewOf(call.output), room);
  };
  return [...pending, { ...label, bind }];
}

export function open(prepared: Prepared, linked: LinkedProgram | null): Session {
  const { plan, notices, pending, courses, tasks } = prepared;
  const { graph } = plan;
  const arena = linked?.buffer ?? new ArrayBuffer(plan.arenaBytes);
  let generated = 0;
  const steps = pending.map(({ bind, ...label }): SessionStep => {
    return { ...label, run: bind ? bind(arena) : linked!.steps[generated++] };
  });
  const ends = (ids: readonly ValueId[], what: string) => openEnds(plan, arena, ids, what);
  const { states = [] } = graph;
  const others = (ids: readonly ValueId[], taken: 'input' | 'output'): ValueId[] =>
    ids.filter((_, i) => states.every((state) => state[taken] !== i));
  const kept = states.map((state) => graph.inputs[state.input]);
  const ids = { inputs: others(graph.inputs, 'input'), outputs: others(graph.outputs, 'output') };
  const input = ends(ids.inputs, 'input');
  const output = ends(ids.outputs, 'output');
  const state = ends(kept, 'state');
  const [all, ...each] = courses.map((legs) => runnerOf(legs, steps, linked));
  const runs = new Map(tasks.map((name, t) => [name, each[t]]));
  const info = (list: readonly ValueId[]): NamedTensor[] => list.map((id) => infoOf(graph.values[id]));
  states.forEach(({ data }, i) => {
    (state(i) as TensorData).set(data as never); // of one dtype: the graph is verified
  });
  return {
    graph,
    inputs: info(ids.inputs),
    outputs: info(ids.outputs),
    states: info(kept),
    memory: {
      weights: weightBytes(graph),
      packed: plan.steps.reduce(
        (sum, { call }) => sum + ('bind' in call.offer ? (call.offer.packedBytes ?? 0) : 0),
        linked?.constantBytes ?? 0,
      ),
      arena: plan.arenaBytes,
      lowerBound: plan.lowerBound,
    },
    macs: graphMacs(graph),
    plan,
    steps,
    info: { notices, module: linked?.module ?? null },
    input,
    output,
    state,
    tasks,
    run: (task) => {
      if (task === undefined) all();
      else (runs.get(task) ?? unknownTask(task, tasks))();
    },
  };
}

function runnerOf(legs: readonly Leg[], steps: readonly SessionStep[], linked: LinkedProgram | null): Step {
  const runs = legs.map((leg) => ('step' in leg ? steps[leg.step].run : linked!.stretches[leg.stretch]));
  if (runs.length === 1) return runs[0];
  return () => {
    for (let i = 0; i < runs.length; i++) runs[i]();
  };
}

function unknownTask(name: string, tasks: readonly string[]): never {
  const names = tasks.map((task) => JSON.stringify(task)).join(', ');
  throw new VireoError('usage', `no task ${JSON.stringify(name)}: there are ${tasks.length} (${names})`);
}

function weightBytes(graph: Graph): number {
  const constants = new Set(graph.nodes.flatMap((node) => node.inputs).map((id) => graph.values[id].data));
  let weights = 0;
  for (const data of constants) weights += data?.byteLength ?? 0;
  return weights;
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
