/** Graph → `.vireo`. What the records hold: docs/vireo-format.md. */
import { VireoError } from '../../errors.ts';
import type { Graph, Node } from '../../graph/ir.ts';
import { verify } from '../../graph/verify.ts';
import { type DType, type TensorData, viewOf } from '../../tensor.ts';
import type { Data } from './cbor.ts';
import { findDequantized, TensorPool } from './constants.ts';
import { dtypes, writeContainer } from './container.ts';
import { rowName, writeAttributes } from './operators.ts';
import { keyOf, writeQuantizations } from './quantizations.ts';

export interface WriteVireoOptions {
  /** Who made the file, from what, …: kept as it is, and read by `readVireoMetadata`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const infinite = Number.POSITIVE_INFINITY;
const noLimits = { bytes: infinite, work: infinite, nodes: infinite };

/**
 * A `.vireo` file with all of the graph, states too. The same graph gives the same bytes. Constants of equal bytes
 * are stored once, each at its own dtype.
 *
 * Throws `VireoError`: 'bad-graph' where `verify` does, 'too-large' from 4 GiB on.
 */
export function writeVireo(graph: Graph, { metadata }: WriteVireoOptions = {}): Uint8Array<ArrayBuffer> {
  verify(graph, noLimits);
  const pool = new TensorPool();
  const sources = new Map(findDequantized(graph));
  const tensorOf = graph.values.map(({ name, dtype, shape, data }, id) => {
    if (!data) return null;
    checkArray(name, dtype, data);
    return sources.has(id) ? null : pool.add(dtype, shape, data);
  });
  const dequantizedAs = new Map<number, string>();
  for (const [id, source] of sources) {
    // A tensor is dequantised in one way only, so that a file of few bytes cannot ask for many numbers.
    const tensor = tensorOf[source]!;
    const key = keyOf(graph.values[source]!.quantization!);
    const first = dequantizedAs.get(tensor) ?? key;
    dequantizedAs.set(tensor, first);
    if (first === key) continue;
    const { dtype, shape, data } = graph.values[id]!;
    tensorOf[id] = pool.add(dtype, shape, data!);
    sources.delete(id);
  }
  const quantizations = writeQuantizations(graph, (scales) =>
    pool.add(scales instanceof Float32Array ? 'f32' : 'f64', [scales.length], scales),
  );
  const values = graph.values.map(({ name, dtype, shape, quantization }, id): Data => {
    const source = sources.get(id);
    const tensor = tensorOf[id] ?? null;
    return [
      name,
      ...(source !== undefined ? [[source]] : tensor !== null ? [tensor] : [dtypes.indexOf(dtype), shape]),
      ...(quantization ? [quantizations.indexOf(quantization)] : []),
    ];
  });
  const kinds = [...new Set(graph.nodes.map(({ op }) => rowName(op)))];
  const writeNode = ({ name, op, inputs, output }: Node): Data => [
    kinds.indexOf(rowName(op)),
    name === graph.values[output]!.name ? null : name,
    inputs,
    output,
    ...writeAttributes(op),
  ];
  const states = graph.states?.map(({ input, output, data }): Data => {
    const { name, dtype, shape } = graph.values[graph.inputs[input]!]!;
    checkArray(name, dtype, data);
    return [input, output, pool.add(dtype, shape, data)];
  });
  const meta: Data = {
    name: graph.name,
    kinds,
    quantizations: quantizations.data,
    values,
    nodes: graph.nodes.map(writeNode),
    inputs: graph.inputs,
    outputs: graph.outputs,
    ...(graph.notes.length > 0 && { notes: graph.notes }),
    ...(states && { states }),
    ...(graph.tasks && { tasks: graph.tasks.map(({ name, inputs, outputs }) => [name, inputs, outputs]) }),
    ...(metadata && { metadata }),
  };
  return writeContainer({ kind: 'network', meta, tensors: pool.tensors });
}

function checkArray(name: string, dtype: DType, data: TensorData): void {
  const expected = viewOf(dtype, new ArrayBuffer(0), 0, 0)[Symbol.toStringTag];
  const got = data[Symbol.toStringTag];
  if (got !== expected)
    throw new VireoError('bad-graph', `"${name}": ${dtype} expects a ${expected}, got a ${got}`);
}
