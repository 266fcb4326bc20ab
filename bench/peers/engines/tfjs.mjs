/**
 * A vireo graph as TensorFlow.js operations, on whichever backend is set: TensorFlow.js reads no TFLite.
 *
 * Fused where TensorFlow.js fuses (convolution or dense + bias + activation), weights made once and already in
 * its layout, every run inside `tidy`, explicit padding as the graph states it.
 */
import * as tf from '@tensorflow/tfjs-core';
import { optimize } from '../../../dist/index.js';
import { loadNetwork } from '../../support/networks.mjs';

export const format = 'network';

/** Float networks only: the graph's clamps are fused by vireo's own rewrites first. */
export function open({ network }) {
  const { graph } = optimize(loadNetwork(network).f32);
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
  let results = [];
  return {
    prepare: (x) => x,
    run(x) {
      results = tf.tidy(() => {
        const values = new Map([[graph.inputs[0], tf.tensor(x, shape, 'float32')]]);
        for (const { output, run } of steps) values.set(output, run(values));
        return graph.outputs.map((id) => values.get(id).dataSync());
      });
    },
    outputs: () => results,
  };
}

/** One node as a function of the values computed so far. */
function operation(graph, { op, inputs, output }, constant) {
  const [a, b, c] = inputs;
  const { shape } = graph.values[output];
  const operand = (id) => {
    if (graph.values[id].data === null) return (values) => values.get(id);
    const tensor = constant(id);
    return () => tensor;
  };
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
      // (K, N) once at load: with `transposeB` the wasm backend's fused product is wrong.
      const w = constant(b, (weights) => tf.transpose(weights));
      const bias = c === undefined ? undefined : constant(c);
      const options = { b: w, bias, activation: activation(op.clamp) };
      return (values) => tf.fused.matMul({ a: values.get(a), ...options });
    }
    case 'averagePool2d': {
      const pad = tfPad(op.pad);
      return (values) => tf.avgPool(values.get(a), op.kernel, op.stride, pad);
    }
    case 'binary': {
      const compute = { add: tf.add, sub: tf.sub, mul: tf.mul, div: tf.div }[op.fn];
      if (!compute) throw new Error(`tfjs: ${op.fn} is not spelled out here`);
      const act = { linear: (t) => t, relu: tf.relu, relu6: tf.relu6 }[activation(op.clamp)];
      const [x, y] = [operand(a), operand(b)];
      return (values) => act(compute(x(values), y(values)));
    }
    case 'unary':
      if (op.fn !== 'exp') throw new Error(`tfjs: ${op.fn} is not spelled out here`);
      return (values) => tf.exp(values.get(a));
    case 'softmax':
      return (values) => tf.softmax(values.get(a));
    case 'reshape':
      return (values) => tf.reshape(values.get(a), shape);
    case 'transpose':
      return (values) => tf.transpose(values.get(a), op.perm);
    case 'concat': {
      const parts = inputs.map(operand);
      return (values) =>
        tf.concat(
          parts.map((part) => part(values)),
          op.axis,
        );
    }
    case 'slice':
      if (op.step.some((step) => step !== 1))
        throw new Error('tfjs: slices with steps are not spelled out here');
      return (values) => tf.slice(values.get(a), op.begin, op.size);
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
