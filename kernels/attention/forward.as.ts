// softmax(scale Q K^T + mask) V per head, in the manner of flash attention: five query rows at a time,
// their scores never leave this thread's scratch.
//
// Memory: reads q (B, T, E), k and v (B, S, E), padding (B, S) or 0, key (4) or 0; overwrites out
// (B, T, E) and lse (B, H, T). Where `startsIn` is not 0, it holds starts (B + 1) from `firstStart` on:
// then q and out are (N, E), and sentence b has rows starts[b] .. starts[b + 1], at most T; where
// `packsKeys`, so have keys, values and padding. `scratch` as forwardScratch() in scratch.ts counts it.
// Work: units are heads of sentences, b * H + h. A head's sums have one order, whatever the split.
import { A_STEP } from "../matmul/micro_kernels.as";
import { packA } from "../matmul/pack.as";
import { dropoutMultipliers } from "../philox.as";
import {
  copyRows,
  countOf,
  firstOf,
  maskRow,
  multiplyRow,
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

export function attention_forward(
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
  const panels = scratch;
  const mask = panels + rowBytes(longest8, D);
  const scores = mask + rowBytes(1, longest8);
  const tile = scores + rowBytes(ROWS, longest8);
  const a = tile + TILE_BYTES;
  const multipliers = a + <usize>max(longest8, D) * A_STEP + 128;
  const copies = multipliers + rowBytes(1, longest8 + 32);
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
    let values = v + rowBytes(firstKey, E) + head;
    let valueStep = step;
    packHead(panels, keys, E, keyCount, D);
    maskRow(mask, padding ? padding + rowBytes(1, firstKey) : 0, keyCount);
    if (D8 != D) {
      copyRows(copies, values, step, keyCount, D);
      values = copies;
      valueStep = rowBytes(1, D8);
    }
    for (let t = 0; t < queryCount; t += ROWS) {
      const rows = min(ROWS, queryCount - t);
      const limit = visible(t + rows - 1, keyCount, causal);
      const row = rowBytes(firstQuery + t, E) + head;
      packA(a, q + row, step, 4, rows, D);
      scoreRows(a, panels, scores, S8, limit, D);
      for (let i = 0; i < rows; i++) {
        const p = scores + rowBytes(i, S8);
        const first = unit * T + t + i;
        const total = softmaxRow(p, mask, visible(t + i, keyCount, causal), roundUp8(limit), scale);
        store<f32>(lse + ((<usize>first) << 2), total);
        if (key) {
          dropoutMultipliers(multipliers, first * S, limit, key, stream, threshold, keepScale);
          multiplyRow(p, multipliers, limit);
        }
      }
      packA(a, scores, rowBytes(1, S8), 4, rows, limit);
      product(a, values, valueStep, out + row, step, limit, rows, D, tile, false);
    }
    memory.fill(lse + rowBytes(1, unit * T + queryCount), 0, rowBytes(1, T - queryCount));
  }
}
