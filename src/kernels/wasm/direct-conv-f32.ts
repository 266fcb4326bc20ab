/**
 * y[m,n] = stages(bias[n] + Σₖ x[m,k]·w[n,k])          a window sliding over a picture in memory
 *
 *   x      f32, NHWC, every tap of every window inside memory (a border in place, or framed in scratch)
 *   w      f32 [groups][outC/nr][kH][kW·C][nr]           packed (pack-f32.ts)
 *   bias   f32 [groups][outC]                            padded to whole vectors
 *   y      f32, NHWC
 *
 * A tile is mh × mw pixels times nv vectors of 4 outputs; its sums start from the bias and stay in locals. There is
 * no im2col: the mr windows of a tile lie at constant distances from one pointer, so an activation is one
 * load with its distance as an immediate. Where pixels lie side by side a row of taps is one run of kW·C, and
 * rows of 1×1 windows that lie side by side are one long row.
 *
 * The inner loop, here 2 pixels × 2 vectors:
 *
 *   loop
 *     w0 = v128.load w          w1 = v128.load w+16
 *     a  = v128.load32_splat x            s00 += a·w0   s01 += a·w1
 *     a  = v128.load32_splat x+distance   s10 += a·w0   s11 += a·w1
 *     w += 32,  x += 4
 *     br_if x < end
 *
 * Order: groups, pictures, then rows, columns and blocks of channels in the order that passes over the smaller of
 * weights and activations again and again.
 * Exact: products are added in f32, in the order of k; |error| ≤ (K + 2)·2⁻²⁴·(|bias| + Σ|x·w|), fused or not.
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { emitStages, type Stage, storeLanes } from './epilogue-conv-f32.ts';
import type { Parameters } from './program.ts';
import type { Segment, Tiling } from './tiles-conv-f32.ts';

/** Taps: `count` of them, `step` bytes from one to the next. */
export interface Taps {
  readonly count: number;
  readonly step: number;
}

/** Bytes from one picture, row and pixel to the next. */
export interface Steps {
  readonly picture: number;
  readonly row: number;
  readonly pixel: number;
  /** From a group of channels to the next. */
  readonly group: number;
}

export interface DirectSpec extends Omit<Tiling, 'name' | 'cost'> {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly pictures: number;
  readonly groups: number;
  readonly order: Order;
  /** Channels in the last vector of a group: 1 … 4. */
  readonly lanes: number;
  /** Loops around the run, outermost first. */
  readonly taps: readonly Taps[];
  /** Elements of x side by side; 0: no taps at all. */
  readonly run: number;
  readonly x: Steps;
  readonly y: Steps;
  /** Where what is added to the sums lies. */
  readonly residual: Steps | null;
  readonly stages: readonly Stage[];
}

type Axis = 'rows' | 'columns' | 'channels';
/** Loops, outermost first. */
export type Order = readonly [Axis, Axis, Axis];

/** Parameters: addresses of x, the packed weights and bias, y, the residual. */
export function buildDirect(f: FunctionBuilder, s: DirectSpec, [x, w, bias, y, residual]: Parameters): void {
  const tile = new ProductTile(f, s.madd);
  const vectorBytes = 16 * depthOf(s);
  const images: (readonly [Local<'i32'>, Steps])[] = [
    [x!, s.x],
    [y!, s.y],
  ];
  if (s.residual) images.push([residual!, s.residual]);
  const along = (axis: keyof Steps): Move[] => images.map(([local, steps]) => [local, steps[axis]]);
  const vectors = s.channels.reduce((sum, { size, count }) => sum + size * count, 0);
  const moves: Record<Axis, readonly Move[]> = {
    rows: along('row'),
    columns: along('pixel'),
    channels: [[w!, vectorBytes], [bias!, 16], ...images.slice(1).map(([local]): Move => [local, 16])],
  };

  const nest = (depth: number, sizes: Readonly<Record<Axis, number>>, last: boolean): void => {
    const axis = s.order[depth];
    if (axis === undefined) {
      oneTile(sizes, last);
      return;
    }
    const segments = axis === 'channels' ? withLastApart(s.channels, s.lanes) : s[axis];
    walk(f, segments, moves[axis], (size, isLast) =>
      nest(depth + 1, { ...sizes, [axis]: size }, axis === 'channels' ? isLast : last),
    );
  };
  const oneTile = (sizes: Readonly<Record<Axis, number>>, last: boolean): void => {
    const pixels = { rows: sizes.rows, columns: sizes.columns };
    tile.start(pixels.rows * pixels.columns, sizes.channels, (v) =>
      f.load('v128.load', f.get(bias!), 16 * v),
    );
    tile.accumulate(x!, w!, distances(s.x, pixels), s.taps, s.run);
    const at = distances(s.y, pixels);
    const added = s.residual && distances(s.residual, pixels);
    tile.finish(s.stages, last ? s.lanes : 4, y!, at, (pixel, v) =>
      f.load('v128.load', f.get(residual!), added![pixel]! + 16 * v),
    );
  };

  walk(
    f,
    [{ size: 1, count: s.groups }],
    [...along('group'), [w!, vectors * vectorBytes], [bias!, 16 * vectors]],
    () =>
      walk(f, [{ size: 1, count: s.pictures }], along('picture'), () =>
        nest(0, { rows: 0, columns: 0, channels: 0 }, false),
      ),
  );
}

export type Move = readonly [pointer: Local<'i32'>, bytes: number];

/** body(size) for each tile of an axis; pointers move `bytes` for each unit of it, and are back afterwards. */
export function walk(
  f: FunctionBuilder,
  segments: readonly Segment[],
  moves: readonly Move[],
  body: (size: number, last: boolean) => void,
): void {
  let total = 0;
  let tiles = 0;
  for (const { size, count } of segments) {
    total += size * count;
    tiles += count;
  }
  if (tiles === 1) {
    body(total, true);
    return;
  }
  segments.forEach(({ size, count }, i) => {
    f.repeat(count, () => {
      body(size, i === segments.length - 1);
      for (const [pointer, bytes] of moves) f.advance(pointer, bytes * size);
    });
  });
  for (const [pointer, bytes] of moves) f.advance(pointer, -bytes * total);
}

/** The last block by itself, where its last vector is stored in part. */
function withLastApart(blocks: readonly Segment[], lanes: number): readonly Segment[] {
  const last = blocks[blocks.length - 1]!;
  if (lanes === 4 || last.count === 1) return blocks;
  return [...blocks.slice(0, -1), { ...last, count: last.count - 1 }, { ...last, count: 1 }];
}

/** Bytes from the first pixel of a tile to each. */
function distances(
  steps: Steps,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): number[] {
  const bytes: number[] = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) bytes.push(row * steps.row + column * steps.pixel);
  return bytes;
}

export function depthOf({ taps, run }: Pick<DirectSpec, 'taps' | 'run'>): number {
  return taps.reduce((product, { count }) => product * count, run);
}

/** The sums of mr pixels × nv vectors, and what adds products to them. */
export class ProductTile {
  readonly #f: FunctionBuilder;
  readonly #madd: boolean;
  readonly #all: Local<'v128'>[] = [];
  readonly #held: Local<'v128'>[] = [];
  readonly #hand: Local<'v128'>;
  readonly #x: Local<'i32'>;
  readonly #w: Local<'i32'>;
  readonly #end: Local<'i32'>;
  /** [pixel][vector] */
  sums: Local<'v128'>[] = [];
  #pixels = 0;
  #vectors = 0;

  constructor(f: FunctionBuilder, madd: boolean) {
    this.#f = f;
    this.#madd = madd;
    this.#hand = f.local('v128');
    this.#x = f.local('i32');
    this.#w = f.local('i32');
    this.#end = f.local('i32');
  }

  /** Every pixel's sums start from initial(vector). */
  start(pixels: number, vectors: number, initial: (vector: number) => V128): void {
    const f = this.#f;
    const count = pixels * vectors;
    while (this.#all.length < count) this.#all.push(f.local('v128'));
    while (this.#held.length < Math.min(pixels, vectors)) this.#held.push(f.local('v128'));
    this.sums = this.#all.slice(0, count);
    this.#pixels = pixels;
    this.#vectors = vectors;
    for (let v = 0; v < vectors; v++) f.set(this.sums[v]!, initial(v));
    for (let i = vectors; i < count; i++) f.set(this.sums[i]!, f.get(this.sums[i % vectors]!));
  }

  /** Adds the products of all taps; x and w stay as they are. */
  accumulate(
    x: Local<'i32'>,
    w: Local<'i32'>,
    distances: readonly number[],
    taps: readonly Taps[],
    run: number,
  ): void {
    const f = this.#f;
    if (run === 0) return;
    f.set(this.#x, f.get(x));
    f.set(this.#w, f.get(w));
    const nest = (depth: number): number => {
      const level = taps[depth];
      if (!level) {
        this.#run(distances, run);
        return 4 * run;
      }
      let moved = 0;
      f.repeat(level.count, () => {
        moved = nest(depth + 1);
        f.advance(this.#x, level.step - moved);
      });
      return level.count * level.step;
    };
    nest(0);
  }

  #run(distances: readonly number[], run: number): void {
    const f = this.#f;
    if (run === 1) {
      this.#round(distances);
      return;
    }
    f.set(this.#end, f.op('i32.add', f.get(this.#x), f.i32(4 * run)));
    f.loop((again) => {
      this.#round(distances);
      f.brIf(again, f.op('i32.lt_u', f.get(this.#x), f.get(this.#end)));
    });
  }

  /** One k: the fewer operands are held, the others loaded one by one. */
  #round(distances: readonly number[]): void {
    const f = this.#f;
    const pixels = this.#pixels;
    const vectors = this.#vectors;
    const loadX = (pixel: number) => f.load('v128.load32_splat', f.get(this.#x), distances[pixel]);
    const loadW = (v: number) => f.load('v128.load', f.get(this.#w), 16 * v);
    const held = this.#held;
    const hand = this.#hand;
    if (vectors <= pixels) {
      for (let v = 0; v < vectors; v++) f.set(held[v]!, loadW(v));
      for (let pixel = 0; pixel < pixels; pixel++) {
        f.set(hand, loadX(pixel));
        for (let v = 0; v < vectors; v++) this.#add(this.sums[pixel * vectors + v]!, hand, held[v]!);
      }
    } else {
      for (let pixel = 0; pixel < pixels; pixel++) f.set(held[pixel]!, loadX(pixel));
      for (let v = 0; v < vectors; v++) {
        f.set(hand, loadW(v));
        for (let pixel = 0; pixel < pixels; pixel++)
          this.#add(this.sums[pixel * vectors + v]!, held[pixel]!, hand);
      }
    }
    f.advance(this.#w, 16 * vectors);
    f.advance(this.#x, 4);
  }

  #add(sum: Local<'v128'>, a: Local<'v128'>, b: Local<'v128'>): void {
    const f = this.#f;
    if (this.#madd) f.set(sum, f.op('f32x4.relaxed_madd', f.get(a), f.get(b), f.get(sum)));
    else f.set(sum, f.op('f32x4.add', f.get(sum), f.op('f32x4.mul', f.get(a), f.get(b))));
  }

  /** Stores the sums: pixel p at y + at[p], `lanes` of its last vector. */
  finish(
    stages: readonly Stage[],
    lanes: number,
    y: Local<'i32'>,
    at: readonly number[],
    residual: (pixel: number, vector: number) => V128,
  ): void {
    const f = this.#f;
    const vectors = this.#vectors;
    emitStages(f, stages, this.sums, this.#hand, (i) => residual(Math.floor(i / vectors), i % vectors));
    this.sums.forEach((sum, i) => {
      const v = i % vectors;
      storeLanes(f, v === vectors - 1 ? lanes : 4, y, sum, at[Math.floor(i / vectors)]! + 16 * v);
    });
  }
}
