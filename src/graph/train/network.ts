/**
 * Networks from a few words: layers with parameters to train, their first weights drawn from a seed.
 *
 *   const net = new NetworkBuilder('digits', { seed: 1 });
 *   const x = net.input('image', 'f32', [32, 28, 28, 1]);
 *   const y = net.residual(net.conv(x, 16, { norm: true, activation: 'relu' }), [{ kind: 'conv', channels: 16 }]);
 *   const graph = net.finish([net.dense(net.meanPool(y), 10, { name: 'logits' })]);
 *
 * The result is an ordinary graph with states. Layers are named by kind and number: conv1, conv1/weights, conv1/bias.
 *
 * First weights: normal, variance 2/(inputs of a sum); biases 0. Source: He et al. 2015, arXiv:1502.01852, eq. 10.
 */
import { VireoError } from '../../errors.ts';
import { type Clamp, noClamp, noPad, type Pair } from '../../kernels/call.ts';
import { randomStream } from '../../random.ts';
import { elementCount, type Shape, sameShape } from '../../tensor.ts';
import type { ValueId } from '../ir.ts';
import { samePad } from '../shapes.ts';
import { TrainingBuilder } from './builder.ts';

export type Activation = 'none' | 'relu' | 'relu6';

export interface LayerOptions {
  /** Default: kind and number. */
  readonly name?: string;
  /** Default: none. */
  readonly activation?: Activation;
}

/** Of a window that slides: one number for both directions. */
export interface WindowOptions {
  /** Default 3 for convolutions, 2 for pools. */
  readonly kernel?: number | Pair;
  /** Default 1 for convolutions, the kernel for pools. */
  readonly stride?: number | Pair;
  /** `same`: outputs are ⌈inputs/stride⌉; `valid`: no border. Default: same for convolutions, valid for pools. */
  readonly padding?: 'same' | 'valid';
}

export interface ConvOptions extends LayerOptions, WindowOptions {
  /** Batch normalisation in place of a bias. Default: false. */
  readonly norm?: boolean;
}

/** One layer as data; recipes hold lists of them. */
export type Layer =
  | ({ readonly kind: 'conv'; readonly channels: number; readonly groups?: number } & ConvOptions)
  | ({ readonly kind: 'depthwise' } & ConvOptions)
  | ({ readonly kind: 'maxPool' | 'averagePool' } & WindowOptions)
  | { readonly kind: 'meanPool' }
  | ({ readonly kind: 'dense'; readonly units: number } & LayerOptions)
  | ({ readonly kind: 'residual'; readonly layers: readonly Layer[] } & LayerOptions);

const clamps: Readonly<Record<Activation, Clamp>> = {
  none: noClamp,
  relu: { min: 0, max: Number.POSITIVE_INFINITY },
  relu6: { min: 0, max: 6 },
};

export class NetworkBuilder extends TrainingBuilder {
  readonly #seed: number;
  readonly #counts = new Map<string, number>();
  #drawn = 0;

  constructor(name: string, { seed = 0 }: { readonly seed?: number } = {}) {
    super(name);
    this.#seed = seed;
  }

  /** (n, h, w, c) → (n, outH, outW, channels) */
  conv(x: ValueId, channels: number, options: ConvOptions & { readonly groups?: number } = {}): ValueId {
    const name = this.#nameOf('conv', options);
    const inC = this.#rank4(x, name)[3];
    const { groups = 1 } = options;
    if (inC % groups !== 0 || channels % groups !== 0)
      throw new VireoError('usage', `conv "${name}": ${groups} groups of ${inC} into ${channels} channels`);
    const window = this.#window(x, options, 3, 1, 'same');
    const weights = this.#weights(name, [channels, ...window.kernel, inC / groups]);
    const { stride, pad } = window;
    return this.#normalized(name, options, channels, (clamp, bias) =>
      this.add({ kind: 'conv2d', stride, dilation: [1, 1], pad, groups, clamp }, [x, weights, ...bias], {
        name,
      }),
    );
  }

  /** (n, h, w, c) → (n, outH, outW, c): a window for each channel. */
  depthwise(x: ValueId, options: ConvOptions = {}): ValueId {
    const name = this.#nameOf('depthwise', options);
    const c = this.#rank4(x, name)[3];
    const { kernel, stride, pad } = this.#window(x, options, 3, 1, 'same');
    const weights = this.#weights(name, [1, ...kernel, c], kernel[0] * kernel[1]);
    return this.#normalized(name, options, c, (clamp, bias) =>
      this.add({ kind: 'depthwiseConv2d', stride, dilation: [1, 1], pad, clamp }, [x, weights, ...bias], {
        name,
      }),
    );
  }

  /** (n, …) → (n, units); what lies behind the first axis is flattened. */
  dense(x: ValueId, units: number, options: LayerOptions = {}): ValueId {
    const name = this.#nameOf('dense', options);
    const { shape } = this.value(x);
    const [n = 1] = shape;
    const inputs = elementCount(shape) / n;
    const flat =
      shape.length === 2
        ? x
        : this.add({ kind: 'reshape', shape: [n, inputs] }, [x], { name: `${name}/flat` });
    const weights = this.#weights(name, [units, inputs]);
    const clamp = clamps[options.activation ?? 'none'];
    return this.add({ kind: 'dense', clamp }, [flat, weights, this.#bias(name, units)], { name });
  }

  maxPool(x: ValueId, options: WindowOptions = {}): ValueId {
    return this.#pool('maxPool2d', x, options);
  }

  averagePool(x: ValueId, options: WindowOptions = {}): ValueId {
    return this.#pool('averagePool2d', x, options);
  }

  /** (n, h, w, c) → (n, 1, 1, c) */
  meanPool(x: ValueId): ValueId {
    const name = this.#nameOf('meanPool', {});
    this.#rank4(x, name);
    return this.add({ kind: 'reduce', fn: 'mean', axes: [1, 2] }, [x], { name });
  }

  activation(x: ValueId, activation: Activation): ValueId {
    return activation === 'none' ? x : this.add({ kind: 'clamp', clamp: clamps[activation] }, [x]);
  }

  /** layers(x) + x, then the activation; where the shapes differ, x passes a 1×1 convolution with a stride. */
  residual(x: ValueId, layers: readonly Layer[], options: LayerOptions = {}): ValueId {
    const name = this.#nameOf('residual', options);
    const y = this.layers(x, layers);
    const [, inH, inW] = this.#rank4(x, name);
    const [, outH, outW, channels] = this.#rank4(y, name);
    const stride: Pair = [Math.ceil(inH / outH), Math.ceil(inW / outW)];
    const same = sameShape(this.value(x).shape, this.value(y).shape);
    const short = same ? x : this.conv(x, channels, { kernel: 1, stride, name: `${name}/shortcut` });
    const clamp = clamps[options.activation ?? 'none'];
    return this.add({ kind: 'binary', fn: 'add', clamp }, [y, short], { name });
  }

  /** Layers given as data, one behind the other. */
  layers(x: ValueId, layers: readonly Layer[]): ValueId {
    return layers.reduce((y, layer) => this.#layer(y, layer), x);
  }

  #layer(x: ValueId, layer: Layer): ValueId {
    switch (layer.kind) {
      case 'conv':
        return this.conv(x, layer.channels, layer);
      case 'depthwise':
        return this.depthwise(x, layer);
      case 'maxPool':
        return this.maxPool(x, layer);
      case 'averagePool':
        return this.averagePool(x, layer);
      case 'meanPool':
        return this.meanPool(x);
      case 'dense':
        return this.dense(x, layer.units, layer);
      case 'residual':
        return this.residual(x, layer.layers, layer);
    }
  }

  #pool(kind: 'maxPool2d' | 'averagePool2d', x: ValueId, options: WindowOptions): ValueId {
    const name = this.#nameOf(kind === 'maxPool2d' ? 'maxPool' : 'averagePool', {});
    this.#rank4(x, name);
    const window = this.#window(x, options, 2, options.kernel ?? 2, 'valid');
    return this.add({ kind, ...window, clamp: noClamp }, [x], { name });
  }

  /** The layer itself, then batch normalisation and the activation, or a bias with the activation in the layer. */
  #normalized(
    name: string,
    { norm = false, activation = 'none' }: ConvOptions,
    channels: number,
    layer: (clamp: Clamp, bias: readonly ValueId[]) => ValueId,
  ): ValueId {
    if (!norm) return layer(clamps[activation], [this.#bias(name, channels)]);
    return this.activation(this.batchNorm(`${name}/norm`, layer(noClamp, [])), activation);
  }

  #window(
    x: ValueId,
    options: WindowOptions,
    kernelDefault: number,
    strideDefault: number | Pair,
    paddingDefault: 'same' | 'valid',
  ) {
    const kernel = pair(options.kernel ?? kernelDefault);
    const stride = pair(options.stride ?? strideDefault);
    const [, h, w] = this.value(x).shape as readonly [number, number, number, number];
    const pad = (options.padding ?? paddingDefault) === 'same' ? samePad([h, w], kernel, stride) : noPad;
    return { kernel, stride, pad };
  }

  #rank4(x: ValueId, name: string): readonly [number, number, number, number] {
    const { shape } = this.value(x);
    const [n, h, w, c] = shape;
    if (shape.length !== 4)
      throw new VireoError('usage', `"${name}" expects (n, h, w, c), got rank ${shape.length}`);
    return [n!, h!, w!, c!]; // there are four
  }

  #nameOf(kind: string, { name }: LayerOptions): string {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return name ?? `${kind}${count}`;
  }

  #weights(layer: string, shape: Shape, inputs = elementCount(shape) / shape[0]!): ValueId {
    const random = randomStream(this.#seed, this.#drawn++);
    const deviation = Math.sqrt(2 / inputs);
    const data = Float32Array.from({ length: elementCount(shape) }, () => random.normal() * deviation);
    return this.state(`${layer}/weights`, shape, data);
  }

  #bias(layer: string, count: number): ValueId {
    return this.state(`${layer}/bias`, [count], new Float32Array(count));
  }
}

const pair = (x: number | Pair): Pair => (typeof x === 'number' ? [x, x] : x);
