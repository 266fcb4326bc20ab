/**
 * A network as the public Eyeriss energy tool reads it: one line a layer, 25 whole numbers.
 *
 *   index,
 *   ifmap  height, width, channels, maps,    zero entries, bits,
 *   filter height, width, channels, filters, zero entries, bits,
 *   ofmap  height, width, channels, maps,    zero entries, bits,
 *   stride y, x,  pad top, bottom, left, right
 *
 * Only convolutions and dense layers: the tool knows no others. Extents are without padding. The zeros of
 * feature maps depend on the input, which is not known here: 0. The filters of a depthwise layer have one channel.
 * Source: the format's description at energyestimation.mit.edu, as public scripts restate it; the tool is closed
 * source, and its answers to these files were not seen.
 */
import type { Graph } from '../ir.ts';
import { optimize } from '../optimize.ts';
import { countGraph } from './counts.ts';

export const eyerissFields = 25;

export function eyerissLayers(graph: Graph): {
  readonly lines: readonly string[];
  readonly leftOut: readonly string[];
} {
  const { graph: ready } = optimize(graph);
  const { layers } = countGraph(ready);
  const lines: string[] = [];
  const leftOut = new Set<string>();
  ready.nodes.forEach(({ op, inputs, output }, i) => {
    const { weights, inputs: x, outputs: y, loops } = layers[i];
    const isConv = op.kind === 'conv2d' || op.kind === 'depthwiseConv2d';
    if (!loops || !(isConv || op.kind === 'dense')) {
      if (op.kind !== 'reshape') leftOut.add(op.kind);
      return;
    }
    const { pad, stride } = isConv ? op : { pad: { top: 0, bottom: 0, left: 0, right: 0 }, stride: [1, 1] };
    const [, inH, inW] = isConv ? ready.values[inputs[0]].shape : [1, loops.inH, 1];
    const [, outH, outW] = isConv ? ready.values[output].shape : [1, loops.outH, 1];
    lines.push(
      [
        lines.length + 1,
        ...[inH, inW, loops.inC, loops.batch, 0, x.bits],
        ...[
          loops.kH,
          loops.kW,
          loops.inC / loops.groups,
          loops.outC,
          Math.round(weights.zeros),
          weights.bits,
        ],
        ...[outH, outW, loops.outC, loops.batch, 0, y.bits],
        ...stride,
        ...[pad.top, pad.bottom, pad.left, pad.right],
      ].join(' '),
    );
  });
  return { lines, leftOut: [...leftOut] };
}
