/** How each operator of a network is written; opset 14 of the default domain alone. */
import type { Op, OpKind } from '../../../../graph/ops.ts';
import type { NodeWriter } from '../node-writer.ts';
import { elementwise } from './elementwise.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import { pooling } from './pooling.ts';
import { reductions } from './reductions.ts';
import { rounding } from './rounding.ts';
import { rows } from './rows.ts';
import { spectra } from './spectra.ts';

/** The operator of kind K, also where several kinds share one type. */
type OpWith<K extends OpKind, O extends Op = Op> = O extends Op ? (K extends O['kind'] ? O : never) : never;
export type Writers<K extends OpKind> = { readonly [Kind in K]: (n: NodeWriter, op: OpWith<Kind>) => void };

const writers: Writers<OpKind> = {
  ...elementwise,
  ...linear,
  ...movement,
  ...pooling,
  ...reductions,
  ...rounding,
  ...rows,
  ...spectra,
  codebookConv2d: (n) => n.fail('a codebook that is no constant'),
  training: (n) => n.fail('part of a training step'),
};

/** Throws `VireoError('unsupported')` where ONNX has no words for it. */
export function writeNode(n: NodeWriter): void {
  const { op } = n.node;
  // The table gives each kind its own writer; the union cannot show that this one is op's.
  const write = writers[op.kind] as (n: NodeWriter, op: Op) => void;
  write(n, op);
}
