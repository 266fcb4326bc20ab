/**
 * The contract between a plan and a kernel set.
 *
 * A `KernelCall` is one piece of arithmetic on operands whose shapes, dtypes and constants are known.
 * A kernel set answers it with an `Offer` (or `null`: ask the next set). The planner places every
 * operand in one arena, then binds the offer to those places. What `bind` returns is called once an
 * inference and must not allocate.
 *
 * A kernel sees numbers at offsets: no nodes, no names, no files.
 */
import type { DType, Quantization, Shape, TensorData } from '../tensor.ts';

export type Pair = readonly [h: number, w: number];
export interface Pad {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}
/** Bounds in real numbers; −∞ and ∞ where there are none. */
export interface Clamp {
  readonly min: number;
  readonly max: number;
}

export type BinaryFn = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'pow';
export type UnaryFn =
  | ('abs' | 'neg' | 'exp' | 'log' | 'sqrt' | 'rsqrt' | 'square' | 'floor')
  | ('logistic' | 'tanh' | 'hardSwish' | 'elu' | 'leakyRelu');
export type ReduceFn = 'mean' | 'sum';

export interface Window {
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly pad: Pad;
}

/**
 * What kernels compute. Activations are NHWC; operands are listed behind each kind,
 * optional ones in brackets. Integer tensors follow their operands' quantisation.
 */
export type Arithmetic =
  | (Window & { readonly kind: 'conv2d'; readonly groups: number; readonly clamp: Clamp }) // x, w (outC, kH, kW, inC/groups), [bias (outC)]
  | (Window & { readonly kind: 'depthwiseConv2d'; readonly clamp: Clamp }) // x, w (1, kH, kW, outC), [bias]; output c reads input ⌊c·inC/outC⌋
  | { readonly kind: 'transposedConv2d'; readonly stride: Pair; readonly pad: Pad; readonly clamp: Clamp } // x, w (outC, kH, kW, inC), [bias]
  | { readonly kind: 'dense'; readonly clamp: Clamp } // x (…, K), w (N, K), [bias (N)]
  | Pool // x; the average is over cells inside the picture
  | { readonly kind: 'binary'; readonly fn: BinaryFn; readonly clamp: Clamp } // a, b: broadcast
  | { readonly kind: 'unary'; readonly fn: UnaryFn; readonly alpha: number } // x; alpha: slope of leakyRelu
  | { readonly kind: 'clamp'; readonly clamp: Clamp } // x: relu, relu6, relu −1…1
  | { readonly kind: 'prelu' } // x, slope: broadcast
  | { readonly kind: 'softmax'; readonly beta: number } // x, over the innermost axis
  | { readonly kind: 'l2Normalize' } // x, over the innermost axis
  | { readonly kind: 'reduce'; readonly fn: ReduceFn; readonly axes: readonly number[] } // x; axes ascending, kept as 1
  | { readonly kind: 'argMax'; readonly axis: number } // x → i32 or i64, axis dropped; the first maximum wins
  | { readonly kind: 'convert' } // x: quantise, dequantise or requantise, as the operands' dtypes say
  | { readonly kind: 'cast' } // x: the number itself, quantisation ignored
  | FakeQuantize // x: f32 to f32, rounded to the numbers that int8 would hold
  | { readonly kind: 'gather'; readonly axis: number; readonly batchDims: number } // x, indices (i32 or i64)
  | Resize // x
  | MirrorPad // x
  | { readonly kind: 'rfft2d'; readonly length: Pair } // x (…, h, w) → (…, fH, fW/2+1, 2): cut or zero-padded to length fH × fW first
  | { readonly kind: 'complexAbs' } // x (…, 2) → (…)
  | Copy
  | { readonly kind: 'fill'; readonly value: number }; // no operands: every element becomes `value`, as stored

export interface Pool {
  readonly kind: 'maxPool2d' | 'averagePool2d';
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly pad: Pad;
  readonly clamp: Clamp;
}

/**
 * Dynamic fake quantisation: each slice behind the first `batchDims` axes is rounded to int8 with a scale
 * of its own, found from its numbers, and stays f32.
 *
 *   y = s·(q − z),  q = clamp(round(x/s + z))
 *   symmetric    s = max|x| / 127,              z = 0                             q in −127…127
 *   asymmetric   s = (max x − min x) / 255,     z so that min x becomes −128      q in −128…127
 *                (0 always counts as one of the x, and z is whole, so 0 stays 0)
 *
 * Roundings, ties and what is not finite: kernels/reference/fake-quantize.ts.
 * Source: what TensorFlow Lite's hybrid kernels (float activations, int8 weights) do to their input:
 * tensorflow/lite/kernels/internal/reference/portable_tensor_utils.cc.
 */
export interface FakeQuantize {
  readonly kind: 'fakeQuantize';
  readonly batchDims: number;
  readonly symmetric: boolean;
}

/** Sample positions: TensorFlow's `align_corners` and `half_pixel_centers`. */
export interface Resize {
  readonly kind: 'resize';
  readonly mode: 'nearest' | 'bilinear';
  readonly size: Pair;
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** `reflect` leaves the edge out (c b | a b c | b a), `symmetric` repeats it (b a | a b c | c b). */
export interface MirrorPad {
  readonly kind: 'mirrorPad';
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly mode: 'reflect' | 'symmetric';
}

/**
 * out[outBegin + i] = x[begin + step·i permuted]: for loop axis j, 0 ≤ i_j < extent[j],
 * input axis perm[j] is read at begin[perm[j]] + step[perm[j]]·i_j. The rest of the output is left alone.
 * Slices, transposes, the parts of a concatenation and the inside of a padded tensor are all this.
 */
export interface Copy {
  readonly kind: 'copy';
  readonly extent: readonly number[];
  readonly perm: readonly number[];
  readonly begin: readonly number[];
  readonly step: readonly number[];
  readonly outBegin: readonly number[];
}

/** One tensor as a kernel sees it before it has a place. `data` is set for constants, dense. */
export interface Operand {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly quantization: Quantization | null;
  readonly data: TensorData | null;
}

export interface KernelCall {
  readonly arithmetic: Arithmetic;
  readonly inputs: readonly Operand[];
  readonly output: Operand;
}

/**
 * One tensor in its place: element i is `data[offset + Σ i_d·strides[d]]`.
 *
 * Strides are row-major and dense unless the offer said `strided`; then the rows and pixels of a rank-4
 * tensor may lie further apart (a border around the picture, or a slice of a wider tensor), with the
 * innermost stride still 1. `border` counts the cells around each picture that hold the zero point.
 */
export interface View {
  readonly data: TensorData;
  readonly offset: number;
  readonly strides: readonly number[];
  readonly border: Pad;
}

/** Runs one call of one inference. */
export type Step = () => void;

export interface Offer {
  /** Op, dtype, tile, target: `conv2d-i8-3x8-js`. */
  readonly kernel: string;
  /** Activation operands, the output included, may be strided (see `View`). */
  readonly strided?: boolean;
  /** Cells of border that would spare work around input 0; granted or not, the kernel must work. */
  readonly border?: Pad;
  /** Inputs whose place the output may take: output element i is written after input element i is last read. */
  readonly overwrites?: readonly number[];
  /** Bytes of scratch in the arena, 8-aligned, given whether the border is granted. */
  readonly scratch?: (borderGranted: boolean) => number;
  /** Bytes of packed constants that the bound kernel holds beside the network's own. */
  readonly packedBytes?: number;
  readonly bind: (inputs: readonly View[], output: View, scratch: Uint8Array) => Step;
}

export interface KernelSet {
  readonly name: string;
  readonly offer: (call: KernelCall) => Offer | null;
}

export const noPad: Pad = { top: 0, left: 0, bottom: 0, right: 0 };
export const noClamp: Clamp = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
