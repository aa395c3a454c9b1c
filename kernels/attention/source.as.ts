// One decoding step's attention to the sources: the K rows of a sentence look at one set of keys, which
// is read once for five of them.
//
// Memory: reads q (B K, E), keys (slots, E, S), values (slots, S, E), padding (slots, S), slots (B) and
// width (), which holds S, a multiple of 8; overwrites out (B K, E). `scratch` as sourceScratch() in
// scratch.ts counts it.
// Work: units are heads of sentences, b * H + h. A head's sums have one order, whatever the split.
// Cost: nothing is packed but the queries; positions of padding at both ends are passed over, by eights.
import { A_STEP, NR, tile5x8 } from "../matmul/micro_kernels.as";
import { packA } from "../matmul/pack.as";
import { copyRows, maskRow, product, ROWS, roundUp8, rowBytes, softmaxRow, TILE_BYTES } from "./tiles.as";

@inline
function isPadding(padding: usize, s: i32): bool {
  return load<i32>(padding + (<usize>s << 2)) != 0;
}

/** The eight that holds the first position which is no padding; S if there is none. */
function firstOf(padding: usize, S: i32): i32 {
  let s = 0;
  while (s < S && isPadding(padding, s)) s++;
  return s == S ? S : s & ~7;
}

/** Behind the eight that holds the last such position. */
function endOf(padding: usize, S: i32): i32 {
  let s = S;
  while (s > 0 && isPadding(padding, s - 1)) s--;
  return roundUp8(s);
}

export function attention_source(
  q: usize, keys: usize, values: usize, padding: usize, slots: usize, width: usize, out: usize, scratch: usize,
  K: i32, H: i32, D: i32, widest: i32, scale: f32, start: i32, end: i32,
): void {
  const E = H * D;
  const S = min(load<i32>(width), widest);
  const step = rowBytes(1, E), keyStep = rowBytes(1, S);
  const mask = scratch;
  const scores = mask + rowBytes(1, widest);
  const tile = scores + rowBytes(ROWS, widest);
  const a = tile + TILE_BYTES;
  const copies = a + <usize>max(widest, D) * A_STEP + 64;
  const copied = (D & 7) != 0;
  let seen = -1, slot = 0, first = 0, count = 0;
  for (let unit = start; unit < end; unit++) {
    const b = unit / H, h = unit % H;
    const head = rowBytes(h, D);
    if (b != seen) {
      seen = b;
      slot = load<i32>(slots + (<usize>b << 2));
      const own = padding + rowBytes(slot, S);
      first = firstOf(own, S);
      count = max(0, endOf(own, S) - first);
      maskRow(mask, own + (<usize>first << 2), count);
    }
    const ownKeys = keys + rowBytes(slot * E + h * D, S) + (<usize>first << 2);
    let ownValues = values + rowBytes(slot * S + first, E) + head;
    let valueStep = step;
    if (copied) {
      copyRows(copies, ownValues, step, count, D);
      ownValues = copies;
      valueStep = rowBytes(1, roundUp8(D));
    }
    for (let t = 0; t < K; t += ROWS) {
      const rows = min(ROWS, K - t);
      const row = rowBytes(b * K + t, E) + head;
      packA(a, q + row, step, 4, rows, D);
      for (let s = 0; s < count; s += NR) {
        const at = <usize>s << 2;
        tile5x8(a, ownKeys + at, keyStep, scores + at, rowBytes(1, count), D, false);
      }
      for (let i = 0; i < rows; i++) softmaxRow(scores + rowBytes(i, count), mask, count, count, scale);
      packA(a, scores, rowBytes(1, count), 4, rows, count);
      product(a, ownValues, valueStep, out + row, step, count, rows, D, tile, false);
    }
  }
}
