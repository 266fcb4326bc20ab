/** Results as a table to read, a document to keep (`--markdown`), or data (`--json`). */
import { cpus } from 'node:os';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where a figure was measured, and how to measure it again. */
export function machine() {
  const [script, ...rest] = process.argv.slice(1);
  const flags = process.execArgv.map((flag) => `${flag} `).join('');
  return {
    engine: `Node ${process.versions.node} (V8 ${process.versions.v8})`,
    cpu: `${cpus()[0].model.trim()}, ${cpus().length} cores, ${process.arch}`,
    date: new Date().toISOString().slice(0, 10),
    command:
      `node ${flags}${relative(root, script).replaceAll('\\', '/')} ${rest.map((word) => (word.includes(' ') ? `'${word}'` : word)).join(' ')}`.trimEnd(),
  };
}

/**
 * `columns` maps a heading to a function of a row that gives its cell; a heading ending in `>` is set to the
 * right. The table is a Markdown one, padded so that it reads as plain text too.
 */
export function table(columns, rows) {
  const headings = Object.keys(columns);
  const names = headings.map((heading) => heading.replace(/>$/, ''));
  const cells = rows.map((row) => headings.map((heading) => String(columns[heading](row))));
  const widths = names.map((name, i) => Math.max(3, name.length, ...cells.map((row) => row[i].length)));
  const isRight = headings.map((heading) => heading.endsWith('>'));
  const line = (row) =>
    `| ${row.map((cell, i) => (isRight[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (isRight[i] ? '-'.repeat(width - 1) + ':' : '-'.repeat(width))).join(' | ')} |`;
  return [line(names), rule, ...cells.map(line)].join('\n');
}

/** Prints `{ title, tables, notes, data }` the way the options ask for. `tables`: heading → text of a table. */
export function report(options, result) {
  process.stdout.write(reportText(options, result));
}

/** What `report` prints. */
export function reportText(options, { title, tables, notes = [], data }) {
  const where = machine();
  if (options.json) return `${JSON.stringify({ ...where, ...data }, null, 2)}\n`;
  const heading = options.markdown ? '## ' : '';
  const lines = options.markdown ? [`# ${title}`, ''] : [];
  for (const [name, text] of Object.entries(tables)) {
    if (Object.keys(tables).length > 1) lines.push(`${heading}${name}`, '');
    lines.push(text, '');
  }
  for (const note of notes) lines.push(`${note}`, '');
  const command = options.markdown ? `\`${where.command}\`` : where.command;
  const end = options.markdown ? '  ' : '';
  lines.push(`engine   ${where.engine}${end}`, `cpu      ${where.cpu}${end}`);
  lines.push(`date     ${where.date}${end}`, `command  ${command}`);
  return `${lines.join('\n')}\n`;
}

/** Says what is being done on a line that the next one replaces; only to a terminal. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
