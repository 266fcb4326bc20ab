/**
 * Float networks to int8. The door `vireo-nn/quant`: ECMAScript only.
 *
 *   prepare → (equalize) → calibrate → quantize → (correctBias)
 */
export {
  type CalibrateOptions,
  type Calibration,
  type Calibrator,
  calibrate,
  calibrator,
  type Sample,
  storedSample,
} from './calibrate.ts';
export { correctBias } from './correct-bias.ts';
export { dequantize } from './dequantize.ts';
export { type EqualizeReport, equalize } from './equalize.ts';
export { type Fidelity, outputFidelity, sensitivities, weightFidelity } from './fidelity.ts';
export { type FineTuneOptions, type FineTuneReport, fineTune } from './fine-tune.ts';
export type { InputStatistics } from './gram.ts';
export { type RangeMethod, rangeMethods } from './observers.ts';
export { prepare } from './prepare.ts';
export { mustBeFloat, type QuantizeOptions, quantize } from './quantize.ts';
export { parametersOf, type Range } from './range.ts';
export { isMove, type LayerReport, type QuantizeReport } from './report.ts';
export type { Rounding, WeightBits } from './weights.ts';
