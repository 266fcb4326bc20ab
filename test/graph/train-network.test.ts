/** The builder of networks, the schedule, and training in shards. */
import { describe, expect, it } from 'vitest';
import { compile, graphMacs } from '../../src/index.ts';
import {
  classifier,
  compileTraining,
  firstWeights,
  freeze,
  type Layer,
  NetworkBuilder,
  rateAt,
  Shard,
  sgd,
  spansOf,
  trainingStep,
  Update,
} from '../../src/train.ts';
import { random } from '../kernels/run-call.ts';
import { resnet8 } from './train-nets.ts';

const layers: readonly Layer[] = [
  { kind: 'conv', channels: 6, norm: true, activation: 'relu' },
  {
    kind: 'residual',
    activation: 'relu',
    layers: [
      { kind: 'depthwise', stride: 2, norm: true, activation: 'relu6' },
      { kind: 'conv', channels: 8, kernel: 1 },
    ],
  },
  { kind: 'maxPool' },
  { kind: 'meanPool' },
  { kind: 'dense', units: 3, name: 'logits' },
];
const shape = [8, 8, 2] as const;

describe('the builder', () => {
  it.each<[string, Layer, readonly number[]]>([
    ['conv keeps height and width', { kind: 'conv', channels: 5 }, [2, 9, 7, 5]],
    ['conv with a stride rounds up', { kind: 'conv', channels: 5, stride: 2 }, [2, 5, 4, 5]],
    ['conv without a border', { kind: 'conv', channels: 5, kernel: [3, 1], padding: 'valid' }, [2, 7, 7, 5]],
    ['conv in groups', { kind: 'conv', channels: 6, groups: 2 }, [2, 9, 7, 6]],
    ['depthwise keeps the channels', { kind: 'depthwise', kernel: 5, stride: [1, 2] }, [2, 9, 4, 4]],
    ['maxPool rounds down', { kind: 'maxPool' }, [2, 4, 3, 4]],
    [
      'averagePool that overlaps',
      { kind: 'averagePool', kernel: 3, stride: 1, padding: 'same' },
      [2, 9, 7, 4],
    ],
    ['meanPool', { kind: 'meanPool' }, [2, 1, 1, 4]],
    ['dense flattens', { kind: 'dense', units: 11 }, [2, 11]],
    [
      'residual of another shape passes a 1×1 convolution',
      { kind: 'residual', layers: [{ kind: 'conv', channels: 3, stride: 2 }] },
      [2, 5, 4, 3],
    ],
  ])('%s', (_, layer, expected) => {
    const net = new NetworkBuilder('one');
    const y = net.layers(net.input('x', 'f32', [2, 9, 7, 4]), [layer]);
    expect(net.value(y).shape).toEqual(expected);
  });

  it('names parameters by layer, as an optimiser and a freeze find them', () => {
    expect(spansOf(classifier({ name: 'n', shape, layers, batch: 2 }).graph).map(({ name }) => name)).toEqual(
      [
        'conv1/weights',
        'conv1/norm/gamma',
        'conv1/norm/beta',
        'conv1/norm/running',
        'depthwise1/weights',
        'depthwise1/norm/gamma',
        'depthwise1/norm/beta',
        'depthwise1/norm/running',
        'conv2/weights',
        'conv2/bias',
        'residual1/shortcut/weights',
        'residual1/shortcut/bias',
        'logits/weights',
        'logits/bias',
      ],
    );
  });

  it('draws first weights from the seed, of variance 2 over the inputs of a sum', () => {
    const weights = (seed: number): Float32Array =>
      firstWeights(
        classifier({ name: 'n', shape, layers: [{ kind: 'dense', units: 256 }], batch: 1, seed }).graph,
      ).subarray(0, 128 * 256);
    expect(weights(1)).toEqual(weights(1));
    expect(weights(1)).not.toEqual(weights(2));
    const variance = weights(1).reduce((sum, w) => sum + w * w, 0) / (128 * 256);
    expect(variance * 128).toBeGreaterThan(1.95);
    expect(variance * 128).toBeLessThan(2.05);
  });

  it('gives an ordinary graph: ResNet-8 has the multiply-accumulates and the layers of MLPerf Tiny', () => {
    const { graph, logits } = resnet8(4);
    expect(graphMacs(graph)).toBe(4 * 12_501_632);
    const weights = firstWeights(graph);
    const spans = new Map(spansOf(graph).map((span) => [span.name, span]));
    const frozen = freeze(graph, [logits], (name) => {
      const { begin, end } = spans.get(name)!;
      return weights.subarray(begin, end);
    });
    const session = compile(frozen);
    session.run();
    expect(session.outputs.map((output) => output.shape)).toEqual([[4, 10]]);
    expect(session.output(0).every(Number.isFinite)).toBe(true);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'a network whose end is no row of scores',
      () => classifier({ name: 'n', shape, layers: [{ kind: 'conv', channels: 4 }], batch: 2 }),
      /last layer gives \[2, 8, 8, 4\], expected \(batch, classes\)/u,
    ],
    [
      'a convolution behind a dense layer',
      () =>
        classifier({
          name: 'n',
          shape,
          layers: [
            { kind: 'dense', units: 4 },
            { kind: 'conv', channels: 4 },
          ],
          batch: 2,
        }),
      /"conv1" expects \(n, h, w, c\), got rank 2/u,
    ],
    [
      'groups that do not divide the channels',
      () => classifier({ name: 'n', shape, layers: [{ kind: 'conv', channels: 4, groups: 3 }], batch: 2 }),
      /3 groups of 2 into 4 channels/u,
    ],
  ])('refuses %s', (_, build, message) => expect(build).toThrow(message));
});

describe('the schedule', () => {
  const cosine = { kind: 'cosine', rate: 0.1, end: 0.01, warmUp: 2 } as const;
  it.each([
    ['first step of the warm-up', 0, 0.1 / 20],
    ['last step of the warm-up', 19, 0.1],
    ['first of the cosine', 20, 0.1],
    ['half of it', 60, 0.055],
    ['last step but one hundredth', 99, 0.01 + (0.09 * (1 + Math.cos((Math.PI * 79) / 80))) / 2],
  ])('%s', (_, step, rate) => expect(rateAt(cosine, step, 10, 100)).toBeCloseTo(rate, 12));
  it('constant', () => expect(rateAt({ kind: 'constant', rate: 3 }, 77, 10, 100)).toBe(3));
});

describe('training in shards', () => {
  const rows = 4;
  const net = (batch: number) => classifier({ name: 'n', shape, layers, batch, seed: 4, smoothing: 0.1 });
  const optimizer = sgd({ momentum: 0.9, weightDecay: 0.01 });
  const fill = (input: Float32Array, targets: Float32Array, seed: number): void => {
    const next = random(seed);
    input.forEach((_, i) => {
      input[i] = next() - 0.5;
    });
    targets.fill(0);
    for (let row = 0; row < targets.length / 3; row++) targets[3 * row + Math.floor(3 * next())] = 1;
  };

  it('one shard gives the bytes of the step as one graph', () => {
    const { graph, loss } = net(rows);
    const whole = compileTraining(trainingStep(graph, loss, optimizer));
    const weights = firstWeights(graph);
    const shard = new Shard(net(rows));
    const update = new Update(graph, optimizer, weights);
    const result = new Float32Array(weights.length + 1);
    for (let step = 0; step < 4; step++) {
      fill(whole.input('input', 'f32'), whole.input('targets', 'f32'), step);
      whole.input('learningRate')[0] = 0.05;
      whole.run();
      fill(shard.input, shard.targets, step);
      shard.run(weights, result);
      expect(update.run([result], 0.05)).toBe(whole.output(0)[0]);
      for (const { name, begin, end } of spansOf(graph))
        expect(weights.subarray(begin, end), `${name} after step ${step}`).toEqual(whole.state(name));
    }
  });

  it('the result is the mean over the shards, of gradients and of running averages', () => {
    const { graph } = net(rows);
    const weights = firstWeights(graph);
    const shard = new Shard(net(rows));
    const results = [0, 1].map((seed) => {
      fill(shard.input, shard.targets, seed);
      const result = new Float32Array(weights.length + 1);
      shard.run(weights, result);
      return result;
    });
    const before = weights.slice();
    new Update(graph, sgd(), weights).run(results, 0.5);
    for (const { begin, end, isParameter } of spansOf(graph))
      for (let i = begin; i < end; i++) {
        const mean = (results[0]![i]! + results[1]![i]!) / 2;
        expect(weights[i]).toBeCloseTo(isParameter ? before[i]! - 0.5 * mean : mean, 6);
      }
  });

  it('goes on from its averages as if it had not stopped', () => {
    const { graph } = net(rows);
    const shard = new Shard(net(rows));
    const result = new Float32Array(firstWeights(graph).length + 1);
    const steps = (update: Update, weights: Float32Array, seeds: readonly number[]): void => {
      for (const seed of seeds) {
        fill(shard.input, shard.targets, seed);
        shard.run(weights, result);
        update.run([result], 0.05);
      }
    };
    const straight = firstWeights(graph);
    steps(new Update(graph, optimizer, straight), straight, [1, 2, 3, 4]);
    const first = firstWeights(graph);
    const stopped = new Update(graph, optimizer, first);
    steps(stopped, first, [1, 2]);
    const averages = new Map([...stopped.averages()].map(([name, data]) => [name, data.slice()]));
    const second = first.slice();
    const resumed = new Update(graph, optimizer, second);
    resumed.restore(averages);
    steps(resumed, second, [3, 4]);
    expect(second).toEqual(straight);
  });
});
