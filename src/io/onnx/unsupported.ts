/** Everything in a file that cannot be imported, in one error. */
import { VireoError } from '../../errors.ts';

export interface UnsupportedNode {
  /** Of the node; for an input, an output or an initialiser, which of them it is. */
  readonly name: string;
  /** '' where it is no node. */
  readonly operator: string;
  readonly domain: string;
  readonly opset: number;
  readonly reason: string;
}

const shownNodes = 2000;
const shownLength = 300;

export class OnnxUnsupported extends VireoError {
  readonly nodes: readonly UnsupportedNode[];
  /** Graph inputs whose numbers the import needs: with `bind`, these nodes may be all right. */
  readonly parameters: readonly string[];

  constructor(nodes: readonly UnsupportedNode[], parameters: readonly string[]) {
    const lines = nodes.slice(0, shownNodes).map(showNode);
    if (nodes.length > shownNodes) lines.push(`and ${nodes.length - shownNodes} more`);
    super('unsupported', `ONNX: not supported:\n  ${lines.join('\n  ')}`);
    this.nodes = nodes;
    this.parameters = parameters;
  }
}

function showNode({ name, operator, domain, opset, reason }: UnsupportedNode): string {
  const text =
    operator === '' ? `${name}: ${reason}` : `${operator} "${name}" (${domain} opset ${opset}): ${reason}`;
  return text.slice(0, shownLength);
}
