// Optimiser kernels over flat buffers. Work: units are elements; each is computed alone, so any split
// gives the same bits. Cost: adam moves 28 bytes per parameter, ema 12.

/** True for finite numbers. */
@inline
function finite(x: f32): bool {
  return x - x == 0;
}

@inline
function copyPart(to: usize, from: usize, start: i32, end: i32): void {
  const first = <usize>start << 2;
  if (to != from) memory.copy(to + first, from + first, <usize>(end - start) << 2);
}

/**
 * Reference 2.9: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, p -= lr wd p, then
 * p -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps), with g = multiplier gradient.
 *
 * Memory: reads gradient (n), scalars (8), multiplier (); reads p, m, v (n) and overwrites newP, newM, newV,
 * which may be the same. A multiplier that is not finite changes nothing: p, m and v are passed on.
 */
export function optimizer_adam(
  p: usize, gradient: usize, m: usize, v: usize, scalars: usize, multiplier: usize,
  newP: usize, newM: usize, newV: usize, start: i32, end: i32,
): void {
  const factor = load<f32>(multiplier);
  if (!finite(factor)) {
    copyPart(newP, p, start, end);
    copyPart(newM, m, start, end);
    copyPart(newV, v, start, end);
    return;
  }
  const lr = load<f32>(scalars), beta1 = load<f32>(scalars, 4), beta2 = load<f32>(scalars, 8);
  const eps = load<f32>(scalars, 12), decay = load<f32>(scalars, 16);
  const correction1 = load<f32>(scalars, 20), correction2 = load<f32>(scalars, 24);
  const step = <f32>((<f64>lr * sqrt<f64>(<f64>correction2)) / <f64>correction1);
  const shrink = lr * decay;
  const b1 = f32x4.splat(beta1), b2 = f32x4.splat(beta2);
  const c1 = f32x4.splat(1 - beta1), c2 = f32x4.splat(1 - beta2);
  const scale = f32x4.splat(factor), e = f32x4.splat(eps), s = f32x4.splat(step), w = f32x4.splat(shrink);
  let i = <usize>start << 2;
  for (const whole = <usize>(end - ((end - start) & 3)) << 2; i < whole; i += 16) {
    const g = f32x4.mul(v128.load(gradient + i), scale);
    const first = f32x4.add(f32x4.mul(b1, v128.load(m + i)), f32x4.mul(c1, g));
    const second = f32x4.add(f32x4.mul(b2, v128.load(v + i)), f32x4.mul(c2, f32x4.mul(g, g)));
    const old = v128.load(p + i);
    const decayed = f32x4.sub(old, f32x4.mul(w, old));
    const move = f32x4.div(first, f32x4.add(f32x4.sqrt(second), e));
    v128.store(newM + i, first);
    v128.store(newV + i, second);
    v128.store(newP + i, f32x4.sub(decayed, f32x4.mul(s, move)));
  }
  for (const last = <usize>end << 2; i < last; i += 4) {
    const g = load<f32>(gradient + i) * factor;
    const first = beta1 * load<f32>(m + i) + (1 - beta1) * g;
    const second = beta2 * load<f32>(v + i) + (1 - beta2) * (g * g);
    const old = load<f32>(p + i);
    const move: f32 = first / (sqrt<f32>(second) + eps);
    store<f32>(newM + i, first);
    store<f32>(newV + i, second);
    store<f32>(newP + i, old - shrink * old - step * move);
  }
}

/**
 * multiplier min(1, maxNorm / (norm + 1e-6)), norm = sqrt(squareSum) multiplier; the multiplier alone
 * when maxNorm is 0; NaN when the norm is not finite. One unit of work.
 *
 * Memory: reads squareSum (), multiplier (); overwrites coefficient ().
 */
export function optimizer_clip_coefficient(
  squareSum: usize, multiplier: usize, coefficient: usize, maxNorm: f32, start: i32, end: i32,
): void {
  const factor = load<f32>(multiplier);
  const norm = sqrt<f32>(load<f32>(squareSum)) * factor;
  let result = factor;
  if (!finite(norm)) result = NaN;
  else if (maxNorm > 0) result = factor * min<f32>(1, maxNorm / (norm + 1e-6));
  store<f32>(coefficient, result);
}

/** decay average + (1 - decay) parameter. Memory: reads both (n) and decay (); newAverage may be average. */
export function optimizer_ema(
  average: usize, parameter: usize, decay: usize, newAverage: usize, start: i32, end: i32,
): void {
  const kept = load<f32>(decay), added: f32 = 1 - kept;
  const a = f32x4.splat(kept), b = f32x4.splat(added);
  let i = <usize>start << 2;
  for (const whole = <usize>(end - ((end - start) & 3)) << 2; i < whole; i += 16) {
    const x = f32x4.mul(a, v128.load(average + i));
    v128.store(newAverage + i, f32x4.add(x, f32x4.mul(b, v128.load(parameter + i))));
  }
  for (const last = <usize>end << 2; i < last; i += 4) {
    store<f32>(newAverage + i, kept * load<f32>(average + i) + added * load<f32>(parameter + i));
  }
}

/**
 * One step of the dynamic loss scale (loss_scaler.ts): after a good step the scale grows every `window` steps;
 * after an overflow it shrinks, unless that is still tolerated; nothing changes if there was an overflow that who
 * prepared the step does not know. One unit of work.
 *
 * Memory: reads scale (), counters i32 (5), squareSum (), multiplier (), known i32 (); overwrites newScale (),
 * newCounters (5), which may be the same, coefficient () and normOut ().
 */
export function optimizer_loss_scale(
  scale: usize, counters: usize, squareSum: usize, multiplier: usize, known: usize,
  newScale: usize, newCounters: usize, coefficient: usize, normOut: usize,
  window: i32, factor: f32, tolerance: f32, threshold: f32, minimum: f32, maxNorm: f32, start: i32, end: i32,
): void {
  const before = load<f32>(scale), iter = load<i32>(counters);
  let lastOverflow = load<i32>(counters, 4), lastRescale = load<i32>(counters, 8), overflows = load<i32>(counters, 12);
  let after = before, result = load<f32>(multiplier) / before, status = 0;
  const norm = sqrt<f32>(load<f32>(squareSum)) * result;
  if (lastOverflow != load<i32>(known)) {
    status = 3;
    result = NaN;
  } else if (finite(norm)) {
    if (maxNorm > 0 && norm > maxNorm) result *= maxNorm / norm;
    if ((iter - lastOverflow) % window == 0) {
      after = before * factor;
      lastRescale = iter;
    }
  } else {
    status = 1;
    result = NaN;
    const sinceRescale = iter - lastRescale;
    lastOverflow = iter;
    if (<f32>++overflows >= tolerance * <f32>sinceRescale) {
      after = max<f32>(before / factor, threshold);
      lastRescale = iter;
      overflows = 0;
    }
    if (after <= minimum) {
      after = before;
      status = 2;
    }
  }
  store<f32>(newScale, after);
  store<i32>(newCounters, status >= 2 ? iter : iter + 1);
  store<i32>(newCounters, lastOverflow, 4);
  store<i32>(newCounters, lastRescale, 8);
  store<i32>(newCounters, overflows, 12);
  store<i32>(newCounters, status, 16);
  store<f32>(coefficient, result);
  store<f32>(normOut, norm);
}
