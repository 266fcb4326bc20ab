/**
 * The front-ends of the MLPerf Tiny networks.
 *
 * Source: mlcommons/tiny, `benchmark/training/`: `keyword_spotting/get_dataset.py`,
 * `streaming_wakeword/get_dataset.py`, `anomaly_detection/common.py`; the TensorFlow functions named below are in
 * `tensorflow/python/ops/signal`.
 */

import type { FrontEnd } from './front-end.ts';
import { sized } from './front-end.ts';
import { planLogMel } from './log-mel.ts';

/**
 * Keyword spotting: mel-frequency cepstral coefficients of one second, [49, 10, 1].
 *
 * 1. the first 16,000 samples, divided by their largest (not by the largest absolute one), padded with zeros;
 *    silence is not divided
 * 2. frames of 480 samples, step 320, periodic Hann window, 512-point transform, magnitude
 * 3. 40 mel bands, 20 to 4000 Hz (`linear_to_mel_weight_matrix`)
 * 4. ln(mel + 1e-6)
 * 5. c[j] = 2·Σ_b m[b]·cos(πj(b + ½)/40) / √80 for j < 10 (`mfccs_from_log_mel_spectrograms`)
 */
export function planKwsMfcc(): FrontEnd {
  const bands = 40;
  const kept = 10;
  const seconds = planLogMel({
    sampleRate: 16000,
    frame: 480,
    hop: 320,
    fft: 512,
    window: 'hann-periodic',
    spectrum: 'magnitude',
    mels: bands,
    lowHz: 20,
    highHz: 4000,
    log: 'natural',
    floor: 1e-6,
    floorBy: 'add',
    frames: 49,
  });
  const cosine = new Float64Array(kept * bands); // (kept, bands)
  for (let j = 0; j < kept; j++) {
    for (let b = 0; b < bands; b++) {
      cosine[j * bands + b] = (2 * Math.cos((Math.PI * j * (b + 0.5)) / bands)) / Math.sqrt(2 * bands);
    }
  }
  const clip = new Float32Array(16000);
  let data: Float32Array = new Float32Array(0);
  return {
    name: 'mlperf-tiny-kws-mfcc',
    description: 'MLPerf Tiny keyword spotting: 10 MFCC of 49 frames of one second at 16 kHz, [49, 10, 1]',
    sampleRate: 16000,
    samplesFor: () => 16000,
    compute(samples) {
      const count = Math.min(samples.length, clip.length);
      let largest = count > 0 ? samples[0] : 0;
      for (let i = 1; i < count; i++) largest = Math.max(largest, samples[i]);
      if (largest === 0) largest = 1;
      clip.fill(0);
      for (let i = 0; i < count; i++) clip[i] = samples[i] / largest;
      const logMel = seconds.compute(clip);
      const frames = logMel.shape[0];
      data = sized(data, frames * kept); // (frames, kept)
      for (let t = 0; t < frames; t++) {
        for (let j = 0; j < kept; j++) {
          let sum = 0;
          for (let b = 0; b < bands; b++) sum += logMel.data[t * bands + b] * cosine[j * bands + b];
          data[t * kept + j] = sum;
        }
      }
      return { shape: [frames, kept, 1], data };
    },
  };
}

/**
 * Streaming wake word: log-mel energies of a whole recording, [frames, 40]; thirty frames make one input.
 *
 * Pre-emphasis 1 − 2⁻⁵; frames of 1024, step 512, symmetric Hamming window; |X|²/1024, at least 1e-30; 40 mel bands,
 * 0 to 8000 Hz; (10·log₁₀ + 52)/64, clamped to 0 … 1.
 */
export function planSwwLogMel(): FrontEnd {
  return planLogMel(
    {
      sampleRate: 16000,
      frame: 1024,
      hop: 512,
      fft: 1024,
      window: 'hamming-symmetric',
      preEmphasis: 1 - 2 ** -5,
      spectrum: 'power',
      spectrumFactor: 1 / 1024,
      spectrumFloor: 1e-30,
      mels: 40,
      lowHz: 0,
      highHz: 8000,
      log: 'decibel',
      floor: 0,
      floorBy: 'max',
      offset: 52,
      factor: 1 / 64,
      clamp: [0, 1],
    },
    'mlperf-tiny-sww-logmel',
    'MLPerf Tiny streaming wake word: 40 log-mel energies for every 32 ms at 16 kHz, [frames, 40]',
  );
}

/**
 * Anomaly detection: log-mel energies of frames 50 … 249 of an 11 s clip, [200, 128]; five frames make one input.
 *
 * librosa's mel spectrogram (1024 points, hop 512, centred with mirrored ends, power, Slaney scale and norm), then
 * 10·log₁₀(mel + 2⁻⁵²).
 */
export function planAdLogMel(): FrontEnd {
  return planLogMel(
    {
      sampleRate: 16000,
      frame: 1024,
      hop: 512,
      fft: 1024,
      window: 'hann-periodic',
      centre: true,
      spectrum: 'power',
      mels: 128,
      lowHz: 0,
      highHz: 8000,
      melScale: 'slaney',
      melSlopes: 'hz',
      melNormalise: 'area',
      log: 'decibel',
      floor: 2 ** -52,
      floorBy: 'add',
      frames: 200,
      skip: 50,
    },
    'mlperf-tiny-ad-logmel',
    'MLPerf Tiny anomaly detection: 128 log-mel energies of frames 50 to 249 at 16 kHz, [200, 128]',
  );
}
