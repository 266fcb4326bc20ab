/**
 * 3×3 convolution, stride 1, in 36 products for each 4×4 outputs and pair of channels instead of 144: F(4×4, 3×3)
 *
 *   y = Aᵀ·[ Σ_c (G·g·Gᵀ) ⊙ (Bᵀ·d·B) ]·A
 *
 *        ⎡4  0 −5  0 1 0⎤             ⎡ 6  0  0⎤
 *        ⎢0 −4 −4  1 1 0⎥             ⎢−4 −4 −4⎥         ⎡1 1  1 1  1 0⎤
 *   Bᵀ = ⎢0  4 −4 −1 1 0⎥    G = 1/24·⎢−4  4 −4⎥    Aᵀ = ⎢0 1 −1 2 −2 0⎥
 *        ⎢0 −2 −1  2 1 0⎥             ⎢ 1  2  4⎥         ⎢0 1  1 4  4 0⎥
 *        ⎢0  2 −1 −2 1 0⎥             ⎢ 1 −2  4⎥         ⎣0 1 −1 8 −8 1⎦
 *        ⎣0  4  0 −5 0 1⎦             ⎣ 0  0 24⎦
 *
 *   d   f32, NHWC      6×6 cells of a tile, 4 apart, every cell inside memory
 *   U   f32 [outC/nr][36][C][nr]       G·g·Gᵀ, made once
 *   V   f32 [36][T][C]                 Bᵀ·d·B of a strip of T = rows × columns tiles, in scratch
 *   M   f32 [36][T][nr]                36 matrix products of it with a block of U, in scratch
 *   y   f32, NHWC      bias added, then clamps and whatever is fused
 *
 * Order: pictures, strips; V of all channels; then, a block of output channels after the other, M and y. A strip is
 * small enough for V and M to stay in the cache. Where an extent is no multiple, the last tile or strip begins
 * earlier and repeats some outputs, so no tile is partial and no cell beyond the window's border is read.
 *
 * Exact: with S = |Aᵀ|·[ Σ_c (|G|·|g|·|Gᵀ|) ⊙ (|Bᵀ|·|d|·|B|) ]·|A|, which is what each rounding is relative to,
 * |error| ≤ (C + 24)·2⁻²⁴·(S + |bias|): ten roundings lie in V and U, C in M, twelve behind it. S may be a hundred
 * times the Σ|x·w| of the direct form. In ResNet-8 the largest error of a layer is 4·10⁻⁶ of its largest output, where
 * direct sums have 4·10⁻⁷, and that of its logits 3·10⁻⁵, where they have 10⁻⁵. An x that is infinite or NaN gives NaN
 * in its whole tile.
 * Source: Lavin and Gray 2016, arXiv:1509.09308, §4.1, 4.2.
 */
import type { WindowGeometry } from '../geometry.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { ProductTile, type Steps } from './direct-conv-f32.ts';
import { emitStages, type Stage } from './epilogue-conv-f32.ts';
import { vectorsOf } from './pack-f32.ts';
import type { Parameters } from './program.ts';
import type { Target } from './target.ts';
import { chooseTiling, type Segment, tileCost } from './tiles-conv-f32.ts';

const points = 36; // products of a tile
const outputs = 4; // along an axis

/** How a layer is cut; plain data, part of its kernel's spec. */
export interface WinogradPlan {
  readonly down: Axis;
  readonly along: Axis;
  readonly channels: number;
  /** Tiles of a strip in register tiles. */
  readonly tiles: readonly Segment[];
  /** Output channels in vectors of 4. */
  readonly blocks: readonly Segment[];
  /** Bytes from one of the 36 matrices to the next. */
  readonly vStep: number;
  readonly mStep: number;
  /** Estimated cycles. */
  readonly cost: number;
}

/** One axis of the output in strips of tiles. */
interface Axis {
  readonly strips: Walk;
  readonly tiles: Walk;
}

/** `count` positions, `step` pixels apart; the last comes `overlap` pixels early. */
interface Walk {
  readonly count: number;
  readonly step: number;
  readonly overlap: number;
}

export interface WinogradSpec {
  readonly [key: string]: unknown;
  readonly plan: WinogradPlan;
  readonly madd: boolean;
  readonly pictures: number;
  readonly x: Steps;
  readonly y: Steps;
  readonly residual: Steps | null;
  readonly stages: readonly Stage[];
}

/** null: another form of convolution. */
export function planWinograd(g: WindowGeometry, target: Target): WinogradPlan | null {
  const isPlain = g.strideH * g.strideW * g.dilationH * g.dilationW * g.groups === 1;
  if (g.kH !== 3 || g.kW !== 3 || !isPlain || g.inC % 4 !== 0 || g.outC % 4 !== 0) return null;
  if (g.outH < outputs || g.outW < outputs) return null;
  const most = Math.max(12, Math.min(24, Math.floor(512 / g.inC)));
  const along = axisOf(g.outW, most);
  const down = axisOf(g.outH, Math.max(1, Math.floor(most / along.tiles.count)));
  const tiles = along.tiles.count * down.tiles.count;
  const vectors = g.outC / 4;
  const tiling = chooseTiling({ rows: 1, columns: tiles, vectors, depth: g.inC }, target);
  let perStrip = 20 * tiles * (g.inC + g.outC); // each transform: 80 cycles for 4 channels of a tile
  for (const block of tiling.channels)
    for (const tile of tiling.columns)
      perStrip += points * block.count * tile.count * tileCost(tile.size, block.size, g.inC, target);
  return {
    down,
    along,
    channels: g.inC,
    tiles: tiling.columns,
    blocks: tiling.channels,
    vStep: spread(4 * tiles * g.inC),
    mStep: spread(16 * tiles * tiling.channels[0]!.size),
    cost: g.n * down.strips.count * along.strips.count * perStrip,
  };
}

/** As few strips of at most `most` tiles as will do, as equal as can be. */
function axisOf(pixels: number, most: number): Axis {
  const tiles = Math.ceil(pixels / outputs);
  const size = Math.ceil(tiles / Math.ceil(tiles / most));
  const count = Math.ceil(tiles / size);
  const overlap = outputs * size * count - pixels;
  return {
    strips: { count, step: outputs * size, overlap: count > 1 ? overlap : 0 },
    tiles: { count: size, step: outputs, overlap: count > 1 ? 0 : overlap },
  };
}

/** Matrices a power of two apart would share few sets of the cache. */
function spread(bytes: number): number {
  return bytes % 512 === 0 ? bytes + 64 : bytes;
}

export function winogradScratch({ along, vStep, mStep }: WinogradPlan): number {
  return points * (vStep + mStep) + halfBytes(along);
}

/** A row of tiles transformed downwards; a tile on its way back needs less. */
function halfBytes(along: Axis): number {
  return 96 * columnsOf(along);
}

/** Columns of input under a row of tiles. */
function columnsOf({ tiles: { count, step, overlap } }: Axis): number {
  return step * count - overlap + 2;
}

/** U from w (outC, 3, 3, C), as a plain convolution's weights (outC, 36·C). */
export function transformWeights(w: Float32Array, outC: number, channels: number): Float32Array {
  const u = new Float32Array(outC * points * channels);
  const g = new Float64Array(9);
  const rows = new Float64Array(18); // G·g
  for (let oc = 0; oc < outC; oc++)
    for (let c = 0; c < channels; c++) {
      for (let tap = 0; tap < 9; tap++) g[tap] = w[(oc * 9 + tap) * channels + c]!;
      for (let j = 0; j < 3; j++) sixOfThree(g, j, 3, rows, j, 3);
      for (let i = 0; i < 6; i++)
        sixOfThree(rows, 3 * i, 1, u, (oc * points + 6 * i) * channels + c, channels);
    }
  return u;
}

/** to = G·from for one column. */
function sixOfThree(
  from: Float64Array,
  at: number,
  step: number,
  to: Float64Array | Float32Array,
  toAt: number,
  toStep: number,
): void {
  const a = from[at]!;
  const b = from[at + step]!;
  const c = from[at + 2 * step]!;
  to[toAt] = a / 4;
  to[toAt + toStep] = -(a + b + c) / 6;
  to[toAt + 2 * toStep] = -(a - b + c) / 6;
  to[toAt + 3 * toStep] = (a + 2 * b + 4 * c) / 24;
  to[toAt + 4 * toStep] = (a - 2 * b + 4 * c) / 24;
  to[toAt + 5 * toStep] = c;
}

/** Parameters: addresses of the first cell of the first tile, U, the bias, y, the residual, scratch. */
export function buildWinograd(
  f: FunctionBuilder,
  s: WinogradSpec,
  [x, u, bias, y, residual, scratch]: Parameters,
): void {
  const { plan } = s;
  const images: Move[] = [
    [x!, s.x],
    [y!, s.y],
  ];
  if (s.residual) images.push([residual!, s.residual]);
  const tile = new ProductTile(f, s.madd);
  const lines = new Lines(f, s.madd);
  const m = f.local('i32');
  const half = f.local('i32');
  f.set(m, f.op('i32.add', f.get(scratch!), f.i32(points * plan.vStep)));
  f.set(half, f.op('i32.add', f.get(m), f.i32(points * plan.mStep)));
  const strip = (): void => {
    inputTransform(f, s, lines, x!, scratch!, half);
    for (const { size, count } of plan.blocks)
      f.repeat(count, () => {
        products(f, plan, tile, size, scratch!, u!, m);
        outputTransform(f, s, lines, size, [m, half, bias!, y!, residual!]);
        f.advance(u!, 16 * size * points * plan.channels);
        f.advance(bias!, 16 * size);
        f.advance(y!, 16 * size);
        if (s.residual) f.advance(residual!, 16 * size);
      });
    const all = vectorsOf(plan.blocks);
    f.advance(u!, -16 * all * points * plan.channels);
    f.advance(bias!, -16 * all);
    f.advance(y!, -16 * all);
    if (s.residual) f.advance(residual!, -16 * all);
  };
  f.repeat(s.pictures, () => {
    slide(f, plan.down.strips, rowsOf(images), () => slide(f, plan.along.strips, pixelsOf(images), strip));
    for (const [at, { picture }] of images) f.advance(at, picture);
  });
}

type Move = readonly [Local<'i32'>, Steps];

const rowsOf = (images: readonly Move[]) => images.map(([at, { row }]) => [at, row] as const);
const pixelsOf = (images: readonly Move[]) => images.map(([at, { pixel }]) => [at, pixel] as const);

/** body() at each position; the pointers move with it and are back afterwards. */
function slide(
  f: FunctionBuilder,
  { count, step, overlap }: Walk,
  pointers: readonly (readonly [Local<'i32'>, bytes: number])[],
  body: () => void,
): void {
  if (count === 1) {
    body();
    return;
  }
  const advance = (pixels: number): void => {
    for (const [at, bytes] of pointers) f.advance(at, pixels * bytes);
  };
  const left = f.local('i32');
  f.set(left, f.i32(count));
  f.loop((again) => {
    body();
    advance(step);
    f.set(left, f.op('i32.sub', f.get(left), f.i32(1)));
    if (overlap > 0) f.if(f.op('i32.eq', f.get(left), f.i32(1)), () => advance(-overlap));
    f.brIf(again, f.get(left));
  });
  advance(overlap - step * count);
}

/** The two transforms along one line of vectors. */
class Lines {
  readonly #f: FunctionBuilder;
  readonly #madd: boolean;
  readonly #line: readonly Local<'v128'>[];
  readonly #p: Local<'v128'>;
  readonly #q: Local<'v128'>;
  /** What `back` leaves. */
  readonly out: readonly Local<'v128'>[];

  constructor(f: FunctionBuilder, madd: boolean) {
    this.#f = f;
    this.#madd = madd;
    this.#line = f.locals('v128', 6);
    this.#p = f.local('v128');
    this.#q = f.local('v128');
    this.out = f.locals('v128', 4);
  }

  get spare(): Local<'v128'> {
    return this.#p;
  }

  /** line ← load(0 … 5), then put(i, (Bᵀ·line)ᵢ). */
  there(load: (i: number) => V128, put: (i: number, value: () => V128) => void): void {
    const [d0, d1, d2, d3, d4, d5] = this.#load(load);
    const p = this.#p;
    const q = this.#q;
    const f = this.#f;
    put(0, () => this.#times(d0, 4, () => this.#times(d2, -5, () => f.get(d4))));
    f.set(
      p,
      this.#times(d2, -4, () => f.get(d4)),
    );
    f.set(
      q,
      this.#times(d1, -4, () => f.get(d3)),
    );
    put(1, () => f.op('f32x4.add', f.get(p), f.get(q)));
    put(2, () => f.op('f32x4.sub', f.get(p), f.get(q)));
    f.set(p, f.op('f32x4.sub', f.get(d4), f.get(d2)));
    f.set(q, f.op('f32x4.sub', f.get(d3), f.get(d1)));
    put(3, () => this.#times(q, 2, () => f.get(p)));
    put(4, () => this.#times(q, -2, () => f.get(p)));
    put(5, () => this.#times(d1, 4, () => this.#times(d3, -5, () => f.get(d5))));
  }

  /** line ← load(0 … 5), then out ← Aᵀ·line. */
  back(load: (i: number) => V128): void {
    const [m0, m1, m2, m3, m4, m5] = this.#load(load);
    const [y0, y1, y2, y3] = this.out as Six;
    const p = this.#p;
    const q = this.#q;
    const f = this.#f;
    f.set(p, f.op('f32x4.add', f.get(m1), f.get(m2)));
    f.set(q, f.op('f32x4.add', f.get(m3), f.get(m4)));
    f.set(y0, f.op('f32x4.add', f.op('f32x4.add', f.get(m0), f.get(p)), f.get(q)));
    f.set(
      y2,
      this.#times(q, 4, () => f.get(p)),
    );
    f.set(p, f.op('f32x4.sub', f.get(m1), f.get(m2)));
    f.set(q, f.op('f32x4.sub', f.get(m3), f.get(m4)));
    f.set(
      y1,
      this.#times(q, 2, () => f.get(p)),
    );
    f.set(
      y3,
      this.#times(q, 8, () => f.op('f32x4.add', f.get(p), f.get(m5))),
    );
  }

  #load(load: (i: number) => V128): Six {
    this.#line.forEach((cell, i) => {
      this.#f.set(cell, load(i));
    });
    return this.#line as Six;
  }

  /** factor·a + b */
  #times(a: Local<'v128'>, factor: number, b: () => V128): V128 {
    const f = this.#f;
    if (this.#madd) return f.op('f32x4.relaxed_madd', f.get(a), f.f32x4(factor), b());
    return f.op('f32x4.add', f.op('f32x4.mul', f.get(a), f.f32x4(factor)), b());
  }
}

type Cell = Local<'v128'>;
type Six = [Cell, Cell, Cell, Cell, Cell, Cell];

/**
 * V of one strip, four channels at a time. A row of tiles is transformed downwards, a column after the other, since
 * tiles share columns; then each tile along its 6 rows.
 *
 *   half   [columns][6]      in scratch
 */
function inputTransform(
  f: FunctionBuilder,
  { plan, x: steps }: WinogradSpec,
  lines: Lines,
  x: Local<'i32'>,
  v: Local<'i32'>,
  half: Local<'i32'>,
): void {
  const { down, along, channels, vStep } = plan;
  const columns = columnsOf(along);
  const from = f.local('i32');
  const between = f.local('i32');
  const to = f.local('i32');
  f.set(from, f.get(x));
  f.set(to, f.get(v));
  f.repeat(channels / 4, () => {
    slide(f, down.tiles, [[from, steps.row]], () => {
      f.set(between, f.get(half));
      f.repeat(columns, () => {
        lines.there(
          (i) => f.load('v128.load', f.get(from), i * steps.row),
          (i, value) => f.store('v128.store', f.get(between), value(), 16 * i),
        );
        f.advance(from, steps.pixel);
        f.advance(between, 96);
      });
      f.advance(from, -columns * steps.pixel);
      f.set(between, f.get(half));
      f.repeat(6, () => {
        slide(f, along.tiles, [[between, 96]], () => {
          lines.there(
            (j) => f.load('v128.load', f.get(between), 96 * j),
            (j, value) => f.store('v128.store', f.get(to), value(), j * vStep),
          );
          f.advance(to, 4 * channels);
        });
        f.advance(between, 16);
        f.advance(to, 6 * vStep - 4 * channels * along.tiles.count);
      });
      f.advance(to, 4 * channels * along.tiles.count - points * vStep);
    });
    f.advance(from, 16);
    f.advance(to, 16 - 4 * channels * along.tiles.count * down.tiles.count);
  });
}

/** M = V·U for one block of output channels. */
function products(
  f: FunctionBuilder,
  { tiles, channels, vStep, mStep }: WinogradPlan,
  tile: ProductTile,
  block: number,
  v: Local<'i32'>,
  u: Local<'i32'>,
  m: Local<'i32'>,
): void {
  const from = f.local('i32');
  const weights = f.local('i32');
  const to = f.local('i32');
  f.set(from, f.get(v));
  f.set(weights, f.get(u));
  f.set(to, f.get(m));
  let count = 0;
  for (const segment of tiles) count += segment.size * segment.count;
  f.repeat(points, () => {
    for (const segment of tiles)
      f.repeat(segment.count, () => {
        const each = (step: number): number[] => Array.from({ length: segment.size }, (_, t) => t * step);
        tile.start(segment.size, block, () => f.f32x4(0));
        tile.accumulate(from, weights, each(4 * channels), [], channels);
        tile.finish([], 4, to, each(16 * block), () => f.f32x4(0));
        f.advance(from, 4 * channels * segment.size);
        f.advance(to, 16 * block * segment.size);
      });
    f.advance(from, vStep - 4 * channels * count);
    f.advance(to, mStep - 16 * block * count);
    f.advance(weights, 16 * block * channels);
  });
}

/** y of one strip for one block of output channels: each tile along its rows, then downwards. */
function outputTransform(
  f: FunctionBuilder,
  { plan, y: steps, residual: added, stages }: WinogradSpec,
  lines: Lines,
  block: number,
  [m, half, bias, y, residual]: readonly Local<'i32'>[],
): void {
  const { down, along, mStep } = plan;
  const start = f.local('v128');
  const from = f.local('i32');
  const between = f.local('i32');
  const to = f.local('i32');
  const add = f.local('i32');
  const biasAt = f.local('i32');
  const images: Move[] = [[to, steps]];
  if (added) images.push([add, added]);
  const move = (bytes: (steps: Steps) => number): void => {
    for (const [at, image] of images) f.advance(at, bytes(image));
  };
  f.set(from, f.get(m!));
  f.set(to, f.get(y!));
  if (added) f.set(add, f.get(residual!));
  f.set(biasAt, f.get(bias!));
  f.repeat(block, () => {
    f.set(start, f.load('v128.load', f.get(biasAt)));
    slide(f, down.tiles, rowsOf(images), () => {
      slide(f, along.tiles, pixelsOf(images), () => {
        f.set(between, f.get(half!));
        f.repeat(6, () => {
          lines.back((j) => f.load('v128.load', f.get(from), j * mStep));
          lines.out.forEach((value, j) => {
            f.store('v128.store', f.get(between), f.get(value), 96 * j);
          });
          f.advance(from, 6 * mStep);
          f.advance(between, 16);
        });
        f.advance(from, 16 * block - points * mStep);
        f.set(between, f.get(half!));
        f.repeat(outputs, () => {
          lines.back((i) => f.load('v128.load', f.get(between), 16 * i));
          for (const value of lines.out) f.set(value, f.op('f32x4.add', f.get(value), f.get(start)));
          emitStages(f, stages, lines.out, lines.spare, (i) =>
            f.load('v128.load', f.get(add), i * added!.row),
          );
          lines.out.forEach((value, i) => {
            f.store('v128.store', f.get(to), f.get(value), i * steps.row);
          });
          f.advance(between, 96);
          move(({ pixel }) => pixel);
        });
        move(({ pixel }) => -outputs * pixel);
      });
    });
    f.advance(biasAt, 16);
    f.advance(from, 16 - 16 * block * along.tiles.count * down.tiles.count);
    move(() => 16);
  });
}
