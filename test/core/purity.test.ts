/** Which rooms of the house import which, and that the core is ECMAScript alone. */
import { describe, expect, it } from 'vitest';
import { foreignNames, importsOf, reachedFrom, source, sourceFiles, valueImportsOf } from './imports.ts';

/** Each folder may import itself and what stands behind it. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'tensor.ts': [],
  'random.ts': [],
  'errors.ts': [],
  kernels: ['tensor.ts', 'errors.ts'],
  graph: ['kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
  'index.ts': ['portable.ts', 'graph', 'kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
  quant: ['index.ts', 'graph', 'kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
  io: ['index.ts', 'graph', 'kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
  threads: ['index.ts', 'graph', 'kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
  'train.ts': ['graph', 'kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
  'portable.ts': ['graph', 'kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
  'energy.ts': ['graph'],
  cli: ['io', 'quant', 'index.ts', 'graph', 'kernels', 'tensor.ts', 'errors.ts', 'random.ts'],
};

const roomOf = (path: string): string => path.split('/')[1];

describe('imports', () => {
  it('are found however they are written', () => {
    const code = [
      "import a from './a.ts';",
      "import type { B,\n  C } from './sub/b.ts';",
      "export * from '../c.ts';",
      "export type { D } from 'package';",
      "import 'node:fs';",
      "const e = await import('./e.ts');",
    ].join('\n');
    expect(importsOf('src/graph/x.ts', code)).toEqual([
      'src/graph/a.ts',
      'src/graph/sub/b.ts',
      'src/c.ts',
      'package',
      'node:fs',
      'src/graph/e.ts',
    ]);
  });

  it.each(sourceFiles())('%s imports in one direction', (path) => {
    const room = roomOf(path);
    expect(Object.keys(allowed)).toContain(room);
    const rooms = importsOf(path)
      .filter((name) => name.startsWith('src/'))
      .map(roomOf)
      .filter((other) => other !== room);
    expect(rooms.filter((other) => !allowed[room].includes(other))).toEqual([]);
  });

  it('only io, cli and threads use packages or Node', () => {
    for (const path of sourceFiles()) {
      const packages = importsOf(path).filter((name) => !name.startsWith('src/'));
      if (packages.length > 0) expect(['io', 'cli', 'threads'], path).toContain(roomOf(path));
    }
  });
});

describe('the core', () => {
  const { files, packages } = reachedFrom('src/index.ts');

  it('is without WebAssembly behind the door portable', () => {
    const portable = reachedFrom('src/portable.ts', valueImportsOf);
    expect(portable.files).toContain('src/kernels/js/conv2d-i8.ts');
    expect(portable.packages).toEqual([]);
    // The contract names types of generated programs; no code of theirs is reached.
    expect(portable.files.filter((path) => path.startsWith('src/kernels/wasm/'))).toEqual([]);
  });

  it('leaves the energy models to a door of their own, which is ECMAScript alone too', () => {
    const energy = reachedFrom('src/energy.ts', valueImportsOf);
    expect(energy.packages).toEqual([]);
    expect(energy.files.flatMap((path) => foreignNames(source(path)))).toEqual([]);
    const portable = reachedFrom('src/portable.ts', valueImportsOf);
    expect(portable.files.filter((path) => path.startsWith('src/graph/cost/'))).toEqual([
      'src/graph/cost/macs.ts',
    ]);
  });

  it('leaves quantisation to a door of its own, which is ECMAScript alone too', () => {
    const quant = reachedFrom('src/quant/index.ts', valueImportsOf);
    expect(quant.packages).toEqual([]);
    const foreign = quant.files.filter((path) => foreignNames(source(path)).length > 0);
    expect(foreign).toEqual(['src/kernels/wasm/web-assembly.ts']);
  });

  it('holds no kernel and no rewrite of training', () => {
    const { files: values } = reachedFrom('src/index.ts', valueImportsOf);
    expect(values.filter((path) => path.includes('/train/'))).toEqual([]);
  });

  it('reaches the graph and all kernel sets, and no package', () => {
    expect(files).toContain('src/graph/run/session.ts');
    expect(files).toContain('src/kernels/wasm/conv2d-i8.ts');
    expect(files).toContain('src/kernels/js/conv2d-i8.ts');
    expect(files).toContain('src/kernels/reference/conv2d.ts');
    expect(packages).toEqual([]);
  });

  it.each([
    ['const t = Date.now();', ['Date']],
    ['console.log(1)', ['console']],
    ['new Function("return 1")', ['Function']],
    ['`$' + '{eval("1")}`', ['eval']],
    ['const x = performance . now()', ['performance']],
    ['// Date, console\n/* eval */ "process" + `fetch`', []],
    ['int8Function(call); op.performance; const f = { console: 1 }', []],
    ['const u = import.meta.url', ['import()']],
    ["await import('x')", ['import()']],
  ])('foreign names are found: %s', (code, names) => {
    expect(foreignNames(code)).toEqual(names);
  });

  it.each(files)('%s names nothing but ECMAScript', (path) => {
    // The one door to WebAssembly, which a host may lack.
    const allowed = path === 'src/kernels/wasm/web-assembly.ts' ? ['globalThis'] : [];
    expect(foreignNames(source(path))).toEqual(allowed);
  });
});
