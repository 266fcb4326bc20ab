/** A `.vireo` file read and run where there is nothing but ECMAScript. */
import { createContext, Script } from 'node:vm';
import { expect, it } from 'vitest';
import { compile } from '../../../src/graph/run/compile-portable.ts';
import { writeVireo } from '../../../src/io/vireo/index.ts';
import { bundle } from '../../core/bundle.ts';
import { foreignNames, reachedFrom, source, valueImportsOf } from '../../core/imports.ts';
import { smallNetwork } from '../../core/networks.ts';

it('reaches no package, no kernel and no name beyond ECMAScript', () => {
  const { files, packages } = reachedFrom('src/io/vireo/index.ts', valueImportsOf);
  expect(packages).toEqual([]);
  expect(files.flatMap((path) => foreignNames(source(path)))).toEqual([]);
  expect(files.filter((path) => /kernels\/(wasm|js|reference|train)\//u.test(path))).toEqual([]);
});

it('runs in a bare context as here, and is written there as here', async () => {
  const graph = smallNetwork('i8');
  const bytes = writeVireo(graph, { metadata: { größe: '42' } });
  const session = compile(graph);
  session.input(0).fill(17);
  session.run();

  const exports = "export * from './src/portable.ts'; export * from './src/io/vireo/index.ts';";
  const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
  new Script('delete globalThis.console; delete globalThis.WebAssembly;').runInContext(context);
  new Script(await bundle(exports, 'iife', 'neutral')).runInContext(context);
  Object.assign(context, { numbers: JSON.stringify([...bytes]) });
  const guest = `
    const bytes = Uint8Array.from(JSON.parse(numbers));
    const graph = vireo.readVireo(bytes);
    const session = vireo.compile(graph);
    session.input(0).fill(17);
    session.run();
    const metadata = vireo.readVireoMetadata(bytes);
    const again = Array.from(vireo.writeVireo(graph, { metadata }));
    JSON.stringify({ output: Array.from(session.output(0)), metadata, again });
  `;
  const answer = JSON.parse(new Script(guest).runInContext(context));
  expect(answer.output).toEqual(Array.from(session.output(0)));
  expect(answer.metadata).toEqual({ größe: '42' });
  expect(answer.again).toEqual([...bytes]);
});
