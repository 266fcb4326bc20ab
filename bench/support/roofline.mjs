/** How long a piece of work takes at best on this core, by limits measured in the same run. */
import { measureLimits, probe } from './source.mjs';

const kib = 1024;

/**
 * `leastNs({ isFloat, macs, bytes }, from)`: the products or the bytes, whichever takes longer. Bytes come `from`
 * DRAM, or by default from the nearest cache that holds them all (from the second where none does).
 */
export function openRoofline() {
  const target = probe();
  const hasDot = typeof target !== 'string' && target.dot === 'u8';
  const dot = hasDot ? 'i32x4.relaxed_dot_i8x16_i7x16_add_s' : 'i32x4.dot_i16x8_s';
  const floats = ['f32 mul + add', 'f32 relaxed_madd'];
  const limits = measureLimits([...floats, dot, 'read L1', 'read L2', 'read DRAM'], 100);
  const f32 = Math.max(...floats.map((name) => limits[name].value ?? 0)) / 2;
  const int = limits[dot].value;
  const read = (name) => limits[name].value;
  return {
    limits,
    note:
      `Limit of this core: ${f32.toFixed(1)} GMAC/s in f32, ${int.toFixed(1)} in int8 (${dot}); reads of ${['L1', 'L2', 'DRAM'].map((from) => `${read(`read ${from}`).toFixed(0)} GB/s from ${from}`).join(', ')}, all measured in this run. ` +
      "A layer's limit is the slower of its products and its bytes.",
    leastNs: ({ isFloat, macs, bytes }, from = bytes <= 24 * kib ? 'read L1' : 'read L2') =>
      Math.max(macs / (isFloat ? f32 : int), bytes / read(from)),
  };
}
