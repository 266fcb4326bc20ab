/**
 * A float convolution as windows over pictures in memory: from where its operands lie to the call of the direct
 * kernel. What conv2d is once, transposedConv2d is once for each phase of its output.
 */
import { elementCount } from '../../tensor.ts';
import type { Clamp, KernelCall, Pad, Place } from '../call.ts';
import { covers } from '../geometry.ts';
import type { FunctionRef } from './asm/function.ts';
import {
  buildDirect,
  type DirectSpec,
  depthOf,
  type Order,
  type Steps,
  type Taps,
} from './direct-conv-f32.ts';
import { type Epilogue, epilogueOf, type Stage } from './epilogue-conv-f32.ts';
import { frame } from './frame-conv-f32.ts';
import { vectorsOf } from './pack-f32.ts';
import type { Program } from './program.ts';
import type { Tiling } from './tiles-conv-f32.ts';

export type Call = readonly [kernel: FunctionRef, ...addresses: number[]];

/** Windows over pictures in memory. */
export interface Window {
  readonly pictures: number;
  readonly rows: number;
  readonly columns: number;
  readonly x: Steps;
  readonly y: Steps;
  readonly residual: Steps | null;
  readonly taps: readonly Taps[];
  readonly run: number;
}

/** The call of the direct kernel for one layer. */
export function directCall(
  program: Program,
  layer: {
    readonly madd: boolean;
    readonly window: Window;
    readonly tiling: Tiling;
    readonly groups: number;
    readonly channels: number;
    readonly stages: readonly Stage[];
    readonly addresses: readonly number[];
  },
): Call {
  const { madd, window, tiling, groups, channels, stages, addresses } = layer;
  const { rows: _rows, columns: _columns, ...lies } = window;
  const { name: _name, cost: _cost, ...cut } = tiling;
  const spec: DirectSpec = {
    madd,
    ...lies,
    ...cut,
    groups,
    order: orderOf(window, tiling, channels),
    lanes: ((channels - 1) % 4) + 1,
    stages,
  };
  return [program.kernel('direct-f32', spec, 5, buildDirect), ...addresses];
}

/** Half of a small second-level cache. */
const cacheBytes = 1 << 19;

function orderOf(window: Window, { channels: blocks }: Tiling, channels: number): Order {
  const weights = 16 * depthOf(window) * vectorsOf(blocks);
  const pixels = window.pictures * window.rows * window.columns;
  const isPointwise = window.taps.length === 0;
  const input = isPointwise ? 4 * pixels * window.run : window.pictures * window.rows * window.x.row;
  const activations = input + 4 * pixels * channels;
  if (Math.min(weights, activations) > cacheBytes && window.rows > 1) return ['rows', 'channels', 'columns'];
  return weights <= activations ? ['rows', 'columns', 'channels'] : ['channels', 'rows', 'columns'];
}

export function stepsOf({ strides }: Place, group: number): Steps {
  return { picture: 4 * strides[0]!, row: 4 * strides[1]!, pixel: 4 * strides[2]!, group };
}

/** Rows, then pictures, that lie side by side in every operand become one row. */
export function flattened(window: Window): Window {
  const operands = window.residual ? [window.x, window.y, window.residual] : [window.x, window.y];
  if (window.rows > 1 && !operands.every(({ row, pixel }) => row === window.columns * pixel)) return window;
  const columns = window.rows * window.columns;
  const oneRow = { ...window, rows: 1, columns };
  if (window.pictures > 1 && !operands.every(({ picture, pixel }) => picture === columns * pixel))
    return oneRow;
  return { ...oneRow, pictures: 1, columns: columns * window.pictures };
}

/** The input with the border that windows need: as it lies, or copied by the first of the calls. */
export function framedInput(
  program: Program,
  input: Place,
  shape: readonly number[],
  border: Pad | undefined,
  scratch: number,
  calls: Call[],
): Place {
  if (!border || covers(input.border, border)) return input;
  const framed = frame(program, input, shape, border, scratch);
  calls.push(framed.call);
  return framed.place;
}

/** f32, nothing empty, constant weights and bias (zeros where there is none), and an epilogue that is known here. */
export function layerOf(call: KernelCall, clamp: Clamp): Layer | null {
  const { inputs, output, following = [] } = call;
  const own = inputs.length - following.reduce((sum, { others }) => sum + others, 0);
  const isFloat = [output, ...inputs].every(({ dtype, shape }) => dtype === 'f32' && elementCount(shape) > 0);
  const epilogue = epilogueOf(call, clamp);
  const w = inputs[1]!.data;
  const bias = own > 2 ? inputs[2]!.data : new Float32Array(inputs[1]!.shape[0]!);
  if (!isFloat || !epilogue || !(w instanceof Float32Array) || !(bias instanceof Float32Array)) return null;
  return { call, epilogue, w, bias };
}

export interface Layer {
  readonly call: KernelCall;
  readonly epilogue: Epilogue;
  readonly w: Float32Array;
  readonly bias: Float32Array;
}
