/** The door `vireo-nn/audio`: WAV files to recordings, recordings to the features that a network hears. */

export type { Features, FrontEnd } from './front-end.ts';
export type { FrontEndName, FrontEndParameters } from './front-ends.ts';
export { frontEndNames, planFrontEnd } from './front-ends.ts';
export type { LogMelParameters } from './log-mel.ts';
export { logMelDefaults, planLogMel } from './log-mel.ts';
export type { MelScale } from './mel.ts';
export type { Recording } from './recording.ts';
export { toMono } from './recording.ts';
export { planResampler, resample } from './resample.ts';
export type { RecordingLimits, WavSamples } from './wav.ts';
export { decodeWav, encodeWav } from './wav.ts';
export type { WaveformParameters } from './waveform.ts';
export type { WindowName } from './window.ts';
