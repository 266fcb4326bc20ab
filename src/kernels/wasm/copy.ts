/**
 * Copies between index ranges, and fills.
 *
 *   out[outBegin + i] = x[begin + step·i permuted]        (call.ts, Copy)
 *
 *   copy-run-wasm         elements that lie side by side on both sides, 64 bytes a turn:
 *                           v128.load ×4, v128.store ×4
 *   copy-transpose-wasm   one axis contiguous in the output, another in the input (transpose.ts)
 *   fill-wasm             v128.store ×4
 *
 * Any dtype: bits move as they are. Where 8-bit operands differ in their encoding, it changes on the way (moves.ts).
 * Loops: the axes outermost first, those that both sides cross evenly as one. Exact.
 */
import { denseStrides, isBig, viewOf } from '../../tensor.ts';
import { type Copy, type EmittedOffer, type KernelCall, noPad, type Operand, type Place } from '../call.ts';
import { encodedBytes, encodingOffset } from '../encoding.ts';
import { isEmpty, type Nest } from '../js/views.ts';
import type { FunctionBuilder, Local } from './asm/function.ts';
import { buildMoves, isPlainMove, type Move, moveBetween } from './moves.ts';
import { emitNest, emitRow, nestOf, placeStrides, storePart, withRun } from './nest.ts';
import type { Parameters, Program } from './program.ts';
import type { Target } from './target.ts';
import { emitTranspose, type Transposed } from './transpose.ts';

export function offerCopy(call: KernelCall, target: Target): EmittedOffer | null {
  const { arithmetic: op, inputs, output, following } = call;
  if (following || isEmpty(call)) return null;
  if (op.kind === 'fill')
    return {
      kernel: 'fill-wasm',
      strided: true,
      encoding: target.encoding,
      emit: (program, _, place) => emitFill(program, output, place, op.value),
    };
  if (op.kind !== 'copy' || inputs[0].dtype !== output.dtype || op.extent.includes(0)) return null;
  const [from] = inputs;
  const move = moveBetween(from, densePlace(from, 0), output, densePlace(output, 0));
  const { turned } = specOf(op, move, denseStrides(from.shape), denseStrides(output.shape));
  return {
    kernel: turned ? 'copy-transpose-wasm' : 'copy-run-wasm',
    strided: true,
    encoding: target.encoding,
    emit: (program, [place], to) => {
      const x = place ?? densePlace(from, program.constantOf(from.data!));
      emitCopy(program, op, moveBetween(from, x, output, to), x, to);
    },
  };
}

function densePlace({ shape }: Operand, address: number): Place {
  return { address, strides: denseStrides(shape), border: noPad, encoding: 'stored' };
}

type CopySpec = {
  readonly move: Move;
  /** The axes around the run or the turned ones, and of the run itself; strides in bytes. */
  readonly nest: Nest;
  readonly turned: Transposed | null;
};

/** Strides in elements. */
function specOf(op: Copy, move: Move, xStrides: readonly number[], yStrides: readonly number[]): CopySpec {
  const x = op.perm.map((axis) => xStrides[axis] * op.step[axis] * move.from);
  const y = yStrides.map((stride) => stride * move.to);
  const nest = nestOf(op.extent, [x, y]);
  const turned = turnedAxes(nest, move);
  if (turned) return { move, ...turned };
  if (!isPlainMove(move)) return { move, nest: withRun(nest, [move.from, move.to]), turned: null };
  const asBytes = [x, y].map((strides) => [...strides, 1]);
  return { move: bytes, nest: withRun(nestOf([...op.extent, move.from], asBytes), [1, 1]), turned: null };
}

const bytes: Move = { from: 1, to: 1, signedFrom: false, signedTo: false, add: 0 };

/** One axis that is contiguous in the output and one that is in the input; the others stay around them. */
function turnedAxes({ extents, strides: [x, y] }: Nest, move: Move): Omit<CopySpec, 'move'> | null {
  const i = y.findIndex((step, axis) => step === move.to && x[axis] !== move.from);
  const j = x.findIndex((step, axis) => step === move.from && y[axis] !== move.to);
  if (i === -1 || j === -1 || x[i] < 0 || y[j] < 0 || extents[i] === 1 || extents[j] === 1) return null;
  const others = extents.map((_, axis) => axis).filter((axis) => axis !== i && axis !== j);
  const pick = (list: readonly number[], last: number): number[] => [
    ...others.map((axis) => list[axis]),
    last,
  ];
  return {
    nest: { extents: pick(extents, 1), strides: [pick(x, 0), pick(y, 0)] },
    turned: { move, extentI: extents[i], extentJ: extents[j], p: x[i], q: y[j] },
  };
}

function emitCopy(program: Program, op: Copy, move: Move, x: Place, y: Place): void {
  const spec = specOf(op, move, x.strides, y.strides);
  const at = (begin: readonly number[], { strides }: Place): number =>
    begin.reduce((sum, index, axis) => sum + index * strides[axis], 0);
  program.step([
    program.kernel('copy', spec, 2, buildCopy),
    x.address + at(op.begin, x) * move.from,
    y.address + at(op.outBegin, y) * move.to,
  ]);
}

function buildCopy(f: FunctionBuilder, { move, nest, turned }: CopySpec, parameters: Parameters): void {
  const [x, y] = parameters as readonly [Local<'i32'>, Local<'i32'>];
  if (turned) {
    emitNest(f, nest, parameters, () => emitTranspose(f, turned, x, y));
    return;
  }
  buildMoves(f, { move, nest }, parameters);
}

type FillSpec = {
  /** Sixteen bytes, whole elements. */
  readonly pattern: readonly number[];
  /** Of bytes. */
  readonly nest: Nest;
};

function emitFill(program: Program, output: Operand, place: Place, value: number): void {
  const bytes = encodedBytes(output, place.encoding);
  const dtype = place.encoding === 'stored' ? output.dtype : place.encoding;
  const element = viewOf(dtype, new ArrayBuffer(bytes), 0, 1);
  if (isBig(element)) element[0] = BigInt(value);
  else element[0] = value + encodingOffset(output, place.encoding);
  const one = new Uint8Array(element.buffer);
  const strides = [...placeStrides(place, bytes), 1];
  const spec = {
    pattern: Array.from({ length: 16 }, (_, i) => one[i % bytes]),
    nest: withRun(nestOf([...output.shape, bytes], [strides]), [1]),
  };
  program.step([program.kernel('fill', spec, 1, buildFill), place.address]);
}

function buildFill(f: FunctionBuilder, { pattern, nest }: FillSpec, parameters: Parameters): void {
  const [pointer] = parameters as readonly [Local<'i32'>];
  const vector = f.local('v128');
  f.set(vector, f.v128(pattern));
  emitNest(f, nest, parameters, () =>
    emitRow(f, nest.extents[nest.extents.length - 1], 16, 4, [{ pointer, bytes: 1 }], (byte, stored) =>
      storePart(f, pointer, vector, stored, byte),
    ),
  );
}
