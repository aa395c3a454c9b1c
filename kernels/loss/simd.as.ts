// Cross entropy with label smoothing from logits, its gradient, and the count of right predictions.
//
// Work: units are rows of V logits. Row results go to shared memory and are summed in order by one thread.
// Cost: logits are read once forward (in chunks that stay in the first-level cache), and read and
// written once backward. With the gradient at once they are read and written once in all.
import { expBelowZero, expv, loadTail, rowSum, storeTail, sumLanes } from "../simd_math.as";
import { CHUNK, emptySum, log1, restOf, rowMax, sumWith, topOf } from "../softmax/rows.as";

/**
 * dx = exp(x - top) over V floats, and their sum; dx may be x.
 */
@inline
function expRow(x: usize, dx: usize, V: i32, top: f32): f32 {
  const whole = <usize>(V & ~3) << 2, wide = <usize>(V & ~7) << 2;
  const shift = f32x4.splat(top);
  let a = f32x4.splat(0), b = f32x4.splat(0);
  let i: usize = 0;
  for (; i < wide; i += 32) {
    const p = expBelowZero(f32x4.sub(v128.load(x + i), shift));
    const q = expBelowZero(f32x4.sub(v128.load(x + i, 16), shift));
    v128.store(dx + i, p);
    v128.store(dx + i, q, 16);
    a = f32x4.add(a, p);
    b = f32x4.add(b, q);
  }
  if (i < whole) {
    const p = expBelowZero(f32x4.sub(v128.load(x + i), shift));
    v128.store(dx + i, p);
    a = f32x4.add(a, p);
  }
  const p = expBelowZero(f32x4.sub(loadTail(x + whole, V & 3, -Infinity), shift));
  storeTail(dx + whole, p, V & 3);
  return sumLanes(f32x4.add(f32x4.add(a, b), p));
}

/** x = x scale - floor over V floats. */
@inline
function scaleRow(x: usize, V: i32, scale: f32, floor: f32): void {
  const whole = x + (<usize>(V & ~3) << 2), wide = x + (<usize>(V & ~15) << 2);
  const factor = f32x4.splat(scale), less = f32x4.splat(floor);
  for (; x < wide; x += 64) {
    v128.store(x, f32x4.sub(f32x4.mul(v128.load(x), factor), less));
    v128.store(x, f32x4.sub(f32x4.mul(v128.load(x, 16), factor), less), 16);
    v128.store(x, f32x4.sub(f32x4.mul(v128.load(x, 32), factor), less), 32);
    v128.store(x, f32x4.sub(f32x4.mul(v128.load(x, 48), factor), less), 48);
  }
  for (; x < whole; x += 16) {
    v128.store(x, f32x4.sub(f32x4.mul(v128.load(x), factor), less));
  }
  storeTail(x, f32x4.sub(f32x4.mul(loadTail(x, V & 3, 0), factor), less), V & 3);
}

/**
 * Per row: lse, and into `sums` (N, 2) the smoothed and the plain loss. Zeros where target = padding.
 * With `dlogits` also the gradient of the smoothed loss, as loss_gradient for dloss = 1 and dnll = 0:
 * while the row is in the cache, from the exponentials that the sum needs.
 *
 * Memory: reads logits (N, V), target (N); overwrites lse (N), sums and, unless it is 0, dlogits (N, V),
 * which may be logits.
 */
export function loss_rows(
  logits: usize, target: usize, lse: usize, sums: usize, dlogits: usize,
  V: i32, epsilon: f32, padding: i32, start: i32, end: i32,
): void {
  const smoothed = <f64>epsilon / <f64>(V - 1);
  for (let row = start; row < end; row++) {
    const y = load<i32>(target + (<usize>row << 2));
    const sum = sums + (<usize>row << 3);
    const offset = (<usize>row * <usize>V) << 2;
    const dx = dlogits + offset;
    if (y == padding) {
      store<f32>(lse + (<usize>row << 2), 0);
      store<f64>(sum, 0);
      if (dlogits) memory.fill(dx, 0, <usize>V << 2);
      continue;
    }
    const x = logits + offset, at = <usize>y << 2;
    const right = load<f32>(x + at);
    let sumExp = emptySum();
    let highest: f32 = -Infinity;
    let plain: f64 = 0;
    for (let c = 0; c < V; c += CHUNK) {
      const from = x + (<usize>c << 2);
      const count = min(CHUNK, V - c);
      if (dlogits) highest = max(highest, rowMax(from, count));
      else sumExp = sumWith(sumExp, from, count, 1);
      if (epsilon > 0) plain += <f64>rowSum(from, count);
    }
    let log: f32;
    if (dlogits) {
      // Where all is -infinity or NaN, as in sumWith().
      const top: f32 = highest > -Infinity ? highest : 0;
      const total = expRow(x, dx, V, top);
      log = top + log1(total);
      scaleRow(dx, V, 1 / total, <f32>smoothed);
      store<f32>(dx + at, load<f32>(dx + at) - <f32>(1 - <f64>epsilon - smoothed));
    } else log = topOf(sumExp) + restOf(sumExp);
    const nll = log - right;
    let loss = nll;
    if (epsilon > 0) {
      const all = <f64>V * <f64>log - plain;
      loss = <f32>((1 - <f64>epsilon - smoothed) * <f64>nll + smoothed * all);
    }
    store<f32>(lse + (<usize>row << 2), log);
    store<f32>(sum, loss);
    store<f32>(sum, nll, 4);
  }
}

/** first and second () from pairs (N, 2), added in order. One unit of work. */
export function loss_sum_pairs(pairs: usize, first: usize, second: usize, N: i32, start: i32, end: i32): void {
  let a: f64 = 0, b: f64 = 0;
  for (const last = pairs + (<usize>N << 3); pairs < last; pairs += 8) {
    a += <f64>load<f32>(pairs);
    b += <f64>load<f32>(pairs, 4);
  }
  store<f32>(first, <f32>a);
  store<f32>(second, <f32>b);
}

/**
 * dlogits = exp(x - lse) (dloss + dnll) - dloss e/(V-1), less dloss (1 - e - e/(V-1)) + dnll at the target;
 * zeros where target = padding.
 *
 * Memory: reads logits, target, lse, dloss (), dnll () or 0; overwrites dlogits, which may be logits.
 */
export function loss_gradient(
  logits: usize, target: usize, lse: usize, dloss: usize, dnll: usize, dlogits: usize,
  V: i32, epsilon: f32, padding: i32, start: i32, end: i32,
): void {
  const smoothed = epsilon / <f32>(V - 1);
  const dl = load<f32>(dloss);
  const dn: f32 = dnll ? load<f32>(dnll) : 0;
  const scale = f32x4.splat(dl + dn), floor = f32x4.splat(dl * smoothed);
  const peak = dl * (1 - epsilon - smoothed) + dn;
  const whole = <usize>(V & ~3) << 2;
  for (let row = start; row < end; row++) {
    const y = load<i32>(target + (<usize>row << 2));
    const x = logits + ((<usize>row * <usize>V) << 2), dx = dlogits + ((<usize>row * <usize>V) << 2);
    if (y == padding) {
      memory.fill(dx, 0, <usize>V << 2);
      continue;
    }
    const shift = v128.load32_splat(lse + (<usize>row << 2));
    for (let i: usize = 0; i < whole; i += 16) {
      const p = expv(f32x4.sub(v128.load(x + i), shift));
      v128.store(dx + i, f32x4.sub(f32x4.mul(p, scale), floor));
    }
    const p = expv(f32x4.sub(loadTail(x + whole, V & 3, 0), shift));
    storeTail(dx + whole, f32x4.sub(f32x4.mul(p, scale), floor), V & 3);
    const at = dx + (<usize>y << 2);
    store<f32>(at, load<f32>(at) - peak);
  }
}

/**
 * Into `counts` (N, 2): whether the target is the first of the largest logits, and whether it counts at all.
 *
 * Memory: reads logits (N, V), target (N); overwrites counts.
 */
export function loss_count_rows(
  logits: usize, target: usize, counts: usize, V: i32, padding: i32, start: i32, end: i32,
): void {
  for (let row = start; row < end; row++) {
    const y = load<i32>(target + (<usize>row << 2));
    const to = counts + (<usize>row << 3);
    if (y == padding) {
      store<f64>(to, 0);
      continue;
    }
    const x = logits + ((<usize>row * <usize>V) << 2);
    const at = x + (<usize>y << 2);
    const value = load<f32>(at);
    const first = value > rowMax(x, y) && value >= rowMax(at, V - y);
    // A target of -infinity beats nothing before it, unless nothing is before it.
    store<f32>(to, first || (y == 0 && value >= rowMax(x, V)) ? 1 : 0);
    store<f32>(to, 1, 4);
  }
}
