// Layer norm, alone and with the residual connection before it.
//
// Work: norm_forward takes rows as units; norm_gradient's units are blocks of rows whose
// number depends on the shape only, so that the sums over rows have one order for any split;
// norm_column_sums adds the blocks up, units are columns.
// Cost: forward 8 bytes per element (16 with a residual), gradient 12 (16) while a row fits the
// first-level cache.
import { dropoutMultipliers } from "../philox.as";
import { loadTail, rowSum, storeTail, sumLanes } from "../simd_math.as";

/** Bytes kept free on both sides of a row of multipliers: Philox writes whole blocks of 32. */
const MARGIN: usize = 128;

/** (x - center)^2 */
@inline
function squaredDeviation(x: v128, center: v128): v128 {
  const d = f32x4.sub(x, center);
  return f32x4.mul(d, d);
}

/** Sum of (x - mean)^2 over C floats. */
@inline
function squaredDeviations(x: usize, C: i32, mean: f32): f32 {
  const center = f32x4.splat(mean);
  const whole = <usize>(C & ~3) << 2, wide = <usize>(C & ~15) << 2;
  let a = squaredDeviation(loadTail(x + whole, C & 3, mean), center);
  let b = f32x4.splat(0), c = f32x4.splat(0), d = f32x4.splat(0);
  let i: usize = 0;
  for (; i < wide; i += 64) {
    a = f32x4.add(a, squaredDeviation(v128.load(x + i), center));
    b = f32x4.add(b, squaredDeviation(v128.load(x + i, 16), center));
    c = f32x4.add(c, squaredDeviation(v128.load(x + i, 32), center));
    d = f32x4.add(d, squaredDeviation(v128.load(x + i, 48), center));
  }
  for (; i < whole; i += 16) b = f32x4.add(b, squaredDeviation(v128.load(x + i), center));
  return sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
}

/** h = residual + m x; m are multipliers or 0 for none. */
@inline
function addRow(x: usize, residual: usize, m: usize, h: usize, C: i32): void {
  const whole = <usize>(C & ~3) << 2;
  const tail = C & 3;
  if (m) {
    for (let i: usize = 0; i < whole; i += 16) {
      const kept = f32x4.mul(v128.load(x + i), v128.load(m + i));
      v128.store(h + i, f32x4.add(v128.load(residual + i), kept));
    }
    const kept = f32x4.mul(loadTail(x + whole, tail, 0), loadTail(m + whole, tail, 0));
    storeTail(h + whole, f32x4.add(loadTail(residual + whole, tail, 0), kept), tail);
  } else {
    for (let i: usize = 0; i < whole; i += 16) {
      v128.store(h + i, f32x4.add(v128.load(residual + i), v128.load(x + i)));
    }
    const sum = f32x4.add(loadTail(residual + whole, tail, 0), loadTail(x + whole, tail, 0));
    storeTail(h + whole, sum, tail);
  }
}

/** y = gain (x - mean) rstd + bias. */
@inline
function normalizeRow(x: usize, gain: usize, bias: usize, y: usize, C: i32, mean: f32, rstd: f32): void {
  const center = f32x4.splat(mean), factor = f32x4.splat(rstd);
  const whole = <usize>(C & ~3) << 2;
  for (let i: usize = 0; i < whole; i += 16) {
    const n = f32x4.mul(f32x4.sub(v128.load(x + i), center), factor);
    v128.store(y + i, f32x4.add(f32x4.mul(n, v128.load(gain + i)), v128.load(bias + i)));
  }
  const tail = C & 3;
  const n = f32x4.mul(f32x4.sub(loadTail(x + whole, tail, 0), center), factor);
  const scaled = f32x4.mul(n, loadTail(gain + whole, tail, 0));
  storeTail(y + whole, f32x4.add(scaled, loadTail(bias + whole, tail, 0)), tail);
}

/**
 * y = norm(h), h = residual + dropout(x), or h = x when `residual` is 0 (then `h` is not written).
 *
 * Memory: reads x, residual (N, C), gain, bias (C), key (4) or 0; overwrites y, h (N, C), mean, rstd (N).
 * y may be x; h may be x or residual.
 */
export function norm_forward(
  x: usize, residual: usize, gain: usize, bias: usize, key: usize, y: usize, h: usize, mean: usize, rstd: usize,
  scratch: usize, C: i32, epsilon: f32, stream: i32, threshold: i32, keepScale: f32, start: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  const multipliers = key ? scratch + MARGIN : 0;
  for (let row = start; row < end; row++) {
    const offset = <usize>row * bytes;
    let from = x + offset;
    if (residual) {
      if (key) dropoutMultipliers(multipliers, row * C, C, key, stream, threshold, keepScale);
      addRow(from, residual + offset, multipliers, h + offset, C);
      from = h + offset;
    }
    const center = rowSum(from, C) / <f32>C;
    const factor: f32 = 1 / sqrt(squaredDeviations(from, C, center) / <f32>C + epsilon);
    store<f32>(mean + (<usize>row << 2), center);
    store<f32>(rstd + (<usize>row << 2), factor);
    normalizeRow(from, gain, bias, y + offset, C, center, factor);
  }
}

/**
 * With n = (h - mean) rstd and g = dy gain: dh = rstd (g - mean(g) - n mean(g n)) + skip, dx = m dh,
 * and into `partials` (blocks, 2, C) the sums of dy n and dy over the rows of each block.
 *
 * Memory: reads h, dy, skip (N, C; skip may be 0), gain (C), mean, rstd (N), key or 0; overwrites dh, dx
 * (dx may be 0) and partials. dh may be dy or skip.
 */
export function norm_gradient(
  h: usize, gain: usize, mean: usize, rstd: usize, dy: usize, skip: usize, key: usize,
  dh: usize, dx: usize, partials: usize, scratch: usize,
  N: i32, C: i32, rowsPerBlock: i32, stream: i32, threshold: i32, keepScale: f32, start: i32, end: i32,
): void {
  const bytes = <usize>C << 2;
  const multipliers = scratch + MARGIN;
  for (let block = start; block < end; block++) {
    const dgain = partials + <usize>(2 * block) * bytes;
    memory.fill(dgain, 0, 2 * bytes);
    const last = min(N, (block + 1) * rowsPerBlock);
    for (let row = block * rowsPerBlock; row < last; row++) {
      const offset = <usize>row * bytes;
      gradientRow(
        h + offset, gain, dy + offset, skip ? skip + offset : 0, dh + offset, dgain, C,
        load<f32>(mean + (<usize>row << 2)), load<f32>(rstd + (<usize>row << 2)),
      );
      if (dx) {
        dropoutMultipliers(multipliers, row * C, C, key, stream, threshold, keepScale);
        multiplyRow(dh + offset, multipliers, dx + offset, C);
      }
    }
  }
}

@inline
function multiplyRow(x: usize, m: usize, y: usize, C: i32): void {
  const whole = <usize>(C & ~3) << 2;
  for (let i: usize = 0; i < whole; i += 16) {
    v128.store(y + i, f32x4.mul(v128.load(x + i), v128.load(m + i)));
  }
  const tail = C & 3;
  storeTail(y + whole, f32x4.mul(loadTail(x + whole, tail, 0), loadTail(m + whole, tail, 0)), tail);
}

/** One row; adds to dgain (C) and dbias (C) right behind it. */
function gradientRow(
  h: usize, gain: usize, dy: usize, skip: usize, dh: usize, dgain: usize, C: i32, mean: f32, rstd: f32,
): void {
  const center = f32x4.splat(mean), factor = f32x4.splat(rstd);
  const tail = C & 3;
  const whole = <usize>(C & ~3) << 2;
  const dbias = dgain + (<usize>C << 2);
  let sum = f32x4.splat(0), dot = f32x4.splat(0);
  for (let i: usize = 0; i < whole; i += 16) {
    const d = v128.load(dy + i);
    const n = f32x4.mul(f32x4.sub(v128.load(h + i), center), factor);
    const g = f32x4.mul(d, v128.load(gain + i));
    sum = f32x4.add(sum, g);
    dot = f32x4.add(dot, f32x4.mul(g, n));
    v128.store(dgain + i, f32x4.add(v128.load(dgain + i), f32x4.mul(d, n)));
    v128.store(dbias + i, f32x4.add(v128.load(dbias + i), d));
  }
  const dTail = loadTail(dy + whole, tail, 0);
  const nTail = f32x4.mul(f32x4.sub(loadTail(h + whole, tail, mean), center), factor);
  const gTail = f32x4.mul(dTail, loadTail(gain + whole, tail, 0));
  sum = f32x4.add(sum, gTail);
  dot = f32x4.add(dot, f32x4.mul(gTail, nTail));
  storeTail(dgain + whole, f32x4.add(loadTail(dgain + whole, tail, 0), f32x4.mul(dTail, nTail)), tail);
  storeTail(dbias + whole, f32x4.add(loadTail(dbias + whole, tail, 0), dTail), tail);

  const a = f32x4.splat(sumLanes(sum) / <f32>C), b = f32x4.splat(sumLanes(dot) / <f32>C);
  for (let i: usize = 0; i < whole; i += 16) {
    const n = f32x4.mul(f32x4.sub(v128.load(h + i), center), factor);
    const g = f32x4.mul(v128.load(dy + i), v128.load(gain + i));
    const d = f32x4.mul(f32x4.sub(f32x4.sub(g, a), f32x4.mul(n, b)), factor);
    v128.store(dh + i, skip ? f32x4.add(d, v128.load(skip + i)) : d);
  }
  const d = f32x4.mul(f32x4.sub(f32x4.sub(gTail, a), f32x4.mul(nTail, b)), factor);
  storeTail(dh + whole, skip ? f32x4.add(d, loadTail(skip + whole, tail, 0)) : d, tail);
}

/** dgain and dbias (C) from partials (blocks, 2, C), blocks added upwards. */
export function norm_column_sums(
  partials: usize, dgain: usize, dbias: usize, blocks: i32, C: i32, start: i32, end: i32,
): void {
  const step = <usize>C << 3;
  let c = start;
  for (; c + 4 <= end; c += 4) {
    const column = <usize>c << 2;
    let g = f32x4.splat(0), b = f32x4.splat(0);
    let at = partials + column;
    for (let block = 0; block < blocks; block++) {
      g = f32x4.add(g, v128.load(at));
      b = f32x4.add(b, v128.load(at + (step >> 1)));
      at += step;
    }
    v128.store(dgain + column, g);
    v128.store(dbias + column, b);
  }
  for (; c < end; c++) {
    const column = <usize>c << 2;
    let g: f32 = 0, b: f32 = 0;
    let at = partials + column;
    for (let block = 0; block < blocks; block++) {
      g += load<f32>(at);
      b += load<f32>(at + (step >> 1));
      at += step;
    }
    store<f32>(dgain + column, g);
    store<f32>(dbias + column, b);
  }
}
