/**
 * Comma-separated values with a header row: fields may be quoted, quotes inside are doubled.
 *
 * Source: RFC 4180.
 */

import { VireoError } from '../../errors.ts';

/** The values of one column, in order of the rows. */
export function readColumn(text: string, column: string, file: string): string[] {
  const [header, ...rows] = readRows(text);
  const index = header?.indexOf(column) ?? -1;
  if (index < 0) {
    throw new VireoError(
      'bad-file',
      `${file}: no column ${JSON.stringify(column)}; there are ${header?.join(', ')}`,
    );
  }
  return rows.map((row, i) => {
    if (row[index] === undefined) {
      throw new VireoError(
        'bad-file',
        `${file}: row ${i + 1} has ${row.length} fields, ${column} is number ${index + 1}`,
      );
    }
    return row[index];
  });
}

function readRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[i + 1] === '"') field += text[++i];
      else quoted = false;
    } else if (letter === '"' && field === '') {
      quoted = true;
    } else if (letter === ',') {
      row.push(field);
      field = '';
    } else if (letter === '\n') {
      row.push(field.endsWith('\r') ? field.slice(0, -1) : field);
      rows.push(row);
      row = [];
      field = '';
    } else {
      field += letter;
    }
  }
  if (field !== '' || row.length > 0) rows.push([...row, field]);
  return rows.filter((fields) => fields.length > 1 || fields[0] !== '');
}

/** The lines of a text, without the empty ones at its end. */
export function readLines(text: string): string[] {
  const lines = text.split(/\r?\n/u);
  while (lines.length > 0 && lines[lines.length - 1].trim() === '') lines.pop();
  return lines.map((line) => line.trim());
}
