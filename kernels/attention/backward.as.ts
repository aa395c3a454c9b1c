// Gradient of attention. Probabilities are computed again from q, k and lse, then
//   dS = P (m (dO V^T) - rowsum(dO O)) scale,  dQ = dS K,  dK = dS^T Q,  dV = (m P)^T dO,
// where m are the dropout multipliers.
//
// Memory: reads q, k, v, out, lse, dout and padding, key or 0; overwrites dq (B, T, E), dk and dv (B, S, E);
// rows lie by `startsIn`, `firstStart` and `packsKeys` as in forward.as.ts.
// `scratch` as backwardScratch() in scratch.ts counts it: P and dS of `pass` query rows lie there.
// Work: units are heads of sentences, b * H + h; sums over t run upwards in passes of `pass` rows.
import { A_STEP } from "../matmul/micro_kernels.as";
import { packA } from "../matmul/pack.as";
import { dropoutMultipliers } from "../philox.as";
import { expBelowZero, sumLanes } from "../simd_math.as";
import {
  clearHead,
  copyRows,
  countOf,
  firstOf,
  lanesBelow,
  maskRow,
  packHead,
  product,
  ROWS,
  roundUp8,
  rowBytes,
  scoreRows,
  TILE_BYTES,
  visible,
} from "./tiles.as";

/** Sum of x[i] y[i] over D floats. */
export function dot(x: usize, y: usize, D: i32): f32 {
  let total = f32x4.splat(0);
  let i: usize = 0;
  for (const end = (<usize>(D & ~3)) << 2; i < end; i += 16) {
    total = f32x4.add(total, f32x4.mul(v128.load(x + i), v128.load(y + i)));
  }
  let sum = sumLanes(total);
  for (const end = (<usize>D) << 2; i < end; i += 4) sum += load<f32>(x + i) * load<f32>(y + i);
  return sum;
}

/** One row: raw scores in `p` become m P, products dO V^T in `ds` become dS; zeros from `count` to S8. */
export function gradientRow(
  p: usize,
  ds: usize,
  mask: usize,
  multipliers: usize,
  lse: f32,
  delta: f32,
  scale: f32,
  count: i32,
  S8: i32,
): void {
  const factor = f32x4.splat(scale);
  let s = 0;
  for (; s < count; s += 4) {
    const at = (<usize>s) << 2;
    const x = f32x4.add(f32x4.mul(v128.load(p + at), factor), v128.load(mask + at));
    const y = v128.and(expBelowZero(f32x4.sub(x, f32x4.splat(lse))), lanesBelow(s, count));
    let kept = y;
    let g = v128.load(ds + at);
    if (multipliers) {
      const m = v128.load(multipliers + at);
      kept = f32x4.mul(y, m);
      g = f32x4.mul(g, m);
    }
    g = f32x4.mul(f32x4.mul(y, f32x4.sub(g, f32x4.splat(delta))), factor);
    // What lies behind the last key is nobody's number, perhaps none at all.
    v128.store(p + at, v128.and(kept, lanesBelow(s, count)));
    v128.store(ds + at, v128.and(g, lanesBelow(s, count)));
  }
  const from = (<usize>s) << 2;
  const rest = ((<usize>S8) << 2) - from;
  memory.fill(p + from, 0, rest);
  memory.fill(ds + from, 0, rest);
}

/**
 * C (S, D) = X^T Y, or +=, for X (rows, S8) and Y `rows` rows of D. X is zero above the diagonal when
 * causal: rows before the first key of a tile are skipped. `t` is the query of X's first row.
 */
export function transposedProduct(
  x: usize,
  y: usize,
  yStep: usize,
  c: usize,
  cStep: usize,
  a: usize,
  tile: usize,
  rows: i32,
  S: i32,
  D: i32,
  t: i32,
  causal: i32,
  accumulate: bool,
): void {
  const S8 = roundUp8(S);
  for (let s = 0; s < S; s += ROWS) {
    const skipped = causal ? min(max(s - t, 0), rows) : 0;
    const keys = min(ROWS, S - s);
    packA(
      a,
      x + rowBytes(skipped, S8) + ((<usize>s) << 2),
      4,
      rowBytes(1, S8),
      keys,
      rows - skipped,
    );
    product(
      a,
      y + <usize>skipped * yStep,
      yStep,
      c + <usize>s * cStep,
      cStep,
      rows - skipped,
      keys,
      D,
      tile,
      accumulate,
    );
  }
}

export function attention_gradient(
  q: usize,
  k: usize,
  v: usize,
  out: usize,
  lse: usize,
  dout: usize,
  padding: usize,
  key: usize,
  startsIn: usize,
  firstStart: i32,
  packsKeys: i32,
  dq: usize,
  dk: usize,
  dv: usize,
  scratch: usize,
  T: i32,
  S: i32,
  H: i32,
  D: i32,
  pass: i32,
  scale: f32,
  causal: i32,
  stream: i32,
  threshold: i32,
  keepScale: f32,
  start: i32,
  end: i32,
): void {
  const E = H * D,
    longest8 = roundUp8(S),
    D8 = roundUp8(D);
  const starts = startsIn ? startsIn + rowBytes(1, firstStart) : 0;
  const keyStarts = packsKeys ? starts : 0;
  const step = rowBytes(1, E);
  const keyPanels = scratch;
  const valuePanels = keyPanels + rowBytes(longest8, D);
  const mask = valuePanels + rowBytes(longest8, D);
  const p = mask + rowBytes(1, longest8);
  const ds = p + rowBytes(pass, longest8);
  const tile = ds + rowBytes(pass, longest8);
  const a = tile + TILE_BYTES;
  const multipliers = a + <usize>max(max(longest8, D), pass) * A_STEP + 128;
  const copies = multipliers + rowBytes(1, longest8 + 32);
  for (let unit = start; unit < end; unit++) {
    const b = unit / H,
      h = unit % H;
    const head = rowBytes(h, D);
    const firstQuery = firstOf(starts, b, T),
      queryCount = countOf(starts, b, T);
    const keyRow = firstOf(keyStarts, b, S),
      keyCount = countOf(keyStarts, b, S);
    const S8 = roundUp8(keyCount);
    const firstKey = rowBytes(keyRow, E) + head;
    let keys = k + firstKey;
    let innerStep = step;
    packHead(keyPanels, keys, E, keyCount, D);
    packHead(valuePanels, v + firstKey, E, keyCount, D);
    maskRow(mask, padding ? padding + rowBytes(1, keyRow) : 0, keyCount);
    if (D8 != D) {
      innerStep = rowBytes(1, D8);
      copyRows(copies, keys, step, keyCount, D);
      keys = copies;
    }
    if (queryCount == 0) {
      clearHead(dk + firstKey, keyCount, D, step);
      clearHead(dv + firstKey, keyCount, D, step);
    }
    for (let t = 0; t < queryCount; t += pass) {
      const count = min(pass, queryCount - t);
      const firstRow = rowBytes(firstQuery + t, E) + head;
      for (let i = 0; i < count; i += ROWS) {
        const rows = min(ROWS, count - i);
        const limit = visible(t + i + rows - 1, keyCount, causal);
        const row = firstRow + rowBytes(i, E);
        const blockP = p + rowBytes(i, S8),
          blockDs = ds + rowBytes(i, S8);
        packA(a, q + row, step, 4, rows, D);
        scoreRows(a, keyPanels, blockP, S8, limit, D);
        packA(a, dout + row, step, 4, rows, D);
        scoreRows(a, valuePanels, blockDs, S8, limit, D);
        for (let j = 0; j < rows; j++) {
          const index = unit * T + t + i + j;
          const at = row + rowBytes(j, E);
          if (key)
            dropoutMultipliers(multipliers, index * S, limit, key, stream, threshold, keepScale);
          gradientRow(
            blockP + rowBytes(j, S8),
            blockDs + rowBytes(j, S8),
            mask,
            key ? multipliers : 0,
            load<f32>(lse + ((<usize>index) << 2)),
            dot(dout + at, out + at, D),
            scale,
            visible(t + i + j, keyCount, causal),
            S8,
          );
        }
        packA(a, blockDs, rowBytes(1, S8), 4, rows, limit);
        product(a, keys, innerStep, dq + row, step, limit, rows, D, tile, false);
      }
      let queries = q + firstRow,
        gradients = dout + firstRow;
      if (D8 != D) {
        const copiedQueries = copies + rowBytes(keyCount, D8);
        const copiedGradients = copiedQueries + rowBytes(pass, D8);
        copyRows(copiedQueries, queries, step, count, D);
        copyRows(copiedGradients, gradients, step, count, D);
        queries = copiedQueries;
        gradients = copiedGradients;
      }
      const more = t > 0;
      transposedProduct(
        p,
        gradients,
        innerStep,
        dv + firstKey,
        step,
        a,
        tile,
        count,
        keyCount,
        D,
        t,
        causal,
        more,
      );
      transposedProduct(
        ds,
        queries,
        innerStep,
        dk + firstKey,
        step,
        a,
        tile,
        count,
        keyCount,
        D,
        t,
        causal,
        more,
      );
    }
  }
}
