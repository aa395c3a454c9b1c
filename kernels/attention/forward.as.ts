// softmax(scale Q K^T + mask) V per head, in the manner of flash attention: five query rows at a time,
// their scores never leave this thread's scratch.
//
// Memory: reads q (B, T, E), k and v (B, S, E), padding (B, S) or 0, key (4) or 0; overwrites out
// (B, T, E) and lse (B, H, T). `scratch` as forwardScratch() in scratch.ts counts it.
// Work: units are heads of sentences, b * H + h. A head's sums have one order, whatever the split.
import { A_STEP } from "../matmul/micro_kernels.as";
import { packA } from "../matmul/pack.as";
import { dropoutMultipliers } from "../philox.as";
import {
  copyRows,
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
    S8 = roundUp8(S),
    D8 = roundUp8(D);
  const step = rowBytes(1, E);
  const panels = scratch;
  const mask = panels + rowBytes(S8, D);
  const scores = mask + rowBytes(1, S8);
  const tile = scores + rowBytes(ROWS, S8);
  const a = tile + TILE_BYTES;
  const multipliers = a + <usize>max(S8, D) * A_STEP + 64;
  const copies = multipliers + rowBytes(1, S8 + 32);
  for (let unit = start; unit < end; unit++) {
    const b = unit / H,
      h = unit % H;
    const head = rowBytes(h, D);
    const keys = k + rowBytes(b * S, E) + head;
    let values = v + rowBytes(b * S, E) + head;
    let valueStep = step;
    packHead(panels, keys, E, S, D);
    maskRow(mask, padding ? padding + rowBytes(b, S) : 0, S);
    if (D8 != D) {
      copyRows(copies, values, step, S, D);
      values = copies;
      valueStep = rowBytes(1, D8);
    }
    for (let t = 0; t < T; t += ROWS) {
      const rows = min(ROWS, T - t);
      const limit = visible(t + rows - 1, S, causal);
      const row = rowBytes(b * T + t, E) + head;
      packA(a, q + row, step, 4, rows, D);
      scoreRows(a, panels, scores, S8, limit, D);
      for (let i = 0; i < rows; i++) {
        const p = scores + rowBytes(i, S8);
        const first = unit * T + t + i;
        const total = softmaxRow(p, mask, visible(t + i, S, causal), roundUp8(limit), scale);
        store<f32>(lse + ((<usize>first) << 2), total);
        if (key) {
          dropoutMultipliers(multipliers, first * S, limit, key, stream, threshold, keepScale);
          multiplyRow(p, multipliers, limit);
        }
      }
      packA(a, scores, rowBytes(1, S8), 4, rows, limit);
      product(a, values, valueStep, out + row, step, limit, rows, D, tile, false);
    }
  }
}
