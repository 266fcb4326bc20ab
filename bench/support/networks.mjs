/** The networks that are measured: files under VIREO_DATA, their real inputs, and float and integer twins. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile, GraphBuilder, js, reference, wasm } from '../../dist/index.js';
import { readOnnx } from '../../dist/io/onnx/index.js';
import { readTflite } from '../../dist/io/tflite/index.js';

const dataFolder = process.env.VIREO_DATA ?? fileURLToPath(new URL('../../data', import.meta.url));

/**
 * `f32` and `int`: the two twins, or one of them; without an `f32` file, the float twin is the integer network
 * with its constants dequantised. `inputs`: files of one or more inputs as the integer network takes them
 * (`flip`: stored as u8, taken as i8).
 */
export const networks = [
  {
    name: 'ic',
    title: 'ResNet-8, CIFAR-10',
    f32: 'mlperf-tiny/ic/pretrainedResnet.tflite',
    int: 'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
    inputs: ['cifar10/test-images-0000-4999.bin'],
    flip: true,
  },
  {
    name: 'kws',
    title: 'DS-CNN, keywords',
    f32: 'mlperf-tiny/kws/kws_ref_model_float32.tflite',
    int: 'mlperf-tiny/kws/kws_ref_model.tflite',
    inputs: ['mlperf-tiny/kws/kws01-inputs-700.bin'],
  },
  {
    name: 'vww',
    title: 'MobileNet v1 0.25, visual wake words',
    f32: 'mlperf-tiny/vww/vww_96_float.tflite',
    int: 'mlperf-tiny/vww/vww_96_int8.tflite',
    inputs: [
      'mlperf-tiny/golden/vww_96_int8.tflite.cat.in0.bin',
      'mlperf-tiny/golden/vww_96_int8.tflite.grace_hopper.in0.bin',
    ],
  },
  {
    name: 'ad',
    title: 'autoencoder, machine sounds',
    f32: 'mlperf-tiny/ad/ad01_fp32.tflite',
    int: 'mlperf-tiny/ad/ad01_int8.tflite',
    inputs: ['mlperf-tiny/golden/ad01_int8.tflite.in0.bin'],
  },
  {
    name: 'mobilenet-v1-0.25-128',
    title: 'MobileNet v1 0.25, ImageNet',
    int: 'models/tflite/mobilenet_v1_0.25_128_quant.tflite',
    inputs: ['models/golden/mobilenet_v1_0.25_128_quant.tflite.in0.bin'],
  },
  {
    name: 'mobilenet-v2-1.0-224',
    title: 'MobileNet v2 1.0, ImageNet',
    int: 'models/tflite/mobilenet_v2_1.0_224_quant.tflite',
    inputs: ['models/golden/mobilenet_v2_1.0_224_quant.tflite.in0.bin'],
  },
  {
    name: 'slim-320',
    title: 'slim face detector',
    f32: 'models/tflite/version-slim-320_without_postprocessing.tflite',
    inputs: ['models/golden/version-slim-320_without_postprocessing.tflite.in0.bin'],
  },
  {
    name: 'RFB-320',
    title: 'RFB face detector',
    f32: 'models/onnx/version-RFB-320.onnx',
    inputs: ['models/golden/version-slim-320.onnx.in0.bin'],
  },
];

/** As many inputs as this are fed in turn, so that no branch predictor learns one by heart. */
const mostInputs = 16;

/** Those of the networks whose name contains `filter` and whose files are there; says which are not. */
export function chooseNetworks(filter = '', from = networks) {
  const chosen = from.filter(({ name }) => name.includes(filter));
  if (chosen.length === 0) throw new Error(`no network is called "${filter}"`);
  const present = chosen.filter(({ name, f32, int, inputs }) => {
    const missing = [f32, int, ...inputs].filter((file) => file && !existsSync(join(dataFolder, file)));
    if (missing.length > 0)
      console.error(`${name} is left out, VIREO_DATA has no ${missing.join(', ')} (see docs/data.md)`);
    return missing.length === 0;
  });
  if (present.length === 0) process.exit(1);
  return present;
}

/** A file of the data folder. */
export const dataPath = (file) => join(dataFolder, file);

/** Its bytes. */
export function readBytes(file) {
  return new Uint8Array(readFileSync(dataPath(file))); // a buffer of its own, aligned
}

/** Both graphs of a network (or `null`) and the inputs for each, as typed arrays. */
export function loadNetwork(network) {
  const int = network.int ? readTflite(readBytes(network.int)) : null;
  // Float through and through: int8 weights (kws) become float32 and activations are not rounded in between.
  const f32 = network.f32 ? readFloat(network.f32) : floatTwin(int);
  const stored = network.inputs.map(readBytes);
  if (!int)
    return { f32, int, f32Inputs: stored.map(({ buffer }) => new Float32Array(buffer)), intInputs: [] };
  const { dtype, shape, quantization } = int.values[int.inputs[0]];
  const count = shape.reduce((product, extent) => product * extent, 1);
  const intInputs = [];
  for (const bytes of stored)
    for (let from = 0; from < bytes.length && intInputs.length < mostInputs; from += count) {
      const input = bytes.slice(from, from + count);
      if (network.flip) for (let i = 0; i < count; i++) input[i] ^= 0x80;
      intInputs.push(dtype === 'i8' ? new Int8Array(input.buffer) : input);
    }
  const f32Inputs = intInputs.map((input) => dequantize(input, shape, quantization));
  return { f32, int, f32Inputs, intInputs };
}

function readFloat(file) {
  const bytes = readBytes(file);
  return file.endsWith('.onnx') ? readOnnx(bytes) : readTflite(bytes, { hybrid: 'float' });
}

/** real = scale·(q − zeroPoint) */
function dequantize(data, shape, { scale, zeroPoint, axis }) {
  const inner = shape.slice(axis + 1).reduce((product, extent) => product * extent, 1);
  return Float32Array.from(data, (q, i) => {
    const c = scale.length === 1 ? 0 : Math.floor(i / inner) % scale.length;
    return scale[c] * (q - zeroPoint[c]);
  });
}

/** The same network in float: constants dequantised, nothing else changed. */
function floatTwin(graph) {
  const builder = new GraphBuilder(`${graph.name} in float`);
  const ids = new Map();
  const idOf = (id) => {
    if (!ids.has(id)) {
      const { name, dtype, shape, quantization, data } = graph.values[id];
      const isReal = quantization !== null;
      const values = isReal ? dequantize(data, shape, quantization) : data;
      ids.set(id, builder.constant(name, isReal ? 'f32' : dtype, shape, values));
    }
    return ids.get(id);
  };
  for (const id of graph.inputs)
    ids.set(id, builder.input(graph.values[id].name, 'f32', graph.values[id].shape));
  for (const { op, inputs, output } of graph.nodes) {
    const { name, shape } = graph.values[output];
    const x = inputs.map(idOf);
    ids.set(
      output,
      op.kind === 'convert' ? x[0] : builder.add(op, x, { name, dtype: 'f32', quantization: null, shape }),
    );
  }
  return builder.finish(graph.outputs.map(idOf));
}

/** Kernel sets by the name of the first: those behind it serve what it declines. */
export const kernelSets = { wasm: [wasm, js, reference], js: [js, reference], reference: [reference] };

/** A session with its inputs: `run()` feeds the next one and copies the result out, array in to array out. */
export function openRunner(graph, inputs, kernels) {
  const session = compile(graph, { kernels: kernelSets[kernels] });
  const input = session.input(0);
  const live = session.outputs.map((_, i) => session.output(i));
  const results = live.map((output) => output.slice());
  let next = 0;
  return {
    session,
    results,
    run: () => {
      input.set(inputs[next]);
      next = next + 1 === inputs.length ? 0 : next + 1;
      session.run();
      for (let i = 0; i < live.length; i++) results[i].set(live[i]);
    },
  };
}

/** The largest difference between a kernel set's outputs and the reference kernels', over `count` inputs. */
export function differenceFromReference(graph, inputs, kernels, count = 2) {
  const fast = compile(graph, { kernels: kernelSets[kernels] });
  const slow = compile(graph, { kernels: kernelSets.reference });
  let largest = 0;
  for (const x of inputs.slice(0, count)) {
    for (const session of [fast, slow]) {
      session.input(0).set(x);
      session.run();
    }
    slow.outputs.forEach((_, i) => {
      largest = Math.max(largest, maxDifference(fast.output(i), slow.output(i)));
    });
  }
  return largest;
}

/** max |a[i] − b[i]|; NaN anywhere, or a different length, is infinitely far. */
export function maxDifference(a, b) {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}
