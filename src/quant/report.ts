/** What a quantisation says of itself. */
import type { OpKind } from '../graph/ops.ts';
import type { Rounding } from './weights.ts';

export interface LayerReport {
  /** The node's name in the float network. */
  readonly name: string;
  /** The name of its value in the quantised network. */
  readonly output: string;
  readonly kind: OpKind;
  readonly precision: 'int8' | 'int4' | 'float';
  /** Why it is in float, or ''. */
  readonly reason: string;
  /** Signal-to-noise ratio of the weights in dB; null without weights. */
  readonly weightSnr: number | null;
  readonly rounding: Rounding | null;
}

export interface QuantizeReport {
  /** Every node but moves of data, in order. */
  readonly layers: readonly LayerReport[];
  readonly warnings: readonly string[];
}

const moves = new Set<OpKind>(['reshape', 'transpose', 'slice', 'concat', 'pad', 'mirrorPad', 'gather']);
/** Operators that only move numbers; reports leave them out. */
export const isMove = (kind: OpKind): boolean => moves.has(kind);
