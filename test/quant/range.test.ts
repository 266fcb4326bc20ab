/** From a range to a scale and zero point, and what is lost on the way to int8 and back. */
import { describe, expect, it } from 'vitest';
import { quantize, rangeOf } from '../../src/kernels/requantize.ts';
import { parametersOf, rangeOfParameters } from '../../src/quant/range.ts';
import { randomStream } from '../../src/random.ts';

const random = randomStream(3);

describe('parametersOf', () => {
  it.each([
    ['pixels are stored exactly', { min: 0, max: 255 }, 1, -128],
    ['symmetric to 1/2', { min: -127.5, max: 127.5 }, 1, -1],
    ['0 is in every range', { min: 10, max: 255 }, 1, -128],
    ['below 0 only', { min: -255, max: -10 }, 1, 127],
    ['nothing but 0', { min: 0, max: 0 }, 1, -128],
    ['too narrow for an f32', { min: -1e-44, max: 0 }, 1, 127],
  ])('%s', (_, range, scale, zeroPoint) => {
    expect(parametersOf(range)).toEqual({ scale: [scale], zeroPoint: [zeroPoint], axis: 0 });
  });

  it('0 comes back as 0, and every number of the range to half a step', () => {
    const i8 = rangeOf('i8');
    for (let trial = 0; trial < 300; trial++) {
      const size = 10 ** (8 * random.uniform() - 4);
      const min = -size * random.uniform();
      const max = size * random.uniform();
      const q = parametersOf({ min, max });
      const [s, z] = [q.scale[0], q.zeroPoint[0]];
      const reach = rangeOfParameters(q);
      expect(quantize(0, s, z, i8)).toBe(z);
      for (let i = 0; i <= 50; i++) {
        const x = min + ((max - min) * i) / 50;
        const back = s * (quantize(x, s, z, i8) - z);
        // A whole zero point may cut half a step off at one end.
        const beyond = x < reach.min || x > reach.max ? 1 : 0.5;
        expect(Math.abs(back - x)).toBeLessThanOrEqual(s * beyond * (1 + 1e-5));
      }
    }
  });
});
