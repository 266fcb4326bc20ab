/**
 * The code of an 8-bit convolution: loops over tiles of pixels and blocks of channels around one inner loop.
 *
 *   for every tile of mr pixels, block of nr channels:
 *     sum[j][g] = start[g]                                   j < mr, g < nr/4: 4 channels to a vector
 *     for every run (row of the window), every group of 4 bytes in it:
 *       w[g]      = v128.load weights + 16·g
 *       x         = v128.load32_splat pixel j                one pixel after the other
 *       sum[j][g] = i32x4.relaxed_dot_i8x16_i7x16_add_s(w[g], x, sum[j][g])       'u8'
 *                 = i32x4.add(sum[j][g], i32x4.dot_i16x8_s(w[g], x))              'i16'
 *     y[j] = requantize(sum[j])
 *
 * A tile takes its pixels one after the other from a picture, from row to row. Where an operand is laid out so that
 * a row does not follow the one before it evenly, each pixel has a pointer of its own. Tiles share the picture out
 * evenly, so that there are some of mr and some of mr − 1 pixels and nothing is computed twice.
 *
 * Unrolled where the dot product is one instruction; V8's older compilers would load everything first, and spill.
 * A splat has an address without displacement: V8 adds one outside of the instruction, and keeps the result.
 */
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { type Address, Epilogue, type EpilogueSpec, groupBytes } from './epilogue-i8.ts';
import type { Parameters } from './program.ts';

/** One loop over pixels; `steps` in bytes, one for each operand: x, y, [sums over windows]. */
export interface Loop {
  readonly count: number;
  readonly steps: readonly number[];
}

/** rows × columns runs of `groups` groups each, at these distances in bytes. */
export interface Taps {
  readonly rows: number;
  readonly rowStep: number;
  readonly columns: number;
  readonly columnStep: number;
  readonly groups: number;
}

/**
 * What is outermost.
 *
 *   pixels     tiles, then blocks: the activations of a tile stay in the nearest cache
 *   channels   blocks, then tiles: the weights of a block do
 */
export type Order = 'pixels' | 'channels';

export interface ConvSpec {
  readonly dot: 'u8' | 'i16';
  /** One or two, and one around them for each batch. */
  readonly loops: readonly Loop[];
  readonly order: Order;
  readonly mr: number;
  readonly nr: number;
  readonly outC: number;
  readonly taps: Taps;
  /** Sums over windows are added to the start. */
  readonly windowSums: boolean;
  readonly epilogue: EpilogueSpec;
  readonly [name: string]: unknown;
}

/** Parameters: weights, channels, x, y, [sums over windows]. */
export function emitConvI8(f: FunctionBuilder, spec: ConvSpec, parameters: Parameters): void {
  new ConvI8(f, spec, parameters).emit();
}

/** Operands of a tile's pixels: [operand][pixel]. */
type Pixels = readonly (readonly Address[])[];

interface Block {
  readonly weights: Local<'i32'>;
  readonly channels: Local<'i32'>;
  readonly width: number;
  /** Channels that are stored. */
  readonly count: number;
}

type Pointers = readonly Local<'i32'>[];

const operandX = 0;
const operandY = 1;
const operandWindow = 2;

class ConvI8 {
  readonly #f: FunctionBuilder;
  readonly #spec: ConvSpec;
  readonly #weights: Local<'i32'>;
  readonly #channels: Local<'i32'>;
  readonly #operands: Pointers;
  readonly #epilogue: Epilogue;
  readonly #sums: Local<'v128'>[];
  readonly #w: Local<'v128'>[];
  readonly #x: Local<'v128'>;

  constructor(f: FunctionBuilder, spec: ConvSpec, [weights, channels, ...operands]: Parameters) {
    this.#f = f;
    this.#spec = spec;
    this.#weights = weights!;
    this.#channels = channels!;
    this.#operands = operands;
    this.#epilogue = new Epilogue(f, spec.epilogue);
    this.#sums = f.locals('v128', (spec.mr * spec.nr) / 4);
    this.#w = f.locals('v128', spec.nr / 4);
    this.#x = f.local('v128');
  }

  emit(): void {
    const { loops, order } = this.#spec;
    const picture = loops.slice(-2);
    const outer = loops.slice(0, -2);
    if (order === 'channels')
      this.#forBlocks(this.#operands, (block, at) =>
        this.#forLoops(outer, at, (from) =>
          this.#forTiles(picture, from, (pixels) => this.#tile(pixels, block)),
        ),
      );
    else
      this.#forLoops(outer, this.#operands, (from) =>
        this.#forTiles(picture, from, (pixels) => this.#forBlocksOf(pixels)),
      );
  }

  /** body(pointers) for every round of a nest of loops. */
  #forLoops(loops: readonly Loop[], from: Pointers, body: (at: Pointers) => void): void {
    const [loop, ...inner] = loops;
    if (!loop) {
      body(from);
      return;
    }
    const at = this.#copies(from);
    this.#f.repeat(loop.count, () => {
      this.#forLoops(inner, at, body);
      at.forEach((pointer, i) => {
        this.#f.advance(pointer, loop.steps[i]);
      });
    });
  }

  /** body(block, pointers) for every block of channels; the output's pointer moves with it. */
  #forBlocks(from: Pointers, body: (block: Block, at: Pointers) => void): void {
    const at = this.#copies(from);
    this.#eachBlock((block) => body(block, at), [at[operandY]]);
  }

  /** All blocks for the pixels of one tile. */
  #forBlocksOf(pixels: Pixels): void {
    const y = pixels[operandY];
    const own = [...new Set(y.map(({ pointer }) => pointer))];
    const at = this.#copies(own);
    const copy = [...pixels];
    copy[operandY] = y.map(({ pointer, offset }) => ({ pointer: at[own.indexOf(pointer)], offset }));
    this.#eachBlock((block) => this.#tile(copy, block), at);
  }

  /** body(block) for every block; `y` are the output's pointers. */
  #eachBlock(body: (block: Block) => void, y: Pointers): void {
    const f = this.#f;
    const { nr, outC, epilogue } = this.#spec;
    const weights = this.#copy(this.#weights);
    const channels = this.#copy(this.#channels);
    const blocks = Math.floor(outC / nr);
    const rest = outC % nr;
    f.repeat(blocks, () => {
      body({ weights, channels, width: nr, count: nr });
      if (blocks === 1 && rest === 0) return;
      f.advance(weights, this.#weightBytes(nr));
      f.advance(channels, (nr / 4) * this.#channelBytes);
      for (const pointer of y) f.advance(pointer, nr * (epilogue.wide ? 2 : 1));
    });
    if (rest > 0) body({ weights, channels, width: Math.ceil(rest / 4) * 4, count: rest });
  }

  /** body(pixels) for every tile of a picture; each operand starts at its pointer. */
  #forTiles(picture: readonly Loop[], from: Pointers, body: (pixels: Pixels) => void): void {
    const f = this.#f;
    const row = picture[picture.length - 1];
    const rows = picture.length > 1 ? picture[0] : null;
    const at = this.#copies(from);
    const isEven = row.steps.map((step, i) => rows === null || rows.steps[i] === step * row.count);
    const own = at.map((_, i) => (isEven[i] ? [] : f.locals('i32', this.#spec.mr)));
    const column = f.local('i32');
    if (rows) f.set(column, f.i32(row.count));
    const tile = (size: number): void => {
      if (rows) this.#walk(at, own, size, column, rows, row);
      body(
        at.map((pointer, i) =>
          Array.from({ length: size }, (_, j) =>
            isEven[i] ? { pointer, offset: j * row.steps[i] } : { pointer: own[i][j], offset: 0 },
          ),
        ),
      );
      at.forEach((pointer, i) => {
        if (isEven[i]) f.advance(pointer, size * row.steps[i]);
      });
    };
    const count = row.count * (rows?.count ?? 1);
    const tiles = Math.ceil(count / this.#spec.mr);
    const most = Math.ceil(count / tiles);
    const few = tiles * most - count;
    f.repeat(tiles - few, () => tile(most));
    f.repeat(few, () => tile(most - 1));
  }

  /** Sets the pointers of `size` pixels where operands have some, from row to row where one ends. */
  #walk(
    at: Pointers,
    own: readonly Pointers[],
    size: number,
    column: Local<'i32'>,
    rows: Loop,
    row: Loop,
  ): void {
    const f = this.#f;
    const uneven = at.map((_, i) => i).filter((i) => own[i].length > 0);
    for (let j = 0; j < size; j++) {
      for (const i of uneven) {
        f.set(own[i][j], f.get(at[i]));
        f.advance(at[i], row.steps[i]);
      }
      f.if(f.op('i32.eqz', f.tee(column, f.op('i32.sub', f.get(column), f.i32(1)))), () => {
        for (const i of uneven) f.advance(at[i], rows.steps[i] - row.count * row.steps[i]);
        f.set(column, f.i32(row.count));
      });
    }
  }

  /** One tile of pixels in one block of channels. */
  #tile(pixels: Pixels, block: Block): void {
    const groups = block.width / 4;
    const mr = pixels[operandX].length;
    const sums = Array.from({ length: mr }, (_, j) => this.#sums.slice(j * groups, (j + 1) * groups));
    this.#start(sums, this.#spec.windowSums ? pixels[operandWindow] : null, block);
    this.#taps(sums, pixels[operandX], block);
    const offset = (g: number): number => g * this.#channelBytes + 16;
    for (let g = 0; g < groups; g++)
      this.#epilogue.requantizeAll(
        sums.map((sum) => sum[g]),
        block.channels,
        offset(g),
      );
    this.#epilogue.storeAll(sums, block.count, pixels[operandY]);
  }

  #start(sums: readonly Local<'v128'>[][], windows: readonly Address[] | null, block: Block): void {
    const f = this.#f;
    const groups = sums[0].length;
    const start = windows ? this.#w : sums[0];
    for (let g = 0; g < groups; g++)
      f.set(start[g], f.load('v128.load', f.get(block.channels), g * this.#channelBytes));
    sums.forEach((sum, j) => {
      if (windows) {
        const { pointer, offset } = windows[j];
        f.set(this.#x, f.load('v128.load32_splat', f.get(pointer), offset));
      }
      sum.forEach((vector, g) => {
        if (windows) f.set(vector, f.op('i32x4.add', f.get(start[g]), f.get(this.#x)));
        else if (j > 0) f.set(vector, f.get(start[g]));
      });
    });
  }

  /** sums += Σ over all taps. Few groups are written out, more are looped over with moving pointers. */
  #taps(sums: readonly Local<'v128'>[][], x: readonly Address[], block: Block): void {
    const f = this.#f;
    const { taps, dot } = this.#spec;
    const { rows, rowStep, columns, columnStep, groups } = taps;
    const wStep = block.width * 4;
    const at = x.map(({ pointer, offset }) => this.#moved(pointer, offset));
    const pixels = at.map((pointer) => ({ pointer, offset: 0 }));
    if (rows * columns * groups <= (dot === 'u8' ? 9 : 2)) {
      for (let row = 0, i = 0; row < rows; row++)
        for (let column = 0; column < columns; column++)
          for (let group = 0; group < groups; group++)
            this.#group(
              sums,
              pixels,
              row * rowStep + column * columnStep + 4 * group,
              block.weights,
              wStep * i++,
            );
      return;
    }
    const weights = this.#copy(block.weights);
    const move = (distance: number): void => {
      for (const pointer of at) f.advance(pointer, distance);
    };
    const unroll = dot === 'i16' ? 1 : rows * columns === 1 ? 4 : 8;
    // Runs shorter than that are written out several at once.
    const columnsAtOnce = divisorOf(columns, unroll / groups);
    const rowsAtOnce = columnsAtOnce === columns ? divisorOf(rows, unroll / groups / columns) : 1;
    f.repeat(rows / rowsAtOnce, () => {
      f.repeat(columns / columnsAtOnce, () => {
        const inner = Math.min(unroll, groups);
        const times = Math.floor(groups / inner);
        const runs: number[] = [];
        for (let row = 0; row < rowsAtOnce; row++)
          for (let column = 0; column < columnsAtOnce; column++)
            runs.push(row * rowStep + column * columnStep);
        f.repeat(times, () => {
          let i = 0;
          for (const run of runs)
            for (let group = 0; group < inner; group++)
              this.#group(sums, pixels, run + 4 * group, weights, wStep * i++);
          if (times > 1) move(4 * inner);
          f.advance(weights, wStep * i);
        });
        const rest = groups - times * inner;
        for (let group = 0; group < rest; group++)
          this.#group(sums, pixels, 4 * (group + (times > 1 ? 0 : inner)), weights, wStep * group);
        f.advance(weights, wStep * rest);
        move(columnsAtOnce * columnStep - (times > 1 ? 4 * inner * times : 0));
      });
      move(rowsAtOnce * rowStep - columns * columnStep);
    });
  }

  /** sums += one group of weights times one group of each pixel. */
  #group(
    sums: readonly Local<'v128'>[][],
    x: readonly Address[],
    xOffset: number,
    weights: Local<'i32'>,
    wOffset: number,
  ): void {
    const f = this.#f;
    const groups = sums[0].length;
    for (let g = 0; g < groups; g++) f.set(this.#w[g], f.load('v128.load', f.get(weights), wOffset + 16 * g));
    sums.forEach((sum, j) => {
      const { pointer, offset } = x[j];
      f.set(this.#x, f.load('v128.load32_splat', f.get(pointer), offset + xOffset));
      sum.forEach((vector, g) => {
        f.set(vector, this.#dot(vector, this.#w[g]));
      });
    });
  }

  #dot(sum: Local<'v128'>, w: Local<'v128'>): V128 {
    const f = this.#f;
    return this.#spec.dot === 'u8'
      ? f.op('i32x4.relaxed_dot_i8x16_i7x16_add_s', f.get(w), f.get(this.#x), f.get(sum))
      : f.op('i32x4.add', f.get(sum), f.op('i32x4.dot_i16x8_s', f.get(w), f.get(this.#x)));
  }

  get #channelBytes(): number {
    return 16 + groupBytes(this.#spec.epilogue.form);
  }

  #weightBytes(channels: number): number {
    const { rows, columns, groups } = this.#spec.taps;
    return channels * 4 * rows * columns * groups;
  }

  #copy(pointer: Local<'i32'>): Local<'i32'> {
    const copy = this.#f.local('i32');
    this.#f.set(copy, this.#f.get(pointer));
    return copy;
  }

  #moved(pointer: Local<'i32'>, distance: number): Local<'i32'> {
    const f = this.#f;
    const moved = f.local('i32');
    f.set(moved, distance === 0 ? f.get(pointer) : f.op('i32.add', f.get(pointer), f.i32(distance)));
    return moved;
  }

  #copies(pointers: Pointers): Local<'i32'>[] {
    return pointers.map((pointer) => this.#copy(pointer));
  }
}

/** The largest divisor of n that is at most `most`, and at least 1. */
function divisorOf(n: number, most: number): number {
  let divisor = Math.max(1, Math.min(n, Math.floor(most)));
  while (n % divisor !== 0) divisor--;
  return divisor;
}
