/** Data sets described by cards, read as a stream. */

export type { DataCard, ItemsCard, LabelsCard } from './data-card.ts';
export { dataCardVersion, parseDataCard } from './data-card.ts';
