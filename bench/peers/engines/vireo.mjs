/** vireo itself: what `compile(graph)` gives, or one kernel set by name. */
import { readFileSync } from 'node:fs';
import * as vireo from '../../../dist/index.js';
import { loadNetwork } from '../../support/networks.mjs';

export const format = 'network';
export const name = 'vireo';

let used = new Set();

const packageFile = new URL('../../../package.json', import.meta.url);

export const version = () =>
  `vireo ${JSON.parse(readFileSync(packageFile, 'utf8')).version} (kernels: ${[...used].sort().join(', ')})`;

/** `kernels`: the name of an exported kernel set, asked before `reference`; empty for the default. */
export async function open({ network, kind, kernels }) {
  const graph = loadNetwork(network)[kind];
  const { [kernels]: set } = vireo;
  if (kernels && !set) throw new Error(`vireo exports no kernel set called "${kernels}"`);
  const session = await vireo.compile(graph, kernels ? { kernels: [set, vireo.reference] } : {});
  used = new Set(session.steps.map(({ kernel }) => /-(js|wasm|reference)\b/.exec(kernel)?.[1] ?? kernel));
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
