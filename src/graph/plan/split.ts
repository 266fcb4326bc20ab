/**
 * One call as several on parts of its output, for threads that share a memory.
 *
 *   many rows           each part takes a band of output rows, and of the input the rows that its windows reach
 *   few rows, conv2d    each part takes a range of output channels, with their weights
 *
 * A part is an ordinary call on windows of the same tensors, so every kernel serves it.
 */
import type { KernelCall, Operand, Place } from '../../kernels/call.ts';
import { encodedBytes } from '../../kernels/encoding.ts';
import { windowGeometry } from '../../kernels/geometry.ts';
import type { Quantization } from '../../tensor.ts';

export interface Part {
  readonly call: KernelCall;
  readonly inputs: readonly (Place | null)[];
  readonly output: Place;
}

/** Null where the call cannot be taken apart, or a part would be too thin. */
export function splitCall(
  call: KernelCall,
  inputs: readonly (Place | null)[],
  output: Place,
  parts: number,
): Part[] | null {
  const { kind } = call.arithmetic;
  const isWindow =
    kind === 'conv2d' || kind === 'depthwiseConv2d' || kind === 'maxPool2d' || kind === 'averagePool2d';
  const x = inputs[0];
  const followers = (call.following ?? []).reduce((sum, { others }) => sum + others, 0);
  if (!isWindow || !x || call.output.shape[0] !== 1) return null;
  if (followers > 0 && inputs.slice(-followers).includes(null)) return null;
  const [, outH, , outC] = call.output.shape as [number, number, number, number];
  const bounds = (count: number, unit: number): number[] =>
    Array.from({ length: parts + 1 }, (_, p) =>
      p === parts ? count : Math.round((count * p) / parts / unit) * unit,
    );
  if (outH >= 6 * parts) {
    const rows = bounds(outH, 2);
    return rows.slice(1).map((to, p) => rowsOf(call, inputs, output, rows[p]!, to));
  }
  if (kind !== 'conv2d' || call.arithmetic.groups !== 1 || outC < 32 * parts) return null;
  const channels = bounds(outC, 16);
  return channels.slice(1).map((to, p) => channelsOf(call, inputs, output, channels[p]!, to));
}

const move = (place: Place, operand: Operand, axis: number, by: number): Place => ({
  ...place,
  address: place.address + by * place.strides[axis]! * encodedBytes(operand, place.encoding),
});

const withExtent = (operand: Operand, axis: number, extent: number): Operand => ({
  ...operand,
  shape: operand.shape.map((e, i) => (i === axis ? extent : e)),
});

/** Operands of what follows have the output's shape, or one element an axis that repeats. */
function othersOf(
  call: KernelCall,
  inputs: readonly (Place | null)[],
  axis: number,
  from: number,
  to: number,
): { readonly operands: Operand[]; readonly places: (Place | null)[] } {
  const first = call.inputs.length - (call.following ?? []).reduce((sum, { others }) => sum + others, 0);
  const operands: Operand[] = [];
  const places: (Place | null)[] = [];
  for (let i = first; i < call.inputs.length; i++) {
    const operand = call.inputs[i]!;
    const place = inputs[i] ?? null;
    operands.push(place ? withExtent(operand, axis, to - from) : operand);
    places.push(place && move(place, operand, axis, from));
  }
  return { operands, places };
}

function followingOf(call: KernelCall, axis: number, extent: number): Partial<KernelCall> {
  if (!call.following) return {};
  return {
    following: call.following.map((next) => ({
      ...next,
      x: withExtent(next.x, axis, extent),
      output: withExtent(next.output, axis, extent),
    })),
  };
}

function rowsOf(
  call: KernelCall,
  inputs: readonly (Place | null)[],
  output: Place,
  from: number,
  to: number,
): Part {
  const { inH, kH, strideH, dilationH, padTop } = windowGeometry(call);
  const reach = (to - 1) * strideH - padTop + (kH - 1) * dilationH + 1;
  const first = Math.max(0, from * strideH - padTop);
  const last = Math.min(inH, reach);
  const x = inputs[0]!;
  const pad = 'pad' in call.arithmetic ? call.arithmetic.pad : null;
  const arithmetic = {
    ...call.arithmetic,
    pad: { ...(pad as object), top: Math.max(0, padTop - from * strideH), bottom: Math.max(0, reach - inH) },
  } as KernelCall['arithmetic'];
  const { top, bottom } = x.border;
  const border = { ...x.border, top: first === 0 ? top : 0, bottom: last === inH ? bottom : 0 };
  const others = othersOf(call, inputs, 1, from, to);
  const own = call.inputs.length - others.operands.length;
  return {
    call: {
      arithmetic,
      inputs: [
        withExtent(call.inputs[0]!, 1, last - first),
        ...call.inputs.slice(1, own),
        ...others.operands,
      ],
      output: withExtent(call.output, 1, to - from),
      ...followingOf(call, 1, to - from),
    },
    inputs: [{ ...move(x, call.inputs[0]!, 1, first), border }, ...inputs.slice(1, own), ...others.places],
    output: move(output, call.output, 1, from),
  };
}

function channelsOf(
  call: KernelCall,
  inputs: readonly (Place | null)[],
  output: Place,
  from: number,
  to: number,
): Part {
  const others = othersOf(call, inputs, 3, from, to);
  const own = call.inputs.length - others.operands.length;
  const constants = call.inputs.slice(1, own).map((operand) => outputsOf(operand, from, to));
  return {
    call: {
      arithmetic: call.arithmetic,
      inputs: [call.inputs[0]!, ...constants, ...others.operands],
      output: withExtent(call.output, 3, to - from),
      ...followingOf(call, 3, to - from),
    },
    inputs: [inputs[0]!, ...inputs.slice(1, own), ...others.places],
    output: move(output, call.output, 3, from),
  };
}

/** Weights or biases of output channels from … to−1: their outermost axis. */
function outputsOf(operand: Operand, from: number, to: number): Operand {
  const { data, quantization, shape } = operand;
  const each = data ? data.length / shape[0]! : 0;
  const cut = (list: readonly number[]): readonly number[] =>
    list.length === 1 ? list : list.slice(from, to);
  return {
    ...withExtent(operand, 0, to - from),
    data: data === null ? null : data.subarray(from * each, to * each),
    quantization: quantization && cutQuantization(quantization, cut),
  };
}

const cutQuantization = (
  q: Quantization,
  cut: (list: readonly number[]) => readonly number[],
): Quantization => ({ ...q, scale: cut(q.scale), zeroPoint: cut(q.zeroPoint) });
