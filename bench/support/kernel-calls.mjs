/** Kernel calls with made-up numbers, and kernels bound to places of their own. */
import { noClamp, noPad, reference } from '../../dist/index.js';

const arrayOf = { f32: Float32Array, i8: Int8Array, i32: Int32Array };
const size = (shape) => shape.reduce((product, extent) => product * extent, 1);

/** Numbers in [0, 1) from a seed (xorshift32). */
function seeded(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * A call of `shape` (support/shapes.mjs) in f32 or i8, with inputs as a ReLU leaves them and outputs that use most
 * of their range. `wideBias` gives channel 0 a bias of 2²⁵ and a scale to go with it: its sums no longer fit beside
 * another's in one double.
 */
export function makeCall({ op, x, w, y }, dtype, { wideBias = false } = {}) {
  const random = seeded(20);
  const outC = y[y.length - 1];
  const depth = op.kind === 'depthwiseConv2d' ? w[1] * w[2] : size(w) / outC;
  const isFloat = dtype === 'f32';
  const fill = (Type, count, value) => Type.from({ length: count }, value);
  // Products of a byte and a weight, both spread evenly, add up to about this much.
  const typicalSum = Math.sqrt(depth) * 147 * 73;
  const scale = 6 / 255;
  const input = {
    dtype,
    shape: x,
    quantization: isFloat ? null : { scale: [scale], zeroPoint: [-128], axis: 3 },
    data: null,
  };
  const weightScales = fill(Float32Array, outC, () => ((0.8 + 0.4 * random()) * 40) / typicalSum);
  if (wideBias) weightScales[0] = 40 / 2 ** 25;
  const weights = {
    dtype,
    shape: w,
    quantization: isFloat
      ? null
      : {
          scale: [...weightScales],
          zeroPoint: new Array(outC).fill(0),
          axis: op.kind === 'depthwiseConv2d' ? 3 : 0,
        },
    data: isFloat
      ? fill(Float32Array, size(w), () => (random() - 0.5) / Math.sqrt(depth))
      : fill(Int8Array, size(w), () => Math.floor(random() * 255) - 127),
  };
  const biasType = isFloat ? 'f32' : 'i32';
  const biasData = fill(arrayOf[biasType], outC, () => (random() - 0.5) * (isFloat ? 1 : typicalSum));
  if (wideBias) biasData[0] = 2 ** 25;
  const bias = { dtype: biasType, shape: [outC], quantization: null, data: biasData };
  const low = op.clamp.min === 0 ? -128 : 0;
  const output = {
    dtype,
    shape: y,
    quantization: isFloat ? null : { scale: [scale], zeroPoint: [low], axis: 3 },
    data: null,
  };
  return { arithmetic: op, inputs: [input, weights, bias], output };
}

/** The same call with constants of its own. */
export function copyCall(call) {
  const inputs = call.inputs.map((operand) => ({ ...operand, data: operand.data?.slice() ?? null }));
  return { ...call, inputs };
}

/** The offer at places of its own: `step()` runs it, `y` is where the result lies, dense. */
export function bind(call, offer, borderGranted, inputData = inputOf(call)) {
  const [x, ...constants] = call.inputs;
  const border = borderGranted && offer.border ? offer.border : noPad;
  const input = placed(x, border);
  const { dtype, quantization, shape } = x;
  input.data.fill(dtype === 'f32' ? 0 : quantization.zeroPoint[0]);
  copyInto(input, shape, inputData);
  const output = placed(call.output, noPad);
  const dense = ({ data, shape: s }) => ({ data, offset: 0, strides: denseStrides(s), border: noPad });
  const scratch = new Uint8Array(offer.scratch?.(border !== noPad) ?? 0);
  const step = offer.bind([input, ...constants.map(dense)], output, scratch);
  return { step, y: output.data };
}

/** The numbers that every binding of a call starts from. */
export function inputOf({ inputs: [x] }) {
  const random = seeded(10);
  // Half of what a ReLU lets through is zero.
  return x.dtype === 'f32'
    ? Float32Array.from({ length: size(x.shape) }, () => Math.max(0, 12 * random() - 6))
    : Int8Array.from({ length: size(x.shape) }, () => Math.max(-128, Math.floor(510 * random()) - 383));
}

function placed({ dtype, shape }, border) {
  if (shape.length !== 4) {
    const data = new arrayOf[dtype](size(shape));
    return { data, offset: 0, strides: denseStrides(shape), border: noPad };
  }
  const [n, h, w, c] = shape;
  const sH = (border.left + w + border.right) * c;
  const sN = (border.top + h + border.bottom) * sH;
  const data = new arrayOf[dtype](n * sN);
  return { data, offset: border.top * sH + border.left * c, strides: [sN, sH, c, 1], border };
}

function copyInto({ data, offset, strides }, shape, from) {
  if (shape.length !== 4) {
    data.set(from, offset);
    return;
  }
  const [n, h, w, c] = shape;
  for (let i = 0; i < n * h; i++) {
    const row = offset + Math.floor(i / h) * strides[0] + (i % h) * strides[1];
    data.set(from.subarray(i * w * c, (i + 1) * w * c), row);
  }
}

function denseStrides(shape) {
  return shape.map((_, axis) => size(shape.slice(axis + 1)));
}

/** Bytes that one run touches: input, output, and the weights as the kernel holds them. */
export function operandBytes({ inputs: [x, w], output }, offer) {
  const bytes = ({ dtype, shape }) => size(shape) * arrayOf[dtype].BYTES_PER_ELEMENT;
  return bytes(x) + bytes(output) + (offer.packedBytes || bytes(w));
}

/**
 * How far float sums in another order may lie from the reference: K·2⁻²⁴·Σ|x·w|, bias included. The sums come from
 * the reference kernel itself, run on absolute values.
 */
export function sumsOfProducts(call) {
  const [x, w, bias] = call.inputs;
  const positive = (operand) => ({ ...operand, data: operand.data.map(Math.abs) });
  const absolute = {
    ...call,
    arithmetic: { ...call.arithmetic, clamp: noClamp },
    inputs: [x, positive(w), positive(bias)],
  };
  const { step, y } = bind(absolute, reference.offer(absolute), false, inputOf(call).map(Math.abs));
  step();
  const depth =
    call.arithmetic.kind === 'depthwiseConv2d' ? w.shape[1] * w.shape[2] : w.data.length / w.shape[0];
  return { sums: y, perProduct: (depth + 1) * 2 ** -24 };
}
