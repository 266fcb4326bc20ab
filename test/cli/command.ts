/** Runs the command as a user does: the built `dist/cli/main.js` in a process of its own. `npm test` builds it first. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { dataFolder } from '../data.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const mainPath = `${root}/dist/cli/main.js`;

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function vireo(...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [mainPath, ...args], {
    encoding: 'utf8',
    env: { ...process.env, VIREO_DATA: dataFolder },
    cwd: root,
    timeout: 120_000,
  });
  return { status, stdout, stderr };
}
