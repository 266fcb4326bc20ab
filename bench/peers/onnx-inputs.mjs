/**
 * An ONNX file whose initialisers are constants. Old exporters also list them among the graph's inputs, which keeps
 * onnxruntime from folding them: batch normalisations stay apart, and the file runs slower than it has to.
 *
 * ModelProto.graph = 7; GraphProto.initializer = 5, .input = 11; TensorProto.name = 8; ValueInfoProto.name = 1.
 */
export function plainInitializers(bytes) {
  const graph = fields(bytes).find(({ number }) => number === 7);
  const parts = fields(graph.data);
  const nameOf = ({ data }, number) => text(fields(data).find((field) => field.number === number)?.data);
  const constants = new Set(parts.filter(({ number }) => number === 5).map((part) => nameOf(part, 8)));
  const kept = parts.filter((part) => part.number !== 11 || !constants.has(nameOf(part, 1)));
  if (kept.length === parts.length) return bytes;
  const body = kept.map(({ whole }) => whole);
  const length = body.reduce((sum, part) => sum + part.length, 0);
  const before = bytes.subarray(0, graph.start);
  const after = bytes.subarray(graph.start + graph.whole.length);
  return Buffer.concat([before, Buffer.from([0x3a, ...varint(length)]), ...body, after]);
}

/** The fields of a message: `whole` with its key, `data` without, where it has a length. */
function fields(bytes) {
  const found = [];
  let at = 0;
  const read = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const key = read();
    let from = at;
    const wire = key & 7;
    if (wire === 0) read();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = read();
      from = at;
      at += length;
    } else throw new Error(`ONNX: wire type ${wire}`);
    found.push({
      number: key >>> 3,
      start,
      whole: bytes.subarray(start, at),
      data: bytes.subarray(from, at),
    });
  }
  return found;
}

function varint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return [...bytes, value];
}

const text = (data) => (data ? new TextDecoder().decode(data) : '');
