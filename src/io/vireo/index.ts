/**
 * Networks as `.vireo` files: compact, read with a DataView alone, ECMAScript and nothing else. The door
 * `vireo-nn/vireo`; the format is docs/vireo-format.md.
 *
 *   bytes ─container→ data + tensors ─operators→ nodes ─verify→ Graph, and back
 */
export type { Data, DataRecord } from './cbor.ts';
export { withoutUnused } from './constants.ts';
export { type Container, isContainer as isVireo, readContainer, writeContainer } from './container.ts';
export { type ReadVireoOptions, readVireo, readVireoMetadata } from './read.ts';
export { type WriteVireoOptions, writeVireo } from './write.ts';
