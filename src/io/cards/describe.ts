/** An output's numbers as names: the classes a network believes in, and how much. */

import { VireoError } from '../../errors.ts';
import type { TensorData, TensorInfo } from '../../tensor.ts';
import type { Labels, OutputCard } from './network-card.ts';
import { readReal } from './store.ts';

export interface Label {
  readonly index: number;
  /** The class's name, or its number as text. */
  readonly label: string;
  /** Probability or score; for a segmentation the share of the picture. */
  readonly confidence: number;
}

/** The `top` likeliest classes, best first; of equals the first. Nothing for outputs that have no classes. */
export function describeOutput(output: OutputCard, data: TensorData, info: TensorInfo, top = 5): Label[] {
  switch (output.kind) {
    case 'classification':
      return best(confidences(output, readReal(data, info.quantization)), output.labels, top);
    case 'segmentation':
      return best(shares(data), output.labels, top).filter(({ confidence }) => confidence > 0);
    case 'detection': // see detect.ts
    case 'regression':
    case 'raw':
      return [];
  }
}

/** Real outputs of several windows as one: their mean, or the largest of each class. */
export function combineWindows(output: OutputCard, windows: readonly Float32Array[]): Float32Array {
  if (windows.length === 0) throw new VireoError('usage', 'combineWindows: no windows');
  const largest = output.kind === 'classification' && output.overWindows === 'max';
  const combined = windows[0].slice();
  for (const scores of windows.slice(1)) {
    for (let i = 0; i < combined.length; i++) {
      combined[i] = largest ? Math.max(combined[i], scores[i]) : combined[i] + scores[i];
    }
  }
  if (!largest) for (let i = 0; i < combined.length; i++) combined[i] /= windows.length;
  return combined;
}

function confidences(
  output: OutputCard & { readonly kind: 'classification' },
  scores: Float32Array,
): ArrayLike<number> {
  return output.scores === 'logits' ? softmax(scores) : scores;
}

/** e^(xᵢ − max x) / Σ */
function softmax(scores: Float32Array): Float32Array {
  const out = new Float32Array(scores.length);
  let largest = Number.NEGATIVE_INFINITY;
  for (const score of scores) largest = Math.max(largest, score);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += Math.exp(scores[i] - largest);
  for (let i = 0; i < scores.length; i++) out[i] = Math.exp(scores[i] - largest) / sum;
  return out;
}

/** Share of the pixels of every class; the data are class numbers. */
function shares(data: TensorData): Float64Array {
  let classes = 0;
  for (let i = 0; i < data.length; i++) classes = Math.max(classes, Number(data[i]) + 1);
  if (!Number.isInteger(classes) || classes > 65_536) {
    throw new VireoError('bad-input', `segmentation: ${classes - 1} is no class number`);
  }
  const out = new Float64Array(classes);
  for (let i = 0; i < data.length; i++) out[Number(data[i])]++;
  return out.map((pixels) => pixels / data.length);
}

function best(confidence: ArrayLike<number>, labels: Labels, top: number): Label[] {
  const order = Array.from(confidence, (_, index) => index);
  order.sort((a, b) => confidence[b] - confidence[a] || a - b);
  return order.slice(0, top).map((index) => ({
    index,
    label: labels.names[index] ?? String(index),
    confidence: confidence[index],
  }));
}
