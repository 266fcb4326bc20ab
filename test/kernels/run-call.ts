/**
 * Runs one kernel call on given data, as a plan would: places the operands, binds the offer, runs it.
 *
 * Every operand lies inside a larger array whose other cells hold a mark; a kernel that writes a mark is
 * caught. The step runs twice, so state left over from a first run is caught too.
 */
import type {
  Arithmetic,
  Encoding,
  Following,
  KernelCall,
  KernelSet,
  Operand,
  Pad,
  Place,
  View,
} from '../../src/kernels/call.ts';
import { noPad } from '../../src/kernels/call.ts';
import { encodedBytes, encodingOf, encodingOffset } from '../../src/kernels/encoding.ts';
import type { DType, Quantization, Shape, TensorData } from '../../src/tensor.ts';
import { byteLength, denseStrides, elementCount, isBig, sameShape, viewOf } from '../../src/tensor.ts';

export interface Input {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly quantization: Quantization | null;
  readonly data: TensorData;
  /** The kernel sees the data when it makes its offer. */
  readonly constant: boolean;
}

export interface Output {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly quantization: Quantization | null;
  /** What the output holds before the call; the mark where this is missing. */
  readonly before?: TensorData;
}

export interface TestCall {
  readonly arithmetic: Arithmetic;
  readonly inputs: readonly Input[];
  readonly output: Output;
  readonly following?: readonly Following[];
}

/** How the activations lie, as far as the offer allows it. */
export type Layout =
  | 'dense'
  | 'strided' // rows and pixels of rank-4 activations further apart than they need be
  | 'border' // as strided, and the border that the offer asks for around input 0
  | 'wider border' // a cell more than that on every side
  | 'tight border' // the border, but pixel on pixel, as a plan lays it out
  | 'overwriting' // the output in the place of the first input that the offer lets it take
  | 'overwriting the last'; // or of the last such input

const guard = 8; // cells on either side

export function operandsOf(call: TestCall): KernelCall {
  const inputs: Operand[] = call.inputs.map(({ dtype, shape, quantization, data, constant }) => ({
    dtype,
    shape,
    quantization,
    data: constant ? data : null,
  }));
  const { dtype, shape, quantization } = call.output;
  return {
    arithmetic: call.arithmetic,
    inputs,
    output: { dtype, shape, quantization, data: null },
    ...(call.following && { following: call.following }),
  };
}

/** Which activations lie in the encoding that the offer asks for, where they can. */
export type Coding = 'stored' | 'encoded' | 'input encoded' | 'output encoded';

/** The output of `call` under `set`, dense; throws where the set declines the call. */
export function runCall(
  set: KernelSet,
  call: TestCall,
  layout: Layout = 'dense',
  coding: Coding = 'stored',
  choice?: string,
): TensorData {
  const kernelCall = operandsOf(call);
  const offer = set.offer(kernelCall, choice);
  if (offer === null) throw new Error(`${set.name} does not offer ${call.arithmetic.kind}`);
  const border = layout.endsWith('border') ? offer.border : undefined;
  const spread = offer.strided === true && (layout === 'strided' || border !== undefined);
  const encoded = (operand: Operand, isOutput: boolean): Encoding =>
    coding === 'stored' || coding === (isOutput ? 'input encoded' : 'output encoded')
      ? 'stored'
      : encodingOf(operand, offer.encoding);
  const room = new Room();
  const inputs = call.inputs.map((input, i) => {
    const around =
      i !== 0 || border === undefined ? noPad : layout === 'wider border' ? widened(border) : border;
    const encoding = input.constant ? 'stored' : encoded(kernelCall.inputs[i], false);
    const gap = layout === 'tight border' ? 0 : 3;
    return room.place(input, encoding, spread && !input.constant, around, gap);
  });
  const taken = takenInput(call, offer.overwrites ?? [], layout);
  const outputEncoding = encoded(kernelCall.output, true);
  const isTaken =
    taken !== undefined && inputs[taken].elementBytes === encodedBytes(call.output, outputEncoding);
  const output = isTaken
    ? { ...inputs[taken], operand: call.output, encoding: outputEncoding }
    : room.place(call.output, outputEncoding, spread, noPad);
  const ready =
    (!!offer.border || !!offer.encoding) &&
    (!offer.border || border !== undefined) &&
    inputs[0]?.encoding === (inputs[0] && encodingOf(kernelCall.inputs[0], offer.encoding));
  const scratchBytes = offer.scratch?.(ready) ?? 0;
  const scratchAt = room.reserve(scratchBytes);

  let buffer: ArrayBuffer;
  let step: () => void;
  let scratch: Uint8Array;
  if ('emit' in offer) {
    const program = set.program!(room.bytes);
    const places = inputs.map((placed, i) => (call.inputs[i].constant ? null : placeOf(placed)));
    offer.emit(program, places, placeOf(output), scratchAt);
    const linked = program.link({ stretches: [[0, program.stepCount]] });
    buffer = linked.buffer;
    step = linked.stretches[0];
    scratch = new Uint8Array(buffer, scratchAt, scratchBytes);
  } else {
    buffer = new ArrayBuffer(room.bytes);
    scratch = new Uint8Array(buffer, scratchAt, scratchBytes);
    const views = inputs.map((placed) => viewAt(buffer, placed));
    step = offer.bind(views, viewAt(buffer, output), scratch);
  }
  room.mark(buffer);
  call.inputs.forEach((input, i) => {
    fillBorder(buffer, inputs[i]);
    write(buffer, inputs[i], input.data);
  });
  if (call.output.before !== undefined) write(buffer, output, call.output.before);
  const before = new Uint8Array(buffer).slice();
  scratch.fill(0xa5);
  step();
  const first = read(buffer, output);
  if (!isTaken) {
    scratch.fill(0x5a);
    step();
    const second = read(buffer, output);
    if (!first.every((value, i) => Object.is(value, second[i]))) {
      throw new Error(`${offer.kernel} gives something else when it is run again`);
    }
  }
  const own = new Uint8Array(buffer.byteLength);
  own.fill(1, scratchAt, scratchAt + scratchBytes);
  forEachCell(call.output.shape, (_, coordinates) => {
    const at = output.base + cellAt(output, coordinates) * output.elementBytes;
    own.fill(1, at, at + output.elementBytes);
  });
  const after = new Uint8Array(buffer);
  const strayed = after.findIndex((byte, i) => own[i] !== 1 && byte !== before[i]);
  if (strayed !== -1) {
    const hit = inputs.findIndex(({ base, bytes }) => strayed >= base && strayed < base + bytes);
    const where = `writes outside its output, at byte ${strayed - output.base}`;
    throw new Error(`${offer.kernel} ${hit === -1 ? where : `changes input ${hit}`}`);
  }
  return first;
}

/** As a plan would, only where both have the same shape. */
function takenInput(call: TestCall, overwrites: readonly number[], layout: Layout): number | undefined {
  const fit = overwrites.filter((i) => sameShape(call.inputs[i].shape, call.output.shape));
  if (layout === 'overwriting') return fit[0];
  return layout === 'overwriting the last' ? fit[fit.length - 1] : undefined;
}

function widened({ top, left, bottom, right }: Pad): Pad {
  return { top: top + 1, left: left + 1, bottom: bottom + 1, right: right + 1 };
}

/** One operand in the memory of the test. */
interface Placed {
  readonly operand: Pick<Input, 'dtype' | 'shape' | 'quantization'>;
  /** Byte address of the guard in front. */
  readonly base: number;
  readonly bytes: number;
  readonly elementBytes: number;
  readonly offset: number;
  readonly strides: readonly number[];
  readonly border: Pad;
  readonly encoding: Encoding;
}

/** Hands out stretches of one memory, each with a guard on either side. */
class Room {
  bytes = 0;

  reserve(bytes: number): number {
    const at = this.bytes;
    this.bytes += Math.ceil(bytes / 16) * 16;
    return at;
  }

  place(
    operand: Pick<Input, 'dtype' | 'shape' | 'quantization'>,
    encoding: Encoding,
    spread: boolean,
    border: Pad,
    gap = 3,
  ): Placed {
    const { dtype, shape } = operand;
    const elementBytes = encodedBytes({ dtype }, encoding);
    const strides = denseStrides(shape);
    let cells = elementCount(shape);
    let offset = guard;
    if (spread && shape.length === 4) {
      const [n, h, w, c] = shape;
      strides[2] = c + gap;
      strides[1] = (w + border.left + border.right) * strides[2] + (gap && 5);
      strides[0] = (h + border.top + border.bottom) * strides[1];
      cells = n * strides[0];
      offset += border.top * strides[1] + border.left * strides[2];
    } else if (border !== noPad) {
      throw new Error('a border needs a strided kernel');
    }
    const bytes = (cells + 2 * guard) * elementBytes;
    const base = this.reserve(bytes);
    return { operand, base, bytes, elementBytes, offset, strides, border, encoding };
  }

  mark(buffer: ArrayBuffer): void {
    const bytes = new Uint8Array(buffer, 0, this.bytes);
    for (let i = 0; i < bytes.length; i++) bytes[i] = mark(i);
  }
}

function placeOf({ base, offset, elementBytes, strides, border, encoding }: Placed): Place {
  return { address: base + offset * elementBytes, strides, border, encoding };
}

function viewAt(
  buffer: ArrayBuffer,
  { operand, base, bytes, elementBytes, offset, strides, border }: Placed,
): View {
  return { data: viewOf(operand.dtype, buffer, base, bytes / elementBytes), offset, strides, border };
}

function mark(i: number): number {
  return (i * 37 + 11) & 0x3f; // small, so that no f32 of it is NaN
}

/** The numbers of an operand as they lie in memory, and what is added to them there. */
function cellsOf(buffer: ArrayBuffer, { operand, base, bytes, elementBytes, encoding }: Placed) {
  const { dtype, quantization } = operand;
  const add = encodingOffset({ ...operand, quantization, data: null }, encoding);
  const as = encoding === 'i16' ? 'i16' : encoding === 'u8' ? 'u8' : dtype;
  return { data: viewOf(as, buffer, base, bytes / elementBytes), add };
}

/** The cells around each picture hold the zero point. */
function fillBorder(buffer: ArrayBuffer, placed: Placed): void {
  const { border, operand } = placed;
  const { data, add } = cellsOf(buffer, placed);
  if (border === noPad || operand.shape.length !== 4 || isBig(data)) return;
  const [n, h, w, c] = operand.shape;
  const zero = (operand.quantization?.zeroPoint[0] ?? 0) + add;
  for (let b = 0; b < n; b++) {
    for (let y = -border.top; y < h + border.bottom; y++) {
      for (let x = -border.left; x < w + border.right; x++) {
        const at = cellAt(placed, [b, y, x, 0]);
        data.fill(zero, at, at + c);
      }
    }
  }
}

function cellAt(view: Pick<View, 'offset' | 'strides'>, coordinates: readonly number[]): number {
  let at = view.offset;
  for (let axis = 0; axis < coordinates.length; axis++) at += coordinates[axis] * view.strides[axis];
  return at;
}

function forEachCell(shape: Shape, visit: (i: number, coordinates: readonly number[]) => void): void {
  const count = elementCount(shape);
  const coordinates = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < count; i++) {
    visit(i, coordinates);
    for (let axis = shape.length - 1; axis >= 0 && ++coordinates[axis] === shape[axis]; axis--)
      coordinates[axis] = 0;
  }
}

function write(buffer: ArrayBuffer, placed: Placed, values: TensorData): void {
  const { data, add } = cellsOf(buffer, placed);
  forEachCell(placed.operand.shape, (i, coordinates) => {
    const at = cellAt(placed, coordinates);
    if (isBig(data)) data[at] = BigInt(values[i]);
    else data[at] = Number(values[i]) + add;
  });
}

function read(buffer: ArrayBuffer, placed: Placed): TensorData {
  const { dtype, shape } = placed.operand;
  const { data, add } = cellsOf(buffer, placed);
  const result = viewOf(dtype, new ArrayBuffer(byteLength(dtype, shape)), 0, elementCount(shape));
  forEachCell(shape, (i, coordinates) => {
    const value = data[cellAt(placed, coordinates)];
    if (isBig(result)) result[i] = BigInt(value);
    else result[i] = Number(value) - add;
  });
  return result;
}

/** One scale and zero point for a whole tensor. */
export function perTensor(scale: number, zeroPoint: number): Quantization {
  return { scale: [Math.fround(scale)], zeroPoint: [zeroPoint], axis: 0 };
}

/** A scale for every index of `axis`, zero points 0. */
export function perChannel(scale: readonly number[], axis: number): Quantization {
  return { scale: scale.map(Math.fround), zeroPoint: scale.map(() => 0), axis };
}

/** An activation: seen only when the step runs. */
export function activation(
  dtype: DType,
  shape: Shape,
  values: Iterable<number>,
  quantization: Quantization | null = null,
): Input {
  return { dtype, shape, quantization, data: dataOf(dtype, shape, values), constant: false };
}

/** A constant: seen when the offer is made. */
export function constant(
  dtype: DType,
  shape: Shape,
  values: Iterable<number>,
  quantization: Quantization | null = null,
): Input {
  return { dtype, shape, quantization, data: dataOf(dtype, shape, values), constant: true };
}

export function dataOf(dtype: DType, shape: Shape, values: Iterable<number>): TensorData {
  const data = viewOf(dtype, new ArrayBuffer(byteLength(dtype, shape)), 0, elementCount(shape));
  let i = 0;
  for (const value of values) {
    if (isBig(data)) data[i++] = BigInt(value);
    else data[i++] = value;
  }
  if (i !== data.length) throw new Error(`shape [${shape}] takes ${data.length} values, got ${i}`);
  return data;
}

/** Numbers in [0, 1) from a seed: the same ones everywhere. */
export function random(seed: number): () => number {
  let x = Math.imul(seed + 1, 2654435769) >>> 0 || 1;
  return () => {
    x = (x ^ (x << 13)) >>> 0;
    x = (x ^ (x >>> 17)) >>> 0;
    x = (x ^ (x << 5)) >>> 0;
    return x / 2 ** 32;
  };
}

/** `count` integers in lo … hi. */
export function integers(next: () => number, count: number, lo: number, hi: number): number[] {
  return Array.from({ length: count }, () => lo + Math.floor(next() * (hi - lo + 1)));
}
