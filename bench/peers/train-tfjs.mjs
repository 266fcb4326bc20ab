/**
 * A step of training in TensorFlow.js: vireo's graph up to its logits in tfjs operations, `softmaxCrossEntropy`, and
 * `tf.train.momentum(…).minimize`, everything inside `tidy`, production mode.
 *
 * Weights are variables in tfjs' own layout, made once: convolutions (kH, kW, inC, outC), dense layers (in, out).
 * Batch normalisation is `moments` and `batchNorm`, running averages assigned beside it, as TensorFlow.js' layers do.
 */
import * as tf from '@tensorflow/tfjs-core';
import './train-gradients.mjs';

export function open({ graph, logits, rate, momentum }) {
  const nodes = leadingTo(graph, logits);
  const kept = statesOf(graph, nodes);
  const variables = new Map(kept.map(({ id, state }) => [id, state.held]));
  const trained = kept.flatMap(({ state }) => state.trained);
  const steps = nodes.map((node) => ({ output: node.output, run: operation(graph, node) }));
  const [x, targets] = ['x', 'targets'].map((name) => {
    const id = graph.values.findIndex((value) => value.name === name);
    return { id, shape: graph.values[id].shape };
  });
  let optimizer = tf.train.momentum(rate, momentum);
  return {
    step: (batch) =>
      tf.tidy(() => {
        const pictures = tf.tensor(batch.x, x.shape, 'float32');
        const wanted = tf.tensor(batch.targets, targets.shape, 'float32');
        const forward = () => {
          const values = new Map(variables).set(x.id, pictures);
          for (const { output, run } of steps) values.set(output, run(values));
          return tf.losses.softmaxCrossEntropy(wanted, values.get(logits));
        };
        return optimizer.minimize(forward, true, trained).dataSync()[0];
      }),
    reset() {
      for (const { state } of kept) state.reset();
      optimizer.dispose();
      optimizer = tf.train.momentum(rate, momentum);
    },
    states: () => new Map(kept.map(({ name, state }) => [name, state.read()])),
  };
}

/** The nodes that `id` depends on, in order. */
function leadingTo(graph, id) {
  const needed = new Set([id]);
  for (const { inputs, output } of graph.nodes.toReversed())
    if (needed.has(output)) for (const input of inputs) needed.add(input);
  return graph.nodes.filter(({ output }) => needed.has(output));
}

/** A state: as tfjs holds it, those of its variables that are trained, and as vireo has it in `read()`. */
function statesOf(graph, nodes) {
  const make = new Map();
  for (const { op, inputs } of nodes) {
    if (op.kind === 'conv2d') make.set(inputs[1], parameter([1, 2, 3, 0], [3, 0, 1, 2]));
    if (op.kind === 'dense') make.set(inputs[1], parameter([1, 0], [1, 0]));
    if (op.kind === 'training' && op.fn === 'moments') make.set(inputs[1], averages);
  }
  return graph.states.map(({ input, data }) => {
    const id = graph.inputs[input];
    const { name, shape } = graph.values[id];
    return { id, name, state: (make.get(id) ?? parameter([0], [0]))(data, shape) };
  });
}

/** `perm`: axis j of tfjs' layout is axis perm[j] of vireo's; `back` the other way. */
function parameter(perm, back) {
  return (data, shape) => {
    const first = tf.tidy(() => tf.transpose(tf.tensor(data, shape, 'float32'), perm));
    const held = tf.variable(first);
    const read = () => tf.tidy(() => tf.transpose(held, back).dataSync().slice());
    return { held, trained: [held], reset: () => held.assign(first), read };
  };
}

/** (2, C): means, variances. */
function averages(data, [, c]) {
  const first = [0, c].map((from) => tf.tensor(data.slice(from, from + c), [c], 'float32'));
  const held = first.map((row) => tf.variable(row, false));
  const read = () => Float32Array.from(held.flatMap((row) => [...row.dataSync()]));
  const reset = () => {
    for (const [i, row] of held.entries()) row.assign(first[i]);
  };
  return { held, trained: [], reset, read };
}

/** One node as a function of the values computed so far; of moments the value is the pair of tensors. */
function operation(graph, { name, op, inputs, output }) {
  const [a, b, c, d] = inputs;
  const { shape } = graph.values[output];
  switch (op.kind) {
    case 'conv2d': {
      const clamped = activation(op.clamp);
      const pad = tfPad(op.pad);
      return (values) => {
        const y = tf.conv2d(values.get(a), values.get(b), op.stride, pad);
        return clamped(c === undefined ? y : tf.add(y, values.get(c)));
      };
    }
    case 'dense': {
      const clamped = activation(op.clamp);
      return (values) => clamped(tf.add(tf.matMul(values.get(a), values.get(b)), values.get(c)));
    }
    case 'maxPool2d': {
      const pad = tfPad(op.pad);
      return (values) => tf.maxPool(values.get(a), op.kernel, op.stride, pad);
    }
    case 'reduce':
      if (op.fn !== 'mean') break;
      return (values) => tf.mean(values.get(a), op.axes);
    case 'reshape':
      return (values) => tf.reshape(values.get(a), shape);
    case 'clamp': {
      const clamped = activation(op.clamp);
      return (values) => clamped(values.get(a));
    }
    case 'binary': {
      if (op.fn !== 'add') break;
      const clamped = activation(op.clamp);
      return (values) => clamped(tf.add(values.get(a), values.get(b)));
    }
    case 'training':
      if (op.fn === 'moments') return moments(a, b, shareOf(graph, name));
      if (op.fn !== 'batchNorm') break;
      return (values) => {
        const [mean, variance] = values.get(b);
        return tf.batchNorm(values.get(a), mean, variance, values.get(d), values.get(c), op.epsilon);
      };
  }
  throw new Error(`tfjs: ${op.kind} ${op.fn ?? ''} is not spelled out here`);
}

/** running ← running − share·(running − statistic) */
function moments(x, running, share) {
  return (values) => {
    const tensor = values.get(x);
    const { mean, variance } = tf.moments(tensor, tensor.shape.map((_, axis) => axis).slice(0, -1));
    values.get(running).forEach((held, i) => {
      held.assign(tf.sub(held, tf.mul(tf.sub(held, i === 0 ? mean : variance), share)));
    });
    return [mean, variance];
  };
}

function shareOf(graph, name) {
  return graph.values.find((value) => value.name === name.replace(/moments$/, 'share')).data[0];
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
  if (min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY) return (x) => x;
  if (min === 0 && max === Number.POSITIVE_INFINITY) return tf.relu;
  throw new Error(`tfjs: no activation clamps to ${min}…${max}`);
}
