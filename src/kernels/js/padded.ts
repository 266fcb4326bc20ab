/** A copy of one picture with its border, for windows over a tensor that is not laid out with one. */
import type { Pad, Step, View } from '../call.ts';
import type { WindowGeometry } from '../geometry.ts';

export function paddedBytes(g: WindowGeometry, border: Pad, bytesPerElement: number): number {
  return (
    (border.top + g.inH + border.bottom) * (border.left + g.inW + border.right) * g.inC * bytesPerElement
  );
}

/** The view of the picture inside the scratch array. */
export function paddedView(g: WindowGeometry, border: Pad, data: Uint8Array | Float32Array): View {
  const sW = g.inC;
  const sH = (border.left + g.inW + border.right) * sW;
  return { data, offset: border.top * sH + border.left * sW, strides: [0, sH, sW, 1], border };
}

/** For each picture: copies it into the padded scratch, then runs `step` on it. */
export function padPicture<A extends Uint8Array | Float32Array>(
  x: A,
  input: View,
  scratch: A,
  padded: View,
  g: WindowGeometry,
  zero: number,
  step: (picture: number) => void,
): Step {
  const [sN, sH, sW] = input.strides;
  return () => {
    for (let n = 0; n < g.n; n++) {
      scratch.fill(zero);
      for (let h = 0; h < g.inH; h++)
        for (let w = 0; w < g.inW; w++) {
          let from = input.offset + n * sN + h * sH + w * sW;
          let to = padded.offset + h * padded.strides[1] + w * padded.strides[2];
          for (const end = to + g.inC; to < end; to++, from++) scratch[to] = x[from];
        }
      step(n);
    }
  };
}
