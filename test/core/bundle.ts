/** Bundles made for a test, and Node processes that run them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Everything that `entry` (TypeScript, paths from the root) reaches, as one script or module. */
export async function bundle(
  entry: string,
  format: 'iife' | 'esm',
  platform: 'neutral' | 'node',
): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    format,
    platform,
    target: 'es2022',
    ...(format === 'iife' && { globalName: 'vireo' }),
  });
  return outputFiles[0]!.text;
}

/** Writes the files into a folder of their own, runs the first with Node, and returns what it prints. */
export function runNode(flags: readonly string[], files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'vireo-test-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return execFileSync(process.execPath, [...flags, join(folder, Object.keys(files)[0]!)], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      timeout: 120_000,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
