/**
 * Where WebAssembly may not be compiled, the same script takes the js kernels, says so once, and gives the same
 * bytes: without just-in-time compilers, under a policy that forbids code made at run time, in an edge isolate.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/graph/run/compile.ts';
import { bundle, runNode } from './bundle.ts';
import { smallNetwork } from './networks.ts';

/** Runs the small int8 network with whatever kernels serve, and says which. */
const script = `
import { compile } from './src/index.ts';
import { smallNetwork } from './test/core/networks.ts';
export function answer() {
  const session = compile(smallNetwork('i8'));
  const input = session.input(0);
  for (let i = 0; i < input.length; i++) input[i] = ((i * 37) % 251) - 125;
  session.run();
  return {
    notices: session.info.notices,
    sets: [...new Set(session.steps.map(({ set }) => set))].sort(),
    outputs: session.outputs.map((_, i) => Array.from(session.output(i))),
  };
}
`;
type Answer = {
  readonly notices: readonly string[];
  readonly sets: readonly string[];
  readonly outputs: readonly (readonly number[])[];
};

function expectedOutputs(): number[][] {
  const session = compile(smallNetwork('i8'));
  const input = session.input(0);
  for (let i = 0; i < input.length; i++) input[i] = ((i * 37) % 251) - 125;
  session.run();
  expect(session.info.notices).toEqual([]);
  expect(session.steps.map(({ set }) => set)).toContain('wasm');
  return session.outputs.map((_, i) => Array.from(session.output(i) as Int8Array));
}

function expectFallback(answer: Answer, reason: RegExp): void {
  expect(answer.notices.length).toBe(1);
  expect(answer.notices[0]).toMatch(reason);
  expect(answer.sets).not.toContain('wasm');
  expect(answer.sets).toContain('js');
  expect(answer.outputs).toEqual(expectedOutputs());
}

describe('without WebAssembly', () => {
  it('under --jitless', async () => {
    const code = await bundle(`${script}\nconsole.log(JSON.stringify(answer()));`, 'esm', 'neutral');
    expectFallback(JSON.parse(runNode(['--jitless'], { 'main.mjs': code })), /has no WebAssembly/u);
  });

  it('where a policy forbids it', async () => {
    const code = await bundle(script, 'iife', 'neutral');
    const host = `
import { readFileSync } from 'node:fs';
import { createContext, Script } from 'node:vm';
const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
new Script(readFileSync(new URL('core.js', import.meta.url), 'utf8')).runInContext(context);
console.log(new Script('JSON.stringify(vireo.answer())').runInContext(context));
`;
    const text = runNode([], { 'host.mjs': host, 'core.js': code });
    expectFallback(JSON.parse(text), /cannot be compiled here/u);
  });

  const workerd = fileURLToPath(new URL('../workerd/node_modules/workerd/bin/workerd', import.meta.url));
  const isThere = existsSync(workerd);
  (isThere ? it : it.skip)(
    `in workerd${isThere ? '' : ' (skipped: npm ci --prefix test/workerd)'}`,
    async () => {
      const worker = `
${script}
export default { async test() { console.log('answer ' + JSON.stringify(answer())); } };
`;
      const config = `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .main)]);
const main :Workerd.Worker = (
  modules = [(name = "main", esModule = embed "main.js")],
  compatibilityDate = "2026-01-01",
);
`;
      const folder = mkdtempSync(join(tmpdir(), 'vireo-workerd-'));
      try {
        writeFileSync(join(folder, 'main.js'), await bundle(worker, 'esm', 'neutral'));
        writeFileSync(join(folder, 'config.capnp'), config);
        const text = execFileSync(process.execPath, [workerd, 'test', join(folder, 'config.capnp')], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
          timeout: 60_000,
        });
        expectFallback(JSON.parse(/^answer (.*)$/mu.exec(text)![1]!), /cannot be compiled here/u);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});
