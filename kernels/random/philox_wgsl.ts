// Philox 4x32-10 in WGSL: the same integers as kernels/philox.as.ts.
import type { Dropout } from "./index.ts";
import { dropoutOdds } from "./philox.ts";

/** `philoxWords(block, seed, stream, update, microBatch)`: the random words of elements 8 block and on. */
const PHILOX_WGSL = `
fn multiplyHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  let cross = aLow * bHigh + (middle & 0xffffu);
  return aHigh * bHigh + (middle >> 16u) + (cross >> 16u);
}

fn philoxWords(block: u32, seed: u32, stream: u32, update: u32, microBatch: u32) -> vec4<u32> {
  var c = vec4<u32>(block, update, microBatch, 0u);
  var key = vec2<u32>(seed, stream);
  for (var round = 0u; round < 10u; round = round + 1u) {
    let high0 = multiplyHigh(c.x, 0xd2511f53u);
    let high1 = multiplyHigh(c.z, 0xcd9e8d57u);
    c = vec4<u32>(high1 ^ c.y ^ key.x, c.z * 0xcd9e8d57u, high0 ^ c.w ^ key.y, c.x * 0xd2511f53u);
    key = key + vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
`;

/**
 * What dropout multiplies elements by, from the operand `key` (i32) and the words of dropoutParams():
 * `multipliers(element)` for four in a row, which cost one draw where `element` is a multiple of 4 and
 * two elsewhere; `multiplier(element)` for one.
 *
 * @param words expressions of these three words, in order.
 */
export const multiplierWgsl = ([stream, threshold, scale]: readonly [
  stream: string,
  threshold: string,
  scale: string,
]): string => `${PHILOX_WGSL}
fn quadMultipliers(quad: u32) -> vec4<f32> {
  let words = philoxWords(quad >> 1u, u32(key[0]), ${stream}, u32(key[1]), u32(key[2]));
  let pair = select(words.xy, words.zw, (quad & 1u) == 1u);
  let bits = vec4<u32>(pair.x & 0xffffu, pair.x >> 16u, pair.y & 0xffffu, pair.y >> 16u);
  return select(vec4<f32>(), vec4<f32>(bitcast<f32>(${scale})), bits >= vec4<u32>(${threshold}));
}
fn multiplier(element: u32) -> f32 { return quadMultipliers(element >> 2u)[element & 3u]; }
fn multipliers(element: u32) -> vec4<f32> {
  let shift = element & 3u;
  var these = vec4<f32>();
  var last = vec4<f32>();
  for (var more = 0u; more <= min(shift, 1u); more++) {
    these = last;
    last = quadMultipliers((element >> 2u) + more);
  }
  switch shift {
    case 1u: { return vec4<f32>(these.yzw, last.x); }
    case 2u: { return vec4<f32>(these.zw, last.xy); }
    case 3u: { return vec4<f32>(these.w, last.xyz); }
    default: { return last; }
  }
}
`;

/** Three words of a kernel's params: stream, threshold of 65536, scale of what is kept. */
export function dropoutParams({ p, stream }: Dropout = { p: 0, stream: 0 }) {
  const { threshold, scale } = dropoutOdds(p);
  return [stream >>> 0, threshold, { f32: scale }] as const;
}
