// Row functions of the trainer's kernels in the form that decoding needs: no statistics kept, no dropout.
import { norm_forward } from "../norm/simd.as";
import { CHUNK, emptySum, restOf, sumWith, topOf } from "../softmax/rows.as";

/**
 * y = norm(x + residual), or norm(x) where `residual` is 0; `sum` receives x + residual.
 *
 * Memory: reads x, residual (M, C), gain, bias (C); overwrites y and, with a residual, sum (M, C).
 * y may be x; sum may be x or residual. `scratch` holds 2 M floats.
 */
export function layer_norm(
  x: usize, residual: usize, gain: usize, bias: usize, y: usize, sum: usize, scratch: usize, M: i32, C: i32, epsilon: f32,
): void {
  norm_forward(
    x, residual, gain, bias, 0, y, sum, scratch, scratch + (<usize>M << 2), 0, C, epsilon, 0, 0, 1, 0, M,
  );
}

/** x (M, V) = log softmax(x scale), in place. */
export function log_softmax(x: usize, M: i32, V: i32, scale: f32): void {
  for (let m = 0; m < M; m++) {
    let sum = emptySum();
    for (let c = 0; c < V; c += CHUNK) {
      sum = sumWith(sum, x + (<usize>c << 2), min(CHUNK, V - c), scale);
    }
    const top = topOf(sum), rest = restOf(sum);
    for (const end = x + (<usize>V << 2); x < end; x += 4) {
      store<f32>(x, load<f32>(x) * scale - top - rest);
    }
  }
}

/** x += y, `count` floats. */
export function add_rows(x: usize, y: usize, count: i32): void {
  const whole = x + (<usize>(count & ~3) << 2), end = x + (<usize>count << 2);
  for (; x < whole; x += 16) {
    v128.store(x, f32x4.add(v128.load(x), v128.load(y)));
    y += 16;
  }
  for (; x < end; x += 4) {
    store<f32>(x, load<f32>(x) + load<f32>(y));
    y += 4;
  }
}
