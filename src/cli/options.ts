/** Command lines: each command declares its options once; parsing and help come from that. */
import { parseArgs } from 'node:util';
import { VireoError } from '../errors.ts';
import { type Shape, showShape } from '../tensor.ts';

export interface Option {
  readonly name: string;
  /** How the value is called in the help; absent for switches. */
  readonly value?: string;
  readonly about: string;
  readonly repeats?: boolean;
}

export interface Command {
  readonly name: string;
  /** `MODEL [FILE…]` */
  readonly operands: string;
  readonly about: string;
  readonly options: readonly Option[];
  readonly example: string;
  readonly run: (given: Given) => Promise<number> | number;
}

/** What stood on the command line. */
export interface Given {
  readonly operands: readonly string[];
  readonly flag: (name: string) => boolean;
  readonly text: (name: string) => string | undefined;
  readonly texts: (name: string) => readonly string[];
  /** A whole number of at least 1. */
  readonly count: (name: string) => number | undefined;
}

export const jsonOption: Option = {
  name: 'json',
  about: 'print JSON on standard output, all else on standard error',
};
export const kernelsOption: Option = {
  name: 'kernels',
  value: 'wasm|js|reference',
  about: 'the kernel set to run with (default wasm)',
};
export const tuningOption: Option = {
  name: 'tuning',
  value: 'FILE',
  about: 'kernels chosen by `vireo tune` (default: MODEL.tuning.json, where there is one)',
};
export const secondsOption: Option = {
  name: 'seconds',
  value: 'N',
  about: 'how long to measure',
};
export const cardOption: Option = {
  name: 'card',
  value: 'FILE',
  about: 'the network card (default: NET.card.json beside NET.tflite, else built in by SHA-256)',
};
export const shapeOption: Option = {
  name: 'shape',
  value: 'NAME=1x3x48x192',
  about: 'the shape of an input whose extents the file leaves open; one --shape for each',
  repeats: true,
};

/** The shapes that `--shape` gives, by input; whether there are such inputs is for the reader to say. */
export function shapesOf(given: Pick<Given, 'texts'>): Readonly<Record<string, Shape>> {
  const shapes = new Map<string, Shape>();
  for (const text of given.texts('shape')) {
    const [, name, extents] = /^(.+)=(\d+(?:x\d+)*)$/su.exec(text) ?? [];
    const shape = extents?.split('x').map(Number);
    if (name === undefined || !shape?.every((extent) => Number.isSafeInteger(extent) && extent > 0))
      throw new VireoError(
        'usage',
        `--shape expects an input and its extents, all at least 1, as in x=1x3x48x192, got ${JSON.stringify(text)}`,
      );
    const other = shapes.get(name);
    if (other)
      throw new VireoError(
        'usage',
        `--shape names input "${name}" twice: ${showShape(other)} and ${showShape(shape)}`,
      );
    shapes.set(name, shape);
  }
  return Object.fromEntries(shapes);
}

export function parse(command: Command, args: readonly string[]): Given {
  const options = Object.fromEntries(
    command.options.map((o) => [
      o.name,
      { type: o.value ? 'string' : 'boolean', multiple: o.repeats ?? false } as const,
    ]),
  );
  const parsed = (() => {
    try {
      return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    } catch (error) {
      throw new VireoError('usage', `${error instanceof Error ? error.message : error}\n\n${help(command)}`);
    }
  })();
  const values: Readonly<Record<string, unknown>> = parsed.values;
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    operands: parsed.positionals,
    flag: (name) => values[name] === true,
    text,
    texts: (name) => {
      const value = values[name];
      return Array.isArray(value) ? value.map(String) : [];
    },
    count: (name) => {
      const given = text(name);
      if (given === undefined) return undefined;
      const count = Number(given);
      if (!Number.isSafeInteger(count) || count < 1)
        throw new VireoError(
          'usage',
          `--${name} expects a whole number of at least 1, got ${JSON.stringify(given)}`,
        );
      return count;
    },
  };
}

export function help(command: Command): string {
  const label = (o: Option): string => `--${o.name}${o.value ? ` ${o.value}` : ''}`;
  const width = Math.max(0, ...command.options.map((o) => label(o).length));
  return [
    `vireo ${command.name} ${command.operands}`,
    '',
    `  ${command.about}`,
    '',
    ...command.options.map((o) => `  ${label(o).padEnd(width)}  ${o.about}`),
    '',
    `Example: ${command.example}`,
  ].join('\n');
}

/** Exactly the operands a command needs, or its help. */
export function operandsOf(command: Command, given: Given, least: number, most: number): readonly string[] {
  const { operands } = given;
  if (operands.length < least || operands.length > most)
    throw new VireoError(
      'usage',
      `vireo ${command.name}: expected ${command.operands}, got ${operands.length} operands\n\n${help(command)}`,
    );
  return operands;
}
