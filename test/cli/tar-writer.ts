/** Tar archives written from the standard's description alone. */

export function tarFile(
  files: readonly (readonly [string, Uint8Array])[],
  options: { pax?: boolean } = {},
): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, bytes] of files) {
    if (options.pax) {
      const record = ` path=${name}\n`;
      let length = record.length + 1;
      while (`${length}${record}`.length !== length) length++;
      parts.push(...entry('pax', new TextEncoder().encode(`${length}${record}`), 'x'));
      parts.push(...entry('short', bytes, '0'));
    } else {
      parts.push(...entry(name, bytes, '0'));
    }
  }
  parts.push(new Uint8Array(1024));
  return concat(parts);
}

export function entry(name: string, bytes: Uint8Array, type: string): Uint8Array[] {
  const header = new Uint8Array(512);
  const put = (at: number, text: string): void => header.set(new TextEncoder().encode(text), at);
  put(0, name);
  put(100, '0000644\0');
  put(124, `${bytes.length.toString(8).padStart(11, '0')}\0`);
  put(148, '        ');
  put(156, type);
  put(257, 'ustar\x0000');
  const sum = header.reduce((a, b) => a + b, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return [header, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)];
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
