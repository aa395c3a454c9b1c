// y = activation(x W^T + bias) in 32-bit floats.
//
// Memory: reads x (M, K), w (N, K), bias (N) or 0; overwrites y: M rows of N floats, `stepY` bytes apart.
//   `scratch` has 16 bytes.
// Sums: as in dot.as.ts, whatever the number of rows, so a row does not depend on the others.
import { dotProducts } from "../matmul/dot.as";
import { addBiasAndActivate } from "../matmul/epilogue.as";

export function linear_f32(
  x: usize, w: usize, bias: usize, y: usize, scratch: usize, stepY: i32, M: i32, N: i32, K: i32, activation: i32,
): void {
  const step = <usize>K << 2;
  dotProducts(x, step, w, step, y, stepY, scratch, M, N, K, false);
  addBiasAndActivate(y, stepY, bias, 0, activation, M, N);
}
