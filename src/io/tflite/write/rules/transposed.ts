/** Transposed convolutions. */
import type { ValueId } from '../../../../graph/ir.ts';
import type { OpOf } from '../../../../graph/ops.ts';
import { noClamp, noPad, type Pad, type Pair } from '../../../../kernels/call.ts';
import { type Shape, showShape } from '../../../../tensor.ts';
import { cellsOf } from '../fused.ts';
import type { Site } from '../site.ts';
import { clampTo, isUnbounded } from './bounds.ts';
import { checkWeights, rowsAndColumns } from './convolutions.ts';

/**
 * SAME and VALID are those of the convolution that goes the other way: from the output's extents it must come to the
 * input's. Where it does not, or the padding is another:
 *
 *   x  ⇒  transposedConv2d VALID, all that the windows reach  ⇒  slice
 *
 * Bounds become an operator behind it: activations of its own it has in runtimes of 2023 and newer only.
 */
export function transposedConv2d(site: Site, op: OpOf<'transposedConv2d'>): ValueId {
  checkWeights(site);
  const { stride, pad, clamp } = op;
  const { shape } = site.output;
  const inputs = [...site.inputs];
  const size = rowsAndColumns(shape);
  const within = rowsAndColumns(site.value(site.x).shape);
  const kernel = rowsAndColumns(site.value(inputs[1]!).shape);
  const layerOf = (cells: Pad) => ({ kind: 'transposedConv2d', stride, pad: cells, clamp: noClamp }) as const;
  const reach = size.map((_, i) => (within[i]! - 1) * stride[i]! + kernel[i]!);
  const isValid = (extents: Shape): boolean =>
    extents.every((extent, i) => extent >= reach[i]! && extent < reach[i]! + stride[i]!);
  const same = cellsOf('SAME', { size, kernel, stride, dilation: [1, 1] });
  const isSame = size.every((extent, i) => Math.ceil(extent / stride[i]!) === within[i]);
  const known = [...(isSame ? [same] : []), ...(isValid(size) ? [noPad] : [])].find(
    ({ top, left }) => top === pad.top && left === pad.left,
  );
  if (known) {
    if (isUnbounded(clamp)) return site.done(layerOf(known), inputs);
    return clampTo(site, clamp, site.step('unbounded', layerOf(known), inputs, { shape }));
  }
  const begin = [pad.top, pad.left];
  const whole = size.map((extent, i) => Math.max(reach[i]!, begin[i]! + extent));
  if (!isValid(whole))
    site.unsupported(`an output of ${showShape(size)} cells, the windows reach ${showShape(reach)}`);
  const all = site.step('whole', layerOf(noPad), inputs, { shape: [shape[0]!, ...whole, shape[3]!] });
  const slice = { kind: 'slice', begin: [0, ...begin, 0], size: shape, step: [1, 1, 1, 1] } as const;
  return isUnbounded(clamp) ? site.done(slice, [all]) : clampTo(site, clamp, site.step('cut', slice, [all]));
}

/**
 * x (n, …, inC), w (inC, …kernel, outC/groups)  ⇒  a transposedConv2d for each group  ⇒  concat
 *
 * One spatial axis is two with a height of 1; a dilated kernel is a larger one with zeros between its cells.
 */
export function transposedConvNd(site: Site, op: OpOf<'transposedConvNd'>): ValueId {
  const axes = op.stride.length;
  if (axes > 2) site.unsupported(`${axes} spatial axes`);
  const pair = (list: readonly number[], unit: number): Pair =>
    axes === 1 ? [unit, list[0]!] : [list[0]!, list[1]!];
  const plane = (shape: Shape): Shape => (axes === 1 ? [shape[0]!, 1, ...shape.slice(1)] : shape);
  const weights = site.value(site.inputs[1]!);
  const { data } = weights;
  if (!(data instanceof Float32Array)) return site.unsupported('weights that are no float32 constant');
  const [inC, kH, kW, outC] = plane(weights.shape) as [number, number, number, number]; // of one group
  const perGroup = inC / op.groups;
  const [dH, dW] = pair(op.dilation, 1);
  const [spanH, spanW] = [(kH - 1) * dH + 1, (kW - 1) * dW + 1];
  const kernelOf = (group: number): Float32Array => {
    const kernel = new Float32Array(outC * spanH * spanW * perGroup); // (outC, spanH, spanW, perGroup)
    for (let i = 0; i < perGroup; i++)
      for (let h = 0; h < kH; h++)
        for (let w = 0; w < kW; w++)
          for (let o = 0; o < outC; o++)
            kernel[((o * spanH + h * dH) * spanW + w * dW) * perGroup + i] =
              data[(((group * perGroup + i) * kH + h) * kW + w) * outC + o]!;
    return kernel;
  };
  const x = site.reshape('plane', site.x, plane(site.value(site.x).shape));
  const biases = site.inputs.slice(2).map((id) => site.reshape('bias', id, [outC * op.groups]));
  const [top, left] = pair(op.before, 0);
  const pad = { top, left, bottom: 0, right: 0 };
  const parts = Array.from({ length: op.groups }, (_, g) => {
    const w = site.constant(`weights ${g}`, 'f32', [outC, spanH, spanW, perGroup], kernelOf(g));
    const bias = biases.map((id) => site.cut(`bias ${g}`, id, 0, g * outC, outC));
    const inputs = [site.cut(`group ${g}`, x, 3, g * perGroup, perGroup), w, ...bias];
    const shape = [...plane(site.output.shape).slice(0, 3), outC];
    const part = site.within(`part ${g}`, { shape }, inputs);
    return transposedConv2d(part, {
      kind: 'transposedConv2d',
      stride: pair(op.stride, 1),
      pad,
      clamp: noClamp,
    });
  });
  return site.same(parts.length === 1 ? parts[0]! : site.step('joined', { kind: 'concat', axis: 3 }, parts));
}
