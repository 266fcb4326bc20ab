/** What a person sees: tables, numbers with units, and a progress bar that only a terminal gets. */

/** Columns as wide as their widest cell; those named in `right` are aligned to the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function showBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(2)} MiB`;
}

/** 12,501,632 → `12.50 M` */
export function showCount(count: number): string {
  if (count < 1e4) return String(count);
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} k` : `${(count / 1e6).toFixed(2)} M`;
}

/** The end of a long name, which is what tells it from others. */
export const shorten = (text: string, most = 40): string =>
  text.length <= most ? text : `…${text.slice(1 - most)}`;

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** 4.2 s, 12 min 5 s */
export function showTime(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export interface Progress {
  readonly update: (done: number, note?: string) => void;
  /** So many more are done. */
  readonly add: (count: number, note?: string) => void;
  /** A line that stays, on standard error, terminal or not. */
  readonly say: (line: string) => void;
  readonly end: () => void;
}

/** A bar on standard error, redrawn at most ten times a second; nothing where that is no terminal. */
export function progress(total: number | undefined): Progress {
  const stream = process.stderr;
  if (!stream.isTTY)
    return {
      update: () => {},
      add: () => {},
      say: (line) => {
        stream.write(`${line}\n`);
      },
      end: () => {},
    };
  const started = Date.now();
  let drawn = 0;
  let last = 0;
  const update = (done: number, note = ''): void => {
    const now = Date.now();
    last = done;
    if (now - drawn < 100 && done !== total) return;
    drawn = now;
    const seconds = (now - started) / 1000;
    const bar = total
      ? `${'█'.repeat(Math.round((30 * done) / total)).padEnd(30, '░')} ${done}/${total}`
      : String(done);
    const left = total && done > 0 ? `  ${showTime(Math.ceil((seconds * (total - done)) / done))} left` : '';
    stream.write(`\r\x1b[K${bar}  ${(done / Math.max(seconds, 0.001)).toFixed(0)}/s${left}  ${note}`);
  };
  return {
    update,
    add: (count, note) => update(last + count, note),
    say: (line) => {
      stream.write(`\r\x1b[K${line}\n`);
      drawn = 0;
    },
    end: () => {
      stream.write('\r\x1b[K');
    },
  };
}
