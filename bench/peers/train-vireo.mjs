/** vireo's step of training, from dist/; `kernels: 'reference'` has all of it computed by the textbook loops. */
import { readFileSync } from 'node:fs';
import { reference } from '../../dist/index.js';
import { compileTraining, sgd, trainingStep, trainReference } from '../../dist/train.js';

let used = new Set();

export function version() {
  const file = new URL('../../package.json', import.meta.url);
  return `vireo ${JSON.parse(readFileSync(file, 'utf8')).version} (kernels: ${[...used].sort().join(', ')})`;
}

export function open({ graph, loss, rate, momentum, kernels }) {
  const step = trainingStep(graph, loss, sgd({ momentum }));
  const session = compileTraining(
    step,
    kernels === 'reference' ? { kernels: [trainReference, reference] } : {},
  );
  used = new Set(session.steps.map(({ set }) => set));
  const [x, targets] = [session.input('x'), session.input('targets')];
  session.input('learningRate')[0] = rate;
  const lost = session.output('loss');
  const first = new Map(session.states.map(({ name }) => [name, session.state(name).slice()]));
  const names = graph.states.map(({ input }) => graph.values[graph.inputs[input]].name);
  return {
    step(batch) {
      x.set(batch.x);
      targets.set(batch.targets);
      session.run();
      return lost[0];
    },
    reset() {
      for (const [name, data] of first) session.state(name).set(data);
    },
    states: () => new Map(names.map((name) => [name, session.state(name).slice()])),
  };
}
