/** `vireo inspect`: what a network is, before it runs. */
import { VireoError } from '../../errors.ts';
import { graphMacs } from '../../graph/cost/macs.ts';
import type { Graph } from '../../graph/ir.ts';
import { parameterCount, print } from '../../graph/print.ts';
import { compile } from '../../graph/run/compile.ts';
import type { NamedTensor, Session } from '../../graph/run/session.ts';
import { showShape } from '../../tensor.ts';
import { readNetwork, writeWhole } from '../files.ts';
import { drawPlan } from '../memory-map.ts';
import { type Command, jsonOption, operandsOf, shapeOption, shapesOf } from '../options.ts';
import { shorten, showBytes, showCount, table } from '../terminal.ts';

export const inspect: Command = {
  name: 'inspect',
  operands: 'MODEL',
  about: 'Shows inputs, outputs, operators, parameters, multiply-accumulates and memory.',
  options: [
    { name: 'memory', about: 'draw the memory plan: which bytes of the arena each step needs' },
    { name: 'kernels', about: 'list the steps with the kernel that computes each, and why that one' },
    { name: 'wasm', value: 'FILE', about: 'write the generated WebAssembly module, without weights' },
    { name: 'graph', about: 'print the graph as it was read' },
    shapeOption,
    jsonOption,
  ],
  example: 'vireo inspect net.tflite --memory',
  run: (given) => {
    const [path] = operandsOf(inspect, given, 1, 1);
    const { graph } = readNetwork(path, shapesOf(given));
    const session = compile(graph);
    const wasm = given.text('wasm');
    if (wasm !== undefined) writeModule(wasm, session);
    if (given.flag('json')) console.log(JSON.stringify(summary(graph, session), null, 2));
    else {
      console.log(describe(path, graph, session));
      if (given.flag('graph')) console.log(`\n${print(graph)}`);
      if (given.flag('kernels')) console.log(`\n${listKernels(session)}`);
      if (given.flag('memory')) console.log(`\n${drawPlan(session.plan)}`);
    }
    return 0;
  },
};

function writeModule(path: string, { info }: Session): void {
  if (!info.module)
    throw new VireoError(
      'unsupported',
      `no WebAssembly was generated: ${info.notices.join('; ') || 'no kernel of it serves this network'}`,
    );
  writeWhole(path, info.module);
  console.error(`${path}: ${info.module.length} bytes`);
}

/** How often each operator occurs, in the order of first use. */
export function countOperators(graph: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op } of graph.nodes) counts[op.kind] = (counts[op.kind] ?? 0) + 1;
  return counts;
}

function summary(graph: Graph, session: Session) {
  const { weights, arena, lowerBound, packed } = session.memory;
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    ...(graph.tasks && { tasks: listTasks(graph) }),
    operators: countOperators(graph),
    rewritten: countOperators(session.graph),
    parameters: parameterCount(graph),
    macs: graphMacs(graph),
    memory: { weights, arena, lowerBound, packed },
    notes: [...graph.notes, ...session.info.notices],
    steps: session.steps.map(({ node, kernel, set, reason }) => ({ node, kernel, set, reason })),
    moduleBytes: session.info.module?.length ?? 0,
  };
}

function describe(path: string, graph: Graph, session: Session): string {
  const { weights, packed, arena, lowerBound } = session.memory;
  const list = (of: Graph): string =>
    Object.entries(countOperators(of))
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ');
  return [
    `${path}: ${graph.name}`,
    table([
      ...session.inputs.map((info) => ['  input', showTensor(info)]),
      ...session.outputs.map((info) => ['  output', showTensor(info)]),
      ...listTasks(graph).map(({ name, inputs, outputs }) => [
        '  task',
        `${quote(name)}: ${inputs.map(quote).join(', ')} → ${outputs.map(quote).join(', ')}`,
      ]),
      ['  operators', list(graph)],
      ['  rewritten', list(session.graph)],
      ['  parameters', showCount(parameterCount(graph))],
      ['  MACs', showCount(graphMacs(graph))],
      [
        '  weights',
        `${showBytes(weights)}${packed ? `, and ${showBytes(packed)} packed for the kernels` : ''}`,
      ],
      ['  arena', `${showBytes(arena)} (lower bound ${showBytes(lowerBound)})`],
      ...[...graph.notes, ...session.info.notices].map((note) => ['  note', note]),
    ]),
  ].join('\n');
}

const quote = (name: string): string => JSON.stringify(name);

/** Tasks with the names of their inputs and outputs. */
function listTasks({ values, inputs, outputs, tasks = [] }: Graph) {
  return tasks.map((task) => ({
    name: task.name,
    inputs: task.inputs.map((i) => values[inputs[i]].name),
    outputs: task.outputs.map((i) => values[outputs[i]].name),
  }));
}

export function showTensor({ name, dtype, shape, quantization: q }: NamedTensor): string {
  const stored = q ? `  real = ${q.scale[0]}·(q − ${q.zeroPoint[0]})` : '';
  return `${quote(name)} ${dtype}${showShape(shape)}${stored}`;
}

function listKernels(session: Session): string {
  const { values, nodes } = session.graph;
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const rows = session.steps.map(({ node, kernel, reason = '' }, i) => {
    const output = byName.get(node)?.output;
    const type = output === undefined ? '' : `${values[output].dtype}${showShape(values[output].shape)}`;
    return [`  ${i}`, kernel, type, shorten(node), reason];
  });
  return table([['step', 'kernel', 'output', 'node', 'why'], ...rows]);
}
