/** A session whose large layers are shared by several threads. Starting the threads is the host's affair. */
import { VireoError } from '../../errors.ts';
import type { KernelSet } from '../../kernels/call.ts';
import { isReady } from '../../kernels/encoding.ts';
import type { FunctionRef } from '../../kernels/wasm/asm/function.ts';
import type { LinkedProgram, Program } from '../../kernels/wasm/program.ts';
import { opMacs } from '../cost/macs.ts';
import type { Graph } from '../ir.ts';
import type { Plan, PlannedStep } from '../plan/plan.ts';
import { splitCall } from '../plan/split.ts';
import { type CompileOptions, open, prepare, type Session } from './session.ts';

/** Layers with fewer multiply-accumulates take less time than two threads need to agree. */
const leastMacs = 250_000;

export interface TeamSession {
  /** Runs on the calling thread alone. */
  readonly session: Session;
  /** `lead` runs on all threads; the others link `module` with `memory`, sleep in `rest` and then `follow`. */
  readonly team: NonNullable<LinkedProgram['team']>;
  readonly sharedSteps: number;
}

/** Null where no layer is worth sharing, or where not every layer is generated code. */
export function compileTeam(
  source: Graph,
  options: CompileOptions & { readonly kernels: readonly KernelSet[] },
  threads: number,
): TeamSession | null {
  if (!Number.isSafeInteger(threads) || threads < 2 || threads > 64)
    throw new VireoError('usage', `threads: expected a whole number from 2 to 64, got ${threads}`);
  const prepared = prepare(source, options);
  const { plan, program, pending } = prepared;
  if (!program || pending.some(({ bind }) => bind)) return null;
  const parts = new Map<number, readonly (readonly FunctionRef[])[]>();
  let index = 0;
  for (const step of plan.steps) {
    index += step.borders.length;
    const shared = shareStep(plan, program, step, threads);
    if (shared) parts.set(index, shared);
    index++;
  }
  if (parts.size === 0) return null;
  const linked = program.link({ ...prepared, team: { threads, parts } });
  return { session: open(prepared, linked), team: linked.team!, sharedSteps: parts.size };
}

/** The steps of each thread's part of a layer. */
function shareStep(
  plan: Plan,
  program: Program,
  { call }: PlannedStep,
  threads: number,
): (readonly FunctionRef[])[] | null {
  const { values } = plan.graph;
  const macs = [...call.before, call.node].reduce((sum, { op, inputs, output }) => {
    const shapes = inputs.map((id) => values[id]);
    return sum + opMacs(op, shapes, values[output].shape);
  }, 0);
  if (macs < leastMacs) return null;
  const places = call.inputs.map((id) => plan.placeOf(id));
  const parts = splitCall(call.kernelCall, places, plan.placeOf(call.output)!, threads);
  if (!parts) return null;
  const offers = parts.flatMap((part) => {
    const offer = call.set.offer(part.call);
    return offer && 'emit' in offer ? [offer] : [];
  });
  if (offers.length < parts.length) return null;
  return parts.map(({ inputs, output, call: part }, i) => {
    const bytes = offers[i].scratch?.(isReady(offers[i], part.inputs[0], inputs[0]!)) ?? 0;
    // Threads work at the same time, so each has scratch of its own.
    const scratch = bytes === 0 ? 0 : program.constant(bytes, () => {});
    return program.capture(() => offers[i].emit(program, inputs, output, scratch));
  });
}
