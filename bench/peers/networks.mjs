/** The networks as each engine can read them: vireo's and TensorFlow.js' graph, a .tflite file, an ONNX twin. */
import { optimize } from '../../dist/index.js';
import { readOnnx } from '../../dist/io/onnx/index.js';
import { dataPath, loadNetwork, networks, readBytes } from '../support/networks.mjs';
import { plainInitializers } from './onnx-inputs.mjs';
import { writeTflite } from './tflite-twin.mjs';

/**
 * ONNX twins, by kind. Those of TFLite networks are NCHW, and uint8 where those are int8 (stored + 128).
 * `isClose`: published together with the other file, but its weights differ in the last digits.
 * `rewritten`: the float .tflite is made anew, since that of kws has int8 weights under float activations, and that
 * of slim-320 declares other output shapes than it computes.
 */
const twins = {
  ic: { f32: 'peer-models/ic_f32.onnx', int: 'peer-models/ic_i8.onnx' },
  kws: { f32: 'peer-models/kws_f32.onnx', int: 'peer-models/kws_i8.onnx', rewritten: true },
  vww: { f32: 'peer-models/vww_f32.onnx', int: 'peer-models/vww_i8.onnx' },
  ad: { f32: 'peer-models/ad_f32.onnx', int: 'peer-models/ad_i8.onnx' },
  'mobilenet-v1-0.25-128': { f32: 'peer-models/mbv1_f32.onnx', int: 'peer-models/mbv1_i8.w8.onnx' },
  'mobilenet-v2-1.0-224': { f32: 'peer-models/mbv2_f32.onnx', int: 'peer-models/mbv2_i8.w8.onnx' },
  'slim-320': {
    f32: 'models/onnx/version-slim-320_without_postprocessing.onnx',
    isClose: true,
    rewritten: true,
  },
  'RFB-320': { f32: 'models/onnx/version-RFB-320.onnx' },
};

export const peerNetworks = networks.filter(({ name }) => twins[name]);

/** What is the same for every engine: graph, inputs, and the shapes and types at its ends. */
export function openKind(network, kind) {
  const { f32, int, f32Inputs, intInputs } = loadNetwork(network);
  const graph = kind === 'f32' ? f32 : int;
  const [input] = graph.inputs.map((id) => graph.values[id]);
  return {
    graph,
    inputs: kind === 'f32' ? f32Inputs : intInputs,
    ends: {
      dtype: input.dtype,
      inputShape: input.shape,
      outputShapes: graph.outputs.map((id) => graph.values[id].shape),
    },
  };
}

/**
 * What an engine that reads `format` opens, and its inputs as it takes them; `twin` is the graph of its file where
 * that computes something a little different.
 */
export function modelFor(format, network, kind, { graph, inputs, ends }) {
  const file = network[kind];
  const twin = twins[network.name];
  const isPlanar = file?.endsWith('.onnx'); // vireo's graph takes NCHW, as its file does
  if (format === 'network') return { model: { ...ends, network, kind }, inputs };
  if (format === 'onnx') {
    const bytes = plainInitializers(readBytes(twin[kind]));
    const model = { ...ends, bytes };
    const result = isPlanar ? { model, inputs } : turned(model, inputs, [0, 3, 1, 2]);
    return twin.isClose ? { ...result, twin: readOnnx(bytes) } : result;
  }
  if (kind === 'int') return { model: { ...ends, bytes: readBytes(file) }, inputs };
  const isPublished = file?.endsWith('.tflite') && !twin.rewritten;
  const model = { ...ends, bytes: isPublished ? readBytes(file) : writeTflite(optimize(graph).graph) };
  return isPlanar ? turned(model, inputs, [0, 2, 3, 1]) : { model, inputs };
}

/** File and ends of an int8 network, for a process that reads it itself. */
export function modelFile(network, format) {
  const { ends } = openKind(network, 'int');
  if (format !== 'onnx') return { ...ends, file: dataPath(network.int) };
  const { model } = turned(ends, [], [0, 3, 1, 2]);
  return { ...model, file: dataPath(twins[network.name].int) };
}

/** The same with the axes of a picture in another order: output axis j is input axis perm[j]. */
function turned(model, inputs, perm) {
  const shape = model.inputShape;
  if (shape.length !== 4) return { model, inputs };
  const inputShape = perm.map((axis) => shape[axis]);
  const strides = perm.map((axis) => shape.slice(axis + 1).reduce((product, extent) => product * extent, 1));
  const turn = (x) => {
    const out = new x.constructor(x.length);
    let to = 0;
    for (let a = 0; a < inputShape[1]; a++)
      for (let b = 0; b < inputShape[2]; b++)
        for (let c = 0; c < inputShape[3]; c++)
          out[to++] = x[a * strides[1] + b * strides[2] + c * strides[3]];
    return out;
  };
  return { model: { ...model, inputShape }, inputs: inputs.map(turn) };
}
