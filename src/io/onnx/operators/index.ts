/** Every ONNX operator that can be imported, by domain and name. */
import type { Operator } from '../operator.ts';
import { activations } from './activations.ts';
import { elementwise } from './elementwise.ts';
import { linear } from './linear.ts';
import { microsoft } from './microsoft.ts';
import { movement } from './movement.ts';
import { normalization } from './normalization.ts';
import { padding } from './pad.ts';
import { pooling } from './pooling.ts';
import { quantized } from './quantized.ts';
import { reductions } from './reductions.ts';
import { resizing } from './resize.ts';
import { selection } from './selection.ts';
import { sources } from './sources.ts';

export type Converter = (op: Operator) => void;
export type Converters = Readonly<Record<string, Converter>>;

const domains: Readonly<Record<string, ReadonlyMap<string, Converter>>> = {
  '': new Map(
    Object.entries({
      ...activations,
      ...elementwise,
      ...linear,
      ...movement,
      ...normalization,
      ...padding,
      ...pooling,
      ...quantized,
      ...reductions,
      ...resizing,
      ...selection,
      ...sources,
    }),
  ),
  'com.microsoft': new Map(Object.entries(microsoft)),
};

export function converterOf(domain: string, type: string): Converter | undefined {
  return Object.hasOwn(domains, domain) ? domains[domain]?.get(type) : undefined;
}
