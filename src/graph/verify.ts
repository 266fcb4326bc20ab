/**
 * Checks a graph once, at the door, so that everything after may trust it: order, shapes, dtypes,
 * quantisation and the length of every constant. Throws `VireoError('bad-graph')` naming the place.
 */
import { VireoError } from '../errors.ts';
import type { BinaryFn } from '../kernels/call.ts';
import { type DType, elementCount, sameShape, showShape } from '../tensor.ts';
import type { Graph, Node, Value } from './ir.ts';
import { checkTensorSize, defaultLimits, type Limits } from './limits.ts';
import { inferShape } from './shapes.ts';
import { checkTasks } from './tasks.ts';

export function verify(graph: Graph, limits: Limits = defaultLimits): void {
  const fail = (message: string): never => {
    throw new VireoError('bad-graph', `graph "${graph.name}": ${message}`);
  };
  const ready = new Set<number>();
  const check = (id: number, where: string): Value => {
    const value = graph.values[id] ?? fail(`${where}: value ${id} does not exist`);
    return ready.has(id) ? value : fail(`${where}: "${value.name}" is used before it is made`);
  };
  graph.values.forEach((value, id) => {
    checkTensorSize(value.name, value.dtype, value.shape, limits);
    checkQuantization(value);
    if (!value.data) return;
    if (value.data.length !== elementCount(value.shape))
      fail(
        `constant "${value.name}": ${showShape(value.shape)} expects ${elementCount(value.shape)} elements, got ${value.data.length}`,
      );
    ready.add(id);
  });
  for (const id of graph.inputs) {
    const value = graph.values[id] ?? fail(`input ${id} does not exist`);
    if (ready.has(id)) fail(`input "${value.name}" is a constant or listed twice`);
    ready.add(id);
  }
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => check(id, node.name));
    const output = graph.values[node.output] ?? fail(`${node.name}: value ${node.output} does not exist`);
    if (ready.has(node.output)) fail(`"${output.name}" is made twice`);
    const shape = inferShape(node.op, inputs, node.name, output.shape);
    if (!sameShape(shape, output.shape))
      fail(
        `${node.op.kind} "${node.name}": makes ${showShape(shape)}, its output is declared ${showShape(output.shape)}`,
      );
    checkTypes(node, inputs, output);
    ready.add(node.output);
  }
  graph.outputs.forEach((id) => {
    check(id, 'an output');
  });
  for (const { input, output, data } of graph.states ?? []) {
    const value = graph.values[graph.inputs[input]] ?? fail(`a state names input ${input}`);
    const next = output === null ? value : graph.values[graph.outputs[output]];
    if (!next || next.dtype !== value.dtype || !sameShape(next.shape, value.shape))
      fail(`state "${value.name}": its next value is not ${value.dtype}${showShape(value.shape)}`);
    if (data.length !== elementCount(value.shape))
      fail(`state "${value.name}": ${showShape(value.shape)} does not hold ${data.length} elements`);
  }
  checkTasks(graph, fail);
}

const range: Partial<Record<DType, readonly [number, number]>> = {
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32768, 32767],
  u16: [0, 65535],
};

function checkQuantization(value: Value): void {
  const q = value.quantization;
  if (!q) return;
  const fail = (message: string): never => {
    throw new VireoError('bad-graph', `quantisation of "${value.name}": ${message}`);
  };
  const perAxis = q.scale.length !== 1;
  if (perAxis && q.scale.length !== value.shape[q.axis])
    fail(`axis ${q.axis} of ${showShape(value.shape)} does not have ${q.scale.length} scales`);
  if (q.zeroPoint.length !== q.scale.length)
    fail(`${q.scale.length} scales but ${q.zeroPoint.length} zero points`);
  for (const s of q.scale) if (!(s > 0) || !Number.isFinite(s)) fail(`scale ${s} is not a positive number`);
  const [low, high] = range[value.dtype] ?? [-(2 ** 31), 2 ** 31 - 1];
  for (const z of q.zeroPoint)
    if (!Number.isInteger(z) || z < low || z > high) fail(`zero point ${z} is outside ${value.dtype}`);
}

const isComparison = (fn: BinaryFn): boolean =>
  ['equal', 'less', 'lessOrEqual', 'greater', 'greaterOrEqual'].includes(fn);

const isByte = (value: Value): boolean => value.dtype === 'i8' || value.dtype === 'u8';

/** The dtype rules that shapes cannot show. Which combinations can be computed is the kernels' answer. */
function checkTypes(node: Node, inputs: readonly Value[], output: Value): void {
  const fail = (message: string): never => {
    throw new VireoError('bad-graph', `${node.op.kind} "${node.name}": ${message}`);
  };
  const quantized = (value: Value): void => {
    if (isByte(value) && !value.quantization)
      fail(`"${value.name}" is ${value.dtype} without scale and zero point`);
  };
  const same = (value: Value, dtype: DType): void => {
    if (value.dtype !== dtype) fail(`"${value.name}" is ${value.dtype}, expected ${dtype}`);
  };
  const sameAsOutput = (values: readonly Value[]): void => {
    for (const value of values)
      if (value.dtype !== output.dtype) fail(`"${value.name}" is ${value.dtype}, the output ${output.dtype}`);
  };
  /** Bytes are plain integers, or all of them quantised. */
  const quantizedOrPlain = (): void => {
    const bytes = [...inputs, output].filter(isByte);
    if (bytes.some((value) => value.quantization)) bytes.forEach(quantized);
  };
  const { op } = node;
  switch (op.kind) {
    case 'conv2d':
    case 'depthwiseConv2d':
    case 'transposedConv2d':
    case 'dense': {
      const [x, w, bias] = inputs as readonly [Value, Value, Value | undefined];
      const want = isByte(x) ? 'i32' : x.dtype;
      if (isByte(x) ? !isByte(w) || !isByte(output) : w.dtype !== x.dtype || output.dtype !== x.dtype)
        fail(`input ${x.dtype}, weights ${w.dtype} and output ${output.dtype} do not go together`);
      if (bias && bias.dtype !== want) fail(`bias expects ${want}, got ${bias.dtype}`);
      if (w.quantization && w.quantization.scale.length > 1) {
        const channels = op.kind === 'depthwiseConv2d' ? 3 : 0;
        if (w.quantization.axis !== channels)
          fail(`weights are quantised along axis ${w.quantization.axis}, expected ${channels}`);
      }
      for (const value of [x, output])
        if (value.quantization && value.quantization.scale.length > 1)
          fail(`"${value.name}" is an activation quantised per channel`);
      [x, w, output].forEach(quantized);
      break;
    }
    case 'codebookConv2d': {
      const [x, codebook, indices, bias] = inputs as readonly [Value, Value, Value, Value | undefined];
      for (const value of [x, codebook, output, ...(bias ? [bias] : [])]) same(value, 'f32');
      same(indices, 'u8');
      if (!(indices.data instanceof Uint8Array) || indices.quantization)
        fail(`indices "${indices.name}" are no constant of plain bytes`);
      else {
        const K = codebook.shape[1]!;
        const beyond = indices.data.findIndex((index) => index >= K);
        if (beyond !== -1)
          fail(`index ${indices.data[beyond]} of "${indices.name}" is outside a codebook of ${K} codewords`);
      }
      break;
    }
    case 'reshape':
    case 'transpose':
    case 'slice':
    case 'pad':
    case 'mirrorPad':
    case 'concat':
    case 'matmul':
    case 'convNd':
    case 'transposedConvNd':
    case 'lrn':
    case 'poolNd':
      sameAsOutput(inputs);
      break;
    case 'gather':
    case 'gatherElements':
    case 'gatherNd':
      sameAsOutput(inputs.slice(0, 1));
      if (inputs[1].dtype !== 'i32') same(inputs[1], 'i64');
      break;
    case 'topK':
      if (op.indices) same(output, 'i64');
      else sameAsOutput(inputs);
      break;
    case 'maxPoolIndices':
      same(output, 'i64');
      break;
    case 'where':
      same(inputs[0], 'bool');
      sameAsOutput(inputs.slice(1));
      break;
    case 'binary':
      if (isComparison(op.fn)) {
        same(inputs[1], inputs[0].dtype);
        same(output, 'bool');
      } else sameAsOutput(op.fn === 'pow' ? inputs.slice(0, 1) : inputs);
      quantizedOrPlain();
      break;
    case 'unary':
    case 'clamp':
    case 'reduce':
      quantizedOrPlain();
      break;
    case 'fakeQuantize':
      for (const value of [...inputs, output]) same(value, 'f32');
      break;
    case 'cast':
    case 'argMax':
      break;
    default:
      [...inputs, output].forEach(quantized);
  }
}
