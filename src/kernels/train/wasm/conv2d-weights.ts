/**
 * dw[o,k] = Σ_p dy[p,o]·x[p + tap k]                         conv2d-weights-f32-<mk>x<no>-wasm
 *
 *   x    f32, NHWC, every tap of every window inside memory (a border in place, or framed in scratch)
 *   dy   f32, NHWC
 *   sums f32 [K][4·⌈O/4⌉]      in scratch                    K = kH·kW·C
 *   dw   f32 [O][K]
 *
 * A matrix product over the pixels p. A tile is mk elements of a window times nv vectors of outputs, its sums in locals; the
 * inner loop goes over the pixels of a band of rows that the first cache holds, here 2 elements × 2 vectors:
 *
 *   loop
 *     d0 = v128.load dy         d1 = v128.load dy+16
 *     a  = v128.load32_splat x      s00 += a·d0   s01 += a·d1
 *     a  = v128.load32_splat x+4    s10 += a·d0   s11 += a·d1
 *     dy += pixel,  x += stride
 *
 * Order: pictures, bands, blocks of outputs, tiles of k, then rows and columns; between bands the sums lie in scratch.
 * Groups: one such product each.
 * Exact: products are added in f32; |error| ≤ (P + 1)·2⁻²⁴·Σ|dy·x| for P pixels.
 */
import type { EmittedOffer, KernelCall, Place } from '../../call.ts';
import type { WindowGeometry } from '../../geometry.ts';
import { isEmpty } from '../../js/views.ts';
import type { FunctionBuilder, Local } from '../../wasm/asm/function.ts';
import { borderOf, firstTap } from '../../wasm/conv2d-f32.ts';
import { type Move, walk } from '../../wasm/direct-conv-f32.ts';
import { framedBytes } from '../../wasm/frame-conv-f32.ts';
import { addProduct } from '../../wasm/lanes-f32.ts';
import { vectorsOf } from '../../wasm/pack-f32.ts';
import type { Parameters } from '../../wasm/program.ts';
import type { Target } from '../../wasm/target.ts';
import { chooseTiling, even, type Segment } from '../../wasm/tiles-conv-f32.ts';
import { type Call, framedInput } from '../../wasm/window-conv-f32.ts';
import { layerGeometry, type TrainingOf } from '../call.ts';

/** Of a band: what the first cache holds beside the sums. */
const bandBytes = 24 << 10;

export function offerConv2dWeights(
  call: KernelCall,
  op: TrainingOf<'conv2dWeights'>,
  target: Target,
): EmittedOffer | null {
  if (isEmpty(call)) return null;
  const g = layerGeometry(call, op);
  const { shape } = call.inputs[0]!;
  const border = borderOf(g);
  const depth = (g.kH * g.kW * g.inC) / g.groups;
  const outputs = g.outC / g.groups;
  const vectors = Math.ceil(outputs / 4);
  const sumBytes = depth * vectors * 16 + 16;
  const longest = (g.kW * g.inC) / g.groups;
  const { name } = tilingOf(longest, vectors, g, target);
  return {
    kernel: `conv2d-weights-f32-${name.slice(2)}-wasm`,
    strided: true,
    ...(border && { border }),
    scratch: (ready) => Math.ceil(sumBytes / 16) * 16 + (ready || !border ? 0 : framedBytes(shape, border)),
    emit: (program, [xPlace, dy], dw, scratch) => {
      const calls: Call[] = [];
      const sums = scratch;
      const x = framedInput(program, xPlace!, shape, border, sums + Math.ceil(sumBytes / 16) * 16, calls);
      const spec = specOf(g, x, dy!, dw, target);
      const kernel = program.kernel('conv2d-weights-f32', spec, 4, build);
      for (let group = 0; group < g.groups; group++)
        calls.push([
          kernel,
          firstTap(g, x) + 4 * group * (g.inC / g.groups),
          dy!.address + 4 * group * outputs,
          sums,
          dw.address + 4 * group * outputs * dw.strides[0]!,
        ]);
      program.step(...calls);
    },
  };
}

function tilingOf(run: number, vectors: number, g: WindowGeometry, target: Target) {
  return chooseTiling({ rows: 1, columns: run, vectors, depth: g.outH * g.outW }, target);
}

interface Spec {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly pictures: number;
  readonly bands: readonly Segment[];
  readonly columns: number;
  /** Bytes from pixel to pixel, row to row, picture to picture. */
  readonly x: readonly [pixel: number, row: number, picture: number];
  readonly dy: readonly [pixel: number, row: number, picture: number];
  /** Loops around a run of elements that lie side by side. */
  readonly taps: readonly { readonly count: number; readonly step: number }[];
  readonly run: number;
  readonly tiles: readonly Segment[];
  readonly blocks: readonly Segment[];
  /** Axes of dw, and the bytes from one element along each to the next. */
  readonly to: readonly { readonly count: number; readonly step: number }[];
}

function specOf(g: WindowGeometry, x: Place, dy: Place, dw: Place, target: Target): Spec {
  const depth = g.inC / g.groups;
  const outputs = g.outC / g.groups;
  const [xPicture, xRow, xPixel] = x.strides.map((stride) => 4 * stride) as [number, number, number];
  const [dyPicture, dyRow, dyPixel] = dy.strides.map((stride) => 4 * stride) as [number, number, number];
  const sideBySide = g.dilationW === 1 && xPixel === 4 * depth;
  const run = sideBySide ? g.kW * depth : depth;
  const taps = [
    { count: g.kH, step: g.dilationH * xRow },
    { count: sideBySide ? 1 : g.kW, step: g.dilationW * xPixel },
  ];
  const tiling = tilingOf(run, Math.ceil(outputs / 4), g, target);
  const rowStep = g.strideH * xRow;
  // Rows of all pictures are rows of one, where they lie alike.
  const isOne = xPicture === g.outH * rowStep && dyPicture === g.outH * dyRow;
  const rows = isOne ? g.n * g.outH : g.outH;
  const most = Math.max(1, Math.floor((bandBytes - g.kH * xRow) / (rowStep + dyRow)));
  return {
    madd: target.madd,
    pictures: isOne ? 1 : g.n,
    bands: even(rows, most),
    columns: g.outW,
    x: [g.strideW * xPixel, rowStep, xPicture],
    dy: [dyPixel, dyRow, dyPicture],
    taps: taps.filter(({ count }) => count > 1),
    run,
    tiles: tiling.columns,
    blocks: tiling.channels,
    to: [outputs, g.kH, g.kW, depth].map((count, axis) => ({ count, step: 4 * dw.strides[axis]! })),
  };
}

/** Parameters: addresses of x under the first tap, dy, the sums, dw. */
function build(f: FunctionBuilder, s: Spec, [x, dy, sums, dw]: Parameters): void {
  const vectors = vectorsOf(s.blocks);
  const row = 16 * vectors; // bytes of the sums of one element
  const depth = s.taps.reduce((product, { count }) => product * count, s.run);
  const tile = new Tile(f, s, row);
  zero(f, sums!, (depth * row) / 16);

  const overTaps = (level: number, body: () => void): void => {
    const tap = s.taps[level];
    if (!tap) {
      body();
      return;
    }
    const inner = s.taps.slice(level + 1).reduce((product, { count }) => product * count, s.run);
    const moves: Move[] = [
      [x!, tap.step],
      [sums!, inner * row],
    ];
    walk(f, [{ size: 1, count: tap.count }], moves, () => overTaps(level + 1, body));
  };
  const pictures: Move[] = [
    [x!, s.x[2]],
    [dy!, s.dy[2]],
  ];
  const rows: Move[] = [
    [x!, s.x[1]],
    [dy!, s.dy[1]],
  ];
  const outputs: Move[] = [
    [dy!, 16],
    [sums!, 16],
  ];
  const elements: Move[] = [
    [x!, 4],
    [sums!, row],
  ];
  walk(f, [{ size: 1, count: s.pictures }], pictures, () =>
    walk(f, s.bands, rows, (height) =>
      walk(f, s.blocks, outputs, (width) =>
        overTaps(0, () =>
          walk(f, s.tiles, elements, (length) => tile.emit(height, length, width, x!, dy!, sums!)),
        ),
      ),
    ),
  );
  // dw[o][k] = sums[k][o]
  const at = f.local('i32');
  const write = (axis: number): void => {
    const { count, step } = s.to[axis]!;
    f.repeat(count, () => {
      if (axis === 0) f.set(at, f.get(sums!));
      if (axis < 3) {
        write(axis + 1);
      } else {
        f.store('f32.store', f.get(dw!), f.load('f32.load', f.get(at)));
        f.advance(at, row);
      }
      f.advance(dw!, step);
      if (axis === 0) f.advance(sums!, 4);
    });
    f.advance(dw!, -step * count);
  };
  write(0);
}

function zero(f: FunctionBuilder, to: Local<'i32'>, vectors: number): void {
  const at = f.local('i32');
  f.set(at, f.get(to));
  f.repeat(vectors, () => {
    f.store('v128.store', f.get(at), f.f32x4(0));
    f.advance(at, 16);
  });
}

/** mk elements × nv vectors over the pixels of a band. */
class Tile {
  readonly #f: FunctionBuilder;
  readonly #s: Spec;
  readonly #row: number;
  readonly #sums: Local<'v128'>[] = [];
  readonly #held: Local<'v128'>[] = [];
  readonly #hand: Local<'v128'>;
  readonly #x: Local<'i32'>;
  readonly #dy: Local<'i32'>;

  constructor(f: FunctionBuilder, s: Spec, row: number) {
    this.#f = f;
    this.#s = s;
    this.#row = row;
    this.#hand = f.local('v128');
    this.#x = f.local('i32');
    this.#dy = f.local('i32');
  }

  emit(
    height: number,
    length: number,
    width: number,
    x: Local<'i32'>,
    dy: Local<'i32'>,
    sums: Local<'i32'>,
  ): void {
    const f = this.#f;
    const { columns, x: xSteps, dy: dySteps } = this.#s;
    while (this.#sums.length < length * width) this.#sums.push(f.local('v128'));
    while (this.#held.length < Math.min(length, width)) this.#held.push(f.local('v128'));
    const taken = this.#sums.slice(0, length * width);
    const place = (i: number): number => Math.floor(i / width) * this.#row + 16 * (i % width);
    for (const [i, sum] of taken.entries()) f.set(sum, f.load('v128.load', f.get(sums), place(i)));
    f.set(this.#x, f.get(x));
    f.set(this.#dy, f.get(dy));
    f.repeat(height, () => {
      // Several pixels a turn spill: V8 loads all their operands first (2.5 ms become 3.8 for 32×32×16, 32 pictures).
      f.repeat(columns, () => {
        this.#round(length, width);
        f.advance(this.#x, xSteps[0]);
        f.advance(this.#dy, dySteps[0]);
      });
      f.advance(this.#x, xSteps[1] - columns * xSteps[0]);
      f.advance(this.#dy, dySteps[1] - columns * dySteps[0]);
    });
    for (const [i, sum] of taken.entries()) f.store('v128.store', f.get(sums), f.get(sum), place(i));
  }

  /** One pixel: the fewer operands are held, the others loaded one by one. */
  #round(length: number, width: number): void {
    const f = this.#f;
    const loadX = (i: number) => f.load('v128.load32_splat', f.get(this.#x), 4 * i);
    const loadDy = (v: number) => f.load('v128.load', f.get(this.#dy), 16 * v);
    const holdDy = width <= length;
    const [outer, inner] = holdDy ? [length, width] : [width, length];
    for (let i = 0; i < inner; i++) f.set(this.#held[i]!, holdDy ? loadDy(i) : loadX(i));
    for (let i = 0; i < outer; i++) {
      f.set(this.#hand, holdDy ? loadX(i) : loadDy(i));
      for (let j = 0; j < inner; j++) {
        const sum = this.#sums[holdDy ? i * width + j : j * width + i]!;
        addProduct(f, this.#s.madd, sum, this.#hand, () => f.get(this.#held[j]!));
      }
    }
  }
}
