/**
 * Kernel calls at places of their own, as a plan would have them: ready to run.
 *
 *   x ── first call ── ready for the second ── second call ── y        and so on; every other operand has numbers
 *
 * Kernels that are emitted share one program and its memory; the others one arena.
 */
import { encodedBytes, encodingOf, encodingOffset, noPad } from './source.mjs';

const alignment = 64;
const size = (shape) => shape.reduce((product, extent) => product * extent, 1);
const views = { f32: Float32Array, i8: Int8Array, i32: Int32Array, u8: Uint8Array, i16: Int16Array };

/**
 * `copies` of the calls, each with operands and constants of its own, in `passes` of `count` copies each.
 *
 *   border      the border that the first offer asks for is granted
 *   encoding    8-bit activations lie as the offers ask
 *   choice      of the first call's kernel
 *   numbersFor  (operand, index) → the numbers of the index-th activation that no call computes
 *
 * Gives null where the set declines a call. `result(copy)` reads what a copy has computed, dense and as stored;
 * `module` is the generated code.
 */
export function placeCalls(set, calls, { copies = 1, border = true, encoding = true, choice, numbersFor }) {
  const offers = calls.map((call, i) => set.offer(call, i === 0 ? choice : undefined));
  if (offers.includes(null)) return null;
  const isEmitted = 'emit' in offers[0];

  const tensors = [];
  const add = (operand, offer, around = noPad, given = null) => {
    const tensor = lay(operand, around, encoding ? encodingOf(operand, offer.encoding) : 'stored', given);
    return tensors.push(tensor) - 1;
  };
  let fresh = 0;
  const steps = calls.map((call, i) => {
    const offer = offers[i];
    const inputs = call.inputs.map((operand, position) => {
      if (operand.data) return null;
      if (i > 0 && position === 0) return tensors.length - 1; // what the call before has computed
      const around = i === 0 && position === 0 && border && offer.border ? offer.border : noPad;
      return { operand, around, index: fresh++ };
    });
    const placed = inputs.map((input) =>
      input === null || typeof input === 'number'
        ? input
        : add(input.operand, offer, input.around, numbersFor(input.operand, input.index)),
    );
    const scratch = offer.scratch?.(isReady(offer, call.inputs[0], tensors[placed[0]])) ?? 0;
    return { call, inputs: placed, output: add(call.output, offer), scratch };
  });

  let end = 0;
  const reserve = (bytes) => {
    const address = end;
    end += Math.ceil(bytes / alignment) * alignment;
    return address;
  };
  const places = Array.from({ length: copies }, () => ({
    tensors: tensors.map(({ bytes }) => reserve(bytes)),
    scratch: steps.map(({ scratch }) => reserve(scratch)),
  }));

  const count = Math.ceil(copies / 64);
  const stretches = [];
  for (let from = 0; from < copies; from += count) stretches.push([from, Math.min(copies, from + count)]);
  const all = { steps, tensors, places, stretches };
  const linked = isEmitted ? emit(set.program(end), offers, all) : bind(set, choice, end, all);
  const { buffer } = linked;
  for (const { tensors: addresses } of places)
    tensors.forEach((tensor, i) => {
      if (tensor.given) write(buffer, addresses[i], tensor);
    });
  return {
    kernel: offers.map(({ kernel }) => kernel).join(' + '),
    offer: offers[0],
    passes: stretches.map(([from, to], i) => ({ run: linked.runs[i], count: to - from })),
    module: linked.module ?? null,
    result: (copy = 0) => read(buffer, places[copy].tensors.at(-1), tensors.at(-1)),
  };
}

function emit(program, offers, { steps, tensors, places, stretches }) {
  const ends = [0];
  for (const place of places) {
    const placeOf = (i) => {
      if (i === null) return null;
      const { strides, border, encoding, first } = tensors[i];
      return { address: place.tensors[i] + first, strides, border, encoding };
    };
    steps.forEach(({ inputs, output }, i) => {
      offers[i].emit(program, inputs.map(placeOf), placeOf(output), place.scratch[i]);
    });
    ends.push(program.stepCount);
  }
  const linked = program.link({ stretches: stretches.map(([from, to]) => [ends[from], ends[to]]) });
  return { buffer: linked.buffer, module: linked.module, runs: linked.stretches };
}

function bind(set, choice, bytes, { steps, tensors, places, stretches }) {
  const buffer = new ArrayBuffer(bytes);
  const bound = places.map((place) => {
    const viewOf = (i) => {
      const { operand, strides, border, first, elementBytes, bytes: length } = tensors[i];
      const Type = views[operand.dtype];
      const data = new Type(buffer, place.tensors[i], length / elementBytes);
      return { data, offset: first / elementBytes, strides, border };
    };
    return steps.map(({ call, inputs, output, scratch }, i) => {
      const own = copyCall(call);
      const operands = inputs.map((tensor, at) =>
        tensor === null ? constantView(own.inputs[at]) : viewOf(tensor),
      );
      const room = new Uint8Array(buffer, place.scratch[i], scratch);
      return set.offer(own, i === 0 ? choice : undefined).bind(operands, viewOf(output), room);
    });
  });
  const runs = stretches.map(([from, to]) => {
    const row = bound.slice(from, to).flat();
    const [only] = row;
    if (row.length === 1) return () => only();
    return () => {
      for (let i = 0; i < row.length; i++) row[i]();
    };
  });
  return { buffer, runs };
}

/** The same call with constants of its own. */
function copyCall(call) {
  const inputs = call.inputs.map((operand) => ({ ...operand, data: operand.data?.slice() ?? null }));
  return { ...call, inputs };
}

function constantView({ data, shape }) {
  return { data, offset: 0, strides: denseStrides(shape), border: noPad };
}

/** As in plan/plan.ts: input 0 lies as the offer asks. */
function isReady(offer, operand, tensor) {
  if (!tensor || (!offer.border && !offer.encoding)) return false;
  if (offer.border && tensor.border === noPad) return false;
  return tensor.encoding === encodingOf(operand, offer.encoding);
}

/** How one tensor lies: `first` is the byte of element 0. */
function lay(operand, border, encoding, given) {
  const elementBytes = encodedBytes(operand, encoding);
  const tensor = { operand, encoding, elementBytes, given };
  const { shape } = operand;
  if (shape.length !== 4) {
    const bytes = size(shape) * elementBytes;
    return { ...tensor, border: noPad, strides: denseStrides(shape), first: 0, bytes };
  }
  const [n, h, w, c] = shape;
  const row = (border.left + w + border.right) * c;
  const picture = (border.top + h + border.bottom) * row;
  const first = (border.top * row + border.left * c) * elementBytes;
  return { ...tensor, border, strides: [picture, row, c, 1], first, bytes: n * picture * elementBytes };
}

function cellsOf(buffer, address, { operand, encoding, elementBytes, bytes }) {
  const Type = views[encoding === 'stored' ? operand.dtype : encoding];
  return new Type(buffer, address, bytes / elementBytes);
}

/** The given numbers, and the zero point wherever there are none. */
function write(buffer, address, tensor) {
  const { operand, encoding, given } = tensor;
  const cells = cellsOf(buffer, address, tensor);
  const add = encodingOffset(operand, encoding);
  cells.fill((operand.quantization?.zeroPoint[0] ?? 0) + add);
  forEachCell(tensor, (at, i) => {
    cells[at] = given[i] + add;
  });
}

function read(buffer, address, tensor) {
  const { operand, encoding } = tensor;
  const cells = cellsOf(buffer, address, tensor);
  const add = encodingOffset(operand, encoding);
  const result = new views[operand.dtype](size(operand.shape));
  forEachCell(tensor, (at, i) => {
    result[i] = cells[at] - add;
  });
  return result;
}

function forEachCell({ operand: { shape }, strides, first, elementBytes }, visit) {
  const start = first / elementBytes;
  if (shape.length !== 4) {
    for (let i = 0; i < size(shape); i++) visit(start + i, i);
    return;
  }
  const [n, h, w, c] = shape;
  let i = 0;
  for (let b = 0; b < n; b++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) {
        const at = start + b * strides[0] + y * strides[1] + x * strides[2];
        for (let k = 0; k < c; k++) visit(at + k, i++);
      }
}

function denseStrides(shape) {
  return shape.map((_, axis) => size(shape.slice(axis + 1)));
}
