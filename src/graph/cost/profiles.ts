/** The built-in hardware profiles. Every constant has its source and year; docs/energy.md, section 3, has them as a table. */
import type { Constant, HardwareProfile } from './profile.ts';
import type { Tier } from './tiers.ts';

const from =
  (source: string, year: number) =>
  (value: number, unit: string): Constant => ({ value, unit, source, year });
const guessed =
  (source: string, year: number) =>
  (value: number, unit: string): Constant => ({ value, unit, source, year, assumed: true });

const horowitz = from("Horowitz, Computing's energy problem, ISSCC 2014, fig. 1.1.9 (45 nm, 0.9 V)", 2014);
const han = from('Han et al., Learning both Weights and Connections, arXiv:1506.02626, fig. 1 (45 nm)', 2015);
const eyeriss = from('Chen, Emer, Sze, Eyeriss, ISCA 2016, table IV (65 nm, normalised)', 2016);
const eyerissChip = from('Chen et al., Eyeriss, JSSC 52(1), 2017: 12 × 14 processing elements', 2017);
const yang = from('Yang, Zhu, Liu, Energy-Constrained Compression, ICLR 2019, and its code', 2019);
const vireo = from('vireo: chosen by this project', 2026);

const once = vireo(1, 'passes');

const horowitz45nm: HardwareProfile = {
  name: 'horowitz-45nm',
  tier: 'H',
  about: '45 nm: every operation; every operand once through an 8 KiB SRAM and once from DRAM',
  unit: 'pJ',
  constants: {
    int8Multiply: horowitz(0.2, 'pJ'),
    int32Multiply: horowitz(3.1, 'pJ'),
    int32Add: horowitz(0.1, 'pJ'),
    float16Multiply: guessed('Horowitz, ISSCC 2014, as recalled; not compared with the figure', 2014)(
      1.1,
      'pJ',
    ),
    float32Multiply: horowitz(3.7, 'pJ'),
    float16Add: horowitz(0.4, 'pJ'),
    float32Add: horowitz(0.9, 'pJ'),
    sram: han(5, 'pJ per 32 bits'),
    dram: han(640, 'pJ per 32 bits'),
    weightSramPasses: once,
    inputSramPasses: once,
    outputSramPasses: once,
    weightDramPasses: once,
    inputDramPasses: once,
    outputDramPasses: once,
  },
};

const eyeriss65nm: HardwareProfile = {
  name: 'eyeriss',
  tier: 'E',
  about: 'row-stationary accelerator of 12 × 14 processing elements, batch 1',
  unit: 'MAC',
  constants: {
    mac: eyeriss(1, 'MAC'),
    registerFile: eyeriss(1, 'MAC per 16 bits'),
    array: eyeriss(2, 'MAC per 16 bits'),
    buffer: eyeriss(6, 'MAC per 16 bits'),
    dram: eyeriss(200, 'MAC per 16 bits'),
    arrayRows: eyerissChip(12, 'elements'),
    arrayColumns: eyerissChip(14, 'elements'),
  },
};

const systolic: HardwareProfile = {
  name: 'systolic-12x14',
  tier: 'S',
  about: 'systolic array of 12 × 14, caches of 100 KiB for inputs and 8 KiB for weights, batch 1',
  unit: 'MAC',
  constants: {
    mac: yang(1, 'MAC'),
    registerFile: yang(1, 'MAC per 16 bits'),
    cache: yang(6, 'MAC per 16 bits'),
    memory: yang(200, 'MAC per 16 bits'),
    arrayRows: yang(12, 'elements'),
    arrayColumns: yang(14, 'elements'),
    inputCache: yang(51_200, '16-bit words'),
    weightCache: yang(4_096, '16-bit words'),
  },
};

/** Horowitz's figures for 64-bit accesses at 45 nm, as recalled: 32 KiB 20 pJ, 1 MiB 100 pJ, DRAM 1.3 to 2.6 nJ, an instruction 70 pJ. */
const cpuGeneric: HardwareProfile = {
  name: 'cpu-generic',
  tier: 'cpu',
  about: 'a core with 128-bit vectors and three caches; energies assumed, for a fit to replace',
  unit: 'pJ',
  constants: {
    vectorOperation: guessed('after an instruction at 45 nm, Horowitz, ISSCC 2014', 2014)(70, 'pJ'),
    operation: guessed('after an instruction at 45 nm, Horowitz, ISSCC 2014', 2014)(70, 'pJ'),
    l1: guessed('after 32 KiB of SRAM at 45 nm, Horowitz, ISSCC 2014', 2014)(2.5, 'pJ per byte'),
    l2: guessed('after 1 MiB of SRAM at 45 nm, Horowitz, ISSCC 2014', 2014)(12.5, 'pJ per byte'),
    l3: guessed('geometric mean of its neighbours', 2026)(55, 'pJ per byte'),
    dram: guessed('after DRAM at 45 nm, middle of the range, Horowitz, ISSCC 2014', 2014)(244, 'pJ per byte'),
    layer: guessed('taken to be nothing', 2026)(0, 'pJ'),
    simdBits: from('WebAssembly SIMD: v128, WebAssembly 2.0', 2022)(128, 'bits'),
    tileRows: vireo(4, 'positions'),
    tileColumns: vireo(8, 'channels'),
    l1Bytes: vireo(32 * 1024, 'bytes'),
    l2Bytes: vireo(1024 * 1024, 'bytes'),
    l3Bytes: vireo(32 * 1024 * 1024, 'bytes'),
  },
};

export const profiles: readonly HardwareProfile[] = [horowitz45nm, eyeriss65nm, systolic, cpuGeneric];

/** The built-in profile that stands for each model. */
export const profileOf: Readonly<Record<Tier, HardwareProfile>> = {
  H: horowitz45nm,
  E: eyeriss65nm,
  S: systolic,
  cpu: cpuGeneric,
};
