/** Generated kernels of training: layers whose weights change, their gradients, batch normalisation, masks, pools. */
import { denseStrides } from '../../../tensor.ts';
import { type EmittedOffer, type KernelCall, type KernelSet, noPad, type Place } from '../../call.ts';
import { isFloat } from '../../js/views.ts';
import { Program } from '../../wasm/program.ts';
import { probe, type Target, type TargetOptions } from '../../wasm/target.ts';
import { offerBatchNorm } from './batch-norm.ts';
import { offerClamp } from './clamp.ts';
import { offerConv2d, offerConv2dInput, offerDense } from './conv2d.ts';
import { offerConv2dWeights } from './conv2d-weights.ts';
import { offerDepthwise, offerDepthwiseInput, offerDepthwiseWeights } from './depthwise.ts';
import { offerMaxPool } from './max-pool.ts';

/** A set for the machine at hand, to stand beside `wasm`, whose notice it leaves to it. */
export function trainWasmKernels(options: TargetOptions = {}): KernelSet {
  let target: Target | string | undefined;
  return {
    name: 'train-wasm',
    offer: (call, choice) => {
      target ??= probe(options);
      const found = typeof target === 'string' ? null : offer(call, target, choice);
      return found && withConstants(call, found);
    },
    fuses: true,
    program: (arenaBytes) => new Program(arenaBytes),
  };
}

export const trainWasm: KernelSet = trainWasmKernels();

/** Any operand may be a constant here: it is given a place as the others have. */
function withConstants({ inputs }: KernelCall, offered: EmittedOffer): EmittedOffer {
  return {
    ...offered,
    emit: (program, places, output, scratch) => {
      const all = places.map((place, i): Place => {
        const { data, shape } = inputs[i]!;
        if (place || !data) return place!;
        const address = program.constantOf(data);
        return { address, strides: denseStrides(shape), border: noPad, encoding: 'stored' };
      });
      offered.emit(program, all, output, scratch);
    },
  };
}

function offer(call: KernelCall, target: Target, choice: string | undefined): EmittedOffer | null {
  const op = call.arithmetic;
  switch (op.kind) {
    case 'conv2d':
      return offerConv2d(call, target, choice);
    case 'depthwiseConv2d':
      return offerDepthwise(call, target);
    case 'dense':
      return offerDense(call, target);
    case 'transposedConvNd':
      return offerConv2dInput(call, target, choice) ?? offerDepthwiseInput(call, target);
    case 'training':
      break;
    default:
      return null;
  }
  if (!isFloat(call) || (call.following && op.fn !== 'batchNorm')) return null;
  switch (op.fn) {
    case 'moments':
    case 'batchNorm':
    case 'batchNormSums':
    case 'batchNormInput':
      return offerBatchNorm(call, op);
    case 'clamp':
      return offerClamp(call, op);
    case 'maxPool2d':
      return offerMaxPool(call, op);
    case 'conv2dWeights':
      return offerDepthwiseWeights(call, op, target) ?? offerConv2dWeights(call, op, target);
    default:
      return null;
  }
}
