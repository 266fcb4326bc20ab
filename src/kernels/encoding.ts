/** How 8-bit activations lie in memory (call.ts, `Encoding`): encoded = q + offset. */
import { bytesPerElement } from '../tensor.ts';
import type { Encoding, Operand } from './call.ts';
import { isQuantized8 } from './requantize.ts';

/** i8 or u8 with one scale: what an encoding is for. */
export const isEncodable = isQuantized8;

/** What is added to the stored number. */
export function encodingOffset(operand: Operand, encoding: Encoding): number {
  if (encoding === 'u8') return operand.dtype === 'i8' ? 128 : 0;
  return encoding === 'i16' ? -operand.quantization!.zeroPoint[0] : 0;
}

export function encodedBytes(operand: Pick<Operand, 'dtype'>, encoding: Encoding): number {
  return encoding === 'i16' ? 2 : bytesPerElement[operand.dtype];
}

/** The encoding of `operand` in memory where its kernels agreed on `encoding`. */
export function encodingOf(operand: Operand, encoding: Encoding | undefined): Encoding {
  return encoding !== undefined && isEncodable(operand) ? encoding : 'stored';
}
