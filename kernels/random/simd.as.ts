// Dropout, alone or added to a residual; the mask exists only as counters.
//
// Memory: reads x, residual (or none: 0) and key; overwrites y, which may be x or residual.
//   `scratch` holds the multipliers of one block, with room around them: BLOCK floats and two MARGINs.
// Work: elements in any split; element i draws the same 16 bits wherever it is computed.
// Cost: the random bits, beside which memory hardly counts.
import { dropoutMultipliers } from "../philox.as";
import { loadTail, storeTail } from "../simd_math.as";

export { random_normal, random_uniform } from "./draws.as";

/** Elements whose multipliers are made at a time. index.ts counts the bytes they take. */
const BLOCK: i32 = 1024;
/** Bytes before and behind the block that dropoutMultipliers() may write. */
const MARGIN: usize = 128;

export function random_dropout(
  x: usize,
  residual: usize,
  key: usize,
  y: usize,
  scratch: usize,
  stream: i32,
  threshold: i32,
  scale: f32,
  start: i32,
  end: i32,
): void {
  const multipliers = scratch + MARGIN;
  for (let first = start; first < end; first += BLOCK) {
    const n = min(BLOCK, end - first);
    dropoutMultipliers(multipliers, first, n, key, stream, threshold, scale);
    const at = (<usize>first) << 2;
    const bytes = (<usize>(n & ~3)) << 2;
    const tail = n & 3;
    const from = x + at;
    const to = y + at;
    if (residual) {
      const base = residual + at;
      for (let i: usize = 0; i < bytes; i += 16) {
        const kept = f32x4.mul(v128.load(from + i), v128.load(multipliers + i));
        v128.store(to + i, f32x4.add(v128.load(base + i), kept));
      }
      if (tail) {
        const kept = f32x4.mul(loadTail(from + bytes, tail, 0), v128.load(multipliers + bytes));
        storeTail(to + bytes, f32x4.add(loadTail(base + bytes, tail, 0), kept), tail);
      }
    } else {
      for (let i: usize = 0; i < bytes; i += 16) {
        v128.store(to + i, f32x4.mul(v128.load(from + i), v128.load(multipliers + i)));
      }
      if (tail) {
        const kept = f32x4.mul(loadTail(from + bytes, tail, 0), v128.load(multipliers + bytes));
        storeTail(to + bytes, kept, tail);
      }
    }
  }
}
