/** `vireo bench`: how long an inference takes on this machine, where the time goes, and how near to the limit it is. */
import { opMacs } from '../../graph/cost/macs.ts';
import type { Graph } from '../../graph/ir.ts';
import type { Session } from '../../graph/run/session.ts';
import { probe } from '../../kernels/wasm/target.ts';
import { byteLength, showShape } from '../../tensor.ts';
import { type LimitName, measureLimits } from '../limits.ts';
import { openNetwork } from '../network.ts';
import {
  type Command,
  jsonOption,
  kernelsOption,
  operandsOf,
  secondsOption,
  shapeOption,
  tuningOption,
} from '../options.ts';
import { percent, shorten, table } from '../terminal.ts';
import { feedNoise, medianOf, spreadOf, timeInTurns, timeSteps } from '../timing.ts';

export const bench: Command = {
  name: 'bench',
  operands: 'MODEL',
  about: 'Times one inference on this machine, layer by layer if asked, against what the core can do.',
  options: [
    { name: 'layers', about: 'the time of each step, its rate, and its share of the roofline' },
    kernelsOption,
    tuningOption,
    secondsOption,
    shapeOption,
    jsonOption,
  ],
  example: 'vireo bench net.tflite --layers',
  run: (given) => {
    const [path] = operandsOf(bench, given, 1, 1);
    const { session, kernels, notes } = openNetwork(path, given);
    for (const note of [...notes, ...session.info.notices]) console.error(`note: ${note}`);
    feedNoise(session);
    const seconds = given.count('seconds') ?? 2;
    const [samples] = timeInTurns([session.run], seconds);
    const timeNs = medianOf(samples);
    const whole = { timeNs, spreadNs: spreadOf(samples), macs: session.macs, kernels };
    const roofline = given.flag('layers') ? rooflineOf() : null;
    const layers = roofline && layersOf(session, roofline, seconds);
    if (given.flag('json')) {
      console.log(JSON.stringify({ node: process.version, ...whole, roofline, layers }, null, 2));
      return 0;
    }
    console.log(
      `${path}: ${us(timeNs)} µs ± ${us(whole.spreadNs)} an inference, ${rate(session.macs, timeNs)} GMAC/s (${kernels} kernels, Node ${process.versions.node})`,
    );
    if (layers) console.log(`\n${showLayers(layers)}\n\n${showRoofline(roofline)}`);
    return 0;
  },
};

/** GMAC/s and GB/s that one core reaches at best, measured now. */
interface Roofline {
  readonly f32: number;
  readonly int8: number;
  readonly bandwidth: number;
  readonly int8By: string;
}

function rooflineOf(): Roofline | null {
  const target = probe();
  if (typeof target === 'string') return null;
  const dot: LimitName = target.dot === 'u8' ? 'i32x4.relaxed_dot_i8x16_i7x16_add_s' : 'i32x4.dot_i16x8_s';
  const limits = measureLimits(['f32 mul + add', 'f32 relaxed_madd', dot, 'read L2']);
  return {
    f32: Math.max(limits['f32 mul + add']!.value!, limits['f32 relaxed_madd']!.value ?? 0) / 2,
    int8: limits[dot]!.value!,
    bandwidth: limits['read L2']!.value!,
    int8By: dot,
  };
}

interface Layer {
  readonly node: string;
  readonly kernel: string;
  readonly output: string;
  readonly timeNs: number;
  readonly share: number;
  readonly macs: number;
  /** The least time by the roofline over the time taken. */
  readonly ofLimit: number;
}

function layersOf(session: Session, roofline: Roofline, seconds: number): Layer[] {
  const [times] = timeSteps([session], seconds);
  const total = times.reduce((sum, ns) => sum + ns, 0);
  const calls = session.plan.steps.map(({ call }) => call);
  let next = 0;
  return session.steps.map(({ node, kernel }, i) => {
    const timeNs = times[i];
    if (kernel === 'border')
      return { node, kernel, output: '', timeNs, share: timeNs / total, macs: 0, ofLimit: 0 };
    const call = calls[next++];
    const { graph } = session;
    const value = graph.values[call.output];
    const macs = [...call.before, call.node].reduce((sum, at) => sum + nodeMacs(graph, at), 0);
    const bytes = [...call.inputs, call.output].reduce(
      (sum, id) => sum + byteLength(graph.values[id].dtype, graph.values[id].shape),
      0,
    );
    const isFloat = graph.values[call.inputs[0] ?? call.output].dtype === 'f32';
    const limitNs = Math.max(macs / (isFloat ? roofline.f32 : roofline.int8), bytes / roofline.bandwidth);
    const output = `${value.dtype}${showShape(value.shape)}`;
    // Shorter than the clock can tell: no rate.
    const ofLimit = timeNs < 20 ? 0 : limitNs / timeNs;
    return { node, kernel, output, timeNs, share: timeNs / total, macs: ofLimit ? macs : 0, ofLimit };
  });
}

function nodeMacs(graph: Graph, { op, inputs, output }: Graph['nodes'][number]): number {
  return opMacs(
    op,
    inputs.map((id) => graph.values[id]),
    graph.values[output].shape,
  );
}

function showLayers(layers: readonly Layer[]): string {
  const rows = layers.map(({ kernel, output, timeNs, share, macs, ofLimit, node }) => [
    kernel,
    output,
    us(timeNs),
    percent(share),
    macs ? rate(macs, timeNs) : '',
    ofLimit ? `${(100 * ofLimit).toFixed(0)} %` : '',
    shorten(node),
  ]);
  return table([['kernel', 'output', 'µs', 'share', 'GMAC/s', 'of limit', 'node'], ...rows], [2, 3, 4, 5]);
}

function showRoofline(roofline: Roofline | null): string {
  if (!roofline) return '';
  const { f32, int8, bandwidth, int8By } = roofline;
  return `limit: ${f32.toFixed(1)} GMAC/s in f32, ${int8.toFixed(1)} in int8 (${int8By}), ${bandwidth.toFixed(0)} GB/s from L2, measured just now; a layer's limit is the slower of its products and its bytes`;
}

const us = (ns: number): string => (ns / 1000).toFixed(ns < 1e5 ? 2 : ns < 1e6 ? 1 : 0);
const rate = (macs: number, ns: number): string => (macs / ns).toFixed(2);
