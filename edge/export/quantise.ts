// Weights as small integers times one scale for each row, so that a product is a sum of whole numbers:
// exact, and the same on every engine.

/** Rows are padded to a multiple of this: what the kernels read at a time. */
export const ALIGNED = 32;

/**
 * A matrix (N, K) of integers within [-63, 63]; element = integer * the row's scale. Seven bits, because
 * relaxed SIMD multiplies 8-bit activations with no more; BLEU does not notice (bench/RESULTS.md).
 */
export interface Int8Matrix {
  /** (N, K padded to 32) */
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

/** A matrix (N, K) of 4-bit integers; element = (nibble - 8) * the block's step * the row's scale. */
export interface Int4Matrix {
  /** (N, blocks, 16): low nibbles are elements 0 to 15 of a block, high ones 16 to 31. */
  readonly nibbles: Uint8Array;
  /** (N, blocks) */
  readonly steps: Uint8Array;
  readonly scales: Float32Array;
}

const LARGEST = 63;

/** Rounds each row to 127 levels, the largest element at the last one. */
export function quantiseInt8(data: Float32Array, rows: number, columns: number): Int8Matrix {
  const width = Math.ceil(columns / ALIGNED) * ALIGNED;
  const values = new Int8Array(rows * width);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const from = data.subarray(row * columns, (row + 1) * columns);
    const scale = Math.fround(largest(from) / LARGEST);
    scales[row] = scale;
    if (scale === 0) continue;
    for (let k = 0; k < columns; k++) values[row * width + k] = Math.round(from[k] / scale);
  }
  return { values, scales };
}

/** The largest step whose elements, 7 steps from zero, lie within [-127, 127]. */
const LARGEST_STEP = 18;

/** Rounds each block of 32 to 15 levels, the distance between them chosen for the least squared error. */
export function quantiseInt4(data: Float32Array, rows: number, columns: number): Int4Matrix {
  const blocks = Math.ceil(columns / ALIGNED);
  const nibbles = new Uint8Array(rows * blocks * 16);
  const steps = new Uint8Array(rows * blocks);
  const scales = new Float32Array(rows);
  const block = new Float32Array(ALIGNED);
  for (let row = 0; row < rows; row++) {
    const from = data.subarray(row * columns, (row + 1) * columns);
    // 7 steps of 18 units reach the largest element.
    const scale = Math.fround(largest(from) / (7 * LARGEST_STEP));
    scales[row] = scale;
    for (let b = 0; b < blocks; b++) {
      block.fill(0);
      const own = from.subarray(b * ALIGNED, (b + 1) * ALIGNED);
      if (scale > 0) for (const [i, x] of own.entries()) block[i] = x / scale;
      const step = bestStep(block);
      steps[row * blocks + b] = step;
      const to = nibbles.subarray((row * blocks + b) * 16, (row * blocks + b + 1) * 16);
      for (let i = 0; i < 16; i++)
        to[i] = level(block[i], step) | (level(block[i + 16], step) << 4);
    }
  }
  return { nibbles, steps, scales };
}

/** The nibble of a number in units: 1 to 15, 8 is zero. */
const level = (x: number, step: number): number =>
  8 + Math.max(-7, Math.min(7, Math.round(x / step)));

function bestStep(block: Float32Array): number {
  // No step above what the largest element needs can be better; far below, it is cut off too often.
  const needed = Math.min(LARGEST_STEP, Math.max(1, Math.ceil(largest(block) / 7)));
  let best = needed;
  let least = Number.POSITIVE_INFINITY;
  for (let step = needed; step >= Math.max(1, Math.floor(needed / 2)); step--) {
    let error = 0;
    for (const x of block) error += (x - (level(x, step) - 8) * step) ** 2;
    if (error < least) [least, best] = [error, step];
  }
  return best;
}

const largest = (values: Float32Array): number =>
  values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
