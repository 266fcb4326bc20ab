/**
 * Writes the shapes of the layers that the benchmarks use (support/shapes.mjs says which), one file for each network.
 *
 *   node bench/shapes/make.mjs [--filter ic]
 */
import { writeFileSync } from 'node:fs';
import { optimize } from '../../dist/index.js';
import { chooseNetworks, loadNetwork } from '../support/networks.mjs';
import { readOptions } from '../support/options.mjs';
import { showShape } from '../support/shapes.mjs';

const { filter } = readOptions('node bench/shapes/make.mjs [--filter TEXT]');

for (const network of chooseNetworks(filter)) {
  const { f32 } = loadNetwork(network);
  const { nodes, values } = optimize(f32).graph;
  const times = new Map();
  for (const { op, inputs, output } of nodes) {
    const line = showShape(
      op,
      inputs.map((id) => values[id].shape),
      values[output].shape,
    );
    if (line) times.set(line, (times.get(line) ?? 0) + 1);
  }
  const lines = [...times].map(([line, count]) => (count === 1 ? line : `${line} ×${count}`));
  const head = [
    `# ${network.title}: ${network.f32 ?? network.int}, by bench/shapes/make.mjs`,
    '# op, input → output, kernel, stride, padding (top left bottom right), dilation, bounds, times in the network',
  ];
  writeFileSync(new URL(`${network.name}.txt`, import.meta.url), [...head, ...lines, ''].join('\n'));
  console.log(`${network.name}: ${lines.length} shapes`);
}
