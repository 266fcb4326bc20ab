/** Every TensorFlow Lite operator that can be imported, by its name in the schema. */
import type { Operator } from '../operator.ts';
import { choice } from './choice.ts';
import { elementwise } from './elementwise.ts';
import { movement } from './movement.ts';
import { picture } from './picture.ts';
import { windows } from './windows.ts';

export type Converter = (op: Operator) => void;

export const converters: ReadonlyMap<string, Converter> = new Map(
  Object.entries({ ...windows, ...elementwise, ...movement, ...picture, ...choice }),
);

/** All others have one output. */
export const manyOutputs: ReadonlySet<string> = new Set(['SPLIT', 'SPLIT_V', 'UNPACK', 'TOPK_V2']);
