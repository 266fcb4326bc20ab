/** A network written, read back, and both run on the same numbers. */
import type { Graph } from '../../../src/graph/ir.ts';
import { compile } from '../../../src/graph/run/compile.ts';
import type { Session } from '../../../src/graph/run/session.ts';
import { readOnnx } from '../../../src/io/onnx/index.ts';
import { Message } from '../../../src/io/onnx/wire.ts';
import { type WriteOnnxOptions, writeOnnx } from '../../../src/io/onnx/write/index.ts';
import type { KernelSet } from '../../../src/kernels/call.ts';
import { js } from '../../../src/kernels/js/index.ts';
import { reference } from '../../../src/kernels/reference/index.ts';
import { isBig, type TensorData } from '../../../src/tensor.ts';

export type Form = NonNullable<WriteOnnxOptions['form']>;
export const integerForms: readonly Form[] = ['qdq', 'qlinear'];

/** Of two outputs, both seen as numbers. */
export interface Pair {
  readonly name: string;
  readonly original: readonly number[];
  readonly written: readonly number[];
  readonly isFloat: boolean;
}

/** `inputs` in the graph's order. */
export function roundTrip(
  graph: Graph,
  inputs: readonly TensorData[],
  options: WriteOnnxOptions = {},
  kernels: readonly KernelSet[] = [js, reference],
): Pair[] {
  const back = readOnnx(writeOnnx(graph, options));
  const [before, after] = [graph, back].map((one) => run(one, inputs, kernels));
  return before!.outputs.map(({ name, dtype }, i) => ({
    name,
    original: numbers(before!.output(i, dtype)),
    written: numbers(after!.output(i, after!.outputs[i]!.dtype)),
    isFloat: dtype === 'f32' || dtype === 'f64',
  }));
}

function run(graph: Graph, inputs: readonly TensorData[], kernels: readonly KernelSet[]): Session {
  const session = compile(graph, { kernels });
  inputs.forEach((data, i) => {
    // The arrays were made for the dtypes of the inputs.
    session.input(i, session.inputs[i]!.dtype).set(data as never);
  });
  session.run();
  return session;
}

function numbers(data: TensorData): number[] {
  return isBig(data) ? Array.from(data, Number) : Array.from(data);
}

/** The largest |a − b|; infinite where one is NaN or infinite and the other is not the same. */
export function distance({ original, written }: Pair): number {
  return original.reduce((most, a, i) => {
    const b = written[i]!;
    if (Object.is(a, b) || a === b) return most;
    const d = Math.abs(a - b);
    return Math.max(most, Number.isFinite(d) ? d : Number.POSITIVE_INFINITY);
  }, 0);
}

/** A node of the file: its type, and what else the tests look at. */
export interface WrittenNode {
  readonly type: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface WrittenModel {
  readonly producer: string;
  readonly opset: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nodes: readonly WrittenNode[];
  readonly initializers: readonly string[];
}

/** Field numbers as in onnx.proto. */
export function lookInto(bytes: Uint8Array): WrittenModel {
  const m = Message.of(bytes, 'written file');
  const metadata: Record<string, string> = {};
  const nodes: WrittenNode[] = [];
  const initializers: string[] = [];
  let producer = '';
  let opset = 0;
  while (m.next())
    if (m.field === 2) producer = m.string();
    else if (m.field === 8) {
      const o = m.message();
      while (o.next())
        if (o.field === 2) opset = o.integer();
        else o.skip();
    } else if (m.field === 14) {
      const [key, value] = texts(m.message(), 1, 2);
      metadata[key!] = value!;
    } else if (m.field === 7) {
      const g = m.message();
      while (g.next())
        if (g.field === 1) nodes.push(node(g.message()));
        else if (g.field === 5) initializers.push(texts(g.message(), 8)[0]!);
        else g.skip();
    } else m.skip();
  return { producer, opset, metadata, nodes, initializers };
}

function node(m: Message): WrittenNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  let [name, type] = ['', ''];
  while (m.next())
    if (m.field === 1) inputs.push(m.string());
    else if (m.field === 2) outputs.push(m.string());
    else if (m.field === 3) name = m.string();
    else if (m.field === 4) type = m.string();
    else m.skip();
  return { type, name, inputs, outputs };
}

/** The texts of some fields. */
function texts(m: Message, ...wanted: readonly number[]): string[] {
  const found = wanted.map(() => '');
  while (m.next()) {
    const at = wanted.indexOf(m.field);
    if (at < 0) m.skip();
    else found[at] = m.string();
  }
  return found;
}

export function countOf(model: WrittenModel, type: string): number {
  return model.nodes.filter((one) => one.type === type).length;
}
