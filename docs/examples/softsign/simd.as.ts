// Memory: reads x, overwrites y; y may be x.
// Work: elements in any split; tails go through the same SIMD code, so equal inputs give equal bits.
// Cost: 8 bytes moved per element, one division for four.
import { loadTail, storeTail } from "../../../kernels/simd_math.as";

@inline
function softsignv(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(1), f32x4.abs(x)));
}

/** y[i] = x[i] / (1 + |x[i]|) for i in [start, end): this thread's share. */
export function softsign(x: usize, y: usize, start: i32, end: i32): void {
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(y + at, softsignv(v128.load(x + at)));
  }
  const at = (<usize>i) << 2;
  if (i < end) storeTail(y + at, softsignv(loadTail(x + at, end - i, 0)), end - i);
}
