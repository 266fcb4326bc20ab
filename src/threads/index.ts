/**
 * Inference on several threads of Node: `worker_threads` on one shared memory. Opt-in, because a network must be
 * large to gain: for each shared layer the threads meet once, and they look rather than sleep while a run lasts.
 */
import { Worker } from 'node:worker_threads';
import { VireoError } from '../errors.ts';
import type { Graph } from '../graph/ir.ts';
import { compile } from '../graph/run/compile.ts';
import type { CompileOptions, Session } from '../graph/run/session.ts';
import { compileTeam, type TeamSession } from '../graph/run/team.ts';
import { js } from '../kernels/js/index.ts';
import { reference } from '../kernels/reference/index.ts';
import { wasm } from '../kernels/wasm/index.ts';

export interface ThreadedOptions extends CompileOptions {
  /** Threads that share the work, the calling one included. */
  readonly threads: number;
  /** Keep the threads even where they are not faster on this machine. Default: false. */
  readonly keep?: boolean;
}

export interface ThreadedSession extends Session {
  /** Threads that serve: 1 where more were not faster. */
  readonly threads: number;
  /** Ends the other threads; `run` then works alone. Until then they keep the process alive only while running. */
  readonly close: () => Promise<void>;
}

/** Threads must take less than this share of the time of one. */
const worthwhile = 0.9;

const followerSource = `
const { workerData, parentPort } = require('node:worker_threads');
const { module, memory, index } = workerData;
const { exports } = new WebAssembly.Instance(module, { vireo: { memory } });
const follow = exports['follow' + index];
let epoch = 0;
parentPort.postMessage('ready');
for (;;) {
  epoch = exports.rest(epoch);
  follow();
}
`;

/**
 * As `compile`, with large layers shared by threads. The times of both are taken when the session is made, and the
 * threads are dropped, with a notice in `session.info`, where they do not pay.
 */
export async function compileThreaded(source: Graph, options: ThreadedOptions): Promise<ThreadedSession> {
  const { threads, keep = false, ...rest } = options;
  if (source.tasks) return alone(compile(source, rest), 'the network has several tasks');
  const made = compileTeam(source, { kernels: [wasm, js, reference], ...rest }, threads);
  if (!made)
    return alone(compile(source, rest), 'no layer is large enough to share, or not all are generated');
  const { session, team, sharedSteps } = made;
  const workers = await startFollowers(made, threads);
  const close = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  const [one, all] = compareRuns(session.run, team.lead);
  if (!keep && all > worthwhile * one) {
    await close();
    const us = (ms: number): string => (1000 * ms).toFixed(1);
    return alone(session, `${threads} threads take ${us(all)} µs, one takes ${us(one)} µs`);
  }
  let run = team.lead;
  return {
    ...session,
    threads,
    info: {
      ...session.info,
      notices: [...session.info.notices, `${sharedSteps} layers on ${threads} threads`],
    },
    run: () => run(),
    close: async () => {
      run = session.run;
      await close();
    },
  };
}

function alone(session: Session, reason: string): ThreadedSession {
  const notices = [...session.info.notices, `one thread: ${reason}`];
  return { ...session, threads: 1, info: { ...session.info, notices }, close: async () => {} };
}

async function startFollowers({ team }: TeamSession, threads: number): Promise<Worker[]> {
  const workers: Worker[] = [];
  const ready: Promise<void>[] = [];
  for (let index = 1; index < threads; index++) {
    const workerData = { module: team.module, memory: team.memory, index };
    const worker = new Worker(followerSource, { eval: true, workerData });
    workers.push(worker);
    ready.push(
      new Promise((resolve, reject) => {
        worker.once('message', () => resolve());
        worker.once('error', reject);
      }),
    );
  }
  try {
    await Promise.all(ready);
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw new VireoError(
      'unsupported',
      `a thread did not start: ${error instanceof Error ? error.message : error}`,
    );
  }
  for (const worker of workers) worker.unref();
  return workers;
}

/** Median times of one run, the two in turns. */
function compareRuns(one: () => void, all: () => void): [number, number] {
  const times: [number[], number[]] = [[], []];
  const start = performance.now();
  for (let round = 0; round < 200 && (round < 15 || performance.now() - start < 400); round++)
    [one, all].forEach((run, i) => {
      const before = performance.now();
      run();
      times[i]!.push(performance.now() - before);
    });
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
  return [median(times[0].slice(5)), median(times[1].slice(5))];
}
