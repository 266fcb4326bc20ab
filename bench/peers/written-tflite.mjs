/**
 * Is what vireo writes what TensorFlow Lite reads?
 *
 *   for each network of VIREO_DATA that vireo reads: write it as .tflite, then run
 *     vireo      on the graph as read, and on the written file
 *     LiteRT.js, tfjs-tflite   on the published .tflite, where there is one, and on the written file
 *
 *   node bench/peers/written-tflite.mjs [--filter NAME] [--peers litert,tfjs-tflite]
 *
 * Disagreement, and exit code 1: a runtime refuses the written file but takes the published one; it gives other
 * numbers for the two, integers at all, floats by more than 1e-4 of the largest value, or another top answer; where
 * nothing is published, it differs from vireo by more than compare.mjs lets pass or has another top answer. Where the
 * two files agree, a difference from vireo is the runtime's arithmetic: XNNPACK rounds otherwise than the reference.
 * Inputs: the network's stored golden input where there is one, and noise from a seed.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { compile } from '../../dist/index.js';
import { readOnnx } from '../../dist/io/onnx/index.js';
import { readTflite } from '../../dist/io/tflite/index.js';
import { writeTflite } from '../../dist/io/tflite/write/index.js';
import { dataPath, readBytes } from '../support/networks.mjs';
import { progress } from '../support/report.mjs';
import { compare } from './compare.mjs';
import { startChild } from './process.mjs';

const { values: options } = parseArgs({
  options: {
    filter: { type: 'string', default: '' },
    peers: { type: 'string', default: 'litert,tfjs-tflite' },
  },
});
const peers = options.peers.split(',');

const folders = ['mlperf-tiny', 'models', 'peer-models'];
const files = folders
  .flatMap((folder) => readdirSync(dataPath(folder), { recursive: true }).map((name) => join(folder, name)))
  .filter((path) => /\.(tflite|onnx)$/u.test(path) && path.includes(options.filter))
  .sort();

/** Whole numbers below 2^32 from a seed (xorshift32). */
function noise(seed) {
  let x = Math.imul(seed + 1, 2654435769) >>> 0 || 1;
  return () => {
    x = (x ^ (x << 13)) >>> 0;
    x = (x ^ (x >>> 17)) >>> 0;
    x = (x ^ (x << 5)) >>> 0;
    return x;
  };
}

/** Extents that a file leaves open. */
const shapes = { 'models/onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx': { x: [1, 3, 48, 192] } };

const arrays = { f32: Float32Array, i8: Int8Array, u8: Uint8Array };

/** Stored inputs of the network, then noise: two in all. */
function inputsOf(path, { dtype, shape }) {
  const Type = arrays[dtype];
  const count = shape.reduce((product, extent) => product * extent, 1);
  const stored = ['models/golden', 'mlperf-tiny/golden'].flatMap((folder) =>
    existsSync(dataPath(folder))
      ? readdirSync(dataPath(folder))
          .filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith('in0.bin'))
          .map((name) => readBytes(join(folder, name)).buffer)
      : [],
  );
  const inputs = stored.slice(0, 1).map((buffer) => new Type(buffer));
  for (let seed = 0; inputs.length < 2; seed++) {
    const next = noise(seed);
    inputs.push(Type.from({ length: count }, () => (dtype === 'f32' ? next() / 2 ** 32 : next() >>> 24)));
  }
  return inputs;
}

function runVireo(graph, inputs) {
  const session = compile(graph);
  return inputs.map((x) => {
    session.input(0).set(x);
    session.run();
    return session.outputs.map(({ dtype }, i) => session.output(i, dtype).slice());
  });
}

/** Engines give every output in the input's type: the bytes are what counts, from a copy that is aligned. */
const like = (outputs, wanted) =>
  outputs.map((list, i) => list.map((data, k) => new wanted[i][k].constructor(data.slice().buffer)));

async function runPeer(peer, bytes, dtype, inputs, wanted) {
  const child = startChild(peer);
  try {
    await child.ready;
    const { outputs, version } = await child.ask({
      call: 'load',
      model: { bytes, dtype },
      inputs,
      compared: inputs.length,
    });
    return { outputs: like(outputs, wanted), version };
  } catch (error) {
    return { error: error.message };
  } finally {
    child.end();
  }
}

const numbers = (outputs) => outputs.map((list) => list.map((data) => Array.from(data, Number)));

/** The largest of the last rows of the first output, by position; equals count as one. */
function top(outputs) {
  return outputs.map(([first]) => {
    let best = 0;
    for (let i = 1; i < first.length; i++) if (first[i] > first[best]) best = i;
    return best;
  });
}

/** '=' or how far apart; the top answers must be alike but for ties. */
function verdict(a, b, kind, exact) {
  const [p, q] = [numbers(a), numbers(b)];
  const result = compare(p, q, kind);
  const topAlike = top(p).every(
    (at, i) => q[i][0][at] === Math.max(...q[i][0].slice(0, 4096)) || top(q)[i] === at,
  );
  const far = kind === 'f32' ? result.relative > 1e-4 : exact ? result.differing > 0 : result.wrong;
  const shown =
    result.differing === 0
      ? '='
      : kind === 'f32'
        ? result.relative.toExponential(0)
        : `${result.differing} of ${result.of}, ${result.step}`;
  return { text: `${shown}${topAlike ? '' : ', other top'}`, wrong: far || !topAlike };
}

const rows = [];
const versions = {};
let disagreements = 0;
for (const path of files) {
  progress(path);
  const bytes = readBytes(path);
  const isOnnx = path.endsWith('.onnx');
  let graph;
  try {
    graph = isOnnx ? readOnnx(bytes, { shapes: shapes[path] ?? {} }) : readTflite(bytes);
  } catch (error) {
    console.error(`${path}: not read (${error.message.split('\n')[0]})`);
    continue;
  }
  const [input] = graph.inputs.map((id) => graph.values[id]);
  const row = { network: path.replace(/^(?:mlperf-tiny|models|peer-models)\//u, '') };
  rows.push(row);
  const notes = [];
  let written;
  try {
    written = writeTflite(graph, { onNote: (note) => notes.push(note) });
  } catch (error) {
    row.vireo = `not written: ${error.message.split('\n')[1] ?? error.message}`;
    disagreements++;
    continue;
  }
  const inputs = inputsOf(path, input);
  const own = runVireo(graph, inputs);
  const again = runVireo(readTflite(written), inputs);
  const kind = own[0].some((data) => data instanceof Float32Array) ? 'f32' : 'int';
  const note = (cell, { text, wrong }) => {
    row[cell] = wrong ? `${text} !` : text;
    if (wrong) disagreements++;
  };
  note('vireo', verdict(again, own, kind, notes.length === 0));
  for (const peer of peers) {
    const ours = await runPeer(peer, written, input.dtype, inputs, again);
    const theirs = isOnnx ? null : await runPeer(peer, bytes, input.dtype, inputs, again);
    versions[peer] ??= ours.version;
    if (ours.error) {
      const same = theirs?.error !== undefined;
      row[`${peer} / vireo`] = `${same ? 'refuses both' : 'refuses it !'}: ${ours.error}`;
      if (!same) disagreements++;
      continue;
    }
    const beside = verdict(ours.outputs, again, kind, false);
    const lengths = (run) => `${run.outputs.map((list) => list.map((data) => data.length))}`;
    if (theirs?.outputs && lengths(theirs) !== lengths(ours)) {
      row[`${peer} / published`] = 'declares other shapes';
      note(`${peer} / vireo`, beside);
    } else if (theirs?.outputs) {
      const published = verdict(ours.outputs, theirs.outputs, kind, true);
      note(`${peer} / published`, published);
      row[`${peer} / vireo`] = beside.text; // the runtime's own arithmetic
    } else {
      if (theirs) row[`${peer} / published`] = 'refuses the published';
      note(`${peer} / vireo`, beside);
    }
  }
}
progress('');

const columns = ['network', 'vireo', ...peers.flatMap((peer) => [`${peer} / published`, `${peer} / vireo`])];
const line = (cells) => `| ${cells.join(' | ')} |`;
console.log(line(columns));
console.log(line(columns.map(() => '---')));
for (const row of rows) console.log(line(columns.map((column) => row[column] ?? '–')));
console.log(
  `\n${rows.length} networks, ${disagreements} disagreements. ${Object.values(versions).filter(Boolean).join('; ')}.\n` +
    'vireo: the written file beside the graph as read. peer / published: a runtime on the written file beside the ' +
    'published one. peer / vireo: a runtime and vireo, both on the written file. Integers: how many values differ, ' +
    'largest step; floats: largest difference over the largest value.',
);
if (disagreements > 0) process.exitCode = 1;
