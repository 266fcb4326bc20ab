/**
 * Resized pictures                                            resize-nearest-wasm, resize-bilinear-f32-wasm
 *
 *   nearest    y[oh,ow,c] = x[row(oh), column(ow), c]                         4-byte elements
 *   bilinear   y[oh,ow,c] = (tl·up + bl·down)·back + (tr·up + br·down)·along      f32
 *
 *   tl, tr, bl, br   x at the row above and below, the column left and right of the point
 *   x, y             NHWC, strided
 *
 * Where rows and columns fall is computed as in reference and read from tables, byte distances from the picture:
 *
 *   nearest    i32 [outH] and [outW]
 *   bilinear   [outH] and [outW] of i32 lower, i32 upper, f32 1 − fraction, f32 fraction
 *
 * Order: pictures, rows, columns, then channels four at a time.
 * Exact: nearest is equal to reference; bilinear within 5·2⁻²⁴·Σ|x·weight|, fused or not.
 */
import { bytesPerElement } from '../../tensor.ts';
import type { EmittedOffer, KernelCall, Place } from '../call.ts';
import { isEmpty, isFloat } from '../js/views.ts';
import { f32Points, nearestCells } from '../reference/resize.ts';
import type { Of } from '../reference/support.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import { storeLanes } from './epilogue-conv-f32.ts';
import { addProduct } from './lanes-f32.ts';
import type { Parameters, Program } from './program.ts';
import type { Target } from './target.ts';

export function offerResize(call: KernelCall, { madd }: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (op.kind !== 'resize' || following || isEmpty(call)) return null;
  const [{ shape, dtype }] = inputs;
  const isNearest = op.mode === 'nearest';
  if (dtype !== output.dtype || !(isNearest ? bytesPerElement[dtype] === 4 : isFloat(call))) return null;
  const [outH, outW] = op.size;
  return {
    kernel: isNearest ? 'resize-nearest-wasm' : 'resize-bilinear-f32-wasm',
    strided: true,
    emit: (program, [x], y) => {
      const table = isNearest ? nearestTable : bilinearTable;
      const rows = table(program, shape[1], outH, op, 4 * x!.strides[1]);
      const columns = table(program, shape[2], outW, op, 4 * x!.strides[2]);
      const spec = specOf(shape, op, x!, y, madd);
      const kernel = isNearest
        ? program.kernel('resize-nearest', spec, 4, buildNearest)
        : program.kernel('resize-bilinear-f32', spec, 4, buildBilinear);
      program.step([kernel, x!.address, y.address, rows, columns]);
    },
  };
}

function nearestTable(program: Program, from: number, to: number, op: Of<'resize'>, step: number): number {
  return program.constantOf(nearestCells(from, to, op).map((cell) => cell * step));
}

const entry = 16;

function bilinearTable(program: Program, from: number, to: number, op: Of<'resize'>, step: number): number {
  const { lower, upper, fraction } = f32Points(from, to, op);
  const table = new DataView(new ArrayBuffer(entry * to));
  for (let o = 0; o < to; o++) {
    table.setInt32(entry * o, lower[o] * step, true);
    table.setInt32(entry * o + 4, upper[o] * step, true);
    table.setFloat32(entry * o + 8, 1 - fraction[o], true);
    table.setFloat32(entry * o + 12, fraction[o], true);
  }
  return program.constantOf(table);
}

interface ResizeSpec {
  readonly [key: string]: unknown;
  readonly madd: boolean;
  readonly pictures: number;
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  /** Bytes from picture to picture of x; from column to column, row to row, picture to picture of y. */
  readonly x: number;
  readonly y: readonly [column: number, row: number, picture: number];
}

function specOf(
  [pictures, , , channels]: readonly number[],
  { mode, size: [rows, columns] }: Of<'resize'>,
  x: Place,
  { strides: [yN, yH, yW] }: Place,
  madd: boolean,
): ResizeSpec {
  const steps = { x: 4 * x.strides[0], y: [4 * yW, 4 * yH, 4 * yN] as const };
  return { madd: madd && mode === 'bilinear', pictures, rows, columns, channels, ...steps };
}

/** The loops over what is written: `row` and `column` point at the table entries of each pixel. */
function overPixels(
  f: FunctionBuilder,
  s: ResizeSpec,
  [x, y, rows, columns]: Parameters,
  entryBytes: number,
  startRow: (row: Local<'i32'>) => void,
  pixel: (column: Local<'i32'>) => void,
): void {
  const row = f.local('i32');
  const column = f.local('i32');
  f.repeat(s.pictures, () => {
    f.set(row, f.get(rows));
    f.repeat(s.rows, () => {
      startRow(row);
      f.set(column, f.get(columns));
      f.repeat(s.columns, () => {
        pixel(column);
        f.advance(column, entryBytes);
        f.advance(y, s.y[0]);
      });
      f.advance(row, entryBytes);
      f.advance(y, s.y[1] - s.columns * s.y[0]);
    });
    f.advance(x, s.x);
    f.advance(y, s.y[2] - s.rows * s.y[1]);
  });
}

/** value(offset) for each vector of channels, stored at y; `from` move along. */
function overChannels(
  f: FunctionBuilder,
  channels: number,
  from: readonly Local<'i32'>[],
  y: Local<'i32'>,
  hand: Local<'v128'>,
  value: (offset: number) => V128,
): void {
  const blocks = channels >> 3;
  f.repeat(blocks, () => {
    for (const offset of [0, 16]) {
      f.set(hand, value(offset));
      f.store('v128.store', f.get(y), f.get(hand), offset);
    }
    for (const at of [...from, y]) f.advance(at, 32);
  });
  for (let c = 0; c < (channels & 7); c += 4) {
    f.set(hand, value(4 * c));
    storeLanes(f, Math.min(4, (channels & 7) - c), y, hand, 4 * c);
  }
  f.advance(y, -32 * blocks);
}

/** Parameters: addresses of x, y, the tables of rows and columns. */
function buildNearest(f: FunctionBuilder, s: ResizeSpec, parameters: Parameters): void {
  const [x, y] = parameters;
  const row = f.local('i32');
  const at = f.local('i32');
  const hand = f.local('v128');
  const add = (a: Local<'i32'>, entry: Local<'i32'>) =>
    f.op('i32.add', f.get(a), f.load('i32.load', f.get(entry)));
  overPixels(
    f,
    s,
    parameters,
    4,
    (entry) => f.set(row, add(x, entry)),
    (entry) => {
      f.set(at, add(row, entry));
      overChannels(f, s.channels, [at], y, hand, (offset) => f.load('v128.load', f.get(at), offset));
    },
  );
}

/** Parameters: addresses of x, y, the tables of rows and columns. */
function buildBilinear(f: FunctionBuilder, s: ResizeSpec, parameters: Parameters): void {
  const [x, y] = parameters;
  const [top, bottom, tl, tr, bl, br] = f.locals('i32', 6);
  const [up, down, back, along, left, right, hand] = f.locals('v128', 7);
  const add = (a: Local<'i32'>, entry: Local<'i32'>, offset: number) =>
    f.op('i32.add', f.get(a), f.load('i32.load', f.get(entry), offset));
  const splat = (entry: Local<'i32'>, offset: number) => f.load('v128.load32_splat', f.get(entry), offset);
  const between = (to: Local<'v128'>, high: Local<'i32'>, low: Local<'i32'>, offset: number): void => {
    f.set(to, f.op('f32x4.mul', f.get(up), f.load('v128.load', f.get(high), offset)));
    addProduct(f, s.madd, to, down, () => f.load('v128.load', f.get(low), offset));
  };
  overPixels(
    f,
    s,
    parameters,
    entry,
    (row) => {
      f.set(top, add(x, row, 0));
      f.set(bottom, add(x, row, 4));
      f.set(up, splat(row, 8));
      f.set(down, splat(row, 12));
    },
    (column) => {
      f.set(tl, add(top, column, 0));
      f.set(tr, add(top, column, 4));
      f.set(bl, add(bottom, column, 0));
      f.set(br, add(bottom, column, 4));
      f.set(back, splat(column, 8));
      f.set(along, splat(column, 12));
      overChannels(f, s.channels, [tl, tr, bl, br], y, hand, (offset) => {
        between(left, tl, bl, offset);
        between(right, tr, br, offset);
        f.set(left, f.op('f32x4.mul', f.get(left), f.get(back)));
        addProduct(f, s.madd, left, along, () => f.get(right));
        return f.get(left);
      });
    },
  );
}
