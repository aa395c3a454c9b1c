// Sums and maxima over one group of neighbouring axes: x is seen as (outer, reduced, inner).
//
// Memory: reads x, overwrites y; never in place.
// Work: rows (inner = 1), columns (inner > 1) or blocks of a fixed length (one number from all).
//   The order of every sum is fixed by the shape alone, never by the threads.
// Cost: one pass over x at memory speed.
import { loadTail, maxLanes, storeTail, sumLanes } from "../simd_math.as";

// What is reduced, as in reduce.ts.
const SUM: i32 = 0;
const MAX: i32 = 1;
const SQUARE_SUM: i32 = 2;

/** Elements whose f32 sums are added up in f64. */
const CHUNK: i32 = 1024;

@inline
function start(kind: i32): v128 {
  return kind == MAX ? f32x4.splat(-Infinity) : f32x4.splat(0);
}

@inline
function join(kind: i32, total: v128, x: v128): v128 {
  if (kind == MAX) return f32x4.max(total, x);
  if (kind == SUM) return f32x4.add(total, x);
  return f32x4.add(total, f32x4.mul(x, x));
}

/** At most CHUNK elements, in 16 running totals. */
@inline
function reduceChunk(kind: i32, x: usize, n: i32): f32 {
  let t0 = start(kind);
  let t1 = start(kind);
  let t2 = start(kind);
  let t3 = start(kind);
  const whole = x + (<usize>(n & ~15) << 2);
  for (; x < whole; x += 64) {
    t0 = join(kind, t0, v128.load(x));
    t1 = join(kind, t1, v128.load(x, 16));
    t2 = join(kind, t2, v128.load(x, 32));
    t3 = join(kind, t3, v128.load(x, 48));
  }
  let rest = n & 15;
  for (; rest >= 4; rest -= 4) {
    t0 = join(kind, t0, v128.load(x));
    x += 16;
  }
  if (rest) t1 = join(kind, t1, loadTail(x, rest, kind == MAX ? -Infinity : 0));
  if (kind == MAX) return maxLanes(f32x4.max(f32x4.max(t0, t1), f32x4.max(t2, t3)));
  return sumLanes(f32x4.add(f32x4.add(t0, t1), f32x4.add(t2, t3)));
}

@inline
function reduceSpanAs(kind: i32, x: usize, n: i32): f64 {
  let total: f64 = kind == MAX ? -Infinity : 0;
  for (let done = 0; done < n; done += CHUNK) {
    const part: f64 = reduceChunk(kind, x + (<usize>done << 2), min(CHUNK, n - done));
    total = kind == MAX ? max(total, part) : total + part;
  }
  return total;
}

// One function per kind: the compiler drops the other branches of join() only where the kind is a
// constant of the whole function.

function sumSpan(x: usize, n: i32): f64 {
  return reduceSpanAs(SUM, x, n);
}

function maxSpan(x: usize, n: i32): f64 {
  return reduceSpanAs(MAX, x, n);
}

function squareSumSpan(x: usize, n: i32): f64 {
  return reduceSpanAs(SQUARE_SUM, x, n);
}

function reduceSpan(kind: i32, x: usize, n: i32): f64 {
  if (kind == SUM) return sumSpan(x, n);
  return kind == MAX ? maxSpan(x, n) : squareSumSpan(x, n);
}

/** y[row] from `length` neighbouring elements. Work: rows. */
export function reduce_rows(kind: i32, x: usize, y: usize, length: i32, first: i32, end: i32): void {
  for (let row = first; row < end; row++) {
    store<f32>(y + (<usize>row << 2), <f32>reduceSpan(kind, x + (<usize>row * length << 2), length));
  }
}

/** parts[b] (f64) from elements [b block, (b + 1) block) of n. Work: blocks. */
export function reduce_blocks(
  kind: i32, x: usize, parts: usize, n: i32, block: i32, first: i32, end: i32,
): void {
  for (let b = first; b < end; b++) {
    const length = min(block, n - b * block);
    store<f64>(parts + (<usize>b << 3), reduceSpan(kind, x + (<usize>b * block << 2), length));
  }
}

/** y[0] from `count` parts in order. Work: 1. */
export function reduce_parts(
  kind: i32, parts: usize, y: usize, count: i32, first: i32, end: i32,
): void {
  if (first == end) return;
  let total: f64 = kind == MAX ? -Infinity : 0;
  for (let b = 0; b < count; b++) {
    const part = load<f64>(parts + (<usize>b << 3));
    total = kind == MAX ? max(total, part) : total + part;
  }
  store<f32>(y, <f32>total);
}

/** Four rows are joined as (0 + 1) + (2 + 3) before they meet the running total in y. */
@inline
function reduceColumnsAs(
  kind: i32, x: usize, y: usize, length: i32, step: usize, columns: i32,
): void {
  const bytes = <usize>(columns & ~3) << 2;
  const tail = columns & 3;
  for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, start(kind));
  if (tail) storeTail(y + bytes, start(kind), tail);
  let row = 0;
  for (; row + 4 <= length; row += 4) {
    const x1 = x + step;
    const x2 = x1 + step;
    const x3 = x2 + step;
    for (let at: usize = 0; at < bytes; at += 16) {
      const low = join(kind, v128.load(x + at), v128.load(x1 + at));
      const high = join(kind, v128.load(x2 + at), v128.load(x3 + at));
      v128.store(y + at, join(kind, v128.load(y + at), join(kind, low, high)));
    }
    if (tail) {
      const low = join(kind, loadTail(x + bytes, tail, 0), loadTail(x1 + bytes, tail, 0));
      const high = join(kind, loadTail(x2 + bytes, tail, 0), loadTail(x3 + bytes, tail, 0));
      const total = join(kind, loadTail(y + bytes, tail, 0), join(kind, low, high));
      storeTail(y + bytes, total, tail);
    }
    x = x3 + step;
  }
  for (; row < length; row++) {
    for (let at: usize = 0; at < bytes; at += 16) {
      v128.store(y + at, join(kind, v128.load(y + at), v128.load(x + at)));
    }
    if (tail) {
      const total = join(kind, loadTail(y + bytes, tail, 0), loadTail(x + bytes, tail, 0));
      storeTail(y + bytes, total, tail);
    }
    x += step;
  }
}

function sumColumns(x: usize, y: usize, length: i32, step: usize, columns: i32): void {
  reduceColumnsAs(SUM, x, y, length, step, columns);
}

function maxColumns(x: usize, y: usize, length: i32, step: usize, columns: i32): void {
  reduceColumnsAs(MAX, x, y, length, step, columns);
}

/** y (outer, inner) from x (outer, length, inner); sums and maxima only. Work: outer * inner. */
export function reduce_columns(
  kind: i32, x: usize, y: usize, length: i32, inner: i32, first: i32, end: i32,
): void {
  const step = <usize>inner << 2;
  for (let unit = first; unit < end; ) {
    const outer = unit / inner;
    const column = unit - outer * inner;
    const columns = min(inner - column, end - unit);
    const from = x + (<usize>outer * length * inner << 2) + (<usize>column << 2);
    const to = y + (<usize>unit << 2);
    if (kind == SUM) sumColumns(from, to, length, step, columns);
    else maxColumns(from, to, length, step, columns);
    unit += columns;
  }
}
