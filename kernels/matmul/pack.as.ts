// Packing for tile5x8: panels that the tile reads front to back. Missing rows and columns are zeros.
import { A_STEP, B_STEP, MR, NR } from "./micro_kernels.as";

/**
 * Rows [0, rows) of A, `rows` <= 5, as (K, 5, 4) at `to`, every element four times.
 * Element (i, k) of A lies at `a + i * rowStep + k * kStep` (bytes).
 */
export function packA(to: usize, a: usize, rowStep: usize, kStep: usize, rows: i32, K: i32): void {
  for (let i = 0; i < MR; i++) {
    let at = to + (<usize>i << 4);
    const end = at + <usize>K * A_STEP;
    if (i >= rows) {
      for (; at < end; at += A_STEP) v128.store(at, f32x4.splat(0));
      continue;
    }
    let from = a + <usize>i * rowStep;
    for (; at < end; at += A_STEP) {
      v128.store(at, f32x4.splat(load<f32>(from)));
      from += kStep;
    }
  }
}

/**
 * Columns [0, N) of B for all K, in panels of 8 columns: (ceil(N / 8), K, 8) at `to`.
 * B is (K, N), or (N, K) when `transposed`, with `step` bytes a row.
 */
export function packB(to: usize, b: usize, step: usize, transposed: bool, N: i32, K: i32): void {
  for (let n = 0; n < N; n += NR) {
    const columns = min(NR, N - n);
    if (transposed) packTransposed(to, b + <usize>n * step, step, columns, K);
    else packRows(to, b + (<usize>n << 2), step, columns, K);
    to += <usize>K * B_STEP;
  }
}

function packRows(to: usize, b: usize, step: usize, columns: i32, K: i32): void {
  const end = to + <usize>K * B_STEP;
  if (columns == NR) {
    for (; to < end; to += B_STEP) {
      v128.store(to, v128.load(b));
      v128.store(to, v128.load(b, 16), 16);
      b += step;
    }
    return;
  }
  for (; to < end; to += B_STEP) {
    for (let j = 0; j < NR; j++) {
      const at = <usize>j << 2;
      store<f32>(to + at, j < columns ? load<f32>(b + at) : 0);
    }
    b += step;
  }
}

function packTransposed(to: usize, b: usize, step: usize, columns: i32, K: i32): void {
  let k = 0;
  if (columns == NR) {
    // 4x4 transposes of two blocks of four rows.
    for (; k + 4 <= K; k += 4) {
      transpose4(to, b, step);
      transpose4(to + 16, b + 4 * step, step);
      to += 4 * B_STEP;
      b += 16;
    }
  }
  for (; k < K; k++) {
    for (let j = 0; j < NR; j++) {
      store<f32>(to + (<usize>j << 2), j < columns ? load<f32>(b + <usize>j * step) : 0);
    }
    to += B_STEP;
    b += 4;
  }
}

@inline
function transpose4(to: usize, b: usize, step: usize): void {
  const r0 = v128.load(b), r1 = v128.load(b + step);
  const r2 = v128.load(b + 2 * step), r3 = v128.load(b + 3 * step);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(low01, low23, 0, 2));
  v128.store(to, v128.shuffle<f64>(low01, low23, 1, 3), B_STEP);
  v128.store(to, v128.shuffle<f64>(high01, high23, 0, 2), 2 * B_STEP);
  v128.store(to, v128.shuffle<f64>(high01, high23, 1, 3), 3 * B_STEP);
}
