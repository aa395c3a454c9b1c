// What the attention kernels share: products of small tiles, scores of five query rows, softmax of a row.
//
// A head is D contiguous columns of rows E = H * D apart. Key and value rows are used where they lie
// unless D is not a multiple of 8; score rows are S8 = S rounded up to 8 floats long.
import { NR, tile5x8 } from "../matmul/micro_kernels.as";
import { packB } from "../matmul/pack.as";
import { expBelowZero, logv, maxLanes, sumLanes } from "../simd_math.as";

export const ROWS: i32 = 5;
/** Bytes of a spare 5x8 tile. */
export const TILE_BYTES: usize = 192;

@inline
export function roundUp8(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Offset of row `row` of `rows` floats each. */
@inline
export function rowBytes(row: i32, floats: i32): usize {
  return (<usize>row * <usize>floats) << 2;
}

/**
 * C (rows, columns) = A B, or C += A B. `a` is packed by packA with K steps; B is K rows `bStep` bytes
 * apart, of which whole groups of 8 columns are read; `tile` takes what does not fill a 5x8 tile.
 */
export function product(
  a: usize, b: usize, bStep: usize, c: usize, cStep: usize, K: i32,
  rows: i32, columns: i32, tile: usize, accumulate: bool,
): void {
  for (let n = 0; n < columns; n += NR) {
    const width = min(NR, columns - n);
    if (rows == ROWS && width == NR) tile5x8(a, b, bStep, c, cStep, K, accumulate);
    else {
      tile5x8(a, b, bStep, tile, 32, K, false);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < width; j++) {
          const to = c + <usize>i * cStep + (<usize>j << 2);
          const x = load<f32>(tile + rowBytes(i, NR) + (<usize>j << 2));
          store<f32>(to, accumulate ? load<f32>(to) + x : x);
        }
      }
    }
    b += 32;
    c += 32;
  }
}

/** Rows of a head copied together, D8 floats each, zeros behind column D. */
export function copyRows(to: usize, from: usize, step: usize, rows: i32, D: i32): void {
  const width = rowBytes(1, D);
  const padding = rowBytes(1, roundUp8(D)) - width;
  for (let i = 0; i < rows; i++) {
    memory.copy(to, from, width);
    memory.fill(to + width, 0, padding);
    to += width + padding;
    from += step;
  }
}

/** Zeros in the columns of one head, in rows `step` bytes apart. */
export function clearHead(at: usize, rows: i32, D: i32, step: usize): void {
  for (let i = 0; i < rows; i++) {
    memory.fill(at, 0, rowBytes(1, D));
    at += step;
  }
}

/** What is added to the scores of each key, (S8): 0, or -infinity for padding and behind S. */
export function maskRow(to: usize, padding: usize, S: i32): void {
  const S8 = roundUp8(S);
  for (let s = 0; s < S8; s++) {
    const masked = s >= S || (padding != 0 && load<i32>(padding + (<usize>s << 2)) != 0);
    store<f32>(to + (<usize>s << 2), masked ? -Infinity : 0);
  }
}

/** Keys (or values) as (S8 / 8, D, 8) for products with query rows. */
export function packHead(to: usize, from: usize, E: i32, S: i32, D: i32): void {
  packB(to, from, rowBytes(1, E), true, S, D);
}

/** Raw products of five packed rows with the first `limit` packed keys: (5, S8) at `scores`. */
export function scoreRows(a: usize, panels: usize, scores: usize, S8: i32, limit: i32, D: i32): void {
  const panelBytes = <usize>D << 5;
  const step = rowBytes(1, S8);
  for (let s = 0; s < limit; s += NR) {
    tile5x8(a, panels, 32, scores + (<usize>s << 2), step, D, false);
    panels += panelBytes;
  }
}

/** Lanes s, s + 1, s + 2, s + 3 that are below `count`. */
@inline
export function lanesBelow(s: i32, count: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(s), i32x4(0, 1, 2, 3)), i32x4.splat(count));
}

/**
 * Probabilities of the first `count` keys from their raw scores, in place; zeros from there to `limit`,
 * a multiple of 4. All zeros when every key is masked, all NaN when one of the scores is.
 * @returns the log-sum-exp of the masked and scaled scores, 0 when every key is masked.
 */
export function softmaxRow(row: usize, mask: usize, count: i32, limit: i32, scale: f32): f32 {
  let highest = f32x4.splat(-Infinity);
  const factor = f32x4.splat(scale);
  for (let s = 0; s < count; s += 4) {
    const at = <usize>s << 2;
    let x = f32x4.add(f32x4.mul(v128.load(row + at), factor), v128.load(mask + at));
    x = v128.bitselect(x, f32x4.splat(-Infinity), lanesBelow(s, count));
    v128.store(row + at, x);
    highest = f32x4.pmax(highest, x);
  }
  // The maximum passes NaN over, so a row of nothing but masked scores and NaN ends here too: shifted
  // by 0, the first give 0 and the second NaN.
  const highestScore = maxLanes(highest);
  const top: f32 = highestScore == -Infinity ? 0 : highestScore;
  let total = f32x4.splat(0);
  let at = row;
  for (const end = row + (<usize>((count + 3) & ~3) << 2); at < end; at += 16) {
    const y = expBelowZero(f32x4.sub(v128.load(at), f32x4.splat(top)));
    v128.store(at, y);
    total = f32x4.add(total, y);
  }
  memory.fill(at, 0, row + (<usize>limit << 2) - at);
  const sum = sumLanes(total);
  if (sum == 0) return 0;
  const inverse = f32x4.splat(1 / sum);
  for (let s = row; s < at; s += 16) v128.store(s, f32x4.mul(v128.load(s), inverse));
  return top + f32x4.extract_lane(logv(f32x4.splat(sum)), 0);
}

/** x[i] *= y[i] for `count` floats, rounded up to 4. */
@inline
export function multiplyRow(x: usize, y: usize, count: i32): void {
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    v128.store(x + i, f32x4.mul(v128.load(x + i), v128.load(y + i)));
  }
}

/** First row of sentence b, of `longest` rows each or from starts[b] on. */
@inline
export function firstOf(starts: usize, b: i32, longest: i32): i32 {
  return starts ? load<i32>(starts + rowBytes(1, b)) : b * longest;
}

/** Rows of sentence b. */
@inline
export function countOf(starts: usize, b: i32, longest: i32): i32 {
  return starts ? load<i32>(starts + rowBytes(1, b + 1)) - load<i32>(starts + rowBytes(1, b)) : longest;
}

/** Keys that query row t may see. */
@inline
export function visible(t: i32, S: i32, causal: i32): i32 {
  return causal ? min(S, t + 1) : S;
}
