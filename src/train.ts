/** Training by the same engine: losses, gradients and updates are nodes, one run of the session is one step. */
export { compileTraining, compileTrainingAsync } from './graph/run/compile-training.ts';
export { TrainingBuilder } from './graph/train/builder.ts';
export { differentiate, type Gradient } from './graph/train/differentiate.ts';
export { freeze, trainable } from './graph/train/freeze.ts';
export { crossEntropy, distillation, meanSquaredError } from './graph/train/losses.ts';
export {
  adam,
  type Decay,
  type Optimizer,
  sgd,
  trainingStep,
  withUpdates,
} from './graph/train/optimizers.ts';
export { trainReference } from './kernels/train/reference/index.ts';
export { trainWasm, trainWasmKernels } from './kernels/train/wasm/index.ts';
