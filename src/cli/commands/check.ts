/** `vireo check`: can this network run here? Exit code 0 if so, 2 if not, with everything that stands in the way. */
import { VireoError } from '../../errors.ts';
import { compile } from '../../graph/run/compile.ts';
import { readNetwork } from '../files.ts';
import { type Command, jsonOption, operandsOf, shapeOption, shapesOf } from '../options.ts';
import { countOperators } from './inspect.ts';

export const check: Command = {
  name: 'check',
  operands: 'MODEL',
  about: 'Says whether vireo runs a network, and if not, lists everything that it lacks.',
  options: [shapeOption, jsonOption],
  example: 'vireo check net.tflite',
  run: (given) => {
    const [path] = operandsOf(check, given, 1, 1);
    const shapes = shapesOf(given);
    try {
      const { graph } = readNetwork(path, shapes);
      compile(graph);
      if (given.flag('json'))
        console.log(
          JSON.stringify({ supported: true, operators: countOperators(graph), notes: graph.notes }, null, 2),
        );
      else {
        console.log(`${path}: runs (${graph.nodes.length} operators)`);
        for (const note of graph.notes) console.log(`  note: ${note}`);
      }
      return 0;
    } catch (error) {
      if (!(error instanceof VireoError) || error.code === 'io') throw error;
      if (given.flag('json'))
        console.log(JSON.stringify({ supported: false, code: error.code, reason: error.message }, null, 2));
      else console.error(`${path}: does not run\n${error.message}`);
      return error.code === 'unsupported' ? 2 : 1;
    }
  },
};
