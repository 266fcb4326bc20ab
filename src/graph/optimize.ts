/** The rewrites that every network gets before it is planned. Each file says what it keeps exactly. */
import type { Graph } from './ir.ts';
import { foldConstants } from './passes/fold-constants.ts';
import { foldScale } from './passes/fold-scale.ts';
import { fuseClamp } from './passes/fuse-clamp.ts';
import { fusePad } from './passes/fuse-pad.ts';
import { fuseQuantization } from './passes/fuse-quantization.ts';
import { sinkTransposes } from './passes/sink-transposes.ts';
import { removeDead, rewriteAll } from './rewrite.ts';

export function optimize(graph: Graph): { graph: Graph; report: Record<string, number> } {
  return rewriteAll(graph, {
    removeDead,
    sinkTransposes,
    foldScale,
    fuseClamp,
    fuseQuantization,
    foldConstants,
    fusePad,
  });
}
