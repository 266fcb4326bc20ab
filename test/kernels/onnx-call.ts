/** Short forms for tables of hand-computed cases. */
import type { Arithmetic } from '../../src/kernels/call.ts';
import { reference } from '../../src/kernels/reference/index.ts';
import type { DType, Quantization, Shape } from '../../src/tensor.ts';
import { activation, type Input, operandsOf, runCall, type TestCall } from './run-call.ts';

export const numberTypes = ['f32', 'f64', 'i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64'] as const;
export const allTypes: readonly DType[] = [...numberTypes, 'bool'];

export function callOf(
  arithmetic: Arithmetic,
  inputs: readonly Input[],
  dtype: DType,
  shape: Shape,
  quantization: Quantization | null = null,
): TestCall {
  return { arithmetic, inputs, output: { dtype, shape, quantization } };
}

/** What the reference set computes, as numbers. */
export function result(...call: Parameters<typeof callOf>): number[] {
  return [...runCall(reference, callOf(...call))].map(Number);
}

export function isOffered(...call: Parameters<typeof callOf>): boolean {
  return reference.offer(operandsOf(callOf(...call))) !== null;
}

/** A vector. */
export function row(
  dtype: DType,
  values: readonly number[],
  quantization: Quantization | null = null,
): Input {
  return activation(dtype, [values.length], values, quantization);
}
