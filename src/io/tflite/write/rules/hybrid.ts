/**
 * Hybrid layers: float activations rounded to int8 in each inference, integer weights.
 *
 *   x ─fakeQuantize─ layer(w f32)   ⇒   x ─ layer(w i8)          w = s·q
 *
 * The reader has made float numbers s·q of the file's weights. They are brought back where a scale is found under
 * which every one of them is exactly a whole number of steps again, so that nothing is rounded here. How a kernel
 * rounds its input follows from the layer (see the reader's operators/windows.ts), and must be what the network asks.
 */
import type { ValueId } from '../../../../graph/ir.ts';
import type { OpOf } from '../../../../graph/ops.ts';
import { elementCount } from '../../../../tensor.ts';
import type { Site } from '../site.ts';

/** The weights of a convolution: int8 where its input is rounded, else as they are. */
export function hybridFilters(site: Site, op: OpOf<'conv2d' | 'depthwiseConv2d'>): ValueId {
  const rounded = site.rounded[0];
  if (!rounded) return site.inputs[1]!;
  if (rounded.batchDims !== 1)
    site.unsupported('rounding of float activations other than picture by picture');
  if (op.kind === 'depthwiseConv2d') {
    if (rounded.symmetric) site.unsupported('symmetric rounding before a depthwise layer');
    return inSteps(site, 3, 'any');
  }
  if (rounded.symmetric && op.groups > 1) site.unsupported('symmetric rounding before a layer with groups');
  return inSteps(site, 0, rounded.symmetric ? 'one' : op.groups > 1 ? 'any' : 'several');
}

/** The weights of a fully connected layer. */
export function hybridDense(site: Site): ValueId {
  const rounded = site.rounded[0];
  if (!rounded) return site.inputs[1]!;
  const { shape } = site.value(site.inputs[1]!);
  if (rounded.slice !== shape[1]) site.unsupported('rounding of float activations other than row by row');
  return inSteps(site, 0, 'any');
}

/** int8 weights with one scale, or one for each index of `axis`; `several`: not all of them the same. */
function inSteps(site: Site, axis: number, scales: 'one' | 'several' | 'any'): ValueId {
  const { shape, data, name: ofFloats } = site.value(site.inputs[1]!);
  const name = ofFloats.replace(/\/f32$/u, ''); // what the reader put behind it
  if (!(data instanceof Float32Array)) return site.unsupported('hybrid weights that are no float32 constant');
  const whole = scales === 'several' ? null : stepsOf(data);
  const zeroPoint = [0];
  if (whole)
    return site.builder.constant(name, 'i8', shape, whole.levels, {
      scale: [whole.scale],
      zeroPoint,
      axis: 0,
    });
  if (scales === 'one') return site.unsupported('hybrid weights that are no int8 steps of one scale');
  const channels = shape[axis]!;
  const count = elementCount(shape) / channels;
  // Axis 0 is the outermost, axis 3 of a depthwise layer the innermost.
  const [channelStep, step] = axis === 0 ? [count, 1] : [1, channels];
  const levels = new Int8Array(data.length);
  const scale: number[] = [];
  const channel = new Float32Array(count);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < count; i++) channel[i] = data[c * channelStep + i * step]!;
    const found = stepsOf(channel);
    if (!found) return site.unsupported('hybrid weights that are no int8 steps');
    scale.push(found.scale);
    for (let i = 0; i < count; i++) levels[c * channelStep + i * step] = found.levels[i]!;
  }
  if (scales === 'several' && scale.every((s) => s === scale[0]))
    return site.unsupported('asymmetric rounding before a layer whose weights have one scale');
  return site.builder.constant(name, 'i8', shape, levels, {
    scale,
    zeroPoint: scale.map(() => 0),
    axis,
  });
}

/** A scale s and −128 ≤ q ≤ 127 with fround(s·q) = w for every w, the largest at 127 steps if possible; or null. */
export function stepsOf(
  weights: Float32Array,
): { readonly scale: number; readonly levels: Int8Array } | null {
  let largest = 0;
  for (const w of weights) {
    if (!Number.isFinite(w)) return null;
    largest = Math.max(largest, Math.abs(w));
  }
  if (largest === 0) return { scale: 1, levels: new Int8Array(weights.length) };
  const levels = new Int8Array(weights.length);
  const cell = new Float32Array(1);
  const bits = new Int32Array(cell.buffer);
  for (let steps = 128; steps > 0; steps--) {
    cell[0] = largest / (steps === 128 ? 127 : steps === 127 ? 128 : steps); // 127 first
    const middle = bits[0]!;
    // More than one float32 scale may give the same product, rounded.
    for (const by of [0, -1, 1, -2, 2]) {
      bits[0] = middle + by;
      const scale = cell[0]!;
      if (scale > 0 && isInSteps(weights, scale, levels)) return { scale, levels };
    }
  }
  return null;
}

/** Fills `levels`; false where a weight is no whole number of steps. */
function isInSteps(weights: Float32Array, scale: number, levels: Int8Array): boolean {
  for (let i = 0; i < weights.length; i++) {
    const q = Math.round(weights[i]! / scale);
    if (q < -128 || q > 127 || Math.fround(scale * q) !== weights[i]) return false;
    levels[i] = q;
  }
  return true;
}
