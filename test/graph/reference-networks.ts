/** Networks whose energy others have counted, built here layer by layer: float, weights all of one value. */
import { GraphBuilder } from '../../src/graph/build.ts';
import type { Graph, ValueId } from '../../src/graph/ir.ts';
import { samePad } from '../../src/graph/shapes.ts';
import { noClamp, noPad, type Pair } from '../../src/kernels/call.ts';
import { elementCount, type Shape } from '../../src/tensor.ts';

const relu = { min: 0, max: Number.POSITIVE_INFINITY };

class Layers {
  readonly builder: GraphBuilder;

  constructor(name: string) {
    this.builder = new GraphBuilder(name);
  }

  weights(shape: Shape): ValueId {
    return this.builder.constant('w', 'f32', shape, new Float32Array(elementCount(shape)).fill(0.01));
  }

  conv(x: ValueId, outC: number, k: number, stride = 1, padded = true): ValueId {
    const { shape } = this.builder.value(x);
    const strides: Pair = [stride, stride];
    const pad = padded ? samePad([shape[1], shape[2]], [k, k], strides) : noPad;
    return this.builder.add(
      { kind: 'conv2d', stride: strides, dilation: [1, 1], pad, groups: 1, clamp: relu },
      [x, this.weights([outC, k, k, shape[3]]), this.weights([outC])],
    );
  }

  pool(x: ValueId): ValueId {
    const window = { kernel: [2, 2], stride: [2, 2], pad: noPad, clamp: noClamp } as const;
    return this.builder.add({ kind: 'maxPool2d', ...window }, [x]);
  }

  flat(x: ValueId): ValueId {
    return this.builder.add({ kind: 'reshape', shape: [1, elementCount(this.builder.value(x).shape)] }, [x]);
  }

  dense(x: ValueId, n: number): ValueId {
    const [, k] = this.builder.value(x).shape;
    return this.builder.add({ kind: 'dense', clamp: relu }, [x, this.weights([n, k]), this.weights([n])]);
  }

  add(a: ValueId, b: ValueId): ValueId {
    return this.builder.add({ kind: 'binary', fn: 'add', clamp: relu }, [a, b]);
  }

  mean(x: ValueId): ValueId {
    return this.flat(this.builder.add({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [x]));
  }
}

/** 32 × 32, without padding. Source: LeCun et al. 1998, all feature maps connected. */
export function lenet5(): Graph {
  const net = new Layers('lenet-5');
  let x = net.builder.input('x', 'f32', [1, 32, 32, 1]);
  x = net.pool(net.conv(x, 6, 5, 1, false));
  x = net.pool(net.conv(x, 16, 5, 1, false));
  x = net.dense(net.dense(net.dense(net.flat(x), 120), 84), 10);
  return net.builder.finish([x]);
}

/** Two convolutions and two dense layers. Source: Chou et al. 2018, NeuralMerger, arXiv:1805.04980. */
export function neuralMergerLenet(): Graph {
  const net = new Layers('neural-merger-lenet');
  let x = net.builder.input('x', 'f32', [1, 32, 32, 1]);
  x = net.pool(net.conv(x, 32, 5));
  x = net.pool(net.conv(x, 64, 5));
  return net.builder.finish([net.dense(net.dense(net.flat(x), 1024), 20)]);
}

/** Three stages of three blocks; projections where the width changes. Source: He et al. 2016, arXiv:1512.03385, §4.2. */
export function resnet20(): Graph {
  const net = new Layers('resnet-20');
  let x = net.conv(net.builder.input('x', 'f32', [1, 32, 32, 3]), 16, 3);
  for (const [stage, width] of [16, 32, 64].entries())
    for (let block = 0; block < 3; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const y = net.conv(net.conv(x, width, 3, stride), width, 3);
      x = net.add(stride === 2 ? net.conv(x, width, 1, 2) : x, y);
    }
  return net.builder.finish([net.dense(net.mean(x), 10)]);
}
