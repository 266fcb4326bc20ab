/** A network that tells classes apart, with the loss that trains it. */
import { VireoError } from '../../errors.ts';
import { showShape } from '../../tensor.ts';
import type { Graph, ValueId } from '../ir.ts';
import { crossEntropy } from './losses.ts';
import { type Layer, NetworkBuilder } from './network.ts';

export interface ClassifierOptions {
  readonly name: string;
  /** (h, w, c) */
  readonly shape: readonly [h: number, w: number, c: number];
  /** The last gives a score for each class. */
  readonly layers: readonly Layer[];
  readonly batch: number;
  /** Of the first weights. Default 0. */
  readonly seed?: number;
  /** Share of the target that all classes have alike. Default 0. */
  readonly smoothing?: number;
}

/**
 * Inputs `input` (n, h, w, c) and `targets` (n, classes), one 1 in a row; outputs the loss (1) and the scores
 * (n, classes) before softmax.
 */
export interface Classifier {
  readonly graph: Graph;
  readonly loss: ValueId;
  readonly logits: ValueId;
  readonly classes: number;
}

export function classifier(options: ClassifierOptions): Classifier {
  const { name, shape, layers, batch, seed = 0, smoothing = 0 } = options;
  const net = new NetworkBuilder(name, { seed });
  const logits = net.layers(net.input('input', 'f32', [batch, ...shape]), layers);
  const scores = net.value(logits).shape;
  if (scores.length !== 2)
    throw new VireoError(
      'usage',
      `network "${name}": the last layer gives ${showShape(scores)}, expected (batch, classes)`,
    );
  const classes = scores[1]!;
  const targets = net.input('targets', 'f32', [batch, classes]);
  const sum = crossEntropy(net, logits, targets, { smoothing });
  const loss = net.add({ kind: 'reshape', shape: [1] }, [sum], { name: 'loss' });
  return { graph: net.finish([loss, logits]), loss, logits, classes };
}
