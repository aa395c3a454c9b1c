// The k best of each row, alone or of log-softmax, without writing the row.
//
// Memory: reads x (N, V) and bias (V) or 0; overwrites values, indices (N, k) and lse (N).
// Work: units are rows. A row is scanned once against its k-th best so far; few elements beat it (about
// k ln(V / k) of random ones), and only these are inserted.
// Cost: 4 bytes per element from memory; the log-softmax reads each chunk again from the first-level cache.
import { CHUNK, emptySum, restOf, sumWith, topOf } from "../softmax/rows.as";

/** Puts a value behind all that are not smaller; the last of `count` falls out. */
function insert(values: usize, indices: usize, count: i32, value: f32, index: i32): void {
  let at = <usize>(count - 1) << 2;
  for (; at > 0 && load<f32>(values + at - 4) < value; at -= 4) {
    store<f32>(values + at, load<f32>(values + at - 4));
    store<i32>(indices + at, load<i32>(indices + at - 4));
  }
  store<f32>(values + at, value);
  store<i32>(indices + at, index);
}

/** x[i] scale + bias[i]. `biased` is known when the loops below are compiled. */
@inline
function candidate(x: usize, bias: usize, biased: bool, i: i32, scale: f32): f32 {
  const at = <usize>i << 2;
  const y = load<f32>(x + at) * scale;
  return biased ? y + load<f32>(bias + at) : y;
}

@inline
function candidates(x: usize, bias: usize, biased: bool, i: i32, scale: v128): v128 {
  const at = <usize>i << 2;
  const y = f32x4.mul(v128.load(x + at), scale);
  return biased ? f32x4.add(y, v128.load(bias + at)) : y;
}

/** Merges elements [from, to) of a row into its k best; of equal ones the first stays in front. */
@inline
function scanAs(
  biased: bool, x: usize, bias: usize, scale: f32, from: i32, to: i32, values: usize, indices: usize, k: i32,
): void {
  let i = from;
  for (const filled = min(to, k); i < filled; i++) {
    insert(values, indices, i + 1, candidate(x, bias, biased, i, scale), i);
  }
  const last = values + (<usize>(k - 1) << 2);
  let limit = v128.load32_splat(last);
  const factor = f32x4.splat(scale);
  for (; i + 8 <= to; i += 8) {
    const above = v128.or(
      f32x4.gt(candidates(x, bias, biased, i, factor), limit),
      f32x4.gt(candidates(x, bias, biased, i + 4, factor), limit),
    );
    if (v128.any_true(above)) {
      for (let j = i; j < i + 8; j++) {
        const value = candidate(x, bias, biased, j, scale);
        if (value > load<f32>(last)) insert(values, indices, k, value, j);
      }
      limit = v128.load32_splat(last);
    }
  }
  for (; i < to; i++) {
    const value = candidate(x, bias, biased, i, scale);
    if (value > load<f32>(last)) insert(values, indices, k, value, i);
  }
}

function scan(x: usize, scale: f32, from: i32, to: i32, values: usize, indices: usize, k: i32): void {
  scanAs(false, x, 0, scale, from, to, values, indices, k);
}

function scanBiased(
  x: usize, bias: usize, scale: f32, from: i32, to: i32, values: usize, indices: usize, k: i32,
): void {
  scanAs(true, x, bias, scale, from, to, values, indices, k);
}

export function search_top_k(
  x: usize, values: usize, indices: usize, V: i32, k: i32, start: i32, end: i32,
): void {
  for (let row = start; row < end; row++) {
    const best = (<usize>row * <usize>k) << 2;
    scan(x + ((<usize>row * <usize>V) << 2), 1, 0, V, values + best, indices + best, k);
  }
}

/** values = x scale - lse + bias of the k best by that, lse of x scale. */
export function search_log_softmax_top_k(
  x: usize, bias: usize, values: usize, indices: usize, lse: usize,
  V: i32, k: i32, scale: f32, start: i32, end: i32,
): void {
  for (let row = start; row < end; row++) {
    const from = x + ((<usize>row * <usize>V) << 2);
    const best = (<usize>row * <usize>k) << 2;
    let sum = emptySum();
    for (let c = 0; c < V; c += CHUNK) {
      const chunk = from + (<usize>c << 2);
      const count = min(CHUNK, V - c);
      sum = sumWith(sum, chunk, count, scale);
      if (bias) scanBiased(from, bias, scale, c, c + count, values + best, indices + best, k);
      else scan(from, scale, c, c + count, values + best, indices + best, k);
    }
    const top = topOf(sum), rest = restOf(sum);
    store<f32>(lse + (<usize>row << 2), top + rest);
    for (let i = values + best; i < values + best + (<usize>k << 2); i += 4) {
      store<f32>(i, load<f32>(i) - top - rest);
    }
  }
}
