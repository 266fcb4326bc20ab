/** States, optimisers and the step as a whole: against plain loops, twice the same, resumed the same. */
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { compile } from '../../src/index.ts';
import { noClamp } from '../../src/kernels/call.ts';
import {
  adam,
  compileTraining,
  crossEntropy,
  differentiate,
  freeze,
  meanSquaredError,
  type Optimizer,
  sgd,
  TrainingBuilder,
  trainable,
  trainingStep,
} from '../../src/train.ts';
import { random } from '../kernels/run-call.ts';
import { trainingNet } from './train-nets.ts';

/** The loss (w − 3)²/2 elements … whose gradient by w is w − 3. */
function parabola(optimizer: Optimizer, rate: number) {
  const b = new TrainingBuilder('parabola');
  const w = b.state('w', [2, 1], Float32Array.of(1, 8));
  const target = b.constant('target', 'f32', [2, 1], Float32Array.of(3, 3));
  const session = compileTraining(trainingStep(b.finish([]), meanSquaredError(b, w, target), optimizer));
  session.input('learningRate')[0] = rate;
  return session;
}

describe('states', () => {
  it('are kept from run to run, outside inputs and outputs', () => {
    const b = new TrainingBuilder('counter');
    const x = b.input('x', 'f32', [3]);
    const sum = b.state('sum', [3], Float32Array.of(1, 2, 3));
    b.update(sum, b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [sum, x]));
    const session = compileTraining(b.finish([sum]));
    session.input('x').set([1, 10, 100]);
    for (let i = 0; i < 3; i++) session.run();
    expect([...session.state('sum')]).toEqual([4, 32, 303]);
    expect(session.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(session.outputs.map(({ name }) => name)).toEqual(['sum']);
    expect(session.states.map(({ name }) => name)).toEqual(['sum']);
  });

  it('keep what they held until nothing reads it any more', () => {
    const b = new TrainingBuilder('delay');
    const x = b.input('x', 'f32', [2]);
    const add = (a: number, c: number) => b.add({ kind: 'binary', fn: 'add', clamp: noClamp }, [a, c]);
    const first = b.state('first', [2], Float32Array.of(5, 6));
    const second = b.state('second', [2], new Float32Array(2));
    const next = add(first, x);
    b.update(first, next);
    b.update(second, add(add(first, second), next)); // reads the old first behind the new one
    const session = compileTraining(b.finish([]));
    session.input('x').set([1, 1]);
    session.run();
    expect([...session.state('first'), ...session.state('second')]).toEqual([6, 7, 11, 13]);
    session.run();
    expect([...session.state('first'), ...session.state('second')]).toEqual([7, 8, 24, 28]);
  });

  it('are updated in their place: no step copies', () => {
    const session = parabola(sgd({ momentum: 0.9 }), 0.1);
    expect(session.steps.filter(({ node }) => node.endsWith('/update'))).toEqual([]);
  });

  it('that name an update twice or a state are refused', () => {
    const b = new TrainingBuilder('wrong');
    const a = b.state('a', [1], new Float32Array(1));
    const c = b.state('c', [1], new Float32Array(1));
    expect(() => b.update(a, c)).toThrow(VireoError);
  });
});

describe('optimisers', () => {
  it('sgd with momentum and decay', () => {
    const session = parabola(sgd({ momentum: 0.5, weightDecay: 0.1 }), 0.2);
    const w = [1, 8];
    const v = [0, 0];
    for (let step = 0; step < 5; step++) {
      session.run();
      w.forEach((x, i) => {
        v[i] = 0.5 * v[i]! + (x - 3) + 0.1 * x;
        w[i] = x - 0.2 * v[i]!;
      });
      session.state('w').forEach((x, i) => {
        expect(x).toBeCloseTo(w[i]!, 5);
      });
    }
  });

  it('adam with decay apart', () => {
    const session = parabola(adam({ weightDecay: 0.01 }), 0.1);
    const w = [1, 8];
    const m = [0, 0];
    const s = [0, 0];
    for (let step = 1; step <= 5; step++) {
      session.run();
      w.forEach((x, i) => {
        const g = x - 3;
        m[i] = 0.9 * m[i]! + 0.1 * g;
        s[i] = 0.999 * s[i]! + 0.001 * g * g;
        const size = Math.sqrt(s[i]! / (1 - 0.999 ** step)) + 1e-8;
        w[i] = x - 0.1 * (m[i]! / (1 - 0.9 ** step) / size + 0.01 * x);
      });
      session.state('w').forEach((x, i) => {
        expect(x).toBeCloseTo(w[i]!, 4);
      });
    }
  });
});

describe('a step of training', () => {
  const feed = (session: ReturnType<typeof compileTraining>, seed: number): void => {
    const next = random(seed);
    const x = session.input('x');
    for (let i = 0; i < x.length; i++) x[i] = next();
    const t = session.input('targets').fill(0);
    const classes = session.inputs.find(({ name }) => name === 'targets')!.shape[1]!;
    for (let i = 0; i < t.length; i += classes) t[i + Math.floor(next() * classes)] = 1;
    session.input('learningRate')[0] = 0.05;
  };
  const step = (): Graph => {
    const { graph, loss } = trainingNet(4);
    return trainingStep(graph, loss, sgd({ momentum: 0.9, weightDecay: 1e-4 }));
  };

  it('makes the loss small', () => {
    const session = compileTraining(step());
    feed(session, 1);
    session.run();
    const [before] = [...session.output('loss')];
    for (let i = 0; i < 60; i++) session.run();
    expect(session.output('loss')[0]).toBeLessThan(0.1 * before!);
  });

  it('resumes from a copy of the states to the same bytes', () => {
    const one = compileTraining(step());
    const two = compileTraining(step());
    for (let i = 0; i < 3; i++) {
      feed(one, i);
      one.run();
    }
    for (const { name } of one.states) two.state(name).set(one.state(name));
    for (const session of [one, two])
      for (let i = 3; i < 6; i++) {
        feed(session, i);
        session.run();
      }
    for (const { name } of one.states) expect([...two.state(name)], name).toEqual([...one.state(name)]);
  });

  it('frozen, it is a network for inference with the running averages', () => {
    const { graph, logits, loss } = trainingNet(4);
    const training = trainingStep(graph, loss, sgd());
    const session = compileTraining(training);
    for (let i = 0; i < 80; i++) {
      feed(session, 1);
      session.run();
    }
    const id = training.values.findIndex(({ name }) => name === graph.values[logits]!.name);
    const frozen = freeze(training, [id], (name) => session.state(name));
    expect(frozen.inputs.map((input) => frozen.values[input]!.name)).toEqual(['x']);
    const inference = compile(frozen);
    inference.input(0).set(session.input('x'));
    inference.run();
    session.input('learningRate')[0] = 0;
    session.run();
    session.output('logits').forEach((value, i) => {
      expect(Math.abs(value - inference.output(0)[i]!)).toBeLessThan(0.3);
    });
  });
});

describe('differentiate', () => {
  it('lists all operators without a gradient at once', () => {
    const b = new TrainingBuilder('wrong');
    const x = b.state('x', [2, 4, 4, 1], new Float32Array(32));
    const resized = b.add(
      { kind: 'resize', mode: 'nearest', size: [8, 8], alignCorners: false, halfPixelCenters: false },
      [x],
      { name: 'up' },
    );
    const most = b.add({ kind: 'reduce', fn: 'max', axes: [1, 2, 3] }, [resized], { name: 'most' });
    const loss = b.add({ kind: 'reduce', fn: 'sum', axes: [0] }, [most]);
    expect(() => differentiate(b.finish([loss]), loss)).toThrow(/2 operators have no gradient:\n.*most.*\n/u);
  });

  it('refuses a loss of several numbers, and one that depends on no parameter', () => {
    const b = new TrainingBuilder('wrong');
    const x = b.input('x', 'f32', [3]);
    const sum = b.add({ kind: 'reduce', fn: 'sum', axes: [0] }, [x]);
    const graph = b.finish([sum]);
    expect(() => differentiate(graph, x)).toThrow(/one number of f32, not f32\[3\]/u);
    expect(() => differentiate(graph, sum)).toThrow(/depends on no parameter/u);
  });

  it('makes parameters of constant weights', () => {
    const b = new GraphBuilder('dense');
    const x = b.input('x', 'f32', [2, 3]);
    const w = b.constant('w', 'f32', [4, 3], new Float32Array(12).fill(0.5));
    const graph = b.finish([b.add({ kind: 'dense', clamp: noClamp }, [x, w], { name: 'y' })]);
    const { graph: open, report } = trainable(graph);
    expect(report).toEqual(['w']);
    const builder = new TrainingBuilder('with loss');
    const { outputs } = builder.copy(open);
    const loss = crossEntropy(builder, outputs[0]!, builder.input('targets', 'f32', [2, 4]));
    const session = compileTraining(trainingStep(builder.finish([loss]), loss, sgd()));
    session.input('x').set([1, 2, 3, 4, 5, 6]);
    session.input('targets').set([1, 0, 0, 0, 0, 1, 0, 0]);
    session.input('learningRate')[0] = 1;
    session.run();
    expect(session.output(0)[0]).toBeCloseTo(Math.log(4), 5);
    // −(t − softmax)·x/n
    expect(session.state('w')[0]).toBeCloseTo(0.5 + (0.75 * 1 - 0.25 * 4) / 2, 5);
  });
});
