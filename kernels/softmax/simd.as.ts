// Softmax kernels: rows of C floats.
//
// Memory: reads x (or y and dy), overwrites y (or dx), which may be the same rows.
// Work: units are rows; a row's sums have one order.
// Cost: 8 bytes per element forward, 12 backward, while a row fits the first-level cache.
import { expv, loadTail, storeTail, sumLanes } from "../simd_math.as";
import { log1, rowExpSum, rowLogSumExp, rowMax } from "./rows.as";

/** y = exp(x - max) / sum. */
export function softmax_forward(x: usize, y: usize, C: i32, start: i32, end: i32): void {
  const bytes = (<usize>C) << 2;
  for (let row = start; row < end; row++) {
    const from = x + <usize>row * bytes,
      to = y + <usize>row * bytes;
    const top = rowMax(from, C);
    const shift = f32x4.splat(top);
    let total = f32x4.splat(0);
    const whole = (<usize>(C & ~3)) << 2;
    for (let i: usize = 0; i < whole; i += 16) {
      const e = expv(f32x4.sub(v128.load(from + i), shift));
      v128.store(to + i, e);
      total = f32x4.add(total, e);
    }
    if (C & 3) {
      const e = expv(f32x4.sub(loadTail(from + whole, C & 3, -Infinity), shift));
      storeTail(to + whole, e, C & 3);
      total = f32x4.add(total, e);
    }
    scaleRow(to, C, 1 / sumLanes(total));
  }
}

function scaleRow(x: usize, C: i32, factor: f32): void {
  const whole = x + ((<usize>(C & ~3)) << 2);
  for (; x < whole; x += 16) v128.store(x, f32x4.mul(v128.load(x), f32x4.splat(factor)));
  storeTail(x, f32x4.mul(loadTail(x, C & 3, 0), f32x4.splat(factor)), C & 3);
}

/** y = (x - max) - log(sum(exp(x - max))): exact where all logits are far from zero. */
export function softmax_log_forward(x: usize, y: usize, C: i32, start: i32, end: i32): void {
  const bytes = (<usize>C) << 2;
  const whole = (<usize>(C & ~3)) << 2;
  for (let row = start; row < end; row++) {
    const from = x + <usize>row * bytes,
      to = y + <usize>row * bytes;
    const highest = rowMax(from, C);
    const top = f32x4.splat(highest),
      rest = f32x4.splat(log1(rowExpSum(from, C, highest)));
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(to + i, f32x4.sub(f32x4.sub(v128.load(from + i), top), rest));
    }
    const tail = f32x4.sub(f32x4.sub(loadTail(from + whole, C & 3, 0), top), rest);
    storeTail(to + whole, tail, C & 3);
  }
}

/** y (rows) = log(sum(exp(x))). */
export function softmax_log_sum_exp(x: usize, y: usize, C: i32, start: i32, end: i32): void {
  for (let row = start; row < end; row++) {
    const lse = rowLogSumExp(x + ((<usize>row * <usize>C) << 2), C);
    store<f32>(y + ((<usize>row) << 2), lse);
  }
}

/** dx = y (dy - sum(dy y)). */
export function softmax_gradient(
  y: usize,
  dy: usize,
  dx: usize,
  C: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  const whole = (<usize>(C & ~3)) << 2;
  for (let row = start; row < end; row++) {
    const a = y + <usize>row * bytes,
      b = dy + <usize>row * bytes,
      to = dx + <usize>row * bytes;
    let total = f32x4.mul(loadTail(a + whole, C & 3, 0), loadTail(b + whole, C & 3, 0));
    for (let i: usize = 0; i < whole; i += 16) {
      total = f32x4.add(total, f32x4.mul(v128.load(a + i), v128.load(b + i)));
    }
    const dot = f32x4.splat(sumLanes(total));
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(to + i, f32x4.mul(v128.load(a + i), f32x4.sub(v128.load(b + i), dot)));
    }
    const rest = f32x4.sub(loadTail(b + whole, C & 3, 0), dot);
    storeTail(to + whole, f32x4.mul(loadTail(a + whole, C & 3, 0), rest), C & 3);
  }
}

/** dx = dy - exp(y) sum(dy). */
export function softmax_log_gradient(
  y: usize,
  dy: usize,
  dx: usize,
  C: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  const whole = (<usize>(C & ~3)) << 2;
  for (let row = start; row < end; row++) {
    const a = y + <usize>row * bytes,
      b = dy + <usize>row * bytes,
      to = dx + <usize>row * bytes;
    let total = loadTail(b + whole, C & 3, 0);
    for (let i: usize = 0; i < whole; i += 16) total = f32x4.add(total, v128.load(b + i));
    const sum = f32x4.splat(sumLanes(total));
    for (let i: usize = 0; i < whole; i += 16) {
      const p = expv(v128.load(a + i));
      v128.store(to + i, f32x4.sub(v128.load(b + i), f32x4.mul(p, sum)));
    }
    const p = expv(loadTail(a + whole, C & 3, 0));
    storeTail(to + whole, f32x4.sub(loadTail(b + whole, C & 3, 0), f32x4.mul(p, sum)), C & 3);
  }
}

/** dx = exp(x - lse) dy, with lse and dy one number a row. */
export function softmax_log_sum_exp_gradient(
  x: usize,
  lse: usize,
  dy: usize,
  dx: usize,
  C: i32,
  start: i32,
  end: i32,
): void {
  const bytes = (<usize>C) << 2;
  const whole = (<usize>(C & ~3)) << 2;
  for (let row = start; row < end; row++) {
    const from = x + <usize>row * bytes,
      to = dx + <usize>row * bytes;
    const shift = v128.load32_splat(lse + ((<usize>row) << 2));
    const factor = v128.load32_splat(dy + ((<usize>row) << 2));
    for (let i: usize = 0; i < whole; i += 16) {
      const p = expv(f32x4.sub(v128.load(from + i), shift));
      v128.store(to + i, f32x4.mul(p, factor));
    }
    const p = expv(f32x4.sub(loadTail(from + whole, C & 3, 0), shift));
    storeTail(to + whole, f32x4.mul(p, factor), C & 3);
  }
}
