/** The shape of an operator's output from the shapes of its inputs, and every rule an operator's inputs must keep. */

import { unreachable, VireoError } from '../errors.ts';
import { noPad, type Pad, type Pair, type WindowNd } from '../kernels/call.ts';
import { elementCount, type Shape, showShape } from '../tensor.ts';
import type { Op } from './ops.ts';

const zeros = (shape: Shape): number[] => shape.map(() => 0);

/** What shape inference needs of a value. */
export interface Shaped {
  readonly shape: Shape;
}

/** How many windows fit: ⌊(in + pad − span)/stride⌋ + 1 with span = (k − 1)·dilation + 1. */
export function windowCount(
  extent: number,
  k: number,
  stride: number,
  dilation: number,
  pad: number,
): number {
  return Math.floor((extent + pad - ((k - 1) * dilation + 1)) / stride) + 1;
}

/**
 * SAME padding: as little as makes out = ⌈in/stride⌉, the odd cell at the end.
 * Source: TensorFlow, "Notes on padding", tf.nn.
 */
export function samePad(size: Pair, kernel: Pair, stride: Pair, dilation: Pair = [1, 1]): Pad {
  const total = (axis: 0 | 1) => {
    const span = (kernel[axis] - 1) * dilation[axis] + 1;
    const out = Math.ceil(size[axis] / stride[axis]);
    return Math.max(0, (out - 1) * stride[axis] + span - size[axis]);
  };
  const h = total(0);
  const w = total(1);
  if (h === 0 && w === 0) return noPad;
  return { top: h >> 1, bottom: h - (h >> 1), left: w >> 1, right: w - (w >> 1) };
}

/** Numpy broadcasting: align at the innermost axis; extents are equal or 1. */
export function broadcastShapes(a: Shape, b: Shape): Shape | null {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return null;
    out[i] = x === 1 ? y : x;
  }
  return out;
}

/** Throws `VireoError('bad-graph')` naming `where` when the inputs do not fit the operator. */
export function inferShape(op: Op, inputs: readonly Shaped[], where: string, outputShape?: Shape): Shape {
  const fail = (message: string): never => {
    throw new VireoError('bad-graph', `${op.kind} "${where}": ${message}`);
  };
  const shape = (i: number): Shape =>
    inputs[i]?.shape ?? fail(`expected at least ${i + 1} inputs, got ${inputs.length}`);
  const count = (low: number, high = low): void => {
    if (inputs.length < low || inputs.length > high)
      fail(`expected ${low === high ? low : `${low} to ${high}`} inputs, got ${inputs.length}`);
  };
  const rank = (i: number, expected: number, what: string): Shape => {
    const s = shape(i);
    return s.length === expected ? s : fail(`${what} expects rank ${expected}, got ${showShape(s)}`);
  };
  const axis = (value: number, of: Shape): number =>
    Number.isInteger(value) && value >= 0 && value < of.length
      ? value
      : fail(`axis ${value} is outside ${showShape(of)}`);
  const positive = (name: string, extents: Shape): void => {
    if (!extents.every((v) => Number.isInteger(v) && v >= 1))
      fail(`${name} expects positive integers, got ${showShape(extents)}`);
  };
  /** Output extents of a window over the axes between the first and the last of x, which has `rank` of them. */
  const spatialNd = (x: Shape, kernel: Shape, op: WindowNd): number[] => {
    const axes = x.length - 2;
    if (axes < 1) fail(`the input expects at least rank 3, got ${showShape(x)}`);
    const { stride, dilation, before, after } = op;
    for (const [name, list] of Object.entries({ kernel, stride, dilation, before, after })) {
      if (list.length !== axes) fail(`${name} expects ${axes} numbers, got ${showShape(list)}`);
      if (name !== 'before' && name !== 'after') positive(name, list);
      else if (!list.every((v) => Number.isInteger(v) && v >= 0))
        fail(`padding expects integers of at least 0, got ${showShape(list)}`);
    }
    return kernel.map((k, i) => windowCount(x[i + 1], k, stride[i], dilation[i], before[i] + after[i]));
  };
  const fits = (out: Shape, first: number, last: number, x: Shape): Shape =>
    out.length === x.length &&
    out[0] === first &&
    out[out.length - 1] === last &&
    out.slice(1, -1).every((v) => Number.isInteger(v) && v >= 1)
      ? out
      : fail(`output ${showShape(out)} does not fit input ${showShape(x)}`);
  const broadcast = (a: Shape, b: Shape): Shape =>
    broadcastShapes(a, b) ?? fail(`shapes ${showShape(a)} and ${showShape(b)} do not broadcast`);
  const checkPad = (pad: Pad): void => {
    if (![pad.top, pad.left, pad.bottom, pad.right].every((v) => Number.isInteger(v) && v >= 0))
      fail(
        `padding expects integers of at least 0, got ${showShape([pad.top, pad.left, pad.bottom, pad.right])}`,
      );
  };
  const bias = (i: number, outC: number): void => {
    if (inputs.length > i && elementCount(shape(i)) !== outC)
      fail(`bias expects ${outC} elements, got ${showShape(shape(i))}`);
  };
  const spatial = (x: Shape, kernel: Pair, stride: Pair, dilation: Pair, pad: Pad): Pair => {
    positive('kernel', kernel);
    positive('stride', stride);
    positive('dilation', dilation);
    checkPad(pad);
    const outH = windowCount(x[1], kernel[0], stride[0], dilation[0], pad.top + pad.bottom);
    const outW = windowCount(x[2], kernel[1], stride[1], dilation[1], pad.left + pad.right);
    if (outH < 1 || outW < 1) fail(`a ${kernel[0]}×${kernel[1]} kernel does not fit into ${showShape(x)}`);
    return [outH, outW];
  };

  switch (op.kind) {
    case 'conv2d': {
      count(2, 3);
      const x = rank(0, 4, 'the input');
      const w = rank(1, 4, 'the weights');
      positive('groups', [op.groups, 1]);
      if (w[3] * op.groups !== x[3]) fail(`weights expect ${w[3] * op.groups} input channels, got ${x[3]}`);
      if (w[0] % op.groups !== 0) fail(`${w[0]} output channels do not divide into ${op.groups} groups`);
      bias(2, w[0]);
      return [x[0], ...spatial(x, [w[1], w[2]!], op.stride, op.dilation, op.pad), w[0]!];
    }
    case 'depthwiseConv2d': {
      count(2, 3);
      const x = rank(0, 4, 'the input');
      const w = rank(1, 4, 'the weights');
      if (w[0] !== 1 || x[3] === 0 || w[3] % x[3] !== 0)
        fail(`weights ${showShape(w)} do not fit ${x[3]} input channels`);
      bias(2, w[3]);
      return [x[0], ...spatial(x, [w[1], w[2]!], op.stride, op.dilation, op.pad), w[3]!];
    }
    case 'transposedConv2d': {
      count(2, 3);
      const x = rank(0, 4, 'the input');
      const w = rank(1, 4, 'the weights');
      if (w[3] !== x[3]) fail(`weights expect ${w[3]} input channels, got ${x[3]}`);
      positive('stride', op.stride);
      checkPad(op.pad);
      bias(2, w[0]);
      // The last stride may have left cells over, so only the file knows the exact size.
      const out = outputShape ?? [
        x[0],
        (x[1] - 1) * op.stride[0] + w[1] - op.pad.top - op.pad.bottom,
        (x[2] - 1) * op.stride[1] + w[2] - op.pad.left - op.pad.right,
        w[0],
      ];
      if (out.length !== 4 || out[0] !== x[0] || out[3] !== w[0] || out[1] < 1 || out[2] < 1)
        fail(`output ${showShape(out)} does not fit input ${showShape(x)} and weights ${showShape(w)}`);
      return out;
    }
    case 'codebookConv2d': {
      count(3, 4);
      const x = rank(0, 4, 'the input');
      const codebook = rank(1, 3, 'the codebook');
      const indices = rank(2, 4, 'the indices');
      positive('codebook', codebook);
      if (codebook[1]! > 256) fail(`a codebook of ${codebook[1]} codewords, an index is one byte`);
      if (codebook[0]! * codebook[2]! !== x[3])
        fail(
          `codebook ${showShape(codebook)} expects ${codebook[0]! * codebook[2]!} input channels, got ${x[3]}`,
        );
      if (indices[3] !== codebook[0])
        fail(`indices ${showShape(indices)} do not fit codebook ${showShape(codebook)}`);
      bias(3, indices[0]!);
      const size = spatial(x, [indices[1]!, indices[2]!], op.stride, op.dilation, op.pad);
      return [x[0]!, ...size, indices[0]!];
    }
    case 'dense': {
      count(2, 3);
      const x = shape(0);
      const w = rank(1, 2, 'the weights');
      if (x.length < 1 || x[x.length - 1] !== w[1])
        fail(`weights expect ${w[1]} inputs, got ${showShape(x)}`);
      bias(2, w[0]);
      return [...x.slice(0, -1), w[0]!];
    }
    case 'matmul': {
      count(2);
      const a = shape(0);
      const b = shape(1);
      if (a.length < 2 || b.length < 2)
        fail(`expected at least rank 2, got ${showShape(a)} and ${showShape(b)}`);
      if (a[a.length - 1] !== b[b.length - 2])
        fail(`${showShape(a)} and ${showShape(b)} have different inner extents`);
      return [...broadcast(a.slice(0, -2), b.slice(0, -2)), a[a.length - 2], b[b.length - 1]];
    }
    case 'convNd': {
      count(2, 3);
      const x = shape(0);
      const w = rank(1, x.length, 'the weights');
      const inC = x[x.length - 1];
      const depth = w[w.length - 1];
      const out = spatialNd(x, w.slice(1, -1), op);
      positive('groups', [op.groups]);
      if (depth * op.groups !== inC) fail(`weights expect ${depth * op.groups} input channels, got ${inC}`);
      if (w[0] % op.groups !== 0) fail(`${w[0]} output channels do not divide into ${op.groups} groups`);
      bias(2, w[0]);
      return fits([x[0], ...out, w[0]], x[0], w[0], x);
    }
    case 'transposedConvNd': {
      count(2, 3);
      const x = shape(0);
      const w = rank(1, x.length, 'the weights');
      const kernel = w.slice(1, -1);
      const { stride, dilation, before } = op;
      spatialNd(x, kernel, { stride, dilation, before, after: zeros(before) });
      positive('groups', [op.groups]);
      if (w[0] !== x[x.length - 1] || w[0] % op.groups !== 0)
        fail(`weights expect ${w[0]} input channels in ${op.groups} groups, got ${x[x.length - 1]}`);
      const outC = w[w.length - 1] * op.groups;
      bias(2, outC);
      const size = kernel.map((k, i) => (x[i + 1] - 1) * stride[i] + (k - 1) * dilation[i] + 1 - before[i]);
      return fits(outputShape ?? [x[0], ...size, outC], x[0], outC, x);
    }
    case 'poolNd':
    case 'maxPoolIndices': {
      count(1);
      const x = shape(0);
      const c = x[x.length - 1];
      const size = spatialNd(x, op.kernel, op);
      return fits(outputShape ?? [x[0], ...size, c], x[0], c, x);
    }
    case 'maxPool2d':
    case 'averagePool2d': {
      count(1);
      const x = rank(0, 4, 'the input');
      const { pad, kernel } = op;
      const out = spatial(x, kernel, op.stride, [1, 1], pad);
      if (pad.top >= kernel[0] || pad.bottom >= kernel[0] || pad.left >= kernel[1] || pad.right >= kernel[1])
        fail('padding is as large as the kernel: a window would see nothing');
      return [x[0], ...out, x[3]!];
    }
    case 'binary':
      count(2);
      return broadcast(shape(0), shape(1));
    case 'where':
      count(3);
      return broadcast(shape(0), broadcast(shape(1), shape(2)));
    case 'prelu': {
      count(2);
      const out = broadcastShapes(shape(0), shape(1));
      if (!out || elementCount(out) !== elementCount(shape(0)))
        fail(`slope ${showShape(shape(1))} does not broadcast to ${showShape(shape(0))}`);
      return shape(0);
    }
    case 'lrn':
    case 'softmax':
    case 'l2Normalize':
      if (op.kind === 'lrn') positive('size', [op.size]);
      count(1);
      if (shape(0).length < 1) fail('expected at least rank 1, got a scalar');
      return shape(0);
    case 'training':
      return op.shape;
    case 'unary':
    case 'clamp':
    case 'convert':
    case 'cast':
      count(1);
      return shape(0);
    case 'fakeQuantize': {
      count(1);
      const x = shape(0);
      if (!Number.isInteger(op.batchDims) || op.batchDims < 0 || op.batchDims > x.length)
        fail(`batch dims ${op.batchDims} do not fit ${showShape(x)}`);
      return x;
    }
    case 'reduce': {
      count(1);
      const x = shape(0);
      op.axes.forEach((a, i) => {
        axis(a, x);
        if (i > 0 && a <= op.axes[i - 1]) fail(`axes ${showShape(op.axes)} are not ascending`);
      });
      return x.map((extent, i) => (op.axes.includes(i) ? 1 : extent));
    }
    case 'argMax': {
      count(1);
      const x = shape(0);
      const a = axis(op.axis, x);
      return x.filter((_, i) => i !== a);
    }
    case 'topK': {
      count(1);
      const x = shape(0);
      const a = axis(op.axis, x);
      if (!Number.isInteger(op.k) || op.k < 0 || op.k > x[a]) fail(`k ${op.k} is outside 0…${x[a]}`);
      return x.map((extent, i) => (i === a ? op.k : extent));
    }
    case 'gatherElements': {
      count(2);
      const x = shape(0);
      const indices = rank(1, x.length, 'the indices');
      const a = axis(op.axis, x);
      if (indices.some((extent, i) => i !== a && extent > x[i]))
        fail(`indices ${showShape(indices)} reach beyond ${showShape(x)}`);
      return indices;
    }
    case 'gatherNd': {
      count(2);
      const x = shape(0);
      const indices = shape(1);
      const depth = indices[indices.length - 1] ?? fail('indices expect at least rank 1, got a scalar');
      const batch = op.batchDims;
      if (!Number.isInteger(batch) || batch < 0 || batch >= indices.length || batch + depth > x.length)
        fail(`batch dims ${batch} and ${depth} indices do not fit ${showShape(x)}`);
      for (let i = 0; i < batch; i++)
        if (x[i] !== indices[i]) fail(`batch extents of ${showShape(x)} and ${showShape(indices)} differ`);
      return [...indices.slice(0, -1), ...x.slice(batch + depth)];
    }
    case 'gather': {
      count(2);
      const x = shape(0);
      const indices = shape(1);
      const a = axis(op.axis, x);
      if (op.batchDims < 0 || op.batchDims > a || op.batchDims > indices.length)
        fail(`batch dims ${op.batchDims} do not fit axis ${a}`);
      for (let i = 0; i < op.batchDims; i++)
        if (x[i] !== indices[i]) fail(`batch extents of ${showShape(x)} and ${showShape(indices)} differ`);
      return [...x.slice(0, a), ...indices.slice(op.batchDims), ...x.slice(a + 1)];
    }
    case 'resize': {
      count(1);
      const x = rank(0, 4, 'the input');
      positive('size', op.size);
      return [x[0], op.size[0], op.size[1], x[3]!];
    }
    case 'mirrorPad': {
      count(1);
      const x = shape(0);
      if (op.before.length !== x.length || op.after.length !== x.length)
        fail(`expected ${x.length} pairs of paddings`);
      return x.map((extent, i) => {
        const most = op.mode === 'reflect' ? extent - 1 : extent;
        for (const p of [op.before[i], op.after[i]!])
          if (!Number.isInteger(p) || p < 0 || p > most)
            fail(`padding ${p} of axis ${i} is outside 0…${most}`);
        return op.before[i] + extent + op.after[i];
      });
    }
    case 'rfft2d': {
      count(1);
      const x = shape(0);
      if (x.length < 2) fail(`expected at least rank 2, got ${showShape(x)}`);
      positive('length', op.length);
      return [...x.slice(0, -2), op.length[0], (op.length[1] >> 1) + 1, 2];
    }
    case 'complexAbs': {
      count(1);
      const x = shape(0);
      if (x[x.length - 1] !== 2) fail(`expected pairs in the last axis, got ${showShape(x)}`);
      return x.slice(0, -1);
    }
    case 'reshape': {
      count(1);
      const from = shape(0);
      if (
        !op.shape.every((v) => Number.isInteger(v) && v >= 0) ||
        elementCount(op.shape) !== elementCount(from)
      )
        fail(`cannot see ${showShape(from)} as ${showShape(op.shape)}`);
      return op.shape;
    }
    case 'transpose': {
      count(1);
      const x = shape(0);
      if (op.perm.length !== x.length || !x.every((_, i) => op.perm.includes(i)))
        fail(`${showShape(op.perm)} is no order of the axes of ${showShape(x)}`);
      return op.perm.map((p) => x[p]);
    }
    case 'concat': {
      if (inputs.length < 1) fail('expected at least 1 input, got none');
      const first = shape(0);
      const a = axis(op.axis, first);
      let sum = 0;
      inputs.forEach(({ shape: s }) => {
        if (s.length !== first.length || s.some((extent, i) => i !== a && extent !== first[i]))
          fail(`shapes ${showShape(first)} and ${showShape(s)} differ outside axis ${a}`);
        sum += s[a];
      });
      return first.map((extent, i) => (i === a ? sum : extent));
    }
    case 'slice': {
      count(1);
      const x = shape(0);
      if (op.begin.length !== x.length || op.size.length !== x.length || op.step.length !== x.length)
        fail(`expected ${x.length} begins, sizes and steps for ${showShape(x)}`);
      x.forEach((extent, i) => {
        const begin = op.begin[i];
        const size = op.size[i];
        const step = op.step[i];
        if (![begin, size, step].every(Number.isInteger) || size < 0 || step === 0)
          fail(`axis ${i}: begin ${begin}, size ${size}, step ${step}`);
        if (size === 0) return;
        const last = begin + (size - 1) * step;
        if (begin < 0 || begin >= extent || last < 0 || last >= extent)
          fail(`axis ${i}: elements ${begin} to ${last} are outside 0…${extent - 1}`);
      });
      return op.size;
    }
    case 'pad': {
      count(1);
      const x = shape(0);
      if (op.before.length !== x.length || op.after.length !== x.length)
        fail(`expected ${x.length} pairs of paddings`);
      return x.map((extent, i) => {
        const p = op.before[i];
        const q = op.after[i];
        if (!Number.isInteger(p) || !Number.isInteger(q) || p < 0 || q < 0)
          fail(`axis ${i}: padding ${p}, ${q}`);
        return p + extent + q;
      });
    }
    default:
      return unreachable(op);
  }
}
