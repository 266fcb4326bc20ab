/**
 * The core in a context that has only ECMAScript's globals, in a process where strings never become code:
 * the bytes are those of Node.
 */
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/ir.ts';
import { compile } from '../../src/graph/run/compile-portable.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { itWithData, readData } from '../data.ts';
import { randomInputs } from '../graph/random-graph.ts';
import { bundle, runNode } from './bundle.ts';
import { graphToJson, smallNetwork } from './networks.ts';

const host = `
import { readFileSync } from 'node:fs';
import { createContext, Script } from 'node:vm';
const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
// V8 puts these into every context; a bare engine has none of them.
new Script('delete globalThis.console; delete globalThis.WebAssembly;').runInContext(context);
const globals = new Script('Object.getOwnPropertyNames(globalThis).join()').runInContext(context);
new Script(read('core.js')).runInContext(context);
context.text = read('job.json');
const result = new Script(read('guest.js')).runInContext(context);
console.log(JSON.stringify({ globals: globals.split(','), ...JSON.parse(result) }));
`;

const guest = `
const arrays = { f32: Float32Array, i8: Int8Array, u8: Uint8Array, i32: Int32Array, bool: Uint8Array };
const revive = (_, value) => (value && value.infinity ? value.infinity * Infinity : value);
const { graph, input } = JSON.parse(text, revive);
const values = graph.values.map((v) => ({
  ...v,
  data: v.data && (v.dtype === 'i64' ? BigInt64Array.from(v.data.numbers, BigInt) : arrays[v.dtype].from(v.data.numbers, Number)),
}));
const refusals = [];
for (const make of [() => (0, eval)('1'), () => new Function('return 1')])
  try { make(); refusals.push('none'); } catch (error) { refusals.push(error.name); }
const outputs = [[vireo.js, vireo.reference], [vireo.reference]].map((kernels) => {
  const session = vireo.compile({ ...graph, values }, { kernels });
  session.input(0).set(input);
  session.run();
  return graph.outputs.map((_, i) => Array.from(session.output(i)));
});
let refused = '';
try { vireo.compile({ ...graph, values, outputs: [-1] }); } catch (error) { refused = error.name + ' ' + error.code; }
JSON.stringify({ outputs, refusals, refused });
`;

interface Answer {
  readonly globals: readonly string[];
  readonly outputs: readonly (readonly number[][])[];
  readonly refusals: readonly string[];
  readonly refused: string;
}

async function runInBareContext(graph: Graph, input: ArrayLike<number>): Promise<Answer> {
  const core = await bundle("export * from './src/portable.ts';", 'iife', 'neutral');
  const job = `{ "graph": ${graphToJson(graph)}, "input": ${JSON.stringify(Array.from(input))} }`;
  const files = { 'host.mjs': host, 'core.js': core, 'guest.js': guest, 'job.json': job };
  return JSON.parse(runNode(['--disallow-code-generation-from-strings'], files)) as Answer;
}

async function expectSameBytes(graph: Graph, input: Int8Array | Float32Array): Promise<Answer> {
  const session = compile(graph);
  session.input(0).set(input);
  session.run();
  const expected = graph.outputs.map((_, i) => Array.from(session.output(i)));
  const answer = await runInBareContext(graph, input);
  expect(answer.outputs[0]).toEqual(expected);
  return answer;
}

describe('the core in a bare context', () => {
  it.each(['i8', 'f32'] as const)('runs a small network, %s', async (dtype) => {
    const graph = smallNetwork(dtype);
    const [input] = randomInputs(graph, 3);
    const answer = await expectSameBytes(graph, input as Int8Array | Float32Array);
    if (dtype === 'i8') expect(answer.outputs[1]).toEqual(answer.outputs[0]);
    expect(new Set(answer.outputs[0].flat()).size).toBeGreaterThan(3);
    expect(answer.refused).toBe('VireoError bad-graph');
  });

  it('is bare, and makes no code from strings', async () => {
    const graph = smallNetwork('i8');
    const { globals, refusals } = await runInBareContext(graph, new Int8Array(192));
    for (const name of [
      'console',
      'WebAssembly',
      'process',
      'TextDecoder',
      'setTimeout',
      'performance',
      'URL',
    ])
      expect(globals).not.toContain(name);
    expect(refusals).toEqual(['EvalError', 'EvalError']);
  });

  const keywords = 'mlperf-tiny/kws/kws_ref_model.tflite';
  const inputs = 'mlperf-tiny/kws/kws01-inputs-700.bin';
  itWithData('runs the keyword network as Node does', [keywords, inputs], async () => {
    const graph = readTflite(readData(keywords));
    await expectSameBytes(graph, new Int8Array(readData(inputs).buffer.slice(490, 980)));
  });
});
