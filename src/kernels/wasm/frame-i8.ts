/**
 * Copies one picture of 8-bit activations into scratch, in another encoding and with its zero point around it,
 * for windows that stick out of a tensor without a border.
 *
 *   x        (h, w, c)                                   any encoding; rows and pixels may be apart
 *   framed   (top + h + bottom, left + w + right, c)     dense, encoded as asked
 *
 * Stretches are written 16 bytes at a time and may run over their end, where the next one follows: all in order
 * from the first byte to the last, with room for the left side of one row and a vector behind the last.
 */
import type { Encoding, Operand, Pad, Place } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import type { FunctionBuilder, FunctionRef, Local } from './asm/function.ts';
import type { V128 } from './asm/opcodes.ts';
import type { Program } from './program.ts';

export function framedBytes(x: Operand, { top, left, bottom, right }: Pad, encoding: Encoding): number {
  const [, h, w, c] = x.shape as [number, number, number, number];
  const cells = ((top + h + bottom) * (left + w + right) + left) * c;
  return Math.ceil((cells * encodedBytes(x, encoding)) / 16) * 16 + 16;
}

export interface Frame {
  /** The framed picture; its stride from picture to picture is 0. */
  readonly place: Place;
  /** The call that fills it from a picture. */
  readonly call: (picture: number) => readonly [FunctionRef, ...number[]];
}

export function frameI8(
  program: Program,
  x: Operand,
  from: Place,
  border: Pad,
  encoding: Encoding,
  scratch: number,
): Frame {
  const [, h, w, c] = x.shape as [number, number, number, number];
  const { top, left, bottom, right } = border;
  const row = (left + w + right) * c;
  const bytesIn = encodedBytes(x, from.encoding);
  const bytesOut = encodedBytes(x, encoding);
  const [picture, inRow, inPixel] = from.strides as [number, number, number];
  const runs = inPixel === c ? 1 : w;
  const run = (w / runs) * c;
  const spec: FrameSpec = {
    bytesIn,
    bytesOut,
    signed: x.dtype === 'i8',
    add: encodingOffset(x, encoding) - encodingOffset(x, from.encoding),
    zero: x.quantization!.zeroPoint[0] + encodingOffset(x, encoding),
    rows: h,
    runs,
    run,
    next: (inPixel - c) * bytesIn,
    row: (inRow - (runs === 1 ? run : w * inPixel)) * bytesIn,
    first: top * row + left * c,
    between: (right + left) * c,
    last: right * c + bottom * row,
  };
  const kernel = program.kernel('frame-i8', spec, 2, buildFrame);
  return {
    place: {
      address: scratch + spec.first * bytesOut,
      strides: [0, row, c, 1],
      border,
      encoding,
    },
    call: (n) => [kernel, from.address + n * picture * bytesIn, scratch],
  };
}

/** Lengths in elements, except what is added to an address: bytes. */
interface FrameSpec {
  readonly [key: string]: unknown;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly signed: boolean;
  readonly add: number;
  readonly zero: number;
  readonly rows: number;
  /** Contiguous stretches of a row, and the elements of one. */
  readonly runs: number;
  readonly run: number;
  readonly next: number;
  readonly row: number;
  readonly first: number;
  readonly between: number;
  readonly last: number;
}

function buildFrame(f: FunctionBuilder, s: FrameSpec, [x, to]: readonly Local<'i32'>[]): void {
  const { bytesIn, bytesOut } = s;
  const splat = (value: number): V128 => (bytesOut === 2 ? f.i16x8(value) : f.i8x16(value));
  const zero = f.local('v128');
  const add = f.local('v128');
  f.set(zero, splat(s.zero));
  if (s.add !== 0) f.set(add, splat(s.add));
  const lanes = 16 / bytesOut;
  const load = (element: number): V128 =>
    f.load(
      bytesIn === bytesOut ? 'v128.load' : s.signed ? 'v128.load8x8_s' : 'v128.load8x8_u',
      f.get(x!),
      element * bytesIn,
    );
  const encoded = (element: number): V128 =>
    s.add === 0 ? load(element) : f.op(bytesOut === 2 ? 'i16x8.add' : 'i8x16.add', load(element), f.get(add));
  const write = (count: number, value: (element: number) => V128, reads: boolean): void => {
    const some = (vectors: number): void => {
      for (let i = 0; i < vectors; i++) f.store('v128.store', f.get(to!), value(i * lanes), 16 * i);
    };
    const advance = (elements: number): void => {
      f.advance(to!, elements * bytesOut);
      if (reads) f.advance(x!, elements * bytesIn);
    };
    f.repeat(Math.floor(count / (4 * lanes)), () => {
      some(4);
      advance(4 * lanes);
    });
    const rest = count % (4 * lanes);
    some(Math.ceil(rest / lanes));
    advance(rest);
  };
  const zeros = (count: number): void => write(count, () => f.get(zero), false);
  zeros(s.first);
  // The left side of a next row is written behind the last one as well, so that the loop has one body.
  f.repeat(s.rows, () => {
    f.repeat(s.runs, () => {
      write(s.run, encoded, true);
      f.advance(x!, s.runs > 1 ? s.next : 0);
    });
    f.advance(x!, s.row);
    zeros(s.between);
  });
  f.advance(to!, -s.between * bytesOut);
  zeros(s.last);
}
