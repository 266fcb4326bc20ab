#!/usr/bin/env node
/**
 * The command `vireo`. Exit codes: 0 done, 1 failed, 2 wrong usage or unsupported network, 3 a threshold was missed.
 */
import { VireoError } from '../errors.ts';
import { bench } from './commands/bench.ts';
import { check } from './commands/check.ts';
import { conformance } from './commands/conformance.ts';
import { demo } from './commands/demo.ts';
import { energy } from './commands/energy.ts';
import { energyFit } from './commands/energy-fit.ts';
import { energyMeasure } from './commands/energy-measure.ts';
import { evaluate } from './commands/eval.ts';
import { exportNetwork } from './commands/export.ts';
import { inspect } from './commands/inspect.ts';
import { quantizeNetwork } from './commands/quantize.ts';
import { run } from './commands/run.ts';
import { train } from './commands/train.ts';
import { tune } from './commands/tune.ts';
import { type Command, help, parse } from './options.ts';
import { table } from './terminal.ts';
import { version } from './version.ts';

const commands: readonly Command[] = [
  inspect,
  check,
  run,
  evaluate,
  bench,
  tune,
  energy,
  energyFit,
  energyMeasure,
  train,
  quantizeNetwork,
  exportNetwork,
  demo,
  conformance,
];

async function main(args: readonly string[]): Promise<number> {
  const { name, rest } = splitName(args);
  if (name === '--version') {
    console.log(version());
    return 0;
  }
  const command = commands.find((c) => c.name === name);
  if (!command) {
    const wanted = name === undefined || name === '--help' || name === 'help';
    const list = table(commands.map((c) => [`  vireo ${c.name} ${c.operands}`, c.about]));
    (wanted ? console.log : console.error)(
      `${wanted ? '' : `vireo: no command ${JSON.stringify(name)}\n\n`}${list}\n\nvireo COMMAND --help says more.`,
    );
    return wanted ? 0 : 2;
  }
  if (rest.includes('--help')) {
    console.log(help(command));
    return 0;
  }
  return command.run(parse(command, rest));
}

/** A command of two words comes before one of its first word: `energy fit` before `energy`. */
function splitName([first, second, ...rest]: readonly string[]): { name?: string; rest: readonly string[] } {
  const both = `${first} ${second}`;
  if (commands.some(({ name }) => name === both)) return { name: both, rest };
  return {
    ...(first === undefined ? {} : { name: first }),
    rest: second === undefined ? rest : [second, ...rest],
  };
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof VireoError)) throw error;
  console.error(`vireo: ${error.message}`);
  process.exitCode = error.code === 'usage' || error.code === 'unsupported' ? 2 : 1;
}
