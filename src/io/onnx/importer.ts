/**
 * Turns the nodes of an ONNX graph into nodes of ours, one after another in the file's order, and gathers
 * everything that is not supported into one error before anything has run.
 *
 * A node that cannot be converted leaves its outputs unknown; what depends on them is passed over, but
 * still named if its own kind is not supported. Functions, and the branch of an If that is known, are
 * converted in place.
 */
import { VireoError } from '../../errors.ts';
import { GraphBuilder, type OutputSpec } from '../../graph/build.ts';
import type { Graph, ValueId } from '../../graph/ir.ts';
import type { Limits } from '../../graph/limits.ts';
import type { Op } from '../../graph/ops.ts';
import { type Shape, sameShape, showShape, type Tensor } from '../../tensor.ts';
import type {
  AttributeRecord,
  Dimension,
  FunctionRecord,
  GraphRecord,
  ModelRecord,
  NodeRecord,
  TensorRecord,
  ValueRecord,
} from './model.ts';
import { type Dequantized, type Importer, Operator } from './operator.ts';
import { converterOf } from './operators/index.ts';
import { dtypeOf, fileType, isHalf, maxRank, type ReadExternal, readTensor } from './tensors.ts';
import { OnnxUnsupported, type UnsupportedNode } from './unsupported.ts';

export interface ImportOptions {
  readonly name: string;
  readonly limits: Partial<Limits>;
  readonly shapes: Readonly<Record<string, Shape>>;
  readonly bind: Readonly<Record<string, Tensor>>;
  readonly external: ReadExternal | undefined;
}

/** Opsets whose operators the converters know. */
const firstOpset = 1;
const lastOpset = 24;

const maxCalls = 32;
const shownNotes = 12;

const unknownOperator = 'no such operator here';

/** Also remembers what each value was made from. */
class TracingBuilder extends GraphBuilder {
  readonly sources = new Map<ValueId, readonly ValueId[]>();

  override add(op: Op, inputs: readonly ValueId[], output: OutputSpec = {}): ValueId {
    const id = super.add(op, inputs, output);
    this.sources.set(id, inputs);
    return id;
  }
}

/** The names that a list of nodes sees. `null`: made by something that is not supported. */
class Scope {
  readonly values = new Map<string, ValueId | null>();
  readonly initializers = new Map<string, TensorRecord>();
  readonly outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.outer = outer;
  }
}

/** Where a list of nodes stands: in the model, a function or a branch. */
interface Frame {
  readonly scope: Scope;
  readonly nodes: readonly NodeRecord[];
  readonly opsets: ReadonlyMap<string, number>;
  /** Put before the names of what is made here. */
  readonly prefix: string;
  /** The functions being called, outermost first. */
  readonly calls: readonly string[];
  /** What a function's own nodes may refer to. */
  readonly attributes: ReadonlyMap<string, AttributeRecord>;
}

export class GraphImporter {
  readonly builder: TracingBuilder;
  readonly dequantized = new Map<ValueId, Dequantized>();
  readonly #model: ModelRecord;
  readonly #options: ImportOptions;
  readonly #functions = new Map<string, FunctionRecord>();
  readonly #problems: UnsupportedNode[] = [];
  readonly #labels = new Map<ValueId, string>();
  readonly #inputs = new Map<ValueId, string>();
  readonly #wanted = new Set<string>();
  readonly #traced = new Set<ValueId>();
  readonly #halves = new Set<ValueId>();
  #converted = 0;
  #notes = 0;

  constructor(model: ModelRecord, options: ImportOptions) {
    this.#model = model;
    this.#options = options;
    this.builder = new TracingBuilder(options.name, options.limits);
    for (const f of model.functions) this.#functions.set(functionKey(f.domain, f.name, f.overload), f);
  }

  import(): Graph {
    const { graph, opsets } = this.#model;
    this.#checkOpsets();
    const scope = new Scope();
    this.#addInitializers(scope, graph);
    this.#addInputs(scope, graph.inputs);
    this.#run({ scope, nodes: graph.nodes, opsets, prefix: '', calls: [], attributes: new Map() });
    const outputs = this.#outputs(scope, graph.outputs);
    if (this.#problems.length > 0) throw new OnnxUnsupported(this.#problems, [...this.#wanted]);
    if (this.#halves.size > 0) this.builder.note('float16 numbers became float32 at import.');
    return this.#named(this.builder.finish(outputs));
  }

  tensor(record: TensorRecord): Tensor {
    return readTensor(record, { limits: this.builder.limits, external: this.#options.external });
  }

  wantConstant(id: ValueId): readonly string[] {
    const names: string[] = [];
    const open = [id];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (this.#traced.has(next)) continue;
      this.#traced.add(next);
      const name = this.#inputs.get(next);
      if (name !== undefined) {
        names.push(name);
        this.#wanted.add(name);
      }
      open.push(...(this.builder.sources.get(next) ?? []));
    }
    return names;
  }

  #checkOpsets(): void {
    const version = this.#model.opsets.get('');
    if (version !== undefined && (version < firstOpset || version > lastOpset))
      throw new VireoError(
        'unsupported',
        `ONNX: opset ${version} of the default domain; known are ${firstOpset} to ${lastOpset}`,
      );
  }

  #addInitializers(scope: Scope, graph: GraphRecord): void {
    for (const record of graph.initializers) {
      if (scope.initializers.has(record.name))
        throw new VireoError('bad-file', `ONNX: initialiser "${record.name}" stands twice in the file`);
      scope.initializers.set(record.name, record);
    }
    for (const name of graph.sparse) {
      this.#problem({ name: `initialiser "${name}"`, reason: 'sparse data' });
      scope.values.set(name, null);
    }
  }

  // Inputs

  #addInputs(scope: Scope, inputs: readonly ValueRecord[]): void {
    const { shapes, bind } = this.#options;
    const fed = inputs.filter((input) => !scope.initializers.has(input.name));
    const names = new Set(inputs.map((input) => input.name));
    for (const name of [...Object.keys(shapes), ...Object.keys(bind)])
      if (!names.has(name))
        throw new VireoError(
          'usage',
          `there is no input "${name}"; the inputs are ${fed.map((input) => `"${input.name}"`).join(', ')}`,
        );
    const symbols = this.#symbols(fed);
    const open: string[] = [];
    for (const input of inputs) {
      const { name } = input;
      const given = Object.hasOwn(bind, name) ? bind[name] : undefined;
      if (given) {
        scope.initializers.delete(name);
        const id = this.builder.constant(name, given.dtype, given.shape, given.data);
        this.#markHalf(id, input);
        this.#define(scope, name, id);
      } else if (!scope.initializers.has(name)) this.#addInput(scope, input, symbols, open);
    }
    if (open.length === 0) return;
    // What no shape would make right comes first.
    this.#findStrangers();
    if (this.#problems.length > 0) throw new OnnxUnsupported(this.#problems, []);
    throw new VireoError(
      'usage',
      `the network leaves extents of its inputs open; say them with the shapes option: ${open.join(', ')}`,
    );
  }

  /** Nodes of the graph that no converter knows. */
  #findStrangers(): void {
    const { graph, opsets } = this.#model;
    for (const node of graph.nodes)
      if (
        !this.#functions.has(functionKey(node.domain, node.type, node.overload)) &&
        !converterOf(node.domain, node.type)
      )
        this.#strange(node, '', opsets.get(node.domain) ?? 1, unknownOperator);
  }

  /** Extents that go by a name are the same wherever the name stands; a batch that nobody bound is 1. */
  #symbols(inputs: readonly ValueRecord[]): Map<string, number> {
    const symbols = new Map<string, number>();
    for (const { name, type } of inputs) {
      if (type?.kind !== 'tensor' || !type.shape) continue;
      const given = Object.hasOwn(this.#options.shapes, name) ? this.#options.shapes[name] : undefined;
      const bound = Object.hasOwn(this.#options.bind, name) ? this.#options.bind[name]?.shape : undefined;
      const known = given ?? bound;
      type.shape.forEach((extent, axis) => {
        const value = known?.[axis];
        if (typeof extent === 'string' && extent !== '' && value !== undefined && !symbols.has(extent))
          symbols.set(extent, value);
      });
    }
    return symbols;
  }

  #addInput(scope: Scope, input: ValueRecord, symbols: Map<string, number>, open: string[]): void {
    const { name, type } = input;
    try {
      if (type?.kind !== 'tensor')
        throw new VireoError('unsupported', type ? `${type.kind} data` : 'no type is given');
      const dtype = dtypeOf(type.type);
      const given = Object.hasOwn(this.#options.shapes, name) ? this.#options.shapes[name] : undefined;
      const shape = given ?? this.#resolve(name, type.shape, symbols);
      if (!shape) {
        open.push(`${name} ${type.shape ? showDims(type.shape) : '(of unknown rank)'}`);
        return;
      }
      if (shape.length > maxRank)
        throw new VireoError('unsupported', `rank ${shape.length}, at most ${maxRank}`);
      if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0))
        throw new VireoError(
          given ? 'usage' : 'bad-file',
          `input "${name}": extents expect whole numbers of at least 0, got ${showShape(shape)}`,
        );
      const id = this.builder.input(name, dtype, shape);
      this.#inputs.set(id, name);
      this.#markHalf(id, input);
      this.#define(scope, name, id);
    } catch (error) {
      if (!(error instanceof VireoError) || error.code !== 'unsupported') throw error;
      this.#problem({ name: `input "${name}"`, reason: error.message });
      scope.values.set(name, null);
    }
  }

  #markHalf(id: ValueId, { type }: ValueRecord): void {
    if (type?.kind === 'tensor' && isHalf(type.type)) this.#halves.add(id);
  }

  #resolve(
    name: string,
    dims: readonly Dimension[] | undefined,
    symbols: Map<string, number>,
  ): Shape | undefined {
    if (!dims) return undefined;
    const shape = dims.map((extent, axis) => {
      if (typeof extent === 'number') return extent;
      return symbols.get(extent) ?? (axis === 0 && dims.length > 1 ? 1 : Number.NaN);
    });
    if (shape.some(Number.isNaN)) return undefined;
    if (typeof dims[0] === 'string' && !symbols.has(dims[0]))
      this.#note(`Input "${name}" leaves its first extent open; it is taken as 1.`);
    return shape;
  }

  // Nodes

  #run(frame: Frame): void {
    for (const node of frame.nodes) {
      if (++this.#converted > this.builder.limits.nodes)
        throw new VireoError(
          'too-large',
          `ONNX: more than ${this.builder.limits.nodes} nodes, functions counted where they are called`,
        );
      this.#convert(node, frame);
    }
  }

  #convert(node: NodeRecord, frame: Frame): void {
    const { scope, opsets } = frame;
    const opset = opsets.get(node.domain) ?? this.#model.opsets.get(node.domain) ?? 1;
    const called = this.#functions.get(functionKey(node.domain, node.type, node.overload));
    const converter = called ? undefined : converterOf(node.domain, node.type);
    const giveUp = (reason: string): void => {
      if (reason !== '') this.#strange(node, frame.prefix, opset, reason);
      for (const name of node.outputs)
        if (name !== '' && !scope.values.has(name)) scope.values.set(name, null);
    };
    if (!called && !converter) {
      giveUp(unknownOperator);
      return;
    }
    let isKnown = true;
    for (const name of node.inputs)
      if (name !== '' && this.#find(name, node, frame) === null) isKnown = false;
    if (!isKnown) {
      giveUp('');
      return;
    }
    try {
      if (called) this.#call(called, node, frame);
      else if (converter) this.#apply(converter, node, frame, opset);
      for (const name of node.outputs)
        if (name !== '' && !scope.values.has(name))
          throw new VireoError('unsupported', `its output "${name}" is not made here`);
    } catch (error) {
      if (error instanceof OnnxUnsupported || !(error instanceof VireoError)) throw error;
      if (error.code === 'unsupported') {
        giveUp(error.message);
        return;
      }
      if (error.code !== 'bad-graph' || called) throw error;
      throw new VireoError(
        'bad-graph',
        `ONNX ${node.type} "${node.name || node.outputs[0]}": ${error.message}`,
      );
    }
  }

  #apply(converter: (op: Operator) => void, node: NodeRecord, frame: Frame, opset: number): void {
    const importer: Importer = {
      builder: this.builder,
      dequantized: this.dequantized,
      lookup: (name) => this.#find(name, node, frame) ?? this.#unknown(name),
      bind: (name, id) => this.#define(frame.scope, name, id, frame.prefix),
      tensor: (record) => this.tensor(record),
      isHalf: (id) => this.#halves.has(id),
      attribute: (record) => (record.reference === '' ? record : frame.attributes.get(record.reference)),
      wantConstant: (id) => this.wantConstant(id),
      inline: (graph, outputs) => this.#inline(graph, outputs, node, frame),
    };
    const label = frame.prefix + (node.outputs.find((name) => name !== '') ?? node.name);
    // Operators of other domains know no older forms.
    const op = new Operator(importer, node, node.domain === '' ? opset : lastOpset, label);
    converter(op);
    op.checkAttributes();
  }

  #unknown(name: string): never {
    throw new VireoError('unsupported', `"${name}" is made by something that is not supported`);
  }

  /** `null`: made by something that is not supported. Throws where nothing makes it. */
  #find(name: string, node: NodeRecord, frame: Frame): ValueId | null {
    for (let scope: Scope | undefined = frame.scope; scope; scope = scope.outer) {
      const id = scope.values.get(name);
      if (id !== undefined) return id;
      const record = scope.initializers.get(name);
      if (record) return this.#initializer(scope, record);
    }
    const maker = frame.nodes.find((other) => other.outputs.includes(name));
    const reader = `${node.type} "${node.name || node.outputs[0]}"`;
    throw new VireoError(
      'bad-file',
      maker
        ? `ONNX: ${reader} reads "${name}" before ${maker.type} "${maker.name || maker.outputs[0]}" makes it: the nodes are out of order or form a cycle`
        : `ONNX: ${reader} reads "${name}", which nothing makes`,
    );
  }

  #initializer(scope: Scope, record: TensorRecord): ValueId | null {
    try {
      const { dtype, shape, data } = this.tensor(record);
      const id = this.builder.constant(record.name, dtype, shape, data);
      if (isHalf(record.type)) this.#halves.add(id);
      scope.values.set(record.name, id);
      return id;
    } catch (error) {
      if (!(error instanceof VireoError) || error.code !== 'unsupported') throw error;
      this.#problem({ name: `initialiser "${record.name}"`, reason: error.message });
      scope.values.set(record.name, null);
      return null;
    }
  }

  #define(scope: Scope, name: string, id: ValueId, prefix = ''): void {
    if (scope.values.has(name) || scope.initializers.has(name))
      throw new VireoError('bad-file', `ONNX: "${name}" is made twice`);
    scope.values.set(name, id);
    if (!this.#labels.has(id)) this.#labels.set(id, prefix + name);
  }

  // Functions and branches

  #call(f: FunctionRecord, node: NodeRecord, frame: Frame): void {
    const key = functionKey(f.domain, f.name, f.overload);
    if (frame.calls.includes(key))
      throw new VireoError(
        'bad-file',
        `ONNX: function "${f.name}" calls itself (${frame.calls.length + 1} deep)`,
      );
    if (frame.calls.length >= maxCalls)
      throw new VireoError('too-large', `ONNX: functions are nested more than ${maxCalls} deep`);
    if (node.inputs.length > f.inputs.length || node.outputs.length > f.outputs.length)
      throw new VireoError(
        'bad-file',
        `ONNX: function "${f.name}" has ${f.inputs.length} inputs and ${f.outputs.length} outputs, called with ${node.inputs.length} and ${node.outputs.length}`,
      );
    const scope = new Scope();
    f.inputs.forEach((name, i) => {
      const given = node.inputs[i] ?? '';
      const id = given === '' ? undefined : this.#find(given, node, frame);
      if (typeof id === 'number') scope.values.set(name, id);
    });
    const attributes = new Map(f.defaults);
    for (const [name, record] of node.attributes) {
      const found = record.reference === '' ? record : frame.attributes.get(record.reference);
      if (found) attributes.set(name, found);
    }
    const prefix = `${frame.prefix}${node.name || node.outputs[0] || f.name}/`;
    const inner: Frame = {
      scope,
      nodes: withoutAbsent(f, scope),
      opsets: f.opsets,
      prefix,
      calls: [...frame.calls, key],
      attributes,
    };
    this.#run(inner);
    this.#export(
      f.outputs.slice(0, node.outputs.length).map((name, i) => [name, node.outputs[i]!]),
      node,
      inner,
      frame,
    );
  }

  #inline(graph: GraphRecord, outputs: readonly string[], node: NodeRecord, frame: Frame): void {
    if (graph.outputs.length < outputs.length)
      throw new VireoError(
        'bad-file',
        `ONNX: the branch "${graph.name}" has ${graph.outputs.length} outputs, expected ${outputs.length}`,
      );
    const scope = new Scope(frame.scope);
    this.#addInitializers(scope, graph);
    const prefix = `${frame.prefix}${node.name || node.outputs[0] || 'branch'}/`;
    const inner: Frame = { ...frame, scope, nodes: graph.nodes, prefix };
    this.#run(inner);
    this.#export(
      outputs.map((name, i) => [graph.outputs[i]!.name, name]),
      node,
      inner,
      frame,
    );
  }

  /** Names made inside become names outside. */
  #export(pairs: readonly (readonly [string, string])[], node: NodeRecord, inner: Frame, frame: Frame): void {
    for (const [inside, outside] of pairs) {
      if (outside === '') continue;
      const id = this.#find(inside, node, inner);
      if (id === null) frame.scope.values.set(outside, null);
      else {
        if (this.#labels.get(id)?.startsWith(inner.prefix)) this.#labels.delete(id);
        this.#define(frame.scope, outside, id, frame.prefix);
      }
    }
  }

  // Outputs

  #outputs(scope: Scope, outputs: readonly ValueRecord[]): ValueId[] {
    if (outputs.length === 0) throw new VireoError('bad-file', 'ONNX: the network has no output');
    const taken = new Set<ValueId>();
    const ids: ValueId[] = [];
    const frame: Frame = {
      scope,
      nodes: [],
      opsets: new Map(),
      prefix: '',
      calls: [],
      attributes: new Map(),
    };
    const reader: NodeRecord = {
      name: '',
      type: 'the network',
      domain: '',
      overload: '',
      inputs: [],
      outputs: [],
      attributes: new Map(),
    };
    for (const { name, type } of outputs) {
      if (type && type.kind !== 'tensor') {
        this.#problem({ name: `output "${name}"`, reason: `${type.kind} data` });
        continue;
      }
      let id = this.#find(name, { ...reader, name: `output "${name}"` }, frame);
      if (id === null) continue; // its reason is listed already
      const { dtype, shape, data } = this.builder.value(id);
      // An output has a value of its own, so that it can be found by its name.
      if (taken.has(id) || this.#inputs.has(id) || data) {
        id = this.builder.add({ kind: 'reshape', shape }, [id], { name });
        this.#labels.set(id, name);
      } else this.#labels.set(id, name);
      taken.add(id);
      ids.push(id);
      this.#checkOutput(name, type, dtype, shape);
    }
    return ids;
  }

  /** What the file says of an output must be what comes out. */
  #checkOutput(name: string, type: ValueRecord['type'], dtype: string, shape: Shape): void {
    if (type?.kind !== 'tensor' || type.type === 0) return;
    const declared = dtypeOf(type.type);
    if (declared !== dtype)
      throw new VireoError(
        'bad-file',
        `ONNX: output "${name}" is declared ${fileType(declared)}, but the nodes make ${dtype}`,
      );
    const fixed = type.shape;
    if (!fixed?.every((extent) => typeof extent === 'number')) return;
    if (!sameShape(fixed as Shape, shape) && Object.keys(this.#options.shapes).length === 0)
      this.#note(`Output "${name}" is declared ${showDims(fixed)}; the nodes make ${showShape(shape)}.`);
  }

  /** Values get the names that the file gives them; the steps in between keep theirs, made unlike. */
  #named(graph: Graph): Graph {
    const taken = new Set(this.#labels.values());
    for (const id of graph.inputs) taken.add(graph.values[id]!.name);
    const names = graph.values.map(({ name }, id) => {
      if (this.#inputs.has(id)) return name;
      const label = this.#labels.get(id);
      if (label !== undefined) return label;
      let free = name;
      while (taken.has(free)) free += '~';
      taken.add(free);
      return free;
    });
    return {
      ...graph,
      values: graph.values.map((value, id) => ({ ...value, name: names[id]! })),
      nodes: graph.nodes.map((node) => ({ ...node, name: names[node.output]! })),
    };
  }

  #strange(node: NodeRecord, prefix: string, opset: number, reason: string): void {
    this.#problem({
      name: prefix + (node.name || node.outputs[0] || ''),
      operator: node.type,
      domain: node.domain === '' ? 'ai.onnx' : node.domain,
      opset,
      reason,
    });
  }

  #note(text: string): void {
    if (this.#notes++ < shownNotes) this.builder.note(text);
  }

  #problem(problem: Partial<UnsupportedNode> & Pick<UnsupportedNode, 'name' | 'reason'>): void {
    this.#problems.push({ operator: '', domain: '', opset: 0, ...problem });
  }
}

const functionKey = (domain: string, name: string, overload: string): string =>
  JSON.stringify([domain, name, overload]);

/** The nodes of a function with the inputs that its caller leaves out written as left out. */
function withoutAbsent(f: FunctionRecord, scope: Scope): readonly NodeRecord[] {
  const absent = new Set(f.inputs.filter((name) => !scope.values.has(name)));
  if (absent.size === 0) return f.nodes;
  return f.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (absent.has(name) ? '' : name)),
  }));
}

function showDims(dims: readonly Dimension[]): string {
  return `[${dims.map((extent) => (extent === '' ? '?' : extent)).join(', ')}]`;
}
