/**
 * y = stages(bias + Σ x·codebook[m, indices[oc,kh,kw,m]])      codebook-conv2d-f32-<nr>x<pixels>-wasm
 *
 * Rows of input pixels lie in vectors of four, so a look-up, whose index is the same for all pixels of a row, is an
 * ordinary load: no gather. For each row of the input:
 *
 *   line[c, p]        = x[ih, p − padLeft, c]                       p apart by the stride: one stretch for each phase
 *   table[m, k, p]    = Σᵢ codebook[m,k,i]·line[m·r+i, p]           3 codewords by up to 4 vectors of p
 *   sums[oh, oc, ow] += Σ table[m, indices[oc,kh,kw,m], ow + kw]    for each kh, oh = (ih + padTop − kh)/stride
 *
 * The last, for nr channels by all vectors of a row, 8 sums or so in registers:
 *
 *   loop                                        kW·M times; unrolled, it is slower on Node 20
 *     t = i32.load index                        the address of a row of the table, shift by kw included
 *     s0 += v128.load t,  s1 += v128.load t+16, …
 *
 *   indices  u32 [kH, outC, kW, M]  addresses
 *   line, table, sums               f32 in scratch; sums of one picture, rows of whole vectors
 *
 * M·K·r/4 multiplications and kH·kW·M·outC/4 additions of vectors an input position, instead of kH·kW·M·r·outC/4
 * multiplications. Narrow outputs leave lanes idle; pictures of one pixel
 * have a kernel of their own (codebook-row-f32.ts).
 * Exact: products are added in f32; |error| ≤ (kH·kW·M·r + 3)·2⁻²⁴·(|bias| + Σ|x·w|), fused or not.
 * Source: Chou et al. 2018, IJCAI, section 3.
 */
import type { EmittedOffer, KernelCall, Place } from '../call.ts';
import { type WindowGeometry, windowGeometry } from '../geometry.ts';
import { isEmpty } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import { isRow, offerCodebookRow } from './codebook-row-f32.ts';
import { emitStages, epilogueOf, type Stage, storeLanes } from './epilogue-conv-f32.ts';
import { addProduct, floatsOf } from './lanes-f32.ts';
import type { Parameters, Program } from './program.ts';
import { maddReason, type Target } from './target.ts';

export function offerCodebookF32(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following = [] } = call;
  if (op.kind !== 'codebookConv2d' || isEmpty(call) || output.dtype !== 'f32') return null;
  const own = inputs.length - following.reduce((sum, { others }) => sum + others, 0);
  const epilogue = epilogueOf(call, op.clamp);
  const g = windowGeometry(call);
  const codebook = floatsOf(inputs[1]);
  const indices = inputs[2].data;
  const bias = own > 3 ? floatsOf(inputs[3]) : new Float32Array(g.outC);
  if (!epilogue || epilogue.residual !== -1 || !codebook || !bias || !(indices instanceof Uint8Array))
    return null;
  const [M, K, r] = inputs[1].shape as [number, number, number];
  if (isRow(g))
    return offerCodebookRow({ g, M, K, r, codebook, indices, bias, stages: epilogue.stages }, target);
  const cut = columnsOf(g);
  const lies = scratchOf(g, M * K, cut);
  const vectors = cut.out / 4;
  const nr = Math.max(1, Math.floor(8 / vectors));
  return {
    kernel: `codebook-conv2d-f32-${nr}x${cut.out}-wasm`,
    reason: maddReason(target),
    strided: true,
    scratch: () => lies.bytes,
    emit: (program, [x], y, scratch) => {
      const spec: CodebookSpec = {
        madd: target.madd,
        ...{ pictures: g.n, rows: g.inH, inC: g.inC, M, K, r, nr, vectors },
        ...{ outH: g.outH, outW: g.outW, outC: g.outC, kH: g.kH, taps: g.kW * M },
        ...{ strideH: g.strideH, dilationH: g.dilationH, padTop: g.padTop, columns: cut.columns },
        phases: cut.phases.map(({ first, count, to }) => ({
          first: 4 * first * x!.strides[2]!,
          count,
          to: 4 * to,
        })),
        x: stepsOf(x!, g.strideW),
        y: stepsOf(y, 1),
        stages: epilogue.stages,
      };
      const kernel = program.kernel('codebook-f32', spec, 8, buildCodebook);
      const table = scratch + lies.table;
      program.step([
        kernel,
        x!.address,
        program.constantOf(codebook),
        packIndices(program, indices, g, M, 4 * K * cut.columns, cut, table),
        program.constantOf(bias),
        scratch,
        table,
        scratch + lies.sums,
        y.address,
      ]);
    },
  };
}

/** Pixels of a row that taps a stride apart see. */
interface Phase {
  /** Of (pixel + padLeft) divided by the stride. */
  readonly phase: number;
  /** The first pixel inside the picture, and how many there are. */
  readonly first: number;
  readonly count: number;
  /** Where the stretch starts in a line, and where its first pixel lies. */
  readonly at: number;
  readonly to: number;
}

interface Columns {
  readonly phases: readonly Phase[];
  /** Floats in a line, and in a row of sums: multiples of 4. */
  readonly columns: number;
  readonly out: number;
}

function columnsOf(g: WindowGeometry): Columns {
  const out = whole(g.outW);
  const read = Math.floor(((g.kW - 1) * g.dilationW) / g.strideW) + out;
  const length = whole(Math.max(read, Math.ceil((g.padLeft + g.inW) / g.strideW) + 3));
  const used = new Set(Array.from({ length: g.kW }, (_, kw) => (kw * g.dilationW) % g.strideW));
  const phases = [...used].map((phase, i): Phase => {
    const first = (((phase - g.padLeft) % g.strideW) + g.strideW) % g.strideW;
    const column = (first + g.padLeft - phase) / g.strideW;
    const inside = Math.max(0, Math.ceil((g.inW - first) / g.strideW));
    const count = Math.max(0, Math.min(inside, read - column));
    return { phase, first, count, at: i * length, to: i * length + column };
  });
  return { phases, columns: phases.length * length, out };
}

function scratchOf(g: WindowGeometry, words: number, { columns, out }: Columns) {
  const table = 4 * g.inC * columns;
  const sums = table + 4 * words * columns;
  return { table, sums, bytes: sums + 4 * g.outH * whole(g.outC) * out };
}

const whole = (count: number): number => Math.ceil(count / 4) * 4;

function stepsOf({ strides }: Place, along: number): Steps {
  return { picture: 4 * strides[0], row: 4 * strides[1], pixel: 4 * along * strides[2] };
}

/** u8 (outC, kH, kW, M) ⇒ u32 [kH, outC, kW, M], the address of the table's row and column. `plane`: bytes for one m. */
function packIndices(
  program: Program,
  indices: Uint8Array,
  g: WindowGeometry,
  M: number,
  plane: number,
  { phases, columns }: Columns,
  table: number,
): number {
  const shifts = Array.from({ length: g.kW }, (_, kw) => {
    const tap = kw * g.dilationW;
    const { at } = phases.find(({ phase }) => phase === tap % g.strideW)!;
    return table + 4 * (at + Math.floor(tap / g.strideW));
  });
  return program.constant(4 * indices.length, (bytes) => {
    const packed = new Uint32Array(bytes.buffer, bytes.byteOffset, indices.length);
    let to = 0;
    for (let kh = 0; kh < g.kH; kh++)
      for (let oc = 0; oc < g.outC; oc++)
        for (let kw = 0; kw < g.kW; kw++) {
          const from = ((oc * g.kH + kh) * g.kW + kw) * M;
          for (let m = 0; m < M; m++) packed[to++] = shifts[kw] + m * plane + 4 * columns * indices[from + m];
        }
  });
}

interface Steps {
  readonly picture: number;
  readonly row: number;
  readonly pixel: number;
}

interface CodebookSpec {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly pictures: number;
  readonly rows: number;
  readonly inC: number;
  readonly M: number;
  readonly K: number;
  readonly r: number;
  /** Output channels side by side, and vectors in a row of outputs. */
  readonly nr: number;
  readonly vectors: number;
  readonly outH: number;
  readonly outW: number;
  readonly outC: number;
  readonly kH: number;
  /** Look-ups of an output in a row of taps. */
  readonly taps: number;
  readonly strideH: number;
  readonly dilationH: number;
  readonly padTop: number;
  readonly columns: number;
  /** In bytes, but for the counts. */
  readonly phases: readonly { readonly first: number; readonly count: number; readonly to: number }[];
  readonly x: Steps;
  readonly y: Steps;
  readonly stages: readonly Stage[];
}

function buildCodebook(f: FunctionBuilder, s: CodebookSpec, parameters: Parameters): void {
  const [x, codebook, indices, bias, line, table, sums, y] = parameters;
  const [ih, row] = f.locals('i32', 2);
  const vectors = f.locals('v128', 16);
  emitZeros(f, line, (s.inC + s.M * s.K) * s.columns, vectors[0]); // the table lies behind the lines
  f.repeat(s.pictures, () => {
    emitBias(f, s, bias, sums, vectors[0]);
    f.set(ih, f.i32(0));
    f.set(row, f.get(x));
    f.while(ih, s.rows, 1, () => {
      emitLine(f, s, row, line, vectors[0]);
      emitTable(f, s, codebook, line, table, vectors);
      emitScatter(f, s, ih, indices, sums, vectors);
      f.advance(row, s.x.row);
    });
    emitStore(f, s, sums, y, vectors);
    f.advance(x, s.x.picture);
    f.advance(y, s.y.picture);
  });
}

/** A multiple of 4 floats. */
function emitZeros(f: FunctionBuilder, at: Local<'i32'>, floats: number, zero: Local<'v128'>): void {
  const to = f.local('i32');
  f.set(to, f.get(at));
  f.set(zero, f.f32x4(0));
  f.repeat(floats / 4, () => {
    f.store('v128.store', f.get(to), f.get(zero));
    f.advance(to, 16);
  });
}

/** sums[oh, oc, …] = bias[oc] */
function emitBias(
  f: FunctionBuilder,
  s: CodebookSpec,
  bias: Local<'i32'>,
  sums: Local<'i32'>,
  value: Local<'v128'>,
): void {
  const [from, to] = f.locals('i32', 2);
  f.set(to, f.get(sums));
  f.repeat(s.outH, () => {
    f.set(from, f.get(bias));
    f.repeat(s.outC, () => {
      f.set(value, f.load('v128.load32_splat', f.get(from)));
      f.repeat(s.vectors, () => {
        f.store('v128.store', f.get(to), f.get(value));
        f.advance(to, 16);
      });
      f.advance(from, 4);
    });
    f.advance(to, 16 * s.vectors * (whole(s.outC) - s.outC));
  });
}

/** One row of the picture, turned: pixels side by side. Columns outside the picture stay 0. */
function emitLine(
  f: FunctionBuilder,
  s: CodebookSpec,
  row: Local<'i32'>,
  line: Local<'i32'>,
  value: Local<'v128'>,
): void {
  const [pixel, from, to] = f.locals('i32', 3);
  const apart = 4 * s.columns;
  const turn = (lanes: number): void => {
    f.set(value, f.load('v128.load', f.get(from)));
    for (let c = 0; c < lanes; c++) f.memoryLane('v128.store32_lane', c, f.get(to), f.get(value), c * apart);
  };
  for (const phase of s.phases) {
    f.set(pixel, f.op('i32.add', f.get(row), f.i32(phase.first)));
    f.set(to, f.op('i32.add', f.get(line), f.i32(phase.to)));
    f.repeat(phase.count, () => {
      f.set(from, f.get(pixel));
      f.repeat(s.inC >> 2, () => {
        turn(4);
        f.advance(from, 16);
        f.advance(to, 4 * apart);
      });
      if (s.inC & 3) turn(s.inC & 3);
      f.advance(to, 4 - (s.inC >> 2) * 4 * apart);
      f.advance(pixel, s.x.pixel);
    });
  }
}

/** Vectors of pixels side by side. */
const tableVectors = 4;

/** table[m, k, p] = Σᵢ codebook[m, k, i]·line[m·r + i, p] for the pixels p of the picture; the columns around stay 0. */
function emitTable(
  f: FunctionBuilder,
  s: CodebookSpec,
  codebook: Local<'i32'>,
  line: Local<'i32'>,
  table: Local<'i32'>,
  vectors: readonly Local<'v128'>[],
): void {
  const [word, from, to, channel, splat] = f.locals('i32', 5);
  const apart = 4 * s.columns;
  const tableWords = s.madd ? 3 : 2; // without madd, V8 needs a register for the product
  const [pixels, ...words] = vectors.slice(12);
  const round = (count: number, size: number, offset: number): void => {
    for (let j = 0; j < count; j++) f.set(words[j], f.load('v128.load32_splat', f.get(splat), 4 * j * s.r));
    for (let v = 0; v < size; v++) {
      f.set(pixels, f.load('v128.load', f.get(channel), offset + 16 * v));
      for (let j = 0; j < count; j++)
        addProduct(f, s.madd, vectors[j * tableVectors + v], pixels, () => f.get(words[j]));
    }
  };
  const block = (count: number, size: number, offset: number): void => {
    for (let j = 0; j < count; j++)
      for (let v = 0; v < size; v++) f.set(vectors[j * tableVectors + v], f.f32x4(0));
    f.set(channel, f.get(from));
    f.set(splat, f.get(word));
    f.repeat(s.r, () => {
      round(count, size, offset);
      f.advance(channel, apart);
      f.advance(splat, 4);
    });
    for (let j = 0; j < count; j++)
      for (let v = 0; v < size; v++)
        f.store('v128.store', f.get(to), f.get(vectors[j * tableVectors + v]), j * apart + offset + 16 * v);
    f.advance(word, 4 * count * s.r);
    f.advance(to, count * apart);
  };
  for (const phase of s.phases)
    for (const { first, size } of evenly(Math.ceil(phase.count / 4), tableVectors)) {
      const offset = phase.to + 16 * first;
      f.set(word, f.get(codebook));
      f.set(from, f.get(line));
      f.set(to, f.get(table));
      f.repeat(s.M, () => {
        f.repeat(Math.floor(s.K / tableWords), () => block(tableWords, size, offset));
        if (s.K % tableWords) block(s.K % tableWords, size, offset);
        f.advance(from, s.r * apart);
      });
    }
}

/** Parts of nearly the same size, none above `most`. */
function evenly(count: number, most: number): { first: number; size: number }[] {
  const parts = Math.ceil(count / most);
  return Array.from({ length: parts }, (_, i) => {
    const first = Math.floor((i * count) / parts);
    return { first, size: Math.floor(((i + 1) * count) / parts) - first };
  });
}

/** Adds the row's products to the sums of every row of outputs that sees it. */
function emitScatter(
  f: FunctionBuilder,
  s: CodebookSpec,
  ih: Local<'i32'>,
  indices: Local<'i32'>,
  sums: Local<'i32'>,
  vectors: readonly Local<'v128'>[],
): void {
  const [down, tapRow, index, to] = f.locals('i32', 4);
  f.set(tapRow, f.get(indices));
  f.set(down, f.op('i32.add', f.get(ih), f.i32(s.padTop)));
  const rowBytes = 16 * s.vectors;
  f.repeat(s.kH, () => {
    f.block((next) => {
      f.brIf(next, f.op('i32.ge_u', f.get(down), f.i32(s.outH * s.strideH)));
      if (s.strideH > 1) f.brIf(next, f.op('i32.rem_u', f.get(down), f.i32(s.strideH)));
      f.set(to, f.op('i32.div_u', f.get(down), f.i32(s.strideH)));
      f.set(to, f.op('i32.mul', f.get(to), f.i32(whole(s.outC) * rowBytes)));
      f.set(to, f.op('i32.add', f.get(to), f.get(sums)));
      f.set(index, f.get(tapRow));
      const block = (channels: number): void => {
        emitLookUps(f, s, index, to, vectors, channels);
        f.advance(index, 4 * channels * s.taps);
        f.advance(to, channels * rowBytes);
      };
      f.repeat(Math.floor(s.outC / s.nr), () => block(s.nr));
      if (s.outC % s.nr > 0) block(s.outC % s.nr);
    });
    f.advance(tapRow, 4 * s.outC * s.taps);
    f.advance(down, -s.dilationH);
  });
}

const sumVectors = 8;

/** One row of taps of `channels` outputs. */
function emitLookUps(
  f: FunctionBuilder,
  s: CodebookSpec,
  index: Local<'i32'>,
  to: Local<'i32'>,
  vectors: readonly Local<'v128'>[],
  channels: number,
): void {
  const [at, entry] = f.locals('i32', 2);
  const rowBytes = 16 * s.vectors;
  for (const { first, size } of evenly(s.vectors, sumVectors)) {
    const each = (visit: (sum: Local<'v128'>, channel: number, offset: number) => void): void => {
      for (let j = 0; j < channels; j++)
        for (let v = 0; v < size; v++) visit(vectors[j * size + v], j, 16 * (first + v));
    };
    const lookUp = (): void => {
      for (let j = 0; j < channels; j++) {
        f.set(entry, f.load('i32.load', f.get(at), 4 * j * s.taps));
        for (let v = 0; v < size; v++) {
          const sum = vectors[j * size + v];
          f.set(sum, f.op('f32x4.add', f.get(sum), f.load('v128.load', f.get(entry), 16 * (first + v))));
        }
      }
    };
    each((sum, j, offset) => f.set(sum, f.load('v128.load', f.get(to), j * rowBytes + offset)));
    f.set(at, f.get(index));
    f.repeat(s.taps, () => {
      lookUp();
      f.advance(at, 4);
    });
    each((sum, j, offset) => f.store('v128.store', f.get(to), f.get(sum), j * rowBytes + offset));
  }
}

const lowPairs = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const highPairs = lowPairs.map((byte) => byte + 8);

/** y[oh, ow, oc] = stages(sums[oh, oc, ow]), in squares of 4 by 4. */
function emitStore(
  f: FunctionBuilder,
  s: CodebookSpec,
  sums: Local<'i32'>,
  y: Local<'i32'>,
  vectors: readonly Local<'v128'>[],
): void {
  const [from, row, to, pixel] = f.locals('i32', 4);
  const [a, b, c, d, e, g, h, i, bound] = vectors;
  const rowBytes = 16 * s.vectors;
  const square = (pixels: number, channels: number): void => {
    [a, b, c, d].forEach((vector, j) => {
      f.set(vector, f.load('v128.load', f.get(from), j * rowBytes));
    });
    const mix = (to: Local<'v128'>, bytes: number[], p: Local<'v128'>, q: Local<'v128'>): void =>
      f.set(to, f.shuffle(bytes, f.get(p), f.get(q)));
    mix(e, lowPairs, a, c);
    mix(g, highPairs, a, c);
    mix(h, lowPairs, b, d);
    mix(i, highPairs, b, d);
    mix(a, lowPairs, e, h);
    mix(b, highPairs, e, h);
    mix(c, lowPairs, g, i);
    mix(d, highPairs, g, i);
    const turned = [a, b, c, d].slice(0, pixels);
    emitStages(f, s.stages, turned, bound, () => f.f32x4(0));
    turned.forEach((vector, p) => {
      storeLanes(f, channels, to, vector, p * s.y.pixel);
    });
    f.advance(from, 4 * rowBytes);
    f.advance(to, 16);
  };
  const band = (pixels: number): void => {
    f.set(to, f.get(pixel));
    f.repeat(s.outC >> 2, () => square(pixels, 4));
    if (s.outC & 3) square(pixels, s.outC & 3);
    f.advance(pixel, 4 * s.y.pixel);
    f.advance(from, 16 - whole(s.outC) * rowBytes);
  };
  f.set(from, f.get(sums));
  f.set(row, f.get(y));
  f.repeat(s.outH, () => {
    f.set(pixel, f.get(row));
    f.repeat(s.outW >> 2, () => band(4));
    if (s.outW & 3) band(s.outW & 3);
    f.advance(from, whole(s.outC) * rowBytes - rowBytes);
    f.advance(row, s.y.row);
  });
}
