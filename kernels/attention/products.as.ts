// Attention and its gradient where the BLAS multiplies small matrices well: for each head scores are one
// product, and so is each of what follows from them. What it means, and the operands, are those of
// forward.as.ts and backward.as.ts; with a causal mask half of the scores are computed for nothing, at
// several times the speed.
//
// Memory: as there; `scratch` as productsScratch() in scratch.ts counts it: the probabilities (and their
// gradient) of `pass` query rows lie there.
// Work: units are heads of sentences, b * H + h; sums over t run upwards in passes of `pass` rows.
import { sgemm } from "../blas.as";
import { dropoutMultipliers } from "../philox.as";
import { dot, gradientRow } from "./backward.as";
import {
  clearHead,
  countOf,
  firstOf,
  maskRow,
  multiplyRow,
  roundUp8,
  rowBytes,
  softmaxRow,
  visible,
} from "./tiles.as";

/** Room before and behind the multipliers of a row: whole blocks of 32 are written. */
const MARGIN: usize = 128;

export function attention_forward_products(
  q: usize,
  k: usize,
  v: usize,
  padding: usize,
  key: usize,
  startsIn: usize,
  firstStart: i32,
  packsKeys: i32,
  out: usize,
  lse: usize,
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
  const E = H * D;
  const longest8 = roundUp8(S);
  const starts = startsIn ? startsIn + rowBytes(1, firstStart) : 0;
  const keyStarts = packsKeys ? starts : 0;
  const step = rowBytes(1, E);
  const mask = scratch;
  const scores = mask + rowBytes(1, longest8);
  const multipliers = scores + rowBytes(pass, longest8) + MARGIN;
  let masked = -1;
  for (let unit = start; unit < end; unit++) {
    const b = unit / H,
      h = unit % H;
    const head = rowBytes(h, D);
    const firstQuery = firstOf(starts, b, T),
      queryCount = countOf(starts, b, T);
    const firstKey = firstOf(keyStarts, b, S),
      keyCount = countOf(keyStarts, b, S);
    const S8 = roundUp8(keyCount);
    const keys = k + rowBytes(firstKey, E) + head;
    const values = v + rowBytes(firstKey, E) + head;
    if (b != masked) maskRow(mask, padding ? padding + rowBytes(1, firstKey) : 0, keyCount);
    masked = b;
    for (let t = 0; t < queryCount; t += pass) {
      const rows = min(pass, queryCount - t);
      const limit = visible(t + rows - 1, keyCount, causal);
      const row = rowBytes(firstQuery + t, E) + head;
      if (limit > 0) sgemm(0, 1, rows, limit, D, q + row, E, keys, E, 0, scores, S8);
      for (let i = 0; i < rows; i++) {
        const p = scores + rowBytes(i, S8);
        const first = unit * T + t + i;
        const total = softmaxRow(p, mask, visible(t + i, keyCount, causal), roundUp8(limit), scale);
        store<f32>(lse + rowBytes(1, first), total);
        if (key) {
          dropoutMultipliers(multipliers, first * S, limit, key, stream, threshold, keepScale);
          multiplyRow(p, multipliers, limit);
        }
      }
      if (limit > 0) sgemm(0, 0, rows, D, limit, scores, S8, values, E, 0, out + row, E);
      else clearHead(out + row, rows, D, step);
    }
    memory.fill(lse + rowBytes(1, unit * T + queryCount), 0, rowBytes(1, T - queryCount));
  }
}

export function attention_gradient_products(
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
  const E = H * D;
  const longest8 = roundUp8(S);
  const starts = startsIn ? startsIn + rowBytes(1, firstStart) : 0;
  const keyStarts = packsKeys ? starts : 0;
  const step = rowBytes(1, E);
  const mask = scratch;
  const p = mask + rowBytes(1, longest8);
  const ds = p + rowBytes(pass, longest8);
  const multipliers = ds + rowBytes(pass, longest8) + MARGIN;
  let masked = -1;
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
    const keys = k + firstKey,
      values = v + firstKey;
    if (queryCount == 0) {
      clearHead(dk + firstKey, keyCount, D, step);
      clearHead(dv + firstKey, keyCount, D, step);
    } else if (keyCount == 0) {
      clearHead(dq + rowBytes(firstQuery, E) + head, queryCount, D, step);
      continue;
    }
    if (b != masked) maskRow(mask, padding ? padding + rowBytes(1, keyRow) : 0, keyCount);
    masked = b;
    for (let t = 0; t < queryCount; t += pass) {
      const rows = min(pass, queryCount - t);
      const limit = visible(t + rows - 1, keyCount, causal);
      const row = rowBytes(firstQuery + t, E) + head;
      sgemm(0, 1, rows, limit, D, q + row, E, keys, E, 0, p, S8);
      sgemm(0, 1, rows, limit, D, dout + row, E, values, E, 0, ds, S8);
      for (let i = 0; i < rows; i++) {
        const index = unit * T + t + i;
        const at = row + rowBytes(i, E);
        if (key) {
          dropoutMultipliers(multipliers, index * S, limit, key, stream, threshold, keepScale);
        }
        gradientRow(
          p + rowBytes(i, S8),
          ds + rowBytes(i, S8),
          mask,
          key ? multipliers : 0,
          load<f32>(lse + rowBytes(1, index)),
          dot(dout + at, out + at, D),
          scale,
          visible(t + i, keyCount, causal),
          S8,
        );
      }
      const more: f32 = t > 0 ? 1 : 0;
      sgemm(0, 0, rows, D, limit, ds, S8, keys, E, 0, dq + row, E);
      sgemm(1, 0, keyCount, D, rows, p, S8, dout + row, E, more, dv + firstKey, E);
      sgemm(1, 0, keyCount, D, rows, ds, S8, q + row, E, more, dk + firstKey, E);
    }
  }
}
