// Attention probabilities averaged over the first `selected` heads, and their gradient.
//
// Memory: attention_weights reads q (B, T, E), k (B, S, E), padding or 0, overwrites weights (B, T, S);
// attention_weights_gradient reads also dweights (B, T, S), overwrites dq and dk. `scratch` as in scratch.ts.
// Work: units are sentences in the first, heads of sentences b * H + h in the second.
import { A_STEP } from "../matmul/micro_kernels.as";
import { packA } from "../matmul/pack.as";
import { sumLanes } from "../simd_math.as";
import { transposedProduct } from "./backward.as";
import {
  copyRows,
  maskRow,
  packHead,
  product,
  ROWS,
  roundUp8,
  rowBytes,
  scoreRows,
  softmaxRow,
  TILE_BYTES,
  visible,
} from "./tiles.as";

export function attention_weights(
  q: usize,
  k: usize,
  padding: usize,
  weights: usize,
  scratch: usize,
  T: i32,
  S: i32,
  H: i32,
  D: i32,
  selected: i32,
  scale: f32,
  causal: i32,
  start: i32,
  end: i32,
): void {
  const E = H * D,
    S8 = roundUp8(S);
  const step = rowBytes(1, E);
  const panels = scratch;
  const mask = panels + rowBytes(S8, D);
  const scores = mask + rowBytes(1, S8);
  const a = scores + rowBytes(ROWS, S8) + TILE_BYTES;
  const share: f32 = <f32>1 / <f32>selected;
  for (let b = start; b < end; b++) {
    maskRow(mask, padding ? padding + rowBytes(b, S) : 0, S);
    memory.fill(weights + rowBytes(b * T, S), 0, rowBytes(T, S));
    for (let h = 0; h < selected; h++) {
      const head = rowBytes(h, D);
      packHead(panels, k + rowBytes(b * S, E) + head, E, S, D);
      for (let t = 0; t < T; t += ROWS) {
        const rows = min(ROWS, T - t);
        const limit = visible(t + rows - 1, S, causal);
        packA(a, q + rowBytes(b * T + t, E) + head, step, 4, rows, D);
        scoreRows(a, panels, scores, S8, limit, D);
        for (let i = 0; i < rows; i++) {
          const p = scores + rowBytes(i, S8);
          const count = visible(t + i, S, causal);
          softmaxRow(p, mask, count, roundUp8(limit), scale);
          addScaled(weights + rowBytes(b * T + t + i, S), p, share, count);
        }
      }
    }
  }
}

/** y[i] += x[i] factor. */
function addScaled(y: usize, x: usize, factor: f32, count: i32): void {
  let i: usize = 0;
  for (const end = (<usize>(count & ~3)) << 2; i < end; i += 16) {
    v128.store(
      y + i,
      f32x4.add(v128.load(y + i), f32x4.mul(v128.load(x + i), f32x4.splat(factor))),
    );
  }
  for (const end = (<usize>count) << 2; i < end; i += 4) {
    store<f32>(y + i, load<f32>(y + i) + load<f32>(x + i) * factor);
  }
}

/** Probabilities become dS = P (dW - sum(P dW)) factor; `row` is zero from the row's keys to S8. */
function scoreGradient(row: usize, dweights: usize, factor: f32, count: i32): void {
  let total = f32x4.splat(0);
  let i: usize = 0;
  const whole = (<usize>(count & ~3)) << 2,
    end = (<usize>count) << 2;
  for (; i < whole; i += 16) {
    total = f32x4.add(total, f32x4.mul(v128.load(row + i), v128.load(dweights + i)));
  }
  let sum = sumLanes(total);
  for (; i < end; i += 4) sum += load<f32>(row + i) * load<f32>(dweights + i);
  for (i = 0; i < whole; i += 16) {
    const g = f32x4.sub(v128.load(dweights + i), f32x4.splat(sum));
    v128.store(row + i, f32x4.mul(f32x4.mul(v128.load(row + i), g), f32x4.splat(factor)));
  }
  for (; i < end; i += 4) {
    store<f32>(row + i, load<f32>(row + i) * (load<f32>(dweights + i) - sum) * factor);
  }
}

export function attention_weights_gradient(
  q: usize,
  k: usize,
  dweights: usize,
  padding: usize,
  dq: usize,
  dk: usize,
  scratch: usize,
  T: i32,
  S: i32,
  H: i32,
  D: i32,
  pass: i32,
  selected: i32,
  scale: f32,
  causal: i32,
  start: i32,
  end: i32,
): void {
  const E = H * D,
    S8 = roundUp8(S),
    D8 = roundUp8(D);
  const step = rowBytes(1, E);
  const panels = scratch;
  const mask = panels + rowBytes(S8, D);
  const ds = mask + rowBytes(1, S8);
  const tile = ds + rowBytes(pass, S8);
  const a = tile + TILE_BYTES;
  const copies = a + <usize>max(max(S8, D), pass) * A_STEP;
  const factor = scale / <f32>selected;
  for (let unit = start; unit < end; unit++) {
    const b = unit / H,
      h = unit % H;
    const head = rowBytes(h, D);
    const firstKey = rowBytes(b * S, E) + head;
    if (h >= selected || T == 0) {
      clear(dk + firstKey, step, S, D);
      clear(dq + rowBytes(b * T, E) + head, step, T, D);
      continue;
    }
    let keys = k + firstKey;
    let innerStep = step;
    packHead(panels, keys, E, S, D);
    maskRow(mask, padding ? padding + rowBytes(b, S) : 0, S);
    if (D8 != D) {
      innerStep = rowBytes(1, D8);
      copyRows(copies, keys, step, S, D);
      keys = copies;
    }
    for (let t = 0; t < T; t += pass) {
      const count = min(pass, T - t);
      const firstRow = rowBytes(b * T + t, E) + head;
      for (let i = 0; i < count; i += ROWS) {
        const rows = min(ROWS, count - i);
        const limit = visible(t + i + rows - 1, S, causal);
        const block = ds + rowBytes(i, S8);
        packA(a, q + firstRow + rowBytes(i, E), step, 4, rows, D);
        scoreRows(a, panels, block, S8, limit, D);
        for (let j = 0; j < rows; j++) {
          const row = block + rowBytes(j, S8);
          const seen = visible(t + i + j, S, causal);
          softmaxRow(row, mask, seen, S8, scale);
          scoreGradient(row, dweights + rowBytes(b * T + t + i + j, S), factor, seen);
        }
        packA(a, block, rowBytes(1, S8), 4, rows, limit);
        product(
          a,
          keys,
          innerStep,
          dq + firstRow + rowBytes(i, E),
          step,
          limit,
          rows,
          D,
          tile,
          false,
        );
      }
      let queries = q + firstRow;
      if (D8 != D) {
        queries = copies + rowBytes(S, D8);
        copyRows(queries, q + firstRow, step, count, D);
      }
      transposedProduct(
        ds,
        queries,
        innerStep,
        dk + firstKey,
        step,
        a,
        tile,
        count,
        S,
        D,
        t,
        causal,
        t > 0,
      );
    }
  }
}

function clear(to: usize, step: usize, rows: i32, D: i32): void {
  for (let i = 0; i < rows; i++) memory.fill(to + <usize>i * step, 0, (<usize>D) << 2);
}
