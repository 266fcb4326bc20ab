/**
 * A convolution's input as float64, a block at a time: what an int8 product multiplies anyway, widened once for all
 * output channels and all windows instead of at every tap.
 *
 *   block    up to 3 × bw output pixels, so tiles of 3 come out even; their windows, border included
 *   x64      f64 [rows, columns, inC]   bytes 0…255, the zero point outside the picture
 */
import type { View } from '../call.ts';
import type { WindowGeometry } from '../geometry.ts';
import type { Runs } from './pixels.ts';

const blockRows = 3;
/** Bytes of a block that stay in the first cache beside a panel of weights; measured. */
const blockBytes = 32 * 1024;

export interface Blocks {
  readonly rows: number; // output rows of a block
  readonly columns: number; // output columns
  readonly inRows: number;
  readonly inColumns: number;
  /** Where a kernel reads one row or column only, the ones between its strides are left out. */
  readonly stepH: number;
  readonly stepW: number;
  readonly strideH: number; // inside the block
  readonly strideW: number;
  readonly rowLength: number;
}

export function blocksOf(g: WindowGeometry): Blocks {
  const stepH = g.kH === 1 ? g.strideH : 1;
  const stepW = g.kW === 1 ? g.strideW : 1;
  const strideH = g.strideH / stepH;
  const strideW = g.strideW / stepW;
  const rows = Math.min(blockRows, g.outH);
  const inRows = (rows - 1) * strideH + (g.kH - 1) * g.dilationH + 1;
  const reach = (g.kW - 1) * g.dilationW + 1;
  const fits = Math.floor((blockBytes / 8 / inRows / g.inC - reach) / strideW) + 1;
  const columns = Math.max(1, Math.min(g.outW, fits));
  const inColumns = (columns - 1) * strideW + reach;
  return { rows, columns, inRows, inColumns, stepH, stepW, strideH, strideW, rowLength: inColumns * g.inC };
}

export function runsInBlock(g: WindowGeometry, blocks: Blocks, depth: number): Runs {
  if (g.dilationW === 1 && g.groups === 1) {
    const offsets = Int32Array.from({ length: g.kH }, (_, ky) => ky * g.dilationH * blocks.rowLength);
    return { offsets, length: g.kW * depth };
  }
  const offsets = Int32Array.from(
    { length: g.kH * g.kW },
    (_, t) => Math.floor(t / g.kW) * g.dilationH * blocks.rowLength + (t % g.kW) * g.dilationW * g.inC,
  );
  return { offsets, length: depth };
}

/** Fills x64 for the block whose first output pixel is (n, oy, ox) and that has `rows` × `columns` of them. */
export function widen(
  x: Uint8Array,
  view: View,
  g: WindowGeometry,
  blocks: Blocks,
  x64: Float64Array,
  flip: number,
  zero: number,
  n: number,
  oy: number,
  ox: number,
  rows: number,
  columns: number,
): void {
  const [sN, sH, sW] = view.strides;
  const { stepH, stepW, rowLength } = blocks;
  const { inH, inW, inC } = g;
  const count = (rows - 1) * blocks.strideH + (g.kH - 1) * g.dilationH + 1;
  const width = (columns - 1) * blocks.strideW + (g.kW - 1) * g.dilationW + 1;
  const top = oy * g.strideH - g.padTop;
  const left = ox * g.strideW - g.padLeft;
  // Columns of the block that lie in the picture: before…after − 1.
  const before = Math.min(width, Math.max(0, Math.ceil(-left / stepW)));
  const after = Math.max(before, Math.min(width, Math.ceil((inW - left) / stepW)));
  for (let r = 0; r < count; r++) {
    const row = top + r * stepH;
    let to = r * rowLength;
    const end = to + width * inC;
    if (row < 0 || row >= inH) {
      for (; to < end; to++) x64[to] = zero;
      continue;
    }
    for (const stop = to + before * inC; to < stop; to++) x64[to] = zero;
    let from = view.offset + n * sN + row * sH + (left + before * stepW) * sW;
    if (stepW === 1 && sW === inC) {
      for (const stop = to + (after - before) * inC; to < stop; to++, from++) x64[to] = x[from] ^ flip;
    } else {
      const gap = stepW * sW - inC;
      for (let c = before; c < after; c++, from += gap)
        for (const stop = to + inC; to < stop; to++, from++) x64[to] = x[from] ^ flip;
    }
    for (; to < end; to++) x64[to] = zero;
  }
}
