/** Each rule of the writer: which operators it chooses, and that the file computes what the network does. */
import { describe, expect, it } from 'vitest';
import { randomInputs } from '../../../graph/random-graph.ts';
import { runGraph } from '../run.ts';
import { writerCases } from './operator-cases.ts';
import { farthest, largest, writeAndRead } from './round-trip.ts';

describe('a written operator', () => {
  it.each(writerCases)('$label', ({ graph, codes, notes = 0, steps = 0, relative = 0 }) => {
    const written = writeAndRead(graph);
    expect(written.file.operators.map(({ code }) => code)).toEqual(codes);
    expect(written.notes).toHaveLength(notes);
    for (let seed = 0; seed < 3; seed++) {
      const inputs = randomInputs(graph, seed);
      const wanted = runGraph(graph, inputs);
      const bound = Math.max(steps, relative * largest(wanted));
      expect(farthest(runGraph(written.graph, inputs), wanted)).toBeLessThanOrEqual(bound);
    }
  });

  it('has a case for every operator that the writer names', () => {
    const tried = new Set(writerCases.flatMap(({ codes }) => codes));
    expect([...tried].sort()).toEqual(
      [
        ...[
          'ABS',
          'ADD',
          'ARG_MAX',
          'ARG_MIN',
          'AVERAGE_POOL_2D',
          'BATCH_MATMUL',
          'CAST',
          'CEIL',
          'COMPLEX_ABS',
        ],
        ...[
          'CONCATENATION',
          'CONV_2D',
          'CONV_3D',
          'COS',
          'DEPTHWISE_CONV_2D',
          'DEQUANTIZE',
          'DIV',
          'ELU',
          'EQUAL',
          'EXP',
        ],
        ...['FLOOR', 'FLOOR_MOD', 'FULLY_CONNECTED', 'GATHER', 'GATHER_ND', 'GREATER', 'GREATER_EQUAL'],
        ...[
          'HARD_SWISH',
          'L2_NORMALIZATION',
          'LEAKY_RELU',
          'LESS',
          'LESS_EQUAL',
          'LOCAL_RESPONSE_NORMALIZATION',
        ],
        ...[
          'LOG',
          'LOGICAL_AND',
          'LOGICAL_NOT',
          'LOGICAL_OR',
          'LOGISTIC',
          'LOG_SOFTMAX',
          'MAXIMUM',
          'MAX_POOL_2D',
        ],
        ...[
          'MEAN',
          'MINIMUM',
          'MIRROR_PAD',
          'MUL',
          'NEG',
          'NOT_EQUAL',
          'PAD',
          'PADV2',
          'POW',
          'PRELU',
          'QUANTIZE',
        ],
        ...[
          'REDUCE_MAX',
          'REDUCE_MIN',
          'REDUCE_PROD',
          'RELU',
          'RELU6',
          'RELU_0_TO_1',
          'RELU_N1_TO_1',
          'RESHAPE',
        ],
        ...[
          'RESIZE_BILINEAR',
          'RESIZE_NEAREST_NEIGHBOR',
          'RFFT2D',
          'ROUND',
          'RSQRT',
          'SELECT_V2',
          'SIGN',
          'SIN',
        ],
        ...[
          'SLICE',
          'SOFTMAX',
          'SQRT',
          'SQUARE',
          'STRIDED_SLICE',
          'SUB',
          'SUM',
          'TANH',
          'TOPK_V2',
          'TRANSPOSE',
        ],
        'TRANSPOSE_CONV',
      ].sort(),
    );
  });
});
