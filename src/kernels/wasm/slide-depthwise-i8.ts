/**
 * A depthwise window that slides along the row: vectors of cells are made once and serve every output that sees them.
 *
 *   u8, 3×3, two rows of outputs            i16, 3×3, one row of outputs
 *
 *         x  x+1 x+2 x+3                          x  x+1 x+2 x+3
 *       ┌───┬───┬───┬───┐                       ┌───┬───┬───┬───┐
 *   r0  │ ┊ │ ┊ │ ┊ │ ┊ │  a column of          │ ┊ │ ┊ │ ┊ │ ┊ │  a column of two cells is a vector
 *   r1  │ ┊ │ ┊ │ ┊ │ ┊ │  four cells is        │ ┊ │ ┊ │ ┊ │ ┊ │
 *   r2  │ ┊ │ ┊ │ ┊ │ ┊ │  a vector             ├───┴───┼───┴───┤
 *   r3  │ ┊ │ ┊ │ ┊ │ ┊ │                       │ · · · │ · · · │  the row left over: two cells beside each other
 *       └───┴───┴───┴───┘                       └───────┴───────┘
 *
 * The first row of outputs takes weights [w₀ w₁ w₂ 0] down each column, the second [0 w₀ w₁ w₂]; cells beside each
 * other are taken with [w₀ w₁], [w₂ 0] by the first of two outputs and [0 w₀], [w₁ w₂] by the second. So 4 outputs ×
 * 8 channels take 24 dot products and 8 shuffles in u8, 2 × 4 channels 10 and 3 in i16.
 *
 *   for each row (two) of outputs, for each block of channels:
 *     vectors of the first columns
 *     loop:   t = interleave(load64 x, load64 x+row)   u = interleave(load64 x+2row, load64 x+3row)     next columns
 *             v[0] = interleave_low(t, u)   v[1] = interleave_high(t, u)
 *             for each four channels: for each weight, loaded once, for the outputs that it serves:
 *               sum = relaxed_dot(weight, v, sum)               i16:  sum += i32x4.dot_i16x8_s(weight, v)
 *             requantise, store;  vectors move to the left;  x, y += two pixels
 *
 * Of an odd number of rows the last two are computed together as well, one of them again.
 *
 * Cells that only later outputs need may be read one pixel past the window's last column. That is within memory:
 * a pixel is smaller than the constants of its layer, and constants lie behind all activations.
 */
import type { Pair } from '../call.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import { Epilogue, type EpilogueSpec, groupBytes } from './epilogue-i8.ts';
import { laneLoader } from './lanes-depthwise-i8.ts';
import { type LaneTaps, vectorsOf } from './pack-depthwise-i8.ts';
import type { Parameters } from './program.ts';
import type { Target } from './target.ts';

export interface SlideShape {
  readonly dot: Target['dot'];
  readonly kernel: Pair;
  readonly stride: Pair;
  /** Outputs computed together: below each other, where windows are next to each other, and side by side. */
  readonly tile: Pair;
  /** Rows are columns here, and columns rows: the window slides down the picture. */
  readonly transposed: boolean;
  /** Channels of a block. */
  readonly block: number;
  /** Weights stay in locals along a row. */
  readonly keep: boolean;
}

export interface SlideSpec extends SlideShape {
  readonly [key: string]: unknown;
  /** Rows and columns of outputs. */
  readonly out: Pair;
  /** Channels of a block, or of what is left behind the last. */
  readonly channels: number;
  /** Bytes from one row of a window to the next, from one window to the one below, and from pixel to pixel. */
  readonly inRow: number;
  readonly inStep: number;
  readonly inPixel: number;
  readonly outRow: number;
  readonly outPixel: number;
  readonly over: readonly number[];
  readonly epilogue: EpilogueSpec;
}

/** Where a vector's cells lie, in rows and columns from the first window's first cell. */
interface Cells {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
}

interface Use {
  readonly vector: number;
  readonly weight: number;
}

/** The vectors that a tile of `pixels` columns sees, and what each output takes of them. */
interface Window {
  readonly vectors: readonly Cells[];
  readonly uses: readonly (readonly Use[])[]; // (outputs of the tile: rows, columns)
}

/** One pair of lists for all tiles of a layer: their weights are the same. */
class Weights {
  readonly taps: number[][] = [];
  readonly #index = new Map<string, number>();

  indexOf(taps: number[]): number {
    const key = taps.join();
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    this.#index.set(key, this.taps.length);
    return this.taps.push(taps) - 1;
  }
}

/** The weight vectors of a layer, in the order in which its code expects them. */
export function slideTaps(shape: SlideShape): LaneTaps {
  const weights = new Weights();
  windowOf(shape, shape.tile[1], weights);
  return weights.taps;
}

function windowOf(
  { dot, kernel, stride, tile, transposed }: SlideShape,
  pixels: number,
  weights: Weights,
): Window {
  const lanes = dot === 'u8' ? 4 : 2;
  const [kH, kW] = kernel;
  const rows = (tile[0] - 1) * stride[0] + kH;
  const columns = (pixels - 1) * stride[1] + kW;
  // In i16 an odd row is taken in pairs along it, if tiles move by an even number of columns.
  const lone = dot === 'i16' && rows % 2 === 1 && (tile[1] * stride[1]) % 2 === 0;
  const stacked = lone ? rows - 1 : rows;
  const vectors: Cells[] = [];
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < stacked; row += lanes) {
      const height = Math.min(lanes, stacked - row);
      vectors.push({
        rows: Array.from({ length: height }, (_, i) => row + i),
        columns: new Array<number>(height).fill(column),
      });
    }
    if (lone && column % 2 === 0) vectors.push({ rows: [stacked, stacked], columns: [column, column + 1] });
  }
  const uses: Use[][] = [];
  for (let y = 0; y < tile[0]; y++)
    for (let x = 0; x < pixels; x++) {
      const used: Use[] = [];
      vectors.forEach((cells, vector) => {
        const taps = Array.from({ length: lanes }, (_, lane) => {
          const ky = (cells.rows[lane] ?? rows) - y * stride[0];
          const kx = (cells.columns[lane] ?? columns) - x * stride[1];
          if (ky < 0 || ky >= kH || kx < 0 || kx >= kW) return -1;
          return transposed ? kx * kH + ky : ky * kW + kx;
        });
        if (taps.some((tap) => tap >= 0)) used.push({ vector, weight: weights.indexOf(taps) });
      });
      uses.push(used);
    }
  return { vectors, uses };
}

/** Parameters: the first window's first cell, the first output, channels' constants, weights, and the number of blocks. */
export function buildSlide(
  f: FunctionBuilder,
  spec: SlideSpec,
  [x, y, channels, weights, blocks]: Parameters,
): void {
  const { tile, out, stride } = spec;
  const [rows, pixels] = tile;
  const groups = spec.channels > 4 ? 2 : 1;
  const list = new Weights();
  const full = windowOf(spec, pixels, list);
  const rest = out[1] % pixels;
  const part = rest > 0 ? windowOf(spec, rest, list) : null;
  const kept = full.vectors.filter(
    ({ columns }) => columns[0] + pixels * stride[1] < (pixels - 1) * stride[1] + spec.kernel[1],
  ).length;
  const moved = full.vectors.length - kept;
  const [rowX, rowY, blockX, blockY, atC, atW, atX, atY, left] = f.locals('i32', 9);
  const code = new TileCode(f, spec, groups, list.taps, full.vectors.length, { atX, atY, atC, atW });

  /** One row (two) of one block. */
  const row = (): void => {
    for (let v = 0; v < kept; v++) code.load(full.vectors[v], v);
    f.repeat(Math.floor(out[1] / pixels), () => {
      code.tile(full, pixels, kept, true);
      for (let v = 0; v < kept; v++) code.move(moved + v, v);
      f.advance(atX, pixels * stride[1] * spec.inPixel);
      f.advance(atY, pixels * spec.outPixel);
    });
    if (part) code.tile(part, rest, kept, false);
  };
  f.set(rowX, f.get(x!));
  f.set(rowY, f.get(y!));
  const move = (count: number): void => {
    f.advance(rowX, count * spec.inStep);
    f.advance(rowY, count * spec.outRow);
  };
  repeatRows(f, out[0], rows, move, () => {
    f.set(blockX, f.get(rowX));
    f.set(blockY, f.get(rowY));
    f.set(atC, f.get(channels!));
    f.set(atW, f.get(weights!));
    f.set(left, f.get(blocks!));
    f.loop((again) => {
      f.set(atX, f.get(blockX));
      f.set(atY, f.get(blockY));
      code.begin();
      row();
      f.advance(blockX, spec.channels * (spec.dot === 'u8' ? 1 : 2));
      f.advance(blockY, spec.channels * (spec.epilogue.wide ? 2 : 1));
      f.advance(atC, groups * code.channelBytes);
      f.advance(atW, groups * code.weightBytes);
      f.brIf(again, f.tee(left, f.op('i32.sub', f.get(left), f.i32(1))));
    });
  });
}

/** `rows` at a time; where some are left over, the last turn begins a row (or more) before the others' end. */
function repeatRows(
  f: FunctionBuilder,
  count: number,
  rows: number,
  move: (rows: number) => void,
  body: () => void,
): void {
  const turns = Math.ceil(count / rows);
  if (count % rows === 0) {
    f.repeat(turns, () => {
      body();
      move(rows);
    });
    return;
  }
  const left = f.local('i32');
  f.set(left, f.i32(turns));
  f.loop((again) => {
    body();
    move(rows);
    f.if(f.op('i32.eq', f.get(left), f.i32(2)), () => move(count - turns * rows));
    f.brIf(again, f.tee(left, f.op('i32.sub', f.get(left), f.i32(1))));
  });
}

interface Pointers {
  readonly atX: Local<'i32'>;
  readonly atY: Local<'i32'>;
  readonly atC: Local<'i32'>;
  readonly atW: Local<'i32'>;
}

/** Code of one tile, and the locals that it works on. */
class TileCode {
  /** Bytes for each four channels. */
  readonly channelBytes: number;
  readonly weightBytes: number;
  readonly #f: FunctionBuilder;
  readonly #spec: SlideSpec;
  readonly #taps: LaneTaps;
  readonly #at: Pointers;
  readonly #epilogue: Epilogue;
  readonly #load: ReturnType<typeof laneLoader>;
  readonly #vectors: Local<'v128'>[][]; // (vectors, groups)
  readonly #sums: Local<'v128'>[][]; // (groups, outputs)
  readonly #weight: Local<'v128'>;
  readonly #start: Local<'v128'>;
  readonly #keptWeights: Local<'v128'>[][]; // (groups, weights)

  constructor(
    f: FunctionBuilder,
    spec: SlideSpec,
    groups: number,
    taps: LaneTaps,
    vectors: number,
    at: Pointers,
  ) {
    const lists = (count: number, length: number): Local<'v128'>[][] =>
      Array.from({ length: count }, () => f.locals('v128', length));
    const weights = taps.length + spec.over.length;
    this.#f = f;
    this.#spec = spec;
    this.#taps = taps;
    this.#at = at;
    this.channelBytes = 16 + groupBytes(spec.epilogue.form);
    this.weightBytes = 16 * weights;
    this.#epilogue = new Epilogue(f, spec.epilogue);
    this.#load = laneLoader(f, spec.dot, groups, at.atX);
    this.#vectors = lists(vectors, groups);
    this.#sums = lists(groups, spec.tile[0] * spec.tile[1]);
    this.#weight = f.local('v128');
    this.#start = f.local('v128');
    this.#keptWeights = lists(spec.keep ? groups : 0, weights);
  }

  /** At the start of a row of one block. */
  begin(): void {
    const f = this.#f;
    this.#keptWeights.forEach((group, g) => {
      group.forEach((weight, w) => {
        f.set(weight, f.load('v128.load', f.get(this.#at.atW), g * this.weightBytes + 16 * w));
      });
    });
  }

  load({ rows, columns }: Cells, vector: number, columnCount = Number.POSITIVE_INFINITY): void {
    const { inRow, inPixel } = this.#spec;
    const column = (i: number): number => Math.min(columns[i], columnCount - 1);
    this.#load(
      rows.map((row, i) => row * inRow + column(i) * inPixel),
      this.#vectors[vector],
    );
  }

  move(from: number, to: number): void {
    this.#vectors[to].forEach((local, g) => {
      this.#f.set(local, this.#f.get(this.#vectors[from][g]));
    });
  }

  /** Loads the vectors from `first` on, and computes the tile. `more`: another may follow and find them loaded. */
  tile({ vectors, uses }: Window, pixels: number, first: number, more: boolean): void {
    const { atC } = this.#at;
    const columns = (pixels - 1) * this.#spec.stride[1] + this.#spec.kernel[1];
    for (let v = first; v < vectors.length; v++)
      this.load(vectors[v], v, more ? Number.POSITIVE_INFINITY : columns);
    this.#sums.forEach((sums, g) => {
      this.#sumUp(uses, g, sums);
      this.#epilogue.requantizeAll(sums.slice(0, uses.length), atC, g * this.channelBytes + 16);
    });
    const { channels, outRow, outPixel } = this.#spec;
    this.#epilogue.storeAll(
      uses.map((_, i) => this.#sums.map((sums) => sums[i])),
      channels,
      uses.map((_, i) => ({
        pointer: this.#at.atY,
        offset: Math.floor(i / pixels) * outRow + (i % pixels) * outPixel,
      })),
    );
  }

  /** The sums of one group of four channels; every weight is read once. */
  #sumUp(uses: Window['uses'], g: number, sums: readonly Local<'v128'>[]): void {
    const f = this.#f;
    const { over } = this.#spec;
    f.set(this.#start, f.load('v128.load', f.get(this.#at.atC), g * this.channelBytes));
    const begun = new Set<number>();
    for (let w = 0; w < this.#taps.length; w++) {
      const users = uses.flatMap((used, i) =>
        used.filter(({ weight }) => weight === w).map(({ vector }) => [i, vector] as const),
      );
      if (users.length === 0) continue;
      for (const index of vectorsOf(w, this.#taps, over)) {
        const weight = this.#weightAt(g, index);
        for (const [i, vector] of users) {
          const sum = begun.has(i) ? sums[i] : this.#start;
          begun.add(i);
          this.#accumulate(sums[i], weight, this.#vectors[vector][g], sum);
        }
      }
    }
  }

  #weightAt(g: number, index: number): Local<'v128'> {
    const f = this.#f;
    if (this.#spec.keep) return this.#keptWeights[g][index];
    f.set(this.#weight, f.load('v128.load', f.get(this.#at.atW), g * this.weightBytes + 16 * index));
    return this.#weight;
  }

  #accumulate(to: Local<'v128'>, weight: Local<'v128'>, cells: Local<'v128'>, sum: Local<'v128'>): void {
    const f = this.#f;
    f.set(
      to,
      this.#spec.dot === 'u8'
        ? f.op('i32x4.relaxed_dot_i8x16_i7x16_add_s', f.get(weight), f.get(cells), f.get(sum))
        : f.op('i32x4.add', f.get(sum), f.op('i32x4.dot_i16x8_s', f.get(weight), f.get(cells))),
    );
  }
}
