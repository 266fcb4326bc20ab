/** What source files import and name, read from their text. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export const source = (path: string): string => readFileSync(join(root, path), 'utf8');

/** All files under src, as `src/graph/ir.ts`. */
export function sourceFiles(): string[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${name.replaceAll('\\', '/')}`)
    .sort();
}

/** The code without its comments; the text of strings becomes spaces, what a template computes stays. */
export function withoutText(code: string): string {
  let out = '';
  const depths: number[] = []; // of braces, one for each template that is open
  let i = 0;
  const template = (): void => {
    for (; i < code.length; i++) {
      if (code[i] === '\\') i++;
      else if (code[i] === '`') {
        out += '`';
        i++;
        return;
      } else if (code[i] === '$' && code[i + 1] === '{') {
        out += '{';
        i += 2;
        depths.push(0);
        return;
      }
    }
  };
  while (i < code.length) {
    const c = code[i];
    if (c === '/' && code[i + 1] === '/') {
      while (i < code.length && code[i] !== '\n') i++;
    } else if (c === '/' && code[i + 1] === '*') {
      i = code.indexOf('*/', i + 2) + 2;
    } else if (c === "'" || c === '"') {
      out += `${c} ${c}`;
      for (i++; code[i] !== c; i++) if (code[i] === '\\') i++;
      i++;
    } else if (c === '`') {
      out += '`';
      i++;
      template();
    } else if (c === '}' && depths[depths.length - 1] === 0) {
      depths.pop();
      out += '}';
      i++;
      template();
    } else {
      if (depths.length > 0 && (c === '{' || c === '}')) depths[depths.length - 1] += c === '{' ? 1 : -1;
      out += c;
      i++;
    }
  }
  return out;
}

/** The modules whose code a file needs: `import type` and `export type` left out. */
export function valueImportsOf(path: string): string[] {
  return importsOf(path, source(path).replace(/^(?:import|export) type [^;]*;/gmu, ''));
}

/** The modules that a file imports, types included: paths under the root, or the names of packages. */
export function importsOf(path: string, code = source(path)): string[] {
  const found = [
    ...code.matchAll(/^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gmu),
    ...code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gmu),
    ...code.matchAll(/\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/gu),
  ].map((match) => match[1]);
  return found.map((name) =>
    name.startsWith('.') ? relative(root, join(root, dirname(path), name)).replaceAll('\\', '/') : name,
  );
}

/** Everything that `entry` reaches. */
export function reachedFrom(
  entry: string,
  of: (path: string) => string[] = importsOf,
): { files: string[]; packages: string[] } {
  const files = new Set([entry]);
  const packages = new Set<string>();
  for (const path of files)
    for (const name of of(path)) {
      if (name.startsWith('src/')) files.add(name);
      else packages.add(name);
    }
  return { files: [...files], packages: [...packages] };
}

/**
 * What an ECMAScript engine alone does not have, or what a content security policy takes away. Words that are
 * also good names for variables (`window`, `self`) are left to the compiler, which knows the core's library only.
 */
const foreign = [
  ...['Date', 'performance', 'console', 'TextDecoder', 'TextEncoder', 'eval', 'Function', 'setTimeout'],
  ...['setInterval', 'setImmediate', 'queueMicrotask', 'process', 'require', 'fetch', 'URL', 'WebAssembly'],
  ...['Worker', 'crypto', 'atob', 'btoa', 'structuredClone', 'navigator', 'globalThis', 'Intl', 'Blob'],
];

/** The foreign globals that the code names, properties of that name left out. */
export function foreignNames(code: string): string[] {
  const bare = withoutText(code);
  return [
    ...foreign.filter((name) => new RegExp(`(?<![.\\w$])${name}(?![\\w$]|\\s*[?]?:)`, 'u').test(bare)),
    ...(/\bimport\s*[.(]/u.test(bare) ? ['import()'] : []),
  ];
}
