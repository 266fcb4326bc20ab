/** Cards: what files do not say of networks; pictures and recordings to inputs, outputs to names. */

export type { TensorInfo } from '../../tensor.ts';
export type { Label } from './describe.ts';
export { combineWindows, describeOutput } from './describe.ts';
export type { Box, Detection } from './detect.ts';
export { detect, overlapOf } from './detect.ts';
export type { CardFiles, CardRequest, FoundCard } from './find.ts';
export { cardPathOf, findCard } from './find.ts';
export type { InputCard, Labels, NetworkCard, OutputCard } from './network-card.ts';
export { networkCardVersion, parseNetworkCard } from './network-card.ts';
export type { InputPlan, InputSource, PreparedWindow } from './prepare.ts';
export { planInput, prepareInput } from './prepare.ts';
export type { Rounding } from './store.ts';
export { readReal, storeReal } from './store.ts';
