/**
 * Every operator a graph may hold.
 *
 * Those that compute are the kernels' own arithmetic (`kernels/call.ts`, operands listed there); those
 * that only move or rename data are here. Each has one output. What file formats have beyond this
 * (SPLIT, PACK, SQUEEZE, SPACE_TO_BATCH_ND …) the readers express in these.
 */
import type { Arithmetic } from '../kernels/call.ts';
import type { Shape } from '../tensor.ts';

export type Movement =
  | { readonly kind: 'reshape'; readonly shape: Shape } // x
  | { readonly kind: 'transpose'; readonly perm: readonly number[] } // x: output axis j is input axis perm[j]
  | { readonly kind: 'concat'; readonly axis: number } // x, y, …
  | { readonly kind: 'slice'; readonly begin: Shape; readonly size: Shape; readonly step: Shape } // x; step < 0 walks back
  | { readonly kind: 'pad'; readonly before: Shape; readonly after: Shape; readonly value: number }; // x; value in real numbers

export type Op = Exclude<Arithmetic, { kind: 'copy' | 'fill' }> | Movement;
export type OpKind = Op['kind'];
export type OpOf<K extends OpKind> = Extract<Op, { kind: K }>;
