/**
 * Mel filter banks: triangles that gather the bins of a spectrum as hearing does, narrow below, wide above.
 *
 * Left out: filters of any other shape, and bands below 0 Hz or above half the sampling rate.
 */

/** The frequency scale on which the bands are equally wide. */
export type MelScale =
  /** 1127·ln(1 + f/700); Young et al., "The HTK Book", §5.4; TensorFlow's `linear_to_mel_weight_matrix`. */
  | 'htk'
  /** Linear (3f/200) below 1 kHz, logarithmic above; Slaney, "Auditory Toolbox", 1998; librosa's default. */
  | 'slaney';

export interface MelOptions {
  readonly sampleRate: number;
  readonly fftSize: number;
  readonly bands: number;
  readonly lowHz: number;
  readonly highHz: number;
  readonly scale: MelScale;
  /** Whether the sides of a triangle are straight over mel (TensorFlow) or over hertz (librosa). */
  readonly slopes: 'mel' | 'hz';
  /** `area`: each triangle is divided by half its width in hertz (librosa's norm='slaney'). */
  readonly normalise: 'none' | 'area';
}

/** Band b gathers bins first[b] … first[b] + count[b] − 1 with weight[offset[b] + i]. */
export interface MelBank {
  readonly bands: number;
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly offset: Int32Array;
  readonly weight: Float64Array;
}

export function toMel(hz: number, scale: MelScale): number {
  if (scale === 'htk') return 1127 * Math.log(1 + hz / 700);
  return hz < 1000 ? (3 * hz) / 200 : 15 + (27 * Math.log(hz / 1000)) / Math.log(6.4);
}

export function fromMel(mel: number, scale: MelScale): number {
  if (scale === 'htk') return 700 * (Math.exp(mel / 1127) - 1);
  return mel < 15 ? (200 * mel) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27);
}

/**
 * The corners e₀ … e of the bands lie equally far apart in mel; band b rises from e_b to e_{b+1} and falls to e_{b+2}:
 *
 *   weight = max(0, min((x − e_b)/(e_{b+1} − e_b), (e_{b+2} − x)/(e_{b+2} − e_{b+1})))      x: the bin, in mel or hertz
 */
export function planMelBank(options: MelOptions): MelBank {
  const { sampleRate, fftSize, bands, scale, slopes } = options;
  const bins = Math.floor(fftSize / 2) + 1;
  const low = toMel(options.lowHz, scale);
  const high = toMel(options.highHz, scale);
  const corner = (i: number): number => low + ((high - low) * i) / (bands + 1);
  const place = (mel: number): number => (slopes === 'mel' ? mel : fromMel(mel, scale));

  const first = new Int32Array(bands);
  const count = new Int32Array(bands);
  const offset = new Int32Array(bands);
  const weight: number[] = [];
  for (let b = 0; b < bands; b++) {
    const left = place(corner(b));
    const centre = place(corner(b + 1));
    const right = place(corner(b + 2));
    const widthHz = fromMel(corner(b + 2), scale) - fromMel(corner(b), scale);
    const factor = options.normalise === 'area' ? 2 / widthHz : 1;
    offset[b] = weight.length;
    for (let k = 1; k < bins; k++) {
      const hz = (k * sampleRate) / fftSize;
      const x = slopes === 'mel' ? toMel(hz, scale) : hz;
      const value = Math.min((x - left) / (centre - left), (right - x) / (right - centre));
      if (value <= 0) continue;
      if (count[b] === 0) first[b] = k;
      weight.push(value * factor);
      count[b] = k - first[b] + 1;
    }
  }
  return { bands, first, count, offset, weight: Float64Array.from(weight) };
}

/** out[at + b] = Σ weight·spectrum over the bins of band b. */
export function gather(bank: MelBank, spectrum: Float64Array, out: Float64Array, at: number): void {
  for (let b = 0; b < bank.bands; b++) {
    let sum = 0;
    const from = bank.first[b];
    const offset = bank.offset[b];
    for (let i = 0; i < bank.count[b]; i++) sum += spectrum[from + i] * bank.weight[offset + i];
    out[at + b] = sum;
  }
}
