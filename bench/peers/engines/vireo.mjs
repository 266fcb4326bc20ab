/** vireo itself: what `compile(graph)` gives, or one kernel set by name. */
import { readFileSync } from 'node:fs';
import { compile } from '../../../dist/index.js';
import { kernelSets, loadNetwork } from '../../support/networks.mjs';

export const format = 'network';
export const name = 'vireo';

let used = new Set();

const packageFile = new URL('../../../package.json', import.meta.url);

export const version = () =>
  `vireo ${JSON.parse(readFileSync(packageFile, 'utf8')).version} (kernels: ${[...used].sort().join(', ')})`;

/** `kernels`: the name of the kernel set that is asked first; empty for the default. */
export async function open({ network, kind, kernels }) {
  const graph = loadNetwork(network)[kind];
  if (kernels && !kernelSets[kernels]) throw new Error(`vireo has no kernel set called "${kernels}"`);
  const session = compile(graph, kernels ? { kernels: kernelSets[kernels] } : {});
  used = new Set(session.steps.map(({ set }) => set));
  const input = session.input(0);
  const live = session.outputs.map((_, i) => session.output(i));
  const results = live.map((output) => output.slice());
  return {
    prepare: (x) => x,
    run(x) {
      input.set(x);
      session.run();
      for (let i = 0; i < live.length; i++) results[i].set(live[i]);
    },
    outputs: () => results,
  };
}
