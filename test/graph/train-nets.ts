/** Networks to train: weights from a seed, He-normal. */
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { samePad } from '../../src/graph/shapes.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import { elementCount } from '../../src/tensor.ts';
import { crossEntropy, TrainingBuilder } from '../../src/train.ts';
import { random } from '../kernels/run-call.ts';

const relu = { min: 0, max: Number.POSITIVE_INFINITY };

export interface TrainingNet {
  readonly graph: Graph;
  readonly logits: ValueId;
  readonly loss: ValueId;
}

class NetBuilder extends TrainingBuilder {
  readonly #next = random(7);
  #count = 0;

  #weights(name: string, shape: readonly number[]): ValueId {
    const inputs = elementCount(shape) / shape[0]!;
    const normal = (): number =>
      Math.sqrt(-2 * Math.log(1 - this.#next())) * Math.cos(2 * Math.PI * this.#next());
    const data = Float32Array.from({ length: elementCount(shape) }, () => normal() * Math.sqrt(2 / inputs));
    return this.state(name, shape, data);
  }

  conv(x: ValueId, outC: number, k: number, stride = 1, clamp = noClamp, bias = false): ValueId {
    const name = `conv${++this.#count}`;
    const [, h, w, inC] = this.value(x).shape as [number, number, number, number];
    const pad = samePad([h, w], [k, k], [stride, stride]);
    const inputs = [x, this.#weights(`${name}/weights`, [outC, k, k, inC])];
    if (bias) inputs.push(this.state(`${name}/bias`, [outC], new Float32Array(outC)));
    return this.add(
      { kind: 'conv2d', stride: [stride, stride], dilation: [1, 1], pad, groups: 1, clamp },
      inputs,
      { name },
    );
  }

  normalized(x: ValueId, outC: number, stride = 1): ValueId {
    const y = this.conv(x, outC, 3, stride);
    return this.batchNorm(`${this.value(y).name}/norm`, y);
  }

  relu(x: ValueId): ValueId {
    return this.add({ kind: 'clamp', clamp: relu }, [x]);
  }

  dense(x: ValueId, units: number, clamp = noClamp, name = 'dense'): ValueId {
    const [n] = this.value(x).shape;
    const depth = elementCount(this.value(x).shape) / n!;
    const flat = this.add({ kind: 'reshape', shape: [n!, depth] }, [x]);
    const w = this.#weights(`${name}/weights`, [units, depth]);
    const bias = this.state(`${name}/bias`, [units], new Float32Array(units));
    return this.add({ kind: 'dense', clamp }, [flat, w, bias], { name });
  }

  pool(x: ValueId): ValueId {
    return this.add({ kind: 'maxPool2d', kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp }, [x]);
  }

  mean(x: ValueId): ValueId {
    return this.add({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [x]);
  }

  finishNet(logits: ValueId): TrainingNet {
    const [n, classes] = this.value(logits).shape;
    const targets = this.input('targets', 'f32', [n!, classes!]);
    const sum = crossEntropy(this, logits, targets);
    const loss = this.add({ kind: 'reshape', shape: [1] }, [sum], { name: 'loss' });
    return { graph: this.finish([loss, logits]), logits, loss };
  }
}

/** A little of everything. */
export function trainingNet(batch: number): TrainingNet {
  const b = new NetBuilder('little');
  const x = b.input('x', 'f32', [batch, 8, 8, 2]);
  const stem = b.relu(b.normalized(x, 5));
  const sum = b.add({ kind: 'binary', fn: 'add', clamp: relu }, [stem, b.normalized(stem, 5)]);
  const down = b.conv(b.pool(sum), 8, 3, 2, relu, true);
  return b.finishNet(b.dense(b.mean(down), 3, noClamp, 'logits'));
}

/** conv 5×5×8, conv 5×5×24, dense 96: 44,586 parameters. */
export function lenet(batch: number): TrainingNet {
  const b = new NetBuilder('lenet');
  const x = b.input('x', 'f32', [batch, 28, 28, 1]);
  const first = b.pool(b.conv(x, 8, 5, 1, relu, true));
  const second = b.pool(b.conv(first, 24, 5, 1, relu, true));
  const third = b.pool(b.conv(second, 32, 3, 1, relu, true));
  return b.finishNet(b.dense(b.dense(third, 96, relu), 10, noClamp, 'logits'));
}

/** ResNet-8 of MLPerf Tiny: 12.5 million multiply-accumulates a picture. */
export function resnet8(batch: number): TrainingNet {
  const b = new NetBuilder('resnet8');
  let x = b.relu(b.normalized(b.input('x', 'f32', [batch, 32, 32, 3]), 16));
  for (const [channels, stride] of [
    [16, 1],
    [32, 2],
    [64, 2],
  ] as const) {
    const y = b.normalized(b.relu(b.normalized(x, channels, stride)), channels);
    const short = stride === 1 ? x : b.conv(x, channels, 1, stride, noClamp, true);
    x = b.add({ kind: 'binary', fn: 'add', clamp: relu }, [y, short]);
  }
  return b.finishNet(b.dense(b.mean(x), 10, noClamp, 'logits'));
}
