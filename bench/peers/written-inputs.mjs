/** Every network of the data folder with inputs that it was made for, and outputs of others for them where stored. */
import { existsSync, readdirSync } from 'node:fs';
import { decodePng } from '../../dist/io/image/index.js';
import { readOnnx } from '../../dist/io/onnx/index.js';
import { readTflite } from '../../dist/io/tflite/index.js';
import { dataPath, loadNetwork, networks, readBytes } from '../support/networks.mjs';
import { modelFor, openKind } from './networks.mjs';

const folders = ['ad', 'ic', 'kws', 'sww', 'vww'].map((name) => `mlperf-tiny/${name}`);
/** Operators of another house: vireo does not read them. */
const foreign = /audio_preprocessor|pre_post_processing/;

export function networkFiles(filter = '') {
  const files = [...folders, 'models/tflite', 'models/onnx', 'peer-models'].flatMap((folder) =>
    existsSync(dataPath(folder)) ? readdirSync(dataPath(folder)).map((name) => `${folder}/${name}`) : [],
  );
  return files.filter(
    (file) => /\.(tflite|onnx)$/.test(file) && !foreign.test(file) && file.includes(filter),
  );
}

export function readNetwork(file) {
  const bytes = readBytes(file);
  if (file.endsWith('.tflite')) return readTflite(bytes);
  return readOnnx(bytes, { shapes: file.includes('ocr') ? { x: [1, 3, 48, 192] } : {} });
}

/** `{ inputs, stored }`: arrays for input 0, and for each of them the outputs that others computed, or none. */
export function inputsOf(file, graph, most) {
  const { dtype, shape } = graph.values[graph.inputs[0]];
  const size = shape.reduce((product, extent) => product * extent, 1);
  const fit = (bytes) => arrayOf(dtype, bytes).subarray(0, size);
  const set = sets.find(({ network }) => network === file);
  if (set) {
    const given = readBytes(set.inputs);
    if (set.flip) for (let i = 0; i < given.length; i++) given[i] ^= 128;
    const outputs = readBytes(set.outputs);
    const width = graph.values[graph.outputs[0]].shape.at(-1);
    const items = Array.from({ length: most }, (_, i) => i);
    return {
      inputs: items.map((i) => fit(given.slice(i * size, (i + 1) * size))),
      stored: items.map((i) => [arrayOf(dtype, outputs.slice(i * width, (i + 1) * width))]),
    };
  }
  const golden = goldenOf(file);
  if (golden.length > 0)
    return {
      inputs: golden.map(({ input }) => fit(readBytes(input))),
      stored: golden.map(({ outputs }) =>
        graph.outputs.map((id) => {
          const { name, dtype: type } = graph.values[id];
          return arrayOf(type, readBytes((outputs.find((one) => one.name === name) ?? outputs[0]).file));
        }),
      ),
    };
  const inputs = twinInputs(file, dtype) ?? ownInputs(file) ?? pictureInput(file, shape, dtype);
  return { inputs: (inputs ?? noise(dtype, size)).slice(0, most), stored: [] };
}

/** Many inputs with their outputs, computed by TensorFlow Lite. */
const sets = [
  {
    network: 'mlperf-tiny/kws/kws_ref_model.tflite',
    inputs: 'mlperf-tiny/kws/kws01-inputs-700.bin',
    outputs: 'mlperf-tiny/kws/kws01-int8-outputs-700.bin',
  },
  {
    network: 'mlperf-tiny/ic/pretrainedResnet_quant.tflite',
    inputs: 'cifar10/test-images-0000-4999.bin',
    outputs: 'mlperf-tiny/ic/pretrainedResnet_quant-int8-outputs-0000-4999.bin',
    flip: true,
  },
];

/** Single inputs with their outputs: TensorFlow Lite's, or onnxruntime's. */
function goldenOf(file) {
  const folder = `${file.split('/')[0]}/golden`;
  if (!existsSync(dataPath(`${folder}/golden.json`))) return [];
  const entries = JSON.parse(new TextDecoder().decode(readBytes(`${folder}/golden.json`)));
  return entries
    .filter(({ model }) => file.endsWith(`/${model}`))
    .map(({ input, outputs }) => ({
      input: `${folder}/${input.file}`,
      outputs: outputs.map((output) => ({ name: output.name, file: `${folder}/${output.file}` })),
    }));
}

const twinOf = { mbv1: 'mobilenet-v1-0.25-128', mbv2: 'mobilenet-v2-1.0-224' };

/** Of the ONNX twins: those of the TFLite network, planar, and uint8 where those are int8. */
function twinInputs(file, dtype) {
  const [, name, kind] = /peer-models\/(\w+?)_(f32|i8)/.exec(file) ?? [];
  const network = networks.find((one) => one.name === (twinOf[name] ?? name));
  if (!network) return null;
  const which = kind === 'f32' ? 'f32' : 'int';
  const { inputs } = modelFor('onnx', network, which, openKind(network, which));
  const isShifted = dtype === 'u8' && inputs[0] instanceof Int8Array;
  return isShifted ? inputs.map((x) => Uint8Array.from(x, (q) => q + 128)) : inputs;
}

/** Of a float network whose integer twin has inputs. */
function ownInputs(file) {
  const network = networks.find(({ f32, int }) => f32 === file || int === file);
  if (!network) return null;
  const { f32Inputs, intInputs } = loadNetwork(network);
  return network.int === file ? intInputs : f32Inputs;
}

const pictures = { person_detect: ['person', 'no_person'], deeplabv3: ['bird_segmentation'] };

/** Nearest cells of a picture. */
function pictureInput(file, [, height, width, channels], dtype) {
  const names = Object.entries(pictures).find(([network]) => file.includes(network))?.[1];
  return names?.map((name) => {
    const picture = decodePng(readBytes(`models/images/${name}.png`));
    const depth = picture.data.length / (picture.width * picture.height);
    const x = arrayOf(dtype, new Uint8Array(height * width * channels));
    let at = 0;
    for (let h = 0; h < height; h++)
      for (let w = 0; w < width; w++)
        for (let c = 0; c < channels; c++) {
          const row = Math.floor(((h + 0.5) * picture.height) / height);
          const column = Math.floor(((w + 0.5) * picture.width) / width);
          const value = picture.data[(row * picture.width + column) * depth + Math.min(c, depth - 1)];
          x[at++] = dtype === 'i8' ? value - 128 : value;
        }
    return x;
  });
}

/** Numbers from a seed (xorshift32). */
function noise(dtype, size) {
  let state = 2463534242;
  const next = () => {
    state = (state ^ (state << 13)) >>> 0;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: 16 }, () => {
    const x = arrayOf(dtype, new Uint8Array(size * (dtype === 'f32' ? 4 : 1)));
    for (let i = 0; i < size; i++) x[i] = dtype === 'f32' ? next() * 6 : Math.floor(next() * 256);
    return x;
  });
}

const arrays = { f32: Float32Array, i8: Int8Array, u8: Uint8Array, i64: BigInt64Array };

const arrayOf = (dtype, bytes) =>
  new arrays[dtype](bytes.buffer, bytes.byteOffset, bytes.byteLength / arrays[dtype].BYTES_PER_ELEMENT);
