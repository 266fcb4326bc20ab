/**
 * What the operators of training ask of their operands. Graphs that `differentiate` makes keep these rules; one
 * that comes from a file is held to them, as `inferShape` holds it to those of all other operators.
 */
import { VireoError } from '../../errors.ts';
import type { Training } from '../../kernels/train/call.ts';
import { sameShape, showShape } from '../../tensor.ts';
import type { Graph, Node, Value } from '../ir.ts';
import { windowCount } from '../shapes.ts';

/** Throws `VireoError('bad-graph')` naming the node. */
export function checkTrainingOperands(graph: Graph): void {
  for (const node of graph.nodes) {
    const { op } = node;
    if (op.kind === 'training')
      check(
        node,
        op,
        node.inputs.map((id) => graph.values[id]!),
        graph.values[node.output]!,
      );
  }
}

function check(node: Node, op: Training, inputs: readonly Value[], output: Value): void {
  const fail = (message: string): never => {
    throw new VireoError('bad-graph', `training.${op.fn} "${node.name}": ${message}`);
  };
  for (const { name, dtype } of [...inputs, output])
    if (dtype !== 'f32') fail(`"${name}" is ${dtype}, expected f32`);
  const shapes = inputs.map(({ shape }) => shape);
  const expect = (...expected: readonly (readonly number[])[]): void => {
    if (shapes.length !== expected.length || !shapes.every((shape, i) => sameShape(shape, expected[i]!)))
      fail(`expected inputs ${expected.map(showShape).join(', ')}, got ${shapes.map(showShape).join(', ')}`);
  };
  const { shape } = op;
  const [x = [], second = []] = shapes;
  const c = x[x.length - 1] ?? fail('expected at least one axis');
  const isPicture = (s: readonly number[]): boolean => s.length === 4 && s.every((extent) => extent > 0);
  switch (op.fn) {
    case 'conv2dWeights': {
      expect(x, second);
      const [outC, , , depth] = shape;
      if (![x, second, shape].every(isPicture) || second[0] !== x[0])
        fail(`${shapes.map(showShape).join(' and ')} do not give ${showShape(shape)}`);
      if (outC !== second[3] || depth! * op.groups !== c || outC! % op.groups !== 0)
        fail(`${c} and ${second[3]} channels in ${op.groups} groups do not give ${showShape(shape)}`);
      break;
    }
    case 'maxPool2d':
    case 'averagePool2d': {
      if (!isPicture(x)) fail(`expected pictures, got ${showShape(x)}`);
      const { kernel, stride, pad } = op;
      const sides = [pad.top + pad.bottom, pad.left + pad.right] as const;
      const [outH, outW] = ([0, 1] as const).map((i) =>
        windowCount(x[1 + i]!, kernel[i], stride[i], 1, sides[i]),
      );
      expect(x, [x[0]!, outH!, outW!, c]);
      const isSeen = Math.max(pad.top, pad.bottom) < kernel[0] && Math.max(pad.left, pad.right) < kernel[1];
      if (!sameShape(shape, x) || outH! < 1 || outW! < 1 || !isSeen)
        fail(`windows of ${showShape(kernel)} on ${showShape(x)} do not give ${showShape(shape)}`);
      break;
    }
    case 'clamp':
      expect(shape, shape);
      break;
    case 'moments':
      expect(x, [2, c]);
      if (!sameShape(shape, [2, c])) fail(`expected [2, ${c}], got ${showShape(shape)}`);
      break;
    case 'batchNorm':
      expect(shape, [2, c], [c], [c]);
      break;
    case 'batchNormSums':
      expect(x, [2, c], x);
      if (!sameShape(shape, [2, c])) fail(`expected [2, ${c}], got ${showShape(shape)}`);
      break;
    case 'batchNormInput':
      expect(shape, [2, c], [c], shape, [2, c]);
      break;
  }
}
