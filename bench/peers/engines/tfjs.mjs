/**
 * A vireo graph as TensorFlow.js operations on the `cpu` backend, plain JavaScript like vireo's own kernels.
 *
 * Fused where TensorFlow.js fuses (convolution or dense + bias + activation), weights made once and already in
 * its layout, every run inside `tidy`, explicit padding as the graph states it.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

tf.enableProdMode();
await tf.setBackend('cpu');
await tf.ready();

export const version = `tfjs ${tf.version_core}, ${tf.getBackend()}`;

/** Returns x ↦ outputs, typed array in and typed arrays out. The graph is float, its clamps already fused. */
export function tfjsRunner(graph) {
  const constants = new Map();
  const constant = (id, change = (t) => t) => {
    if (!constants.has(id)) {
      const { data, shape } = graph.values[id];
      constants.set(id, change(tf.tensor(data, shape, 'float32')));
    }
    return constants.get(id);
  };
  const steps = graph.nodes.map((node) => ({ output: node.output, run: operation(graph, node, constant) }));
  const { shape } = graph.values[graph.inputs[0]];
  return (input) =>
    tf.tidy(() => {
      const values = new Map([[graph.inputs[0], tf.tensor(input, shape, 'float32')]]);
      for (const { output, run } of steps) values.set(output, run(values));
      return graph.outputs.map((id) => values.get(id).dataSync());
    });
}

/** One node as a function of the values computed so far. */
function operation(graph, { op, inputs, output }, constant) {
  const [a, b, c] = inputs;
  const isConstant = (id) => graph.values[id].data !== null;
  const { shape } = graph.values[output];
  switch (op.kind) {
    case 'conv2d': {
      const filter = constant(b, (w) => tf.transpose(w, [1, 2, 3, 0])); // (kH, kW, inC, outC)
      const bias = c === undefined ? undefined : constant(c);
      const options = { ...window(op), filter, bias, activation: activation(op.clamp) };
      return (values) => tf.fused.conv2d({ x: values.get(a), ...options });
    }
    case 'depthwiseConv2d': {
      const inC = graph.values[a].shape[3];
      const filter = constant(b, (w) => tf.reshape(w, [w.shape[1], w.shape[2], inC, w.shape[3] / inC]));
      const bias = c === undefined ? undefined : constant(c);
      const options = { ...window(op), filter, bias, activation: activation(op.clamp) };
      return (values) => tf.fused.depthwiseConv2d({ x: values.get(a), ...options });
    }
    case 'dense': {
      const w = constant(b, (weights) => tf.transpose(weights)); // (K, N)
      const bias = c === undefined ? undefined : constant(c);
      const options = { b: w, bias, activation: activation(op.clamp) };
      return (values) => tf.fused.matMul({ a: values.get(a), ...options });
    }
    case 'averagePool2d': {
      const pad = tfPad(op.pad);
      return (values) => tf.avgPool(values.get(a), op.kernel, op.stride, pad);
    }
    case 'binary': {
      if (op.fn !== 'add' || isConstant(b)) throw new Error(`tfjs: no ${op.fn} of these operands here`);
      const act = { linear: (t) => t, relu: tf.relu, relu6: tf.relu6 }[activation(op.clamp)];
      return (values) => act(tf.add(values.get(a), values.get(b)));
    }
    case 'softmax':
      return (values) => tf.softmax(values.get(a));
    case 'reshape':
      return (values) => tf.reshape(values.get(a), shape);
    default:
      throw new Error(`tfjs: ${op.kind} is not spelled out here`);
  }
}

function window({ stride, dilation, pad }) {
  return { strides: stride, dilations: dilation, pad: tfPad(pad) };
}

function tfPad({ top, left, bottom, right }) {
  if (top + left + bottom + right === 0) return 'valid';
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

function activation({ min, max }) {
  if (min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY) return 'linear';
  if (min === 0 && max === Number.POSITIVE_INFINITY) return 'relu';
  if (min === 0 && max === 6) return 'relu6';
  throw new Error(`tfjs: no activation clamps to ${min}…${max}`);
}
