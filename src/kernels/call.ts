/**
 * The contract between a plan and a kernel set.
 *
 * A `KernelCall` is one piece of arithmetic on operands whose shapes, dtypes and constants are known.
 * A kernel set answers it with an `Offer` (or `null`: ask the next set). The planner places every
 * operand in one arena, then binds the offer to those places, or has it emit its code for them. What comes of
 * it is called once an inference and must not allocate.
 *
 * A kernel sees numbers at offsets: no nodes, no names, no files.
 */
import type { DType, Quantization, Shape, TensorData } from '../tensor.ts';
import type { Training } from './train/call.ts';
import type { Program } from './wasm/program.ts';

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

/** `mod` has the sign of the divisor, `fmod` that of the dividend. */
export type ArithmeticFn = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'pow' | 'mod' | 'fmod';
export type CompareFn = 'equal' | 'less' | 'lessOrEqual' | 'greater' | 'greaterOrEqual';
export type LogicFn = 'and' | 'or' | 'xor';
export type BinaryFn = ArithmeticFn | CompareFn | LogicFn;
export type UnaryFn =
  | ('abs' | 'neg' | 'sign' | 'floor' | 'ceil' | 'round' | 'square' | 'sqrt' | 'rsqrt' | 'reciprocal')
  | ('exp' | 'log' | 'sin' | 'cos' | 'erf' | 'not')
  | ('logistic' | 'tanh' | 'hardSwish' | 'elu' | 'leakyRelu' | 'softplus' | 'softsign');
export type ReduceFn = 'mean' | 'sum' | 'max' | 'min' | 'prod';

/** Which way halves go when a real number becomes an integer: away from zero (TFLite), to even (ONNX). */
export type Rounding = 'away' | 'even';

export interface Window {
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly pad: Pad;
}

/**
 * How a quantised operator gets from its exact sum to its stored output. Absent: TFLite's fixed-point
 * multiplier. 'even': a float32 multiplier, halves to even, as ONNX (docs/decisions/0001).
 */
export interface Requantize {
  readonly rounding?: 'even';
}

/** A window over any number of spatial axes; each list has one element an axis. */
export interface WindowNd {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * What kernels compute. Activations are NHWC; operands are listed behind each kind,
 * optional ones in brackets. Integer tensors follow their operands' quantisation; without any, they are
 * plain integers that wrap around.
 */
export type Arithmetic =
  | (Window & Requantize & { readonly kind: 'conv2d'; readonly groups: number; readonly clamp: Clamp }) // x, w (outC, kH, kW, inC/groups), [bias (outC)]
  | (Window & Requantize & { readonly kind: 'depthwiseConv2d'; readonly clamp: Clamp }) // x, w (1, kH, kW, outC), [bias]; output c reads input ⌊c·inC/outC⌋
  | { readonly kind: 'transposedConv2d'; readonly stride: Pair; readonly pad: Pad; readonly clamp: Clamp } // x, w (outC, kH, kW, inC), [bias]
  | (Window & { readonly kind: 'codebookConv2d'; readonly clamp: Clamp }) // x (n, h, w, M·r), codebook (M, K, r), indices (outC, kH, kW, M; u8), [bias (outC)]: conv2d with w[…, m·r + i] = codebook[m, indices[…, m], i]
  | (Requantize & { readonly kind: 'dense'; readonly clamp: Clamp }) // x (…, K), w (N, K), [bias (N)]
  | { readonly kind: 'matmul' } // a (batch…, M, K), b (batch…, K, N): batches broadcast
  | (WindowNd & { readonly kind: 'convNd'; readonly groups: number }) // x (n, …, inC), w (outC, …kernel, inC/groups), [bias (outC)]
  | TransposedConvNd // x (n, …, inC), w (inC, …kernel, outC/groups), [bias (outC)]
  | Pool // x; the average is over cells inside the picture
  | PoolNd // x (n, …, c)
  | MaxPoolIndices // x (n, …, c) → i64
  | (Requantize & { readonly kind: 'binary'; readonly fn: BinaryFn; readonly clamp: Clamp }) // a, b: broadcast; comparisons give bool; pow takes any b
  | { readonly kind: 'where' } // condition (bool), a, b: broadcast
  | { readonly kind: 'unary'; readonly fn: UnaryFn; readonly alpha: number } // x; alpha: slope of leakyRelu, scale of elu
  | { readonly kind: 'clamp'; readonly clamp: Clamp } // x: relu, relu6, relu −1…1
  | { readonly kind: 'prelu' } // x, slope: broadcast
  | { readonly kind: 'softmax'; readonly beta: number; readonly log: boolean } // x, over the innermost axis
  | { readonly kind: 'l2Normalize' } // x, over the innermost axis
  | Lrn // x, over the innermost axis
  | { readonly kind: 'reduce'; readonly fn: ReduceFn; readonly axes: readonly number[] } // x; axes ascending, kept as 1
  | { readonly kind: 'argMax'; readonly axis: number; readonly least: boolean; readonly last: boolean } // x → i32 or i64, axis dropped; the first of equals wins, or the last
  | TopK // x
  | { readonly kind: 'convert'; readonly rounding: Rounding } // x: quantise, dequantise or requantise, as the operands' dtypes say
  | { readonly kind: 'cast' } // x: the number itself, quantisation ignored
  | FakeQuantize // x: f32 to f32, rounded to the numbers that int8 would hold
  | { readonly kind: 'gather'; readonly axis: number; readonly batchDims: number } // x, indices (i32 or i64; < 0 counts from the end)
  | { readonly kind: 'gatherElements'; readonly axis: number } // x, indices: as gather, one an output element
  | { readonly kind: 'gatherNd'; readonly batchDims: number } // x, indices (…, depth): the innermost axis lists leading indices of x
  | Resize // x
  | MirrorPad // x
  | { readonly kind: 'rfft2d'; readonly length: Pair } // x (…, h, w) → (…, fH, fW/2+1, 2): cut or zero-padded to length fH × fW first
  | { readonly kind: 'complexAbs' } // x (…, 2) → (…)
  | Training
  | Copy
  | { readonly kind: 'fill'; readonly value: number }; // no operands: every element becomes `value`, as stored

export interface Pool extends Requantize {
  readonly kind: 'maxPool2d' | 'averagePool2d';
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly pad: Pad;
  readonly clamp: Clamp;
}

/** The output's spatial extents are the builder's to give; those computed without are stride·(in − 1) + span − before. */
export interface TransposedConvNd {
  readonly kind: 'transposedConvNd';
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly before: readonly number[];
  readonly groups: number;
}

interface PoolWindow extends WindowNd {
  readonly kernel: readonly number[];
  /** The average's divisor also counts the cells of the padding. */
  readonly countPad: boolean;
  /** Of the norm (Σ|x|ᵖ)^(1/p) that 'lp' takes. */
  readonly p: number;
}
/** The last windows may run beyond the padding, where there are no cells, if the output's shape says so. */
export interface PoolNd extends PoolWindow {
  readonly kind: 'poolNd';
  readonly fn: 'max' | 'average' | 'lp';
}
/** Where each maximum of poolNd lies, counted in (n, c, …spatial) order; `columnMajor`: spatial axes reversed. */
export interface MaxPoolIndices extends PoolWindow {
  readonly kind: 'maxPoolIndices';
  readonly columnMajor: boolean;
}

/** y = x / (bias + alpha/size · Σ x²)^beta, the sum over `size` channels around each. */
export interface Lrn {
  readonly kind: 'lrn';
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

/** The k largest or least along an axis, in order: the values, or their indices as i64. Of equals the first comes first. */
export interface TopK {
  readonly kind: 'topK';
  readonly axis: number;
  readonly k: number;
  readonly largest: boolean;
  readonly indices: boolean;
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
  /** What is done to the result before it is stored; only sets that say `fuses` are asked for it. */
  readonly following?: readonly Following[];
}

/** One operator fused behind another: its other operands follow those before them in `KernelCall.inputs`. */
export interface Following {
  readonly arithmetic: Arithmetic;
  /** The result that it takes, never stored. */
  readonly x: Operand;
  /** Which of its operands x is. */
  readonly position: number;
  /** How many of the call's inputs are its own. */
  readonly others: number;
  readonly output: Operand;
}

/**
 * How quantised 8-bit activations (one scale) lie between kernels that agree on it.
 *
 *   stored   q, as the tensor says
 *   u8       q + 128 for i8, q for u8, in a byte
 *   i16      q − zeroPoint, in two bytes
 */
export type Encoding = 'stored' | 'u8' | 'i16';

/** One tensor in the memory of generated code. */
export interface Place {
  /** Byte address of element 0. */
  readonly address: number;
  /** In elements, as in `View`. */
  readonly strides: readonly number[];
  readonly border: Pad;
  readonly encoding: Encoding;
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

interface OfferOf {
  /** Op, dtype, tile, target: `conv2d-i8-3x8-js`. */
  readonly kernel: string;
  /** Why this one, where another was possible. */
  readonly reason?: string;
  /** Kernels that would do as well, for a tuner to try: values of `choice` in `KernelSet.offer`. */
  readonly choices?: readonly string[];
  /** Activation operands, the output included, may be strided (see `View`). */
  readonly strided?: boolean;
  /** Cells of border that would spare work around input 0; granted or not, the kernel must work. */
  readonly border?: Pad;
  /** Inputs whose place the output may take: output element i is written after input element i is last read. */
  readonly overwrites?: readonly number[];
  /** The encoding that 8-bit activations, the output included, may have besides `stored`. */
  readonly encoding?: Encoding;
  /** Bytes of scratch in the arena, 8-aligned, given whether input 0 has the border and the encoding asked for. */
  readonly scratch?: (ready: boolean) => number;
}

/** A kernel of ordinary functions. */
export interface BoundOffer extends OfferOf {
  /** Bytes of packed constants that the bound kernel holds beside the network's own. */
  readonly packedBytes?: number;
  readonly bind: (inputs: readonly View[], output: View, scratch: Uint8Array) => Step;
}

/** A kernel that is written into the network's program; constants have no place, their numbers are in the call. */
export interface EmittedOffer extends OfferOf {
  /** Adds one step to the program. `scratch` is a byte address. */
  readonly emit: (
    program: Program,
    inputs: readonly (Place | null)[],
    output: Place,
    scratch: number,
  ) => void;
}

export type Offer = BoundOffer | EmittedOffer;

export interface KernelSet {
  readonly name: string;
  /** `choice`: the name of one of an earlier offer's `choices`. */
  readonly offer: (call: KernelCall, choice?: string) => Offer | null;
  /** What its user should know when it cannot work here. */
  readonly notice?: () => string[];
  /** Takes calls with `following`. */
  readonly fuses?: boolean;
  /** Starts the program that its offers emit into, behind an arena of so many bytes. */
  readonly program?: (arenaBytes: number) => Program;
}

export const noPad: Pad = { top: 0, left: 0, bottom: 0, right: 0 };
export const noClamp: Clamp = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
