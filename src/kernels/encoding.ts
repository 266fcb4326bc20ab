/** How 8-bit activations lie in memory (call.ts, `Encoding`): encoded = q + offset. */
import { bytesPerElement } from '../tensor.ts';
import { type Encoding, noPad, type Offer, type Operand, type Place } from './call.ts';
import { covers } from './geometry.ts';
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

/** Input 0 lies as the offer asks: in its encoding, with its border. */
export function isReady(offer: Offer, x: Operand, place: Pick<Place, 'border' | 'encoding'>): boolean {
  if (!offer.border && !offer.encoding) return false;
  return covers(place.border, offer.border ?? noPad) && place.encoding === encodingOf(x, offer.encoding);
}
