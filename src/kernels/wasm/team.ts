/**
 * One run on several threads that share a memory. The leader is the thread that calls `lead`; the others sleep in
 * `rest` and run `follow` when a run begins.
 *
 *   epoch      counts runs; the leader raises it, sleepers wait for it to change
 *   stage      how many shared jobs of this run have begun; set by the leader
 *   done[i]    how many of them follower i has finished
 *
 *   leader     job, job, stage ← k, own part of job k, wait until every done[i] ≥ k, job, …
 *   follower   wait until stage ≥ k, own part of job k, done[i] ← k, …
 *
 * Both wait by looking: a layer takes less time than waking a thread. Who has looked for long naps now and then. A leader that waits for seconds stops with an
 * error of the engine, since a follower is gone. Cells lie 64 bytes apart, so that no two share a line of cache.
 *
 * Source: WebAssembly threads proposal; atomics are sequentially consistent, so what was stored before them is seen.
 */
import type { FunctionBuilder, FunctionRef, Local } from './asm/function.ts';
import type { ModuleBuilder } from './asm/module.ts';
import type { I32 } from './asm/opcodes.ts';

/** A step that only the leader runs, or for each thread the steps of its part. */
export type Job = FunctionRef | readonly (readonly FunctionRef[])[];

export const cellBytes = 64;
/** Looks before a nap, about a millisecond: longer than any layer, unless the other waits for this very core. */
const attentive = 500_000;
const napNs = 50_000n;
/** Naps before giving up, some seconds: a follower is gone. */
const patience = 5_000;
/** Looks before sleeping, some tens of microseconds. */
const wakeful = 20_000;

/** Bytes of cells for so many threads. */
export const teamBytes = (threads: number): number => cellBytes * (1 + threads);

/** Exports `lead`, and for each follower `follow1`…, and `rest(epoch) → epoch`. */
export function emitTeam(module: ModuleBuilder, jobs: readonly Job[], threads: number, cells: number): void {
  const epoch = cells;
  const stage = cells + cellBytes;
  const done = (thread: number): number => cells + cellBytes * (1 + thread);
  const isShared = (job: Job): job is readonly (readonly FunctionRef[])[] => Array.isArray(job);
  const shared = jobs.filter(isShared);

  const lead = module.function({ parameters: [] }, (f) => {
    for (let t = 1; t < threads; t++) set(f, done(t), () => f.i32(0));
    set(f, stage, () => f.i32(0));
    set(f, epoch, () => f.op('i32.add', look(f, epoch), f.i32(1)));
    f.store('memory.atomic.notify', f.i32(epoch), f.i32(threads));
    // The result of notify, the number of threads woken, is of no use.
    f.drop();
    let k = 0;
    for (const job of jobs)
      if (isShared(job)) {
        k++;
        set(f, stage, () => f.i32(k));
        for (const step of job[0]!) f.call(step);
        for (let t = 1; t < threads; t++) waitFor(f, done(t), k);
      } else f.call(job);
  });
  module.export('lead', lead);

  for (let t = 1; t < threads; t++) {
    const follow = module.function({ parameters: [] }, (f) => {
      shared.forEach((parts, i) => {
        waitFor(f, stage, i + 1);
        for (const step of parts[t]!) f.call(step);
        set(f, done(t), () => f.i32(i + 1));
      });
    });
    module.export(`follow${t}`, follow);
  }

  const rest = module.function({ parameters: ['i32'], results: ['i32'] }, (f, [last]) => {
    const known = last as Local<'i32'>;
    const looks = f.local('i32');
    f.block((changed) => {
      f.set(looks, f.i32(wakeful));
      f.loop((again) => {
        f.brIf(changed, f.op('i32.ne', look(f, epoch), f.get(known)));
        f.brIf(again, f.tee(looks, f.op('i32.sub', f.get(looks), f.i32(1))));
      });
      f.loop((again) => {
        f.load('memory.atomic.wait32', f.i32(epoch), f.get(known), f.i64(-1n));
        f.drop();
        f.brIf(again, f.op('i32.eq', look(f, epoch), f.get(known)));
      });
    });
    look(f, epoch);
  });
  module.export('rest', rest);
}

const look = (f: FunctionBuilder, cell: number): I32 => f.load('i32.atomic.load', f.i32(cell));

function set(f: FunctionBuilder, cell: number, value: () => I32): void {
  f.store('i32.atomic.store', f.i32(cell), value());
}

function waitFor(f: FunctionBuilder, cell: number, least: number): void {
  const looks = f.local('i32');
  const naps = f.local('i32');
  f.set(naps, f.i32(patience));
  f.block((reached) => {
    f.loop((again) => {
      f.set(looks, f.i32(attentive));
      f.loop((soon) => {
        f.brIf(reached, f.op('i32.ge_s', look(f, cell), f.i32(least)));
        f.brIf(soon, f.tee(looks, f.op('i32.sub', f.get(looks), f.i32(1))));
      });
      f.load('memory.atomic.wait32', f.i32(cell), look(f, cell), f.i64(napNs));
      f.drop();
      f.brIf(again, f.tee(naps, f.op('i32.sub', f.get(naps), f.i32(1))));
    });
    f.unreachable();
  });
}
