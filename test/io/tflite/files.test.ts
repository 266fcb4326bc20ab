/** Files that other people made: all must be read, the audio preprocessors refused by name. */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VireoError } from '../../../src/errors.ts';
import type { Graph } from '../../../src/graph/ir.ts';
import { readTflite } from '../../../src/io/tflite/index.ts';
import { dataPath, itWithData, readData } from '../../data.ts';
import { runGraph } from './run.ts';

const inputs = (graph: Graph) => graph.inputs.map((id) => graph.values[id]!);
const outputs = (graph: Graph) => graph.outputs.map((id) => graph.values[id]!);

describe('TFLite files', () => {
  const networks: [path: string, input: string, outputs: string[]][] = [
    ['mlperf-tiny/ad/ad01_fp32.tflite', 'f32 1,640', ['f32 1,640']],
    ['mlperf-tiny/ad/ad01_int8.tflite', 'i8 1,640', ['i8 1,640']],
    ['mlperf-tiny/ic/pretrainedResnet.tflite', 'f32 1,32,32,3', ['f32 1,10']],
    ['mlperf-tiny/ic/pretrainedResnet_quant.tflite', 'i8 1,32,32,3', ['i8 1,10']],
    ['mlperf-tiny/kws/kws_ref_model.tflite', 'i8 1,49,10,1', ['i8 1,12']],
    ['mlperf-tiny/kws/kws_ref_model_float32.tflite', 'f32 1,49,10,1', ['f32 1,12']],
    ['mlperf-tiny/sww/str_ww_ref_model.tflite', 'i8 1,30,1,40', ['i8 1,3']],
    ['mlperf-tiny/vww/vww_96_float.tflite', 'f32 1,96,96,3', ['f32 1,2']],
    ['mlperf-tiny/vww/vww_96_int8.tflite', 'i8 1,96,96,3', ['i8 1,2']],
    ['models/tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite', 'u8 1,513,513,3', ['i64 1,513,513']],
    ['models/tflite/hello_world_float.tflite', 'f32 1,1', ['f32 1,1']],
    ['models/tflite/hello_world_int8.tflite', 'i8 1,1', ['i8 1,1']],
    ['models/tflite/micro_speech_quantized.tflite', 'i8 1,1960', ['i8 1,4']],
    ['models/tflite/mobilenet_v1_0.25_128_quant.tflite', 'u8 1,128,128,3', ['u8 1,1001']],
    ['models/tflite/mobilenet_v1_0.75_192_quant.tflite', 'u8 1,192,192,3', ['u8 1,1001']],
    ['models/tflite/mobilenet_v2_1.0_224_quant.tflite', 'u8 1,224,224,3', ['u8 1,1001']],
    ['models/tflite/mobilenet_v2_quantized_1x3x224x224.tflite', 'i8 1,3,224,224', ['i8 1,1000']],
    ['models/tflite/person_detect.tflite', 'i8 1,96,96,1', ['i8 1,2']],
    [
      'models/tflite/version-slim-320_without_postprocessing.tflite',
      'f32 1,240,320,3',
      ['f32 1,4420,4', 'f32 1,4420,2'],
    ],
    ['models/tflite/yamnet.tflite', 'f32 1,15600', ['f32 1,521', 'f32 96,64']],
  ];
  for (const [path, input, output] of networks)
    itWithData(`reads ${path}`, [path], () => {
      const graph = readTflite(readData(path));
      const show = ({ dtype, shape }: { dtype: string; shape: readonly number[] }) => `${dtype} ${shape}`;
      expect(inputs(graph).map(show)).toEqual([input]);
      expect(outputs(graph).map(show)).toEqual(output);
    });

  itWithData('every .tflite of the models is in this table, or refused', ['models/tflite'], () => {
    const listed = networks.map(([path]) => path);
    const refused = readdirSync(dataPath('models/tflite'))
      .map((name) => `models/tflite/${name}`)
      .filter((path) => !listed.includes(path));
    expect(refused.sort()).toEqual([
      'models/tflite/audio_preprocessor_float.tflite',
      'models/tflite/audio_preprocessor_int8.tflite',
    ]);
  });

  for (const name of ['audio_preprocessor_float', 'audio_preprocessor_int8']) {
    const path = `models/tflite/${name}.tflite`;
    itWithData(`refuses ${name} and names all nine custom operators`, [path], () => {
      let error: unknown;
      try {
        readTflite(readData(path));
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(VireoError);
      expect(error).toMatchObject({
        code: 'unsupported',
        message: [
          'TFLite: not supported:',
          'CUSTOM:SignalWindow (operator 0)',
          'CUSTOM:SignalFftAutoScale (operator 2)',
          'CUSTOM:SignalRfft (operator 3)',
          'CUSTOM:SignalEnergy (operator 4)',
          'CUSTOM:SignalFilterBank (operator 9)',
          'CUSTOM:SignalFilterBankSquareRoot (operator 10)',
          'CUSTOM:SignalFilterBankSpectralSubtraction (operator 11)',
          'CUSTOM:SignalPCAN (operator 12)',
          'CUSTOM:SignalFilterBankLog (operator 13)',
        ].join('\n  '),
      });
    });
  }

  const yamnet = 'models/tflite/yamnet.tflite';
  const keywords = 'mlperf-tiny/kws/kws_ref_model_float32.tflite';
  itWithData('says what became of hybrid layers', [yamnet, keywords], () => {
    const notes = (path: string, layers: number, constants: number) => {
      const { notes, nodes } = readTflite(readData(path));
      expect(notes.slice(-2)).toEqual([
        `Integer constants under float activations became float32 at import: ${constants} tensors.`,
        `Hybrid layers (float activations, integer weights) round their input to int8 in each inference, as TensorFlow Lite does: ${layers} layers.`,
      ]);
      return nodes.filter((node) => node.op.kind === 'fakeQuantize').length;
    };
    expect(notes(yamnet, 17, 28)).toBe(16); // two layers share the windowed sound
    expect(notes(keywords, 5, 5)).toBe(5);
  });

  const soundGolden = (file: string) => `models/golden/yamnet.tflite.${file}.bin`;
  itWithData(
    'reads yamnet, a hybrid network, so that it gives its golden scores and log-mel patch',
    [yamnet, soundGolden('in0')],
    () => {
      const floats = (file: string) => new Float32Array(readData(soundGolden(file)).buffer);
      const results = runGraph(readTflite(readData(yamnet)), [floats('in0')]);
      results.forEach((result, i) => {
        const wanted = floats(`out${i}`);
        const worst = wanted.reduce((m, v, j) => Math.max(m, Math.abs(v - Number(result[j]))), 0);
        expect(worst).toBeLessThan(2 ** -20);
      });
    },
  );

  const slim = 'models/tflite/version-slim-320_without_postprocessing.tflite';
  itWithData('folds the shape arithmetic of the face detector away', [slim], () => {
    const kinds = new Set(readTflite(readData(slim)).nodes.map((node) => node.op.kind));
    expect([...kinds].sort()).toEqual(['concat', 'conv2d', 'depthwiseConv2d', 'pad', 'reshape', 'softmax']);
  });

  const speech = 'models/tflite/micro_speech_quantized.tflite';
  const golden = (file: string) => `models/golden/micro_speech_quantized.tflite.${file}.bin`;
  itWithData('reads micro_speech so that it gives its golden bytes', [speech, golden('in0')], () => {
    const graph = readTflite(readData(speech));
    const [result] = runGraph(graph, [new Int8Array(readData(golden('in0')).buffer)]);
    expect(result).toEqual(new Int8Array(readData(golden('out0')).buffer));
  });

  const wake = 'mlperf-tiny/sww/str_ww_ref_model.tflite';
  const wakeGolden = (file: string) => `mlperf-tiny/golden/str_ww_ref_model.tflite.${file}.bin`;
  itWithData(
    'reads the wake word network so that it gives its golden bytes',
    [wake, wakeGolden('in0')],
    () => {
      const graph = readTflite(readData(wake));
      const [result] = runGraph(graph, [new Int8Array(readData(wakeGolden('in0')).buffer)]);
      expect(result).toEqual(new Int8Array(readData(wakeGolden('out0')).buffer));
    },
  );

  it('needs no data to say what a TFLite file is', () => {
    expect(() => readTflite(new Uint8Array(0))).toThrow('expected "TFL3" at byte 4 of 0 bytes');
  });
});
