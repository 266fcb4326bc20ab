/** What a decoded picture is. */

/**
 * Pixels, row-major, channels interleaved: data[(y·width + x)·channels + c].
 *
 *   channels  1 grey, 2 grey + alpha, 3 red green blue, 4 red green blue + alpha; alpha is not premultiplied
 *   data      values 0 … 255: bytes, or real numbers when the file had 16 bits a sample (v/257, nothing is lost)
 */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  readonly data: Uint8Array | Float32Array;
}
