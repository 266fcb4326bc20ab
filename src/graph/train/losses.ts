/** What training makes small: one number, the mean over the rows of a batch, shape (1, …, 1). */
import { elementCount } from '../../tensor.ts';
import type { ValueId } from '../ir.ts';
import type { TrainingBuilder } from './builder.ts';
import { Emitter } from './emit.ts';

/**
 * −1/n · Σ t·log softmax(logits),  t = (1 − smoothing)·targets + smoothing/classes
 *
 *   logits, targets   (n, classes)     targets: one 1 a row, or any probabilities
 */
export function crossEntropy(
  builder: TrainingBuilder,
  logits: ValueId,
  targets: ValueId,
  { smoothing = 0 }: { readonly smoothing?: number } = {},
): ValueId {
  const e = emitter(builder, 'crossEntropy/');
  const [n, classes] = rowsOf(e, logits);
  const t = smoothing === 0 ? targets : e.plus(e.times(targets, 1 - smoothing), smoothing / classes);
  return e.times(total(e, e.mul(logSoftmax(e, logits, 1), t)), -1 / n);
}

/** Σ (x − target)² / elements */
export function meanSquaredError(builder: TrainingBuilder, x: ValueId, target: ValueId): ValueId {
  const e = emitter(builder, 'meanSquaredError/');
  return e.times(total(e, e.unary('square', e.sub(x, target))), 1 / elementCount(e.shape(x)));
}

/**
 * T²/n · Σ p·(log p − log q),  p = softmax(teacher/T),  q = softmax(student/T)
 *
 * Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531, §2; T² keeps gradients as large as without T.
 */
export function distillation(
  builder: TrainingBuilder,
  student: ValueId,
  teacher: ValueId,
  { temperature = 2 }: { readonly temperature?: number } = {},
): ValueId {
  const e = emitter(builder, 'distillation/');
  const [n] = rowsOf(e, student);
  const logP = logSoftmax(e, teacher, 1 / temperature);
  const divergence = e.mul(e.unary('exp', logP), e.sub(logP, logSoftmax(e, student, 1 / temperature)));
  return e.times(total(e, divergence), temperature ** 2 / n);
}

function emitter(builder: TrainingBuilder, prefix: string): Emitter {
  const e = new Emitter(builder);
  e.prefix = prefix;
  return e;
}

function rowsOf(e: Emitter, x: ValueId): readonly [rows: number, classes: number] {
  const shape = e.shape(x);
  const classes = shape[shape.length - 1]!;
  return [elementCount(shape) / classes, classes];
}

function logSoftmax(e: Emitter, x: ValueId, beta: number): ValueId {
  return e.node({ kind: 'softmax', beta, log: true }, [x]);
}

function total(e: Emitter, x: ValueId): ValueId {
  return e.sum(
    x,
    e.shape(x).map((_, axis) => axis),
  );
}
