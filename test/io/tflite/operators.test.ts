import { describe, expect, it } from 'vitest';
import { readTflite } from '../../../src/io/tflite/index.ts';
import { converters } from '../../../src/io/tflite/operators/index.ts';
import * as o from '../../../src/io/tflite/schema.ts';
import { testCases } from './cases.ts';
import { choiceCases } from './choice-cases.ts';
import { elementwiseCases } from './elementwise-cases.ts';
import { movementCases } from './movement-cases.ts';
import { runGraph } from './run.ts';
import { windowsCases } from './windows-cases.ts';
import { f32, numbers, writeTflite } from './write.ts';

describe('TFLite operators with weights or a window', () => {
  testCases(windowsCases);
});

describe('TFLite operators that calculate', () => {
  testCases(elementwiseCases);
});

describe('TFLite operators that move numbers', () => {
  testCases(movementCases);
});

describe('TFLite operators that compare and choose', () => {
  testCases(choiceCases);
});

describe('TFLite operators', () => {
  it('all have a case here', () => {
    const cases = [...windowsCases, ...elementwiseCases, ...movementCases, ...choiceCases];
    const tried = new Set(cases.map(({ code }) => code));
    const own = ['RFFT2D', 'COMPLEX_ABS']; // below
    expect([...converters.keys()].filter((name) => !tried.has(name))).toEqual(own);
    expect([...tried].filter((name) => !o.operatorNames.includes(name))).toEqual([]);
  });

  it('RFFT2D and COMPLEX_ABS with a SQUEEZE between: complex64 is f32 with a trailing axis of 2', () => {
    const graph = readTflite(
      writeTflite({
        tensors: [
          f32([1, 1, 4], [1, 2, 3, 4]),
          numbers(1, 4),
          { type: 'complex64', shape: [1, 1, 3] },
          { type: 'complex64', shape: [1, 3] },
          f32([1, 3]),
        ],
        operators: [
          { code: 'RFFT2D', inputs: [0, 1], outputs: [2] },
          {
            code: 'SQUEEZE',
            inputs: [2],
            outputs: [3],
            options: { union: o.squeeze.union, fields: { [o.squeeze.axes]: ['ints', [1]] } },
          },
          { code: 'COMPLEX_ABS', inputs: [3], outputs: [4] },
        ],
        inputs: [0],
        outputs: [4],
      }),
    );
    expect(graph.values[graph.outputs[0]!]!.shape).toEqual([1, 3]);
    const [magnitude] = runGraph(graph, [Float32Array.of(1, 2, 3, 4)]); // 10, −2+2i, −2
    expect(magnitude![0]).toBeCloseTo(10, 5);
    expect(magnitude![1]).toBeCloseTo(Math.sqrt(8), 5);
    expect(magnitude![2]).toBeCloseTo(2, 5);
  });
});
