// Philox 4x32-10 in WGSL: the same integers as kernels/philox.as.ts.
import type { Dropout } from "./index.ts";
import { dropThreshold } from "./philox.ts";

/** `philoxWord(element, seed, stream, update, microBatch)` is the element's random word. */
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

fn philoxWord(element: u32, seed: u32, stream: u32, update: u32, microBatch: u32) -> u32 {
  var c = vec4<u32>(element >> 2u, update, microBatch, 0u);
  var key = vec2<u32>(seed, stream);
  for (var round = 0u; round < 10u; round = round + 1u) {
    let high0 = multiplyHigh(c.x, 0xd2511f53u);
    let high1 = multiplyHigh(c.z, 0xcd9e8d57u);
    c = vec4<u32>(high1 ^ c.y ^ key.x, c.z * 0xcd9e8d57u, high0 ^ c.w ^ key.y, c.x * 0xd2511f53u);
    key = key + vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c[element & 3u];
}
`;

/**
 * `multiplier(element)`: what dropout multiplies an element by, from the operand `key` (i32) and the
 * words of dropoutParams().
 *
 * @param words expressions of these three words, in order.
 */
export const multiplierWgsl = ([stream, threshold, scale]: readonly [
  stream: string,
  threshold: string,
  scale: string,
]): string => `${PHILOX_WGSL}
fn multiplier(element: u32) -> f32 {
  let word = philoxWord(element, u32(key[0]), ${stream}, u32(key[1]), u32(key[2]));
  return select(0.0, bitcast<f32>(${scale}), word >= ${threshold});
}
`;

/** Three words of a kernel's params: stream, threshold, 1 / (1 - p). */
export const dropoutParams = ({ p, stream }: Dropout = { p: 0, stream: 0 }) =>
  [stream >>> 0, dropThreshold(p), { f32: 1 / (1 - p) }] as const;
