// Moving elements: no arithmetic but the sum in movement_scatter_add. dtypes do not matter.
//
// Memory: reads x, overwrites y; never in place, except movement_cache_store.
// Work: rows of the innermost merged axis, or columns where rows would meet.
// Cost: 8 bytes moved per element.
import { loadTail, storeTail } from "../simd_math.as";

@inline
function copySpan(x: usize, y: usize, n: i32): void {
  if (n >= 256) {
    memory.copy(y, x, <usize>n << 2);
    return;
  }
  const bytes = <usize>(n & ~3) << 2;
  for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, v128.load(x + at));
  const tail = n & 3;
  if (tail) storeTail(y + bytes, loadTail(x + bytes, tail, 0), tail);
}

@inline
function fillSpan(y: usize, value: v128, n: i32): void {
  const bytes = <usize>(n & ~3) << 2;
  for (let at: usize = 0; at < bytes; at += 16) v128.store(y + at, value);
  const tail = n & 3;
  if (tail) storeTail(y + bytes, value, tail);
}

/** y[yOffset + i] = x[xOffset + i xStep], xStep 1 or 0. Work: elements. */
export function movement_copy(
  x: usize, y: usize, xOffset: i32, yOffset: i32, xStep: i32, start: i32, end: i32,
): void {
  const to = y + (<usize>(yOffset + start) << 2);
  if (xStep) copySpan(x + (<usize>(xOffset + start) << 2), to, end - start);
  else fillSpan(to, v128.load32_splat(x + (<usize>xOffset << 2)), end - start);
}

/** y[0..n) = value. Work: elements. */
export function movement_fill(y: usize, value: f32, start: i32, end: i32): void {
  fillSpan(y + (<usize>start << 2), f32x4.splat(value), end - start);
}

/**
 * Copies up to five merged axes (d0, d1, d2, d3, inner) from x to y; offsets and strides count
 * elements. A stride of 0 in x repeats. Work: rows d0 d1 d2 d3.
 */
export function movement_strided(
  x: usize, y: usize, xOffset: i32, yOffset: i32,
  d1: i32, d2: i32, d3: i32, inner: i32,
  x0: i32, x1: i32, x2: i32, x3: i32, xStep: i32,
  y0: i32, y1: i32, y2: i32, y3: i32, yStep: i32,
  start: i32, end: i32,
): void {
  for (let row = start; row < end; row++) {
    const i3 = row % d3;
    let rest = row / d3;
    const i2 = rest % d2;
    rest /= d2;
    const i1 = rest % d1;
    const i0 = rest / d1;
    const from = x + (<usize>(xOffset + i0 * x0 + i1 * x1 + i2 * x2 + i3 * x3) << 2);
    const to = y + (<usize>(yOffset + i0 * y0 + i1 * y1 + i2 * y2 + i3 * y3) << 2);
    if (yStep == 1 && xStep == 1) copySpan(from, to, inner);
    else if (yStep == 1 && xStep == 0) fillSpan(to, v128.load32_splat(from), inner);
    else {
      for (let i = 0; i < inner; i++) {
        store<i32>(to + (<usize>(i * yStep) << 2), load<i32>(from + (<usize>(i * xStep) << 2)));
      }
    }
  }
}

/** Rows of y that one unit of movement_transpose writes: a cache line of x. */
const BAND: i32 = 16;

/**
 * y (outer, M, N) from x (outer, N, M), in tiles of 4 x 4. Work: outer * ceil(M / 16) bands.
 */
export function movement_transpose(
  x: usize, y: usize, M: i32, N: i32, start: i32, end: i32,
): void {
  const bands = (M + BAND - 1) / BAND;
  const xRow = <usize>M << 2;
  const yRow = <usize>N << 2;
  for (let unit = start; unit < end; unit++) {
    const outer = unit / bands;
    const first = (unit - outer * bands) * BAND;
    const last = min(first + BAND, M);
    const from = x + <usize>outer * N * xRow;
    const to = y + <usize>outer * M * yRow;
    let n = 0;
    for (; n + 4 <= N; n += 4) {
      let m = first;
      for (; m + 4 <= last; m += 4) {
        const source = from + <usize>n * xRow + (<usize>m << 2);
        const a = v128.load(source);
        const b = v128.load(source + xRow);
        const c = v128.load(source + 2 * xRow);
        const d = v128.load(source + 3 * xRow);
        const abLow = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
        const abHigh = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
        const cdLow = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
        const cdHigh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
        const target = to + <usize>m * yRow + (<usize>n << 2);
        v128.store(target, v128.shuffle<i64>(abLow, cdLow, 0, 2));
        v128.store(target + yRow, v128.shuffle<i64>(abLow, cdLow, 1, 3));
        v128.store(target + 2 * yRow, v128.shuffle<i64>(abHigh, cdHigh, 0, 2));
        v128.store(target + 3 * yRow, v128.shuffle<i64>(abHigh, cdHigh, 1, 3));
      }
      transposeEdge(from, to, xRow, yRow, m, last, n, n + 4);
    }
    transposeEdge(from, to, xRow, yRow, first, last, n, N);
  }
}

function transposeEdge(
  x: usize, y: usize, xRow: usize, yRow: usize, mFirst: i32, mLast: i32, nFirst: i32, nLast: i32,
): void {
  for (let m = mFirst; m < mLast; m++) {
    for (let n = nFirst; n < nLast; n++) {
      const value = load<i32>(x + <usize>n * xRow + (<usize>m << 2));
      store<i32>(y + <usize>m * yRow + (<usize>n << 2), value);
    }
  }
}

/**
 * y[m] = scale x[index[m]], rows of `width`; zeros where the index is outside [0, rows).
 * Work: rows of y. With scale 1 the bits are copied, whatever the dtype.
 */
export function movement_gather(
  x: usize, index: usize, y: usize, rows: i32, width: i32, scale: f32, start: i32, end: i32,
): void {
  const bytes = <usize>(width & ~3) << 2;
  const tail = width & 3;
  const factor = f32x4.splat(scale);
  for (let m = start; m < end; m++) {
    const row = load<i32>(index + (<usize>m << 2));
    const to = y + (<usize>m * width << 2);
    if (<u32>row >= <u32>rows) {
      fillSpan(to, f32x4.splat(0), width);
      continue;
    }
    const from = x + (<usize>row * width << 2);
    if (scale == 1) copySpan(from, to, width);
    else {
      for (let at: usize = 0; at < bytes; at += 16) {
        v128.store(to + at, f32x4.mul(v128.load(from + at), factor));
      }
      if (tail) storeTail(to + bytes, f32x4.mul(loadTail(from + bytes, tail, 0), factor), tail);
    }
  }
}

/**
 * y (rows, width) = 0, then y[index[m]] += scale dy[m] for m = 0, 1, ... in order, skipping the index
 * `skipped` and all outside [0, rows). Work: columns, so that no two threads meet in a row.
 */
export function movement_scatter_add(
  dy: usize, index: usize, y: usize,
  count: i32, rows: i32, width: i32, scale: f32, skipped: i32, adds: i32, start: i32, end: i32,
): void {
  const step = <usize>width << 2;
  const first = <usize>start << 2;
  const columns = end - start;
  const bytes = <usize>(columns & ~3) << 2;
  const tail = columns & 3;
  const factor = f32x4.splat(scale);
  const zero = f32x4.splat(0);
  if (adds) {
    // What is there stays.
  } else if (columns == width) memory.fill(y, 0, <usize>rows * step);
  else {
    for (let row = 0; row < rows; row++) fillSpan(y + <usize>row * step + first, zero, columns);
  }
  for (let m = 0; m < count; m++) {
    const row = load<i32>(index + (<usize>m << 2));
    if (row == skipped || <u32>row >= <u32>rows) continue;
    const from = dy + <usize>m * step + first;
    const to = y + <usize>row * step + first;
    for (let at: usize = 0; at < bytes; at += 16) {
      const term = f32x4.mul(v128.load(from + at), factor);
      v128.store(to + at, f32x4.add(v128.load(to + at), term));
    }
    if (tail) {
      const term = f32x4.mul(loadTail(from + bytes, tail, 0), factor);
      storeTail(to + bytes, f32x4.add(loadTail(to + bytes, tail, 0), term), tail);
    }
  }
}

/**
 * y = cache (R, L, C) but y[r, position] = x[r] for r < rows. In place (y = cache) only the new rows
 * are written. A position outside [0, L) changes nothing. Work: R.
 */
export function movement_cache_store(
  cache: usize, x: usize, position: usize, y: usize,
  rows: i32, L: i32, C: i32, start: i32, end: i32,
): void {
  const at = load<i32>(position);
  const slab = <usize>L * C << 2;
  for (let r = start; r < end; r++) {
    const to = y + <usize>r * slab;
    if (y != cache) memory.copy(to, cache + <usize>r * slab, slab);
    if (r < rows && <u32>at < <u32>L) {
      copySpan(x + (<usize>r * C << 2), to + (<usize>at * C << 2), C);
    }
  }
}
