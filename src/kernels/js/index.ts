/**
 * The fast typed-array kernels, for any JavaScript engine. What is not here falls through to the
 * next set; integers are equal to reference to the bit, floats within the bound each file states.
 */
import type { KernelCall, KernelSet, Offer } from '../call.ts';
import { offerCodebookF32 } from './codebook-f32.ts';
import { offerConv2dF32 } from './conv2d-f32.ts';
import { offerConv2dI8 } from './conv2d-i8.ts';
import { offerCopy, offerFill } from './copy.ts';
import { offerDense } from './dense.ts';
import { offerDepthwiseF32 } from './depthwise-f32.ts';
import { offerDepthwiseI8 } from './depthwise-i8.ts';
import { offerElementwise } from './elementwise.ts';
import { offerFakeQuantize } from './fake-quantize.ts';
import { offerPool2d } from './pool2d.ts';

export const js: KernelSet = { name: 'js', offer };

function offer(call: KernelCall): Offer | null {
  const op = call.arithmetic;
  switch (op.kind) {
    case 'conv2d':
      return offerConv2dI8(call) ?? offerConv2dF32(call);
    case 'depthwiseConv2d':
      return offerDepthwiseI8(call) ?? offerDepthwiseF32(call);
    case 'codebookConv2d':
      return offerCodebookF32(call);
    case 'dense':
      return offerDense(call);
    case 'maxPool2d':
    case 'averagePool2d':
      return offerPool2d(call, op);
    case 'binary':
    case 'unary':
    case 'clamp':
    case 'convert':
      return offerElementwise(call);
    case 'fakeQuantize':
      return offerFakeQuantize(call, op);
    case 'copy':
      return offerCopy(call, op);
    case 'fill':
      return offerFill(call, op.value);
    default:
      return null;
  }
}
