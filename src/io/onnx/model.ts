/**
 * The messages of an ONNX file as plain records. Only what the importer reads is kept.
 *
 * Source: onnx/onnx, onnx/onnx.proto, whose field numbers stand in the `switch`es.
 */
import { VireoError } from '../../errors.ts';
import { Message } from './wire.ts';

export interface ModelRecord {
  readonly irVersion: number;
  readonly producer: string;
  readonly graph: GraphRecord;
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: readonly FunctionRecord[];
}

export interface GraphRecord {
  readonly name: string;
  readonly nodes: readonly NodeRecord[];
  readonly initializers: readonly TensorRecord[];
  /** Names of initialisers stored as coordinates and values. */
  readonly sparse: readonly string[];
  readonly inputs: readonly ValueRecord[];
  readonly outputs: readonly ValueRecord[];
}

export interface NodeRecord {
  readonly name: string;
  readonly type: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeRecord>;
}

export interface AttributeRecord {
  readonly name: string;
  /** The attribute of the calling node that this one stands for, or ''. */
  readonly reference: string;
  readonly i: number | undefined;
  readonly f: number | undefined;
  readonly s: Uint8Array | undefined;
  readonly ints: readonly number[];
  readonly floats: readonly number[];
  readonly strings: readonly Uint8Array[];
  readonly tensor: TensorRecord | undefined;
  readonly graph: GraphRecord | undefined;
  /** Anything else: sparse tensors, lists of tensors or graphs, types. */
  readonly other: boolean;
}

export interface TensorRecord {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
  readonly raw: Uint8Array | undefined;
  readonly floats: readonly number[];
  readonly int32s: readonly number[];
  readonly int64s: readonly bigint[];
  readonly doubles: readonly number[];
  readonly uint64s: readonly bigint[];
  readonly strings: number;
  readonly external: ReadonlyMap<string, string> | undefined;
}

/** An extent is a number, a symbol's name, or '' where nothing is known. */
export type Dimension = number | string;

export interface ValueRecord {
  readonly name: string;
  /** `undefined` where the file says no type. */
  readonly type: TypeRecord | undefined;
}

export type TypeRecord =
  | { readonly kind: 'tensor'; readonly type: number; readonly shape: readonly Dimension[] | undefined }
  | { readonly kind: 'sequence' | 'map' | 'optional' | 'sparse tensor' | 'unknown' };

export interface FunctionRecord {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
  readonly defaults: ReadonlyMap<string, AttributeRecord>;
  readonly nodes: readonly NodeRecord[];
  readonly opsets: ReadonlyMap<string, number>;
}

/** How much a file may ask the decoder to hold. */
export interface Budget {
  nodes: number;
}

export function decodeModel(bytes: Uint8Array, maxNodes: number): ModelRecord {
  const m = Message.of(bytes, 'ONNX');
  const budget: Budget = { nodes: maxNodes };
  const opsets = new Map<string, number>();
  const functions: FunctionRecord[] = [];
  let irVersion = 0;
  let producer = '';
  let graph: GraphRecord | undefined;
  while (m.next())
    switch (m.field) {
      case 1:
        irVersion = m.integer();
        break;
      case 2:
        producer = m.string();
        break;
      case 7:
        graph = decodeGraph(m.message(), budget);
        break;
      case 8:
        decodeOpset(m.message(), opsets);
        break;
      case 25:
        functions.push(decodeFunction(m.message(), budget));
        break;
      default:
        m.skip();
    }
  if (!graph) return m.fail('there is no graph; is this an ONNX model?');
  return { irVersion, producer, graph, opsets, functions };
}

/** Whole fields from end to end, a graph among them, none with a number that ModelProto does not have. */
export function looksLikeModel(bytes: Uint8Array): boolean {
  const m = Message.of(bytes, 'ONNX');
  let hasGraph = false;
  try {
    while (m.next()) {
      if (m.field > 64) return false;
      if (m.field === 7) hasGraph = m.bytes().length > 0;
      else m.skip();
    }
  } catch (error) {
    if (error instanceof VireoError) return false;
    throw error;
  }
  return hasGraph;
}

function decodeOpset(m: Message, into: Map<string, number>): void {
  let domain = '';
  let version = 0;
  while (m.next())
    if (m.field === 1) domain = m.string();
    else if (m.field === 2) version = m.integer();
    else m.skip();
  into.set(plainDomain(domain), version);
}

/** 'ai.onnx' is another name of the default domain. */
const plainDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

function decodeGraph(m: Message, budget: Budget): GraphRecord {
  const nodes: NodeRecord[] = [];
  const initializers: TensorRecord[] = [];
  const sparse: string[] = [];
  const inputs: ValueRecord[] = [];
  const outputs: ValueRecord[] = [];
  let name = '';
  while (m.next())
    switch (m.field) {
      case 1:
        nodes.push(decodeNode(m.message(), budget));
        break;
      case 2:
        name = m.string();
        break;
      case 5:
        initializers.push(decodeTensor(m.message()));
        break;
      case 11:
        inputs.push(decodeValue(m.message()));
        break;
      case 12:
        outputs.push(decodeValue(m.message()));
        break;
      case 15:
        sparse.push(sparseName(m.message()));
        break;
      default:
        m.skip();
    }
  return { name, nodes, initializers, sparse, inputs, outputs };
}

function decodeNode(m: Message, budget: Budget): NodeRecord {
  if (--budget.nodes < 0) throw new VireoError('too-large', `${m.what}: more nodes than the limit allows`);
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, AttributeRecord>();
  let name = '';
  let type = '';
  let domain = '';
  let overload = '';
  while (m.next())
    switch (m.field) {
      case 1:
        inputs.push(m.string());
        break;
      case 2:
        outputs.push(m.string());
        break;
      case 3:
        name = m.string();
        break;
      case 4:
        type = m.string();
        break;
      case 5: {
        const attribute = decodeAttribute(m.message(), budget);
        attributes.set(attribute.name, attribute);
        break;
      }
      case 7:
        domain = plainDomain(m.string());
        break;
      case 8:
        overload = m.string();
        break;
      default:
        m.skip();
    }
  return { name, type, domain, overload, inputs, outputs, attributes };
}

function decodeAttribute(m: Message, budget: Budget): AttributeRecord {
  const ints: number[] = [];
  const floats: number[] = [];
  const strings: Uint8Array[] = [];
  let name = '';
  let reference = '';
  let i: number | undefined;
  let f: number | undefined;
  let s: Uint8Array | undefined;
  let tensor: TensorRecord | undefined;
  let graph: GraphRecord | undefined;
  let other = false;
  let type = 0;
  while (m.next())
    switch (m.field) {
      case 1:
        name = m.string();
        break;
      case 2:
        f = m.float();
        break;
      case 3:
        i = m.integer();
        break;
      case 4:
        s = m.bytes();
        break;
      case 5:
        tensor = decodeTensor(m.message());
        break;
      case 6:
        graph = decodeGraph(m.message(), budget);
        break;
      case 7:
        m.floats(floats);
        break;
      case 8:
        m.integers(ints);
        break;
      case 9:
        strings.push(m.bytes());
        break;
      case 20:
        type = m.integer();
        break;
      case 21:
        reference = m.string();
        break;
      case 10:
      case 11:
      case 14:
      case 15:
      case 22:
      case 23:
        other = true;
        m.skip();
        break;
      default:
        m.skip();
    }
  // A writer may leave a number out where it is 0, and say its kind alone.
  if (type === 1) f ??= 0;
  if (type === 2) i ??= 0;
  if (type === 3) s ??= new Uint8Array(0);
  return { name, reference, i, f, s, ints, floats, strings, tensor, graph, other };
}

/** A serialised TensorProto, such as the suite's `input_0.pb`. */
export function decodeTensorFile(bytes: Uint8Array, what: string): TensorRecord {
  return decodeTensor(Message.of(bytes, what));
}

function decodeTensor(m: Message): TensorRecord {
  const dims: number[] = [];
  const floats: number[] = [];
  const int32s: number[] = [];
  const int64s: bigint[] = [];
  const doubles: number[] = [];
  const uint64s: bigint[] = [];
  let name = '';
  let type = 0;
  let strings = 0;
  let raw: Uint8Array | undefined;
  let external: Map<string, string> | undefined;
  let isExternal = false;
  while (m.next())
    switch (m.field) {
      case 1:
        m.integers(dims);
        break;
      case 2:
        type = m.integer();
        break;
      case 4:
        m.floats(floats);
        break;
      case 5:
        m.integers(int32s);
        break;
      case 6:
        strings++;
        m.skip();
        break;
      case 7:
        m.bigints(int64s);
        break;
      case 8:
        name = m.string();
        break;
      case 9:
        raw = m.bytes();
        break;
      case 10:
        m.doubles(doubles);
        break;
      case 11:
        m.bigints(uint64s);
        break;
      case 13:
        external ??= new Map();
        decodeEntry(m.message(), external);
        break;
      case 14:
        isExternal = m.integer() === 1;
        break;
      default:
        m.skip();
    }
  return {
    name,
    type,
    dims,
    raw,
    floats,
    int32s,
    int64s,
    doubles,
    uint64s,
    strings,
    external: isExternal ? (external ?? new Map()) : undefined,
  };
}

function decodeEntry(m: Message, into: Map<string, string>): void {
  let key = '';
  let value = '';
  while (m.next())
    if (m.field === 1) key = m.string();
    else if (m.field === 2) value = m.string();
    else m.skip();
  into.set(key, value);
}

function sparseName(m: Message): string {
  let name = '';
  while (m.next())
    if (m.field === 1) name = decodeTensor(m.message()).name;
    else m.skip();
  return name;
}

function decodeValue(m: Message): ValueRecord {
  let name = '';
  let type: TypeRecord | undefined;
  while (m.next())
    if (m.field === 1) name = m.string();
    else if (m.field === 2) type = decodeType(m.message());
    else m.skip();
  return { name, type };
}

function decodeType(m: Message): TypeRecord {
  let record: TypeRecord = { kind: 'unknown' };
  while (m.next())
    switch (m.field) {
      case 1:
        record = decodeTensorType(m.message());
        break;
      case 4:
        record = { kind: 'sequence' };
        m.skip();
        break;
      case 5:
        record = { kind: 'map' };
        m.skip();
        break;
      case 8:
        record = { kind: 'sparse tensor' };
        m.skip();
        break;
      case 9:
        record = { kind: 'optional' };
        m.skip();
        break;
      default:
        m.skip();
    }
  return record;
}

function decodeTensorType(m: Message): TypeRecord {
  let type = 0;
  let shape: Dimension[] | undefined;
  while (m.next())
    if (m.field === 1) type = m.integer();
    else if (m.field === 2) {
      shape = [];
      const dims = m.message();
      while (dims.next())
        if (dims.field === 1) shape.push(decodeDimension(dims.message()));
        else dims.skip();
    } else m.skip();
  return { kind: 'tensor', type, shape };
}

/** Some exporters write −1 or 0 for an open extent. */
function decodeDimension(m: Message): Dimension {
  let extent: Dimension = '';
  while (m.next())
    if (m.field === 1) {
      const value = m.integer();
      extent = value < 0 ? '' : value;
    } else if (m.field === 2) extent = m.string();
    else m.skip();
  return extent;
}

function decodeFunction(m: Message, budget: Budget): FunctionRecord {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: string[] = [];
  const defaults = new Map<string, AttributeRecord>();
  const nodes: NodeRecord[] = [];
  const opsets = new Map<string, number>();
  let name = '';
  let domain = '';
  let overload = '';
  while (m.next())
    switch (m.field) {
      case 1:
        name = m.string();
        break;
      case 4:
        inputs.push(m.string());
        break;
      case 5:
        outputs.push(m.string());
        break;
      case 6:
        attributes.push(m.string());
        break;
      case 7:
        nodes.push(decodeNode(m.message(), budget));
        break;
      case 9:
        decodeOpset(m.message(), opsets);
        break;
      case 10:
        domain = plainDomain(m.string());
        break;
      case 11: {
        const attribute = decodeAttribute(m.message(), budget);
        defaults.set(attribute.name, attribute);
        break;
      }
      case 13:
        overload = m.string();
        break;
      default:
        m.skip();
    }
  return { name, domain, overload, inputs, outputs, attributes, defaults, nodes, opsets };
}
