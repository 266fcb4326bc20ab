/**
 * A float graph of vireo's as a .tflite file, for engines that read nothing else: networks that exist as int8 or
 * ONNX only. No more operators than those networks have.
 *
 * Format: tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3; tables are written by field number.
 */
import { Builder } from 'flatbuffers';

const operators = {
  ADD: 0,
  AVERAGE_POOL_2D: 1,
  CONCATENATION: 2,
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 4,
  FULLY_CONNECTED: 9,
  MUL: 18,
  RESHAPE: 22,
  SOFTMAX: 25,
  PAD: 34,
  TRANSPOSE: 39,
  SUB: 41,
  DIV: 42,
  EXP: 47,
  SLICE: 65,
};
const names = Object.keys(operators);
const tensorTypes = { f32: 0, i32: 2 };

/** Bytes of the file. The graph is optimised: clamps are fused, constants folded. */
export function writeTflite(graph) {
  const plan = flatten(graph);
  const b = new Builder(1 << 20);
  const vector = (items, add, bytes = 4) => {
    b.startVector(bytes, items.length, bytes);
    for (let i = items.length - 1; i >= 0; i--) add.call(b, items[i]);
    return b.endVector();
  };
  const offsets = (items) => vector(items, b.addOffset);
  const ints = (items) => vector(items, b.addInt32);
  /** `fields`: [slot, kind, value], kind a method of Builder without its `addField`. */
  const tableOf = (slots, fields) => {
    b.startObject(slots);
    for (const [slot, kind, value] of fields) b[`addField${kind}`](slot, value, kind === 'Offset' ? 0 : null);
    return b.endObject();
  };
  const bytesVector = (data) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    b.startVector(1, bytes.length, 16); // tensors lie at multiples of 16
    b.bb.setPosition((b.space -= bytes.length));
    b.bb.bytes().set(bytes, b.space);
    return b.endVector();
  };

  const buffers = [tableOf(3, [])]; // the first is empty, for what is computed
  const tensors = plan.values.map(({ name, dtype, shape, data }) => {
    let buffer = 0;
    if (data) {
      const bytes = bytesVector(data);
      buffer = buffers.push(tableOf(3, [[0, 'Offset', bytes]])) - 1;
    }
    const [label, extents] = [b.createString(name), ints(shape)];
    return tableOf(8, [
      [0, 'Offset', extents],
      [1, 'Int8', tensorTypes[dtype]],
      [2, 'Int32', buffer],
      [3, 'Offset', label],
    ]);
  });
  const nodes = plan.nodes.map(({ code, inputs, output, options }) => {
    const table = options ? tableOf(options.slots, options.fields) : 0;
    const [from, to] = [ints(inputs), ints([output])];
    return tableOf(9, [
      [0, 'Int32', names.indexOf(code)],
      [1, 'Offset', from],
      [2, 'Offset', to],
      ...(options
        ? [
            [3, 'Int8', options.union],
            [4, 'Offset', table],
          ]
        : []),
    ]);
  });
  const codes = names.map((code) =>
    tableOf(4, [
      [0, 'Int8', operators[code]],
      [2, 'Int32', 1],
      [3, 'Int32', operators[code]],
    ]),
  );
  const [tensorList, inputs, outputs, nodeList] = [
    offsets(tensors),
    ints(plan.inputs),
    ints(plan.outputs),
    offsets(nodes),
  ];
  const subgraph = tableOf(5, [
    [0, 'Offset', tensorList],
    [1, 'Offset', inputs],
    [2, 'Offset', outputs],
    [3, 'Offset', nodeList],
  ]);
  const [codeList, subgraphs, bufferList] = [offsets(codes), offsets([subgraph]), offsets(buffers)];
  b.finish(
    tableOf(8, [
      [0, 'Int32', 3],
      [1, 'Offset', codeList],
      [2, 'Offset', subgraphs],
      [4, 'Offset', bufferList],
    ]),
    'TFL3',
  );
  return b.asUint8Array().slice();
}

/** TFLite's operators with numbered tensors. A graph that begins by turning NCHW to NHWC takes NHWC instead. */
function flatten(graph) {
  const values = [];
  const nodes = [];
  const idOf = new Map();
  const add = (name, dtype, shape, data = null) => values.push({ name, dtype, shape, data }) - 1;
  const tensor = (id) => {
    if (!idOf.has(id)) {
      const { name, dtype, shape, data } = graph.values[id];
      idOf.set(id, add(name, dtype, shape, data));
    }
    return idOf.get(id);
  };
  const indices = (name, list) => add(name, 'i32', [list.length], Int32Array.from(list));
  const emit = (code, inputs, output, options = null) => nodes.push({ code, inputs, output, options });

  const inputs = graph.inputs.map((id) => {
    const users = graph.nodes.filter((node) => node.inputs.includes(id));
    const isTurned =
      users.length === 1 && users[0].op.kind === 'transpose' && `${users[0].op.perm}` === '0,2,3,1';
    return isTurned ? users[0].output : id;
  });
  for (const id of inputs) tensor(id);
  for (const { op, inputs: from, output: to } of graph.nodes) {
    if (inputs.includes(to)) continue;
    const { name, shape } = graph.values[to];
    const [x, w] = from;
    const output = tensor(to);
    const operands = () => from.map(tensor);
    const bias = () => from[2] ?? null;
    switch (op.kind) {
      case 'conv2d':
      case 'depthwiseConv2d': {
        if ((op.groups ?? 1) !== 1) throw new Error(`TFLite twin: groups of "${name}"`);
        const isDeep = op.kind === 'depthwiseConv2d';
        const inShape = graph.values[x].shape;
        const wShape = graph.values[w].shape;
        let source = tensor(x);
        const padding = paddingOf(op, inShape, wShape, shape);
        if (padding === null) {
          const { top, left, bottom, right } = op.pad;
          const padded = [inShape[0], inShape[1] + top + bottom, inShape[2] + left + right, inShape[3]];
          const amounts = Int32Array.of(0, 0, top, bottom, left, right, 0, 0);
          const pads = add(`${name}/pads`, 'i32', [4, 2], amounts);
          const target = add(`${name}/padded`, 'f32', padded);
          emit('PAD', [source, pads], target);
          source = target;
        }
        const zeros = () => add(`${name}/bias`, 'f32', [shape[3]], new Float32Array(shape[3]));
        const operandsOf = [source, tensor(w), bias() === null ? zeros() : tensor(bias())];
        const shared = [
          [0, 'Int8', padding ?? 1],
          [1, 'Int32', op.stride[1]],
          [2, 'Int32', op.stride[0]],
        ];
        const [dilationH, dilationW] = op.dilation;
        if (isDeep)
          emit('DEPTHWISE_CONV_2D', operandsOf, output, {
            union: 2,
            slots: 7,
            fields: [
              ...shared,
              [3, 'Int32', shape[3] / inShape[3]],
              [4, 'Int8', activation(op.clamp)],
              [5, 'Int32', dilationW],
              [6, 'Int32', dilationH],
            ],
          });
        else
          emit('CONV_2D', operandsOf, output, {
            union: 1,
            slots: 6,
            fields: [
              ...shared,
              [3, 'Int8', activation(op.clamp)],
              [4, 'Int32', dilationW],
              [5, 'Int32', dilationH],
            ],
          });
        break;
      }
      case 'dense':
        emit('FULLY_CONNECTED', operands(), output, {
          union: 8,
          slots: 1,
          fields: [[0, 'Int8', activation(op.clamp)]],
        });
        break;
      case 'averagePool2d':
        if (Object.values(op.pad).some((p) => p !== 0)) throw new Error(`TFLite twin: padding of "${name}"`);
        emit('AVERAGE_POOL_2D', [tensor(x)], output, {
          union: 5,
          slots: 6,
          fields: [
            [0, 'Int8', 1],
            [1, 'Int32', op.stride[1]],
            [2, 'Int32', op.stride[0]],
            [3, 'Int32', op.kernel[1]],
            [4, 'Int32', op.kernel[0]],
          ],
        });
        break;
      case 'binary': {
        const code = op.fn.toUpperCase();
        const union = { ADD: 11, MUL: 21, SUB: 28, DIV: 29 }[code];
        if (!union) throw new Error(`TFLite twin: ${op.fn}`);
        emit(code, operands(), output, { union, slots: 1, fields: [[0, 'Int8', activation(op.clamp)]] });
        break;
      }
      case 'unary':
        if (op.fn !== 'exp') throw new Error(`TFLite twin: ${op.fn}`);
        emit('EXP', operands(), output);
        break;
      case 'softmax':
        emit('SOFTMAX', operands(), output, { union: 9, slots: 1, fields: [[0, 'Float32', op.beta]] });
        break;
      case 'reshape':
        emit('RESHAPE', [tensor(x), indices(`${name}/shape`, shape)], output);
        break;
      case 'transpose':
        emit('TRANSPOSE', [tensor(x), indices(`${name}/perm`, op.perm)], output);
        break;
      case 'concat':
        emit('CONCATENATION', operands(), output, { union: 10, slots: 2, fields: [[0, 'Int32', op.axis]] });
        break;
      case 'slice':
        if (op.step.some((step) => step !== 1)) throw new Error(`TFLite twin: steps of "${name}"`);
        emit(
          'SLICE',
          [tensor(x), indices(`${name}/begin`, op.begin), indices(`${name}/size`, op.size)],
          output,
        );
        break;
      default:
        throw new Error(`TFLite twin: ${op.kind}`);
    }
  }
  return { values, nodes, inputs: inputs.map(tensor), outputs: graph.outputs.map(tensor) };
}

/** 0 SAME, 1 VALID, or null: neither of TFLite's two says this padding. */
function paddingOf({ pad, stride, dilation }, inShape, wShape, outShape) {
  const { top, left, bottom, right } = pad;
  if (top + left + bottom + right === 0) return 1;
  const same = [0, 1].map((axis) => {
    const reach = (outShape[axis + 1] - 1) * stride[axis] + (wShape[axis + 1] - 1) * dilation[axis] + 1;
    const total = Math.max(0, reach - inShape[axis + 1]);
    const fits = Math.ceil(inShape[axis + 1] / stride[axis]) === outShape[axis + 1];
    return fits ? [total >> 1, total - (total >> 1)] : [-1, -1];
  });
  return `${same}` === `${[top, bottom, left, right]}` ? 0 : null;
}

function activation({ min, max }) {
  if (min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY) return 0;
  if (min === 0 && max === Number.POSITIVE_INFINITY) return 1;
  if (min === 0 && max === 6) return 3;
  throw new Error(`TFLite twin: no activation clamps to ${min}…${max}`);
}
