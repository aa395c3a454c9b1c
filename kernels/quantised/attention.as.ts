// Attention of ragged rows: each looks at a list of places, wherever they lie. A place holds keys and
// values of many layers and belongs to a source position or to a token that was said; beams that share
// their past share its places.
//
// Memory: reads q: M rows of H * D floats, `stepQ` bytes apart; places: addresses; spans (M, 2): where in
//   `places` a row's list begins, and its length; a key stands at place + key, a value at place + value.
//   Overwrites out (M, H * D) and, unless it is 0, weights (M, L): probabilities averaged over the heads,
//   zero beyond a row's list. `scratch` holds two rows of floats, each the longest list rounded up to 8,
//   and 4 floats.
import { scoreFour } from "../attention/cached.as";
import { maskRow, roundUp8, rowBytes, softmaxRow } from "../attention/tiles.as";
import { loadTail, storeTail } from "../simd_math.as";

export function attend(
  q: usize, stepQ: i32, places: usize, spans: usize, key: i32, value: i32, out: usize, weights: usize, scratch: usize,
  M: i32, H: i32, D: i32, L: i32, scale: f32,
): void {
  const bytes = rowBytes(H, D);
  for (let m = 0; m < M; m++) {
    const list = places + (<usize>load<i32>(spans) << 2);
    const count = load<i32>(spans, 4);
    const padded = roundUp8(count);
    const mask = scratch + rowBytes(1, roundUp8(L));
    const four = mask + rowBytes(1, padded);
    maskRow(mask, 0, count);
    if (weights) memory.fill(weights, 0, rowBytes(1, L));
    for (let h = 0; h < H; h++) {
      const head = rowBytes(h, D);
      scoreList(scratch, q + head, list, <usize>key + head, count, D, four);
      softmaxRow(scratch, mask, count, padded, scale);
      mixList(out + head, scratch, list, <usize>value + head, count, D);
      if (weights) addShare(weights, scratch, count, 1 / <f32>H);
    }
    spans += 8;
    q += stepQ;
    out += bytes;
    if (weights) weights += rowBytes(1, L);
  }
}

@inline
function at(list: usize, j: i32, offset: usize): usize {
  return <usize>load<u32>(list + (<usize>j << 2)) + offset;
}

function scoreList(to: usize, q: usize, list: usize, key: usize, count: i32, D: i32, four: usize): void {
  let j = 0;
  for (; j + 4 <= count; j += 4) {
    scoreFour(
      to + (<usize>j << 2), q,
      at(list, j, key), at(list, j + 1, key), at(list, j + 2, key), at(list, j + 3, key), D,
    );
  }
  for (; j < count; j++) {
    const x = at(list, j, key);
    scoreFour(four, q, x, x, x, x, D);
    store<f32>(to + (<usize>j << 2), load<f32>(four));
  }
}

/** out (D) = sum over j of p[j] value[j]. */
function mixList(out: usize, p: usize, list: usize, value: usize, count: i32, D: i32): void {
  let d = 0;
  for (; d + 16 <= D; d += 16) {
    const column = value + (<usize>d << 2);
    let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0;
    for (let j = 0; j < count; j++) {
      const y = v128.load32_splat(p + (<usize>j << 2));
      const from = at(list, j, column);
      x0 = f32x4.add(x0, f32x4.mul(y, v128.load(from)));
      x1 = f32x4.add(x1, f32x4.mul(y, v128.load(from, 16)));
      x2 = f32x4.add(x2, f32x4.mul(y, v128.load(from, 32)));
      x3 = f32x4.add(x3, f32x4.mul(y, v128.load(from, 48)));
    }
    const to = out + (<usize>d << 2);
    v128.store(to, x0);
    v128.store(to, x1, 16);
    v128.store(to, x2, 32);
    v128.store(to, x3, 48);
  }
  for (; d < D; d += 4) {
    const width = min(4, D - d);
    const column = value + (<usize>d << 2);
    let x = f32x4.splat(0);
    for (let j = 0; j < count; j++) {
      const from = at(list, j, column);
      const y = width == 4 ? v128.load(from) : loadTail(from, width, 0);
      x = f32x4.add(x, f32x4.mul(v128.load32_splat(p + (<usize>j << 2)), y));
    }
    const to = out + (<usize>d << 2);
    if (width == 4) v128.store(to, x);
    else storeTail(to, x, width);
  }
}

/** weights += share p. */
function addShare(weights: usize, p: usize, count: i32, share: f32): void {
  for (let j: usize = 0; j < <usize>count << 2; j += 4) {
    store<f32>(weights + j, load<f32>(weights + j) + load<f32>(p + j) * share);
  }
}
