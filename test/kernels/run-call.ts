/**
 * Runs one kernel call on given data, as a plan would: places the operands, binds the offer, runs it.
 *
 * Every operand lies inside a larger array whose other cells hold a mark; a kernel that writes a mark is
 * caught. The step runs twice, so state left over from a first run is caught too.
 */
import type { Arithmetic, KernelCall, KernelSet, Operand, Pad, View } from '../../src/kernels/call.ts';
import { noPad } from '../../src/kernels/call.ts';
import type { DType, Quantization, Shape, TensorData } from '../../src/tensor.ts';
import {
  byteLength,
  bytesPerElement,
  denseStrides,
  elementCount,
  isBig,
  sameShape,
  viewOf,
} from '../../src/tensor.ts';

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
  return { arithmetic: call.arithmetic, inputs, output: { dtype, shape, quantization, data: null } };
}

/** The output of `call` under `set`, dense; throws where the set declines the call. */
export function runCall(set: KernelSet, call: TestCall, layout: Layout = 'dense'): TensorData {
  const offer = set.offer(operandsOf(call));
  if (offer === null) throw new Error(`${set.name} does not offer ${call.arithmetic.kind}`);
  const border = layout.endsWith('border') ? offer.border : undefined;
  const spread = offer.strided === true && (layout === 'strided' || border !== undefined);
  const inputs = call.inputs.map((input, i) => {
    const around =
      i !== 0 || border === undefined ? noPad : layout === 'wider border' ? widened(border) : border;
    const placed = place(
      input.dtype,
      input.shape,
      spread && !input.constant,
      around,
      layout === 'tight border' ? 0 : 3,
    );
    fillBorder(placed.view, input, around);
    write(placed.view, input.shape, input.data);
    return placed;
  });
  const taken = takenInput(call, offer.overwrites ?? [], layout);
  const output =
    taken === undefined ? place(call.output.dtype, call.output.shape, spread, noPad) : inputs[taken];
  if (call.output.before !== undefined) write(output.view, call.output.shape, call.output.before);
  const scratch = new Uint8Array(offer.scratch?.(border !== undefined) ?? 0).fill(0xa5);
  const step = offer.bind(
    inputs.map(({ view }) => view),
    output.view,
    scratch,
  );
  step();
  const first = read(output.view, call.output.shape, call.output.dtype);
  if (taken === undefined) {
    scratch.fill(0x5a);
    step();
    const second = read(output.view, call.output.shape, call.output.dtype);
    if (!first.every((value, i) => Object.is(value, second[i]))) {
      throw new Error(`${offer.kernel} gives something else when it is run again`);
    }
  }
  if (!output.marksAreWhole()) throw new Error(`${offer.kernel} writes outside its output`);
  call.inputs.forEach(({ shape, dtype, data }, i) => {
    const after = read(inputs[i].view, shape, dtype);
    if (i !== taken && !data.every((value, j) => Object.is(value, after[j]))) {
      throw new Error(`${offer.kernel} changes input ${i}`);
    }
  });
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

interface Placed {
  readonly view: View;
  /** Nothing was written but the elements of the view. */
  readonly marksAreWhole: () => boolean;
}

function place(dtype: DType, shape: Shape, spread: boolean, border: Pad, gap = 3): Placed {
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
  const length = cells + 2 * guard;
  const bytes = new Uint8Array(length * bytesPerElement[dtype]);
  for (let i = 0; i < bytes.length; i++) bytes[i] = mark(i);
  const data = viewOf(dtype, bytes.buffer, 0, length);
  const view: View = { data, offset, strides, border };
  const own = new Uint8Array(bytes.length);
  forEachCell(shape, (_, coordinates) => {
    const at = cellAt(view, coordinates) * bytesPerElement[dtype];
    own.fill(1, at, at + bytesPerElement[dtype]);
  });
  return { view, marksAreWhole: () => bytes.every((byte, i) => own[i] === 1 || byte === mark(i)) };
}

function mark(i: number): number {
  return (i * 37 + 11) & 0x3f; // small, so that no f32 of it is NaN
}

/** The cells around each picture hold the zero point. */
function fillBorder(view: View, input: Input, border: Pad): void {
  if (border === noPad || input.shape.length !== 4 || isBig(view.data)) return;
  const [n, h, w, c] = input.shape;
  const zero = input.quantization?.zeroPoint[0] ?? 0;
  for (let b = 0; b < n; b++) {
    for (let y = -border.top; y < h + border.bottom; y++) {
      for (let x = -border.left; x < w + border.right; x++) {
        const at = cellAt(view, [b, y, x, 0]);
        view.data.fill(zero, at, at + c);
      }
    }
  }
}

function cellAt(view: View, coordinates: readonly number[]): number {
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

function write(view: View, shape: Shape, data: TensorData): void {
  forEachCell(shape, (i, coordinates) => {
    const at = cellAt(view, coordinates);
    if (isBig(view.data)) view.data[at] = BigInt(data[i]);
    else view.data[at] = Number(data[i]);
  });
}

function read(view: View, shape: Shape, dtype: DType): TensorData {
  const result = viewOf(dtype, new ArrayBuffer(byteLength(dtype, shape)), 0, elementCount(shape));
  forEachCell(shape, (i, coordinates) => {
    const value = view.data[cellAt(view, coordinates)];
    if (isBig(result)) result[i] = BigInt(value);
    else result[i] = Number(value);
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
