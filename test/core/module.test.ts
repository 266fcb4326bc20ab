/** The generated module beside tools that others wrote: wabt reads it, validates it, and takes it apart. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/ir.ts';
import { compile, compileAsync } from '../../src/graph/run/compile.ts';
import { readTflite } from '../../src/io/tflite/index.ts';
import { js } from '../../src/kernels/js/index.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import { wasm, wasmKernels } from '../../src/kernels/wasm/index.ts';
import { itWithData, readData } from '../data.ts';
import { smallNetwork } from './networks.ts';

const bin = join(dirname(createRequire(import.meta.url).resolve('wabt/package.json')), 'bin');

function byWabt(tool: string, module: Uint8Array, ...options: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'vireo-module-'));
  try {
    const file = join(folder, 'module.wasm');
    writeFileSync(file, module);
    return execFileSync(process.execPath, [join(bin, tool), ...options, file], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function expectReadable(graph: Graph, sets = [wasm, js, reference]): Uint8Array {
  const { info, steps } = compile(graph, { kernels: sets });
  const module = info.module!;
  byWabt('wasm-validate', module, '--enable-all');
  const text = byWabt('wasm-objdump', module, '-d');
  expect(text).toContain('v128.load');
  const exported = byWabt('wasm-objdump', module, '-x', '-j', 'Export');
  const generated = steps.filter(({ set }) => set === 'wasm').length;
  expect(exported).toContain(`"step${generated - 1}"`);
  expect(exported).not.toContain(`"step${generated}"`);
  return module;
}

describe('the generated module', () => {
  it.each(['i8', 'f32'] as const)('of a small network, %s, is what wabt calls valid', (dtype) => {
    expectReadable(smallNetwork(dtype));
    expectReadable(smallNetwork(dtype), [wasmKernels({ relaxed: false }), js, reference]);
  });

  it('is the same whenever it is made', () => {
    const [a, b] = [compile(smallNetwork('i8')), compile(smallNetwork('i8'))];
    expect(a.info.module).toEqual(b.info.module);
  });

  it('compiled in the background gives the same', async () => {
    const outputs = [compile(smallNetwork('i8')), await compileAsync(smallNetwork('i8'))].map((session) => {
      const input = session.input(0);
      for (let i = 0; i < input.length; i++) input[i] = ((i * 37) % 251) - 125;
      session.run();
      return session.outputs.map((_, i) => Array.from(session.output(i) as Int8Array));
    });
    expect(outputs[1]).toEqual(outputs[0]);
  });

  it('imports one memory and nothing else', () => {
    const text = byWabt('wasm-objdump', compile(smallNetwork('f32')).info.module!, '-x', '-j', 'Import');
    expect(text.match(/<- /gu)?.length).toBe(1);
    expect(text).toContain('vireo.memory');
  });

  const keywords = 'mlperf-tiny/kws/kws_ref_model.tflite';
  itWithData('of the keyword network is under 32 KB, weights apart', [keywords], () => {
    const module = expectReadable(readTflite(readData(keywords)));
    expect(module.length).toBeLessThan(32 * 1024);
  });
});
