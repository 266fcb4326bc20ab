/** The rewrites that every network gets before it is planned: exact, and never a loss. */
import type { Graph } from './ir.ts';
import { foldConstants } from './passes/fold-constants.ts';
import { fuseClamp } from './passes/fuse-clamp.ts';
import { fusePad } from './passes/fuse-pad.ts';
import { removeDead, rewriteAll } from './rewrite.ts';

export function optimize(graph: Graph): { graph: Graph; report: Record<string, number> } {
  return rewriteAll(graph, { removeDead, foldConstants, fusePad, fuseClamp });
}
