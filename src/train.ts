/** Training by the same engine: losses, gradients and updates are nodes, one run of the session is one step. */
export { compileTraining, compileTrainingAsync } from './graph/run/compile-training.ts';
export { TrainingBuilder } from './graph/train/builder.ts';
export { type Classifier, type ClassifierOptions, classifier } from './graph/train/classifier.ts';
export { differentiate, type Gradient } from './graph/train/differentiate.ts';
export { freeze, trainable } from './graph/train/freeze.ts';
export { crossEntropy, distillation, meanSquaredError } from './graph/train/losses.ts';
export {
  type Activation,
  type ConvOptions,
  type Layer,
  type LayerOptions,
  NetworkBuilder,
  type WindowOptions,
} from './graph/train/network.ts';
export {
  adam,
  type Decay,
  type Optimizer,
  sgd,
  trainingStep,
  withUpdates,
} from './graph/train/optimizers.ts';
export { rateAt, type Schedule } from './graph/train/schedule.ts';
export { firstWeights, flatLength, Shard, type Span, spansOf, Update } from './graph/train/shards.ts';
export { trainReference } from './kernels/train/reference/index.ts';
export { trainWasm, trainWasmKernels } from './kernels/train/wasm/index.ts';
