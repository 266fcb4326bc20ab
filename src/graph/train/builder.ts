/** Builds graphs with states: a `GraphBuilder` that also names what stays from run to run. */
import { VireoError } from '../../errors.ts';
import { noClamp } from '../../kernels/call.ts';
import type { Shape } from '../../tensor.ts';
import { GraphBuilder } from '../build.ts';
import type { Graph, State, ValueId } from '../ir.ts';

interface Kept {
  readonly value: ValueId;
  readonly data: State['data'];
  next: ValueId | null;
}

/** A graph's values under their ids in the builder that copied it. */
export interface Copied {
  readonly ids: readonly ValueId[];
  /** Its outputs, without what states become. */
  readonly outputs: readonly ValueId[];
}

export class TrainingBuilder extends GraphBuilder {
  readonly #kept: Kept[] = [];

  /** A value that holds `data` at first; a parameter, unless `update` says what becomes of it. */
  state(name: string, shape: Shape, data: Float32Array): ValueId {
    const value = this.input(name, 'f32', shape);
    this.#kept.push({ value, data, next: null });
    return value;
  }

  /** What the state holds after a run: the output of a node. */
  update(state: ValueId, next: ValueId): void {
    const kept = this.#kept.find(({ value }) => value === state);
    if (!kept || this.#kept.some(({ value }) => value === next))
      throw new VireoError('usage', `"${this.value(state).name}" is no state, or becomes another one`);
    kept.next = next;
  }

  /**
   * Batch normalisation by the statistics of the batch; averages of them are kept for inference:
   * running ← momentum·running + (1 − momentum)·(mean, variance).
   */
  batchNorm(
    name: string,
    x: ValueId,
    { epsilon = 1e-3, momentum = 0.9 }: { readonly epsilon?: number; readonly momentum?: number } = {},
  ): ValueId {
    const { shape } = this.value(x);
    const c = shape[shape.length - 1]!;
    const gamma = this.state(`${name}/gamma`, [c], new Float32Array(c).fill(1));
    const beta = this.state(`${name}/beta`, [c], new Float32Array(c));
    const running = this.state(`${name}/running`, [2, c], new Float32Array(2 * c).fill(1, c));
    const moments = this.add({ kind: 'training', fn: 'moments', shape: [2, c] }, [x, running], {
      name: `${name}/moments`,
    });
    const share = this.constant(`${name}/share`, 'f32', [1], Float32Array.of(1 - momentum));
    const binary = (fn: 'add' | 'sub' | 'mul', a: ValueId, b: ValueId): ValueId =>
      this.add({ kind: 'binary', fn, clamp: noClamp }, [a, b], { name: `${name}/running/${fn}` });
    this.update(running, binary('add', running, binary('mul', binary('sub', moments, running), share)));
    return this.add({ kind: 'training', fn: 'batchNorm', epsilon, shape }, [x, moments, gamma, beta], {
      name,
    });
  }

  /** States come last among inputs, what they become last among outputs. */
  override finish(outputs: readonly ValueId[]): Graph {
    const graph = super.finish(outputs);
    const isKept = new Set(this.#kept.map(({ value }) => value));
    const inputs = graph.inputs.filter((id) => !isKept.has(id));
    const allOutputs = [...graph.outputs];
    const states = this.#kept.map(
      ({ next, data }, i): State => ({
        input: inputs.length + i,
        output: next === null ? null : allOutputs.push(next) - 1,
        data,
      }),
    );
    return {
      ...graph,
      inputs: [...inputs, ...this.#kept.map(({ value }) => value)],
      outputs: allOutputs,
      states,
    };
  }

  /** Adds all of a graph, its states too. */
  copy(graph: Graph): Copied {
    const { states = [] } = graph;
    const stateAt = new Map(states.map((state) => [state.input, state]));
    const ids = new Array<ValueId>(graph.values.length).fill(-1);
    graph.inputs.forEach((id, i) => {
      const { name, dtype, shape, quantization } = graph.values[id]!;
      const data = stateAt.get(i)?.data;
      ids[id] =
        data instanceof Float32Array
          ? this.state(name, shape, data)
          : this.input(name, dtype, shape, quantization);
    });
    graph.values.forEach(({ name, dtype, shape, quantization, data }, id) => {
      if (data) ids[id] = this.constant(name, dtype, shape, data, quantization);
    });
    for (const { op, inputs, output } of graph.nodes) {
      const own = inputs.map((id) => ids[id]!);
      ids[output] = this.add(op, own, { ...graph.values[output]!, fold: false });
    }
    const becomes = new Set<number>();
    for (const { input, output } of states) {
      if (output === null) continue;
      becomes.add(output);
      this.update(ids[graph.inputs[input]!]!, ids[graph.outputs[output]!]!);
    }
    const outputs = graph.outputs.filter((_, i) => !becomes.has(i)).map((id) => ids[id]!);
    return { ids, outputs };
  }
}
