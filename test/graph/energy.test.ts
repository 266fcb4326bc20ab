/** The energy models: published reference values, a layer by hand, counts against `inspect`, profiles, and fits. */
import { describe, expect, it } from 'vitest';
import { readNetwork } from '../../src/cli/files.ts';
import {
  agreementOf,
  countGraph,
  countNetwork,
  type EnergyReport,
  energyOf,
  eyerissLayers,
  fitProfile,
  type HardwareProfile,
  kendallTau,
  profileOf,
  profiles,
  rankLayers,
  readProfile,
  type Sample,
  tiers,
  whatIf,
} from '../../src/energy.ts';
import { GraphBuilder } from '../../src/graph/build.ts';
import { graphMacs } from '../../src/graph/cost/macs.ts';
import { nonNegativeLeastSquares } from '../../src/graph/cost/nnls.ts';
import type { Graph } from '../../src/graph/ir.ts';
import { optimize } from '../../src/graph/optimize.ts';
import { noClamp, noPad } from '../../src/kernels/call.ts';
import type { TensorData } from '../../src/tensor.ts';
import { dataPath, itWithData, seeded } from '../data.ts';
import { networkFiles } from '../networks/files.ts';
import { lenet5, neuralMergerLenet, resnet20 } from './reference-networks.ts';

const resnet8 = 'mlperf-tiny/ic/pretrainedResnet.tflite';

/** Computed from the closed form for dense networks of 16-bit words, batch 1. */
interface Reference {
  readonly macs: number;
  readonly weights: number;
  readonly inputs: number;
  readonly ofWeights: number;
  readonly compute: number;
  readonly total: number;
}

function expectReference(graph: Graph, reference: Reference): void {
  const { counts, parts, total } = energyOf(countNetwork(graph, { bits: 16 }), profileOf.S);
  expect(counts.macs).toBe(reference.macs);
  expect(counts.weights).toBe(reference.weights);
  const within = (got: number, want: number): void => {
    expect(Math.abs(got / want - 1)).toBeLessThan(0.0005);
  };
  within(parts.inputs + parts.outputs, reference.inputs);
  within(parts.weights, reference.ofWeights);
  within(parts.compute, reference.compute);
  within(total, reference.total);
}

describe('tier S: the published closed form', () => {
  it.each([
    [
      'LeNet-5',
      lenet5,
      {
        macs: 416_520,
        weights: 61_470,
        inputs: 2.605e6,
        ofWeights: 1.325e7,
        compute: 1.25e6,
        total: 1.711e7,
      },
    ],
    [
      'the LeNet of NeuralMerger',
      neuralMergerLenet,
      {
        macs: 18_141_184,
        weights: 4_266_784,
        inputs: 3.948e7,
        ofWeights: 1.102e9,
        compute: 5.442e7,
        total: 1.196e9,
      },
    ],
    [
      'ResNet-20',
      resnet20,
      {
        macs: 40_813_184,
        weights: 270_896,
        inputs: 1.478e8,
        ofWeights: 4.043e8,
        compute: 1.224e8,
        total: 6.746e8,
      },
    ],
  ])('%s', (_, build, reference) => {
    expectReference(build(), reference);
  });

  itWithData('ResNet-8', [resnet8], () => {
    expectReference(readNetwork(dataPath(resnet8)).graph, {
      macs: 12_501_632,
      weights: 77_360,
      inputs: 5.683e7,
      ofWeights: 1.053e8,
      compute: 3.75e7,
      total: 1.996e8,
    });
  });

  it('rows that two loads of the input cache share are read again', () => {
    // 64 × 64 × 16 inputs of 16 bits = 65,536 words, 1,024 a row: 50 rows fit, ⌈64/(50 − 3 + 1)⌉ = 2 loads share 2 rows.
    const counts = countGraph(oneConv({ size: 64, inC: 16, outC: 1, k: 3 }), { bits: 16 });
    const charges = tiers.S.charge(counts.layers[0], counts, (name) => profileOf.S.constants[name].value);
    const memory = charges?.find(({ part, cost }) => part === 'inputs' && cost === 'memory');
    expect(memory?.amount).toBe(65_536 + 2 * 1024);
  });
});

function oneConv({
  size = 5,
  inC = 2,
  outC = 3,
  k = 3,
  weights = 1,
  dtype = 'f32' as 'f32' | 'i8',
} = {}): Graph {
  const builder = new GraphBuilder('one convolution');
  const quantization = dtype === 'i8' ? { scale: [0.1], zeroPoint: [0], axis: 0 } : null;
  const x = builder.input('x', dtype, [1, size, size, inC], quantization);
  const count = outC * k * k * inC;
  const data: TensorData =
    dtype === 'i8' ? new Int8Array(count).fill(weights) : new Float32Array(count).fill(weights);
  const w = builder.constant('w', dtype, [outC, k, k, inC], data, quantization);
  const window = { stride: [1, 1], dilation: [1, 1], pad: noPad } as const;
  const y = builder.add({ kind: 'conv2d', ...window, groups: 1, clamp: noClamp }, [x, w], { quantization });
  return builder.finish([y]);
}

describe('tier E: one layer by hand', () => {
  it('3 × 3, 2 channels in, 3 out, 5 × 5 input: every access of the table', () => {
    // S = 3, C = 2, M = 3, H = 5, E = 3, 16 bits; rep = ⌊12/3⌋ = 4, fold = ⌈3/14⌉ = 1, so nothing is folded.
    const byHand = {
      mac: 9 * 9 * 2 * 3, //                                S²E²CM = 486
      weights: {
        dram: 9 * 2 * 3, //                                 S²CM = 54
        buffer: 9 * 2 * 3,
        array: 3 * 54, //                                   E·S²CM = 162
        registerFile: 9 * 54, //                            S²E²CM = 486
      },
      inputs: {
        dram: 25 * 2, //                                    H²C = 50
        buffer: 25 * 2,
        array: 3 * (3 * 3 * 5 * 2), //                      min(4, M = 3)·SEHC = 270
        registerFile: 3 * 3 * 5 * 2 * 3, //                 SEHCM = 270
      },
      outputs: {
        dram: 9 * 3, //                                     E²M = 27
        buffer: 2 * 9 * 1 * 3, //                           2E²(C−1)M = 54
        array: 2 * 9 * 2 * 3, //                            (S−1)E²CM = 108
        registerFile: 2 * 2 * 3 * 9 * 2 * 3, //             2(S−1)S·E²CM = 648
      },
    };
    const cost = { dram: 200, buffer: 6, array: 2, registerFile: 1 };
    const energy = (of: typeof byHand.weights): number =>
      of.dram * cost.dram +
      of.buffer * cost.buffer +
      of.array * cost.array +
      of.registerFile * cost.registerFile;
    const report = energyOf(countGraph(oneConv(), { bits: 16 }), profileOf.E);
    expect(report.parts).toEqual({
      compute: 486,
      weights: energy(byHand.weights), // 10,800 + 324 + 324 + 486 = 11,934
      inputs: energy(byHand.inputs), //   10,000 + 300 + 540 + 270 = 11,110
      outputs: energy(byHand.outputs), //  5,400 + 324 + 216 + 648 =  6,588
    });
    expect([report.parts.weights, report.parts.inputs, report.parts.outputs]).toEqual([
      11_934, 11_110, 6_588,
    ]);
    expect(report.total).toBe(30_118);
    expect(report.amounts).toEqual({ mac: 486, dram: 131, buffer: 158, array: 540, registerFile: 1404 });
  });

  it('an output too tall for the array is folded: inputs are fetched for every filter', () => {
    // S = 7: rep = ⌊12/7⌋ = 1 < fold = ⌈32/14⌉ = 3.
    const { amounts, parts } = energyOf(
      countGraph(oneConv({ size: 38, inC: 2, outC: 3, k: 7 }), { bits: 16 }),
      profileOf.E,
    );
    const [S, C, M, H, E] = [7, 2, 3, 38, 32];
    expect(amounts['buffer']).toBe(S * S * C * M + H * H * C * M + 2 * E * E * (C - 1) * M);
    expect(amounts['array']).toBe(14 * S * S * C * M + S * E * H * C * M + (S - 1) * E * E * C * M);
    expect(parts.compute).toBe(S * S * E * E * C * M);
  });

  it('data follow their bits, products both of them', () => {
    const wide = energyOf(countGraph(oneConv(), { bits: 16 }), profileOf.E);
    const narrow = energyOf(countGraph(oneConv({ dtype: 'i8' })), profileOf.E);
    expect(narrow.parts.compute).toBe(wide.parts.compute / 4);
    for (const part of ['weights', 'inputs', 'outputs'] as const)
      expect(narrow.parts[part]).toBe(wide.parts[part] / 2);
  });
});

describe('tier H', () => {
  it('int8: 0.2 + 0.1 pJ a product, 5 and 640 pJ for each 32 bits', () => {
    const { parts } = energyOf(countGraph(oneConv({ dtype: 'i8' })), profileOf.H);
    expect(parts.compute).toBeCloseTo(486 * 0.3, 9);
    expect(parts.weights).toBeCloseTo((54 / 4) * 645, 9);
    expect(parts.inputs).toBeCloseTo((50 / 4) * 645, 9);
    expect(parts.outputs).toBeCloseTo((27 / 4) * 645, 9);
  });
  it('float: 3.7 + 0.9 pJ a product, 15.3 times as much', () => {
    const float = energyOf(countGraph(oneConv()), profileOf.H);
    expect(float.parts.compute).toBeCloseTo(486 * 4.6, 9);
    expect(float.method).toBe('modelled');
  });
  it('half precision rests on a number that nobody checked, and says so', () => {
    expect(energyOf(countGraph(oneConv(), { bits: 16 }), profileOf.H).method).toBe('assumed');
  });
});

describe('tier cpu', () => {
  it('a layer in the first cache: vectors and first-cache bytes only', () => {
    const { amounts } = energyOf(countGraph(oneConv()), profileOf.cpu);
    expect(amounts).toEqual({
      vectorOperation: (486 * 32) / 128,
      operation: 0,
      l1: (486 * 4) / 4 + (486 * 4) / 8 + 27 * 4,
      l2: 0,
      l3: 0,
      dram: 0,
      layer: 1,
    });
  });
  it('weights of a network larger than every cache come from memory, once', () => {
    const builder = new GraphBuilder('large');
    const x = builder.input('x', 'f32', [1, 4096]);
    const w = builder.constant('w', 'f32', [4096, 4096], new Float32Array(2 ** 24));
    const graph = builder.finish([builder.add({ kind: 'dense', clamp: noClamp }, [x, w])]);
    const { amounts } = energyOf(countGraph(graph), profileOf.cpu);
    for (const level of ['l2', 'l3', 'dram']) expect(amounts[level]).toBeGreaterThanOrEqual(2 ** 26);
    expect(amounts['dram']).toBeLessThan(1.01 * 2 ** 26);
  });
});

describe('counts', () => {
  const counted: Readonly<Record<string, number>> = {
    'mlperf-tiny/kws/kws_ref_model.tflite': 2_656_768,
    'mlperf-tiny/ic/pretrainedResnet_quant.tflite': 12_501_632,
    'mlperf-tiny/vww/vww_96_int8.tflite': 7_489_664,
    'models/tflite/mobilenet_v2_1.0_224_quant.tflite': 300_775_552,
  };
  for (const [file, macs] of Object.entries(counted))
    itWithData(`${file}: ${macs} MACs`, [file], () => {
      expect(countNetwork(readNetwork(dataPath(file)).graph).macs).toBe(macs);
    });
  for (const file of networkFiles())
    itWithData(`${file}: as inspect counts`, [file], () => {
      const { graph } = readNetwork(dataPath(file));
      expect(countNetwork(graph).macs).toBe(graphMacs(graph));
    });

  it('a zero weight is the zero point', () => {
    const builder = new GraphBuilder('zeros');
    const q = { scale: [0.1], zeroPoint: [3], axis: 0 };
    const x = builder.input('x', 'u8', [1, 4], q);
    const w = builder.constant('w', 'u8', [2, 4], Uint8Array.of(3, 3, 0, 1, 3, 7, 8, 0), q);
    const y = builder.add({ kind: 'dense', clamp: noClamp }, [x, w], { quantization: q });
    const { layers } = countGraph(builder.finish([y]));
    expect(layers[0]).toMatchObject({ macs: 8, nonZeroMacs: 5 });
    expect(layers[0].weights).toMatchObject({ elements: 8, zeros: 3, bits: 8, bytes: 8 });
  });
  it('per-channel zero points hold for their channel', () => {
    const builder = new GraphBuilder('zeros');
    const x = builder.input('x', 'i8', [1, 3, 3, 2], { scale: [0.1], zeroPoint: [0], axis: 0 });
    const w = builder.constant('w', 'i8', [1, 1, 2, 2], Int8Array.of(0, 5, 5, 0), {
      scale: [0.1, 0.1],
      zeroPoint: [0, 5],
      axis: 3,
    });
    const window = { stride: [1, 1], dilation: [1, 1], pad: noPad } as const;
    const y = builder.add({ kind: 'depthwiseConv2d', ...window, clamp: noClamp }, [x, w], {
      quantization: { scale: [0.1], zeroPoint: [0], axis: 0 },
    });
    expect(countGraph(builder.finish([y])).layers[0].weights.zeros).toBe(2);
  });
  it('batch normalisation is folded before anything is counted', () => {
    const builder = new GraphBuilder('folded');
    const x = builder.input('x', 'f32', [1, 5, 5, 2]);
    const w = builder.constant('w', 'f32', [3, 3, 3, 2], new Float32Array(54).fill(1));
    const scale = builder.constant('scale', 'f32', [3], Float32Array.of(1, 0, 2));
    const window = { stride: [1, 1], dilation: [1, 1], pad: noPad } as const;
    const y = builder.add({ kind: 'conv2d', ...window, groups: 1, clamp: noClamp }, [x, w]);
    const z = builder.add({ kind: 'binary', fn: 'mul', clamp: noClamp }, [y, scale]);
    const graph = builder.finish([z]);
    expect(countGraph(graph).layers.map(({ kind }) => kind)).toEqual(['conv2d', 'binary']);
    const { layers } = countNetwork(graph);
    expect(layers.map(({ kind }) => kind)).toEqual(['conv2d']);
    expect(layers[0].weights.zeros).toBe(18);
  });
});

describe('what if', () => {
  const answers = whatIf(resnet20(), profiles);
  const by = (name: string): readonly EnergyReport[] =>
    answers.find((answer) => answer.name === name)?.reports ?? [];
  it('eight bits, zeros and less width never cost more, by any profile', () => {
    for (const { reports } of answers)
      reports.forEach((report, i) => {
        expect(report.total).toBeLessThanOrEqual(answers[0].reports[i].total);
      });
  });
  it('zeros save where they are skipped, and nothing on dense kernels', () => {
    const [h, e, s, cpu] = by('50 % zeros').map((report, i) => report.total / answers[0].reports[i].total);
    for (const ratio of [h, e, s]) expect(ratio).toBeLessThan(0.95);
    expect(cpu).toBe(1);
  });
  it('half width is a quarter of the inner products, half of those at the ends', () => {
    const full = answers[0].reports[0].counts.layers.filter(({ loops }) => loops);
    const half = by('half width')[0].counts.layers.filter(({ loops }) => loops);
    const ratios = full.map(({ macs }, i) => half[i].macs / macs);
    expect(ratios[0]).toBe(0.5);
    expect(ratios[ratios.length - 1]).toBe(0.5);
    expect(new Set(ratios.slice(1, -1))).toEqual(new Set([0.25]));
  });
});

describe('agreement', () => {
  it.each([
    ['the same order', [1, 2, 3, 4], [10, 20, 30, 40], 1],
    ['the reverse', [1, 2, 3, 4], [4, 3, 2, 1], -1],
    ['one pair turned', [1, 2, 3, 4], [1, 2, 4, 3], 4 / 6],
    ['a tie in one', [1, 2, 3], [1, 1, 2], 2 / Math.sqrt(3 * 2)],
  ])('Kendall τ-b: %s', (_, x, y, tau) => {
    expect(kendallTau(x, y)).toBeCloseTo(tau, 12);
  });
  it('is NaN where nothing can be ordered', () => {
    expect(kendallTau([1, 1], [1, 2])).toBeNaN();
  });
  it('compares every pair of profiles and names their methods', () => {
    const counts = countNetwork(lenet5());
    const pairs = agreementOf(profiles.map((profile) => energyOf(counts, profile)));
    expect(pairs.length).toBe(6);
    expect(pairs.every(({ layers }) => layers === 5)).toBe(true);
    expect(new Set(pairs.flatMap(({ methods }) => methods))).toEqual(new Set(['modelled', 'assumed']));
  });
  it('one ranking never mixes methods or profiles', () => {
    const counts = countNetwork(lenet5());
    const a = energyOf(counts, profileOf.H);
    expect(rankLayers(a)[0].total).toBe(Math.max(...a.layers.map(({ total }) => total)));
    expect(() => rankLayers(a, energyOf(counts, profileOf.cpu))).toThrow(
      'figures cannot be compared: modelled by profile horowitz-45nm, tier H, and assumed by profile cpu-generic, tier cpu',
    );
  });
});

describe('profiles', () => {
  const text = (change: (profile: Record<string, unknown>) => void): string => {
    const copy: Record<string, unknown> = JSON.parse(JSON.stringify(profileOf.E));
    change(copy);
    return JSON.stringify(copy);
  };
  const setDram = (change: Record<string, unknown>) =>
    text((profile) => {
      const constants = profile['constants'] as Record<string, Record<string, unknown>>;
      constants['dram'] = { ...constants['dram'], ...change };
    });

  it.each(profiles)(
    '$name is read back as it was written, with a source and a year everywhere',
    (profile) => {
      expect(readProfile(JSON.stringify(profile), 'p.json')).toEqual(profile);
      for (const { source, year } of Object.values(profile.constants)) {
        expect(source).not.toBe('');
        expect(year).toBeGreaterThan(1980);
      }
    },
  );
  it.each<[string, string, string]>([
    ['no JSON', '{', 'profile p.json: expected JSON, got'],
    ['no object', '[]', 'expected an object, got []'],
    ['an unknown tier', text((p) => Object.assign(p, { tier: 'Q' })), '"tier" expects H, E, S, cpu, got "Q"'],
    [
      'an unknown unit',
      text((p) => Object.assign(p, { unit: 'kWh' })),
      '"unit" expects "pJ" or "MAC", got "kWh"',
    ],
    ['an unknown field', text((p) => Object.assign(p, { colour: 1 })), 'unknown field "colour"'],
    ['no name', text((p) => delete p['name']), '"name" expects a text, got nothing'],
    [
      'a missing constant',
      text((p) => delete (p['constants'] as Record<string, unknown>)['buffer']),
      'tier E also needs the constants buffer',
    ],
    [
      'an unknown constant',
      text((p) => Object.assign(p['constants'] as object, { cache: {} })),
      'tier E has no constants cache; its constants are mac,',
    ],
    [
      'a negative constant',
      setDram({ value: -200 }),
      'constant "dram": "value" expects a number of at least 0, got -200',
    ],
    ['no number', setDram({ value: '200' }), 'constant "dram": "value" expects a number, got "200"'],
    ['a constant without a source', setDram({ source: '' }), 'expects where the number is from'],
    ['a constant without a year', setDram({ year: undefined }), '"year" expects a year, got nothing'],
    [
      'a size of 0',
      text((p) => Object.assign((p['constants'] as Record<string, object>)['arrayRows'], { value: 0 })),
      'expects a number above 0, got 0',
    ],
  ])('%s is refused', (_, given, message) => {
    expect(() => readProfile(given, 'p.json')).toThrow(message);
  });
  it('NaN and infinity cannot be written in JSON, and overflow is refused', () => {
    expect(() => readProfile(setDram({}).replace('"value":200', '"value":1e999'), 'p.json')).toThrow(
      'expects a number',
    );
  });
});

describe('non-negative least squares', () => {
  it('is plain least squares where that is positive', () => {
    const x = nonNegativeLeastSquares(
      [
        [1, 1],
        [1, 2],
        [1, 3],
      ],
      [3, 5, 7],
    );
    expect(x[0]).toBeCloseTo(1, 10);
    expect(x[1]).toBeCloseTo(2, 10);
  });
  it('keeps to 0 what would be negative', () => {
    expect(
      nonNegativeLeastSquares(
        [
          [1, 1],
          [1, 2],
          [1, 3],
        ],
        [7, 5, 3],
      ),
    ).toEqual([5, 0].map((v) => expect.closeTo(v, 10)));
  });
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'meets the conditions of an optimum, seed %i',
    (seed) => {
      const random = seeded(seed);
      const next = (): number => random(2001) / 1000 - 1;
      const [m, n] = [3 + random(12), 1 + random(6)];
      const A = Array.from({ length: m }, () => Array.from({ length: n }, (_, j) => next() * 10 ** (3 * j)));
      if (n > 2) for (const row of A) row[2] = 2 * row[0]; // one column that another replaces
      const b = Array.from({ length: m }, next);
      const x = nonNegativeLeastSquares(A, b);
      const residual = A.map((row, i) => b[i] - row.reduce((sum, v, j) => sum + v * x[j], 0));
      x.forEach((value, j) => {
        const column = A.map((row) => row[j]);
        const slope = column.reduce((sum, v, i) => sum + v * residual[i], 0) / Math.hypot(...column);
        expect(value).toBeGreaterThanOrEqual(0);
        if (value > 0) expect(Math.abs(slope)).toBeLessThan(1e-8);
        else expect(slope).toBeLessThan(1e-8);
      });
    },
  );
});

describe('fit', () => {
  const truth: HardwareProfile = profileOf.cpu;
  const samples = (noise: number): Sample[] => {
    const random = seeded(5);
    return Array.from({ length: 14 }, (_, i) => {
      const size = 6 + 4 * i;
      const counts = countGraph(
        oneConv({ size, inC: 1 + (i % 5) * 7, outC: 3 + ((i * 5) % 11), k: 1 + 2 * (i % 3) }),
      );
      return { counts, energy: energyOf(counts, truth).total * (1 + noise * (random(2001) / 1000 - 1)) };
    });
  };
  const options = { name: 'mine', source: 'a test', year: 2026, method: 'measured' } as const;

  it('finds a machine again that follows the model', () => {
    const fit = fitProfile(samples(0), profileOf.cpu, options);
    expect(fit.fitted.mean).toBeLessThan(1e-6);
    expect(fit.crossValidated.mean).toBeLessThan(1e-3);
    expect(fit.byMacs.mean).toBeGreaterThan(0.05);
    for (const { value } of Object.values(fit.profile.constants)) expect(value).toBeGreaterThanOrEqual(0);
    expect(energyOf(countNetwork(lenet5()), fit.profile).method).toBe('modelled');
    expect(readProfile(JSON.stringify(fit.profile), 'fit.json')).toEqual(fit.profile);
  });
  it('with 5 % of noise the cross-validated error is larger than that of the fit, and honest', () => {
    const fit = fitProfile(samples(0.05), profileOf.cpu, options);
    expect(fit.crossValidated.mean).toBeGreaterThan(fit.fitted.mean);
    expect(fit.crossValidated.mean).toBeLessThan(0.2);
  });
  it('a fit to assumed joules makes assumed figures', () => {
    const { profile } = fitProfile(samples(0), profileOf.cpu, { ...options, method: 'assumed' });
    expect(energyOf(countNetwork(lenet5()), profile).method).toBe('assumed');
  });
  it('picojoules can be fitted to the normalised models', () => {
    const { profile } = fitProfile(samples(0), profileOf.S, options);
    expect(profile.unit).toBe('pJ');
    expect(profile.constants['memory'].unit).toBe('pJ per 16 bits');
    expect(profile.constants['inputCache'].unit).toBe('16-bit words');
  });
  it('two samples, and a sample of no energy, are refused', () => {
    expect(() => fitProfile(samples(0).slice(0, 2), truth, options)).toThrow('at least 3 samples, got 2');
    const [first, ...rest] = samples(0);
    expect(() => fitProfile([{ ...first, energy: 0 }, ...rest], truth, options)).toThrow('above 0, got 0');
  });
});

describe('the Eyeriss tool’s lines', () => {
  it('have 25 whole numbers each, in its order', () => {
    const { lines } = eyerissLayers(oneConv({ dtype: 'i8' }));
    expect(lines).toEqual(['1 5 5 2 1 0 8 3 3 2 3 0 8 3 3 3 1 0 8 1 1 0 0 0 0']);
  });
  it('hold every convolution and dense layer, and name what they leave out', () => {
    const { lines, leftOut } = eyerissLayers(resnet20());
    expect(lines.length).toBe(22);
    for (const line of lines) expect(line.split(' ').map(Number).filter(Number.isInteger).length).toBe(25);
    expect(leftOut).toEqual(['binary', 'reduce']);
  });
  it('count zeros, strides and padding', () => {
    const { lines } = eyerissLayers(oneConv({ weights: 0 }));
    expect(lines[0].split(' ')[11]).toBe('54');
    const strided = eyerissLayers(resnet20()).lines[7].split(' ').map(Number);
    expect(strided.slice(19)).toEqual([2, 2, 0, 1, 0, 1]);
    expect(optimize(resnet20()).graph.nodes.length).toBeGreaterThan(22);
  });
});
