// What the edge's kernels mean. Float64 and whole numbers, plain loops, never fast.

/** Rows (M, K) as integers with one scale each: scale = max |x| / 127, q = x / scale to the nearest. */
export function quantiseRows(
  x: ArrayLike<number>,
  M: number,
  K: number,
): { q: Int32Array; scales: Float64Array } {
  const q = new Int32Array(M * K);
  const scales = new Float64Array(M);
  for (let m = 0; m < M; m++) {
    let top = 0;
    for (let k = 0; k < K; k++) top = Math.max(top, Math.abs(x[m * K + k]));
    scales[m] = top / 127;
    for (let k = 0; k < K; k++) q[m * K + k] = top > 0 ? Math.round((x[m * K + k] * 127) / top) : 0;
  }
  return { q, scales };
}

/** A quantised matrix: element (n, k) = integer(n, k) * scales[n]. */
export interface IntegerMatrix {
  readonly rows: number;
  readonly columns: number;
  integer(n: number, k: number): number;
  readonly scales: ArrayLike<number>;
}

/** y (M, N) = x W^T + bias, with x quantised row by row. */
export function quantisedLinear(
  x: ArrayLike<number>,
  M: number,
  { rows: N, columns: K, integer, scales }: IntegerMatrix,
  bias: ArrayLike<number> | undefined,
): Float64Array {
  const { q, scales: xs } = quantiseRows(x, M, K);
  const y = new Float64Array(M * N);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += q[m * K + k] * integer(n, k);
      y[m * N + n] = sum * xs[m] * scales[n] + (bias?.[n] ?? 0);
    }
  }
  return y;
}

/** Element (n, k) of 4-bit blocks: (nibble - 8) * the block's step. */
export function int4At(
  nibbles: Uint8Array,
  steps: Uint8Array,
  blocks: number,
  n: number,
  k: number,
): number {
  const block = n * blocks + Math.floor(k / 32);
  const place = k % 32;
  const pair = nibbles[16 * block + (place % 16)];
  return ((place < 16 ? pair & 15 : pair >> 4) - 8) * steps[block];
}

/** A row's attention: its query (H * D), and the keys and values (each H * D) of what it looks at. */
export interface AttendedRow {
  readonly query: ArrayLike<number>;
  readonly keys: readonly ArrayLike<number>[];
  readonly values: readonly ArrayLike<number>[];
}

/** Scaled dot-product attention of one row; `weights` are averaged over the heads. */
export function attendRow(
  { query, keys, values }: AttendedRow,
  H: number,
  D: number,
): { out: Float64Array; weights: Float64Array } {
  const out = new Float64Array(H * D);
  const weights = new Float64Array(keys.length);
  for (let h = 0; h < H; h++) {
    const scores = keys.map((key) => {
      let dot = 0;
      for (let d = h * D; d < (h + 1) * D; d++) dot += query[d] * key[d];
      return dot / Math.sqrt(D);
    });
    const top = Math.max(...scores);
    const total = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
    for (const [j, score] of scores.entries()) {
      const p = Math.exp(score - top) / total;
      weights[j] += p / H;
      for (let d = h * D; d < (h + 1) * D; d++) out[d] += p * values[j][d];
    }
  }
  return { out, weights };
}
