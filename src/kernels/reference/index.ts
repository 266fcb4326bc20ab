/**
 * The reference kernels: textbook loops, one operator a file, slow on purpose.
 *
 * They are to be read with the paper open, and every other kernel set is compared with them. They take
 * dense tensors only, need no border and no scratch, and every operand may be computed at run time.
 */

import { unreachable } from '../../errors.ts';
import type { KernelCall, KernelSet, Offer } from '../call.ts';
import { argMax } from './arg-max.ts';
import { binary } from './binary.ts';
import { cast } from './cast.ts';
import { codebookConv2d } from './codebook-conv2d.ts';
import { convNd, transposedConvNd } from './conv-nd.ts';
import { conv2d } from './conv2d.ts';
import { convert } from './convert.ts';
import { copy, fill, mirrorPad } from './copy.ts';
import { dense } from './dense.ts';
import { depthwiseConv2d } from './depthwise-conv2d.ts';
import { fakeQuantize } from './fake-quantize.ts';
import { gather, gatherElements, gatherNd } from './gather.ts';
import { l2Normalize } from './l2-normalize.ts';
import { lrn } from './lrn.ts';
import { matmul } from './matmul.ts';
import { maxPoolIndices, poolNd } from './pool-nd.ts';
import { pool2d } from './pool2d.ts';
import { prelu } from './prelu.ts';
import { reduce } from './reduce.ts';
import { resize } from './resize.ts';
import { complexAbs, rfft2d } from './rfft2d.ts';
import { softmax } from './softmax.ts';
import { topK } from './top-k.ts';
import { transposedConv2d } from './transposed-conv2d.ts';
import { clamp, unary } from './unary.ts';
import { where } from './where.ts';

export const reference: KernelSet = { name: 'reference', offer };

function offer(call: KernelCall): Offer | null {
  const op = call.arithmetic;
  switch (op.kind) {
    case 'conv2d':
      return conv2d(call, op);
    case 'depthwiseConv2d':
      return depthwiseConv2d(call, op);
    case 'codebookConv2d':
      return codebookConv2d(call, op);
    case 'transposedConv2d':
      return transposedConv2d(call, op);
    case 'dense':
      return dense(call, op);
    case 'matmul':
      return matmul(call);
    case 'convNd':
      return convNd(call, op);
    case 'transposedConvNd':
      return transposedConvNd(call, op);
    case 'maxPool2d':
    case 'averagePool2d':
      return pool2d(call, op);
    case 'poolNd':
      return poolNd(call, op);
    case 'maxPoolIndices':
      return maxPoolIndices(call, op);
    case 'binary':
      return binary(call, op);
    case 'where':
      return where(call);
    case 'unary':
      return unary(call, op);
    case 'clamp':
      return clamp(call, op);
    case 'prelu':
      return prelu(call);
    case 'softmax':
      return softmax(call, op);
    case 'l2Normalize':
      return l2Normalize(call);
    case 'lrn':
      return lrn(call, op);
    case 'reduce':
      return reduce(call, op);
    case 'argMax':
      return argMax(call, op);
    case 'topK':
      return topK(call, op);
    case 'convert':
      return convert(call, op);
    case 'cast':
      return cast(call);
    case 'fakeQuantize':
      return fakeQuantize(call, op);
    case 'gather':
      return gather(call, op);
    case 'gatherElements':
      return gatherElements(call, op);
    case 'gatherNd':
      return gatherNd(call, op);
    case 'resize':
      return resize(call, op);
    case 'mirrorPad':
      return mirrorPad(call, op);
    case 'rfft2d':
      return rfft2d(call, op);
    case 'complexAbs':
      return complexAbs(call);
    case 'copy':
      return copy(call, op);
    case 'fill':
      return fill(call, op);
    case 'training':
      return null;
    default:
      return unreachable(op);
  }
}
