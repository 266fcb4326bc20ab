/** The command line: answers, `--json`, exit codes, and files that are whole or not there. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wilson } from '../../src/cli/scores.ts';
import { union } from '../../src/graph/merge/union.ts';
import { decodePng } from '../../src/io/image/index.ts';
import { writeVireo } from '../../src/io/vireo/index.ts';
import { smallNetwork } from '../core/networks.ts';
import { dataPath, itWithData } from '../data.ts';
import { vireo } from './command.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vireo-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kws = 'mlperf-tiny/kws/kws_ref_model.tflite';
const kwsInputs = 'mlperf-tiny/kws/kws01-inputs-700.bin';
const resnet = 'mlperf-tiny/ic/pretrainedResnet_quant.tflite';
const vww = 'mlperf-tiny/vww/vww_96_int8.tflite';
const grace = 'models/images/grace_hopper.png';
const digits = 'models/onnx/mnist.onnx';
const textLine = 'models/onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx';
const faceDetector = 'models/onnx/version-slim-320.onnx';
const preprocessor = 'models/tflite/audio_preprocessor_int8.tflite';

describe('usage', () => {
  it('lists the commands', () => {
    const { status, stdout } = vireo('--help');
    expect(status).toBe(0);
    for (const name of ['inspect', 'check', 'run', 'eval', 'bench', 'tune', 'demo'])
      expect(stdout).toContain(`vireo ${name}`);
  });
  it.each(['inspect', 'check', 'run', 'eval', 'bench', 'tune', 'demo'])(
    '%s --help has an example',
    (name) => {
      const { status, stdout } = vireo(name, '--help');
      expect(status).toBe(0);
      expect(stdout).toContain('Example: vireo');
    },
  );
  it.each([
    ['an unknown command', ['fly']],
    ['an unknown option', ['run', '--fly']],
    ['no model', ['inspect']],
    ['neither pictures nor --raw', ['run', 'net.tflite']],
    ['eval without a data card', ['eval', 'net.tflite']],
    ['--boxes for two pictures', ['run', 'net.onnx', 'a.png', 'b.png', '--boxes', 'out.png']],
    ['--boxes for raw tensors', ['run', 'net.onnx', '--raw', 'a.bin', '--boxes', 'out.png']],
  ])('%s is wrong usage: exit code 2, nothing on standard output', (_, args) => {
    const { status, stdout, stderr } = vireo(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).not.toBe('');
  });
  it('a missing file fails with its name: exit code 1', () => {
    const { status, stderr } = vireo('inspect', 'no-such-net.tflite');
    expect(status).toBe(1);
    expect(stderr).toMatch(/no-such-net\.tflite.*ENOENT/u);
    expect(stderr).not.toMatch(/\n\s+at /u);
  });
  it('a file that is no network fails by its first bytes', () => {
    const path = join(folder, 'text.tflite');
    writeFileSync(path, 'this is not a network');
    expect(vireo('inspect', path).stderr).toContain('expected a TFLite or an ONNX file');
  });
});

describe('inspect', () => {
  itWithData('prints the promised fields as JSON', [resnet], () => {
    const { status, stdout } = vireo('inspect', dataPath(resnet), '--json');
    const summary = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(summary.inputs[0]).toMatchObject({ name: 'input_1_int8', dtype: 'i8', shape: [1, 32, 32, 3] });
    expect(summary.outputs[0]).toMatchObject({ dtype: 'i8', shape: [1, 10] });
    expect(summary.operators).toEqual({
      conv2d: 9,
      binary: 3,
      averagePool2d: 1,
      reshape: 1,
      dense: 1,
      softmax: 1,
    });
    expect(summary.rewritten).toEqual(summary.operators);
    expect(summary.macs).toBe(12_501_632);
    expect(summary.parameters).toBeGreaterThan(77_000);
    for (const key of ['weights', 'arena', 'lowerBound']) expect(summary.memory[key]).toBeGreaterThan(0);
    expect(summary.memory.arena).toBeLessThanOrEqual(1.05 * summary.memory.lowerBound);
  });
  it('lists the tasks of a network that has several', () => {
    const graph = smallNetwork('i8');
    const parts = [
      { name: 'image', graph },
      { name: 'sound', graph },
    ];
    const path = join(folder, 'pair.vireo');
    writeFileSync(path, writeVireo(union(parts).graph));
    const tasks = parts.map(({ name }) => ({
      name,
      inputs: [`${name}/x`],
      outputs: [`${name}/softmax`, `${name}/dense`],
    }));
    expect(JSON.parse(vireo('inspect', path, '--json').stdout).tasks).toEqual(tasks);
    expect(vireo('inspect', path).stdout).toMatch(
      /task +"sound": "sound\/x" → "sound\/softmax", "sound\/dense"/u,
    );
  });

  itWithData('draws the memory plan and lists the kernels', [resnet], () => {
    const { stdout } = vireo('inspect', dataPath(resnet), '--memory', '--kernels', '--graph');
    expect(stdout).toContain('Memory plan:');
    expect(stdout).toMatch(/conv2d-i8-\dx8-wasm/u);
    expect(stdout).toContain('= conv2d(');
  });
});

describe('check', () => {
  itWithData('a network that runs: exit code 0', [resnet], () => {
    expect(vireo('check', dataPath(resnet))).toMatchObject({ status: 0 });
  });
  itWithData('a network that does not: exit code 2, everything it lacks by name', [preprocessor], () => {
    const { status, stderr } = vireo('check', dataPath(preprocessor));
    expect(status).toBe(2);
    for (const name of ['SignalWindow', 'SignalRfft', 'SignalFilterBankLog', 'SignalPCAN'])
      expect(stderr).toContain(`CUSTOM:${name}`);
  });
  itWithData('says so in JSON too', [preprocessor], () => {
    const { status, stdout } = vireo('check', dataPath(preprocessor), '--json');
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ supported: false, code: 'unsupported' });
  });
});

describe('--shape', () => {
  itWithData(
    'inspect, check and run take it for extents that the file leaves open',
    [textLine, grace],
    () => {
      const shape = ['--shape', 'x=1x3x48x192'];
      const { stdout } = vireo('inspect', dataPath(textLine), ...shape, '--json');
      expect(JSON.parse(stdout).inputs[0].shape).toEqual([1, 3, 48, 192]);
      expect(vireo('check', dataPath(textLine), ...shape).status).toBe(0);
      const answer = vireo('run', dataPath(textLine), dataPath(grace), ...shape, '--json');
      const [{ outputs }] = JSON.parse(answer.stdout).answers;
      expect(outputs[0].top.map(({ label }: { label: string }) => label).sort()).toEqual(['0', '180']);
    },
  );
  itWithData('without it the input is named', [textLine], () => {
    const { status, stderr } = vireo('inspect', dataPath(textLine));
    expect(status).toBe(2);
    expect(stderr).toContain('x [?, 3, ?, ?]');
  });
  itWithData('eval takes it, for TFLite files too', [kws, kwsInputs], () => {
    const data = ['--data', 'weights/cards/data/kws01-700.json', '--limit', '10', '--json'];
    const { status, stdout } = vireo('eval', dataPath(kws), ...data, '--shape', 'input_1=1x49x10x1');
    expect(status).toBe(0);
    expect(JSON.parse(stdout).count).toBe(10);
  });
  it.each(['x', 'x=', '=1x3', 'x=1x0x3', 'x=1x-3', 'x=1x3x', 'x=1,3', 'x=9007199254740993'])(
    '%s is wrong usage',
    (shape) => {
      const { status, stderr } = vireo('check', 'net.onnx', '--shape', shape);
      expect(status).toBe(2);
      expect(stderr).toContain(`all at least 1, as in x=1x3x48x192, got ${JSON.stringify(shape)}`);
    },
  );
  it('two shapes for one input are wrong usage', () => {
    const { status, stderr } = vireo('check', 'net.onnx', '--shape', 'x=1x3', '--shape', 'x=1x4');
    expect(status).toBe(2);
    expect(stderr).toContain('names input "x" twice: [1, 3] and [1, 4]');
  });
  itWithData('an input that is not there is said, with those that are', [digits], () => {
    const { status, stderr } = vireo('inspect', dataPath(digits), '--shape', 'y=1x3');
    expect(status).toBe(2);
    expect(stderr).toContain('there is no input "y"; the inputs are "Input3"');
  });
});

describe('run --boxes', () => {
  itWithData('finds a face and draws its box around it', [faceDetector, grace], () => {
    const out = join(folder, 'boxes.png');
    const { status, stdout } = vireo(
      'run',
      dataPath(faceDetector),
      dataPath(grace),
      '--boxes',
      out,
      '--json',
    );
    expect(status).toBe(0);
    const [{ outputs }] = JSON.parse(stdout).answers;
    const [face] = outputs[0].found;
    expect(outputs[0].found).toHaveLength(1);
    expect(face).toMatchObject({ index: 1, label: 'face' });
    const [before, after] = [decodePng(readFileSync(dataPath(grace))), decodePng(readFileSync(out))];
    expect([after.width, after.height, after.channels]).toEqual([before.width, before.height, 3]);
    const pixel = (x: number, y: number): number[] => [
      ...after.data.slice(3 * (y * after.width + x)).slice(0, 3),
    ];
    const middle = Math.round((face.top + face.bottom) / 2);
    for (const x of [face.left, face.right]) expect(pixel(x, middle)).toEqual([0, 255, 0]);
    expect(pixel(face.left - 1, middle)).not.toEqual([0, 255, 0]);
  });
  itWithData('says the boxes in pixels', [faceDetector, grace], () => {
    const { stdout } = vireo('run', dataPath(faceDetector), dataPath(grace));
    expect(stdout).toMatch(/99\.\d\d % {2}face {2}x \d+ to \d+, y \d+ to \d+/u);
  });
  itWithData('a network that detects nothing is refused, and nothing is written', [digits, grace], () => {
    const out = join(folder, 'none.png');
    const { status, stderr } = vireo('run', dataPath(digits), dataPath(grace), '--boxes', out);
    expect(status).toBe(2);
    expect(stderr).toContain('has no output of kind "detection"');
    expect(existsSync(out)).toBe(false);
  });
});

describe('run', () => {
  itWithData('a picture needs no flags', [vww, grace], () => {
    const { status, stdout } = vireo('run', dataPath(vww), dataPath(grace), '--json');
    const [answer] = JSON.parse(stdout).answers;
    expect(status).toBe(0);
    expect(answer.outputs[0].top[0]).toMatchObject({ index: 1, label: 'person' });
  });
  itWithData('a recording needs no flags', [kws, 'models/audio/yes_1000ms.wav'], () => {
    const { stdout } = vireo('run', dataPath(kws), dataPath('models/audio/yes_1000ms.wav'), '--json');
    expect(JSON.parse(stdout).answers[0].outputs[0].top[0].label).toBe('yes');
  });
  itWithData(
    'raw tensors give the same bytes with both kernel sets, as many as the file holds',
    [kws, kwsInputs],
    () => {
      const five = join(folder, 'five.bin');
      writeFileSync(five, readFileSync(dataPath(kwsInputs)).subarray(0, 5 * 490));
      const outputs = ['reference', 'js'].map((kernels) => {
        const out = join(folder, `${kernels}.bin`);
        expect(vireo('run', dataPath(kws), '--raw', five, '--out', out, '--kernels', kernels)).toMatchObject({
          status: 0,
        });
        return readFileSync(out);
      });
      expect(outputs[0]).toHaveLength(5 * 12);
      expect(outputs[1]).toEqual(outputs[0]);
    },
  );
  itWithData('an input may be named', [kws, kwsInputs], () => {
    const one = join(folder, 'one.bin');
    writeFileSync(one, readFileSync(dataPath(kwsInputs)).subarray(0, 490));
    expect(vireo('run', dataPath(kws), '--raw', `input_1=${one}`)).toMatchObject({ status: 0 });
  });
  itWithData('a raw file of the wrong length says which length, and leaves no output', [kws], () => {
    const own = join(folder, 'wrong');
    mkdirSync(own);
    writeFileSync(join(own, 'short.bin'), new Uint8Array(491));
    const { status, stderr } = vireo(
      'run',
      dataPath(kws),
      '--raw',
      join(own, 'short.bin'),
      '--out',
      join(own, 'out.bin'),
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(/491 bytes are no whole number of "input_1" tensors of 490 bytes/u);
    expect(readdirSync(own)).toEqual(['short.bin']);
  });
  itWithData('an output that cannot be written leaves nothing behind', [kws, kwsInputs], () => {
    const target = join(folder, 'is-a-folder');
    mkdirSync(join(target, 'inside'), { recursive: true });
    const { status, stderr } = vireo('run', dataPath(kws), '--raw', dataPath(kwsInputs), '--out', target);
    expect(status).toBe(1);
    expect(stderr).toContain('is-a-folder');
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
  itWithData('a picture into a sound network is refused', [kws, grace], () => {
    const { status, stderr } = vireo('run', dataPath(kws), dataPath(grace));
    expect(status).toBe(1);
    expect(stderr).toContain('the network takes a recording, got a picture');
  });
});

describe('eval', () => {
  itWithData('prints the promised fields as JSON', [kws, kwsInputs], () => {
    const { status, stdout } = vireo(
      'eval',
      dataPath(kws),
      '--data',
      'weights/cards/data/kws01-700.json',
      '--limit',
      '100',
      '--json',
    );
    const result = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(result).toMatchObject({ count: 100, kernels: 'wasm' });
    expect(result.top1).toBe(result.correct / 100);
    expect(result.correct).toBeGreaterThan(80);
  });
});

describe('wilson', () => {
  it('is the published interval: 81 of 263 gives 25.53 % to 36.62 %', () => {
    const [low, high] = wilson(81, 263);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
  });
  it('stays within 0 and 1 at the ends', () => {
    expect(wilson(0, 10)[0]).toBeCloseTo(0, 12);
    expect(wilson(10, 10)[1]).toBeCloseTo(1, 12);
  });
});

describe('demo', () => {
  it('runs image and sound networks of the package, with nothing but the package', () => {
    const { status, stdout } = vireo('demo');
    expect(status).toBe(0);
    expect(stdout).toMatch(/7_bar\.png\s+[\d.]+ ms\s+7\s/u);
    expect(stdout).toMatch(/7_en-gb-m7\.wav\s+[\d.]+ ms\s+7\s/u);
    expect(stdout).toMatch(/ship_sail\.png\s+[\d.]+ ms\s+ship\s/u);
    for (const count of [15, 14, 13]) expect(stdout).toContain(`${count} of ${count} right`);
  });
});

describe('bench, tune and the generated module', () => {
  itWithData('inspect --kernels says what each layer got, --wasm writes the module', [kws], () => {
    const out = join(folder, 'kws.wasm');
    const { status, stdout } = vireo('inspect', dataPath(kws), '--kernels', '--wasm', out);
    expect(status).toBe(0);
    expect(stdout).toMatch(/conv2d-i8-\dx8-wasm/u);
    expect(stdout).toMatch(/depthwise-i8-3x3/u);
    const module = readFileSync(out);
    expect([...module.subarray(0, 4)]).toEqual([0x00, 0x61, 0x73, 0x6d]);
    const { steps, moduleBytes } = JSON.parse(vireo('inspect', dataPath(kws), '--json').stdout);
    expect(moduleBytes).toBe(module.length);
    expect(steps.every(({ set }: { set: string }) => set === 'wasm')).toBe(true);
  });

  itWithData('bench times a network and its layers', [kws], () => {
    const { status, stdout } = vireo('bench', dataPath(kws), '--layers', '--seconds', '1', '--json');
    expect(status).toBe(0);
    const { timeNs, macs, layers, kernels } = JSON.parse(stdout);
    expect(kernels).toBe('wasm');
    expect(timeNs).toBeGreaterThan(0);
    expect(layers.reduce((sum: number, layer: { macs: number }) => sum + layer.macs, 0)).toBeLessThanOrEqual(
      macs,
    );
    expect(layers.length).toBeGreaterThan(10);
    expect(vireo('bench', dataPath(kws), '--seconds', '1', '--kernels', 'js').stdout).toMatch(
      /µs ± .* GMAC\/s \(js kernels/u,
    );
  });

  itWithData('tune writes choices beside the model, which are then used', [resnet], () => {
    const model = join(folder, 'net.tflite');
    writeFileSync(model, readFileSync(dataPath(resnet)));
    const { status, stdout } = vireo('tune', model, '--seconds', '1', '--json');
    expect(status).toBe(0);
    const saved = JSON.parse(readFileSync(`${model}.tuning.json`, 'utf8'));
    expect(saved).toEqual(JSON.parse(stdout));
    expect(saved.beforeNs).toBeGreaterThan(0);
    const input = join(folder, 'in.bin');
    writeFileSync(input, Buffer.alloc(3072, 7));
    const run = (...more: string[]): Buffer => {
      const out = join(folder, 'out.bin');
      expect(vireo('run', model, '--raw', input, '--out', out, ...more).status).toBe(0);
      return readFileSync(out);
    };
    const tuned = run();
    expect(tuned).toEqual(run('--kernels', 'reference'));
    writeFileSync(`${model}.tuning.json`, '{ "tuning": { "x": 3 } }');
    const { status: refused, stderr } = vireo('run', model, '--raw', input, '--out', join(folder, 'o.bin'));
    expect(refused).toBe(1);
    expect(stderr).toMatch(/net\.tflite\.tuning\.json: expected .* got 3 for "x"/u);
  });
});
