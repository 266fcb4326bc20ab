/** Networks to train. */
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { crossEntropy, type Layer, NetworkBuilder } from '../../src/train.ts';

export interface TrainingNet {
  readonly graph: Graph;
  readonly logits: ValueId;
  readonly loss: ValueId;
}

/** Inputs `x` and `targets`; outputs the loss and the scores. */
function net(name: string, shape: readonly number[], layers: readonly Layer[]): TrainingNet {
  const b = new NetworkBuilder(name, { seed: 7 });
  const logits = b.layers(b.input('x', 'f32', shape), layers);
  const sum = crossEntropy(b, logits, b.input('targets', 'f32', b.value(logits).shape));
  const loss = b.add({ kind: 'reshape', shape: [1] }, [sum], { name: 'loss' });
  return { graph: b.finish([loss, logits]), logits, loss };
}

const activation = 'relu';
const normalized = (channels: number, stride = 1) =>
  ({ kind: 'conv', channels, stride, norm: true }) satisfies Layer;

/** A little of everything. */
export function trainingNet(batch: number): TrainingNet {
  return net(
    'little',
    [batch, 8, 8, 2],
    [
      { ...normalized(5), activation },
      { kind: 'residual', activation, layers: [normalized(5)] },
      { kind: 'maxPool' },
      { kind: 'conv', channels: 8, stride: 2, activation },
      { kind: 'meanPool' },
      { kind: 'dense', units: 3, name: 'logits' },
    ],
  );
}

/** conv 5×5×8, conv 5×5×24, conv 3×3×32, dense 96. */
export function lenet(batch: number): TrainingNet {
  return net(
    'lenet',
    [batch, 28, 28, 1],
    [
      { kind: 'conv', channels: 8, kernel: 5, activation },
      { kind: 'maxPool' },
      { kind: 'conv', channels: 24, kernel: 5, activation },
      { kind: 'maxPool' },
      { kind: 'conv', channels: 32, activation },
      { kind: 'maxPool' },
      { kind: 'dense', units: 96, activation },
      { kind: 'dense', units: 10, name: 'logits' },
    ],
  );
}

/** dense 512, 512, 10: 669,706 parameters and no convolution. */
export function mlp(batch: number): TrainingNet {
  return net(
    'mlp',
    [batch, 28, 28, 1],
    [
      { kind: 'dense', units: 512, activation },
      { kind: 'dense', units: 512, activation },
      { kind: 'dense', units: 10, name: 'logits' },
    ],
  );
}

/** ResNet-8 of MLPerf Tiny: 12.5 million multiply-accumulates a picture. */
export function resnet8(batch: number): TrainingNet {
  const block = (channels: number, stride: number): Layer => ({
    kind: 'residual',
    activation,
    layers: [{ ...normalized(channels, stride), activation }, normalized(channels)],
  });
  return net(
    'resnet8',
    [batch, 32, 32, 3],
    [
      { ...normalized(16), activation },
      block(16, 1),
      block(32, 2),
      block(64, 2),
      { kind: 'meanPool' },
      { kind: 'dense', units: 10, name: 'logits' },
    ],
  );
}
