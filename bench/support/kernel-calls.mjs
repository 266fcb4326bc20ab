/** Kernel calls with made-up numbers, and how far their results may lie from the reference. */
import { placeCalls } from './place-calls.mjs';
import { noClamp, reference } from './source.mjs';

const arrayOf = { f32: Float32Array, i8: Int8Array, i32: Int32Array };
const size = (shape) => shape.reduce((product, extent) => product * extent, 1);
const fill = (Type, count, value) => Type.from({ length: count }, value);
/** Of inputs and of outputs: float32 numbers, as in files. */
const [inScale, outScale] = [0.0235, 0.0391].map(Math.fround);

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
 * A call of `shape` (support/shapes.mjs) in f32 or i8, with inputs as a ReLU leaves them, weights as training leaves
 * them (few large) and outputs that use most of their range: how int8 sums are requantised depends on it.
 * `wideBias` gives channel 0 a bias of 2²⁵ and a scale to go with it: its sums no longer fit beside
 * another's in one double.
 */
export function makeCall({ op, x, w, y }, dtype, { wideBias = false } = {}) {
  const input = activation(x, dtype, inScale, -128);
  switch (op.kind) {
    case 'binary':
      return { arithmetic: op, inputs: [input, input], output: addOutput(y, dtype, op.clamp) };
    case 'softmax':
      return { arithmetic: op, inputs: [input], output: activation(y, dtype, 1 / 256, -128) };
    case 'maxPool2d':
    case 'averagePool2d':
      return { arithmetic: op, inputs: [input], output: activation(y, dtype, inScale, -128) };
    default: {
      const output = activation(y, dtype, outScale, op.clamp.min === 0 ? -128 : 4);
      return { arithmetic: op, inputs: [input, ...weightsOf(op, w, y, dtype, wideBias)], output };
    }
  }
}

/** The addition of another tensor to what `call` gives, bounded below by 0 as behind a residual block. */
export function additionBehind({ output }) {
  const clamp = { ...noClamp, min: 0 };
  const { shape, dtype } = output;
  return {
    arithmetic: { kind: 'binary', fn: 'add', clamp },
    inputs: [output, activation(shape, dtype, inScale, -128)],
    output: addOutput(shape, dtype, clamp),
  };
}

/** Both as one call, as a set that fuses is asked. */
export function fused(first, second) {
  const { arithmetic, inputs, output } = second;
  const following = [{ arithmetic, x: first.output, position: 0, others: inputs.length - 1, output }];
  return { ...first, inputs: [...first.inputs, ...inputs.slice(1)], output, following };
}

function addOutput(shape, dtype, clamp) {
  return activation(shape, dtype, 2 * outScale, clamp.min === 0 ? -128 : 4);
}

function activation(shape, dtype, step, zeroPoint) {
  const quantization = dtype === 'f32' ? null : { scale: [step], zeroPoint: [zeroPoint], axis: 0 };
  return { dtype, shape, quantization, data: null };
}

function weightsOf({ kind }, w, y, dtype, wideBias) {
  const random = seeded(20);
  const outC = y[y.length - 1];
  const depth = kind === 'depthwiseConv2d' ? w[1] * w[2] : size(w) / outC;
  const isFloat = dtype === 'f32';
  // Root mean squares: 60 of the activations, 42 of the weights; a channel's outputs spread by about 60.
  const typicalSum = Math.sqrt(depth) * 60 * 42;
  const perSum = (60 * outScale) / inScale;
  const scales = fill(Float32Array, outC, () => ((0.8 + 0.4 * random()) * perSum) / typicalSum);
  if (wideBias) scales[0] = perSum / 2 ** 25;
  const axis = kind === 'depthwiseConv2d' ? 3 : 0;
  const quantization = isFloat ? null : { scale: [...scales], zeroPoint: new Array(outC).fill(0), axis };
  const data = isFloat
    ? fill(Float32Array, size(w), () => (random() - 0.5) / Math.sqrt(depth))
    : fill(Int8Array, size(w), () => Math.round(127 * (2 * random() - 1) * (2 * random() - 1)));
  const biasType = isFloat ? 'f32' : 'i32';
  const bias = fill(arrayOf[biasType], outC, () => (random() - 0.5) * (isFloat ? 1 : typicalSum));
  if (wideBias) bias[0] = 2 ** 25;
  return [
    { dtype, shape: w, quantization, data },
    { dtype: biasType, shape: [outC], quantization: null, data: bias },
  ];
}

/** The numbers of activation `index` of a row of calls: the same in every place and for every kernel. */
export function numbersFor({ dtype, shape }, index) {
  const random = seeded(10 + index);
  // Half of what a ReLU lets through is zero.
  return dtype === 'f32'
    ? fill(Float32Array, size(shape), () => Math.max(0, 12 * random() - 6))
    : fill(Int8Array, size(shape), () => Math.round(255 * Math.max(0, 2 * random() - 1) ** 4) - 128);
}

/** Bytes that one run touches: activations, and constants as the network has them. */
export function operandBytes({ inputs, output }) {
  const bytes = ({ dtype, shape }) => size(shape) * arrayOf[dtype].BYTES_PER_ELEMENT;
  return [...inputs, output].reduce((sum, operand) => sum + bytes(operand), 0);
}

/** What calls in a row give by the reference kernels, and how far each number may lie from it: 0 for integers. */
export function expectedOf(calls) {
  const expected = resultOf(calls);
  const [call] = calls;
  const { kind } = call.arithmetic;
  if (call.output.dtype !== 'f32' || kind === 'maxPool2d') return { expected, boundOf: () => 0 };
  // Of numbers in 0…6: kernels/wasm/softmax-f32.ts.
  if (kind === 'softmax')
    return {
      expected,
      boundOf: (_, i) => (12 + call.output.shape.at(-1) / 4 + 8) * 2 ** -24 * expected[i],
    };
  // How far sums in another order may lie apart: K·2⁻²⁴·Σ|x·w|, everything that is added counted. The sums come from
  // the reference kernels themselves, run on absolute values.
  const sums = resultOf(calls.map(absolute));
  const perSum = (termsOf(call) + 1 + calls.length) * 2 ** -24;
  let winograd = null;
  return {
    expected,
    boundOf: (kernel, i) => {
      if (!kernel.includes('winograd')) return perSum * sums[i];
      winograd ??= winogradBounds(call);
      return winograd[i % winograd.length] + perSum * sums[i];
    },
  };
}

function resultOf(calls) {
  const placed = placeCalls(reference, calls, { numbersFor });
  placed.passes[0].run();
  return placed.result();
}

/** Without bounds, and with constants that are not negative, nothing cancels. */
function absolute(call) {
  return {
    ...call,
    arithmetic: { ...call.arithmetic, clamp: noClamp },
    inputs: call.inputs.map((operand) => ({ ...operand, data: operand.data?.map(Math.abs) ?? null })),
  };
}

/** Products of one output. */
function termsOf({ arithmetic: op, inputs: [, w], output }) {
  if (op.kind === 'binary') return 1;
  if (op.kind === 'averagePool2d') return op.kernel[0] * op.kernel[1] + 1;
  return op.kind === 'depthwiseConv2d' ? w.shape[1] * w.shape[2] : size(w.shape) / output.shape.at(-1);
}

/**
 * (C + 24)·2⁻²⁴·S for each output channel, S ≤ |Aᵀ|·[ Σ_c (|G|·|g|·|Gᵀ|) ⊙ (|Bᵀ|·D·|B|) ]·|A| with every activation of
 * D as large as the largest there is (kernels/wasm/winograd-f32.ts).
 */
function winogradBounds({ inputs: [x, w, bias] }) {
  const G = [
    [1 / 4, 0, 0],
    [1 / 6, 1 / 6, 1 / 6],
    [1 / 6, 1 / 6, 1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [0, 0, 1],
  ];
  const A = [
    [1, 1, 1, 1, 1, 0],
    [0, 1, 1, 2, 2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, 1, 8, 8, 1],
  ];
  const rowSums = [10, 10, 10, 6, 6, 10]; // of |Bᵀ|
  const largest = numbersFor(x, 0).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const [outC, , , inC] = w.shape;
  const bounds = new Float64Array(outC);
  for (let oc = 0; oc < outC; oc++) {
    const g = new Float64Array(9); // Σ_c |g|
    for (let i = 0; i < 9 * inC; i++) g[Math.floor(i / inC)] += Math.abs(w.data[oc * 9 * inC + i]);
    const m = (i, j) => {
      let sum = 0;
      for (let a = 0; a < 3; a++) for (let b = 0; b < 3; b++) sum += G[i][a] * g[3 * a + b] * G[j][b];
      return sum * rowSums[i] * rowSums[j] * largest;
    };
    let most = 0;
    for (const down of A)
      for (const along of A) {
        let sum = 0;
        for (let i = 0; i < 6; i++) for (let j = 0; j < 6; j++) sum += down[i] * m(i, j) * along[j];
        most = Math.max(most, sum);
      }
    bounds[oc] = (inC + 24) * 2 ** -24 * (most + Math.abs(bias.data[oc]));
  }
  return bounds;
}
