/**
 * Kernels as generated WebAssembly SIMD: one module for each network, shapes and constants as immediates.
 * What is not here falls through to the next set. Integers are equal to reference to the bit on every machine,
 * floats within the bound each file states.
 */
import type { EmittedOffer, KernelCall, KernelSet } from '../call.ts';
import { offerCodebookF32 } from './codebook-f32.ts';
import { offerConv2dF32 } from './conv2d-f32.ts';
import { offerConv2dI8 } from './conv2d-i8.ts';
import { offerConvert } from './convert.ts';
import { offerCopy } from './copy.ts';
import { offerDenseF32 } from './dense-f32.ts';
import { offerDenseI8 } from './dense-i8.ts';
import { offerDepthwiseF32 } from './depthwise-f32.ts';
import { offerDepthwiseI8 } from './depthwise-i8.ts';
import { offerElementwiseF32 } from './elementwise-f32.ts';
import { offerElementwiseI8 } from './elementwise-i8.ts';
import { offerFakeQuantize } from './fake-quantize.ts';
import { offerPool2dF32 } from './pool2d-f32.ts';
import { offerPool2dI8 } from './pool2d-i8.ts';
import { Program } from './program.ts';
import { offerReduce } from './reduce.ts';
import { offerReduceI8 } from './reduce-i8.ts';
import { offerResize } from './resize.ts';
import { offerSoftmax } from './softmax.ts';
import { probe, type Target, type TargetOptions } from './target.ts';
import { offerTransposedConv2d } from './transposed-conv2d.ts';

export type { TargetOptions } from './target.ts';

/** A set for the machine at hand, which is looked at when the first offer is asked for. */
export function wasmKernels(options: TargetOptions = {}): KernelSet {
  let target: Target | string | undefined;
  const found = (): Target | string => {
    target ??= probe(options);
    return target;
  };
  return {
    name: 'wasm',
    offer: (call, choice) => {
      const at = found();
      return typeof at === 'string' ? null : offer(call, at, choice);
    },
    fuses: true,
    notice: () => {
      const at = found();
      return typeof at === 'string' ? [`kernels wasm: ${at}`] : [];
    },
    program: (arenaBytes) => new Program(arenaBytes),
  };
}

export const wasm: KernelSet = wasmKernels();

function offer(call: KernelCall, target: Target, choice: string | undefined): EmittedOffer | null {
  const isFloat = call.inputs[0]?.dtype === 'f32';
  switch (call.arithmetic.kind) {
    case 'conv2d':
      return isFloat ? offerConv2dF32(call, target, choice) : offerConv2dI8(call, target, choice);
    case 'depthwiseConv2d':
      return isFloat ? offerDepthwiseF32(call, target, choice) : offerDepthwiseI8(call, target, choice);
    case 'codebookConv2d':
      return offerCodebookF32(call, target);
    case 'transposedConv2d':
      return offerTransposedConv2d(call, target, choice);
    case 'dense':
      return isFloat ? offerDenseF32(call, target) : offerDenseI8(call, target);
    case 'maxPool2d':
    case 'averagePool2d':
      return isFloat ? offerPool2dF32(call, target) : offerPool2dI8(call, target);
    case 'reduce':
      return isFloat ? offerReduce(call, target) : offerReduceI8(call, target);
    case 'binary':
    case 'unary':
    case 'clamp':
    case 'prelu':
      return isFloat ? offerElementwiseF32(call, target) : offerElementwiseI8(call, target);
    case 'softmax':
      return offerSoftmax(call, target);
    case 'convert':
      return offerConvert(call, target);
    case 'fakeQuantize':
      return offerFakeQuantize(call, target);
    case 'resize':
      return offerResize(call, target);
    case 'copy':
    case 'fill':
      return offerCopy(call, target);
    default:
      return null;
  }
}
