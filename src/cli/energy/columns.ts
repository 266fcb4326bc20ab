/** A CSV file with named columns, every cell of which must be there: errors name the file, the line and the column. */
import { VireoError } from '../../errors.ts';
import { readFile } from '../files.ts';

export interface Row {
  readonly line: number;
  readonly text: (column: string) => string;
  readonly number: (column: string) => number;
}

export interface Columns {
  readonly names: readonly string[];
  readonly rows: readonly Row[];
}

/** Lines that are empty or begin with # are passed over; cells may stand in double quotes. */
export function readColumns(path: string, needed: readonly string[]): Columns {
  const fail = (line: number, what: string): never => {
    throw new VireoError('bad-input', `${path}, line ${line}: ${what}`);
  };
  const lines = new TextDecoder()
    .decode(readFile(path))
    .split(/\r?\n/u)
    .map((text, i) => ({ line: i + 1, text: text.trim() }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
  const [head, ...body] = lines.map(({ line, text }) => ({ line, cells: cellsOf(text) }));
  if (!head) return fail(1, `expected a line of column names with ${needed.join(', ')}, got an empty file`);
  const names = head.cells;
  const missing = needed.filter((name) => !names.includes(name));
  if (missing.length > 0)
    fail(
      head.line,
      `expected the columns ${needed.join(', ')}; ${missing.join(', ')} is not among ${names.join(', ')}`,
    );
  const rows = body.map(({ line, cells }): Row => {
    if (cells.length !== names.length) fail(line, `expected ${names.length} cells, got ${cells.length}`);
    const text = (column: string): string => {
      const cell = cells[names.indexOf(column)] ?? '';
      return cell === '' ? fail(line, `column "${column}" is empty`) : cell;
    };
    return {
      line,
      text,
      number: (column) => {
        const value = Number(text(column));
        return Number.isFinite(value)
          ? value
          : fail(line, `column "${column}" expects a number, got ${JSON.stringify(text(column))}`);
      },
    };
  });
  return { names, rows };
}

function cellsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:\s*"((?:[^"]|"")*)"\s*|([^,]*))/gu)].map(([, quoted, plain]) =>
    quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'),
  );
}
