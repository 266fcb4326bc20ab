/**
 * Child processes under this Node, with its flags.
 *
 * Where `taskset` is there, their main threads share a core: PEERS_CORE, or the last (the first has the interrupts).
 * Only those: V8's helpers, which compile and collect garbage beside a program, stay free to use another core, as
 * they do outside a benchmark.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

const core = process.env.PEERS_CORE ?? String(cpus().length - 1);
const pin = (pid) => spawnSync('taskset', ['-cp', core, String(pid)], { stdio: 'ignore' }).status === 0;

export const isPinned = spawnSync('taskset', ['-c', core, 'true'], { stdio: 'ignore' }).status === 0;

export const nodeCommand = (script, words) => [
  ...process.execArgv,
  fileURLToPath(new URL(script, import.meta.url)),
  ...words,
];

/** `ready` and `ask(message)` are promises of what the child answers; one question at a time. */
export function startChild(engine, script = 'child.mjs') {
  const child = spawn(process.execPath, nodeCommand(script, [engine]), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  let settle = null;
  const answer = () =>
    new Promise((resolve, reject) => {
      settle = ({ result, error }) => (error === undefined ? resolve(result) : reject(new Error(error)));
    });
  child.on('message', (message) => settle?.(message));
  child.on('error', (error) => settle?.({ error: error.message }));
  child.on('exit', (code) => settle?.({ error: `the process ended with ${code}` }));
  return {
    ready: answer().then((answered) => {
      if (isPinned) pin(child.pid);
      return answered;
    }),
    ask(message) {
      const answered = answer();
      child.send(message);
      return answered;
    },
    end() {
      settle = null;
      if (child.connected) child.disconnect();
      child.kill();
    },
  };
}
