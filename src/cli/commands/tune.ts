/** `vireo tune`: tries the kernels that would do as well for each layer, and writes down which were faster here. */
import { compile } from '../../graph/run/compile.ts';
import type { Session } from '../../graph/run/session.ts';
import { readNetwork, tuningPath, writeWhole } from '../files.ts';
import { type Command, jsonOption, operandsOf, secondsOption, shapeOption, shapesOf } from '../options.ts';
import { progress, shorten, table } from '../terminal.ts';
import { feedNoise, medianOf, timeInTurns, timeSteps } from '../timing.ts';

/** A choice must win by this much of a layer's time: timings are noisy. */
const margin = 0.03;

export const tune: Command = {
  name: 'tune',
  operands: 'MODEL',
  about: 'Times the alternatives for each layer on this machine and saves the best beside the model.',
  options: [
    {
      name: 'out',
      value: 'FILE',
      about: 'where to write (default: MODEL.tuning.json, which is found by itself)',
    },
    secondsOption,
    shapeOption,
    jsonOption,
  ],
  example: 'vireo tune net.tflite',
  run: (given) => {
    const [path] = operandsOf(tune, given, 1, 1);
    const { graph } = readNetwork(path, shapesOf(given));
    const plain = compile(graph);
    const choicesOf = choices(plain);
    const most = Math.max(0, ...[...choicesOf.values()].map((of) => of.length));
    const tunings = Array.from({ length: most }, (_, i) =>
      Object.fromEntries([...choicesOf].flatMap(([node, of]) => (i < of.length ? [[node, of[i]]] : []))),
    );
    const sessions = [plain, ...tunings.map((tuning) => compile(graph, { tuning }))];
    for (const session of sessions) feedNoise(session);
    const bar = progress(undefined);
    bar.update(0, `timing ${sessions.length} variants`);
    const seconds = given.count('seconds') ?? 4;
    const times = timeSteps(sessions, seconds).map((of, s) => timesByNode(sessions[s], of));
    bar.end();
    const tuning: Record<string, string> = {};
    const rows: string[][] = [];
    for (const [node, names] of choicesOf) {
      const before = times[0].get(node)!;
      let best = { name: '', ns: before * (1 - margin) };
      names.forEach((name, i) => {
        const ns = times[i + 1].get(node)!;
        if (ns < best.ns) best = { name, ns };
      });
      if (best.name === '') continue;
      tuning[node] = best.name;
      rows.push([shorten(node), best.name, (before / 1000).toFixed(2), (best.ns / 1000).toFixed(2)]);
    }
    const tuned = compile(graph, { tuning });
    feedNoise(tuned);
    const [before, after] = timeInTurns([plain.run, tuned.run], seconds).map(medianOf);
    const out = given.text('out') ?? tuningPath(path);
    const kept = after < before ? tuning : {};
    const report = { node: process.version, beforeNs: before, afterNs: after, tuning: kept };
    writeWhole(out, new TextEncoder().encode(`${JSON.stringify(report, null, 2)}\n`));
    if (given.flag('json')) console.log(JSON.stringify(report, null, 2));
    else {
      if (rows.length > 0) console.log(table([['node', 'choice', 'µs before', 'µs'], ...rows], [2, 3]));
      const gain = `${(before / 1000).toFixed(1)} → ${(after / 1000).toFixed(1)} µs`;
      console.log(`${out}: ${Object.keys(kept).length} layers changed, an inference ${gain}`);
    }
    return 0;
  },
};

function choices({ plan }: Session): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const { call } of plan.steps)
    if (call.offer.choices?.length) found.set(call.node.name, call.offer.choices);
  return found;
}

function timesByNode({ steps }: Session, times: readonly number[]): Map<string, number> {
  const sums = new Map<string, number>();
  steps.forEach(({ node, kernel }, i) => {
    if (kernel !== 'border') sums.set(node, (sums.get(node) ?? 0) + times[i]);
  });
  return sums;
}
