// y = activation(x W^T + bias) for 4-bit W: blocks of 32 along K, 16 bytes each (low nibbles are elements
// 0 to 15, high ones 16 to 31), a whole step 1 to 18 for each block and a float scale for each row. An
// element is (nibble - 8) step, an integer within [-127, 127].
//
// Memory: reads q (M, K padded to 32) and rows (M) of quantise_rows_i16, w (N, blocks, 16 bytes), steps (N, blocks), ws (N), bias
//   (N) or 0; overwrites y: M rows of N floats, `stepY` bytes apart. `scratch` holds a row of 8-bit weights.
// Work: a row of W is expanded once for all activations; alone, block by block in registers.
import { addBiasAndActivate } from "../matmul/epilogue.as";
import { activationBytes, dotAdd, pairs, putRow } from "./lanes.as";
import { linearTiles } from "./tiles.as";

export function linear_i4(
  q: usize, rows: usize, w: usize, steps: usize, ws: usize, bias: usize, y: usize, scratch: usize,
  stepY: i32, M: i32, N: i32, K: i32, activation: i32,
): void {
  const blocks = (K + 31) >> 5;
  const bytes = <usize>blocks << 5;
  let to = y;
  for (let n = 0; n < N; n += 2) {
    const second: usize = n + 1 < N ? 1 : 0;
    if (M == 1) {
      const next = second << 2;
      const low = dotBlocks(q, w, steps, blocks);
      const high = second ? dotBlocks(q, w + (bytes >> 1), steps + blocks, blocks) : low;
      const added = bias ? pairs(bias, bias + next) : f32x4.splat(0);
      putRow(to, next, low, high, rows, pairs(ws, ws + next), added);
    } else {
      expand(w, steps, blocks, scratch);
      if (second) expand(w + (bytes >> 1), steps + blocks, blocks, scratch + bytes);
      linearTiles<i16>(q, rows, scratch, ws, bias, to, stepY, M, second, activationBytes<i16>(K));
    }
    w += bytes;
    steps += 2 * blocks;
    ws += 8;
    to += 8;
    if (bias) bias += 8;
  }
  addBiasAndActivate(y, stepY, 0, 0, activation, M, N);
}

/** The low nibbles of 16 bytes, less 8. */
@inline
function lowNibbles(pairs: v128): v128 {
  return i8x16.sub(v128.and(pairs, i8x16.splat(15)), i8x16.splat(8));
}

/** The high ones. */
@inline
function highNibbles(pairs: v128): v128 {
  return i8x16.sub(i8x16.shr_u(pairs, 4), i8x16.splat(8));
}

@inline
function firstEight(x: v128, step: v128): v128 {
  return i16x8.mul(i16x8.extend_low_i8x16_s(x), step);
}

@inline
function lastEight(x: v128, step: v128): v128 {
  return i16x8.mul(i16x8.extend_high_i8x16_s(x), step);
}

function dotBlocks(x: usize, w: usize, steps: usize, blocks: i32): v128 {
  let a = i32x4.splat(0), b = a;
  for (let block = 0; block < blocks; block++) {
    const pairs = v128.load(w), step = i16x8.splat(<i16>load<u8>(steps));
    const low = lowNibbles(pairs), high = highNibbles(pairs);
    a = dotAdd<i16>(a, v128.load(x), firstEight(low, step));
    b = dotAdd<i16>(b, v128.load(x, 16), lastEight(low, step));
    a = dotAdd<i16>(a, v128.load(x, 32), firstEight(high, step));
    b = dotAdd<i16>(b, v128.load(x, 48), lastEight(high, step));
    w += 16;
    steps += 1;
    x += 64;
  }
  return i32x4.add(a, b);
}

/** A row as 8-bit integers. */
function expand(w: usize, steps: usize, blocks: i32, to: usize): void {
  for (let block = 0; block < blocks; block++) {
    const pairs = v128.load(w), step = i16x8.splat(<i16>load<u8>(steps));
    const low = lowNibbles(pairs), high = highNibbles(pairs);
    v128.store(to, i8x16.narrow_i16x8_s(firstEight(low, step), lastEight(low, step)));
    v128.store(to, i8x16.narrow_i16x8_s(firstEight(high, step), lastEight(high, step)), 16);
    w += 16;
    steps += 1;
    to += 32;
  }
}
