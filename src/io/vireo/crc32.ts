/**
 * CRC-32: the remainder of the bytes, as a polynomial over GF(2), by x³²+x²⁶+x²³+…+x+1, bits reflected.
 * Four bytes at a time, each through its own table ("slicing by 4"): twice as fast as one.
 * Source: ISO/IEC 3309, as in PNG (annex D of its specification) and gzip; Kounavis and Berry 2008, doi:10.1109/TC.2008.85.
 */
const polynomial = 0xedb88320; // reflected

/** [256·k + b]: the remainder of byte b with k bytes of zeros behind it. */
const remainders = /* @__PURE__ */ makeRemainders();

function makeRemainders(): Int32Array {
  const table = new Int32Array(1024);
  for (let i = 0; i < 1024; i++) {
    let r = i < 256 ? i : table[i - 256]!;
    for (let bit = 0; bit < 8; bit++) r = r & 1 ? (r >>> 1) ^ polynomial : r >>> 1;
    table[i] = r;
  }
  return table;
}

export function crc32(bytes: Uint8Array): number {
  const t = remainders;
  let crc = -1;
  let i = 0;
  for (const end = bytes.length - 3; i < end; i += 4) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    crc =
      t[768 + (crc & 255)]! ^ t[512 + ((crc >>> 8) & 255)]! ^ t[256 + ((crc >>> 16) & 255)]! ^ t[crc >>> 24]!;
  }
  for (; i < bytes.length; i++) crc = t[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
